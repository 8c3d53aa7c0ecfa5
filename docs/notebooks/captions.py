# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   page:
#     title: Captions of handwritten digits
#     description: A notebook that trains Show, Attend and Tell from scratch on pictures composed of
#       handwritten digits, and draws where it looks before each word.
#     search:
#       synonyms: [notebook, Jupyter, image captioning, captions, visual attention, from scratch, training]
# ---

# %% tags=["remove_input"]
# ruff: noqa: D100, E402, B018, RUF003
# Pictures as SVG on a transparent ground, in colors that follow the page from light to dark.
import io

import matplotlib.figure
from IPython import get_ipython

from attnref.plot import ACCENTS, FAINT, INK, MUTED, style

try:
    import typefaces  # where the site is built: its own, drawn as outlines
except ModuleNotFoundError:
    lettering = {}
else:
    lettering = typefaces.settings()


def svg(figure: matplotlib.figure.Figure) -> str:
    """The figure as SVG."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True)
    text = file.getvalue()
    lights, darks = ([INK[s], MUTED[s], FAINT[s], *ACCENTS[s]] for s in ("light", "dark"))
    for light, dark in zip(lights, darks, strict=True):
        text = text.replace(light, f"light-dark({light}, {dark})")
    return text


get_ipython().display_formatter.formatters["image/svg+xml"].for_type(matplotlib.figure.Figure, svg)
styled = style("light")  # kept by name: the style ends when nothing holds it
styled.__enter__()
matplotlib.rcParams.update(lettering)

# %% [markdown]
# # Captions of handwritten digits
#
# A picture shows one to four handwritten digits, in one row or two. Its caption says which they are and how they lie:
# *seven two above five*. [Show, Attend and Tell](../models/show_attend_tell.md) writes such captions one word at a
# time, with a look at the picture before each. Here it starts from random weights and is trained while the notebook
# runs. It is never told where in a picture a digit is.
#
# To run it yourself, [install](../install.md) attnref with the extras `plot` and `tasks`, then `pip install notebook`,
# and open the file that the download button of this page gives you.

# %% [markdown]
# ## The pictures
#
# The digits are scikit-learn's, 8 × 8 pixels, each set somewhere on 28 × 28 pixels of paper. One digit in five is held
# out: no picture to learn from contains it.

# %%
from matplotlib.figure import Figure

from attnref.tasks import captions, captions_data, device


def draw(ax, image, title):
    """Draw a picture in gray ink."""
    ax.imshow([[(0.45, 0.47, 0.5, ink) for ink in row] for row in image[0].tolist()], interpolation="none")
    ax.set(xticks=[], yticks=[], title=title)
    ax.title.set_fontsize(10)
    ax.spines[:].set_visible(True)


pictures = next(captions_data.training_batches(1, 6, seed=0))
figure = Figure(figsize=(6.7, 4.6), layout="constrained")
for ax, picture in zip(figure.subplots(2, 3).flat, pictures, strict=True):
    draw(ax, picture.image, picture.caption)
figure

# %% [markdown]
# ## The model
#
# The encoder is three convolutions. The second has a stride of 2, so 28 × 28 pixels become a grid of 14 × 14 positions
# with 64 channels. The decoder attends to these 196 positions.

# %%
reader = captions.CaptionReader()
for name, part in reader.model.named_children():
    print(f"{name:<8} {sum(weight.numel() for weight in part.parameters()):>8,} weights")
reader.model.encoder(pictures[0].image[None]).shape

# %% [markdown]
# ## Training
#
# The paper takes an encoder that has learned to classify photographs. Ours learns first to name the digit in pictures
# of one digit, from 120 batches. Then encoder and decoder learn captions together, from 200 batches of 64 pictures. All
# of it takes three quarters of a minute on one core.

# %%
import time

start = time.perf_counter()
reader, losses = captions.train(seed=0, device=device(), progress=False)
seconds = time.perf_counter() - start
print(f"{len(losses)} steps, {seconds:.0f} s on {device()}")
print(f"loss: {losses[0]:.2f} nats per word at first, {sum(losses[-20:]) / 20:.3f} over the last 20 steps")

# %%
figure = Figure(figsize=(6.7, 2.6), layout="constrained")
ax = figure.add_subplot()
ax.plot(range(1, 1 + len(losses)), losses)
ax.set(xlabel="step", ylabel="loss per word", yscale="log")
figure

# %% [markdown]
# What counts is how it reads digits that it was never shown: the share of held-out pictures whose caption is right in
# every word.

# %%
held_out = captions_data.held_out_pictures()
score = captions.measure(reader, held_out)
print(f"exact captions: {score.exact:.1%} of {len(held_out)} pictures of held-out digits")

# %% [markdown]
# ## Where does it look?
#
# One picture, once for each word, with the attention before that word. A digit of 8 × 8 pixels touches four or five
# positions of the grid along each side: its cell.

# %%
picture = next(picture for picture in held_out if len(picture.corners) == 5)
reading = reader(picture.image.to(device()))
reading.caption

# %%
import numpy as np
from matplotlib.colors import to_rgb

words = reading.caption.split()
color = ACCENTS["light"][3]
figure = Figure(figsize=(6.7, 1.7 if len(words) > 3 else 2.4), dpi=60, layout="constrained")
for ax, word, weights in zip(figure.subplots(1, len(words)), words, reading.weights.cpu().numpy(), strict=True):
    draw(ax, picture.image, word)
    glow = np.empty((14, 14, 4))
    glow[..., :3], glow[..., 3] = to_rgb(color), weights / weights.max()
    ax.imshow(glow, extent=(-0.5, 27.5, 27.5, -0.5), interpolation="bicubic")
figure

# %% [markdown]
# Over all held-out pictures: how much of the attention lies inside the cell of the digit that is being named? And how
# often is the largest weight inside it?

# %%
print(f"inside the cell: {score.share:.1%} of the attention; equal weights would give {score.chance:.1%}")
print(f"largest weight inside: {score.peak:.1%} of the words")

# %% [markdown]
# ## Look at one position only
#
# Hard attention looks at one position for each word. The reader was trained with soft attention; how well does it read
# if it is given only the position of the largest weight?

# %%
hard = captions.measure(reader, held_out, hard=True)
print(f"exact captions: {score.exact:.1%} soft, {hard.exact:.1%} hard")

# %% [markdown]
# ## Compose a picture
#
# Choose digits, two rows at most, two in a row at most, and run this cell again. The images are held-out ones.

# %%
import torch

rows = [[3], [1, 4]]

# %%
images, digits = captions_data.digits_data.held_out_digits()
chosen = [[int((digits == digit).nonzero()[index]) for index, digit in enumerate(row)] for row in rows]
mine = captions_data.compose(chosen, images, digits, torch.Generator().manual_seed(5))
reading = reader(mine.image.to(device()))
figure = Figure(figsize=(2.4, 2.6), layout="constrained")
draw(figure.add_subplot(), mine.image, reading.caption)
figure

# %% [markdown]
# [Show, Attend and Tell](../models/show_attend_tell.md) explains the model and compares this reader with others that
# lack its attention or its gate. `python -m attnref.tasks captions --seeds 0 1 2` trains three.
