"""The mixer of Mamba with step size, input and output that do not depend on the token: a convolution (S4D)."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from attnref.models.mamba_mixer import MAX_DELTA, MIN_DELTA

State = tuple[Tensor, Tensor]


class TimeInvariantMixer(nn.Module):
    r"""Mix positions by a state space that treats every token alike.

    $$ y_i = \sum_{j \le i} K_{i-j}\, u_j + d\, u_i \qquad K_k = c^\top e^{k \Delta a}\, \Delta\, b $$

    All else is as in `MambaMixer`: projections, the convolution over a few positions, and the gate. Each channel has a
    step size, and a row of a, b and c, of its own. Since nothing depends on the token, a sequence is read by one
    convolution, as long as the sequence; the next token still needs a state alone.

    Args:
        d_model: Size of each vector.
        d_state: Numbers in the state of each channel.
        kernel: Positions that the short convolution sees, itself included.
        expand: How many times as many channels as d_model the state space has.

    Examples:
        >>> import torch
        >>> from attnref.tasks.time_invariant import TimeInvariantMixer
        >>> mixer = TimeInvariantMixer(8, d_state=4)
        >>> y, state = mixer(torch.randn(2, 5, 8))
        >>> y.shape, [tuple(part.shape) for part in state]
        (torch.Size([2, 5, 8]), [(2, 16, 3), (2, 16, 4)])

    Source:
        Gu et al. 2022, *On the Parameterization and Initialization of Diagonal State Space Models* (S4D),
        [arXiv:2206.11893](https://arxiv.org/abs/2206.11893), section 3; algorithm 1 of Gu and Dao 2023,
        [arXiv:2312.00752](https://arxiv.org/abs/2312.00752).
    """

    def __init__(self, d_model: int, *, d_state: int = 16, kernel: int = 4, expand: int = 2) -> None:
        super().__init__()
        d = expand * d_model
        self.in_proj = nn.Linear(d_model, 2 * d, bias=False)
        self.conv = nn.Conv1d(d, d, kernel, groups=d)
        self.log_delta = nn.Parameter(torch.empty(d).uniform_(math.log(MIN_DELTA), math.log(MAX_DELTA)))
        self.log_a = nn.Parameter(torch.arange(1, d_state + 1, dtype=torch.float32).log().repeat(d, 1))
        self.b = nn.Parameter(torch.ones(d, d_state))
        self.c = nn.Parameter(torch.randn(d, d_state))
        self.d_skip = nn.Parameter(torch.ones(d))
        self.out_proj = nn.Linear(d, d_model, bias=False)

    def forward(
        self,
        x: Float[Tensor, "batch n d_model"],
        state: State | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[Float[Tensor, "batch n d_model"], State]:
        """Read a sequence, or the next part of one, as `MambaMixer` does.

        Args:
            x: The vectors.
            state: What a call before returned; zeros if omitted.
            token_mask: Refused: sequences have no padding.

        Returns:
            y: One vector for each, from those so far.
            state: The last inputs of the short convolution, and the state.

        Raises:
            ValueError: A token mask is given.
        """
        if token_mask is not None:
            raise ValueError("TimeInvariantMixer: token_mask must be left out, got one.")
        batch, n, _ = x.shape
        past, h = (None, None) if state is None else state
        u, gate = self.in_proj(x).chunk(2, dim=-1)  # (batch, n, d)
        past = u.new_zeros(batch, u.shape[2], self.conv.kernel_size[0] - 1) if past is None else past
        seen = torch.cat((past, u.mT), dim=2)
        u = F.silu(self.conv(seen))  # (batch, d, n)

        fade = self._fade(n + 1)  # (n + 1, d, d_state)
        written = fade[:n] * self._written()
        y = causal_convolution(u, (written * self.c).sum(-1).T) + self.d_skip[:, None] * u
        after = torch.einsum("bdn,nds->bds", u.flip(2), written)
        if h is not None:
            y = y + torch.einsum("nds,bds->bdn", fade[1:] * self.c, h)
            after = after + fade[n] * h
        return self.out_proj(y.mT * F.silu(gate)), (seen[..., n:], after)

    def response(self, n: int) -> Float[Tensor, "n d"]:
        """What an input adds to the output 0 to n - 1 positions later, without the skip: the kernel K."""
        return (self._fade(n) * self._written() * self.c).sum(-1)

    def _fade(self, n: int) -> Tensor:
        """What is left of the state after 0 to n - 1 steps."""
        rates = -self.log_delta.exp()[:, None] * self.log_a.exp()  # (d, d_state)
        return torch.exp(torch.arange(n, device=rates.device)[:, None, None] * rates)

    def _written(self) -> Tensor:
        return self.log_delta.exp()[:, None] * self.b


def causal_convolution(u: Float[Tensor, "batch d n"], kernel: Float[Tensor, "d n"]) -> Float[Tensor, "batch d n"]:
    """Sum the inputs so far, each times the kernel at its distance; by Fourier transforms of twice the length."""
    n = u.shape[2]
    size = 2 * n  # half of it zeros, so that the end does not reach the start
    spectrum = torch.fft.rfft(u, n=size) * torch.fft.rfft(kernel, n=size)
    return torch.fft.irfft(spectrum, n=size)[..., :n]
