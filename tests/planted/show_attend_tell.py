"""Deliberate mistakes in models/show_attend_tell.py and what it is made of: what, the right text, the wrong one."""

TESTS = ("models/test_show_attend_tell.py", "models/test_ways_of_torch.py")
MISTAKES = {
    "models/_caption_decoder.py": [
        ("query is the cell state", "h = state[0][0]", "h = state[1][0]"),
        ("channels of the mean in reverse", "features.mean(1)[None]", "features.mean(1).flip(-1)[None]"),
        ("first hidden state without tanh", "torch.tanh(self.init_h(mean))", "self.init_h(mean)"),
        ("first cell state without tanh", "torch.tanh(self.init_c(mean))", "self.init_c(mean)"),
        ("one layer for both first states", "torch.tanh(self.init_c(mean))", "torch.tanh(self.init_h(mean))"),
        ("gate not squashed", "torch.sigmoid(self.gate_proj(h))", "self.gate_proj(h)"),
        ("gate left out", "torch.sigmoid(self.gate_proj(h)) * context", "context"),
        ("gate closed for open", "torch.sigmoid(self.gate_proj(h))", "torch.sigmoid(-self.gate_proj(h))"),
        ("a gate for each channel", '1 if gate == "scalar" else d_features', "d_features"),
        ("one gate for all channels", '1 if gate == "scalar" else d_features', "1"),
        ("keys as values", "self.attend(query, keys, features)", "self.attend(query, keys, keys)"),
        ("context and word change places", "torch.cat((x, context), dim=-1)", "torch.cat((context, x), dim=-1)"),
        ("deep output without the word", "self.dropout(x + self.hidden_proj", "self.dropout(self.hidden_proj"),
        ("deep output without the context", " + self.context_proj(context)", ""),
        ("hard attention left out", "if chosen is not None:", "if False:"),
        ("relu for tanh", "torch.tanh(query.unsqueeze(-2)", "torch.relu(query.unsqueeze(-2)"),
        ("product for sum", "query.unsqueeze(-2) + key", "query.unsqueeze(-2) * key"),
        ("keys without a bias", "nn.Linear(d_features, d_attention)", "nn.Linear(d_features, d_attention, bias=False)"),
        ("dropout left out", "self.output_proj(self.dropout(", "self.output_proj(("),
    ],
    "models/show_attend_tell.py": [
        ("the grid read column by column", "grid.flatten(2).mT", "grid.mT.flatten(2).mT"),
        (
            "the state not carried on",
            "hidden, context, state, *looked = decoder",
            "hidden, context, _, *looked = decoder",
        ),
        ("weights stacked along the wrong axis", "torch.stack(formed, -2)", "torch.stack(formed, 1)"),
        ("weights returned unasked", "if return_weights and len", "if len"),
        ("steps without weights dropped", "return_weights and len(formed) == len(looked)", "return_weights"),
        ("hard not passed on to start", "chooser(who, features, None, generator) if hard else None", "None"),
        (
            "generator not passed on to start",
            "chooser(who, features, None, generator)",
            "chooser(who, features, None, None)",
        ),
        ("tokens read unchecked", '            check_tokens(who, "tokens", token', '            (who, "tokens", token'),
        (
            "another batch read",
            '            check_same_size(who, "batch", tokens=(token, 0), features=(features, 0))\n',
            "",
        ),
        ("writing in training mode", "        check_drops_nothing(who, self)\n", ""),
        ("generation keeps its graph", "    @torch.no_grad()\n", ""),
        ("weights of the grid not drawn anew", "draw_anew(*self.children())", "draw_anew(self.decoder)"),
        (
            "batches that differ",
            '        check_same_size(who, "batch", features=(features, 0), captions=(captions, 0))\n',
            "",
        ),
    ],
    "models/_choose.py": [
        ("the smallest weight", "weights.argmax(-1)", "weights.argmin(-1)"),
        ("drawn uniformly", "at_least_float32(weights.detach())", "torch.ones_like(weights)"),
        ("a position outside the grid", "weights.shape[-1] - 1", "weights.shape[-1]"),
        ("given positions not read on", "position := next(given)", "position := chosen[:, 0]"),
    ],
}
