"""Alignments: ribbons as wide as their weights, between the right tokens, in the right colors, at any size."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from attnref import plot

WEIGHTS = [[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]]  # two queries, three keys
LE_CHAT, THE_CAT = ["le", "chat", "dort"], ["the", "cat"]
BLUE, ORANGE, GREEN, VIOLET = plot.ACCENTS["light"]
GRAY = plot.MUTED["light"]


def paths(ax):
    (collection,) = ax.collections
    assert collection.get_linewidths().tolist() == [0]
    assert len(collection.get_edgecolors()) == 0
    return collection.get_paths()


def faces(ax):
    """The color of each ribbon and its opacity."""
    colors = ax.collections[0].get_facecolors()
    return [to_hex(color) for color in colors], colors[:, 3]


def drawn(ax):
    """(x at the source, width there, x at the target, width there) of each ribbon, in the order of the weights."""
    found = []
    for path in paths(ax):
        corners = path.vertices
        source, target = corners[corners[:, 1] == 1], corners[corners[:, 1] == 0]
        found.append([f(line[:, 0]) for line in (source, target) for f in (_middle, np.ptp)])
    return np.array(found).reshape(-1, 4)


def _middle(x):
    return (x.min() + x.max()) / 2


def at(ax, word):
    (text,) = (text for text in ax.texts if text.get_text() == word)
    return text.get_position()


def sizes(ax):
    return {round(text.get_fontsize(), 6) for text in ax.texts}


# Tokens


def test_the_source_is_above_the_target():
    ax = plot.alignment(WEIGHTS, LE_CHAT, THE_CAT).axes[0]
    source, target = ([at(ax, word) for word in words] for words in (LE_CHAT, THE_CAT))
    assert {y for _, y in source} == {1.05}
    assert {y for _, y in target} == {-0.05}
    assert source == sorted(source)
    assert target == sorted(target)
    assert {(t.get_ha(), t.get_va(), t.get_fontweight()) for t in ax.texts[:3]} == {("center", "bottom", "normal")}
    assert {(t.get_ha(), t.get_va(), t.get_fontweight()) for t in ax.texts[3:]} == {("center", "top", "bold")}
    assert (ax.get_ylim(), ax.axison) == ((-0.2, 1.2), False)


def test_both_lines_are_in_the_middle_and_a_short_one_is_spread_out():
    ax = plot.alignment(np.full((2, 8), 0.125), "abcdefgh", "xy").axes[0]
    keys, queries = (sorted(at(ax, token)[0] for token in tokens) for tokens in ("abcdefgh", "xy"))
    assert sum(keys) == pytest.approx(0, abs=1e-12)
    assert sum(queries) == pytest.approx(0, abs=1e-12)
    assert np.ptp(queries) == pytest.approx(1.7 * (keys[1] - keys[0]))  # and not further
    assert ax.get_xlim() == pytest.approx((-4 * 0.78, 4 * 0.78))


def test_words_are_as_wide_as_their_letters_and_characters_stand_apart():
    ax = plot.alignment(np.eye(2), ["a", "bcdef"], ["x", "y"]).axes[0]
    assert ax.get_xlim()[1] == pytest.approx((6 * 0.58 + 2) / 2)
    assert at(ax, "bcdef")[0] - at(ax, "a")[0] == pytest.approx((6 * 0.58 + 2) / 2)
    ax = plot.alignment(np.eye(2), "ab", "xy").axes[0]
    assert ax.get_xlim()[1] == pytest.approx(2 * 0.78 / 2)
    ax = plot.alignment(np.eye(2), "월日", "xy").axes[0]
    assert ax.get_xlim()[1] == pytest.approx(2 * 1.15 / 2)


def test_a_string_is_its_characters_in_letters_of_one_width():
    ax = plot.alignment(WEIGHTS, "4월 ", ["04", "05"]).axes[0]
    assert [text.get_text() for text in ax.texts] == ["4", "월", " ", "04", "05"]
    assert [text.get_fontfamily()[0] == "monospace" for text in ax.texts] == [True] * 3 + [False] * 2


def test_an_escaped_character_among_characters_does_not_make_them_words():
    ax = plot.alignment(np.full((1, 3), 1 / 3), "a\nb", "x").axes[0]
    assert [text.get_text() for text in ax.texts] == ["a", r"\n", "b", "x"]
    assert ax.texts[0].get_fontfamily()[0] == "monospace"
    assert ax.get_xlim()[1] == pytest.approx((0.78 + 2 * 0.58 + 0.15 + 0.78) / 2)


# Ribbons


def test_each_target_is_joined_to_the_source_it_attends_to():
    ax = plot.alignment(WEIGHTS, LE_CHAT, THE_CAT).axes[0]
    expected = [(i, j) for i in range(2) for j in range(3) if WEIGHTS[i][j] > 0]
    ribbons = drawn(ax)
    assert len(ribbons) == len(expected)
    for (top, _, bottom, _), (i, j) in zip(ribbons, expected, strict=True):
        nearest = min(LE_CHAT, key=lambda word: abs(at(ax, word)[0] - top))
        below = min(THE_CAT, key=lambda word: abs(at(ax, word)[0] - bottom))
        assert (below, nearest) == (THE_CAT[i], LE_CHAT[j])
        assert top == pytest.approx(at(ax, LE_CHAT[j])[0])


def test_ribbons_are_as_wide_as_their_weights_side_by_side_under_their_token():
    ax = plot.alignment(WEIGHTS, "abc", "xy").axes[0]
    ribbons, half = drawn(ax), (at(ax, "y")[0] - at(ax, "x")[0]) / 2
    weights = [0.7, 0.2, 0.1, 0.25, 0.75]
    np.testing.assert_allclose(ribbons[:, 3], np.multiply(weights, 0.85 * 2 * half), atol=2e-3)
    np.testing.assert_allclose(ribbons[:, 1], np.multiply(weights, 0.8 * 0.78 / 0.75), atol=2e-3)  # of the largest
    for word, row in (("x", ribbons[:3]), ("y", ribbons[3:])):
        edges = [(x - width / 2, x + width / 2) for _, _, x, width in row]
        np.testing.assert_allclose([right for _, right in edges[:-1]], [left for left, _ in edges[1:]])
        assert (edges[0][0] + edges[-1][1]) / 2 == pytest.approx(at(ax, word)[0], abs=1e-3)
    np.testing.assert_allclose(faces(ax)[1], 0.15 + 0.6 * np.divide(weights, 0.75), atol=1e-3)


def test_a_ribbon_bends_in_the_middle_of_its_height():
    (path,) = paths(plot.alignment([[1.0]], "a", "x").axes[0])
    assert path.vertices[:, 1].tolist() == [1, 0.5, 0.5, 0, 0, 0.5, 0.5, 1, 1]


def test_a_ribbon_is_no_band_at_a_long_word():
    ax = plot.alignment([[1.0]], ["a" * 20], ["b" * 20]).axes[0]
    ((_, source, _, target),) = drawn(ax)
    assert source == pytest.approx(2 * 1.2 * 0.8)
    assert target == pytest.approx(2 * 1.2 * 0.85)


@pytest.mark.parametrize("scale", [1e-199, 1e-4, 1e-3, 12.0, 1e6, 1e199])
def test_ribbons_are_relative_to_the_largest_weight_however_small_or_large(scale, svg):
    with plot.style():
        one = svg(plot.alignment(WEIGHTS, "abc", "xy", groups=[0, 1]))
        assert svg(plot.alignment(np.array(WEIGHTS) * scale, "abc", "xy", groups=[0, 1])) == one


def test_equal_weights_over_many_keys_are_all_drawn():
    ax = plot.alignment(np.full((2, 500), 1 / 500), ["k"] * 500, "xy").axes[0]
    assert len(paths(ax)) == 1000
    assert set(faces(ax)[1]) == {0.75}


def test_the_row_with_the_largest_sum_is_as_wide_as_its_token():
    ax = plot.alignment([[1.0, 1.0], [0.5, 0.0]], "ab", "xy").axes[0]
    widths, half = drawn(ax)[:, 3], (at(ax, "y")[0] - at(ax, "x")[0]) / 2
    np.testing.assert_allclose(widths, 0.85 * half * np.array([1, 1, 0.5]))


@pytest.mark.parametrize(
    ("min_weight", "ribbons"),
    [(None, 5), (0.0, 5), (0.1, 5), (np.float32(0.1), 5), (torch.tensor(0.11), 4), (0.25, 3), (0.26, 2), (1, 0)],
)
def test_the_smallest_weights_are_left_out(min_weight, ribbons):
    for weights in (WEIGHTS, torch.tensor(WEIGHTS)):
        assert len(paths(plot.alignment(weights, "abc", "xy", min_weight=min_weight).axes[0])) == ribbons


@pytest.mark.parametrize(("weight", "ribbons"), [(0.0198, 1), (0.02, 2), (0.021, 2)])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 12.0])
def test_a_fiftieth_of_the_largest_is_drawn_and_less_is_not(weight, ribbons, scale):
    assert len(paths(plot.alignment([[weight * scale, scale]], "ab", "x").axes[0])) == ribbons


def test_weights_of_zero_have_no_ribbon_and_no_color():
    ax = plot.alignment(np.zeros((2, 2)), "ab", "xy", min_weight=0.0).axes[0]
    assert paths(ax) == []
    assert [text.get_color() for text in ax.texts] == [GRAY, GRAY, BLUE, BLUE]


# Colors


def test_groups_color_the_targets_their_ribbons_and_the_sources_they_attend_to():
    weights = [[0.7, 0.3, 0.0], [0.1, 0.6, 0.3], [0.2, 0.1, 0.7]]
    with plot.style("light"):
        ax = plot.alignment(weights, "abc", "xyz", groups=[0, None, 1]).axes[0]
    assert [text.get_color() for text in ax.texts] == [BLUE, BLUE, ORANGE, BLUE, GRAY, ORANGE]
    assert faces(ax)[0] == [BLUE] * 2 + [GRAY] * 3 + [ORANGE] * 3


def test_a_fifth_of_the_heaviest_target_token_colors_a_source():
    """Of the whole weight of the target token that has most, not of one that hardly looks anywhere."""
    assert plot.source_colors([[0.85, 0.15], [0.0, 0.04]], [BLUE, ORANGE]) == [BLUE, GRAY]
    assert plot.source_colors([[0.75, 0.25], [0.0, 0.04]], [BLUE, ORANGE]) == [BLUE, BLUE]


@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4, None], np.array([4, 5, 6, 7, 8]), torch.arange(5)])
def test_groups_of_any_kind_take_the_accents_in_turn(groups):
    expected = [BLUE, ORANGE, GREEN, VIOLET, BLUE, GRAY][: len(groups)]
    assert plot.group_colors(groups, len(groups)) == expected
    ax = plot.alignment(np.full((len(groups), 1), 1.0), "a", "x" * len(groups), groups=groups).axes[0]
    assert [text.get_color() for text in ax.texts[1:]] == expected


def test_all_share_the_first_color_without_groups():
    assert plot.group_colors(None, 3) == [BLUE] * 3
    with plot.style("dark"):
        assert plot.group_colors(None, 1) == [plot.ACCENTS["dark"][0]]
        assert plot.group_colors([None], 1) == [plot.MUTED["dark"]]


@pytest.mark.parametrize("scale", [1.0, 1e-4, 12.0])
@pytest.mark.parametrize(("weight", "color"), [(0.19, GRAY), (0.2, BLUE)])
def test_a_source_token_is_colored_from_a_fifth_of_a_target_tokens_weight(weight, color, scale):
    ax = plot.alignment([[weight * scale, (1 - weight) * scale]], "ab", "x").axes[0]
    assert [text.get_color() for text in ax.texts] == [color, BLUE, BLUE]


def test_a_source_token_takes_the_color_of_the_group_that_gives_it_most_in_all():
    weights = np.array([[0.4, 0.6], [0.3, 0.7], [0.3, 0.7]])
    assert plot.source_colors(weights, [BLUE, ORANGE, ORANGE]) == [ORANGE, ORANGE]
    assert plot.source_colors(weights, [BLUE, ORANGE, GREEN]) == [BLUE, ORANGE]
    assert plot.source_colors(weights, [ORANGE, BLUE, GREEN]) == [ORANGE, BLUE]  # of equals, the first
    assert plot.source_colors(weights, [GRAY, GRAY, GRAY]) == [GRAY, GRAY]


# Sizes


@pytest.mark.parametrize(
    ("source", "inches", "size"),
    [("a" * 10, 6.7, 17.0), ("a" * 40, 6.7, 11.98), ("a" * 61, 6.7, 7.86), ("a" * 200, 21.67, 7.75),
     (["word"] * 200, 30.0, 2.52), (["word"] * 3000, 30.0, 1.0)],
)  # fmt: skip
def test_many_tokens_widen_the_figure_until_it_is_30_inches_wide(source, inches, size):
    weights = np.eye(1, len(source))
    figure = plot.alignment(weights, source, "x")
    assert tuple(figure.get_size_inches()) == pytest.approx((inches, 2.6), abs=5e-3)
    (found,) = sizes(figure.axes[0])
    assert found == pytest.approx(size, abs=5e-3)


@pytest.mark.parametrize("n", [200, 2000])
def test_tokens_in_given_axes_stay_within_them_and_have_a_size(n, svg):
    figure = Figure(layout="constrained")
    ax = figure.add_subplot()
    plot.alignment(np.eye(1, n), "a" * n, "x", ax=ax)
    svg(figure)
    (size,) = sizes(ax)
    assert size >= 1.0
    assert figure.get_size_inches()[0] == 6.4


# The building blocks


def test_ribbons_go_up_or_down_between_the_lines_they_are_given():
    ax = Figure().add_subplot()
    plot.ribbons(ax, [[1.0]], [(5.0, 1.0)], [(2.0, 0.5)], ["C3"], top=-3.0, bottom=1.0)
    corners = paths(ax)[0].vertices
    assert corners[corners[:, 1] == -3].mean(0).tolist() == pytest.approx([5.0 - 0.8 / 3, -3.0])
    assert sorted(set(corners[:, 1])) == [-3.0, -1.0, 1.0]
    assert corners[corners[:, 1] == 1][:, 0].tolist() == pytest.approx([2 - 0.425, 2 + 0.425])


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: plot.ribbons(Figure().gca(), WEIGHTS, [(0, 1)] * 2, [(0, 1)] * 2, ["k"] * 2, top=1, bottom=0),
            "ribbons: queries and colors must be n_q=2, keys n_k=3, got 2, 2 and 2.",
        ),
        (
            lambda: plot.ribbons(Figure().gca(), [[1]], [(0, 1)], [(0, 1)], ["k"], top=1, bottom=0, min_weight=-1),
            "ribbons: min_weight must be 0 or more, got -1.",
        ),
        (
            lambda: plot.source_colors(WEIGHTS, ["k"]),
            "source_colors: colors must be one for each query, n_q=2, got 1.",
        ),
        (lambda: plot.group_colors([0], 2), "group_colors: groups must be one for each target token, n_q=2, got 1."),
        (lambda: plot.group_colors([-1], 1), "group_colors: groups must be numbered from 0, got -1 at position 0."),
    ],
)  # fmt: skip
def test_building_blocks_refuse_what_does_not_fit(call, words):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the words are compared whole)
        call()
    assert str(refusal.value) == words
