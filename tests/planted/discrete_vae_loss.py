"""Deliberate mistakes in models/discrete_vae_loss.py: what, the right text, the wrong one."""

TESTS = ("models/test_discrete_vae_loss.py",)
MISTAKES = {
    "models/discrete_vae_loss.py": [
        ("the error not squared", ".square().mean()", ".abs().mean()"),
        ("a sum over the pixels", ".square().mean()", ".square().sum()"),
        ("a sum over the patches", "beta * kl.mean()", "beta * kl.sum()"),
        ("the divergence rewarded", "error + beta * kl", "error - beta * kl"),
        ("beta not used", "error + beta * kl", "error + kl"),
        ("no divergence", "error + beta * kl.mean()", "error"),
        ("no error", "error + beta * kl.mean()", "beta * kl.mean()"),
        (
            "the divergence the other way round",
            "(log_q.exp() * log_q).sum(-1)",
            "-log_q.mean(-1) - math.log(logits.shape[-1])",
        ),
        ("without the logarithm of the number", "math.log(logits.shape[-1]) + (log_q", "(log_q"),
        ("the logarithm of the number of patches", "math.log(logits.shape[-1])", "math.log(logits.shape[-2])"),
        ("over the patches", "log_softmax(-1)", "log_softmax(1)"),
        ("in half precision", "at_least_float32(images) - at_least_float32(reconstruction)", "images - reconstruction"),
        ("scores in half precision", "at_least_float32(logits).log_softmax", "logits.log_softmax"),
        ("left in float32", ".to(reconstruction.dtype)", ""),
        ("logits without a gradient", "at_least_float32(logits).log", "at_least_float32(logits.detach()).log"),
        ("images that are broadcast", "    if images.shape != reconstruction.shape:\n", "    if False:\n"),
        ("any batch", '    check_same_size(who, "batch", images=(images, 0), logits=(logits, 0))\n', ""),
        ("any beta", "    check_number(who, 0, beta=beta)\n", ""),
    ],
}
