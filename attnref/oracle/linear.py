"""Linear attention, one pair at a time. Katharopoulos et al. 2020, sections 3.2 and 3.3, equations 4, 7 and 8."""

import numpy as np


def elu_plus_one(x):
    """phi(x)_c = elu(x_c) + 1, that is x_c + 1 where x_c > 0 and exp x_c elsewhere."""
    return np.array([c + 1 if c > 0 else np.exp(c) for c in x])


def linear_attention(query, key, value, mask=None, *, feature_map=elu_plus_one):
    """o_i = sum_j (phi(q_i) . phi(k_j)) v_j / sum_j phi(q_i) . phi(k_j), over all keys; zero where there is none."""
    every_pair = np.ones((query.shape[-2], key.shape[-2]), dtype=bool)
    return _pair_by_pair(query, key, value, mask, every_pair, feature_map)


def causal_linear_attention(query, key, value, mask=None, *, feature_map=elu_plus_one):
    """The same with the sums over j <= i."""
    n = key.shape[-2]
    no_later = np.array([[j <= i for j in range(n)] for i in range(n)], dtype=bool).reshape(n, n)
    return _pair_by_pair(query, key, value, mask, no_later, feature_map)


def linear_attention_step(query, key, value, state=None, *, feature_map=elu_plus_one):
    """S_ce += phi(k)_c v_e, z_c += phi(k)_c, o_e = sum_c phi(q)_c S_ce / sum_c phi(q)_c z_c (equations 18 to 20)."""
    *batch, d_v = value.shape
    d_phi = len(feature_map(np.zeros(key.shape[-1])))
    sum_kv, sum_k = np.zeros((*batch, d_phi, d_v)), np.zeros((*batch, d_phi))
    output = np.zeros((*batch, d_v))
    for b in np.ndindex(*batch):
        phi_q, phi_k = feature_map(query[b]), feature_map(key[b])
        for c in range(d_phi):
            sum_k[b][c] = phi_k[c] + (0.0 if state is None else state[1][b][c])
            for e in range(d_v):
                sum_kv[b][c, e] = phi_k[c] * value[b][e] + (0.0 if state is None else state[0][b][c, e])
        total = sum(phi_q[c] * sum_k[b][c] for c in range(d_phi))
        for e in range(d_v):
            if total != 0:
                output[b][e] = sum(phi_q[c] * sum_kv[b][c, e] for c in range(d_phi)) / total
    return output, (sum_kv, sum_k)


def _pair_by_pair(query, key, value, mask, allowed, feature_map):
    *batch, n_q, _ = query.shape
    n_k, d_v = value.shape[-2:]
    mask = np.broadcast_to(True if mask is None else mask, (*batch, n_q, n_k))
    output = np.zeros((*batch, n_q, d_v))
    for *b, i in np.ndindex(*batch, n_q):
        phi_q = feature_map(query[*b, i])
        similarity = {}
        for j in range(n_k):
            if allowed[i, j] and mask[*b, i, j]:
                phi_k = feature_map(key[*b, j])
                similarity[j] = sum(phi_q[c] * phi_k[c] for c in range(len(phi_k)))
        total = sum(similarity.values())
        for j in similarity:
            for e in range(d_v):
                if total != 0:
                    output[*b, i, e] += similarity[j] / total * value[*b, j, e]
    return output, None
