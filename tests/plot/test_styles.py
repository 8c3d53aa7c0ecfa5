"""The style: colors that can be told apart, even steps of lightness, settings that end with the context."""

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from attnref import plot
from attnref.plot import styles

GROUND = [("light", "#ffffff"), ("dark", "#12171d")]


@pytest.mark.parametrize(("scheme", "ground"), GROUND)
def test_more_weight_is_further_from_the_background_in_even_steps(scheme, ground, lightness):
    colors = plot.colormap(scheme)(np.arange(256))
    steps = np.diff(lightness(colors))
    assert (steps < 0).all() if scheme == "light" else (steps > 0).all()
    assert np.ptp(lightness(colors)) > 65
    assert np.abs(steps).max() < 1.6 * np.abs(steps).min()
    first, last = (abs(lightness(colors[i]) - lightness(to_rgb(ground))) for i in (0, -1))
    assert first < last


@pytest.mark.parametrize(
    ("scheme", "five"),
    [("light", "#ecf9ff #85c9f2 #4391d2 #325a93 #252d41"), ("dark", "#252d41 #295c93 #2995cc #7acde7 #eaf8fa")],
)
def test_the_color_scale_runs_from_end_to_end_and_is_blue_between(scheme, five):
    colors = plot.colormap(scheme)
    assert colors.N == 256
    assert " ".join(to_hex(colors(i)) for i in (0, 64, 128, 192, 255)) == five
    red, green, blue, _ = colors(np.arange(256)).T
    assert (blue >= green).all()
    assert (green >= red).all()
    assert (blue - red).max() > 0.5  # a hue, not gray


@pytest.mark.parametrize(("scheme", "ground"), GROUND)
def test_text_and_lines_stand_out_from_the_background(scheme, ground, contrast):
    for color in (plot.INK[scheme], plot.MUTED[scheme], *plot.ACCENTS[scheme]):
        assert contrast(color, ground) > 4.5


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_style_sets_the_colors_of_its_scheme(scheme):
    with plot.style(scheme):
        for name in ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor"):
            assert mpl.rcParams[name] == plot.INK[scheme], name
        for name in ("axes.edgecolor", "xtick.color", "ytick.color"):
            assert mpl.rcParams[name] == plot.MUTED[scheme], name
        assert mpl.rcParams["grid.color"] == plot.FAINT[scheme]
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(plot.ACCENTS[scheme])


def test_the_style_draws_on_nothing_and_leaves_text_to_the_browser(svg):
    with plot.style("light"):
        for name in ("figure.facecolor", "axes.facecolor", "savefig.facecolor"):
            assert mpl.rcParams[name] == "none", name
        assert mpl.rcParams["savefig.transparent"] is True
        assert mpl.rcParams["axes.grid"] is False
        assert mpl.rcParams["axes.spines.top"] is mpl.rcParams["axes.spines.right"] is False
        assert mpl.rcParams["legend.frameon"] is False
        assert ">query<" in svg(plot.heat_map([[1.0]]))


def test_the_style_sets_sizes_that_can_be_read():
    points = {"font.size": 13, "axes.titlesize": 13, "axes.labelsize": 13, "xtick.labelsize": 12, "ytick.labelsize": 12}
    with plot.style():
        for name, size in {**points, "legend.fontsize": 12, "lines.linewidth": 2.2}.items():
            assert mpl.rcParams[name] == size, name
        assert tuple(mpl.rcParams["figure.figsize"]) == (6.7, 3.8)


def test_mathematics_is_set_in_the_fonts_of_the_text():
    with plot.style():
        found = {name: mpl.rcParams[f"mathtext.{name}"] for name in ("fontset", "rm", "it", "cal")}
    assert found == {"fontset": "custom", "rm": "sans", "it": "sans:italic", "cal": "sans"}


def test_the_style_is_light_if_nothing_is_said():
    with plot.style():
        assert mpl.rcParams["text.color"] == plot.INK["light"]
    assert to_hex(plot.colormap()(0)) == to_hex(plot.colormap("light")(0))


def test_the_style_ends_with_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), plot.style("dark"):
        _ = 1 / 0
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("text", "scheme"), [("black", "light"), ("white", "dark"), ("#747474", "light"), ("#757575", "dark")]
)
def test_the_scheme_follows_the_color_of_the_text(text, scheme):
    with mpl.rc_context({"text.color": text}):
        image = plot.heat_map([[1.0]]).axes[0].images[0]
    assert to_hex(image.cmap(0)) == to_hex(plot.colormap(scheme)(0))


def test_the_scheme_follows_any_style_of_the_users_own():
    with mpl.style.context("dark_background"):
        ax = plot.heat_map([[1.0]]).axes[0]
        words = plot.alignment([[1.0]], "a", "b").axes[0].texts
    assert to_hex(ax.images[0].cmap(0)) == to_hex(plot.colormap("dark")(0))
    assert {to_hex(spine.get_edgecolor()) for spine in ax.spines.values()} == {plot.FAINT["dark"]}
    assert words[0].get_color() == plot.ACCENTS["dark"][0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_korean_and_japanese_are_drawn_without_a_warning_and_stay_text(scheme, texts_in):
    with plot.style(scheme):
        figure = plot.alignment(np.full((2, 4), 0.25), "2월月の", "日일")
        assert texts_in(figure) == list("2월月の日일")


def test_a_missing_glyph_is_no_warning_within_the_style(monkeypatch, tmp_path):
    styles._cjk_fonts.cache_clear()
    monkeypatch.setattr(styles, "CJK_FONTS", ())
    try:
        with plot.style("light"):
            plot.alignment([[1.0]], "월", "日").savefig(tmp_path / "figure.png")
    finally:
        styles._cjk_fonts.cache_clear()


def test_the_first_installed_font_with_korean_is_tried_after_the_others(monkeypatch):
    styles._cjk_fonts.cache_clear()
    monkeypatch.setattr(styles, "CJK_FONTS", ("no such font", "DejaVu Serif", "DejaVu Sans"))
    try:
        with mpl.rc_context({"font.family": ["cursive"]}):
            assert plot.families() == ["cursive", "DejaVu Serif"]
            assert plot.families(of_one_width=True) == ["monospace", "DejaVu Serif"]
    finally:
        styles._cjk_fonts.cache_clear()


@pytest.mark.refusal
@pytest.mark.parametrize("name", ["colormap", "style"])
def test_refuses_another_scheme(name):
    call = {"colormap": lambda: plot.colormap("blue"), "style": lambda: plot.style("blue").__enter__()}[name]
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the words are compared whole)
        call()
    assert str(refusal.value) == f"{name}: scheme must be one of 'light', 'dark', got 'blue'."


def test_exports_what_it_lists_and_each_function_is_told():
    for name in plot.__all__:
        thing = getattr(plot, name)
        assert not callable(thing) or (thing.__doc__ and "._" not in thing.__module__), name
