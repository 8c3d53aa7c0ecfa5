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
#     title: Drawing digits from their names
#     description: A notebook that draws handwritten digits from phrases with a small trained
#       DALL·E, with temperature and reranking, and looks at codes and attention.
#     search:
#       synonyms: [notebook, Jupyter, DALL-E, text to image, image generation, discrete VAE, temperature, reranking]
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
# # Drawing digits from their names
#
# A discrete VAE describes an image of eight by eight pixels by sixteen tokens, and [DALL·E](../models/dalle.md), a
# decoder alone, writes such tokens after the tokens of a phrase. Both were trained on handwritten digits; this notebook
# loads them and draws. [Digits from their names](../models/digits_from_names.md) measures how well they do.
#
# To run it yourself, [install](../install.md) attnref with the extras `plot` and `tasks`, then `pip install notebook`,
# and open the file that the download button of this page gives you.

# %% [markdown]
# ## An image is sixteen tokens
#
# Three digits that were held out from training, the code of each patch, and what is drawn from the codes:

# %%
import torch
from matplotlib.figure import Figure

from attnref import tasks
from attnref.tasks import digits_data

artist = tasks.load("digits_from_names")
images, digits = digits_data.held_out_digits()
codes = artist.tokens(images[:3])
codes.reshape(3, 4, 4)


# %%
def show(images: torch.Tensor, titles: list[str], columns: int = 10) -> Figure:
    """Images side by side, as many rows as it takes."""
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(6.7, 0.95 * rows), layout="constrained")
    for ax, image, title in zip(figure.subplots(rows, columns, squeeze=False).flat, images, titles, strict=True):
        ax.set_axis_off()
        ax.imshow(1 - image, cmap="gray", vmin=0, vmax=1)
        ax.set_title(title, fontsize=9)
    return figure


both = torch.stack((images[:3], artist.decode(codes)), dim=1).flatten(0, 1)
show(both, ["real", "from its codes"] * 3, columns=6)

# %% [markdown]
# ## Drawing
#
# Each token is drawn from the decoder's probabilities. Change the phrase, the seed, or the temperature, and run the
# cell again.

# %%
phrase, seed, temperature = "three, thick", 0, 1.0
generator = torch.Generator().manual_seed(seed)
drawn = artist.draw([phrase] * 20, temperature=temperature, generator=generator)
show(drawn.images, [""] * 20)

# %% [markdown]
# A name alone leaves the style open. At a low temperature the drawings are tidier, and more alike:

# %%
from attnref.tasks.digits_from_names_data import NAMES

rows = []
for temperature in (1.0, 0.5):
    generator = torch.Generator().manual_seed(0)
    rows.append(artist.draw(list(NAMES), temperature=temperature, generator=generator).images)
show(torch.cat(rows), list(NAMES) * 2)

# %% [markdown]
# ## The best of several
#
# A scorer that learned which phrases go with which images picks one drawing out of sixteen, as the paper picks one
# of 512. A judge that learned from other digits counts what is right:

# %%
from attnref.tasks import digits_from_names

phrases = [name for name in NAMES for _ in range(10)]
for best_of in (1, 16):
    generator = torch.Generator().manual_seed(0)
    found = artist.draw(phrases, best_of=best_of, generator=generator).images
    print(f"best of {best_of:>2}: {digits_from_names.judged_right(found, phrases):.2f} judged right")

# %% [markdown]
# ## Are they copies?
#
# Ten drawings, and under each the training image that is nearest to it:

# %%
from attnref.tasks import digit_drawings

first = drawn.images[:10]
near = digit_drawings.nearest(first)
training, _ = digits_data.training_digits()
under = [f"{distance:.2f}" for distance in near.distances]
show(torch.cat((first, training[near.numbers])), [""] * 10 + under)

# %% [markdown]
# Held-out digits have neighbors about as near:

# %%
print(f"held out {digit_drawings.nearest(images).distances.mean():.2f}, drawn {near.distances.mean():.2f}")

# %% [markdown]
# ## What it attends to
#
# While each token is written, how much of the attention goes to the name, to the word of style, and to the tokens
# written before, mean over layers and heads:

# %%
looked = digit_drawings.text_attention(artist, [phrase] * 20, drawn.tokens).mean((0, 1))
figure = Figure(figsize=(6.7, 2.6), layout="constrained")
ax = figure.add_subplot()
for part, name in ((1, "name"), (2, "word of style"), (4, "tokens before")):
    ax.plot(range(1, 17), looked[:, part], "o-", label=name)
ax.set(xlabel="token", ylabel="attention", ylim=(0, 1))
ax.legend()
figure

# %% [markdown]
# `python -m attnref.tasks digits_from_names` trains all of it anew, in about a minute of one core.
