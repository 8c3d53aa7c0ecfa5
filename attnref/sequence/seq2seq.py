"""Sequence to sequence: an encoder, a decoder, and what links them (Sutskever et al. 2014; Bahdanau et al. 2015)."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref._checks import check_at_least, check_attend, check_same_size
from attnref.protocols import Attend, RecurrentNet
from attnref.sequence._checks import check_even, check_maker, check_token, check_token_mask, check_tokens
from attnref.sequence._reading import RecurrentReading
from attnref.sequence.encoder_decoder import RecurrentDecoder, RecurrentEncoder, State
from attnref.sequence.gru import GRU


class Seq2Seq(nn.Module):
    """Encoder and decoder, linked by the last state alone (`attend=None`) or by attention to all of them.

    Source and target may differ in length and in vocabulary.

    torch.compile, torch.export and torch.jit.trace unroll the loop over the target: a program for each n_q. The batch
    is free, and with a fast version as `recurrent` so is n_k. Under autocast logits have its dtype.

    Args:
        source_vocab_size: Number of different source tokens.
        target_vocab_size: Number of different target tokens.
        d_embed: Size of an embedded token.
        d_h: Size of the encoder's hidden states (both directions together) and of the decoder's; even.
        attend: Any attention whose query, key, value and output have size d_h, see `RecurrentDecoder`; None for none.
        recurrent: The class of both recurrent nets: `GRU`, `LSTM`, `RNN`, or a fast version, as in `RecurrentEncoder`.

    Raises:
        TypeError: A size is not a whole number, `attend` is not an attention, or `recurrent` does not make a recurrent
            net.
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
        Sutskever, Vinyals and Le 2014, *Sequence to Sequence Learning with Neural Networks*,
        [arXiv:1409.3215](https://arxiv.org/abs/1409.3215); Bahdanau, Cho and Bengio 2015, *Neural Machine Translation
        by Jointly Learning to Align and Translate*, [arXiv:1409.0473](https://arxiv.org/abs/1409.0473).
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        d_embed: int,
        d_h: int,
        attend: Attend | None = None,
        recurrent: Callable[..., RecurrentNet] = GRU,
    ) -> None:
        sizes = {"source_vocab_size": source_vocab_size, "target_vocab_size": target_vocab_size}
        check_at_least("Seq2Seq", 1, **sizes, d_embed=d_embed, d_h=d_h)
        check_even("Seq2Seq", d_h)
        check_attend("Seq2Seq", attend)
        check_maker("Seq2Seq", recurrent)
        super().__init__()
        self.encoder = RecurrentEncoder(source_vocab_size, d_embed, d_h, recurrent=recurrent)
        self.decoder = RecurrentDecoder(target_vocab_size, d_embed, d_h, attend=attend, recurrent=recurrent)

    def forward(
        self,
        source: Int[Tensor, "batch n_k"],
        target: Int[Tensor, "batch n_q"],
        source_token_mask: Bool[Tensor, "batch n_k"] | None = None,
    ) -> tuple[Float[Tensor, "batch n_q vocab_size"], Float[Tensor, "batch *heads n_q n_k"] | None]:
        """Score each next token, the true ones before it being given (teacher forcing).

        Args:
            source: The source tokens.
            target: The decoder's input: the begin token, then the true target without its last token.
            source_token_mask: True = a real token of the source, False = padding.

        Returns:
            logits: A score for each token of the vocabulary at each position of the target.
            weights: The attention weights of each position, with an axis for the heads where `attend` has several; None
                without attention, or where `attend` never forms them.

        Raises:
            TypeError: The tokens are not integers, or the token mask is not bool.
            ValueError: Tokens or token mask are of the wrong shape, or a token is outside its vocabulary.
        """
        check_tokens("Seq2Seq", "source", source, self.encoder.embedding.num_embeddings)
        check_tokens("Seq2Seq", "target", target, self.decoder.embedding.num_embeddings)
        check_same_size("Seq2Seq", "batch", source=(source, 0), target=(target, 0))
        check_token_mask("Seq2Seq", "source_token_mask", source_token_mask, source)

        memory, last = self.encoder(source, source_token_mask)
        state, logits, looked = self.decoder.start(last), [], []
        for token in target.unbind(1):
            scores, state, weights = self.decoder.step(token, state, memory, source_token_mask)
            logits.append(scores)
            looked.append(weights)
        return torch.stack(logits, 1), _stack(looked)

    @torch.no_grad()
    def generate(
        self,
        source: Int[Tensor, "batch n_k"],
        source_token_mask: Bool[Tensor, "batch n_k"] | None = None,
        *,
        begin: int,
        length: int,
    ) -> tuple[Int[Tensor, "batch length"], Float[Tensor, "batch *heads length n_k"] | None]:
        """Predict the target token by token, each time the token of the highest score (greedy decoding).

        Args:
            source: The source tokens.
            source_token_mask: True = a real token of the source, False = padding.
            begin: The decoder's first input.
            length: How many tokens to predict.

        Returns:
            tokens: The tokens predicted.
            weights: The attention weights of each, as in `forward`.

        Raises:
            TypeError: The tokens are not integers, or the token mask is not bool.
            ValueError: Tokens or token mask are of the wrong shape, a token is outside its vocabulary, or length is
                below 1.
        """
        check_tokens("Seq2Seq.generate", "source", source, self.encoder.embedding.num_embeddings)
        check_token_mask("Seq2Seq.generate", "source_token_mask", source_token_mask, source)
        check_at_least("Seq2Seq.generate", 1, length=length)
        check_token("Seq2Seq.generate", "begin", begin, self.decoder.embedding.num_embeddings)

        memory, last = self.encoder(source, source_token_mask)
        state, written, looked = self.decoder.start(last), [], []
        token = source.new_full((source.shape[0],), begin)
        for _ in range(length):
            scores, state, weights = self.decoder.step(token, state, memory, source_token_mask)
            token = scores.argmax(-1)
            written.append(token)
            looked.append(weights)
        return torch.stack(written, 1), _stack(looked)

    @torch.no_grad()
    def start(
        self, source: Int[Tensor, "batch n_k"], source_token_mask: Bool[Tensor, "batch n_k"] | None = None
    ) -> RecurrentReading:
        """Read the source, and be ready to write: an `attnref.protocols.NextToken`, as `attnref.generate` takes it.

        Args:
            source: The source tokens.
            source_token_mask: True = a real token of the source, False = padding.

        Returns:
            The decoder before its first step. Its first token to read is the begin token.

        Raises:
            TypeError, ValueError: As of `generate`.
        """
        check_tokens("Seq2Seq.start", "source", source, self.encoder.embedding.num_embeddings)
        check_token_mask("Seq2Seq.start", "source_token_mask", source_token_mask, source)
        memory, last = self.encoder(source, source_token_mask)
        return RecurrentReading(self._step, self.decoder.start(last), memory, source_token_mask)

    def reset_parameters(self) -> None:
        """Draw all weights anew, those of `attend` included."""
        self.encoder.reset_parameters()
        self.decoder.reset_parameters()

    def _step(self, token: Tensor, state: State, memory: Tensor, token_mask: Tensor | None) -> tuple[Tensor, State]:
        """The logits of the token after this one, and the state."""
        logits, state, _ = self.decoder.step(token, state, memory, token_mask)
        return logits, state


def _stack(steps: list[Tensor | None]) -> Tensor | None:
    """The weights of all steps, (batch, ..., n_q, n_k), or None where they are not formed."""
    formed = [weights for weights in steps if weights is not None]
    return torch.stack(formed, -2) if len(formed) == len(steps) else None
