"""The built site on a local server, opened in Chromium, with a record of all it asks for and complains about."""

import gzip
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "site"
AXE = ROOT / "docs/_site/node_modules/axe-core/axe.min.js"
PAGES = sorted(path.parent.relative_to(SITE).as_posix() for path in SITE.rglob("index.html"))

WIDE, NARROW, HEIGHT = 1440, 390, 900
# How far things have moved that a reader had seen, as browsers count it, unless the reader did something.
SHIFT = """window.moved = 0
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.moved += entry.value
}).observe({ type: 'layout-shift', buffered: true })"""


def missing(what: str) -> NoReturn:
    """Skip on a machine that has not got it; fail where CI is set, for there everything must run."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test that reads a page every page of the built site; page by page, so that each is opened once."""
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", PAGES or ["no site"], scope="session")


class Handler(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests readable."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Where there is no page, show the site's own page about that, as servers of static sites do."""
        if code != 404:
            super().send_error(code, message, explain)
            return
        page = (SITE / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    if not PAGES:
        missing("there is no site/ yet: make site")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        missing("playwright is not installed: the group `browser`")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except Error as error:
            missing(f"Chromium does not start: {error}")
        yield browser
        browser.close()


class Visit:
    """One page in one window: what it looks like, what it asked for, what it complained about."""

    def __init__(self, page, address: str) -> None:
        self.page, self.address = page, address
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str = ".", *, measured: bool = False) -> "Visit":
        if measured:
            self.page.add_init_script(SHIFT)
        self.page.goto(self.address + re.sub(r"^\.$", "", path).rstrip("/") + "/" * (path != "."))
        if measured:
            self.page.wait_for_load_state("networkidle")
            self.moved, self.weight = self.page.evaluate("window.moved"), self.weigh()
        self.page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        self.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")  # what loads late, loads now
        self.page.wait_for_load_state("networkidle")
        return self

    def weigh(self) -> dict[str, int]:
        """What the page has asked for so far: each file's bytes, compressed as a server would."""
        paths = {url[len(self.address) :].partition("#")[0] for url in self.requests if url.startswith(self.address)}
        files = {path: SITE / path / "index.html" if (SITE / path).is_dir() else SITE / path for path in paths}
        return {path: _compressed(file) for path, file in files.items()}

    @property
    def foreign(self) -> list[str]:
        return [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]


def _compressed(file: Path) -> int:
    content = file.read_bytes()
    return len(content) if file.suffix in (".woff2", ".png") else len(gzip.compress(content))


@contextmanager
def windows(chromium, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens windows of any width and scheme, and closes them in the end."""
    contexts = []

    def start(width: int = 1280, scheme: str = "light") -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": HEIGHT},
            color_scheme=scheme,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        return Visit(context.new_page(), address)

    yield start
    for context in contexts:
        context.close()


@pytest.fixture
def visit(chromium, address: str) -> Iterator[Callable[..., Visit]]:
    """Windows of one test."""
    with windows(chromium, address) as start:
        yield start


@pytest.fixture(scope="session")
def desk(chromium, address: str, path: str) -> Iterator[Visit]:
    """The page in a wide window, light: shared by tests that only look."""
    with windows(chromium, address) as start:
        yield start(width=WIDE).open(path, measured=True)


@pytest.fixture(scope="session")
def phone(chromium, address: str, path: str) -> Iterator[Visit]:
    """The page in a narrow window, dark: shared by tests that only look."""
    with windows(chromium, address) as start:
        yield start(width=NARROW, scheme="dark").open(path, measured=True)
