"""The checks of images and of the patches that they are cut into."""

from collections.abc import Sequence

from torch import Tensor, nn

from attnref._checks import check_at_least, check_axes, check_floating, kind_of, shape_of


def pair(who: str, name: str, size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of what may be a square."""
    height, width = size if isinstance(size, tuple | list) and len(size) == 2 else (size, size)
    for number in (height, width):
        if isinstance(number, bool) or not isinstance(number, int):
            given = kind_of(size) if not isinstance(size, tuple | list) else repr(size)
            raise TypeError(f"{who}: {name} must be an int, or a pair (height, width) of two, got {given}.")
        check_at_least(who, 1, **{name: number})
    return height, width  # pyright: ignore[reportReturnType]


def check_divides(who: str, image_size: Sequence[int], patch: tuple[int, int]) -> int:
    """Height and width divide into whole patches. Returns their number."""
    for letter, size, of_patch in zip(("height", "width"), image_size, patch, strict=True):
        if size % of_patch:
            rule = f"the {letter} of images must divide by that of a patch"
            raise ValueError(f"{who}: {rule}, got {letter}={size} and a patch of {patch[0]} x {patch[1]}.")
    return (image_size[0] // patch[0]) * (image_size[1] // patch[1])


def check_images(who: str, images: Tensor, proj: nn.Conv2d) -> None:
    """A batch of images, channels first, of the dtype of the weights."""
    form, channels = "(batch, channels, height, width)", proj.in_channels
    check_axes(who, "images", images, form, exactly=4)
    if images.shape[1] != channels:
        hint = ""
        if images.shape[-1] == channels:
            hint = "; the channels come first: images.movedim(-1, 1)"
        given = f"images {shape_of(images)} with channels={images.shape[1]}"
        raise ValueError(f"{who}: images {form} must have channels={channels}, got {given}{hint}.")
    check_floating(who, images=images, weights=proj.weight)
