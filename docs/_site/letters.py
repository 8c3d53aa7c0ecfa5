"""Let each page ask at once for the letters that it is set in, so that it is set once."""

from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from webfonts import early


@event_priority(-60)  # when the equations are set
def on_post_page(output: str, page: Page, **_: Any) -> str:
    """MkDocs: name the files in the head."""
    return early(output, get_relative_url("assets/vendor/fonts", page.url))
