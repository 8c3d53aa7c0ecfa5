"""What a shared address shows, in a small site with an address and in one without."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_heads import FOUND

cards = pytest.importorskip("cards", reason="the site's own packages: the group `docs`")

SITE = Path(__file__).resolve().parents[2] / "docs" / "_site"
CONFIG = """
site_name: small
site_url: "{address}"
nav: [index.md, {{Chapter: [deep/page.md]}}]
theme: {{name: material, custom_dir: {site}/overrides, font: false, icon: {{repo: fontawesome/brands/git-alt}}}}
plugins: {plugins}
hooks: [{site}/heads.py, {site}/cards.py]
"""


def built(folder, address, plugins="[]"):
    """A site of two pages."""
    (folder / "docs" / "deep").mkdir(parents=True)
    page = '---\ntitle: {}\ndescription: "{}"\n---\n\n# Heading\n'
    (folder / "docs" / "index.md").write_text(page.format("Home", "What home says."), encoding="utf-8")
    (folder / "docs" / "deep" / "page.md").write_text(page.format("A <page>", "It's & it says."), encoding="utf-8")
    (folder / "mkdocs.yml").write_text(
        CONFIG.format(address=address, plugins=plugins, site=SITE.as_posix()), encoding="utf-8"
    )
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "--quiet", "-f", folder / "mkdocs.yml"], check=True)
    return folder / "site"


def test_with_an_address_each_page_has_its_card_and_canonical_link_and_is_in_the_sitemap(tmp_path):
    site = built(tmp_path, "https://example.org/small/")
    html = (site / "deep" / "page" / "index.html").read_text(encoding="utf-8")
    for line in (
        '<link rel="canonical" href="https://example.org/small/deep/page/">',
        '<meta property="og:url" content="https://example.org/small/deep/page/">',
        '<meta property="og:title" content="A &lt;page&gt;">',
        '<meta property="og:description" content="It&#39;s &amp; it says.">',
        '<meta property="og:image" content="https://example.org/small/assets/cards/deep-page.png">',
        '<meta name="twitter:card" content="summary_large_image">',
    ):
        assert html.count(line) == 1, line
    drawn = [site / "assets" / "cards" / name for name in ("index.png", "deep-page.png")]
    assert drawn[0].read_bytes() != drawn[1].read_bytes()
    for file in drawn:
        assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert [int.from_bytes(file.read_bytes()[i : i + 4], "big") for i in (16, 20)] == [1200, 630]
        assert file.stat().st_size < 40_000
    addresses = [entry.text for entry in ElementTree.parse(site / "sitemap.xml").iter() if entry.tag.endswith("}loc")]
    assert addresses == ["https://example.org/small/", "https://example.org/small/deep/page/"]


def test_the_version_of_a_published_site_is_part_of_its_addresses(tmp_path, monkeypatch):
    pytest.importorskip("mike", reason="what publishes the site: the group `publish`")
    monkeypatch.setenv("MIKE_DOCS_VERSION", "0.1")
    html = (built(tmp_path, "https://example.org/small/", "[mike]") / "deep/page/index.html").read_text(
        encoding="utf-8"
    )
    assert '<link rel="canonical" href="https://example.org/small/0.1/deep/page/">' in html
    assert 'content="https://example.org/small/0.1/assets/cards/deep-page.png">' in html


def test_without_an_address_nothing_is_said_that_needs_one(tmp_path):
    site = built(tmp_path, "")
    html = (site / "deep" / "page" / "index.html").read_text(encoding="utf-8")
    assert '<meta property="og:title" content="A &lt;page&gt;">' in html
    assert not [name for name in ("canonical", "og:url", "og:image", "assets/cards") if name in html]
    assert not (site / "assets" / "cards").exists()
    assert not list(site.glob("sitemap*"))


@pytest.mark.skipif(not cards.typefaces.FONTS.exists(), reason="the front-end packages: make setup")
def test_the_words_of_every_card_fit():
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(dpi=cards.DPI))
    with mpl.rc_context(cards.typefaces.settings()):
        for page, said in FOUND.items():
            size, title, description = cards.fitted(canvas, said["title"], said["description"])
            height = 232 + 1.22 * (30 + size * len(title) + 29 * len(description))
            assert height < cards.HEIGHT - 30, (page, title, description)
