"""A hook of the site: what a page says of itself above its text, which notebooks say in the header of jupytext."""

from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.pages import Page


@event_priority(-100)  # after mike, which adds the version to the address
def on_config(config: MkDocsConfig) -> None:
    """MkDocs: the address of the site ends with a slash, so that more can be added to it."""
    if config.site_url:
        config.site_url = f"{config.site_url.rstrip('/')}/"


def on_page_markdown(markdown: str, page: Page, **_: Any) -> None:
    """MkDocs: give a notebook what it says of itself."""
    if page.file.src_uri.endswith(".py"):
        page.meta.update(front_matter(Path(str(page.file.abs_src_path))))


def front_matter(path: Path) -> dict[str, Any]:
    """What a page says of itself; a notebook, under `page`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    if not text.startswith("# ---\n"):
        return {}
    header = "\n".join(line[2:] for line in text.split("# ---\n")[1].splitlines())
    return yaml.safe_load(header)["jupyter"].get("page", {})
