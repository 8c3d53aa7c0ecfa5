"""The typefaces that browsers fetch: of each style the letters that most pages are made of, and the rest.

A browser fetches a file when a page has a letter of its range. The files in which a page is set are small, and the page
asks for them at once, so it is not set twice.
"""

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from nodes import NODE

HERE = Path(__file__).resolve().parent
PACKAGES = HERE / "node_modules"
SOURCE, VARIABLE = PACKAGES / "@fontsource", PACKAGES / "@fontsource-variable"
KATEX = PACKAGES / "katex" / "dist" / "fonts"
EXTENDED = "U+0100-0130, U+0132-0151, U+0154-02BA, U+1E00-1EFF, U+2C60-2C7F"
MARKS = "\N{NO-BREAK SPACE}–—‘’“”…·×−÷²°½éí"  # noqa: RUF001
COMMON = {*range(0x20, 0x7F), *range(0x100, 0x180), *range(0x391, 0x3CA), *map(ord, MARKS)}
# What is read most keeps its hints, for screens with large pixels; a fifth of the others' weight is spared.
HINTED = {"plex-sans", "plex-mono-400", "plex-mono-600"}
SLANTS = (("normal", "400 700", {"wght": {"min": 400, "max": 700}}), ("italic", "400", {"wght": 400}))
# Name, weight and slant in the stylesheet; the file; the axes to cut; the same letters in a file that Python can read.
PARTED = {
    **{
        f"plex-sans{part}{'-italic' * (slant == 'italic')}": (
            "Plex Sans", weight, slant,
            VARIABLE / f"ibm-plex-sans/files/ibm-plex-sans-{part.strip('-') or 'latin'}-wght-{slant}.woff2", axes,
            SOURCE / f"ibm-plex-sans/files/ibm-plex-sans-{part.strip('-') or 'latin'}-400-{slant}.woff",
        )
        for part in ("", "-latin-ext", "-greek")
        for slant, weight, axes in SLANTS
    },
    **{
        f"plex-mono-{weight}": (
            "Plex Mono", weight, "normal", SOURCE / f"ibm-plex-mono/files/ibm-plex-mono-latin-{weight}-normal.woff2",
            None, SOURCE / f"ibm-plex-mono/files/ibm-plex-mono-latin-{weight}-normal.woff",
        )
        for weight in ("400", "600")
    },
}  # fmt: skip
WHOLE = [
    ("Plex Mono", w, "normal", SOURCE / f"ibm-plex-mono/files/ibm-plex-mono-latin-ext-{w}-normal.woff2", EXTENDED)
    for w in ("400", "600")
]
# What equations are made of; the rest of these two is seldom needed, and other letters of KaTeX are files of their own.
EQUATIONS = {
    "KaTeX_Main-Regular": {*range(0x20, 0x7F), 0xA0, *map(ord, "·×÷±−→←↦∈∉∑∏√∞≤≥≠≈∂∇∼⊤⊙⋅…′∥⟨⟩∣≡≪≫⋯∘ℓˉ∗")},  # noqa: RUF001
    "KaTeX_Math-Italic": {*range(0x41, 0x5B), *range(0x61, 0x7B), *map(ord, "αβγδϵεζηθκλμνξπρστϕφχψω")},
}
# What a page asks for at once: these, if it has what they are for.
EARLY = {
    "plex-sans": "<body",
    "plex-sans-italic": "<em>",
    "plex-mono-400": "<code",
    "KaTeX_Main-Regular": 'class="katex',
    "KaTeX_Math-Italic": 'class="mord mathnormal',
}
# A page that has been read for a while is not set anew in other letters: those of the system do until the next page.
DISPLAY = {"plex-sans": "optional", "plex-sans-italic": "optional", "plex-mono-400": "optional"}
FACE = (
    '@font-face {{ font-family: "{}"; font-weight: {}; font-style: {}; font-display: {};'
    ' src: url(fonts/{}) format("woff2"); unicode-range: {}; }}\n'
)


def write(vendor: Path) -> None:
    """Write the files into a folder `fonts`, and their stylesheet beside it."""
    fonts = vendor / "fonts"
    fonts.mkdir(parents=True, exist_ok=True)
    parts, css = [], ""
    for name, (family, weight, slant, file, axes, readable) in PARTED.items():
        for part, letters in _parts(name, _letters(readable), COMMON):
            parts.append(_part(file, fonts / f"{part}.woff2", letters, axes))
            css += FACE.format(family, weight, slant, DISPLAY.get(part, "swap"), f"{part}.woff2", ranges(letters))
    for family, weight, slant, file, held in WHOLE:
        (fonts / file.name).write_bytes(file.read_bytes())
        css += FACE.format(family, weight, slant, "swap", file.name, held)
    (vendor / "typefaces.css").write_text(css, encoding="utf-8")
    for file in KATEX.glob("*.woff2"):
        if file.stem in EQUATIONS:
            for part, letters in _parts(file.stem, _letters(file.with_suffix(".ttf")), EQUATIONS[file.stem]):
                parts.append(_part(file, fonts / f"{part}.woff2", letters, None))
        else:
            (fonts / file.name).write_bytes(file.read_bytes())
    cut(parts)


def cut(parts: list[dict]) -> None:
    """Write these parts of typefaces."""
    subprocess.run([NODE, HERE / "subsets.mjs"], input=json.dumps(parts), text=True, check=True)


def early(html: str, folder: str) -> str:
    """A page that asks at once, in its head, for the letters that it is set in."""
    names = (name for name, sign in EARLY.items() if sign in html)
    links = (f'<link rel="preload" href="{folder}/{n}.woff2" as="font" type="font/woff2" crossorigin>\n' for n in names)
    return html.replace('<link rel="stylesheet"', "".join(links) + '<link rel="stylesheet"', 1)


def equations(css: str) -> str:
    """KaTeX's stylesheet with the two files of what was parted."""
    for name, common in EQUATIONS.items():
        rule = re.search(r"@font-face\{[^}]*" + name + r"\.woff2[^}]*\}", css)
        assert rule is not None
        two = [
            rule[0].replace(f"{name}.woff2", f"{part}.woff2")[:-1] + f";unicode-range:{ranges(letters)}}}"
            for part, letters in _parts(name, _letters(KATEX / f"{name}.ttf"), common)
        ]
        css = css.replace(rule[0], "".join(two))
    return css


def ranges(letters: Iterable[int]) -> str:
    """Code points as CSS writes them."""
    runs: list[list[int]] = []
    for letter in sorted(letters):
        if runs and letter == runs[-1][1] + 1:
            runs[-1][1] = letter
        else:
            runs.append([letter, letter])
    return ", ".join(f"U+{a:X}" if a == b else f"U+{a:X}-{b:X}" for a, b in runs)


def _letters(file: Path) -> set[int]:
    from fontTools.ttLib import TTFont

    return set(TTFont(file).getBestCmap() or ())


def _parts(name: str, letters: set[int], common: set[int]) -> list[tuple[str, set[int]]]:
    return [(name, letters & common), (f"{name}-rest", letters - common)]


def _part(source: Path, target: Path, letters: set[int], axes: dict | None) -> dict:
    text = "".join(map(chr, sorted(letters)))
    how = {"axes": axes} if axes else {}
    return {"from": str(source), "to": str(target), "text": text, "noHinting": target.stem not in HINTED, **how}
