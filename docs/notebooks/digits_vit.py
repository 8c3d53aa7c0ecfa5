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
#     title: Reading digits with a Vision Transformer
#     description: A notebook that trains a small Vision Transformer from scratch on handwritten
#       digits, and draws where its class token looks and which patches matter.
#     search:
#       synonyms: [notebook, Jupyter, train a ViT, training a Vision Transformer, from scratch, class token]
# ---

# %% tags=["remove_input"]
# ruff: noqa: D100, E402, B018
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
# # Reading digits with a Vision Transformer
#
# An image of eight by eight pixels is cut into 16 patches, a class token is put before them, and an encoder reads all
# 17. What it makes of the class token says which digit it is. The model starts from random weights and is trained
# while the notebook runs. [Digits by a Vision Transformer](../models/digits_vit.md) measures it.
#
# To run it yourself, [install](../install.md) attnref with the extras `plot` and `tasks`, then `pip install notebook`,
# and open the file that the download button of this page gives you.

# %% [markdown]
# ## The data
#
# 1797 digits that people wrote by hand; one in five is held out. The first twelve of the held-out ones:

# %%
from matplotlib.figure import Figure

from attnref.tasks import device, digits_data, digits_vit

images, digits = digits_data.held_out_digits()
figure = Figure(figsize=(6.7, 1.3), layout="constrained")
for ax, image, digit in zip(figure.subplots(1, 12), images, digits, strict=False):
    ax.imshow(1 - image, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=(), yticks=(), xlabel=int(digit))
figure

# %% [markdown]
# ## The model
#
# Four blocks of four heads. Which part has how many weights?

# %%
reader = digits_vit.DigitViT()
for name, part in reader.vit.named_children():
    print(f"{name:<13} {sum(weight.numel() for weight in part.parameters()):>7,} weights")

# %% [markdown]
# ## Training
#
# 400 batches of 128 images, each image moved by up to one pixel: under half a minute on one core.

# %%
import time

start = time.perf_counter()
reader, losses = digits_vit.train(seed=0, device=device(), progress=False)
seconds = time.perf_counter() - start
print(f"{len(losses)} steps, {seconds:.0f} s on {device()}")
print(f"loss: {losses[0]:.2f} at first, {sum(losses[-20:]) / 20:.4f} over the last 20 steps")

# %%
figure = Figure(figsize=(6.7, 2.6), layout="constrained")
ax = figure.add_subplot()
ax.plot(range(1, 1 + len(losses)), losses)
ax.set(xlabel="step", ylabel="loss", yscale="log")
figure

# %% [markdown]
# What counts is how it reads images it was never shown.

# %%
print(digits_vit.measure(reader, images, digits))

# %% [markdown]
# ## Where does the class token look?
#
# Its row of the attention weights, over the image: one picture for each layer, the mean over the heads. Change the
# number and run this cell and the next ones again.

# %%
number = 7

# %%
import torch

looked = reader.read(images[number : number + 1].to(device()))
print(f"read as {int(looked.digits)}, with probability {looked.confidence.max():.3f}; it is a {digits[number]}")
by_layer = looked.weights[0].mean(1)[:, 0, 1:].cpu()  # (layers, patches)


def over_the_image(maps: dict[str, torch.Tensor], cmap: str, limits: tuple[float, float]) -> Figure:
    """The image, and beside it a number for each of the 16 patches as a color."""
    figure = Figure(figsize=(6.7, 1.9), layout="constrained")
    first, *axes = figure.subplots(1, 1 + len(maps))
    first.imshow(1 - images[number], cmap="gray", vmin=0, vmax=1)
    first.set(xticks=(), yticks=(), title="image")
    for ax, (name, values) in zip(axes, maps.items(), strict=True):
        ax.imshow(values.reshape(4, 4), cmap=cmap, vmin=limits[0], vmax=limits[1])
        ax.set(xticks=(), yticks=(), title=name)
    return figure


over_the_image({f"layer {i}": weights for i, weights in enumerate(by_layer, 1)}, "Purples", (0, float(by_layer.max())))

# %% [markdown]
# ## Which patches matter?
#
# Delete one patch at a time, its token taken out of the sequence, and see how much the logit of the answer falls: blue
# where it falls, red where it rises. This is the answer that attention is often taken for.

# %%
from attnref.tasks import patch_attention

batch = images[number : number + 1].to(device())
effect = patch_attention.deletion_effects(reader, batch)[0, :, int(looked.digits)].cpu()
limit = float(effect.abs().max())
over_the_image({"deletion": effect}, "RdBu", (-limit, limit))

# %% [markdown]
# How well do attention and [rollout](../models/vit.md#rollout) rank the patches by that effect? The rank correlation
# over all held-out digits, 1 for the same order and 0 for no relation:

# %%
for name, agreement in patch_attention.agreements(reader, images.to(device())).items():
    print(f"{name:<12} {agreement.answer:>6.2f}")

# %% [markdown]
# `python -m attnref.tasks digits_vit --seeds 0 1 2` trains three models, `--pool mean` takes the mean of the patches'
# outputs instead of a class token, and `--attend efficient` another attention.
