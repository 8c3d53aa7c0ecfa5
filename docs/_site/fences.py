"""The package's own reader of pages, loaded by its path, so that the site is built without importing torch."""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attnref._pages import FLAGS, Checker, Snippet, only_snippets, run, snippets
else:
    _path = Path(__file__).resolve().parents[2] / "attnref" / "_pages.py"
    _spec = importlib.util.spec_from_file_location("attnref_pages", _path)
    _module = sys.modules.setdefault(_spec.name, importlib.util.module_from_spec(_spec))
    if not hasattr(_module, "snippets"):
        _spec.loader.exec_module(_module)
    FLAGS, Checker, Snippet, only_snippets = _module.FLAGS, _module.Checker, _module.Snippet, _module.only_snippets
    run, snippets = _module.run, _module.snippets

__all__ = ["FLAGS", "Checker", "Snippet", "only_snippets", "run", "snippets"]
