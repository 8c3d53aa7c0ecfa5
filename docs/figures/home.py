"""Home: one day in several languages, and what the trained model looks at as it writes it."""

import datetime
import unicodedata

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnref import plot
from attnref.tasks import dates_data, device, load

DAY = datetime.date(2001, 11, 4)  # held out: the model has never seen this day in any language
GROUPS = [0, 0, 0, 0, None, 1, 1, None, 2, 2]  # year, month, day
Places = list[tuple[float, float]]


def hero(narrow: bool = False) -> Figure:
    """Three ways to write a day, two above and one below the date that the model wrote for each."""
    if narrow:
        return _fan((4.9, 4.9), ("ko", "en"), ("fr",), size=13, iso_size=33)
    return _fan((7.4, 4.9), ("ko", "en"), ("fr",), size=15, iso_size=40)


def _fan(
    inches: tuple[float, float], above: tuple[str, ...], below: tuple[str, ...], *, size: int, iso_size: int
) -> Figure:
    figure = Figure(figsize=inches)
    ax = figure.add_axes((0, 0, 1, 1))
    wide, high = inches[0] * 72, inches[1] * 72  # the picture is drawn in points
    ax.set(xlim=(-wide / 2, wide / 2), ylim=(-high / 2, high / 2))
    ax.set_axis_off()

    colors = plot.group_colors(GROUPS, len(GROUPS))
    slot = 0.74 * iso_size
    queries = [((i - 4.5) * slot, slot / 2) for i in range(10)]
    for (x, _), digit, color in zip(queries, DAY.isoformat(), colors, strict=True):
        ax.text(
            x,
            -0.03 * iso_size,
            digit,
            ha="center",
            va="center_baseline",
            fontsize=iso_size,
            color=color,
            weight="bold",
        )
    for locales, side in ((above, 1), (below, -1)):
        far = high / 2 - (1.7 if side > 0 else 3.9) * size  # below, room for the key
        _row(ax, locales, side, queries, colors, size=size, near=0.62 * iso_size, far=far, wide=wide)
    for place, name in enumerate(("year", "month", "day")):
        color = plot.group_colors([place], 1)[0]
        ax.text(
            (place - 1) * 5 * size, 0.7 * size - high / 2, name, ha="center", va="center_baseline", fontsize=size,
            color=color, weight="bold",
        )  # fmt: skip
    return figure


def _row(
    ax: Axes,
    locales: tuple[str, ...],
    side: int,
    queries: Places,
    colors: list[str],
    *,
    size: int,
    near: float,
    far: float,
    wide: float,
) -> None:
    """The same day in each language of a row, spread over the whole width, its ribbons to the date in the middle."""
    texts = [dates_data.write(DAY, locale, "long").text for locale in locales]
    lines = [_line(text, size) for text in texts]
    lengths = [line[-1][0] + line[-1][1] for line in lines]
    gap = (wide - sum(lengths) - size) / max(len(lines) - 1, 1)
    reader, start = load("dates", device=device()), -wide / 2 + size / 2 if len(lines) > 1 else -lengths[0] / 2
    for text, line, length in zip(texts, lines, lengths, strict=True):
        keys = [(start + x, half) for x, half in line]
        iso, weights = reader(text)
        assert iso == DAY.isoformat(), f"the model reads {text} as {iso}"
        cells = weights.cpu().double().numpy().round(3)
        plot.ribbons(ax, cells, keys, queries, colors, top=side * far, bottom=side * near, min_weight=0.03)
        for (x, _), letter, color in zip(keys, text, plot.source_colors(cells, colors), strict=True):
            y = side * (far + 0.85 * size)
            family = plot.families(of_one_width=True)
            ax.text(x, y, letter, ha="center", va="center_baseline", fontsize=size, color=color, family=family)
        start += length + gap


def _line(text: str, size: int) -> Places:
    """(middle, half width) of each letter, in points."""
    places, end = [], 0.0
    for letter in text:
        half = size * _ems(letter) / 2
        places.append((end + half, half))
        end += 2 * half
    return places


def _ems(letter: str) -> float:
    """The width of a letter where all are of one width, in ems, and a little air."""
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.64
