"""A hook of the site: what a page says of itself above its text, which notebooks say in the header of jupytext.

A page below ko/ says `lang: ko`; it and the page that it follows lead to each other.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

HANGUL = re.compile("[가-힣]")
TITLE = re.compile(
    r'<(?:span|div) class="md-ellipsis">(?P<title>.*?)</(?:span|div)>', re.DOTALL
)  # of a page, in a list
# What the site's own settings say, on pages in Korean.
LABELS = {
    "Switch to dark mode": "어둡게 보기",
    "Switch to light mode": "밝게 보기",
    "Link to this section": "이 절로 가는 링크",
}


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
    """MkDocs: what is in another language than its page says so: titles of pages; the site's line about itself."""
    language = page.meta.get("lang", "en")
    output = TITLE.sub(lambda found: _titled(found, language), output)
    if language == "en":
        return output
    for english, korean in LABELS.items():
        output = output.replace(f'="{english}"', f'="{korean}"')
    return output.replace('<div class="md-copyright"', '<div lang="en" class="md-copyright"', 1)


def _titled(found: re.Match[str], page: str) -> str:
    language = "ko" if HANGUL.search(found["title"]) else "en"
    return found[0] if language == page else found[0].replace(" class", f' lang="{language}" class', 1)


def front_matter(path: Path) -> dict[str, Any]:
    """What a page says of itself; a notebook, under `page`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    if not text.startswith("# ---\n"):
        return {}
    header = "\n".join(line[2:] for line in text.split("# ---\n")[1].splitlines())
    return yaml.safe_load(header)["jupyter"].get("page", {})
