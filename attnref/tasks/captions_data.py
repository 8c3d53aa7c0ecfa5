"""Pictures composed of real handwritten digits, each with its caption and the cells of its digits on a grid.

A picture is 28 x 28 pixels and holds one row of digits, or two; each row holds one digit, or two, at a random position.
The caption names them as one reads: "seven two above five". An encoder that halves the picture gives a grid of
14 x 14 positions, so each word has the positions that it should be written from: the cell of its digit.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnref._checks import check_at_least
from attnref.tasks import digits_data

SIZE, GRID, DIGIT = 28, 14, 8  # pixels of a picture, positions of the grid, pixels of a digit: along one side
GAP, JITTER = 2, 2  # pixels between two digits at least; how far a digit lies below the top of its row at most
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ABOVE = "above"
WRITTEN = ("", "<begin>", "<end>", *DIGITS, ABOVE)  # the tokens of a caption; the first is padding
PADDING, BEGIN, END = range(3)
LONGEST = 5  # words: two digits above two digits
HELD_OUT = 1000  # pictures for measuring alone
LAYOUTS = ((1,), (2,), (1, 1), (1, 2), (2, 1), (2, 2))  # how many digits each row holds


class Picture(NamedTuple):
    """A picture and what there is to say about it.

    Attributes:
        image: (1, 28, 28), from 0 for paper to 1 for ink.
        caption: Its digits in reading order, the rows joined by "above".
        corners: For each word of the caption the top left pixel of its digit, (row, column); None for "above".
        sources: For each digit the number of its image among those the picture was composed of.
    """

    image: Tensor
    caption: str
    corners: tuple[tuple[int, int] | None, ...]
    sources: tuple[int, ...]

    def cells(self) -> Tensor:
        """For each word the positions of the grid that its digit touches, (n_words, 14, 14), True = in its cell.

        A digit of 8 pixels touches four or five positions along each side. "above" has no cell.
        """
        return torch.stack([_cell(corner) for corner in self.corners])


def _cell(corner: tuple[int, int] | None) -> Tensor:
    inside = torch.zeros(GRID, GRID, dtype=torch.bool)
    if corner is not None:
        pixels = SIZE // GRID
        top, left = (at // pixels for at in corner)
        bottom, right = ((at + DIGIT - 1) // pixels for at in corner)
        inside[top : bottom + 1, left : right + 1] = True
    return inside


def compose(
    rows: Sequence[Sequence[int]], images: Float[Tensor, "n 8 8"], digits: Int[Tensor, " n"], generator: torch.Generator
) -> Picture:
    """Set images of digits on an empty picture, row by row, each at a random position.

    Args:
        rows: For each row the numbers of its images, from left to right.
        images: The images to choose from.
        digits: Which digits they show.
        generator: Draws the positions.

    Raises:
        ValueError: There are more than two rows, or more than two digits in one, or none.

    Examples:
        >>> import torch
        >>> from attnref.tasks import captions_data, digits_data
        >>> images, digits = digits_data.held_out_digits()
        >>> digits[:3]
        tensor([0, 4, 1])
        >>> picture = captions_data.compose([[0, 1], [2]], images, digits, torch.Generator().manual_seed(0))
        >>> picture.caption
        'zero four above one'
        >>> picture.image.shape, picture.cells().shape
        (torch.Size([1, 28, 28]), torch.Size([4, 14, 14]))
    """
    layout = tuple(len(row) for row in rows)
    if layout not in LAYOUTS:
        raise ValueError(f"captions_data.compose: rows must be one or two, of one or two digits each, got {rows}.")
    canvas = torch.zeros(1, SIZE, SIZE)
    words, corners = [], []
    for top, row in zip(_spread(len(rows), DIGIT + JITTER, generator), rows, strict=True):
        if words:
            words.append(ABOVE)
            corners.append(None)
        for left, source in zip(_spread(len(row), DIGIT, generator), row, strict=True):
            down = top + int(torch.randint(JITTER + 1, (), generator=generator))
            canvas[0, down : down + DIGIT, left : left + DIGIT] = images[source]
            words.append(DIGITS[int(digits[source])])
            corners.append((down, left))
    return Picture(canvas, " ".join(words), tuple(corners), tuple(source for row in rows for source in row))


def _spread(count: int, size: int, generator: torch.Generator) -> list[int]:
    """Where `count` pieces of this size begin along a side: in order, at least `GAP` apart, at random."""
    free = SIZE - count * size - (count - 1) * GAP
    cuts = torch.randint(free + 1, (count,), generator=generator).sort().values.tolist()
    return [cut + index * (size + GAP) for index, cut in enumerate(cuts)]


def draw(
    count: int,
    images: Tensor,
    digits: Tensor,
    generator: torch.Generator,
    layouts: Sequence[Sequence[int]] = LAYOUTS,
) -> list[Picture]:
    """Compose pictures of digits drawn at random, in each of the layouts as often as in any other."""
    pictures = []
    for layout in torch.randint(len(layouts), (count,), generator=generator).tolist():
        rows = [torch.randint(len(images), (n,), generator=generator).tolist() for n in layouts[layout]]
        pictures.append(compose(rows, images, digits, generator))
    return pictures


def training_batches(
    steps: int, batch: int, seed: int = 0, layouts: Sequence[Sequence[int]] = LAYOUTS
) -> Iterator[list[Picture]]:
    """Batches of pictures of the digits to learn from; every picture is a new one."""
    generator = torch.Generator().manual_seed(seed)
    images, digits = digits_data.training_digits()
    for _ in range(steps):
        yield draw(batch, images, digits, generator, layouts)


def held_out_pictures(count: int = HELD_OUT) -> list[Picture]:
    """The first of 1000 pictures of held-out digits alone: none of their images is in any picture to learn from.

    Raises:
        ValueError: More than 1000 are asked for, or none.

    Examples:
        >>> from attnref.tasks.captions_data import held_out_pictures
        >>> [picture.caption for picture in held_out_pictures(3)]
        ['eight above one', 'seven above five zero', 'seven five above seven two']
    """
    check_at_least("captions_data.held_out_pictures", 1, count=count)
    if count > HELD_OUT:
        raise ValueError(f"captions_data.held_out_pictures: count must be at most {HELD_OUT}, got {count}.")
    return draw(HELD_OUT, *digits_data.held_out_digits(), torch.Generator().manual_seed(0))[:count]


def encode(captions: Sequence[str]) -> Tensor:
    """Tokens of captions, (batch, n): the begin token, the words, the end token, then padding.

    Raises:
        ValueError: A caption has a word that no caption of the task has.

    Examples:
        >>> from attnref.tasks.captions_data import WRITTEN, encode
        >>> encode(["seven two above five", "four"])
        tensor([[ 1, 10,  5, 13,  8,  2],
                [ 1,  7,  2,  0,  0,  0]])
    """
    rows = []
    for caption in captions:
        for word in caption.split():
            if word not in WRITTEN[3:]:
                raise ValueError(f"captions_data.encode: words must be {', '.join(WRITTEN[3:])}, got {word!r}.")
        rows.append([BEGIN, *map(WRITTEN.index, caption.split()), END])
    n = max(map(len, rows))
    return torch.tensor([row + [PADDING] * (n - len(row)) for row in rows])
