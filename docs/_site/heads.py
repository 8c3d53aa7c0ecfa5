"""What the head of each page says: the front matter of pages, and of notebooks, which have it in their header."""

from pathlib import Path
from typing import Any

import yaml


def front_matter(path: Path) -> dict[str, Any]:
    """What a page says of itself above its text; a notebook, as `page` in the header of jupytext."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    if not text.startswith("# ---\n"):
        return {}
    header = "\n".join(line[2:] for line in text.split("# ---\n")[1].splitlines())
    return yaml.safe_load(header)["jupyter"].get("page", {})
