"""What the site is built with: what is made again when a file has changed, what is watched, what is said."""

import importlib.util
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "_site"


def load(path, monkeypatch):
    """A module of the site's, which is no package."""
    monkeypatch.syspath_prepend(str(SITE))
    spec = importlib.util.spec_from_file_location(f"site_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = {
    "pack/__init__.py": "from pack import a, b\nfrom pack.a import *\nfrom pack.b import *\n",
    "pack/a/__init__.py": '"""Words."""\nfrom pack.a.near import near\n__all__ = ["near"]\n',
    "pack/a/near.py": 'from pack._shared import help\n\n\ndef near():\n    """Words."""\n    return help()\n',
    "pack/b/__init__.py": "from pack.b.far import far\n",
    "pack/b/far.py": "def far():\n    return 2\n",
    "pack/_shared.py": "def help():\n    return 1\n",
    "pack/tasks/__init__.py": "def load(name): ...\n",
    "pack/tasks/dates.py": "from pack import far\n",
    "pack/tasks/dates.weights": "1",
    "pack/tasks/digits.py": "FILE = 'images.csv'\n",
    "pack/tasks/data/images.csv": "1",
    "pack/tasks/data/nobodys.csv": "1",
    "figures/one.py": "from pack import near\n",
    "figures/two.py": "import json\nfrom pack.tasks import load\nload('dates')\n",
    "figures/three.py": "from pack.tasks import digits\n",
    "figures/two_table.json": "{}",
}


@pytest.fixture
def keys(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sources = load(SITE / "sources.py", monkeypatch)

    def of():
        fresh = sources.Sources(tmp_path, "pack")
        return {stem: fresh.key(tmp_path / "figures" / f"{stem}.py") for stem in ("one", "two", "three")}

    return of


@pytest.mark.parametrize(
    ("file", "right", "wrong", "changed"),
    [
        ("pack/a/near.py", "", "# a comment\n", ""),
        ("pack/a/near.py", "Words", "Other words", ""),
        ("pack/a/near.py", "help()", "help() + 1", "one"),
        ("pack/_shared.py", "return 1", "return 2", "one"),
        ("pack/b/far.py", "return 2", "return 3", "two"),
        ("pack/tasks/__init__.py", "...", "return 1", "two"),
        ("pack/tasks/dates.weights", "1", "2", "two"),
        ("pack/tasks/data/images.csv", "1", "2", "three"),
        ("pack/tasks/data/nobodys.csv", "1", "2", "two three"),
        ("figures/two_table.json", "{}", "[]", "two"),
        ("figures/one.py", "import near", "import near as n", "one"),
        ("figures/one.py", "import near", "import near  # as it is", ""),
    ],
)
def test_a_figure_is_drawn_again_when_what_it_reaches_has_changed(tmp_path, keys, file, right, wrong, changed):
    before = keys()
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    after = keys()
    assert [stem for stem in before if after[stem] != before[stem]] == changed.split()


def test_figures_reach_the_mechanisms_that_they_draw(monkeypatch):
    sources = load(SITE / "sources.py", monkeypatch)
    reached = sources.Sources().behind(ROOT / "docs" / "figures" / "additive.py")
    names = {path.relative_to(ROOT).as_posix() for path in reached}
    assert {"attnref/attention/additive.py", "attnref/attention/masks.py", "attnref/tasks/dates.safetensors"} <= names
    assert not {"attnref/attention/linear.py", "attnref/tasks/digit_rows.safetensors"} & names


SCRIPT = """
import functools
import torch
from matplotlib.figure import Figure

calls = []

def _step():
    weight = torch.ones(1, requires_grad=True)
    torch.optim.SGD([weight]).step()
    calls.append(1)

_once = functools.cache(_step)

def kept():
    _once()
    return Figure()

def twice():
    _step()
    return Figure()
"""


def test_a_figure_trains_for_one_scheme_and_shows_it_in_both(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    figures = load(SITE / "figures.py", monkeypatch)
    (tmp_path / "fake.py").write_text(SCRIPT, encoding="utf-8")
    module = figures._load(tmp_path / "fake.py")
    for scheme in figures.SCHEMES:
        assert figures.draw(module, "kept", scheme, narrow=False).startswith("<?xml")
    assert module.calls == [1]
    figures.draw(module, "twice", "light", narrow=False)
    with pytest.raises(RuntimeError, match="trains once more for the other scheme"):
        figures.draw(module, "twice", "dark", narrow=False)


def test_serving_says_at_once_that_its_port_is_taken_and_how_to_choose_another(monkeypatch):
    serving = load(SITE / "hooks" / "serving.py", monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = serving.refusal("127.0.0.1", port)
        assert f"127.0.0.1:{port}" in said
        assert "make serve ADDRESS=" in said
    assert serving.refusal("127.0.0.1", port) == ""
    assert "port" in serving.refusal("127.0.0.1", 99999)


def test_what_a_build_makes_is_not_watched(tmp_path, monkeypatch):
    serving = load(SITE / "hooks" / "serving.py", monkeypatch)
    monkeypatch.setattr(serving, "ROOT", tmp_path)
    kept = ["docs", "docs/attention", "docs/assets", "docs/assets/images", "attnref", "attnref/attention"]
    made = ["docs/assets/figures", "docs/assets/vendor/fonts", "docs/_site/node_modules", "attnref/__pycache__"]
    for name in [*kept, *made]:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    watched, left = [], []
    server = SimpleNamespace(watch=lambda path, recursive=True: watched.append((path, recursive)), unwatch=left.append)
    serving.on_serve(server, SimpleNamespace(docs_dir=str(tmp_path / "docs")))
    assert left == [str(tmp_path / "docs")]
    folders = {Path(path).relative_to(tmp_path).as_posix() for path, recursive in watched if not recursive}
    assert folders == {*kept, "docs/_site"}


PAGE = """<script>copies()</script><script src=""></script><script type="module">diagrams()</script>
<style>a {b: c}</style><a href="../attention/masks.md#rows">masks</a> <a href="https://a.b/c.md">x &lt; y</a>
<a href="nowhere.md">nowhere</a><div class="zeroclipboard-container"><clipboard-copy ,="" for="cell-1"></clipboard-copy>
</div><img src="data:image/svg+xml;base64,PICTURE"/>"""


def test_a_notebook_becomes_a_part_of_the_page(monkeypatch, caplog):
    for module in ("bs4", "mkdocs"):
        pytest.importorskip(module)
    import base64

    notebooks = load(SITE / "notebooks.py", monkeypatch)
    svg = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><text>a &lt; b</text></svg>'
    masks = SimpleNamespace(url_relative_to=lambda _: "../../attention/masks/")
    files = SimpleNamespace(get_file_from_path={"attention/masks.md": masks}.get)
    page = SimpleNamespace(nb_url="x", url="notebooks/dates/", file=SimpleNamespace(src_uri="notebooks/dates.py"))
    html = PAGE.replace("PICTURE", base64.b64encode(svg.encode()).decode())
    out = notebooks.on_page_content(html, page=page, config=None, files=files)

    assert "copies()" in out
    assert "diagrams()" not in out
    assert "<style" not in out
    assert list(notebooks._sheets.values()) == ["a { b: c }\n"]
    assert 'href="../../attention/masks/#rows"' in out
    assert 'href="https://a.b/c.md">x &lt; y</a>' in out
    assert [record.getMessage() for record in caplog.records] == [
        "notebooks: notebooks/dates.py: the link target 'nowhere.md' is not a page"
    ]
    assert '<clipboard-copy aria-label="Copy" for="cell-1" role="button" tabindex="0">' in out
    assert 'viewBox="0 0 1 1" role="img" aria-label=' in out
    assert "<text>a &lt; b</text></svg>" in out


def test_a_notebook_that_does_not_run_ends_the_build_and_is_forgotten_by_the_next(monkeypatch):
    """What a run leaves stands in for it: an exit code, and what it said."""
    from concurrent.futures import Future

    exceptions = pytest.importorskip("mkdocs.exceptions")
    notebooks = load(SITE / "notebooks.py", monkeypatch)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    monkeypatch.setattr(notebooks, "_cache", lambda script: script)
    plugin = SimpleNamespace(config={})
    page = SimpleNamespace(file=SimpleNamespace(src_uri="notebooks/dates.py", abs_src_path="dates.py"))

    def open_it():
        return notebooks.on_pre_page(page, SimpleNamespace(plugins={"mkdocs-jupyter": plugin}), None)

    def ran(code):
        notebooks._running["notebooks/dates.py"] = Future()
        notebooks._running["notebooks/dates.py"].set_result(SimpleNamespace(returncode=code, stderr="NameError: x"))

    ran(0)
    assert open_it() is page
    ran(1)
    with pytest.raises(exceptions.PluginError, match=r"notebooks/dates\.py does not run:\nNameError: x"):
        open_it()
    ran(1)
    notebooks.on_config(None)
    assert open_it() is page


def test_the_kernel_is_told_to_keep_its_warning_about_encryption_to_itself(monkeypatch):
    convert = pytest.importorskip("mkdocs_jupyter.convert")
    from nbconvert.preprocessors import ExecutePreprocessor

    notebooks = load(SITE / "notebooks.py", monkeypatch)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    notebooks.on_config(None)
    app = convert.get_nbconvert_app(execute=True)
    assert ExecutePreprocessor(config=app.config).extra_arguments == ["--IPKernelApp.log_level=ERROR"]
