"""Digits drawn from their names, and from small phrases such as "three, thick": a discrete VAE, then `DALLE`."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_at_least
from attnref.models import DiscreteVAE, dalle_loss, discrete_vae_loss, temperature_schedule
from attnref.tasks import _recipe, digits_data, load
from attnref.tasks._task import Shipped, Task
from attnref.tasks.digit_artist import DigitArtist
from attnref.tasks.digit_judge import DigitJudge
from attnref.tasks.digits_from_names_data import NAMES, PADDING, phrases_of, training_batches
from attnref.tasks.phrase_scorer import SCORER_STEPS, train_scorer

VAE_STEPS, VAE_RATE, BETA = 800, 4e-3, 1e-3
COLDEST = 0.3  # the temperature of the soft codes at the end of the training of the discrete VAE; it starts at 1
STEPS, BATCH, RATE = 800, 128, 3e-3
SAMPLES = 100  # drawn of each name to be judged


@_recipe.one_thread()
def train(
    seed: int = 0,
    *,
    steps: int = STEPS,
    vae_steps: int = VAE_STEPS,
    scorer_steps: int = SCORER_STEPS,
    device: torch.device | str | None = None,
    progress: bool = True,
    watch: Callable[[int, DigitArtist], None] | None = None,
) -> tuple[DigitArtist, list[float]]:
    """Train an artist from scratch: AdamW, one cycle of the learning rate, gradients clipped to norm 1.

    First the discrete VAE learns to describe the training images, then a scorer learns which phrase is true of which
    image, then the decoder learns which tokens follow which phrase. The tokens that it learns from are drawn from the
    probabilities that the discrete VAE gives to its codes, anew each time, so an image is seldom the same tokens twice.
    (The paper takes the most probable ones; its images are 250 million.)

    The same seed on the same machine gives the same weights.

    Args:
        seed: Draws the first weights, the order of the images, the noise and the tokens.
        steps: How many batches of 128 images the decoder learns from.
        vae_steps: How many the discrete VAE has learned from before.
        scorer_steps: How many batches of groups the scorer has learned from.
        device: Where to train; the CPU if omitted.
        progress: Whether to show a progress bar.
        watch: Called after each step of the decoder with the number of steps done and the artist so far.

    Returns:
        artist: The trained artist, in evaluation mode.
        losses: The decoder's loss of each step, in nats.

    Raises:
        ValueError: There is no step to train for, or the seed is not one of torch's.
    """
    _recipe.check_training("digits_from_names.train", seed, steps, device)
    check_at_least("digits_from_names.train", 1, vae_steps=vae_steps, scorer_steps=scorer_steps)
    with _recipe.drawn_from(seed):
        artist = DigitArtist().to(device)
        pretrain(artist.vae, seed, steps=vae_steps, progress=progress)
        train_scorer(artist.scorer, seed, steps=scorer_steps, progress=progress)

        def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
            images, text = (part.to(device) for part in batch)
            with torch.no_grad():
                logits = artist.vae.encode(images[:, None])
            tokens, text_mask = torch.distributions.Categorical(logits=logits).sample(), text != PADDING  # (batch, 16)
            return dalle_loss(artist.dalle(text, tokens, text_mask=text_mask), text, tokens, text_mask=text_mask)

        batches = training_batches(steps, BATCH, seed)
        losses = _recipe.fit(artist, batches, loss_of, steps=steps, rate=RATE, progress=progress, watch=watch)
    return artist.eval(), losses


def pretrain(vae: DiscreteVAE, seed: int, *, steps: int = VAE_STEPS, progress: bool = True) -> list[float]:
    """Train the discrete VAE on the training images, its codes less and less soft. Returns the loss of each step."""
    device, losses = vae.codebook.weight.device, []

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        images = batch[0][:, None].to(device)
        temperature = temperature_schedule(len(losses), start=1.0, end=COLDEST, num_steps=steps)
        reconstruction, logits = vae(images, temperature)
        loss = discrete_vae_loss(images, reconstruction, logits, beta=BETA)
        losses.append(loss.item())
        return loss

    _recipe.fit(vae, training_batches(steps, BATCH, seed), loss_of, steps=steps, rate=VAE_RATE, progress=progress)
    return losses


class Score(NamedTuple):
    """How well an artist draws.

    Attributes:
        right: Share of the drawings that the judge takes for the digit that was asked for, at temperature 1.
        cooler: The same at temperature 0.7.
        nats: The surprise at the tokens of the held-out images given their names, in nats per token.
    """

    right: float
    cooler: float
    nats: float

    def __str__(self) -> str:
        drawn = f"drawings judged right {self.right:.4f}, at temperature 0.7 {self.cooler:.4f}"
        return f"{drawn}; held-out nats per token {self.nats:.3f}"


def measure(artist: DigitArtist, *, samples: int = SAMPLES, seed: int = 0) -> Score:
    """Draw digits of each name and have them judged; and measure the surprise at the held-out images.

    Args:
        artist: The artist.
        samples: How many digits of each name are drawn at each temperature.
        seed: Draws them.

    Raises:
        ValueError: There is nothing to draw.
    """
    check_at_least("digits_from_names.measure", 1, samples=samples)
    phrases = [name for name in NAMES for _ in range(samples)]
    shares = []
    for temperature in (1.0, 0.7):
        generator = torch.Generator(artist.vae.codebook.weight.device).manual_seed(seed)
        shares.append(judged_right(artist.draw(phrases, temperature=temperature, generator=generator).images, phrases))
    return Score(shares[0], shares[1], nats_per_token(artist, *digits_data.held_out_digits()))


def judged_right(images: Float[Tensor, "batch 8 8"], phrases: list[str]) -> float:
    """Share of the images that the shipped judge takes for the digit of their phrase."""
    judge: DigitJudge = load("digit_judge", device=images.device)
    wanted = torch.tensor([NAMES.index(phrase.partition(",")[0]) for phrase in phrases], device=images.device)
    return (judge.read(images) == wanted).double().mean().item()


@torch.no_grad()
def nats_per_token(artist: DigitArtist, images: Tensor, digits: Tensor) -> float:
    """The decoder's mean surprise at the tokens of these images, given the names of their digits."""
    device = artist.vae.codebook.weight.device
    text = phrases_of(images, digits, torch.zeros_like(digits)).to(device)
    tokens = artist.tokens(images.to(device))
    logits = artist.dalle(text, tokens, text_mask=text != PADDING).image_logits
    return nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).item()


TASK = Task(
    name="digits_from_names",
    about="digits drawn from their names: three; or from phrases: three, thick",
    merit="drawings judged right",
    steps=STEPS,
    options=(),
    shipped=(Shipped("digits_from_names", "discrete VAE, then decoder", {}),),
    reader=DigitArtist,
    train=train,
    measure=lambda artist, _: measure(artist),
    held_out=lambda: f"{10 * SAMPLES} drawings, judged by what never saw the images that they were learned from",
)
