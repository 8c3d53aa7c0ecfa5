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
#     title: Filling in blanks
#     description: A notebook that trains a small BERT from scratch to fill in masked characters
#       of stories, and draws what it reads on either side of a blank.
#     search:
#       synonyms: [notebook, Jupyter, training BERT, train BERT, from scratch, masked language model, fill-mask]
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
# # Filling in blanks
#
# *Then D_niel we_t to his h_use*: what is missing can be told from what stands on both sides. This notebook trains a
# small [BERT](../models/bert.md) to fill in masked characters of stories. It starts from random weights and is trained
# while the notebook runs. [A small masked language model](../models/masked_language_model.md) compares it with counts,
# and with a model that sees one side only.
#
# To run it yourself, [install](../install.md) attnref with the extras `plot` and `tasks`, then `pip install notebook`,
# and open the file that the download button of this page gives you.

# %% [markdown]
# ## The model
#
# Single characters come in, and a score for every character comes out at each position. Two encoder blocks, four heads
# each, no causal mask: each position attends to all 32.

# %%
from attnref.tasks import device, masked_language_model, stories_data
from attnref.tasks.masked_model import MaskedLanguageModel

model = MaskedLanguageModel(masked_language_model.characters())
for name, part in model.model.named_modules():
    if name in ("bert.embed", "bert.encoder", "head"):
        print(f"{name:<13} {sum(weight.numel() for weight in part.parameters()):>7,} weights")

# %% [markdown]
# ## What it is asked
#
# Pieces of the training books, 30 characters long. Of these 15 % are chosen: 80 % of the chosen ones are masked, 10 %
# are replaced by any character, and 10 % are left as they are. Below, an underscore is a masked character, and chosen
# ones are marked.

# %%
right, (tokens, chosen) = next(masked_language_model.training_batches(model, 1))
for row in range(4):
    for shown in (right[row], tokens[row]):
        print("".join("_" if token == model.mask_token else model.vocabulary[token] for token in shown[1:-1]))
    print("".join("^" if one else " " for one in chosen[row][1:-1]))

# %% [markdown]
# ## Training
#
# 2400 batches of 32 pieces, about a minute on one core.

# %%
import time

start = time.perf_counter()
model, losses = masked_language_model.train(seed=0, device=device(), progress=False)
seconds = time.perf_counter() - start
print(f"{len(losses)} steps, {seconds:.0f} s on {device()}")
print(f"loss: {losses[0]:.2f} at first, {sum(losses[-100:]) / 100:.2f} over the last 100 steps")

# %%
import torch
from matplotlib.figure import Figure

figure = Figure(figsize=(6.7, 2.6), layout="constrained")
ax = figure.add_subplot()
ax.plot(range(20, len(losses) + 1), torch.tensor(losses).unfold(0, 20, 1).mean(-1))
ax.set(xlabel="step", ylabel="loss per chosen character")
figure

# %% [markdown]
# At first it learns only how frequent each character is. The loss falls again once its heads have found the neighbors
# of a blank.
#
# What counts is the book it was never shown. Every character of it is masked once, a seventh of a piece at a time:

# %%
held_out = stories_data.chapters("held out")
score = masked_language_model.measure(model, held_out)
print(score)

# %% [markdown]
# ## Your text
#
# At most 30 characters, with an underscore for each that is missing.

# %%
text = "Then D_niel we_t to his h_use,"

# %%
filling = model.fill(text)
print(filling.text)
for best in filling.best(4):
    print(", ".join(f"{character!r} {chance:.2f}" for character, chance in best))

# %% [markdown]
# ## Where does it look?
#
# The attention of the first blank, in each head: a row for each head, a column for each character. The blank itself is
# an underscore.

# %%
from attnref import plot

symbols = [{"[CLS]": "", "[SEP]": "", "[MASK]": "_"}.get(symbol, symbol) for symbol in filling.symbols]
weights = filling.weights[:, :, filling.blanks[0]].flatten(0, 1).cpu()  # (8, n)
figure = Figure(figsize=(6.7, 2.6), layout="constrained")
heads = [f"{layer}.{head}" for layer in (1, 2) for head in (1, 2, 3, 4)]
plot.heat_map(weights, rows=heads, columns=symbols, ax=figure.add_subplot(), bar=False)
figure

# %% [markdown]
# The mean over three held-out chapters, from four characters before a blank to four after it:

# %%
offsets = masked_language_model.attended_offsets(model, held_out[:3], 4)
print("head " + "".join(f"{offset:>6}" for offset in range(-4, 5)))
for name, shares in zip(heads, offsets.flatten(0, 1).tolist(), strict=True):
    print(f"{name:<5}" + "".join(f"{share:>6.2f}" for share in shares))
