"""Refuse to build a site without its mathematics and fonts: the front-end packages are fetched at set-up."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort

VENDOR = Path(__file__).resolve().parents[2] / "assets" / "vendor"


def on_config(config: MkDocsConfig) -> None:
    """MkDocs: look before anything is built."""
    if not all((VENDOR / sheet).exists() for sheet in ("katex.min.css", "typefaces.css")):
        raise Abort("No front-end packages. Run: npm ci --prefix docs/_site && python docs/_site/vendor.py")
