"""Deliberate mistakes in models/discrete_vae.py: what, the right text, the wrong one."""

TESTS = ("models/test_discrete_vae.py", "models/test_ways_of_torch.py")
ONLY = "discrete"  # of the tests that all Modules share, those of this one
MISTAKES = {
    "models/discrete_vae.py": [
        ("rows and columns change places", "x.flatten(2).transpose(1, 2)", "x.mT.flatten(2).transpose(1, 2)"),
        (
            "decoded column by column",
            "x.transpose(1, 2).unflatten(2, self.grid)",
            "x.transpose(1, 2).unflatten(2, self.grid[::-1]).mT",
        ),
        (
            "the grid turned",
            "image_size[0] // self.patch, self.image_size[1]",
            "image_size[1] // self.patch, self.image_size[0]",
        ),
        ("hard not passed on", "temperature, hard=hard, noise=noise", "temperature, noise=noise"),
        ("temperature not passed on", "gumbel_softmax(logits, temperature, hard", "gumbel_softmax(logits, hard"),
        (
            "noise not passed on",
            "noise=noise, generator=generator)\n        return",
            "generator=generator)\n        return",
        ),
        (
            "generator not passed on",
            "noise=noise, generator=generator)\n        return",
            "noise=noise)\n        return",
        ),
        ("the codes are returned", "return self.decode(codes), logits", "return self.decode(codes), codes"),
        (
            "probabilities, nothing drawn",
            "return self.decode(codes), logits",
            "return self.decode(logits.softmax(-1)), logits",
        ),
        ("the smallest logit is the token", "self.encode(images).argmax(-1)", "self.encode(images).argmin(-1)"),
        ("the likeliest patch of each code", "self.encode(images).argmax(-1)", "self.encode(images).argmax(1)"),
        ("one token off", "else self.codebook(codes)", "else self.codebook((codes + 1) % self.num_codes)"),
        ("the codebook not learned", "codes @ self.codebook.weight if", "codes @ self.codebook.weight.detach() if"),
        ("one halving too few", "halvings = patch.bit_length() - 1", "halvings = patch.bit_length() - 2"),
        (
            "no nonlinearity after a halving",
            "nn.Conv2d(d_hidden, d_hidden, 4, 2, 1), nn.ReLU())",
            "nn.Conv2d(d_hidden, d_hidden, 4, 2, 1),)",
        ),
        (
            "a wide last convolution of the encoder",
            "nn.Conv2d(d_hidden, num_codes, 1)",
            "nn.Conv2d(d_hidden, num_codes, 3, padding=1)",
        ),
        (
            "a wide first convolution of the decoder",
            "nn.Conv2d(d_code, d_hidden, 1)",
            "nn.Conv2d(d_code, d_hidden, 3, padding=1)",
        ),
        (
            "the codebook not drawn anew",
            "draw_anew(*self.encoder, self.codebook, *self.decoder)",
            "draw_anew(*self.encoder, *self.decoder)",
        ),
        ("the encoder not drawn anew", "draw_anew(*self.encoder, ", "draw_anew("),
        ("the decoder not drawn anew", ", *self.decoder)", ")"),
        ("any patch", "        if patch & (patch - 1):\n", "        if False:\n"),
        ("any grid", '        check_divides("DiscreteVAE", self.image_size, (patch, patch))\n', ""),
        (
            "any image",
            '            check_size("DiscreteVAE", letter, wanted, "images", images, axis)\n',
            "            pass\n",
        ),
        (
            "any channels",
            '        check_images("DiscreteVAE", images, self.encoder[0])  # pyright: ignore[reportArgumentType]\n',
            "",
        ),
        ("any number of codes", "        if codes.shape[1] != n:\n", "        if False:\n"),
        ("any token", '            check_tokens(who, "codes", codes, self.num_codes)\n', "            pass\n"),
        ("codes of another size", '            check_size(who, "num_codes", self.num_codes, "codes", codes, 2)\n', ""),
        ("a small patch unless given", "patch: int = 4", "patch: int = 2"),
        ("three channels unless given", "channels: int = 1", "channels: int = 3"),
        ("a small codebook unless given", "d_code: int = 64", "d_code: int = 32"),
        ("two unless given", "temperature: float = 1.0", "temperature: float = 2.0"),
    ],
}
