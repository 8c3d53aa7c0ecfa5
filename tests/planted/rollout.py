"""Deliberate mistakes in attention rollout: what, the right text, the wrong one."""

TESTS = ("models/test_rollout.py",)
MISTAKES = {
    "models/rollout.py": [
        ("the first layer last", "mixed @ rollout", "rollout @ mixed"),
        ("the last layer alone", "mixed if rollout is None else mixed @ rollout", "mixed"),
        ("layers multiplied one by one", "mixed @ rollout", "mixed * rollout"),
        ("layers added", "mixed @ rollout", "(mixed + rollout) / 2"),
        ("layers turned", "mixed @ rollout", "mixed.mT @ rollout"),
        ("no residual connection", "mixed = 0.5 * mixed + 0.5 * torch.eye", "mixed = mixed + 0 * torch.eye"),
        ("more of the input", "mixed = 0.5 * mixed + 0.5 * torch.eye", "mixed = 0.1 * mixed + 0.9 * torch.eye"),
        ("not normalized", "            mixed = mixed / mixed.sum(dim=-1, keepdim=True)\n", ""),
        ("columns normalized", "mixed.sum(dim=-1, keepdim=True)", "mixed.sum(dim=-2, keepdim=True)"),
        ("the whole table normalized", "mixed.sum(dim=-1, keepdim=True)", "mixed.sum(dim=(-2, -1), keepdim=True)"),
        ("max over the heads", ".mean(dim=-3)", ".amax(dim=-3)"),
        ("sum over the heads", ".mean(dim=-3)", ".sum(dim=-3)"),
        ("first head alone", ".mean(dim=-3)", "[..., 0, :, :]"),
        ("mean over the batch", ".mean(dim=-3)", ".mean(dim=0)"),
        ("in half precision", "at_least_float32(of_layer)", "of_layer"),
        ("in half precision under autocast", "with autocast_off(weights[0]):", "with torch.enable_grad():"),
        ("no heads taken", " or of_layer.shape[-3] == 0", ""),
        ("left in float32", "return rollout.to(weights[0].dtype)", "return rollout"),
        ("cut off from the weights", "at_least_float32(of_layer)", "at_least_float32(of_layer).detach()"),
        ("nothing checked", "    _check_weights(weights)\n", ""),
        ("a tensor taken", "if not isinstance(weights, list | tuple):", "if weights is None:"),
        ("no hint", "if weights is None else", "if False else"),
        ("no layers taken", "    if not weights:", "    if False:"),
        ("axes not checked", "        check_axes(who, name, of_layer, form, at_least=3)\n", ""),
        ("not square", "if of_layer.shape[-1] != of_layer.shape[-2] or", "if"),
        ("shapes not compared", "if of_layer.shape != weights[0].shape:", "if False:"),
        ("dtypes not compared", "    check_floating(who, **named)\n", ""),
    ],
}
