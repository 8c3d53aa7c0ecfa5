"""The typefaces of the figures: the site's own, made for matplotlib by vendor.py, the same on every machine.

Text is drawn as outlines, so a figure looks alike wherever it is drawn and wherever it is read. Where the front-end
packages have not been fetched, only a test draws, and it draws with the typefaces that come with matplotlib.
"""

import json
import logging
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FONTS = HERE / "node_modules" / ".typefaces"  # npm removes it with the packages it was made from
PACKAGES = tuple(f"@fontsource/ibm-plex-{kind}" for kind in ("mono", "sans", "sans-jp", "sans-kr"))
# What a typeface lacks is taken from the next: arrows and roots from DejaVu, which comes with matplotlib; then Korean
# and Japanese, both in the file of the Korean one.
SANS = ("IBM Plex Sans", "DejaVu Sans", "IBM Plex Sans KR")
MONO = ("IBM Plex Mono", "DejaVu Sans Mono", "DejaVu Sans", "IBM Plex Sans KR")


def versions() -> list[str]:
    """What the typefaces are made from: a figure is drawn again when it changes."""
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    return [f"{package} {wanted[package]}" for package in PACKAGES]


def settings() -> dict[str, Any]:
    """Make them known to matplotlib, and say what it has to be told to draw with them."""
    from matplotlib import font_manager

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # not every family has every weight
    files = sorted(FONTS.glob("*.ttf"))
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for file in files:
        if str(file) not in known:
            font_manager.fontManager.addfont(file)
    sans, mono = ([f for f in family if files or f.startswith("DejaVu")] for family in (SANS, MONO))
    return {
        "font.family": sans,
        "font.sans-serif": sans,
        "font.monospace": mono,
        "mathtext.fallback": "stixsans",
        "svg.fonttype": "path",
        "svg.hashsalt": "attnref",  # the same ids in every run
    }
