"""The discrete VAE pixel by pixel. Ramesh et al. 2021, section 2.1, with small networks of convolutions.

A network is a list of layers: ("conv", weight, bias, stride), ("transposed", weight, bias) or ("relu",). They keep the
size, halve it (a kernel of 4, stride 2), or double it (transposed). One image at a time: (channels, height, width).
"""

import numpy as np

from attnref.oracle.gumbel_softmax import gumbel_softmax


def convolve(x, weight, bias, stride):
    """out[o, i, j] = b_o + sum_{c, u, v} w[o, c, u, v] x[c, stride i + u - p, stride j + v - p], zero outside."""
    padding = (weight.shape[-1] - 1) // 2
    height, width = x.shape[1] // stride, x.shape[2] // stride
    out = np.zeros((len(weight), height, width))
    for o, i, j in np.ndindex(*out.shape):
        out[o, i, j] = bias[o]
        for c, u, v in np.ndindex(*weight.shape[1:]):
            row, column = stride * i + u - padding, stride * j + v - padding
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                out[o, i, j] += weight[o, c, u, v] * x[c, row, column]
    return out


def convolve_transposed(x, weight, bias):
    """Every x[c, i, j] is added, times w[c, o, u, v], to the pixel out[o, 2 i + u - 1, 2 j + v - 1] if there is one."""
    out = np.zeros((weight.shape[1], 2 * x.shape[1], 2 * x.shape[2])) + bias[:, None, None]
    for c, i, j in np.ndindex(*x.shape):
        for o, u, v in np.ndindex(*weight.shape[1:]):
            row, column = 2 * i + u - 1, 2 * j + v - 1
            if 0 <= row < out.shape[1] and 0 <= column < out.shape[2]:
                out[o, row, column] += weight[c, o, u, v] * x[c, i, j]
    return out


def run(network, x):
    """One layer after the other."""
    for kind, *given in network:
        if kind == "relu":
            x = np.maximum(x, 0)
        else:
            x = convolve(x, *given) if kind == "conv" else convolve_transposed(x, *given)
    return x


def encode(image, encoder):
    """z[n, k]: the score of code k at row n // columns, column n % columns."""
    scores = run(encoder, image)
    num_codes, rows, columns = scores.shape
    return np.array([[scores[k, r, c] for k in range(num_codes)] for r in range(rows) for c in range(columns)])


def decode(codes, codebook, decoder, columns):
    """Position (r, c) of the decoder's input is sum_k y[r columns + c, k] E_k."""
    x = np.zeros((codebook.shape[1], len(codes) // columns, columns))
    for n, code in enumerate(codes):
        x[:, n // columns, n % columns] = sum(y * row for y, row in zip(code, codebook, strict=True))
    return run(decoder, x)


def discrete_vae(image, encoder, codebook, decoder, noise, temperature, columns, hard=False):
    """Reconstruction and logits."""
    logits = encode(image, encoder)
    return decode(gumbel_softmax(logits, noise, temperature, hard), codebook, decoder, columns), logits
