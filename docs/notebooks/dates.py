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
#     title: Reading dates
#     description: A notebook that trains a small sequence-to-sequence model with additive
#       attention to read dates in eight languages, and draws where it looks.
#     search:
#       synonyms: [notebook, Jupyter, training, train a model, date translation, example]
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
# # Reading dates
#
# *4 novembre 2001*, *Sunday, November 4, 2001*, *2001년 11월 4일 일요일*: people write one day in many ways, and a
# computer wants `2001-11-04`. In this notebook a small model learns to translate the one into the other,
# character by character. It is the [sequence-to-sequence model](../sequence/seq2seq.md) with [additive
# attention](../attention/additive.md), it starts from random weights, and it is trained while the notebook runs.
# Then you can give it a date of your own and see where it looks.
#
# To run it yourself, [install](../install.md) attnref with the extras `plot` and `tasks`, then `pip install notebook`,
# and open the file that the download button of this page gives you.

# %% [markdown]
# ## The data
#
# The dates are written by rule, in eight languages and three styles, as the Unicode consortium's locale data
# (CLDR) says that people write them. Because the rule is known, so are the characters that carry the year, the
# month and the day. Those are used to measure the model, never to train it.

# %%
import datetime

from attnref.tasks import dates_data

day = datetime.date(2024, 1, 9)
for locale in dates_data.LOCALES:
    sample = dates_data.write(day, locale, "full")
    parts = {part: sample.text[start:stop] for part, (start, stop) in sample.spans.items()}
    print(f"{locale}  {sample.text:<34} year {parts['year']}   day {parts['day']:<4} month {parts['month']}")

# %% [markdown]
# The days run from 1950 to 2049. One day in ten is held out: the model never sees it, in any language or
# style. Everything that is measured below is measured on those.

# %%
held_out = dates_data.held_out_samples()
print(f"{len(dates_data.days(held_out=False))} days to learn from, {len(held_out)} held out, for example:")
for sample in held_out[:4]:
    print(f"  {sample.text:<34} {sample.iso}")

# %% [markdown]
# ## Training
#
# 300 batches of 128 dates; about half a minute on one core. The model writes the ten characters of the ISO date
# one after another, and the loss says how surprised it is by each right character. With 12 characters to choose
# from, a model that knows nothing starts near $\ln 12 \approx 2.48$.

# %%
import time

from attnref.tasks import dates, device

start = time.perf_counter()
reader, losses = dates.train(seed=0, device=device(), progress=False)
seconds = time.perf_counter() - start
print(f"{len(losses)} steps, {seconds:.0f} s on {device()}, {sum(p.numel() for p in reader.parameters()):,} weights")
print(f"loss: {losses[0]:.2f} at first, {sum(losses[-20:]) / 20:.4f} over the last 20 steps")

# %%
from matplotlib.figure import Figure

figure = Figure(figsize=(6.7, 2.6), layout="constrained")
ax = figure.add_subplot()
ax.plot(range(1, 1 + len(losses)), losses)
ax.set(xlabel="step", ylabel="loss per character", yscale="log")
figure

# %% [markdown]
# A falling loss says that the model fits the dates it is shown. What counts is how it reads days it was never
# shown: the share of held-out dates whose ten characters are all right.

# %%
score = dates.measure(reader, held_out)
print(f"held-out dates read exactly: {score.exact:.2%}")

# %% [markdown]
# ## Your date
#
# Change the text and run this cell and the next two again. Write the date as one of the eight languages does:
# English, French, German, Spanish, Italian, Portuguese, Korean or Japanese, years 1950 to 2049. A character that
# occurs in no training date is refused, with its name.

# %%
text = "Sunday, November 4, 2001"

# %%
reading = reader(text)
reading.iso

# %% [markdown]
# Each character below was written while the model looked at the characters above it; the wider the ribbon, the
# more weight. Year, month and day have a color each. Nobody told the model which characters belong together: it
# was only shown dates and their ISO forms.

# %%
from attnref import plot

GROUPS = [0, 0, 0, 0, None, 1, 1, None, 2, 2]  # year, month, day
plot.alignment(reading.weights.cpu(), text, reading.iso, groups=GROUPS)

# %% [markdown]
# The same weights as a table: a row for each character written, a column for each character read. Every row sums
# to one.

# %%
plot.heat_map(reading.weights.cpu(), rows=list(reading.iso), columns=list(text))

# %% [markdown]
# ## Other languages, other orders
#
# Korean begins with the year, German and Spanish with the day. The ribbons cross where the order changes. These
# are one held-out day, so the model reads all of them for the first time.

# %%
figure = Figure(figsize=(6.7, 7.5), layout="constrained")
for ax, locale in zip(figure.subplots(3, 1), ("ko", "de", "es"), strict=True):
    sample = dates_data.write(dates_data.SHOWN, locale, "full")
    read = reader(sample.text)
    plot.alignment(read.weights.cpu(), sample.text, read.iso, groups=GROUPS, ax=ax)
figure

# %% [markdown]
# ## How much of the attention is in the right place?
#
# One picture may be luck. So, over all held-out dates: while a digit of the year is written, how much of the
# weight lies on the characters that carry the year? The same for the month and the day. The hyphens are not
# counted.

# %%
for part, share in score.shares.items():
    print(f"{part:<5} {share:.0%}")

# %% [markdown]
# What is missing is not all lost. The encoder has read the whole text in both directions, so the state at a comma
# beside the month may know the month too, and the model is free to look there.
#
# ## And without attention?
#
# The same model can do without: then the decoder is given the encoder's last state and nothing else, and the
# whole date must fit into it. The package ships such a model, trained with the same recipe, seed and number of
# steps; it is loaded here.

# %%
from attnref import tasks

without = tasks.load("dates", attention=False, device=device())
exact = dates.measure(without, held_out).exact
print(f"held-out dates read exactly: {score.exact:.2%} with attention, {exact:.2%} without")
print(f"{text} -> {without(text).iso}")

# %% [markdown]
# Without attention the model learns too, but more slowly. Trained four times as long it reads 98 %, 100 % and
# 93 % of the held-out dates (seeds 0, 1 and 2); `python -m attnref.tasks dates --attention none --steps 1200 --seeds
# 0 1 2` does that. Why a single state is a bottleneck is told on [Sequence to sequence](../sequence/seq2seq.md), how
# the weights are computed on [Additive attention](../attention/additive.md).
