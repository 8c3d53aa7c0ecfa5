"""Hooks of the build: the snippets of the pages, for `python -m attnref.doctest`, and the links of the metadata."""

import os
import runpy
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Pages(BuildHookInterface):
    """Writes each page's Python fences, and nothing else of it, to attnref/pages."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is written. An editable install reads the pages where they are."""
        if version == "editable":
            return
        docs = Path(self.root, "docs")
        only_snippets = runpy.run_path(str(Path(self.root, "attnref", "_pages.py")))["only_snippets"]
        self.folder = tempfile.mkdtemp()
        for page in sorted(docs.rglob("*.md")):
            name, held = page.relative_to(docs), only_snippets(page.read_text(encoding="utf-8"))
            if not name.parts[0].startswith("_") and held.strip():
                target = Path(self.folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(held, encoding="utf-8")
                build_data["force_include"][str(target)] = f"attnref/pages/{name.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """After it."""
        if version != "editable":
            shutil.rmtree(self.folder, ignore_errors=True)


class Links(MetadataHookInterface):
    """The addresses of the site and the repository, where they are known: SITE_URL and REPO_URL, as for the site."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """A source archive says them already: its wheel has the same."""
        site, repository = os.environ.get("SITE_URL", ""), os.environ.get("REPO_URL", "")
        known = {"Documentation": site, "Source": repository, "Issues": repository and f"{repository}/issues"}
        if not metadata.get("urls"):
            metadata["urls"] = {name: address for name, address in known.items() if address}
