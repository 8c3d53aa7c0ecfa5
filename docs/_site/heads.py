"""A hook of the site: what a page says of itself above its text, which notebooks say in the header of jupytext.

A page below ko/ says `lang: ko`; it and the page that it follows lead to each other.
"""

from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.nav import Navigation
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


def on_page_context(context: Any, page: Page, nav: Navigation, **_: Any) -> None:
    """MkDocs: give the template the same page in the other language."""
    here, korean = page.file.src_uri, page.meta.get("lang") == "ko"
    there = here.removeprefix("ko/") if korean else f"ko/{here}"
    context["other"] = next((other for other in nav.pages if other.file.src_uri == there), None)
    context["other_language"] = ("en", "English") if korean else ("ko", "한국어")


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """MkDocs: a page in another language than the site says so; what stands around its text is the site's."""
    language = page.meta.get("lang", "en")
    if language == "en":
        return output
    for tag in ('<header class="md-header', '<div class="md-sidebar md-sidebar--primary', '<footer class="md-footer'):
        output = output.replace(tag, tag.replace(" class", ' lang="en" class'), 1)
    return output.replace('<html lang="en"', f'<html lang="{language}"', 1)


def front_matter(path: Path) -> dict[str, Any]:
    """What a page says of itself; a notebook, under `page`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    if not text.startswith("# ---\n"):
        return {}
    header = "\n".join(line[2:] for line in text.split("# ---\n")[1].splitlines())
    return yaml.safe_load(header)["jupyter"].get("page", {})
