"""Sequence to sequence: an encoder, a decoder, and what links them (Sutskever et al. 2014; Bahdanau et al. 2015)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_same_size, check_token, check_tokens
from attnref.sequence._coders import Attend, Decoder, Encoder
from attnref.sequence._recurrent import Recurrent
from attnref.sequence.gru import GRU


class Seq2Seq(nn.Module):
    """Encoder and decoder, linked by the last state alone (`attend=None`) or by attention to all of them.

    Source and target may differ in length and in vocabulary.

    Args:
        source_vocab_size: Number of different source tokens.
        target_vocab_size: Number of different target tokens.
        d_embed: Width of an embedded token.
        d_h: Width of the encoder's hidden states (both directions together) and of the decoder's; even.
        attend: Any attention whose query, key and value are d_h wide, see `Decoder`; None for none.
        recurrent: What reads and writes: `GRU`, `LSTM` or `RNN`.

    Raises:
        TypeError: A size is not a whole number.
        ValueError: A size is less than one, or d_h is odd.

    Examples:
        >>> import torch
        >>> from attnref import Seq2Seq
        >>> from attnref import AdditiveAttention
        >>> model = Seq2Seq(20, 10, d_embed=4, d_h=8, attend=AdditiveAttention(8, 8, 8))
        >>> source, target = torch.randint(20, (2, 7)), torch.randint(10, (2, 3))
        >>> logits, weights = model(source, target)
        >>> logits.shape, weights.shape
        (torch.Size([2, 3, 10]), torch.Size([2, 3, 7]))

    Source:
        Sutskever, Vinyals and Le 2014; Bahdanau, Cho and Bengio 2015.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        d_embed: int,
        d_h: int,
        attend: Attend | None = None,
        recurrent: type[Recurrent] = GRU,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(source_vocab_size, d_embed, d_h, recurrent=recurrent)
        self.decoder = Decoder(target_vocab_size, d_embed, d_h, attend=attend, recurrent=recurrent)

    def forward(
        self,
        source: Int[Tensor, "batch n_k"],
        target: Int[Tensor, "batch n_q"],
        mask: Bool[Tensor, "batch n_k"] | None = None,
    ) -> tuple[Float[Tensor, "batch n_q vocab_size"], Float[Tensor, "batch n_q n_k"] | None]:
        """Score each next token, the true ones before it being given (teacher forcing).

        Args:
            source: The source tokens.
            target: What the decoder is fed: the begin token, then the true target but for its last token.
            mask: True = a real token of the source, False = padding.

        Returns:
            logits: A score for each token of the vocabulary at each position of the target.
            weights: Where the decoder looked at each position; None without attention.

        Raises:
            TypeError: The tokens are not integers, or the mask is not bool.
            ValueError: Tokens or mask are of the wrong shape, or a token is outside its vocabulary.
        """
        check_tokens("Seq2Seq", "source", source, self.encoder.embedding.num_embeddings)
        check_tokens("Seq2Seq", "target", target, self.decoder.embedding.num_embeddings)
        check_same_size("Seq2Seq", "batch", source=(source, 0), target=(target, 0))

        memory, last = self.encoder(source, mask)
        state, logits, looked = self.decoder.start(last), [], []
        for token in target.unbind(1):
            scores, state, weights = self.decoder.step(token, state, memory, mask)
            logits.append(scores)
            looked.append(weights)
        return torch.stack(logits, 1), _stack(looked)

    @torch.no_grad()
    def generate(
        self,
        source: Int[Tensor, "batch n_k"],
        mask: Bool[Tensor, "batch n_k"] | None = None,
        *,
        begin: int,
        length: int,
    ) -> tuple[Int[Tensor, "batch length"], Float[Tensor, "batch length n_k"] | None]:
        """Write the target, always taking the best next token (greedy decoding).

        Args:
            source: The source tokens.
            mask: True = a real token of the source, False = padding.
            begin: The token that stands before the first.
            length: How many tokens to write.

        Returns:
            tokens: What was written.
            weights: Where the decoder looked as it wrote each token; None without attention.

        Raises:
            TypeError: The tokens are not integers, or the mask is not bool.
            ValueError: Tokens or mask are of the wrong shape, a token is outside its vocabulary, or length is below 1.
        """
        check_tokens("Seq2Seq.generate", "source", source, self.encoder.embedding.num_embeddings)
        check_at_least("Seq2Seq.generate", 1, length=length)
        check_token("Seq2Seq.generate", "begin", begin, self.decoder.embedding.num_embeddings)

        memory, last = self.encoder(source, mask)
        state, written, looked = self.decoder.start(last), [], []
        token = source.new_full((len(source),), begin)
        for _ in range(length):
            scores, state, weights = self.decoder.step(token, state, memory, mask)
            token = scores.argmax(-1)
            written.append(token)
            looked.append(weights)
        return torch.stack(written, 1), _stack(looked)


def _stack(steps: list[Tensor | None]) -> Tensor | None:
    """The weights of all steps, or None where attention never formed them."""
    return torch.stack(weights, 1) if (weights := [w for w in steps if w is not None]) else None
