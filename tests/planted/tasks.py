"""Deliberate mistakes in the tasks, their data and their command line: what, the right text, the wrong one."""

TESTS = (
    "tasks/test_digits_data.py",
    "tasks/test_dates.py",
    "tasks/test_digit_rows.py",
    "tasks/test_digit_patches.py",
    "tasks/test_recipe.py",
    "tasks/test_load.py",
    "tasks/test_command.py",
)
ONLY = "not learns and not control_c and not home and not statistics"
MISTAKES = {
    "tasks/digits_data.py": [
        (
            "held-out digits in training",
            "return enlarge(images[~is_held_out(split)], size), digits[~is_held_out(split)]",
            "return enlarge(images, size), digits",
        ),
        ("another split than that of the weights", "manual_seed(0))[:360]", "manual_seed(1))[:360]"),
        ("one form less held out", ">= 1415", ">= 1545"),
        ("digits flipped", '(file["images"]).float()', '(file["images"]).float().flip(-1)'),
        ("digits moved two ways of three", "torch.randint(3, (2", "torch.randint(2, (2"),
        ("digits moved, their labels not drawn", ", digits[chosen]", ", digits[:batch]"),
        ("images drawn with repetition", "torch.randperm(len(images)", "torch.randint(len(images), (len(images),)"),
        ("nearest pixel for bilinear", 'mode="bilinear"', 'mode="nearest"'),
    ],
    "tasks/dates_data.py": [
        ("held-out days in training", "seen = days(held_out=False)", "seen = days(held_out=True)"),
        ("the day of the pages in training", "return day == SHOWN or", "return"),
        ("batches of any length", "pool.sort(key=lambda sample: len(sample.text))", "pass"),
        ("longest batches last", "rng.shuffle(batches)", "pass"),
    ],
    "tasks/digit_rows.py": [
        ("answer after the first row", "confidence[:, -1].argmax(-1)", "confidence[:, 0].argmax(-1)"),
        ("accuracy after the first row", "Score(rows[-1], rows)", "Score(rows[0], rows)"),
        ("loss of the last row alone", "losses_of_rows.mean() + ", "losses_of_rows[:, -1].mean() + "),
        ("images not enlarged as asked", "enlarge(images, size))", "enlarge(images, 8))"),
    ],
    "tasks/digit_patches.py": [
        ("max for mean pooling", "x.mean(dim=1)", "x.amax(dim=1)"),
        ("positions lost", "self.embed(patches(images)) + self.positions", "self.embed(patches(images))"),
        ("block without a residual connection", "x = x + output", "x = output"),
        ("patches cut by columns", "cut.transpose(2, 3)", "cut.permute(0, 3, 1, 2, 4)"),
        ("own patch counted by head", "mean(dim=(0, 3))", "mean(dim=(0, 2))"),
    ],
    "tasks/dates.py": [
        ("first batch measured alone", "range(0, len(samples), batch)", "range(0, batch, batch)"),
        ("decoder fed what it has to say", "target[:, :-1], mask", "target[:, 1:], mask"),
        ("padding read", "target[:, :-1], mask)", "target[:, :-1])"),
        ("weights on padding kept", "w[:, : len(text)]", "w"),
        ("share of the wrong digits", "sample.spans[part]", 'sample.spans["year"]'),
    ],
    "tasks/_recipe.py": [
        ("gradients added up", "optimizer.zero_grad()", "pass"),
        ("gradients not clipped", "nn.utils.clip_grad_norm_(reader.parameters(), 1.0)", "pass"),
        ("learning rate of the first step", "schedule.step()", "pass"),
        ("caller's random numbers drawn", "with torch.random.fork_rng(devices=[]):", "with torch.no_grad():"),
        ("seed ignored", "torch.manual_seed(seed)", "torch.manual_seed(0)"),
    ],
    "tasks/_weights.py": [
        (
            "file replaced, not written to",
            "Path(path).write_bytes(content)",
            'extra("safetensors.torch").save_file(tensors, path, metadata={"reader": one})',
        ),
        ("options of load ignored", "if all(arguments[name] == value", "if all(value is value"),
        (
            "weights of another task taken",
            "if recipe is None or not _accepts(task.reader, recipe)",
            "if recipe is None",
        ),
        ("pointer of Git LFS not known", "if file.read(len(POINTER)) == POINTER", "if file.read(9) == POINTER"),
    ],
    "tasks/_options.py": [
        ("no step to train", '_whole(text, 1, "a whole', '_whole(text, 0, "a whole'),
        ("seed of 65 bits", "number < SEEDS", "number <= SEEDS"),
        ("--evaluate ignores --steps", '("seeds", "steps", "out")', '("seeds", "out")'),
        ("--evaluate ignores the model", "if given.items() <= shipped.choices.items()", "if given is not None"),
        ("one seed trained twice", "options.seeds.count(seed) > 1", "options.seeds.count(seed) > 2"),
        ("file for several seeds", "len(options.seeds) > 1", "len(options.seeds) > 9"),
        ("file that is tried is lost", '.open("ab")', '.open("wb")'),
        ("file that is tried stays", "path.resolve().unlink()", "pass"),
        ("link that is tried goes", "path.resolve().unlink()", "path.unlink()"),
    ],
    "tasks/_device.py": [("device not tried", "number.item()", "pass")],
    "tasks/__main__.py": [
        ("interrupted step kept", "weight.clone()", "weight"),
        ("interrupt taken for success", "sys.exit(130)", "sys.exit(0)"),
        ("refusal taken for success", "sys.exit(2)", "sys.exit(0)"),
        ("broken pipe told", "except BrokenPipeError:", "except ZeroDivisionError:"),
        ("last seed alone summed up", "scores.append(score[0])", "scores = [score[0]]"),
    ],
}
