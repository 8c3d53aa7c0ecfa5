"""The pictures: right weights in the right places, drawn where asked, refused where they would not be true."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

from attnref import causal_mask, plot
from attnref.plot import styles

WEIGHTS = [[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]]  # two queries, three keys
KINDS = [list, np.array, torch.tensor, lambda w: torch.tensor(w, dtype=torch.bfloat16, requires_grad=True)]


def _lightness(colors):
    """CIELAB lightness of sRGB colors: the definition of CIE 15 and IEC 61966-2-1."""
    srgb = np.asarray(colors)[..., :3]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    y = linear @ (0.2126, 0.7152, 0.0722)
    return 116 * np.where(y > (6 / 29) ** 3, np.cbrt(y), y * (29 / 6) ** 2 / 3 + 4 / 29) - 16


def _contrast(one, other):
    """WCAG contrast of two colors."""
    y = sorted((((_lightness(to_rgb(c)) + 16) / 116) ** 3 for c in (one, other)), reverse=True)
    return (y[0] + 0.05) / (y[1] + 0.05)


# Heat map


@pytest.mark.parametrize("kind", KINDS)
def test_heat_map_has_a_row_for_each_query_and_a_column_for_each_key(kind):
    figure = plot.heat_map(kind(WEIGHTS), ["q0", "q1"], ["k0", "k1", "k2"])
    ax = figure.axes[0]
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array(), WEIGHTS, atol=2e-3)
    assert ax.get_ylim() == (1.5, -0.5)  # the first query on top
    assert ax.get_xlim() == (-0.5, 2.5)  # the first key at the left
    assert [label.get_text() for label in ax.get_yticklabels()] == ["q0", "q1"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["k0", "k1", "k2"]
    assert image.get_clim() == (0, image.get_array().max())


def test_heat_map_names_its_axes_and_its_bar():
    ax, bar = plot.heat_map(WEIGHTS).axes
    assert (ax.get_ylabel(), ax.get_xlabel(), bar.get_ylabel()) == ("query", "key", "weight")


def test_heat_map_without_bar_and_with_a_largest_weight():
    figure = plot.heat_map(WEIGHTS, bar=False, max_weight=1.0)
    (ax,) = figure.axes
    assert ax.images[0].get_clim() == (0, 1)


def test_heat_map_writes_the_weights_into_their_cells():
    ax = plot.heat_map(WEIGHTS, annotate=True).axes[0]
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "0.70", (1, 0): "0.20", (2, 0): "0.10", (0, 1): "0.00", (1, 1): "0.25", (2, 1): "0.75"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heat_map_numbers_are_legible_on_their_cells(scheme):
    with plot.style(scheme):
        ax = plot.heat_map(np.linspace(0, 1, 20)[None], annotate=True).axes[0]
        (image,) = ax.images
        for text in ax.texts:
            cell = image.to_rgba(image.get_array()[0, int(text.get_position()[0])])
            assert _contrast(text.get_color(), cell[:3]) > 4.4  # 4.58 is the most that can be had on every gray


def test_heat_map_hatches_what_is_masked_and_writes_no_number_there():
    mask = torch.tensor([[True, True, False], [False, True, True]])
    ax = plot.heat_map(WEIGHTS, mask=mask, annotate=True).axes[0]
    hatched = {(p.get_x() + 0.5, p.get_y() + 0.5) for p in ax.patches if isinstance(p, Rectangle) and p.get_hatch()}
    assert hatched == {(2, 0), (0, 1)}
    assert {text.get_position() for text in ax.texts}.isdisjoint(hatched)


def test_heat_map_broadcasts_the_mask():
    ax = plot.heat_map(WEIGHTS, mask=[[True, True, False]]).axes[0]
    assert len(ax.patches) == 2


def test_weights_of_zero_have_the_first_color():
    image = plot.heat_map(np.zeros((2, 2))).axes[0].images[0]
    assert image.get_clim() == (0, 1)


# Heads


def test_heads_draws_each_head_with_one_scale_and_one_bar():
    weights = torch.stack((torch.tensor(WEIGHTS), torch.tensor(WEIGHTS).flip(0) / 2))
    *axes, bar = plot.heads(weights, ["q0", "q1"], ["k0", "k1", "k2"]).axes
    assert [ax.get_title() for ax in axes] == ["head 1", "head 2"]
    for ax, head in zip(axes, weights, strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), head, atol=1e-3)
        assert ax.images[0].get_clim() == (0, 0.75)
    assert bar.get_ylabel() == "weight"


def test_heads_starts_a_new_line_after_four():
    *axes, _bar = plot.heads(torch.ones(5, 2, 2) / 2).axes
    assert [ax.get_title() for ax in axes] == ["head 1", "head 2", "head 3", "head 4", "head 5", "", "", ""]
    assert not any(ax.axison for ax in axes[5:])


# Alignment


def _ribbons(ax):
    """(x at the source, x at the target, width at the target) of each ribbon, in the order of the weights."""
    drawn = []
    for patch in ax.patches:
        assert isinstance(patch, PathPatch)
        corners = patch.get_path().vertices
        source, target = corners[corners[:, 1] == 1], corners[corners[:, 1] == 0]
        drawn.append((source[:, 0].mean(), target[:, 0].mean(), np.ptp(target[:, 0])))
    return drawn


def _place(ax, word):
    (text,) = (text for text in ax.texts if text.get_text() == word)
    return text.get_position()


def test_alignment_sets_the_source_above_the_target():
    ax = plot.alignment(WEIGHTS, ["le", "chat", "dort"], ["the", "cat"]).axes[0]
    source, target = ([_place(ax, word) for word in words] for words in (["le", "chat", "dort"], ["the", "cat"]))
    assert all(y > 1 for _, y in source)
    assert all(y < 0 for _, y in target)
    assert source == sorted(source)
    assert target == sorted(target)


def test_alignment_joins_each_target_to_the_source_it_looked_at():
    words, written = ["le", "chat", "dort"], ["the", "cat"]
    ax = plot.alignment(WEIGHTS, words, written).axes[0]
    expected = [(i, j) for i in range(2) for j in range(3) if WEIGHTS[i][j] > 0]
    drawn = _ribbons(ax)
    assert len(drawn) == len(expected)
    for (top, bottom, _), (i, j) in zip(drawn, expected, strict=True):
        nearest = min(words, key=lambda word: abs(_place(ax, word)[0] - top))
        below = min(written, key=lambda word: abs(_place(ax, word)[0] - bottom))
        assert (below, nearest) == (written[i], words[j])
    widths = np.array([width for *_, width in drawn])
    np.testing.assert_allclose(widths[:3] / widths[:3].sum(), WEIGHTS[0])
    np.testing.assert_allclose(widths[3:] / widths[3:].sum(), WEIGHTS[1][1:])
    for word, row in zip(written, (drawn[:3], drawn[3:]), strict=True):  # side by side, under them their token
        edges = [(x - width / 2, x + width / 2) for _, x, width in row]
        np.testing.assert_allclose([right for _, right in edges[:-1]], [left for left, _ in edges[1:]])
        assert (edges[0][0] + edges[-1][1]) / 2 == pytest.approx(_place(ax, word)[0])
    assert np.argsort([patch.get_alpha() for patch in ax.patches[:3]]).tolist() == [2, 1, 0]


def test_alignment_leaves_out_the_least_weights():
    assert len(plot.alignment(WEIGHTS, "abc", "xy", min_weight=0.22).axes[0].patches) == 3
    assert len(plot.alignment(WEIGHTS, "abc", "xy", min_weight=0.0).axes[0].patches) == 6


def test_alignment_takes_a_string_as_its_characters():
    ax = plot.alignment(WEIGHTS, "4월 ", "04").axes[0]
    assert [text.get_text() for text in ax.texts] == ["4", "월", " ", "0", "4"]


def test_alignment_colors_groups_and_the_source_they_look_at():
    weights = [[0.7, 0.3, 0.0], [0.1, 0.6, 0.3], [0.2, 0.1, 0.7]]
    with plot.style("light"):
        ax = plot.alignment(weights, "abc", "xyz", groups=[0, None, 1]).axes[0]
    blue, orange, gray = *plot.ACCENTS["light"][:2], plot.MUTED["light"]
    assert [text.get_color() for text in ax.texts] == [blue, blue, orange, blue, gray, orange]


def test_alignment_colors_a_source_token_only_with_a_fifth_of_a_weight():
    ax = plot.alignment([[0.18, 0.82]], "ab", "x").axes[0]
    assert [text.get_color() for text in ax.texts] == [plot.MUTED["light"], *[plot.ACCENTS["light"][0]] * 2]


# What all share


DRAW = {
    "heat_map": lambda ax: plot.heat_map(WEIGHTS, ax=ax),
    "alignment": lambda ax: plot.alignment(WEIGHTS, "abc", "xy", ax=ax),
    "heads": lambda ax: plot.heads([WEIGHTS], axes=None if ax is None else [ax]),
}


@pytest.mark.parametrize("name", DRAW)
def test_draws_into_given_axes_and_returns_their_figure(name):
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert DRAW[name](ax) is figure
    assert ax.images or ax.patches
    assert not other.images
    assert not other.patches


@pytest.mark.parametrize("name", DRAW)
def test_returns_the_whole_figure_for_axes_of_a_part_of_it(name):
    figure = Figure()
    ax = figure.subfigures(1, 2)[1].subplots()
    assert DRAW[name](ax) is figure


@pytest.mark.parametrize("name", DRAW)
def test_leaves_no_window_and_no_setting_behind(name):
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    with plot.style("dark"):
        DRAW[name](None)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", DRAW)
def test_a_notebook_shows_it(name):
    assert DRAW[name](None)._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_korean_and_japanese_are_drawn_without_a_warning_and_stay_text(scheme, tmp_path):
    with plot.style(scheme):
        figure = plot.alignment(np.full((2, 4), 0.25), "2월月の", "日일")
        figure.savefig(tmp_path / "figure.svg", metadata={"Date": None})
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert all(f">{letter}<" in svg for letter in "2월月の日일")


def test_a_missing_glyph_is_no_warning_within_the_style(monkeypatch, tmp_path):
    styles._cjk_fonts.cache_clear()
    monkeypatch.setattr(styles, "CJK_FONTS", ())
    try:
        with plot.style("light"):
            plot.alignment([[1.0]], "월", "日").savefig(tmp_path / "figure.png")
    finally:
        styles._cjk_fonts.cache_clear()


def test_the_same_picture_twice_is_the_same_file_even_where_the_last_bits_differ(tmp_path):
    files = []
    for number, noise in enumerate((0.0, 1e-7)):
        files.append(tmp_path / f"{number}.svg")
        with plot.style("light"):
            plot.alignment(np.array(WEIGHTS) + noise, "abc", "xy").savefig(files[-1], metadata={"Date": None})
    assert files[0].read_bytes() == files[1].read_bytes()


# Colour


@pytest.mark.parametrize(("scheme", "ground"), [("light", "#ffffff"), ("dark", "#12171d")])
def test_more_weight_is_further_from_the_ground_in_even_steps(scheme, ground):
    lightness = _lightness(plot.colormap(scheme)(np.arange(256)))
    steps = np.diff(lightness)
    assert (steps < 0).all() if scheme == "light" else (steps > 0).all()
    assert np.ptp(lightness) > 65
    assert np.abs(steps).max() < 1.6 * np.abs(steps).min()
    assert abs(lightness[0] - _lightness(to_rgb(ground))) < abs(lightness[-1] - _lightness(to_rgb(ground)))


@pytest.mark.parametrize(("scheme", "ground"), [("light", "#ffffff"), ("dark", "#12171d")])
def test_text_and_lines_stand_out_from_the_ground(scheme, ground):
    for color in (plot.INK[scheme], plot.MUTED[scheme], *plot.ACCENTS[scheme]):
        assert _contrast(color, ground) > 4.5


# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_three_accents_differ_for_the_color_blind(scheme, kind):
    linear = np.array([to_rgb(color) for color in plot.ACCENTS[scheme][:3]]) ** 2.2
    seen = np.clip(linear @ np.array(BLINDNESS[kind]).T, 0, 1)
    lms = np.cbrt(seen @ np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]]).T)
    lab = lms @ np.array([[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]).T
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(lab[i] - lab[j]) > 0.08, (plot.ACCENTS[scheme][i], plot.ACCENTS[scheme][j])


def test_the_scheme_follows_any_style_of_the_users_own():
    with mpl.style.context("dark_background"):
        image = plot.heat_map(WEIGHTS).axes[0].images[0]
    assert to_hex(image.cmap(0)) == to_hex(plot.colormap("dark")(0))


# Refusals


@pytest.mark.refusal
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot.heat_map([0.5, 0.5]), "heat_map: weights must be (n_q, n_k), got shape (2,)."),
        (lambda: plot.heat_map(torch.ones(1, 2, 2)), "heat_map: weights must be (n_q, n_k), got shape (1, 2, 2)."),
        (
            lambda: plot.heat_map(torch.ones(0, 2)),
            "heat_map: weights must hold at least one query and one key, got shape (0, 2).",
        ),
        (lambda: plot.heat_map([[-0.5, 1.5]]), "heat_map: weights must not be negative, got -0.5."),
        (lambda: plot.heat_map([[float("nan"), 1.0]]), "heat_map: weights must be finite, got nan or inf."),
        (lambda: plot.heat_map(WEIGHTS, rows="abc"), "heat_map: rows must be one label for each, n_q=2, got 3."),
        (lambda: plot.heat_map(WEIGHTS, columns="ab"), "heat_map: columns must be one label for each, n_k=3, got 2."),
        (
            lambda: plot.heat_map(WEIGHTS, mask=causal_mask(2)),
            "heat_map: mask must broadcast to (n_q, n_k) = (2, 3), got shape (2, 2).",
        ),
        (lambda: plot.heads(WEIGHTS), "heads: weights must be (h, n_q, n_k), got shape (2, 3)."),
        (lambda: plot.heads([WEIGHTS], rows="abc"), "heads: rows must be one label for each, n_q=2, got 3."),
        (lambda: plot.heads([WEIGHTS], axes=[]), "heads: axes must be one for each head, h=1, got 0."),
        (
            lambda: plot.alignment(WEIGHTS, "ab", "xyz"),
            "alignment: weights must be (n_q, n_k) = (len(target), len(source)) = (3, 2), got shape (2, 3).",
        ),
        (
            lambda: plot.alignment([0.5], "a", "x"),
            "alignment: weights must be (n_q, n_k) = (len(target), len(source)), got shape (1,).",
        ),
        (
            lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=[0]),
            "alignment: groups must be one for each target token, n_q=2, got 1.",
        ),
        (lambda: plot.colormap("blue"), "colormap: scheme must be one of 'light', 'dark', got 'blue'."),
        (lambda: plot.style("blue").__enter__(), "style: scheme must be one of 'light', 'dark', got 'blue'."),
    ],
)
def test_refusals_of_values(call, words):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the words are compared whole)
        call()
    assert str(refusal.value) == words


@pytest.mark.refusal
def test_refuses_a_mask_of_numbers():
    with pytest.raises(TypeError) as refusal:
        plot.heat_map(WEIGHTS, mask=torch.ones(2, 3))
    assert str(refusal.value) == "heat_map: mask must be bool (True = may attend), got torch.float32."


@pytest.mark.refusal
def test_without_matplotlib_the_error_says_what_to_install():
    code = "import sys; sys.modules['matplotlib'] = None; import attnref.plot"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ModuleNotFoundError: attnref.plot needs matplotlib: pip install 'attnref[plot]'" in done.stderr
