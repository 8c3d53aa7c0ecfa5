"""Copy what the site serves of its front-end packages to docs/assets/vendor, after `npm ci --prefix docs/_site`."""

import re
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES, VENDOR = HERE / "node_modules", HERE.parent / "assets" / "vendor"

KATEX = PACKAGES / "katex" / "dist"
SANS = PACKAGES / "@fontsource-variable" / "ibm-plex-sans" / "files"
MONO = PACKAGES / "@fontsource" / "ibm-plex-mono" / "files"
FILES = {
    "": [KATEX / "katex.min.js", KATEX / "contrib" / "auto-render.min.js"],
    "fonts": [
        *KATEX.glob("fonts/*.woff2"),
        *(
            SANS / f"ibm-plex-sans-{s}-wght-{t}.woff2"
            for s in ("latin", "latin-ext", "greek")
            for t in ("normal", "italic")
        ),
        *(MONO / f"ibm-plex-mono-{s}-{w}-normal.woff2" for s in ("latin", "latin-ext") for w in ("400", "600")),
    ],
}
OLD_FONTS = re.compile(r",url\([^)]*\.(?:woff|ttf)\) format\(\"[a-z]+\"\)")  # every browser of today reads woff2


def main() -> None:
    """Make the folder anew, so that nothing of an older version stays."""
    if not KATEX.exists():
        raise SystemExit("vendor.py: no packages to copy. First run: npm ci --prefix docs/_site")
    shutil.rmtree(VENDOR, ignore_errors=True)
    for folder, files in FILES.items():
        (VENDOR / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, VENDOR / folder)
    css = (KATEX / "katex.min.css").read_text(encoding="utf-8")
    (VENDOR / "katex.min.css").write_text(OLD_FONTS.sub("", css), encoding="utf-8")


if __name__ == "__main__":
    main()
