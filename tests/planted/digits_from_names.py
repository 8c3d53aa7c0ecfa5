"""Deliberate mistakes in digits from their names: phrases, judge, scorer, artist, measures."""

TESTS = ("tasks/test_digits_from_names.py",)
ONLY = "not shipped_judge and not hold_their_figures"
MISTAKES = {
    "tasks/digits_from_names_data.py": [
        ("spread of rows", "shares = images.sum(-2)", "shares = images.sum(-1)"),
        ("median of all digits", "measured[digits == digit].median()", "measured.median()"),
        ("words turned around", "return above if sign > 0 else ~above", "return ~above if sign > 0 else above"),
        (
            "median of held-out images",
            "= digits_data.training_digits()\n    measured",
            "= digits_data.held_out_digits()\n    measured",
        ),
        ("words about ink alone", "torch.randint(3, (batch,)", "torch.randint(2, (batch,)"),
        ("names one off", "torch.stack((digits + 1,", "torch.stack((digits + 2,"),
    ],
    "tasks/digit_judge.py": [
        (
            "a judge that knows the training images",
            "images, digits = digits_data.held_out_digits()",
            "images, digits = digits_data.training_digits()",
        ),
        ("images never moved", "down, right = torch.randint(3,", "down, right = 1 + torch.randint(1,"),
        ("wrong answers counted", "(judge.read(images) == digits)", "(judge.read(images) != digits)"),
    ],
    "tasks/phrase_scorer.py": [
        ("vectors of any length", "normalize(of_image, dim=-1) @", "of_image @"),
        ("scale forgotten", "return self.log_scale.exp() * ", "return "),
        ("the name alone", "self.words(phrases).sum(1)", "self.words(phrases)[:, 0]"),
        ("one way", "cross_entropy(scores.T, right)", "cross_entropy(scores, right)"),
        ("one kind of phrase", "torch.full_like(digits, kind)", "torch.full_like(digits, 1)"),
    ],
    "tasks/digit_artist.py": [
        ("the worst of several", "torch.stack(each)", "-torch.stack(each)"),
        ("the start of the image drawn", "tokens[:, 1:]), tokens[:, 1:])", "tokens[:, :-1]), tokens[:, :-1])"),
        ("padding read as a token", "self.dalle.start(text, text != PADDING)", "self.dalle.start(text)"),
        ("rows of the tokens that were read", "LONGEST + 1 :, :]", "LONGEST + 2 :, :]"),
        ("pixels below paper", ".clamp(0, 1)", ".clamp(-1, 1)"),
        ("temperature forgotten", '{"temperature": temperature,', '{"temperature": 1.0,'),
    ],
    "tasks/digits_from_names.py": [
        (
            "the most probable tokens to learn from",
            "torch.distributions.Categorical(logits=logits).sample()",
            "logits.argmax(-1)",
        ),
        ("codes as soft at the end as at first", "end=COLDEST", "end=1.0"),
        ("the schedule stands still", "temperature_schedule(len(losses)", "temperature_schedule(0"),
        ("the style taken for the name", 'partition(",")[0]', 'partition(", ")[2] or "three"'),
        ("surprise without the names", "torch.zeros_like(digits)).to(device)", "torch.ones_like(digits)).to(device)"),
    ],
    "tasks/digit_drawings.py": [
        ("nearest held-out image", "digits_data.training_digits()[0]", "digits_data.held_out_digits()[0]"),
        ("pairs of different digits", "flat[digits == digit]", "flat[digits != digit]"),
        (
            "attention by the first drawing",
            "artist.weights(phrases, tokens).mean(0)",
            "artist.weights(phrases, tokens)[0]",
        ),
        ("the right name twice", "text[:, 0] % 10 + 1", "text[:, 0]"),
        ("the wrong name's surprise alone", "return surprises[1] - surprises[0]", "return surprises[1]"),
    ],
}
