"""DALL·E, one token at a time. Ramesh et al. 2021, section 2.2 and appendix B.1."""

import numpy as np

from attnref.oracle.bert import layer_norm
from attnref.oracle.feed_forward import feed_forward
from attnref.oracle.masks import causal_mask
from attnref.oracle.multi_head import multi_head_attention


def embed(text, image_tokens, text_mask, *, columns, weights):
    """What the model reads: start, y_1 ... y_n, start, z_1 ... z_m-1; vectors of one sequence.

    A text token is E_y + P_i, a padding token pad_i + P_i, an image token E'_z + R_row + C_column. The tokens that
    start the text and the image have the last row of their table, and nothing is added.
    """
    y_table, p, pad = (weights[f"embed.{name}.weight"] for name in ("text", "text_positions", "padding"))
    z_table, r, c = (weights[f"embed.{name}.weight"] for name in ("image", "rows", "columns"))
    batch, n_text = text.shape
    n_image = image_tokens.shape[1]
    x = np.zeros((batch, n_text + 1 + n_image, y_table.shape[1]))
    for b in range(batch):
        x[b, 0] = y_table[-1]
        for i in range(n_text):
            real = text_mask is None or text_mask[b, i]
            x[b, 1 + i] = (y_table[text[b, i]] if real else pad[i]) + p[i]
        x[b, n_text + 1] = z_table[-1]
        for i in range(n_image - 1):
            x[b, n_text + 2 + i] = z_table[image_tokens[b, i]] + r[i // columns] + c[i % columns]
    return x


def dalle(text, image_tokens, text_mask=None, *, columns, num_heads, num_layers, norm_eps, weights):
    """Scores of every text token and every image token, and the attention weights of each layer.

    Token k of what is read scores token k + 1: after the start of the text, y_1; after y_n, the start of the image,
    which nothing scores; after that, z_1. Weights are named as in the Module's state dict.
    """
    x = embed(text, image_tokens, text_mask, columns=columns, weights=weights)
    batch, n, _ = x.shape
    layers = []
    for layer in range(num_layers):
        own = _part(weights, f"blocks.layers.{layer}")
        y = _normed(x, _part(own, "self_attention_norm"), norm_eps)
        attention = _part(own, "self_attention")
        output, of_layer = multi_head_attention(y, y, y, causal_mask(n), num_heads=num_heads, **attention)
        x, layers = x + output, [*layers, of_layer]
        y = _normed(x, _part(own, "feed_forward_norm"), norm_eps)
        ff = _part(own, "feed_forward")
        inner, outer = ([ff[f"{name}_proj.{kind}"] for kind in ("weight", "bias")] for name in ("inner", "output"))
        x = x + feed_forward(y, *inner, *outer, activation="gelu")
    x = _normed(x, _part(weights, "blocks.final_norm"), norm_eps)

    n_text, n_image = text.shape[1], image_tokens.shape[1]
    logits = {}
    for kind, first, count in (("text", 0, n_text), ("image", n_text + 1, n_image)):
        w, bias = weights[f"{kind}_proj.weight"], weights[f"{kind}_proj.bias"]
        logits[kind] = np.zeros((batch, count, len(w)))
        for b, i, v in np.ndindex(logits[kind].shape):
            logits[kind][b, i, v] = bias[v] + sum(w[v, c] * x[b, first + i, c] for c in range(x.shape[-1]))
    return logits["text"], logits["image"], layers


def _part(weights, name):
    """The weights of one part, named without it."""
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def _normed(x, norm, norm_eps):
    """Each vector normalized by itself."""
    y = np.zeros(x.shape)
    for at in np.ndindex(x.shape[:-1]):
        y[at] = layer_norm(x[at], norm["weight"], norm["bias"], norm_eps)
    return y
