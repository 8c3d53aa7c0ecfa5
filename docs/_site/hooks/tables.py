"""A corner above row names and beside column names heads nothing: it is a cell, not a header without words."""

import re
from typing import Any

EMPTY = re.compile(r"<th(?P<attributes>(?: [^>]*)?)>\s*</th>")


def on_page_content(html: str, **_: Any) -> str:
    """MkDocs: write every empty header as a cell."""
    return EMPTY.sub(r"<td\g<attributes>></td>", html)
