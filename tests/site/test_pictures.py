"""Figures on a page: what a drawing links to is a link of the page, over its box."""

import re

import pytest

pytest.importorskip("matplotlib", reason="the extra `plot`")
pytest.importorskip("mkdocs", reason="the site's own packages: the group `docs`")

import figures
from hooks import pictures

STYLE = re.compile(r"left: ([\d.]+)%; width: ([\d.]+)%; top: ([\d.]+)%; height: ([\d.]+)%")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the drawings, empty, and the path to what the scripts share."""
    monkeypatch.setattr(pictures, "FIGURES", tmp_path)
    monkeypatch.syspath_prepend(str(figures.SCRIPTS))
    return tmp_path


def draw(folder, name, *, linked, narrow=False):
    """One drawing in both schemes: a frame as large as the drawing, and a box in its upper right quarter."""
    from _kit import Block, Canvas
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "path"}):
        for scheme in pictures.SCHEMES:
            c = Canvas(200, narrow=narrow)
            c.box(0, 0, c.width, c.height)
            if linked:
                c.link(Block(c.width / 2, 0, c.width / 2, 100), "softmax", "blocks.md#norm")
            c.figure.savefig(folder / f"{name}.{scheme}.svg")


def links(shown):
    return re.findall(r'\[([^\]]+)\]\(([^)]+)\)\{ style="([^"]+)" \}', shown)


def test_a_link_lies_over_its_box(folder):
    draw(folder, "whole", linked=True)
    ((text, target, style),) = links(pictures.picture("whole", "", "transformer/transformer/"))
    assert (text, target) == ("softmax", "blocks.md#norm")
    assert [float(part) for part in STYLE.fullmatch(style).groups()] == pytest.approx([50, 50, 0, 50], abs=0.1)


def test_the_narrow_drawing_has_links_of_its_own(folder):
    draw(folder, "whole", linked=True)
    draw(folder, "whole-narrow", linked=True, narrow=True)
    shown = pictures.picture("whole", "", "transformer/transformer/")
    assert len(links(shown)) == 2
    assert shown.count('class="links wide"') == shown.count('class="links narrow"') == 1


def test_a_drawing_without_links_is_a_picture_alone(folder):
    draw(folder, "whole", linked=False)
    shown = pictures.picture("whole", "", "transformer/transformer/")
    assert shown.startswith("<picture>")
    assert links(shown) == []
