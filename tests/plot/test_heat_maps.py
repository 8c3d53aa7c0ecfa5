"""Heat maps: right weights in the right cells, one scale, numbers rounded once, labels that can be read."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attnref import plot
from attnref.plot.styles import luminance

WEIGHTS = [[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]]  # two queries, three keys


def written(weights, **options):
    """The numbers in the cells, row by row."""
    ax = plot.heat_map(weights, annotate=True, **options).axes[0]
    cells = {(i, j): text.get_text() for text in ax.texts for j, i in [text.get_position()]}
    return [cells[at] for at in sorted(cells)]


def colors(ax):
    """The color of each cell."""
    (image,) = ax.images
    return image.to_rgba(image.get_array())


def sides(ax):
    """The labels that can be seen at the left and below."""
    ticks = (ax.yaxis.get_major_ticks(), ax.xaxis.get_major_ticks())
    return [[tick.label1.get_text() for tick in side if tick.label1.get_visible()] for side in ticks]


# One map


def test_heat_map_has_a_row_for_each_query_and_a_column_for_each_key():
    ax = plot.heat_map(WEIGHTS, ["q0", "q1"], ["k0", "k1", "k2"]).axes[0]
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array(), WEIGHTS, atol=4e-4)
    assert image.get_clim() == (0, 0.75)
    assert image.get_interpolation() == "none"
    assert ax.get_aspect() == 1  # cells are square
    assert ax.get_ylim() == (1.5, -0.5)  # the first query on top
    assert ax.get_xlim() == (-0.5, 2.5)  # the first key at the left
    assert sides(ax) == [["q0", "q1"], ["k0", "k1", "k2"]]
    assert (ax.get_yticks().tolist(), ax.get_xticks().tolist()) == ([0, 1], [0, 1, 2])
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        assert label.get_fontfamily() == plot.families()
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("", "")
    assert {tick.tick1line.get_markersize() for tick in ax.xaxis.get_major_ticks()} == {0}


def test_heat_map_numbers_its_positions_and_names_its_axes_and_its_bar(svg):
    figure = plot.heat_map(np.eye(30))
    ax, bar = figure.axes
    svg(figure)
    assert (ax.get_ylabel(), ax.get_xlabel(), bar.get_ylabel()) == ("query", "key", "weight")
    for ticks in (ax.get_yticks(), ax.get_xticks()):
        assert set(ticks % 1) == {0}
        assert 4 < len(ticks) < 11
    assert 3 <= len(bar.get_yticks()) <= 6
    assert not bar.spines["outline"].get_visible()
    assert {tick.tick2line.get_markersize() for tick in bar.yaxis.get_major_ticks()} == {0}


def test_heat_map_without_a_bar_and_with_a_scale_of_its_own():
    figure = plot.heat_map(WEIGHTS, bar=False, max_weight=1.0)
    (ax,) = figure.axes
    assert ax.images[0].get_clim() == (0, 1)
    np.testing.assert_allclose(ax.images[0].get_array(), WEIGHTS, atol=4e-4)


def test_weights_above_the_scale_have_the_last_color():
    ax = plot.heat_map(WEIGHTS, max_weight=0.25).axes[0]
    assert [to_hex(color) for color in colors(ax)[1]] == [to_hex(plot.colormap()(i)) for i in (0, 255, 255)]


def test_weights_of_zero_have_the_first_color():
    ax = plot.heat_map(np.zeros((2, 2)), annotate=True).axes[0]
    assert ax.images[0].get_clim() == (0, 1)
    assert {to_hex(color) for color in colors(ax).reshape(-1, 4)} == {to_hex(plot.colormap()(0))}
    assert {text.get_text() for text in ax.texts} == {"0.00"}


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e6])
@pytest.mark.parametrize("weights", [[[-0.5, 0.25, 0.0]], [[-0.25, 0.5, 0.0]], [[-0.5, -0.25, -0.125]]])
def test_negative_weights_have_a_scale_with_zero_in_the_middle(weights, scale):
    image = plot.heat_map(np.array(weights) * scale).axes[0].images[0]
    assert image.get_clim() == pytest.approx((-0.5 * scale, 0.5 * scale))
    np.testing.assert_allclose(image.get_array(), np.array(weights) * scale, rtol=4e-3)
    signed = plot.colormap(signed=True)
    wanted = [signed(0.5 + weight / (2 * 0.5)) for weight in weights[0]]
    np.testing.assert_allclose(image.to_rgba(np.array(weights) * scale)[0], wanted, atol=0.02)


def test_a_scale_of_its_own_is_the_same_on_both_sides_of_zero():
    assert plot.heat_map([[-0.5, 0.1]], max_weight=2.0).axes[0].images[0].get_clim() == (-2, 2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_signed_scale_has_a_hue_for_each_sign_and_none_at_zero(scheme):
    signed, colors = plot.colormap(scheme, signed=True), np.arange(256)
    below, above = signed(colors[127::-1])[:, :3], signed(colors[128:])[:, :3]
    np.testing.assert_allclose(above[26:], plot.colormap(scheme)(np.linspace(0, 1, 128))[26:, :3], atol=0.01)
    light = [[luminance(color) for color in side] for side in (below, above)]
    np.testing.assert_allclose(*light, atol=0.03)  # equal steps on both sides, in gray too
    strong = slice(24, 120)
    assert (below[strong, 0] > below[strong, 2]).all()  # red over blue
    assert (above[strong, 2] > above[strong, 0]).all()
    np.testing.assert_allclose(below[0], above[0], atol=0.001)
    assert np.ptp(above[0]) < 0.01


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heat_map_is_framed_quietly(scheme):
    with plot.style(scheme):
        ax = plot.heat_map(WEIGHTS).axes[0]
    for spine in ax.spines.values():
        assert spine.get_visible()
        assert (to_hex(spine.get_edgecolor()), spine.get_linewidth()) == (plot.FAINT[scheme], 0.8)


@pytest.mark.parametrize("scale", [1e-199, 1e-30, 1e-4, 1e-3, 0.3, 12.0, 1e6, 1e200])
@pytest.mark.parametrize("draw", [plot.heat_map, lambda weights: plot.heads([weights])], ids=["heat_map", "heads"])
def test_colors_are_relative_to_the_largest_weight_however_small_or_large(draw, scale, svg):
    figure = draw(np.array(WEIGHTS) * scale)
    ax, bar = figure.axes
    np.testing.assert_array_equal(colors(ax), colors(draw(WEIGHTS).axes[0]))
    assert ax.images[0].get_clim()[1] == pytest.approx(0.75 * scale)
    svg(figure)
    assert bar.get_ylim() == ax.images[0].get_clim()


def test_equal_weights_over_ten_thousand_keys_have_the_last_color():
    ax = plot.heat_map(np.full((2, 10_000), 1e-4)).axes[0]
    assert {to_hex(color) for color in colors(ax).reshape(-1, 4)} == {to_hex(plot.colormap()(255))}


def test_colors_have_256_steps():
    ax = plot.heat_map(np.linspace(0, 1, 257)[None]).axes[0]
    indices = [plot.colormap()(i) for i in [*range(256), 255]]
    np.testing.assert_array_equal(colors(ax)[0], indices)


# The numbers in the cells


@pytest.mark.parametrize(
    ("weights", "numbers"),
    [
        (WEIGHTS, "0.70 0.20 0.10 0.00 0.25 0.75"),
        ([[0.0846, 0.9154]], "0.08 0.92"),  # rounded once
        ([[0.0849999, 0.9150001]], "0.08 0.92"),
        ([[0.0046, 0.9954]], "0.00 1.00"),
        ([[0.1, -0.0]], "0.10 0.00"),
        ([[0.096, 0.0444]], "0.096 0.044"),  # two digits of the largest
        ([[0.01, 0.004]], "0.010 0.004"),
        ([[0.0096, 0.00034]], "0.0096 0.0003"),
        ([[0.001, 0.00049]], "0.0010 0.0005"),
        ([[0.00096, 0.000012, 0.0]], "9.6e-4 1.2e-5 0"),
        ([[3.4e-12]], "3.4e-12"),
        ([[8.0, 0.846]], "8.00 0.85"),  # the sum of eight heads
        ([[999.0, 0.846]], "999.00 0.85"),
        ([[1500.0, 5.0]], "1.5e3 5.0e0"),
        (torch.tensor([[0.1, 0.1]]), "0.10 0.10"),  # float32 is a little more than a tenth
        (torch.full((1, 2), 1 / 12), "0.083 0.083"),
        ([[-0.5, 0.25, -0.001]], "−0.50 0.25 0.00"),  # noqa: RUF001
        ([[-1500.0, 5.0]], "−1.5e3 5.0e0"),  # noqa: RUF001
        (torch.tensor([[0.3, 0.7]], dtype=torch.bfloat16), "0.30 0.70"),
    ],
)
def test_numbers_are_rounded_once_and_small_ones_are_useful(weights, numbers):
    assert " ".join(written(weights)) == numbers


@given(st.integers(0, 100_000).filter(lambda n: n % 1000 != 500))
def test_numbers_are_the_nearest_of_two_decimals(n):
    cents = (n + 500) // 1000
    assert written([[n / 100_000, 1.0]])[0] == f"{cents // 100}.{cents % 100:02d}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 8.0])
def test_numbers_are_legible_on_their_cells(scheme, scale, contrast):
    with plot.style(scheme):
        ax = plot.heat_map(np.linspace(0, scale, 20)[None], annotate=True).axes[0]
    background = colors(ax)
    assert len(ax.texts) == 20
    for text in ax.texts:
        cell = background[0, int(text.get_position()[0])]
        assert contrast(text.get_color(), cell[:3]) > 4.4  # 4.58 is the most that can be had on every gray
        assert (text.get_ha(), text.get_va()) == ("center", "center")


@pytest.mark.parametrize(("n", "scale"), [(2, 1.0), (12, 1.0), (2, 1e-12), (12, 1e-12), (60, 1.0)])
def test_numbers_fit_into_their_cells(n, scale):
    figure = plot.heat_map(np.eye(2, n) * scale, annotate=True, bar=False)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    box = ax.get_window_extent()
    for text in ax.texts:
        assert text.get_window_extent().width <= 1.05 * box.width / n
        assert text.get_window_extent().height <= 1.05 * box.height / 2


@pytest.mark.parametrize("shape", [(30, 3), (3, 30), (60, 1)])
def test_numbers_fit_into_their_cells_in_given_axes(shape):
    figure = Figure(layout="constrained")
    ax = figure.add_subplot()
    plot.heat_map(np.full(shape, 0.5), ax=ax, annotate=True, bar=False)
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    for text in ax.texts:
        assert text.get_window_extent().width <= 1.05 * box.width / shape[1]
        assert text.get_window_extent().height <= 1.05 * box.height / shape[0]


def test_numbers_are_small_text_where_there_is_room():
    with plot.style():
        ax = plot.heat_map(WEIGHTS, annotate=True).axes[0]
    assert {round(text.get_fontsize(), 2) for text in ax.texts} == {10.83}  # 13 points times 0.833


# Masks


MASK = [[True, True, False], [False, True, True]]


def hatched(ax):
    """The hatched cells, (column, row)."""
    cells = set()
    for patch in ax.patches:
        assert isinstance(patch, Rectangle)
        assert (patch.get_hatch(), patch.get_facecolor()[3], patch.get_height()) == ("////", 0, 1)
        assert to_hex(patch.get_edgecolor()) == plot.MUTED["light"]
        for k in range(int(patch.get_width())):
            cells.add((patch.get_x() + 0.5 + k, patch.get_y() + 0.5))
    return cells


@pytest.mark.parametrize(
    "kind",
    [list, torch.tensor, np.array, lambda mask: [[np.bool_(x) for x in row] for row in mask], lambda mask: tuple(mask),
     lambda mask: [torch.tensor(row) for row in mask]],
)  # fmt: skip
def test_heat_map_hatches_what_is_masked_and_writes_no_number_there(kind):
    ax = plot.heat_map(WEIGHTS, mask=kind(MASK), annotate=True).axes[0]
    assert hatched(ax) == {(2, 0), (0, 1)}
    assert {text.get_position() for text in ax.texts} == {(0, 0), (1, 0), (1, 1), (2, 1)}


@pytest.mark.parametrize(
    ("mask", "cells"),
    [
        ([[True, True, False]], {(2, 0), (2, 1)}),
        ([[True], [False]], {(0, 1), (1, 1), (2, 1)}),
        ([[False]], {(j, i) for i in range(2) for j in range(3)}),
        ([[True]], set()),
        ([[False, True, False], [True, False, False]], {(0, 0), (2, 0), (1, 1), (2, 1)}),
    ],
)
def test_heat_map_broadcasts_the_mask(mask, cells):
    figure = plot.heat_map(WEIGHTS, mask=mask, annotate=True)
    assert hatched(figure.axes[0]) == cells


def test_a_causal_mask_is_hatched_in_one_piece_a_row():
    ax = plot.heat_map(np.eye(300), mask=np.tri(300, dtype=bool)).axes[0]
    assert len(ax.patches) == 299
    assert hatched(ax) == {(j, i) for i in range(300) for j in range(i + 1, 300)}


# Labels


def test_labels_that_are_wider_than_their_column_are_turned():
    ax = plot.heat_map([[0.5, 0.5]], ["a long label"], ["comment", "ça"]).axes[0]
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [90, 90]
    assert [label.get_rotation() for label in ax.get_yticklabels()] == [0]
    ax = plot.heat_map([[0.5, 0.5]], ["a long label"], ["le", "ça"]).axes[0]
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [0, 0]


@pytest.mark.parametrize("n", [2, 30, 72, 73, 400])
def test_labels_do_not_overlap(n, svg):
    names = [f"n{i}" for i in range(n)]
    figure = plot.heat_map(np.eye(n), names, names)
    svg(figure)
    ax = figure.axes[0]
    for labels, low, high in ((ax.get_yticklabels(), "y0", "y1"), (ax.get_xticklabels(), "x0", "x1")):
        shown = [label.get_text() for label in labels]
        every = {2: 1, 30: 1, 72: 1, 73: 2, 400: 6}[n]
        assert shown == names[::every]
        boxes = [label.get_window_extent() for label in labels]
        boxes.sort(key=lambda box: getattr(box, low))
        for one, other in itertools.pairwise(boxes):
            assert getattr(one, high) <= getattr(other, low) + 1.5  # pixels
        assert min(label.get_fontsize() for label in labels) >= 5
    assert ax.get_xticks().tolist() == list(range(0, n, every))


@pytest.mark.parametrize("draw", [plot.heat_map, lambda w, *labels: plot.heads([w, w], *labels)], ids=["one", "heads"])
@pytest.mark.parametrize("letters", [1, 10, 24, 300])
def test_long_labels_get_room_of_their_own(draw, letters, svg):
    names = ["m" * letters] * 2
    figure = draw(np.eye(2), names, names)
    svg(figure)  # constrained layout warns if it has no room
    box = figure.axes[0].get_window_extent()
    assert min(box.width, box.height) > 0.5 * figure.dpi
    assert max(figure.get_size_inches()) < 8


@pytest.mark.parametrize("shape", [(3, 40), (40, 3)])
@pytest.mark.parametrize("draw", ["heat_map", "heads"])
def test_labels_do_not_overlap_in_given_axes(draw, shape):
    figure = Figure(layout="constrained")
    axes = figure.subplots(1, 2)
    rows, columns = ([f"n{i}" for i in range(n)] for n in shape)
    if draw == "heads":
        plot.heads(np.ones((2, *shape)), rows, columns, axes=axes)
    else:
        plot.heat_map(np.ones(shape), rows, columns, ax=axes[0])
    figure.draw_without_rendering()
    for labels, low, high in ((axes[0].get_yticklabels(), "y0", "y1"), (axes[0].get_xticklabels(), "x0", "x1")):
        boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: getattr(box, low))
        for one, other in itertools.pairwise(boxes):
            assert getattr(one, high) <= getattr(other, low) + 1.5  # pixels


def test_only_the_side_of_a_long_label_grows():
    short, long = ["a", "b"], ["m" * 20, "b"]
    width, height = plot.heat_map(np.eye(2), short, short).get_size_inches()
    wide, same = plot.heat_map(np.eye(2), long, short).get_size_inches()
    assert (wide > width + 1, same) == (True, height)
    same, high = plot.heat_map(np.eye(2), short, long).get_size_inches()
    assert (same, high > height + 1) == (width, True)


# Sizes


@pytest.mark.parametrize(
    ("shape", "inches", "cell"),
    [
        ((2, 3), (3.2, 1.8), (0.5, 0.5)),
        ((10, 10), (6.7, 5.8), (0.5, 0.5)),
        ((20, 20), (6.7, 5.8), (0.25, 0.25)),
        ((28, 2), (2.2, 7.8), (0.25, 0.25)),
        ((10, 2000), (6.7, 1.8), (0.0025, 0.1)),
        ((2000, 10), (2.7, 7.8), (0.1, 0.0035)),
        ((1, 500), (6.7, 1.3), (0.01, 0.5)),
        ((500, 1), (2.2, 7.8), (0.5, 0.014)),
        ((1, 10), (6.7, 1.3), (0.5, 0.5)),
        ((2, 20), (6.7, 1.3), (0.25, 0.25)),
        ((2, 21), (6.7, 1.8), (0.238, 0.5)),
        ((1, 1), (2.2, 1.3), (0.5, 0.5)),
    ],
)
def test_a_map_of_any_shape_has_a_sane_size(shape, inches, cell, svg):
    figure = plot.heat_map(np.ones(shape))
    assert tuple(figure.get_size_inches()) == pytest.approx(inches)
    svg(figure)
    ax = figure.axes[0]
    assert ax.get_aspect() == (1 if cell[0] == cell[1] else "auto")
    box = ax.get_window_extent()
    assert min(box.width, box.height) > 0.4 * figure.dpi
    bar = figure.axes[1].get_window_extent()
    assert bar.height > min(0.95 * box.height, 1.5 * figure.dpi)  # room for its numbers


@pytest.mark.parametrize(
    ("shape", "inches"),
    [
        ((2, 3, 3), (4.5, 2.0)),
        ((8, 10, 10), (6.7, 3.7)),
        ((2, 2000, 10), (4.1, 7.8)),
        ((2, 10, 2000), (6.7, 1.8)),
        ((5, 2000, 10), (6.5, 8.6)),
        ((12, 100, 1), (4.1, 9.4)),
        ((1, 1, 500), (6.7, 1.2)),
    ],
)
def test_heads_of_any_shape_have_a_sane_size(shape, inches, svg):
    figure = plot.heads(np.ones(shape))
    assert tuple(figure.get_size_inches()) == pytest.approx(inches, abs=1e-6)
    svg(figure)
    for ax in figure.axes[: shape[0]]:
        box = ax.get_window_extent()
        assert min(box.width, box.height) > 0.3 * figure.dpi
    bar = figure.axes[-1].get_window_extent()
    assert bar.height > 0.8 * min(figure.axes[0].get_window_extent().height, 1.5 * figure.dpi)


def test_a_tall_map_fills_the_axes_that_are_given():
    ax = Figure().add_subplot()
    plot.heat_map(np.ones((2000, 10)), ax=ax)
    assert ax.get_aspect() == "auto"
    ax = Figure().add_subplot()
    plot.heat_map(np.ones((20, 10)), ax=ax)
    assert ax.get_aspect() == 1


# Heads


def test_heads_draws_each_head_with_one_scale_and_one_bar():
    weights = torch.stack((torch.tensor(WEIGHTS), torch.tensor(WEIGHTS).flip(0) / 2))
    *axes, bar = plot.heads(weights, ["q0", "q1"], ["k0", "k1", "k2"]).axes
    assert [ax.get_title() for ax in axes] == ["head 1", "head 2"]
    for ax, head in zip(axes, weights, strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), head, atol=4e-4)
        assert ax.images[0].get_clim() == (0, 0.75)
        assert ax.get_aspect() == 1
    assert bar.get_ylabel() == "weight"
    assert bar.get_ylim() == (0, 0.75)


@pytest.mark.parametrize("h", range(1, 14))
def test_each_head_of_the_left_and_the_bottom_is_labelled_and_no_other(h):
    figure = plot.heads(np.full((h, 2, 2), 0.5), ["q0", "q1"], ["k0", "k1"])
    across = min(h, 4)
    for i, ax in enumerate(figure.axes[:h]):
        left, bottom = i % across == 0, i + across >= h
        assert sides(ax) == [["q0", "q1"] if left else [], ["k0", "k1"] if bottom else []], i
        assert ax.get_title() == f"head {i + 1}"
    *others, bar = figure.axes[h:]
    assert len(others) == (-h) % across
    assert not any(ax.axison for ax in others)
    assert bar.get_ylabel() == "weight"


@pytest.mark.parametrize("h", [1, 3, 5, 7])
def test_each_head_of_the_left_and_the_bottom_names_its_axis_and_no_other(h):
    figure = plot.heads(np.full((h, 2, 2), 0.5))
    across = min(h, 4)
    for i, ax in enumerate(figure.axes[:h]):
        assert ax.get_ylabel() == ("query" if i % across == 0 else "")
        assert ax.get_xlabel() == ("key" if i + across >= h else "")


def test_heads_starts_a_new_line_after_four_and_shares_its_axes():
    *axes, _bar = plot.heads(torch.ones(6, 2, 2) / 2).axes
    corners = [(ax.get_subplotspec().rowspan.start, ax.get_subplotspec().colspan.start) for ax in axes]
    assert corners == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]
    axes[0].set(xlim=(-0.5, 0.5), ylim=(0.5, -0.5))
    assert {ax.get_xlim() for ax in axes} == {(-0.5, 0.5)}
    assert {ax.get_ylim() for ax in axes} == {(0.5, -0.5)}


@pytest.mark.parametrize("share", [True, False])
def test_labels_in_given_axes_follow_the_panels_that_are_drawn_in(share):
    figure = Figure()
    grid = figure.subplots(2, 3, sharex=share, sharey=share)
    panels = [grid[0, 1], grid[0, 2], grid[1, 1]]
    plot.heads(np.full((3, 2, 2), 0.5), ["q0", "q1"], ["k0", "k1"], axes=panels)
    q, k = ["q0", "q1"], ["k0", "k1"]
    assert [sides(ax) for ax in panels] == [[q, []], [[], k], [q, k]]


def test_a_panel_is_labelled_if_none_is_beside_it_in_its_own_line_or_column():
    grid = Figure().subplots(2, 2)
    panels = [grid[0, 0], grid[1, 1]]
    plot.heads(np.full((2, 2, 2), 0.5), ["q0", "q1"], ["k0", "k1"], axes=panels)
    assert [sides(ax) for ax in panels] == [[["q0", "q1"], ["k0", "k1"]]] * 2


def test_axes_that_are_in_no_grid_are_all_labelled():
    figure = Figure()
    panels = [figure.add_axes((0.1, 0.1, 0.3, 0.3)), figure.add_axes((0.5, 0.1, 0.3, 0.3))]
    plot.heads(np.full((2, 2, 2), 0.5), ["q0", "q1"], axes=panels)
    assert [sides(ax)[0] for ax in panels] == [["q0", "q1"]] * 2
    assert [ax.get_xlabel() for ax in panels] == ["key"] * 2


def test_axes_of_two_grids_are_all_labelled():
    figure = Figure()
    left, right = figure.add_gridspec(1, 2)
    panels = [figure.add_subplot(grid.subgridspec(1, 1)[0]) for grid in (left, right)]
    plot.heads(np.full((2, 2, 2), 0.5), ["q0", "q1"], axes=panels)
    assert [sides(ax)[0] for ax in panels] == [["q0", "q1"]] * 2


def test_many_heads_stay_side_by_side():
    figure = plot.heads(np.ones((40, 4, 4)))
    assert tuple(figure.get_size_inches()) == pytest.approx((6.5, 18.0))
