"""Deliberate mistakes in taking Mamba's weights from Hugging Face and giving them back."""

TESTS = ("interop/test_mamba.py",)
INTEROP = True
MISTAKES = {
    "interop/mamba.py": [
        ("projections swapped", '.in_proj", f"{MIXER}.in_proj"', '.in_proj", f"{MIXER}.out_proj"'),
        ("other activations pass", '"hidden_act": ("silu"', '"other": ("silu"'),
        ("older names not known", 'name.replace("embedding.", "embeddings.")', "name"),
        ("size of the state lost", 'config.get("state_size", 16)', "16"),
        ("size of the convolution lost", 'config.get("conv_kernel", 4)', "4"),
        ("number of channels lost", 'config.get("expand", 2)', "2"),
        ("rank lost", 'None if rank == "auto" else rank', "None"),
        ("epsilon lost", 'config.get("layer_norm_epsilon", 1e-5)', "1e-5"),
        ("biases lost", 'config.get("use_bias", False)', "False"),
        ("bias of the convolution lost", 'config.get("use_conv_bias", True)', "True"),
        ("output layer lost", 'tie="none" if has_head else "output"', 'tie="output"'),
        ("epsilon lost on the way back", '"layer_norm_epsilon": block.norm.eps', '"layer_norm_epsilon": 1e-5'),
        ("tie lost on the way back", "model.output_proj is None,", "True,"),
        ("another scan passes", "scan=(", "other=("),
    ],
}
