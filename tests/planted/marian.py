"""Deliberate mistakes in interop/marian.py: what, the right text, the wrong one."""

INTEROP = True
TESTS = ("interop/test_marian.py",)
MISTAKES = {
    "interop/marian.py": [
        ("queries for keys", '"self_attn.k_proj": "self_attention.key_proj"', '"self_attn.k_proj": "self_attention.x"'),
        ("attentions swapped", '"encoder_attn.v_proj": "cross_attention.value_proj"', '"encoder_attn.v_proj": "x"'),
        ("swish taken for relu", '"swish": "silu"', '"swish": "relu"'),
        ("attend ignored", "            attend=attend,\n", ""),
        ("dropout lost", "dropout=float(config.dropout)", "dropout=0.0"),
        ("activation lost", "activation=ACTIVATIONS[config.activation_function]", 'activation="relu"'),
        ("tables not shared", 'else "all" if shares else "output"', 'else "output"'),
        ("bias lost", "and not has_bias", ""),
        ("mode lost", "return ours.train(model.training)", "return ours"),
        ("random numbers drawn", 'with torch.device("meta"):  # nothing is drawn', "with torch.enable_grad():"),
        ("attend not checked", "    check_attend(who, attend, optional=False)\n", ""),
        ("other classes pass", "if not isinstance(model, MarianMTModel):", "if False:"),
        ("unscaled embeddings pass", "if not config.scale_embedding:", "if False:"),
        ("other activations pass", "if config.activation_function not in ACTIVATIONS:", "if False:"),
        ("unlike sizes pass", "if of_encoder != of_decoder:", "if False:"),
        ("dropout elsewhere passes", "if model.training and getattr(config, name) > 0:", "if False:"),
    ],
}
