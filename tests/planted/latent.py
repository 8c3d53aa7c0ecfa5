"""Deliberate mistakes in the latent autoregressive model: what, the right text, the wrong one."""

TESTS = ("sequence/test_latent.py",)
MISTAKES = {
    "sequence/latent.py": [
        ("each value sees itself", "torch.cat((torch.zeros_like(z[:, :1]), z[:, :-1]), dim=1)", "z"),
        ("state not carried on while predicting", "values[-1][:, None], state)", "values[-1][:, None], None)"),
        ("scale not put back", "self.mean + self.scale * torch.stack", "self.mean + torch.stack"),
        ("scale left out of the density", "- at_least_float32(self.scale).log() ", ""),
        ("sigma left out of the draw", "mean + self.log_sigma.exp() * noise", "mean + noise"),
        ("weight decay ignored", "weight_decay=weight_decay)\n        schedule", "weight_decay=0)\n        schedule"),
        ("losses of all fits together", "        self.losses = []\n        for", "        for"),
        ("learning rate stays", "            schedule.step()\n", ""),
        ("gradients not clipped", "nn.utils.clip_grad_norm_(self.parameters(), 1.0)", "pass"),
        ("gradients added up", "            optimizer.zero_grad()\n", ""),
        (
            "mean and scale not saved",
            'register_buffer("mean", torch.zeros(()))',
            'register_buffer("mean", torch.zeros(()), persistent=False)',
        ),
        ("fitted in half precision", "self.to(float32_or_wider(dtype))", "pass"),
        ("left in float32", "            self.to(dtype)\n", "            pass\n"),
        ("gradients of the series", "self._standardize(x.detach())", "self._standardize(x)"),
        ("no gradients where they are off", "    @torch.inference_mode(False)", "    #"),
        ("weights kept by a reset", "        draw_anew(*self.children())", "        pass"),
        ("scale kept by a reset", "        nn.init.ones_(self.scale)\n", ""),
        ("a scale of zero let in", "0 < self.scale < math.inf", "True"),
        ("loss that is not finite let in", "if not math.isfinite(self.losses[-1]):", "if False:"),
    ],
    "sequence/_net.py": [
        ("a net that takes batches for positions", 'getattr(net, "batch_first", True) is False', "False"),
        ("weights of a part kept by a reset", "draw_anew(*module.children())", "pass"),
        ("a net that takes something else", "taken.bind(None, None)", "taken"),
        ("hidden states of any size let in", "if read[0].shape != shape:", "if False:"),
    ],
    "sequence/_scale.py": [
        (
            "constants told from noise by rounding",
            "values / unit - first / unit",
            "values / unit - (values / unit).mean()",
        ),
        ("a scale of zero let in by fit", "if not scale > 0:", "if False:"),
        ("a scale of infinity let in by fit", "if not scale < math.inf:", "if False:"),
        ("mean without the first value", "first + unit * centered.mean()", "unit * centered.mean()"),
    ],
}
