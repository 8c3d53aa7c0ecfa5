"""`mkdocs serve`: say at once that the address is taken, and watch what people write, not what a build makes.

As a script, `python docs/_site/hooks/serving.py 127.0.0.1:8000` looks whether the address is free; it needs nothing
that is not in Python.
"""

import os
import socket
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
WATCHED = ("docs", "attnref")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # parts of which stand on pages
MADE = ("__pycache__", "node_modules", "docs/assets/figures", "docs/assets/vendor")
_serves = False


def refusal(host: str, port: int) -> str:
    """What is in the way of a server at this address, if anything."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        if os.name == "posix":  # as the server does: an address that was left a moment ago is free
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except (OSError, OverflowError) as error:
            why = str(getattr(error, "strerror", None) or error).rstrip(".")
            other = f"127.0.0.1:{port + 1 if port < 65535 else 8001}"
            return (
                f"Cannot serve at {host}:{port}: {why}. Choose another address: "
                f"make serve ADDRESS={other} (or: mkdocs serve --dev-addr {other})"
            )
    return ""


def folders(top: Path) -> list[Path]:
    """The folders below one, those left out that a build writes to."""
    found = []
    for folder, below, _ in os.walk(top):
        here = Path(folder)
        found.append(here)
        below[:] = sorted(b for b in below if b not in MADE and (here / b).relative_to(ROOT).as_posix() not in MADE)
    return found


def on_startup(*, command: str, **_: Any) -> None:
    """MkDocs: learn whether the site is served or only built."""
    global _serves
    _serves = command == "serve"


def on_config(config: Any) -> None:
    """MkDocs: look at the address before anything is built, the first time."""
    global _serves
    if _serves:
        from mkdocs.exceptions import Abort

        _serves = False
        if said := refusal(*config.dev_addr):
            raise Abort(said)


def on_serve(server: Any, config: Any, **_: Any) -> Any:
    """MkDocs: watch folder by folder; a new folder is seen when the server is started again."""
    server.unwatch(config.docs_dir)
    for top in WATCHED:
        for folder in folders(ROOT / top):
            server.watch(str(folder), recursive=False)
    for page in PAGES:
        server.watch(str(ROOT / page))
    return server


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    if not host or not port.isdecimal():
        sys.exit(f"The address has the form 127.0.0.1:8000, got {sys.argv[1]}")
    sys.exit(refusal(host.strip("[]"), int(port)) or 0)
