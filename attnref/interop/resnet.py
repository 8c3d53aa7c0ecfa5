"""Hugging Face's ResNet as the encoder of images that a captioner looks at (He et al. 2015)."""

from typing import Any

from torch import Tensor, nn

from attnref._checks import check_at_least, kind_of


class ResNetEncoder(nn.Module):
    r"""The last feature map of a `transformers.ResNetModel`, before its pooling: a grid of vectors over the image.

    The network divides height and width by 32: ResNet-101 turns (3, 448, 448) into (2048, 14, 14), and (3, 224, 224)
    into (2048, 7, 7). With `grid` the map is averaged, or repeated where it is smaller, to a size that does not depend
    on the image's.

    The weights are the model's own, not copies. To train only what looks at the grid, freeze them, and keep their batch
    norms in eval mode: `encoder.requires_grad_(False).eval()`.

    Args:
        model: A `transformers.ResNetModel`: `ResNetModel.from_pretrained("microsoft/resnet-101")` where there is a
            network, or one made from a `ResNetConfig`, with random weights.
        grid: Height and width of the grid; if omitted, as the network makes it.

    Raises:
        TypeError: The model is of another class, or `grid` is not a pair of whole numbers.
        ValueError: A size of the grid is less than one.

    Examples:
        The depths are those of ResNet-101; on the device meta only shapes are computed.

        ```python
        import torch
        from attnref.interop import ResNetEncoder
        from attnref.models import ShowAttendTell
        from transformers import ResNetConfig, ResNetModel

        with torch.device("meta"):
            encoder = ResNetEncoder(ResNetModel(ResNetConfig(depths=[3, 4, 23, 3])))
            model = ShowAttendTell(encoder, 10000, d_features=encoder.d_features, d_embed=512, d_h=512, d_attention=512)
            images, captions = torch.zeros(16, 3, 448, 448), torch.zeros(16, 20, dtype=torch.long)
            assert encoder(images).shape == (16, 2048, 14, 14)
            logits, weights = model(images, captions, return_weights=True)
        assert weights.shape == (16, 20, 196)
        ```

    Source:
        He et al. 2015, *Deep Residual Learning for Image Recognition*,
        [arXiv:1512.03385](https://arxiv.org/abs/1512.03385); transformers'
        [ResNetModel](https://huggingface.co/docs/transformers/model_doc/resnet).
    """

    def __init__(self, model: nn.Module, *, grid: tuple[int, int] | None = None) -> None:
        _check_resnet("ResNetEncoder", model)
        if grid is not None:
            if not (isinstance(grid, tuple) and len(grid) == 2):
                raise TypeError(f"ResNetEncoder: grid must be a pair (height, width), got {grid!r}.")
            check_at_least("ResNetEncoder", 1, height=grid[0], width=grid[1])
        super().__init__()
        self.model, self.grid = model, grid

    @property
    def d_features(self) -> int:
        """Size of the vector at each position: the channels of the last stage."""
        config: Any = self.model.config
        return config.hidden_sizes[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Encode images, normalized as the model's image processor does it.

        Args:
            images: (batch, 3, height, width).

        Returns:
            The grid, (batch, d_features, height, width).
        """
        grid = self.model(images).last_hidden_state
        return grid if self.grid is None else nn.functional.adaptive_avg_pool2d(grid, self.grid)


def _check_resnet(who: str, model: object) -> None:
    """It is Hugging Face's, with or without a classifier to leave out."""
    from transformers import ResNetModel

    if not isinstance(model, ResNetModel):
        hint = "; pass model.resnet" if hasattr(model, "resnet") else ""
        raise TypeError(f"{who}: model must be a transformers.ResNetModel, got {kind_of(model)}{hint}.")
