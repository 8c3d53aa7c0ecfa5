"""The model of the task `language_model`: a decoder-only Transformer that reads stories and writes them on."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attnref import DecoderOnlyTransformer, generate
from attnref._checks import check_at_least
from attnref.tasks import _weights, stories_data
from attnref.tasks.stories_data import START
from attnref.tasks.subwords import Subwords


class Reading(NamedTuple):
    """A text that was read.

    Attributes:
        symbols: The subwords, the begin token first; ▁ stands for the space before a word.
        surprise: The loss of each subword but the begin token, given those before it, in nats, (n - 1,).
        weights: The attention weights, (num_layers, h, n, n).
    """

    symbols: list[str]
    surprise: Float[Tensor, " n_scored"]
    weights: Float[Tensor, "num_layers h n n"]


class LanguageModel(nn.Module):
    """Score each next subword of a story with `DecoderOnlyTransformer`, and write stories on.

    Args:
        characters: Every character that a text may have.
        merges: The merges of the subwords, see `Subwords`.
        d_model: Size of each vector.
        num_heads: Number of heads of each attention.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks.
        context: How many tokens are read at once.

    Attributes:
        vocabulary: Every symbol: the subwords, then the begin token.

    Examples:
        >>> from attnref.tasks.story_model import LanguageModel
        >>> model = LanguageModel("▁adghinos", [("▁", "a"), ("n", "d"), ("▁a", "nd")])  # not trained yet
        >>> reading = model.read("and so on and on")
        >>> reading.symbols
        ['<begin>', '▁and', '▁', 's', 'o', '▁', 'o', 'n', '▁and', '▁', 'o', 'n']
        >>> reading.weights.shape  # layers, heads, queries, keys
        torch.Size([2, 4, 12, 12])
    """

    def __init__(
        self,
        characters: str,
        merges: Iterable[Sequence[str]],
        *,
        d_model: int = 64,
        num_heads: int = 4,
        d_ff: int = 256,
        num_layers: int = 2,
        context: int = 64,
    ) -> None:
        check_at_least("LanguageModel", 1, context=context)
        super().__init__()
        self.subwords, self.context = Subwords(characters, merges), context
        self.vocabulary = [*self.subwords.vocabulary, "<begin>"]
        self.begin = len(self.vocabulary) - 1
        self.recipe = {"characters": characters, "merges": [list(pair) for pair in self.subwords.merges]}
        self.recipe |= {"d_model": d_model, "num_heads": num_heads, "d_ff": d_ff}
        self.recipe |= {"num_layers": num_layers, "context": context}
        self.model = DecoderOnlyTransformer(
            len(self.vocabulary),
            d_model=d_model,
            num_heads=num_heads,
            d_ff=d_ff,
            num_layers=num_layers,
            norm="pre",
            activation="gelu",
            tie="output",
        )

    def forward(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n vocab_size"]:
        """Score the token after each token."""
        return self.model(tokens)[0]

    def encode(self, text: str) -> list[int]:
        """The begin token, then the tokens of the text.

        Raises:
            TypeError: The text is not a string.
            ValueError: It has a character that the model does not know.
        """
        return [self.begin, *self.subwords.encode(" ".join(stories_data.words(text)))]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that has these tokens."""
        text = "".join(self.vocabulary[token] for token in tokens if token != self.begin)
        return text.replace(START, " ").removeprefix(" ")

    @torch.no_grad()
    def read(self, text: str) -> Reading:
        """Read a text, and keep what every head attends to. No gradient is kept.

        Raises:
            TypeError: The text is not a string.
            ValueError: It has a character that the model does not know, or more subwords than the context has room for.
        """
        row = self.encode(text)
        if len(row) > self.context:
            rule = f"text must have at most {self.context - 1} subwords"
            raise ValueError(f"LanguageModel.read: {rule}, got {len(row) - 1}.")
        tokens = torch.tensor([row], device=self.model.embed.tokens.weight.device)
        logits, weights = self.model(tokens, return_weights=True)
        surprise = nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:], reduction="none")
        return Reading([self.vocabulary[token] for token in row], surprise, torch.cat(weights))

    def write(
        self,
        prompt: str,
        *,
        max_new_tokens: int = 30,
        temperature: float = 1.0,
        top_p: float | None = None,
        generator: torch.Generator | None = None,
    ) -> str:
        """Write on, see `attnref.generate`: greedy without a generator, sampled with one.

        Args:
            prompt: What the story begins with.
            max_new_tokens: How many subwords are written.
            temperature: Above zero; see `attnref.scale_temperature`.
            top_p: See `attnref.keep_nucleus`.
            generator: The source of randomness, on the device of the model.

        Returns:
            The prompt and what comes after it.

        Raises:
            TypeError, ValueError: As `read`, the new subwords counted too; or as `attnref.generate`.
        """
        row = self.encode(prompt)
        if len(row) + max_new_tokens > self.context:
            rule = f"prompt and max_new_tokens must be at most {self.context - 1} subwords together"
            raise ValueError(f"LanguageModel.write: {rule}, got {len(row) - 1} and {max_new_tokens}.")
        tokens = torch.tensor([row], device=self.model.embed.tokens.weight.device)
        written = generate(
            self.model.start(capacity=self.context),
            tokens,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            generator=generator,
        )
        return self.decode(written.tokens[0].tolist())

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)
