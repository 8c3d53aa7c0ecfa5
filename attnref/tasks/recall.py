"""Recall what was read: induction, selective copying and pairs, by Mamba and by models it is compared with."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnref._checks import check_choice
from attnref.tasks import _recipe, recall_data
from attnref.tasks._task import Option, Shipped, Task
from attnref.tasks.recall_data import NOT_ASKED, QUESTIONS, Batch
from attnref.tasks.recall_model import MODELS, RecallModel

STEPS, BATCH, RATE = 1600, 32, 6e-3


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    question: str = "selective_copying",
    model: str = "mamba",
    d_state: int = 8,
    steps: int = STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, RecallModel], None] | None = None,
) -> tuple[RecallModel, list[float]]:
    """Train a model from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    The same seed on the same machine gives the same weights. All models of one seed read the same sequences.

    Args:
        seed: Draws the first weights and the sequences.
        question: "induction", "selective_copying" or "pairs", see `recall_data`.
        model: "mamba", "time_invariant", "learned" or "relative", see `RecallModel`.
        d_state: Numbers in the state of each channel, of the first two.
        steps: How many batches of 32 sequences are learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step with the number of steps done and the model so far.

    Returns:
        model: The trained model, in evaluation mode.
        losses: The loss of each step, in nats per answer.

    Raises:
        ValueError: There is no such question or model, no step to train for, or the seed is not one of torch's.
    """
    check_choice("recall.train", "question", question, tuple(QUESTIONS))
    check_choice("recall.train", "model", model, MODELS)
    _recipe.check_training("recall.train", seed, steps, device)
    with _recipe.drawn_from(seed):
        reader = RecallModel(model, vocab_size=QUESTIONS[question].vocab_size, d_state=d_state).to(device)

    def loss_of(batch: Batch) -> Tensor:
        logits = reader(batch.tokens.to(device))
        return nn.functional.cross_entropy(logits.mT, batch.targets.to(device), ignore_index=NOT_ASKED)

    batches = recall_data.training_batches(question, steps, BATCH, seed)
    losses = _recipe.fit(reader, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return reader.eval(), losses


class Score(NamedTuple):
    """How often a model answers right.

    Attributes:
        accuracy: Share of right answers at the largest size of those asked.
        by_size: The share for each size: tokens, or pairs.
    """

    accuracy: float
    by_size: dict[int, float]

    def __str__(self) -> str:
        each = ", ".join(f"{share:.3f} at {n}" for n, share in self.by_size.items())
        return f"held-out accuracy {self.accuracy:.4f}; {each}"


@torch.no_grad()
def measure(reader: RecallModel, question: str, sizes: Sequence[int] | None = None) -> Score:
    """Measure how many answers are right on held-out sequences, of the sizes of the question if none are given."""
    check_choice("recall.measure", "question", question, tuple(QUESTIONS))
    found = {n: accuracy(reader, recall_data.held_out(question, n)) for n in sizes or QUESTIONS[question].asked}
    return Score(list(found.values())[-1], found)


@torch.no_grad()
def accuracy(reader: RecallModel, batch: Batch) -> float:
    """The share of the asked positions at which the highest score is that of the target."""
    answers = reader(batch.tokens.to(next(reader.parameters()).device)).argmax(-1).cpu()
    asked = batch.targets != NOT_ASKED
    return (answers == batch.targets)[asked].double().mean().item()


TASK = Task(
    name="recall",
    about="induction, selective copying and pairs: what can a state of constant size recall?",
    merit="held-out accuracy",
    steps=STEPS,
    options=(
        Option.of("question", QUESTIONS, "selective_copying", "what is asked"),
        Option.of("model", MODELS, "mamba", "what answers"),
    ),
    shipped=(
        Shipped("recall", "selective copying", {"question": "selective_copying", "model": "mamba"}),
        Shipped("recall-induction", "induction", {"question": "induction", "model": "mamba"}),
    ),
    reader=RecallModel,
    train=train,
    measure=lambda reader, given: measure(reader, given["question"]),
    held_out=lambda: "held-out sequences, drawn from seeds that no training uses",
)
