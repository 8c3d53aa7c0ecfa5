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
#     title: Reading dates with a Transformer
#     description: A notebook that trains a small Transformer from scratch to read dates in
#       eight languages, and draws where each of its heads looks.
#     search:
#       synonyms: [notebook, Jupyter, training a Transformer, train a Transformer, from scratch, cross-attention, heads]
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
# # Reading dates with a Transformer
#
# *4 novembre 2001*, *Sunday, November 4, 2001*, *2001년 11월 4일 일요일*: a computer wants `2001-11-04`. [Reading
# dates](dates.py) trains a recurrent model with attention to translate the one into the other. Here a
# Transformer does it: no recurrence, two encoder blocks, one decoder block, four heads in each attention. It starts
# from random weights and is trained while the notebook runs.
#
# To run it yourself, [install](../install.md) attnref with the extras `plot` and `tasks`, then `pip install notebook`,
# and open the file that the download button of this page gives you.

# %% [markdown]
# ## The model
#
# Characters come in, characters go out. The encoder reads the whole text at once; the decoder writes ten characters
# one after another, each after a look at the text and at what it has written so far.

# %%
from attnref.tasks import dates_data, dates_transformer, device

reader = dates_transformer.DateTransformer(dates_data.characters())
for name, part in reader.model.named_children():
    print(f"{name:<13} {sum(weight.numel() for weight in part.parameters()):>7,} weights")

# %% [markdown]
# ## Training
#
# 1400 batches of 64 dates, in eight languages and three styles; three quarters of a minute on one core. One day in
# ten, of the years 1950 to 2049, is held out: the model never sees it in any language.
#
# All ten characters of a date are trained at once. The decoder is given the right characters up to each position
# (*teacher forcing*), and a [causal mask](../attention/masks.md) keeps it from looking at the one that it has to write.

# %%
import time

start = time.perf_counter()
reader, losses = dates_transformer.train(seed=0, device=device(), progress=False)
seconds = time.perf_counter() - start
print(f"{len(losses)} steps, {seconds:.0f} s on {device()}")
print(f"loss: {losses[0]:.2f} at first, {sum(losses[-20:]) / 20:.4f} over the last 20 steps")

# %%
from matplotlib.figure import Figure

figure = Figure(figsize=(6.7, 2.6), layout="constrained")
ax = figure.add_subplot()
ax.plot(range(1, 1 + len(losses)), losses)
ax.set(xlabel="step", ylabel="loss per character", yscale="log")
figure

# %% [markdown]
# What counts is how it reads days it was never shown: the share of held-out dates whose ten characters are all right.

# %%
held_out = dates_data.held_out_samples()
score = dates_transformer.measure(reader, held_out)
print(f"held-out dates read exactly: {score.exact:.2%} of {len(held_out)}")

# %% [markdown]
# ## Your date
#
# Change the text and run this cell and the next ones again. The date may be in English, French, German, Spanish,
# Italian, Portuguese, Korean or Japanese, years 1950 to 2049. A character that occurs in no training date is refused,
# with its name.

# %%
text = "Sunday, November 4, 2001"

# %%
reading = reader(text)
reading.iso

# %% [markdown]
# ## Where does it look?
#
# The decoder's cross-attention has four heads. Each has its own weights: a row for each character written, a column for
# each character read.

# %%
from attnref import plot

figure = Figure(figsize=(6.7, 9), layout="constrained")
plot.heads(reading.weights[0].cpu(), list(reading.iso), list(text), axes=figure.subplots(4, 1))

# %% [markdown]
# Do all of them look at what they write about? Over all held-out dates: while a digit of the year is written, how
# much of a head's attention lies on the characters that carry the year? The same for month and day.

# %%
print("head  " + "  ".join(f"{part:>5}" for part in score.shares))
for head in range(4):
    print(f"{head + 1:>4}  " + "  ".join(f"{table[0][head]:>5.0%}" for table in score.shares.values()))

# %% [markdown]
# The head with the largest share over all digits, drawn as ribbons: the wider, the more weight. It is chosen on days of
# the training: chosen on the days that are measured, its share would look too good.

# %%
known = next(dates_data.training_batches(1, 512, seed=1))
on_known = dates_transformer.measure(reader, known).shares["all"][0]
best = on_known.index(max(on_known))
print(f"head {best + 1}: {on_known[best]:.0%} on training days, {score.shares['all'][0][best]:.0%} on held-out days")

# %%
GROUPS = [0, 0, 0, 0, None, 1, 1, None, 2, 2]  # year, month, day
plot.alignment(reading.weights[0, best].cpu(), text, reading.iso, groups=GROUPS)

# %% [markdown]
# ## Other languages, other orders
#
# Korean begins with the year, German and Spanish with the day. The ribbons cross where the order changes. The day is
# held out, so the model reads it for the first time.

# %%
figure = Figure(figsize=(6.7, 7.5), layout="constrained")
for ax, locale in zip(figure.subplots(3, 1), ("ko", "de", "es"), strict=True):
    sample = dates_data.write(dates_data.SHOWN, locale, "full")
    read = reader(sample.text)
    plot.alignment(read.weights[0, best].cpu(), sample.text, read.iso, groups=GROUPS, ax=ax)
figure

# %% [markdown]
# ## The self-attention of the encoder
#
# Before the decoder looks anywhere, the characters have looked at each other, twice. Four heads of the second encoder
# block, over the same date:

# %%
import torch

source, mask = reader.encode([text])
with torch.no_grad():
    _, weights = reader.model(source, source.new_full((1, 1), dates_transformer.BEGIN), mask, return_weights=True)

figure = Figure(figsize=(6.7, 6.4), layout="constrained")
plot.heads(weights.encoder[1][0].cpu(), list(text), list(text), axes=figure.subplots(2, 2))

# %% [markdown]
# [The Transformer](../transformer/transformer.md) explains the parts, [Generating](../transformer/decoding.md) how
# tokens are written one by one. `python -m attnref.tasks dates_transformer --seeds 0 1 2` trains three models; the one
# that is shipped reads 99.8 % of the held-out dates.
