"""Notebook pages: run again when their code has changed, one style sheet for all, links that are checked.

Those that have to run start before the pages are made, several at a time, each in a process of its own
(`python docs/_site/notebooks.py CONFIG PAGE`), which leaves what the plugin makes of it in the plugin's cache.
"""

import base64
import hashlib
import os
import posixpath
import re
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import typefaces
from bs4 import BeautifulSoup, Tag
from bs4.dammit import EntitySubstitution
from bs4.element import PreformattedString
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority, get_plugin_logger
from mkdocs.structure.files import Files, get_files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from sheets import used
from sources import ROOT, Sources

log = get_plugin_logger("notebooks")

CACHE = ROOT / ".cache" / "mkdocs-jupyter"
KERNEL = Path(__file__).resolve().parent / "jupyter"  # settings of the kernel: without its warning about encryption
MADE_BY = ("torch", "matplotlib", "mkdocs-jupyter", "nbconvert")
SVG = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}
DOLLARS = re.compile(r"(?<![\w$])\$([^$\n]+)\$(?![\w$])")
EQUATION = r'<span class="arithmatex">\\(\1\\)</span>'
LABEL = "The figure that the cell above draws; the text around it says what there is to see."
_sheets: dict[str, str] = {}
_used: set[Path] = set()
_running: dict[str, Future[subprocess.CompletedProcess[str]]] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give the kernel its settings."""
    os.environ["JUPYTER_CONFIG_PATH"] = str(KERNEL)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(KERNEL.parent), os.environ.get("PYTHONPATH")]))
    for kept in (_sheets, _used, _running):  # from a build that `serve` made before
        kept.clear()
    return config


@event_priority(-100)  # when it is known which files are pages
def on_files(files: Files, config: MkDocsConfig) -> None:
    """Start the notebooks whose code has changed, as many at a time as there are cores."""
    pool = ThreadPoolExecutor(os.cpu_count())
    for file in files.documentation_pages():
        uri, source = file.src_uri, Path(str(file.abs_src_path))
        if uri.startswith("notebooks/") and not any(_cache(source).glob("*.json")):
            command = [sys.executable, __file__, config.config_file_path, uri]
            _running[uri] = pool.submit(subprocess.run, command, capture_output=True, text=True)
            log.info("running %s, which takes up to a minute", uri)
    pool.shutdown(wait=False)


@event_priority(100)  # before the plugin looks into its cache
def on_pre_page(page: Page, config: MkDocsConfig, files: Files) -> Page:
    """Give each notebook a cache of its own for the code that it reaches, and wait until it has run."""
    if page.file.src_uri.startswith("notebooks/"):
        cache = _cache(Path(str(page.file.abs_src_path)))
        config.plugins["mkdocs-jupyter"].config["cache_dir"] = str(cache)
        _used.add(cache)
        if (run := _running.pop(page.file.src_uri, None)) and (done := run.result()).returncode:
            raise PluginError(f"{page.file.src_uri} does not run:\n{done.stderr}")
    return page


def _cache(script: Path) -> Path:
    """Where the page of a notebook is kept, for this code and these libraries."""
    versions = [*(f"{name} {version(name)}" for name in MADE_BY), *typefaces.versions()]
    text = hashlib.sha256(script.read_bytes()).hexdigest()
    return CACHE / Sources().key(script, text, *versions)[:16]


def execute(file: str, uri: str) -> None:
    """Run one notebook and keep its page, as the plugin does when the site is built with this file of settings."""
    config = load_config(file)
    files = get_files(config)
    source = files.get_file_from_path(uri)
    assert source is not None
    plugin = config.plugins["mkdocs-jupyter"]
    plugin.on_pre_build(config=config)
    page = plugin.on_pre_page(on_pre_page(Page(None, source, config), config, files), config=config, files=files)
    assert page is not None
    page.render(config, files)


def _is_notebook(page: Page) -> bool:
    return hasattr(page, "nb_url")


@event_priority(-50)
def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep the style that it uses of 600 kB, drop its scripts, open up its pictures, resolve and check its links."""
    if not _is_notebook(page):
        return html
    soup = BeautifulSoup(html, "html.parser")

    css = "\n".join(style.extract().get_text() for style in soup.find_all("style"))
    css = used(css, str(soup))
    sheet = f"assets/notebook.{hashlib.sha256(css.encode()).hexdigest()[:8]}.css"
    _sheets[sheet] = css

    for script in soup.find_all("script"):  # for formulas and diagrams; what copies a cell has no attributes
        if "src" in script.attrs or script.get("type") in ("module", "text/x-mathjax-config"):
            script.extract()
    for picture in soup.select("img[src^='data:image/svg+xml;base64,']"):
        picture.replace_with(PreformattedString(_inline(str(picture["src"]))))
    for link in soup.select("a[href]"):
        link["href"] = _resolved(link, page, files)
    for button in soup.select(".zeroclipboard-container"):
        button["data-search-exclude"] = ""
    for button in soup.select("clipboard-copy"):
        button.attrs = {"for": button["for"], "role": "button", "tabindex": "0", "aria-label": "Copy"}
    for cell in soup.select(".jp-RenderedMarkdown"):  # equations as in the other pages
        for text in cell.find_all(string=DOLLARS):
            if not text.find_parent(["code", "pre"]):
                marked = DOLLARS.sub(
                    r'<span class="arithmatex">\\(\1\\)</span>', str(EntitySubstitution.substitute_xml(text))
                )
                text.replace_with(PreformattedString(marked))
    return f'<link rel="stylesheet" href="{get_relative_url(sheet, page.url)}">\n{soup}'


def _inline(data: str) -> str:
    """The picture as a part of the page, so that its colors follow the page from light to dark."""
    for prefix, uri in SVG.items():
        ElementTree.register_namespace(prefix, uri)
    svg = ElementTree.fromstring(base64.b64decode(data.partition(",")[2]))
    for metadata in svg.findall("metadata", SVG):
        svg.remove(metadata)
    svg.attrib |= {"role": "img", "aria-label": LABEL}
    return ElementTree.tostring(svg, encoding="unicode")


def _resolved(link: Tag, page: Page, files: Files) -> str:
    """Where a link leads on the site, if it names a page of the sources."""
    href = str(link["href"])
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path.endswith((".md", ".ipynb", ".py")):
        return href
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), unquote(parts.path)))
    file = files.get_file_from_path(target)
    if file is None:
        log.warning("%s: the link target %r is not a page", page.file.src_uri, href)
        return href
    return parts._replace(path=file.url_relative_to(page.file)).geturl()


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Put an .ipynb beside the page for the download button."""
    if _is_notebook(page) and page.file.src_uri.endswith(".py"):
        import jupytext

        target = Path(page.file.abs_dest_path).with_name(f"{page.file.name}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        jupytext.write(jupytext.read(page.file.abs_src_path), target)
    return output


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Write the style sheets, once each, and throw away what older code has said."""
    for name, css in _sheets.items():
        path = Path(config.site_dir, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(css, encoding="utf-8")
    for old in CACHE.glob("*"):
        if old.is_dir() and old not in _used:
            shutil.rmtree(old)


if __name__ == "__main__":
    execute(*sys.argv[1:])
