"""Small real tasks on which the mechanisms learn something, each with its trained weights beside it."""

import os
from pathlib import Path
from typing import Any

import torch

from attnref._checks import check_choice
from attnref.tasks import _weights
from attnref.tasks._device import usable
from attnref.tasks._task import find

TASKS = (
    "dates",
    "dates_transformer",
    "digit_rows",
    "digit_patches",
    "number_words",
    "language_model",
    "masked_language_model",
    "captions",
    "digits_vit",
    "digit_judge",
    "digits_from_names",
    "recall",
)

__all__ = ["TASKS", "device", "load"]


def load(name: str, path: str | Path | None = None, *, device: torch.device | str | None = None, **options: Any) -> Any:
    """Load a trained model, ready to use: one that is shipped with the package, or one of your own training.

    Needs the package `safetensors`, which comes with `pip install 'attnref[tasks]'`.

    Args:
        name: The task, one of `TASKS`.
        path: A file that the model's `save`, or `--out` of the command line, has written; the shipped weights if
            omitted.
        device: The device of the model; the CPU if omitted.
        options: Which of the shipped models, by arguments of its training. "dates" takes `attention`: False loads the
            model that was trained the same way without attention. "digit_patches" takes `attend`: "softmax" or
            "efficient". "number_words" takes `positions`: "none" loads the model that was trained the same way without
            positions. "digits_vit" takes `positions`: 0.02 loads the model whose position embeddings started small.
            "masked_language_model" takes `sides`: "left" loads the model that attends to the left alone. "recall" takes
            `question`: "selective_copying" or "induction".

    Returns:
        The model in evaluation mode; for "dates" a [DateReader][attnref.tasks.dates.DateReader], for
        "dates_transformer" a [DateTransformer][attnref.tasks.dates_transformer.DateTransformer], for "digit_rows" a
        [RowReader][attnref.tasks.digit_rows.RowReader], for "digit_patches" a
        [PatchReader][attnref.tasks.digit_patches.PatchReader], for "number_words" a
        [NumberReader][attnref.tasks.number_reader.NumberReader], for "language_model" a
        [LanguageModel][attnref.tasks.story_model.LanguageModel], for "masked_language_model" a
        [MaskedLanguageModel][attnref.tasks.masked_model.MaskedLanguageModel], for "captions" a
        [CaptionReader][attnref.tasks.caption_reader.CaptionReader], for "digits_vit" a
        [DigitViT][attnref.tasks.digits_vit.DigitViT], for "digit_judge" a
        [DigitJudge][attnref.tasks.digit_judge.DigitJudge], for "digits_from_names" a
        [DigitArtist][attnref.tasks.digit_artist.DigitArtist], for "recall" a
        [RecallModel][attnref.tasks.recall_model.RecallModel].

    Raises:
        TypeError: The task has no such option, or an option is given together with a path.
        ValueError: There is no task of this name, no such weights are shipped, the file does not hold weights of
            this task, or the device is none of this machine.
        OSError: The file cannot be read.
        ModuleNotFoundError: The package that reads the weights is missing.
    """
    check_choice("attnref.tasks.load", "name", name, TASKS)
    task = find(name)
    if path is None:
        path = Path(__file__).with_name(f"{_weights.choose(task, options).stem}.safetensors")
    elif options:
        raise TypeError(f"attnref.tasks.load: a path names the model already, got path and {', '.join(options)}.")
    if device is not None:
        device = usable("attnref.tasks.load: device", device, meta=True)
    return _weights.load(task, Path(path)).to(device).eval()


def device() -> torch.device:
    """Where tasks and figures are computed: `ATTNREF_DEVICE` if set, else CUDA where there is one, else the CPU.

    Raises:
        ValueError: `ATTNREF_DEVICE` names a device that this machine does not have.
    """
    named = os.environ.get("ATTNREF_DEVICE")
    if named:
        return usable("attnref.tasks.device: ATTNREF_DEVICE", named)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
