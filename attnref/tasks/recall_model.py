"""Models that answer from what they have read: Mamba, a time-invariant state space, and attention, of equal size."""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attnref import DecoderOnlyTransformer
from attnref._checks import check_choice
from attnref.attention.masks import masked_softmax
from attnref.fast.selective_scan import selective_scan
from attnref.models import Mamba
from attnref.tasks import _weights
from attnref.tasks.time_invariant import TimeInvariantMixer

MODELS = ("mamba", "time_invariant", "learned", "relative")
POSITIONS = 512  # learned ones; training sees those of its own lengths alone


class RelativePositions(nn.Module):
    r"""Scaled dot-product attention with a learned number added to each score, by head and distance.

    $$ \operatorname{softmax}\Bigl(\frac{Q K^\top}{\sqrt{d_k}} + r_{\min(i - j,\, \text{farthest})}\Bigr) V $$

    All distances from `farthest` on share one number, so a longer text has no distance that training has not seen.

    Args:
        num_heads: Number of heads, each of which has numbers of its own.
        farthest: The distance from which on all are alike.

    Examples:
        >>> import torch
        >>> from attnref.tasks.recall_model import RelativePositions
        >>> attend = RelativePositions(num_heads=1, farthest=2)
        >>> with torch.no_grad():
        ...     _ = attend.bias.copy_(torch.tensor([[0.0, 9.0, 0.0]]))  # look at the key before
        >>> _, weights = attend(*torch.zeros(3, 1, 3, 2), torch.ones(3, 3).tril().bool())
        >>> weights.round(decimals=2)
        tensor([[[1., 0., 0.],
                 [1., 0., 0.],
                 [0., 1., 0.]]], grad_fn=<RoundBackward1>)

    Source:
        Raffel et al. 2019, *Exploring the Limits of Transfer Learning* (T5),
        [arXiv:1910.10683](https://arxiv.org/abs/1910.10683), section 2.1; the shared distance: Shaw et al. 2018,
        [arXiv:1803.02155](https://arxiv.org/abs/1803.02155), section 3.2.
    """

    def __init__(self, num_heads: int, farthest: int = 8) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_heads, farthest + 1))

    def forward(
        self,
        query: Float[Tensor, "*batch h n_q d_k"],
        key: Float[Tensor, "*batch h n_k d_k"],
        value: Float[Tensor, "*batch h n_k d_v"],
        mask: Bool[Tensor, "*#batch #n_q #n_k"] | None = None,
    ) -> tuple[Float[Tensor, "*batch h n_q d_v"], Float[Tensor, "*batch h n_q n_k"]]:
        """Attend. The last query is at the position of the last key; keys after a query have a distance of 0."""
        n_q, n_k = query.shape[-2], key.shape[-2]
        position = torch.arange(n_k, device=query.device)
        distance = (position[n_k - n_q :, None] - position).clamp(0, self.bias.shape[1] - 1)
        scores = (query / math.sqrt(query.shape[-1])) @ key.mT + self.bias[:, distance]
        weights = masked_softmax(scores, mask)
        return weights @ value, weights


class RecallModel(nn.Module):
    """Read tokens and score an answer at each position.

    Args:
        model: "mamba"; "time_invariant", the same with `TimeInvariantMixer`; or a Transformer of the same depth with
            "learned" or "relative" positions.
        vocab_size: Number of different tokens.
        d_model: Size of each vector.
        num_layers: Number of blocks.
        d_state: Numbers in the state of each channel, of which there are twice d_model; of the first two models.
        num_heads: Number of heads; of the last two.
        d_ff: Size inside the feed-forward networks; of the last two.

    Raises:
        ValueError: There is no such model.

    Examples:
        >>> import torch
        >>> from attnref.tasks.recall_model import RecallModel
        >>> RecallModel()(torch.randint(16, (2, 9))).shape  # not trained yet
        torch.Size([2, 9, 16])
    """

    def __init__(
        self,
        model: str = "mamba",
        *,
        vocab_size: int = 16,
        d_model: int = 32,
        num_layers: int = 2,
        d_state: int = 8,
        num_heads: int = 4,
        d_ff: int = 64,
    ) -> None:
        check_choice("RecallModel", "model", model, MODELS)
        super().__init__()
        sizes: dict[str, Any] = {"vocab_size": vocab_size, "d_model": d_model, "num_layers": num_layers}
        self.recipe = {"model": model, **sizes, "d_state": d_state, "num_heads": num_heads, "d_ff": d_ff}
        self.model: Mamba | DecoderOnlyTransformer
        if model in ("mamba", "time_invariant"):
            self.model = mamba = Mamba(**sizes, d_state=d_state, scan=selective_scan)
            for layer in mamba.layers if model == "time_invariant" else ():
                layer.mixer = TimeInvariantMixer(d_model, d_state=d_state)
        else:
            learned = {"positions": "learned", "max_positions": POSITIONS}
            relative = {"positions": "none", "attend": RelativePositions(num_heads)}
            sizes |= {"num_heads": num_heads, "d_ff": d_ff} | (relative if model == "relative" else learned)
            self.model = DecoderOnlyTransformer(**sizes, norm="pre", activation="gelu", tie="output")

    def forward(self, tokens: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n vocab_size"]:
        """Score the answer at each position, from the tokens up to it."""
        return self.model(tokens)[0]

    def save(self, path: str | Path) -> None:
        """Write the weights, in half precision, to a safetensors file that `attnref.tasks.load` reads."""
        _weights.save(self, path, self.recipe)
