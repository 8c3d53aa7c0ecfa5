"""Digits read row by row: one image on its way through the LSTM, and how the answer forms for six."""

from _kit import Canvas
from matplotlib.figure import Figure

from attnref import plot
from attnref.tasks import device, digits_data, load

SUBSCRIPTS = "₁₂₃₄₅₆₇₈"


def steps(narrow: bool = False) -> Figure:
    """One row a step: the row, the LSTM with its state passed on, the probability of each digit, the most likely."""
    images, _ = digits_data.held_out_digits()
    probabilities = load("digit_rows", device=device()).read(images[:1].to(device())).confidence[0].cpu()
    c = Canvas(276, narrow=narrow)
    left, pixel, box, wide, right, cell, guess = (
        (2, 9.0, 84, 34, 130, 10.0, 246) if narrow else (14, 15.0, 162, 56, 246, 17.0, 446)
    )
    top, pitch, high = 46, 29, 20.0
    heads = ((left + 4 * pixel, "row"), (box + wide / 2, "LSTM"), (right + 5 * cell, "p(digit)"), (guess, "best"))
    for x, name in heads:
        c.text(x, 12, name, weight="bold", role="weights" if name == "p(digit)" else "plain")
    for digit in range(10):
        c.text(right + (digit + 0.5) * cell, top - 9, str(digit), size=0.9)
    before = None
    for row in range(8):
        y = top + row * pitch
        pixels = c.matrix(left, y, images[0, row], cell=(pixel, high), digits=-1, most=1)
        state = c.box(box, y, wide, high, "h" if narrow else f"h{SUBSCRIPTS[row]}")
        sure = c.matrix(right, y, probabilities[row], role="weights", cell=(cell, high), digits=-1, most=1)
        c.arrow(c.beside(pixels, 3), c.beside(state, -2))
        c.arrow(c.beside(state, 2), c.beside(sure, -3))
        if before is not None:
            c.arrow((before.bottom[0], before.bottom[1] + 0.5), (state.top[0], state.top[1] - 0.5))
        c.text(guess, y + high / 2, str(int(probabilities[row].argmax())))
        before = state
    return c.figure


def answer(narrow: bool = False) -> Figure:
    """The first six held-out images, and beside each the probability of every digit after every row."""
    images, _ = digits_data.held_out_digits()
    reader = load("digit_rows", device=device())
    confidence = reader.read(images[:6].to(device())).confidence.cpu()

    figure = Figure(figsize=(3.58, 9.6) if narrow else (6.9, 5.3), layout="constrained")
    if narrow:
        cells = figure.subplots(6, 2, width_ratios=(8, 10))
    else:
        cells = figure.subplots(3, 4, width_ratios=(8, 10, 8, 10)).reshape(6, 2)
    for image, sure, (left, right) in zip(images, confidence, cells, strict=False):
        plot.heat_map(sure, columns=list("0123456789"), ax=right, max_weight=1.0, bar=False)
        right.set(yticks=[], ylabel="", xlabel="")
        left.imshow(image.numpy(), cmap=right.images[0].cmap, interpolation="none")
        left.set(xticks=[], yticks=[])
        left.spines[:].set_visible(False)
    return figure
