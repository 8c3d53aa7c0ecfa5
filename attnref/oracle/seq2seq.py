"""Sequence to sequence, token by token. Sutskever et al. 2014; Bahdanau et al. 2015, appendix A.2."""

import numpy as np

from attnref.oracle._walk import step_weights
from attnref.oracle.gru import gru, gru_step
from attnref.oracle.lstm import lstm, lstm_step
from attnref.oracle.rnn import rnn, rnn_step

RECURRENT = {"rnn": (rnn, rnn_step), "lstm": (lstm, lstm_step), "gru": (gru, gru_step)}


def seq2seq(source, target, mask=None, *, weights, attend=None, recurrent="gru"):
    """The logits of each next token, the true ones before it being given, and where the decoder looked.

    Weights are named as in the model's state dict; `attend(query, key, value, mask)` works on arrays.
    """
    (batch, n_k), n_q = source.shape, target.shape[1]
    mask = np.ones((batch, n_k), dtype=bool) if mask is None else mask
    encoder, decoder = _below(weights, "encoder."), _below(weights, "decoder.")
    read, step = RECURRENT[recurrent]
    cell = step_weights(_below(decoder, "rnn."))
    logits = np.zeros((batch, n_q, len(decoder["output_proj.bias"])))
    looked = np.zeros((batch, n_q, n_k))

    for b in range(batch):
        embedded = np.array([[encoder["embedding.weight"][token] for token in source[b]]])
        memory, state = read(embedded, mask=mask[b : b + 1], weights=_below(encoder, "rnn."))
        forward, backward = state[0] if recurrent == "lstm" else state  # an LSTM hands over h, and keeps c
        h = np.tanh(_linear(decoder["bridge.weight"], decoder["bridge.bias"], [*forward[0], *backward[0]]))
        state = (h, np.zeros(len(h))) if recurrent == "lstm" else h
        for i in range(n_q):
            x, context = decoder["embedding.weight"][target[b, i]], []
            if attend is not None:  # with the state before the step
                output, weight = attend(h[None], memory[0], memory[0], mask[b][None])
                context, looked[b, i] = output[0], weight[0]
            state = step(np.array([*x, *context]), state, **cell)
            h = state[0] if recurrent == "lstm" else state
            logits[b, i] = _linear(decoder["output_proj.weight"], decoder["output_proj.bias"], [*h, *context])
    return logits, looked if attend is not None else None


def _below(weights, prefix):
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


def _linear(weight, bias, x):
    return np.array([bias[a] + sum(weight[a, c] * x[c] for c in range(len(x))) for a in range(len(bias))])
