"""Digits read row by row: how the answer forms as the rows come in."""

from matplotlib.figure import Figure

from attnref import plot
from attnref.tasks import device, digits_data, load


def answer() -> Figure:
    """The first six held-out images, and beside each how sure the reader is of every digit after every row."""
    images, _ = digits_data.held_out_digits()
    reader = load("digit_rows", device=device())
    confidence = reader.read(images[:6].to(device())).confidence.cpu()

    figure = Figure(figsize=(6.9, 5.3), layout="constrained")
    cells = figure.subplots(3, 4, width_ratios=(8, 10, 8, 10)).reshape(6, 2)
    for image, sure, (left, right) in zip(images, confidence, cells, strict=False):
        plot.heat_map(sure, columns=list("0123456789"), ax=right, max_weight=1.0, bar=False)
        right.set(yticks=[], ylabel="", xlabel="")
        left.imshow(image.numpy(), cmap=right.images[0].cmap, interpolation="none")
        left.set(xticks=[], yticks=[])
        left.spines[:].set_visible(False)
    return figure
