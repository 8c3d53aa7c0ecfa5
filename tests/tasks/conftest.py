"""What the tests of the tasks share: refusals word for word, and packages that are not installed."""

import sys

import pytest


@pytest.fixture
def refuses():
    """The call raises this kind of error, with these words and no others."""

    def check(call, kind, words):
        with pytest.raises(kind) as error:
            call()
        assert str(error.value) == words

    return check


@pytest.fixture
def missing(monkeypatch):
    """From now on a package is not installed."""

    def remove(package):
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [_Missing(package), *sys.meta_path])

    return remove


class _Missing:
    """Comes first among the finders and says that one package is not there."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.package)
