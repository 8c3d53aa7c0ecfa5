"""The drawn figures: outlines in the site's typefaces, and what is read of them: labels that touch, small letters."""

import ast
import io
import re
from types import SimpleNamespace

import pytest

pytest.importorskip("matplotlib", reason="the extra `plot`")

import figures
import labels
import typefaces
from matplotlib import rc_context
from matplotlib.figure import Figure

vendored = pytest.mark.skipif(not typefaces.FONTS.exists(), reason="no front-end packages: make setup")


def drawn(*texts, width=3.0, **options):
    """A figure as the site draws it; each text is (x, y, words), in inches."""

    def figure():
        made = Figure(figsize=(width, 1.0))
        made.add_axes((0, 0, 1, 1)).set(xlim=(0, width), ylim=(0, 1))
        made.axes[0].set_axis_off()
        for x, y, words in texts:
            made.axes[0].text(x, y, words, **{"fontsize": 10, **options})
        made.axes[0].plot([0, width], [0, 1])
        return made

    return figures.draw(SimpleNamespace(figure=figure), "figure", "light", narrow=False)


SCRIPTS = sorted(figures.SCRIPTS.glob("[!_]*.py"))
DRAWN = {figures.targets(s, name)["light", False].name for s in SCRIPTS for name in figures.figure_names(s)}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_is_drawn_is_a_figure(script):
    """A helper is private, or it would be drawn too."""
    found = [f for f in ast.parse(script.read_bytes()).body if isinstance(f, ast.FunctionDef)]
    returned = {f.name: f.returns and ast.unparse(f.returns) for f in found if f.name in figures.figure_names(script)}
    assert set(returned.values()) <= {"Figure"}, returned


@pytest.mark.parametrize("page", sorted((figures.ROOT / "docs").rglob("*.md")), ids=lambda path: path.stem)
def test_pictures_of_a_page_are_drawn(page):
    named = re.findall(r"assets/figures/([\w-]+)\.svg", page.read_text(encoding="utf-8"))
    assert {f"{name}.light.svg" for name in named} <= DRAWN


@vendored
def test_text_is_drawn_as_outlines_in_the_typefaces_of_the_site():
    svg = drawn((0.1, 0.5, "query → 2001년 年"), (0.1, 0.2, "$\\alpha_i$"), family=typefaces.SANS)
    assert "<text" not in svg
    assert 'id="IBMPlexSans-' in svg
    assert {"IBMPlexSans", "DejaVuSans", "IBMPlexSansKR"} <= {
        part.split("-")[0] for part in svg.split('id="')[1:] if part[:1].isupper()
    }


def test_a_letter_that_no_typeface_has_is_refused():
    with pytest.raises(UserWarning, match="missing from font"):
        drawn((0.1, 0.5, "\N{EGYPTIAN HIEROGLYPH A001}"))


def test_figures_are_drawn_alike_each_time():
    assert drawn((0.1, 0.5, "query")) == drawn((0.1, 0.5, "query"))


@pytest.mark.parametrize(
    ("texts", "options", "touching"),
    [
        ([(0.1, 0.5, "query"), (0.2, 0.5, "key")], {}, [("query", "key")]),
        ([(0.1, 0.5, "query"), (1.0, 0.5, "key")], {}, []),
        ([(0.1, 0.5, "query"), (0.1, 0.35, "key")], {}, []),
        ([(0.1, 0.5, "query"), (0.1, 0.42, "key")], {}, [("query", "key")]),
        ([(0.1, 0.2, "query"), (0.2, 0.2, "key")], {"rotation": 90}, [("query", "key")]),
        ([(0.1, 0.2, "query"), (0.3, 0.2, "key")], {"rotation": 90}, []),
        ([(0.1, 0.1, "a slanted label"), (0.5, 0.1, "a slanted label")], {"rotation": 45}, []),
        ([(0.1, 0.1, "a slanted label"), (0.15, 0.1, "a slanted label")], {"rotation": 45}, [("a slanted label",) * 2]),
        ([(0.1, 0.2, "two\nlines"), (0.1, 0.2, "key")], {}, [("two lines", "key")]),
    ],
)
def test_labels_that_touch_are_found(texts, options, touching):
    assert labels.overlaps(drawn(*texts, **options)) == touching


@pytest.mark.parametrize("rotation", [0, 90, 30])
def test_letters_are_as_large_as_matplotlib_was_told(rotation):
    svg = drawn((0.1, 0.2, "query"), (1.5, 0.2, "$x_i$"), rotation=rotation, fontsize=9)
    assert [round(label.size, 6) for label in labels.labels(svg)] == [9, 9]
    assert labels.smallest(svg) == pytest.approx(12)


def test_letters_shrink_with_a_drawing_that_is_wider_than_the_column():
    svg = drawn((0.1, 0.2, "query"), width=6.0, fontsize=9)
    width = float(svg.split('width="')[1].split("pt")[0]) * 4 / 3
    assert labels.smallest(svg, column=width / 2) == pytest.approx(6)
    assert labels.smallest(svg, column=2 * width) == pytest.approx(12)


def test_the_ink_of_a_label_lies_where_matplotlib_puts_it():
    figure = Figure(figsize=(3, 1), dpi=72)
    text = figure.text(0.2, 0.4, "Ilk", fontsize=20)
    with rc_context({"svg.fonttype": "path"}):
        figure.savefig(file := io.StringIO(), format="svg")
    (label,) = labels.labels(file.getvalue())
    ((left, top, right, bottom),) = label.boxes
    box = text.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert (left, right) == pytest.approx((72 * box.x0, 72 * box.x1), abs=3)
    assert (top, bottom) == pytest.approx((72 * (1 - box.y1), 72 * (1 - 0.4)), abs=3)
