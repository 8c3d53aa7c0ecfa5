"""A hook of the site: what readers take along. The wheel and the source archive; each page as a notebook and a script.

The archives are built anew when something in them has changed.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import scripts
from fences import snippets
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = get_plugin_logger("downloads")

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "downloads"
HELD = ("attnref", "benchmarks", "docs", "tests")  # what the archives hold, with the files beside them
MADE = {"node_modules", "__pycache__", "vendor", ".ipynb_checkpoints"}  # and what is made there, and not held
NOTE = re.compile(r"<noscript>.*?</noscript>", re.DOTALL)
# The last lines of a page that has snippets, and those of one in Korean.
TAKE = {
    "en": """This page as a [notebook]({up}downloads/{name}.ipynb){{ download }}
and as a [script]({up}downloads/{name}.py){{ download }}.
Where attnref is [installed]({up}install.md), `python -m attnref.doctest {name}` runs its snippets.""",
    "ko": """이 페이지를 [노트북]({up}downloads/{name}.ipynb){{ download }}이나
[스크립트]({up}downloads/{name}.py){{ download }}로 받을 수 있다.
attnref를 [설치]({up}install.md)했으면 `python -m attnref.doctest {name}`으로 이 페이지의 코드를 모두 실행한다.""",
}
WHEEL = "attnref.whl"  # on a page: the name of the wheel, whatever the version


def key() -> str:
    """What the archives are made from, as a digest."""
    digest = hashlib.sha256("".join(os.environ.get(name, "") for name in ("SITE_URL", "REPO_URL")).encode())
    beside = [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".py", ".txt", ".yml", ".cff", "")]
    beside = [path for path in beside if path.is_file()]
    within = [path for folder in HELD for path in ROOT.joinpath(folder).rglob("*") if path.is_file()]
    for path in sorted([*beside, *within]):
        name = path.relative_to(ROOT).as_posix()
        if not MADE & set(path.parts) and not name.startswith("docs/assets/figures/"):
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def archives() -> list[Path]:
    """The wheel and the source archive of this state of the repository."""
    folder = CACHE / key()
    if not folder.exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        half = folder.with_suffix(".part")
        command = [sys.executable, "-m", "build", "--outdir", str(half), str(ROOT)]
        if importlib.util.find_spec("hatchling"):
            command.append("--no-isolation")  # what it builds with is here: no need to fetch it
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONSAFEPATH": "1"})
        if done.returncode:
            raise Abort(f"The wheel cannot be built: {' '.join(command)}\n{done.stdout}{done.stderr}")
        half.rename(folder)
        log.info("built %s", ", ".join(sorted(path.name for path in folder.iterdir())))
    return sorted(folder.iterdir())


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs: add the archives, and each page that has snippets as a notebook and a script."""
    for path in archives():
        files.append(File.generated(config, f"downloads/{path.name}", abs_src_path=str(path)))
    for file in list(files.documentation_pages()):
        if file.src_uri.endswith(".md") and any(snippets(file.content_string)):
            name = file.src_uri.removesuffix(".md")
            folder = name.rpartition("/")[0]
            address = urljoin(config.site_url, folder and f"{folder}/") if config.site_url else ""
            for ending, make in ((".ipynb", scripts.notebook), (".py", scripts.script)):
                content = make(file.content_string, address)
                files.append(File.generated(config, f"downloads/{name}{ending}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """MkDocs: name the archives where a page speaks of them, and end a page with the ways to take it along."""
    if WHEEL in markdown:
        for path in archives():
            markdown = markdown.replace(WHEEL if path.suffix == ".whl" else "attnref.tar.gz", path.name)
    name = page.file.src_uri.removesuffix(".md")
    if not page.file.src_uri.endswith(".md") or not files.get_file_from_path(f"downloads/{name}.ipynb"):
        return markdown
    said = TAKE[page.meta.get("lang", "en")].format(up="../" * page.file.src_uri.count("/"), name=name)
    return f'{markdown}\n\n<div class="take" data-search-exclude markdown>\n\n{said}\n\n</div>\n'


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """MkDocs: where the address of the site is known, write it into the commands that need it."""
    if not config.site_url:
        return html
    return NOTE.sub("", html.replace("https://ADDRESS/", config.site_url))


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """MkDocs: no link of a page may name an archive of another version."""
    there = {path.name for path in Path(config.site_dir, "downloads").iterdir()}
    for page in Path(config.site_dir).rglob("*.html"):
        for name in re.findall(r"attnref-[\w.]+?(?:\.tar\.gz|-py3-none-any\.whl)", page.read_text(encoding="utf-8")):
            if name not in there:
                log.warning("%s names %s, which the site does not carry", page, name)
