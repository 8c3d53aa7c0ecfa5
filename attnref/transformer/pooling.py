"""One vector for a whole sequence: the mean of its outputs, or a class token (Devlin et al. 2018, section 3)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_bool, check_floating, check_size
from attnref._numerics import float32_or_wider


def mean_pooling(
    x: Float[Tensor, "*batch n d_model"], token_mask: Bool[Tensor, "*batch n"] | None = None
) -> Float[Tensor, "*batch d_model"]:
    r"""Average the vectors of the real tokens.

    $$ y = \frac{\sum_i m_i\, x_i}{\sum_i m_i} $$

    Padding counts neither in the sum nor in the number, whatever it holds, NaN included. A sequence without a real
    token gives zero. The sum is taken in float32 at least, so a long one does not overflow in float16.

    Args:
        x: One vector for each position.
        token_mask: True = a real token, False = padding.

    Returns:
        One vector for each sequence.

    Raises:
        TypeError: x is not floating point, or the token mask is not bool.
        ValueError: x is not (..., n, d_model), or the token mask is not (..., n).

    Examples:
        >>> import torch
        >>> from attnref import mean_pooling
        >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
        >>> mean_pooling(x, torch.tensor([[True, True, False]]))
        tensor([[2., 3.]])

    Source:
        Reimers and Gurevych 2019, *Sentence-BERT*, [arXiv:1908.10084](https://arxiv.org/abs/1908.10084), section 3.
    """
    check_axes("mean_pooling", "x", x, "(..., n, d_model)", at_least=2)
    check_floating("mean_pooling", x=x)
    _check_token_mask(token_mask, x)

    if token_mask is None:
        token_mask = torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)
    real = x.masked_fill(~token_mask[..., None], 0.0)
    total = real.sum(dim=-2, dtype=float32_or_wider(x.dtype))  # (..., d_model)
    return (total / token_mask.sum(dim=-1, keepdim=True).clamp(min=1)).to(x.dtype)


class ClassToken(nn.Module):
    """Put a learned vector before a sequence. What an encoder makes of it stands for the whole.

    Args:
        d_model: Size of the vectors.

    Raises:
        TypeError: d_model is not an int.
        ValueError: d_model is less than one.

    Examples:
        >>> import torch
        >>> from attnref import ClassToken, TransformerEncoder
        >>> class_token, encoder = ClassToken(8), TransformerEncoder(8, num_heads=2, d_ff=32, num_layers=2)
        >>> x, token_mask = class_token(torch.randn(3, 5, 8), torch.ones(3, 5, dtype=torch.bool))
        >>> x.shape, token_mask.shape
        (torch.Size([3, 6, 8]), torch.Size([3, 6]))
        >>> y, _ = encoder(x, token_mask[:, None])
        >>> y[:, 0].shape  # one vector for each sequence
        torch.Size([3, 8])

    Source:
        Devlin et al. 2018, *BERT*, [arXiv:1810.04805](https://arxiv.org/abs/1810.04805), section 3; Dosovitskiy et al.
        2020, *An Image is Worth 16x16 Words*, [arXiv:2010.11929](https://arxiv.org/abs/2010.11929), section 3.1.
    """

    def __init__(self, d_model: int) -> None:
        check_at_least("ClassToken", 1, d_model=d_model)
        super().__init__()
        self.d_model = d_model
        self.weight = nn.Parameter(torch.empty(d_model))
        self.reset_parameters()

    def forward(
        self, x: Float[Tensor, "*batch n d_model"], token_mask: Bool[Tensor, "*batch n"] | None = None
    ) -> tuple[Float[Tensor, "*batch n_plus_1 d_model"], Bool[Tensor, "*batch n_plus_1"] | None]:
        """Put the class token at position 0.

        Args:
            x: One vector for each token.
            token_mask: True = a real token, False = padding.

        Returns:
            x: The class token, then the tokens.
            token_mask: With True for the class token, or None.

        Raises:
            TypeError: x and the weight are not of one floating dtype, or the token mask is not bool.
            ValueError: x is not (..., n, d_model), or the token mask is not (..., n).
        """
        check_axes("ClassToken", "x", x, "(..., n, d_model)", at_least=2)
        check_size("ClassToken", "d_model", self.d_model, "x", x, -1)
        check_floating("ClassToken", x=x, weights=self.weight)
        _check_token_mask(token_mask, x, "ClassToken")

        x = torch.cat((self.weight.expand(*x.shape[:-2], 1, -1), x), dim=-2)
        if token_mask is not None:
            token_mask = nn.functional.pad(token_mask, (1, 0), value=True)
        return x, token_mask

    def reset_parameters(self) -> None:
        """Draw the class token anew: normal, of standard deviation 0.02."""
        nn.init.normal_(self.weight, std=0.02)


def _check_token_mask(token_mask: Tensor | None, x: Tensor, who: str = "mean_pooling") -> None:
    if token_mask is None:
        return
    check_bool(who, "token_mask", token_mask, "a real token")
    if token_mask.shape != x.shape[:-1]:
        wanted = tuple(x.shape[:-1])
        raise ValueError(f"{who}: token_mask must be (..., n) = {wanted}, got shape {tuple(token_mask.shape)}.")
    if token_mask.device != x.device:
        given = f"token_mask on {token_mask.device}, x on {x.device}"
        raise ValueError(f"{who}: token_mask must be on the device of x, got {given}.")
