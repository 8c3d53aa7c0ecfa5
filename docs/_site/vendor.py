"""Make what the site serves of its front-end packages in docs/assets/vendor, after `npm ci --prefix docs/_site`.

Typefaces are made for the figures, too: matplotlib reads TrueType, and each style in one file.
"""

import io
import re
import shutil
from pathlib import Path

import webfonts
from typefaces import FONTS

HERE = Path(__file__).resolve().parent
PACKAGES, VENDOR = HERE / "node_modules", HERE.parent / "assets" / "vendor"

KATEX = PACKAGES / "katex" / "dist"
# The styles that figures are drawn with, and the packages' files that hold the letters of each.
STYLES = {
    "ibm-plex-sans": (("sans-latin", "sans-latin-ext", "sans-greek"), ("400-normal", "400-italic", "700-normal")),
    "ibm-plex-mono": (("mono-latin", "mono-latin-ext"), ("400-normal", "700-normal")),
    "ibm-plex-sans-kr": (("sans-kr-korean", "sans-jp-japanese"), ("400-normal",)),
}
# Published with the typefaces, as their licenses ask: the SIL Open Font License 1.1, and KaTeX's.
LICENSES = {
    "IBM-Plex-Mono": "@fontsource/ibm-plex-mono",
    "IBM-Plex-Sans": "@fontsource/ibm-plex-sans",
    "IBM-Plex-Sans-KR": "@fontsource/ibm-plex-sans-kr",
    "KaTeX": "katex",
}
OLD_FONTS = re.compile(r",url\([^)]*\.(?:woff|ttf)\) format\(\"[a-z]+\"\)")  # every browser of today reads woff2


def main() -> None:
    """Make the folder anew, so that nothing of an older version stays."""
    if not KATEX.exists():
        raise SystemExit("vendor.py: no packages to copy. First run: npm ci --prefix docs/_site")
    shutil.rmtree(VENDOR, ignore_errors=True)
    make_typefaces()
    webfonts.write(VENDOR)
    for name, package in LICENSES.items():
        shutil.copy(PACKAGES / package / "LICENSE", VENDOR / "fonts" / f"{name}-LICENSE.txt")
    css = OLD_FONTS.sub("", (KATEX / "katex.min.css").read_text(encoding="utf-8"))
    (VENDOR / "katex.min.css").write_text(webfonts.equations(css), encoding="utf-8")


def make_typefaces() -> None:
    """One TrueType file for each style, of the parts that browsers fetch one by one."""
    from fontTools.merge import Merger, Options
    from fontTools.ttLib import TTFont

    shutil.rmtree(FONTS, ignore_errors=True)
    FONTS.mkdir()
    options = Options(drop_tables=["GDEF", "GPOS", "GSUB", "vhea", "vmtx"])  # letters and their widths are enough
    for family, (parts, styles) in STYLES.items():
        for style in styles:
            files = []
            for part in parts:
                folder = (
                    PACKAGES / "@fontsource" / f"ibm-plex-{part.rpartition('-')[0].removesuffix('-latin')}" / "files"
                )
                font = TTFont(folder / f"ibm-plex-{part}-{style}.woff")
                font.flavor = None  # neither WOFF nor WOFF2
                font.save(file := io.BytesIO())
                files.append(file)
            Merger(options).merge(files).save(FONTS / f"{family}-{style}.ttf")


if __name__ == "__main__":
    main()
