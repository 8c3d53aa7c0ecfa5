"""The position-wise feed-forward network (Vaswani et al. 2017, section 3.3)."""

from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_choice
from attnref.transformer._checks import check_vectors

ACTIVATIONS = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "gelu_tanh": partial(nn.functional.gelu, approximate="tanh"),
    "silu": nn.functional.silu,
}
Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]


class FeedForward(nn.Module):
    r"""Transform each position by itself: a linear layer, an activation, a linear layer.

    $$ \operatorname{FFN}(x) = \max(0,\; x W_1 + b_1)\, W_2 + b_2 $$

    Args:
        d_model: Size of the input and of the output.
        d_ff: Size in between; the paper's is 4 d_model.
        activation: "relu" as in the paper, "gelu" as in BERT and the Vision Transformer, "gelu_tanh" (an approximation
            of it by tanh) as in GPT-2, or "silu" (swish) as in the translation models of Opus-MT.

    Raises:
        TypeError: A size is not an int.
        ValueError: A size is less than one, or there is no such activation.

    Examples:
        >>> import torch
        >>> from attnref import FeedForward
        >>> FeedForward(d_model=4, d_ff=16)(torch.randn(2, 3, 4)).shape
        torch.Size([2, 3, 4])

    Source:
        Vaswani et al. 2017, *Attention Is All You Need*, [arXiv:1706.03762](https://arxiv.org/abs/1706.03762),
        section 3.3, equation 2.
    """

    def __init__(self, d_model: int, d_ff: int, *, activation: Activation = "relu") -> None:
        check_at_least("FeedForward", 1, d_model=d_model, d_ff=d_ff)
        check_choice("FeedForward", "activation", activation, tuple(ACTIVATIONS))
        super().__init__()
        self.d_model, self.activation = d_model, activation
        self.inner_proj = nn.Linear(d_model, d_ff)
        self.output_proj = nn.Linear(d_ff, d_model)

    def forward(self, x: Float[Tensor, "*batch n d_model"]) -> Float[Tensor, "*batch n d_model"]:
        """Transform each position.

        Args:
            x: One vector for each position.

        Returns:
            One vector for each position; it depends on no other position.

        Raises:
            TypeError: x and the weights are not of one floating dtype.
            ValueError: x is not (..., n, d_model).
        """
        check_vectors("FeedForward", "x", x, self.d_model, self.inner_proj.weight)

        inner = ACTIVATIONS[self.activation](self.inner_proj(x))  # (..., n, d_ff)
        return self.output_proj(inner)

    def reset_parameters(self) -> None:
        """Draw all weights anew, as they were drawn when the Module was made."""
        self.inner_proj.reset_parameters()
        self.output_proj.reset_parameters()
