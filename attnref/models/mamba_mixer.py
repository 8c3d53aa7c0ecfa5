"""The mixer of Mamba: a causal convolution, a selective scan and a gate (Gu and Dao 2023, section 3.4)."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from attnref._checks import check_at_least, check_axes, check_floating, check_size, kind_of
from attnref._numerics import float32_or_wider
from attnref.models._checks import check_right_padding, check_state
from attnref.models.selective_scan import selective_scan
from attnref.sequence._checks import check_positions, check_token_mask

State = tuple[Tensor, Tensor]  # the last inputs of the convolution, and the state of the scan
MIN_DELTA, MAX_DELTA, DELTA_FLOOR = 1e-3, 1e-1, 1e-4  # the first step sizes


class MambaMixer(nn.Module):
    r"""Mix positions without attention: each reads a state of constant size, and decides what goes into it.

    $$ (u, z) = W_\text{in}\, x \qquad u' = \operatorname{SiLU}(\operatorname{conv}(u)) \qquad
       (\delta, b, c) = W_x\, u' $$

    $$ \Delta = \operatorname{softplus}(W_\Delta\, \delta + \beta) \qquad
       y = \operatorname{scan}(u', \Delta, -e^{\log a}, b, c, d) \qquad
       \text{output} = W_\text{out}\, (y \odot \operatorname{SiLU}(z)) $$

    The weights start as in the paper, section 3.6: $a$ is $-1, -2, \ldots, -d_\text{state}$ in each channel, the step
    sizes are spread between 0.001 and 0.1, $d$ is one.

    Args:
        d_model: Size of each vector.
        d_state: Numbers in the state of each channel.
        kernel: Positions that the convolution sees, itself included.
        expand: How many times as many channels as d_model the scan has.
        delta_rank: Numbers that the step sizes of all channels are made of; d_model / 16, rounded up, if omitted.
        bias: Whether the projections in and out add a bias.
        conv_bias: Whether the convolution does.
        scan: The scan; `attnref.fast.selective_scan.selective_scan`, for one.

    Raises:
        TypeError: A size is not a whole number, or the scan cannot be called.
        ValueError: A size is less than one.

    Examples:
        >>> import torch
        >>> from attnref.models import MambaMixer
        >>> mixer = MambaMixer(d_model=8, d_state=4)
        >>> x = torch.randn(2, 5, 8)
        >>> y, (last, h) = mixer(x)
        >>> y.shape, last.shape, h.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 16, 3]), torch.Size([2, 16, 4]))

    Source:
        Gu and Dao 2023, *Mamba*, [arXiv:2312.00752](https://arxiv.org/abs/2312.00752), section 3.4, figure 3, and
        section 3.6; [its code](https://github.com/state-spaces/mamba/blob/main/mamba_ssm/modules/mamba_simple.py).
    """

    def __init__(
        self,
        d_model: int,
        *,
        d_state: int = 16,
        kernel: int = 4,
        expand: int = 2,
        delta_rank: int | None = None,
        bias: bool = False,
        conv_bias: bool = True,
        scan: Callable[..., tuple[Tensor, Tensor]] = selective_scan,
    ) -> None:
        check_at_least("MambaMixer", 1, d_model=d_model, d_state=d_state, kernel=kernel, expand=expand)
        delta_rank = math.ceil(d_model / 16) if delta_rank is None else delta_rank
        check_at_least("MambaMixer", 1, delta_rank=delta_rank)
        if not callable(scan) or isinstance(scan, type):
            raise TypeError(f"MambaMixer: scan must be called as selective_scan is, got {kind_of(scan)}.")
        super().__init__()
        self.d_model, self.d_state, self.kernel, self.expand, self.delta_rank = (
            d_model,
            d_state,
            kernel,
            expand,
            delta_rank,
        )
        self.scan, d = scan, expand * d_model
        self.in_proj = nn.Linear(d_model, 2 * d, bias=bias)
        self.conv = nn.Conv1d(d, d, kernel, groups=d, bias=conv_bias)
        self.x_proj = nn.Linear(d, delta_rank + 2 * d_state, bias=False)
        self.delta_proj = nn.Linear(delta_rank, d)
        self.log_a = nn.Parameter(torch.empty(d, d_state))
        self.d_skip = nn.Parameter(torch.empty(d))
        self.out_proj = nn.Linear(d, d_model, bias=bias)
        self._start()

    def forward(
        self,
        x: Float[Tensor, "batch n d_model"],
        state: tuple[Float[Tensor, "batch d past"], Float[Tensor, "batch d d_state"]] | None = None,
        token_mask: Bool[Tensor, "batch n"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch n d_model"], tuple[Float[Tensor, "batch d past"], Float[Tensor, "batch d d_state"]]
    ]:
        """Read a sequence, or the next part of one.

        Args:
            x: The vectors.
            state: What a call before returned; zeros if omitted.
            token_mask: True = a real token, False = padding on the right, which leaves the state alone.

        Returns:
            y: One vector for each, from those so far.
            state: The last `kernel - 1` inputs of the convolution, and the state of the scan. Its size is constant.

        Raises:
            TypeError: The dtypes differ, or the token mask is not bool.
            ValueError: The sizes are not those of the mixer, there is no position, or padding is not on the right.
        """
        self._check(x, state, token_mask)
        past, h = (None, None) if state is None else state

        u, gate = self.in_proj(x).chunk(2, dim=-1)  # (batch, n, d)
        u, past = self._convolve(u, past, token_mask)
        u = F.silu(u)
        delta, b, c = self.x_proj(u).split((self.delta_rank, self.d_state, self.d_state), dim=-1)
        delta = F.softplus(self.delta_proj(delta))  # (batch, n, d)
        a = -torch.exp(self.log_a)
        y, h = self.scan(u, delta, a, b, c, self.d_skip, h, token_mask=token_mask)
        return self.out_proj(y * F.silu(gate)), (past, h)

    def _convolve(self, u: Tensor, past: Tensor | None, token_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Each position and the kernel - 1 before it; and the last kernel - 1 inputs, for the call after."""
        past = u.new_zeros(u.shape[0], u.shape[2], self.kernel - 1) if past is None else past.to(u.dtype)
        seen = torch.cat((past, u.mT), dim=2)  # (batch, d, kernel - 1 + n)
        lengths = torch.full_like(seen[:, 0, 0], u.shape[1], dtype=torch.long)
        lengths = lengths if token_mask is None else token_mask.sum(1)  # (batch,)
        last = lengths[:, None, None] + torch.arange(self.kernel - 1, device=u.device)  # (batch, 1, kernel - 1)
        last = seen.gather(2, last.expand(-1, seen.shape[1], -1))
        return self.conv(seen).mT, last.to(float32_or_wider(u.dtype))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in (self.in_proj, self.conv, self.x_proj, self.delta_proj, self.out_proj):
            module.reset_parameters()
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """The rates, the step sizes and the skip as the paper's code starts them; its projections add zero at first."""
        nn.init.ones_(self.d_skip)
        rates = torch.arange(1, self.d_state + 1, dtype=torch.float32, device=self.log_a.device)
        self.log_a.copy_(rates.log().expand_as(self.log_a))  # S4D-real: a = -1, -2, ...
        nn.init.uniform_(self.delta_proj.weight, -(self.delta_rank**-0.5), self.delta_rank**-0.5)
        lowest, highest = math.log(MIN_DELTA), math.log(MAX_DELTA)
        delta = torch.empty_like(self.delta_proj.bias, dtype=torch.float32).uniform_(lowest, highest).exp()
        delta = delta.clamp(min=DELTA_FLOOR)
        self.delta_proj.bias.copy_(delta + torch.log(-torch.expm1(-delta)))  # softplus of it is delta
        for bias in (self.in_proj.bias, self.out_proj.bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def _check(self, x: Tensor, state: State | None, token_mask: Tensor | None) -> None:
        who = "MambaMixer"
        check_axes(who, "x", x, "(batch, n, d_model)", exactly=3)
        check_size(who, "d_model", self.d_model, "x", x, -1)
        check_floating(who, x=x, weights=self.in_proj.weight)
        check_positions(who, "x", x, 1)
        check_token_mask(who, "token_mask", token_mask, x)
        check_right_padding(who, token_mask)
        if state is None:
            return
        if not (isinstance(state, tuple) and len(state) == 2):
            raise TypeError(f"{who}: state must be the pair that a call before returned, got {kind_of(state)}.")
        d = self.expand * self.d_model
        check_state(who, "past", state[0], "(batch, d, kernel - 1)", (x.shape[0], d, self.kernel - 1), x)
        check_state(who, "h", state[1], "(batch, d, d_state)", (x.shape[0], d, self.d_state), x)

    def extra_repr(self) -> str:
        """What it was built with."""
        return f"d_model={self.d_model}, d_state={self.d_state}, kernel={self.kernel}, delta_rank={self.delta_rank}"
