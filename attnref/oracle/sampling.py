"""From logits to probabilities by the sums of the papers (Holtzman et al. 2020; Keskar et al. 2019), token by token."""

import math

import numpy as np


def _softmax(z):
    highest = max(z)
    exps = [math.exp(score - highest) for score in z]
    return [e / sum(exps) for e in exps]


def _each(logits, kept):
    """The logits of each sample, minus infinity for the tokens that `kept(z)` leaves out."""
    out = np.array(logits, dtype=np.float64)
    for b in range(len(out)):
        keep = kept([float(score) for score in logits[b]])
        for v in range(len(out[b])):
            if v not in keep:
                out[b, v] = -np.inf
    return out


def scale_temperature(logits, temperature):
    """Each logit divided by the temperature."""
    return np.array([[score / temperature for score in z] for z in np.asarray(logits, dtype=np.float64)])


def keep_top_k(logits, k):
    """A token is kept if fewer than k tokens have a higher logit."""
    return _each(logits, lambda z: {v for v in range(len(z)) if sum(other > z[v] for other in z) < k})


def keep_nucleus(logits, p):
    """The smallest set of the likeliest tokens whose probabilities sum to p or more."""

    def kept(z):
        probabilities, keep = _softmax(z), set()
        for v in sorted(range(len(z)), key=lambda v: (-probabilities[v], v)):
            if p < 1 and sum(probabilities[u] for u in keep) >= p:
                break
            keep.add(v)
        return keep

    return _each(logits, kept)


def keep_min_p(logits, p):
    """A token is kept if its probability is p times the highest one or more."""

    def kept(z):
        probabilities = _softmax(z)
        return {v for v in range(len(z)) if probabilities[v] >= p * max(probabilities)}

    return _each(logits, kept)


def penalize_repetition(logits, tokens, penalty):
    """The logit of a token that was written is divided by the penalty if positive, multiplied if negative."""
    out = np.array(logits, dtype=np.float64)
    for b in range(len(out)):
        for v in {int(token) for token in tokens[b]}:
            out[b, v] = out[b, v] / penalty if out[b, v] > 0 else out[b, v] * penalty
    return out
