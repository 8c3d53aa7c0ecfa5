"""The model of the number words: a Transformer that reads subwords and writes English words."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from attnref import Transformer, generate
from attnref._checks import check_choice
from attnref.tasks import _weights
from attnref.tasks.number_words_data import WORDS
from attnref.tasks.subwords import Subwords

Positions = Literal["sinusoidal", "none"]
POSITIONS = get_args(Positions)
WRITTEN = ("", "<begin>", "<end>", *WORDS)  # what the decoder writes; the first is padding
PADDING, BEGIN, END = range(3)
LONGEST = 9  # words: nine hundred ninety nine thousand nine hundred ninety nine


class Reading(NamedTuple):
    """A number that was read.

    Attributes:
        english: Its English words.
        subwords: What the text was split into.
        weights: The cross-attention weights, (num_layers, h, n_words, n_subwords): row i is over the subwords, for the
            step that wrote word i.
    """

    english: str
    subwords: list[str]
    weights: Tensor


class NumberReader(nn.Module):
    """Read a number in words with `Transformer`, and write it in English.

    Args:
        characters: Every character of the source.
        merges: The merges of its `Subwords`; none for single characters.
        end: The mark at the end of a word, as of `Subwords`.
        positions: "sinusoidal", or "none": then the encoder cannot tell one order of the subwords from another.
        d_model: Size of each vector.
        num_heads: Number of heads, `h`.
        d_ff: Size inside the feed-forward networks.
        encoder_layers: Number of encoder blocks.
        decoder_layers: Number of decoder blocks.

    Raises:
        ValueError: There are no such positions, or the heads do not divide d_model.

    Examples:
        >>> from attnref.tasks.number_words import NumberReader
        >>> merges = [("v", "i"), ("e", "r"), ("vi", "er"), ("i", "g"), ("z", "ig")]
        >>> reader = NumberReader("eginrvz", merges)  # not trained yet: what it writes means nothing
        >>> reading = reader("vierzig")
        >>> reading.subwords
        ['vier', 'zig']
    """

    def __init__(
        self,
        characters: str,
        merges: Iterable[Sequence[str]],
        *,
        end: str = "",
        positions: Positions = "sinusoidal",
        d_model: int = 64,
        num_heads: int = 4,
        d_ff: int = 128,
        encoder_layers: int = 2,
        decoder_layers: int = 1,
    ) -> None:
        check_choice("NumberReader", "positions", positions, POSITIONS)
        super().__init__()
        self.subwords = Subwords(characters, merges, end=end)
        pairs = [list(pair) for pair in self.subwords.merges]
        self.recipe: dict[str, Any] = {"characters": characters, "merges": pairs, "end": end, "positions": positions}
        self.recipe |= {"d_model": d_model, "num_heads": num_heads, "d_ff": d_ff}
        self.recipe |= {"encoder_layers": encoder_layers, "decoder_layers": decoder_layers}
        vocab_size = 1 + len(self.subwords.vocabulary)  # 0 is padding
        self.model = Transformer(
            vocab_size,
            len(WRITTEN),
            d_model=d_model,
            num_heads=num_heads,
            d_ff=d_ff,
            num_layers=(encoder_layers, decoder_layers),
            norm="pre",
            positions=positions,
        )

    def forward(self, text: str) -> Reading:
        """Read one number; see `read`."""
        return self.read([text])[0]

    @torch.no_grad()
    def read(self, texts: Iterable[str]) -> list[Reading]:
        """Read several numbers at once, each word the most probable (greedy decoding). No gradient is kept.

        Raises:
            TypeError: `texts` is a single string, or holds something that is no string.
            ValueError: A text is empty, or has a character the model does not know.
        """
        if isinstance(texts, str):
            raise TypeError(f"NumberReader.read: texts must be a list of strings, got the string {texts!r}.")
        texts = list(texts)
        if not texts:
            return []
        source, mask = self.encode(texts)
        begin = source.new_full((len(texts), 1), BEGIN)
        tokens = generate(self.model.start(source, mask), begin, max_new_tokens=LONGEST + 1, end=END).tokens
        _, looked = self.model(source, tokens[:, :-1], mask, return_weights=True)
        weights = torch.stack(looked.cross, 1)  # (batch, num_layers, h, n_q, n_k)
        readings = []
        for row, w, text in zip(tokens[:, 1:].tolist(), weights, texts, strict=True):
            words = [WRITTEN[token] for token in (row[: row.index(END)] if END in row else row)]
            subwords = self.subwords.split(text)
            readings.append(Reading(" ".join(words), subwords, w[:, :, : len(words), : len(subwords)]))
        return readings

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens of the texts, (batch, n), zero for padding; and their token mask, True for a subword."""
        for text in texts:
            self._check(text)
        rows = [[1 + token for token in self.subwords.encode(text)] for text in texts]
        n = max(map(len, rows))
        source = torch.tensor([row + [0] * (n - len(row)) for row in rows], device=next(self.parameters()).device)
        return source, source != 0

    def _check(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"NumberReader: text must be a str, got {type(text).__name__}.")
        if not text.strip(" "):
            raise ValueError(f"NumberReader: text must hold at least one word, got {text!r}.")
        known = set(self.recipe["characters"]) - {self.subwords.end} | {" "}
        for position, character in enumerate(text):
            if character not in known:
                rule = "text must be written with the characters of the training numbers"
                raise ValueError(f"NumberReader: {rule}, got {character!r} at position {position} of {text!r}.")

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self.model, path, self.recipe)
