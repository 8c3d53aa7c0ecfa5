"""The model of the task `masked_language_model`: a small BERT that fills in the blanks of stories."""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref import causal_mask, scaled_dot_product_attention, sinusoidal_positions
from attnref._checks import check_at_least, check_choice
from attnref.models import BERT, BERTPretraining
from attnref.tasks import _weights

BLANK = "_"  # how a masked character is written
SPECIAL = ("[CLS]", "[SEP]", "[MASK]")


def attend_left(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention under a causal mask, whatever else is masked."""
    left = causal_mask(query.shape[-2], key.shape[-2], device=query.device)
    return scaled_dot_product_attention(query, key, value, left if mask is None else mask & left)


ATTENDS = {"both": scaled_dot_product_attention, "left": attend_left}


class Filling(NamedTuple):
    """A text whose blanks were filled.

    Attributes:
        text: The text with the most likely character in each blank.
        symbols: The characters that were read, masked ones as [MASK], between [CLS] and [SEP].
        blanks: The positions of the masked ones among them.
        chances: The probability of each symbol of the vocabulary for each blank, (n_blanks, vocab_size).
        weights: The attention weights, (num_layers, h, n, n).
        vocabulary: The names of the columns of `chances`.
    """

    text: str
    symbols: list[str]
    blanks: list[int]
    chances: Float[Tensor, "n_blanks vocab_size"]
    weights: Float[Tensor, "num_layers h n n"]
    vocabulary: list[str]

    def best(self, count: int = 3) -> list[list[tuple[str, float]]]:
        """For each blank the most likely characters, each with its probability."""
        chances, tokens = self.chances.topk(count)
        return [
            [(self.vocabulary[token], round(chance, 3)) for token, chance in zip(*blank, strict=True)]
            for blank in zip(tokens.tolist(), chances.tolist(), strict=True)
        ]


class MaskedLanguageModel(nn.Module):
    """Predict masked characters of a story with `BERT`.

    BERT's code draws its matrices with a standard deviation of 0.02, which suits vectors of size 768. For smaller ones
    that is too little to learn anything soon, so they are drawn with 1 / √d_model here. The positions, which are
    learned, start as sinusoids twice as long as the vectors of tokens, since a masked token has little else to ask
    with. The next-sentence head is there, as in BERT, and is not trained.

    Args:
        characters: Every character that a text may have. An underscore is none of them: it stands for a masked one.
        sides: Which tokens each token attends to: "both" sides, as BERT, or the "left" alone, itself included, as a
            language model that writes.
        d_model: Size of each vector.
        num_heads: Number of heads of each attention.
        d_ff: Size inside the feed-forward networks.
        num_layers: Number of blocks.
        context: How many tokens are read at once, the class token and the separator included.

    Attributes:
        vocabulary: Every symbol: the characters, sorted, then the special tokens [CLS], [SEP] and [MASK].

    Raises:
        ValueError: An underscore is among the characters, there are no such sides, or a size does not fit.

    Examples:
        >>> from attnref.tasks.masked_model import MaskedLanguageModel
        >>> model = MaskedLanguageModel(" adnos")  # not trained yet
        >>> filling = model.fill("a_d so")
        >>> filling.symbols
        ['[CLS]', 'a', '[MASK]', 'd', ' ', 's', 'o', '[SEP]']
        >>> filling.blanks, filling.chances.shape
        ([2], torch.Size([1, 9]))
    """

    def __init__(
        self,
        characters: str,
        sides: str = "both",
        *,
        d_model: int = 64,
        num_heads: int = 4,
        d_ff: int = 256,
        num_layers: int = 2,
        context: int = 32,
    ) -> None:
        check_choice("MaskedLanguageModel", "sides", sides, tuple(ATTENDS))
        check_at_least("MaskedLanguageModel", 3, context=context)
        if BLANK in characters:
            raise ValueError(f"MaskedLanguageModel: characters must not have {BLANK!r}, got {characters!r}.")
        super().__init__()
        self.context, self.vocabulary = context, [*sorted(set(characters)), *SPECIAL]
        self._token = {symbol: token for token, symbol in enumerate(self.vocabulary)}
        self.class_token, self.separator, self.mask_token = (self._token[symbol] for symbol in SPECIAL)
        self.recipe = {"characters": characters, "sides": sides, "d_model": d_model, "num_heads": num_heads}
        self.recipe |= {"d_ff": d_ff, "num_layers": num_layers, "context": context}
        self.model = BERTPretraining(
            BERT(
                len(self.vocabulary),
                d_model=d_model,
                num_heads=num_heads,
                d_ff=d_ff,
                num_layers=num_layers,
                max_positions=context,
                num_segments=1,
                attend=ATTENDS[sides],
            )
        )
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=d_model**-0.5)
        start = sinusoidal_positions(context, d_model) * (8 / d_model) ** 0.5  # of norm 2, those of tokens about 1
        self.model.bert.embed.positions.weight.data.copy_(start)

    def forward(
        self, tokens: Int[Tensor, "batch n"], chosen: Bool[Tensor, "batch n"]
    ) -> Float[Tensor, "n_chosen vocab_size"]:
        """Score every symbol at the chosen positions."""
        x, _ = self.model.bert(tokens)  # (batch, n, d_model)
        return self.model.score_tokens(x[chosen])

    def encode(self, text: str) -> list[int]:
        """The class token, a token for each character of the text, and the separator.

        Raises:
            TypeError: The text is not a string.
            ValueError: It has a character that the model does not know.
        """
        if not isinstance(text, str):
            raise TypeError(f"MaskedLanguageModel: text must be a str, got {type(text).__name__}.")
        row = [self.class_token]
        for position, character in enumerate(text):
            if character != BLANK and character not in self._token:
                rule = "text must be written with the characters of the training"
                raise ValueError(f"MaskedLanguageModel: {rule}, got {character!r} at position {position}.")
            row.append(self.mask_token if character == BLANK else self._token[character])
        return [*row, self.separator]

    @torch.no_grad()
    def fill(self, text: str) -> Filling:
        """Predict the characters that are masked, and keep what every head attends to. No gradient is kept.

        Args:
            text: A text with an underscore for each character that is to be predicted.

        Raises:
            TypeError: The text is not a string.
            ValueError: Nothing is masked, the text has a character that the model does not know, or more characters
                than the context has room for.
        """
        row = self.encode(text)
        blanks = [at for at, token in enumerate(row) if token == self.mask_token]
        if not blanks:
            raise ValueError(f"MaskedLanguageModel.fill: text must have a {BLANK!r} to fill, got {text!r}.")
        if len(row) > self.context:
            rule = f"text must have at most {self.context - 2} characters"
            raise ValueError(f"MaskedLanguageModel.fill: {rule}, got {len(row) - 2}.")
        tokens = torch.tensor([row], device=self.model.head.bias.device)
        x, weights = self.model.bert(tokens, return_weights=True)
        chances = self.model.score_tokens(x[0, blanks]).softmax(-1)
        written = list(text)
        for at, token in zip(blanks, chances.argmax(-1).tolist(), strict=True):
            written[at - 1] = self.vocabulary[token]
        symbols = [self.vocabulary[token] for token in row]
        return Filling("".join(written), symbols, blanks, chances, torch.cat(weights), self.vocabulary)

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)
