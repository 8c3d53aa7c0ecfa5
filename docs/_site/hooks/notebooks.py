"""Notebook pages: a cache that notices changes of the package, one style sheet for all, links that are checked."""

import base64
import hashlib
import posixpath
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority, get_plugin_logger
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

log = get_plugin_logger("notebooks")

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "mkdocs-jupyter"
STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
SCRIPT = re.compile(r'<script(?: src=""| type="text/x-mathjax-config"| type="module")>.*?</script>\s*', re.DOTALL)
LINK = re.compile(r'href="([^"#:]+\.(?:md|ipynb|py))(#[^"]*)?"')
PICTURE = re.compile(r'<img[^>]*src="data:image/svg\+xml;base64,([^"]+)"[^>]*>')
_sheets: dict[str, str] = {}


def _key() -> str:
    """What a notebook's output depends on beside the notebook itself."""
    digest = hashlib.sha256()
    for name in ("torch", "matplotlib", "mkdocs-jupyter", "nbconvert"):
        digest.update(f"{name} {version(name)}\n".encode())
    package = ROOT / "attnref"
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.safetensors")]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give the notebooks a cache of this state of the package, and throw the older ones away."""
    cache = CACHE / _key()
    config.plugins["mkdocs-jupyter"].config["cache_dir"] = str(cache)
    for old in CACHE.glob("*"):
        if old.is_dir() and old != cache:
            shutil.rmtree(old)
    _sheets.clear()
    return config


def _inline(picture: re.Match[str]) -> str:
    """The picture as a part of the page, so that its colors follow the page from light to dark."""
    svg = base64.b64decode(picture[1]).decode()
    label = "The figure that the cell above draws; the text around it says what there is to see."
    return svg[svg.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _is_notebook(page: Page) -> bool:
    return hasattr(page, "nb_url")


@event_priority(-50)
def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Share the notebook's 600 kB of style, drop its scripts, open up its pictures, resolve and check its links."""
    if not _is_notebook(page):
        return html

    css = "\n".join(STYLE.findall(html))
    sheet = f"assets/notebook.{hashlib.sha256(css.encode()).hexdigest()[:8]}.css"
    _sheets[sheet] = css

    def resolved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), unquote(link[1])))
        file = files.get_file_from_path(target)
        if file is None:
            log.warning("%s: the link target %r is not a page", page.file.src_uri, link[1])
            return link[0]
        return f'href="{file.url_relative_to(page.file)}{link[2] or ""}"'

    html = PICTURE.sub(_inline, html)
    html = LINK.sub(resolved, SCRIPT.sub("", STYLE.sub("", html)))
    html = html.replace('class="zeroclipboard-container"', 'class="zeroclipboard-container" data-search-exclude')
    html = html.replace("<clipboard-copy ", '<clipboard-copy role="button" tabindex="0" aria-label="Copy" ')
    return f'<link rel="stylesheet" href="{get_relative_url(sheet, page.url)}">\n{html}'


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Put an .ipynb beside the page for the download button."""
    if _is_notebook(page) and page.file.src_uri.endswith(".py"):
        import jupytext

        target = Path(page.file.abs_dest_path).with_name(f"{page.file.name}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        jupytext.write(jupytext.read(page.file.abs_src_path), target)
    return output


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Write the style sheets, once each."""
    for name, css in _sheets.items():
        path = Path(config.site_dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(css, encoding="utf-8")
