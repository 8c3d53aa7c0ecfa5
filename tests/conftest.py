"""What the tests share: one seed, one way to compare, one profile of hypothesis."""

import gc
import sys

import numpy as np
import pytest
import torch
from hypothesis import settings

settings.register_profile("attnref-tests", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("attnref-tests")

# How far a result may lie from the one in float64: a few roundings of numbers near one.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """What torch has compiled in a file's tests is not held while the next file's run: memory has a limit."""
    yield
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
        gc.collect()


@pytest.fixture(scope="session")
def agrees():
    """Compare a tensor with a tensor or array, to the tolerance of its own dtype; shapes must be equal."""

    def compare(actual, expected, dtype=None):
        actual = actual.detach()
        tolerance = TOLERANCE[dtype or actual.dtype]
        expected = torch.as_tensor(np.asarray(expected.detach() if hasattr(expected, "detach") else expected))
        torch.testing.assert_close(actual.double(), expected.double(), rtol=tolerance, atol=tolerance)

    return compare


@pytest.fixture(scope="session")
def arrays():
    """The same tensors as float64 (or bool, or integer) NumPy arrays, for the oracle."""

    def one(tensor):
        if tensor is None:
            return None
        tensor = tensor.detach()
        return (tensor.double() if tensor.is_floating_point() else tensor).numpy()

    def convert(*tensors):
        return tuple(one(tensor) for tensor in tensors)

    return convert


@pytest.fixture(scope="session")
def refuses():
    """The call is refused with this error, word for word."""

    def check(call, error, words):
        with pytest.raises(error) as refusal:
            call()
        assert refusal.type is error
        assert str(refusal.value) == words

    return check


@pytest.fixture(scope="session")
def is_drawn_from():
    """Whether tokens were drawn with these probabilities: Pearson's statistic, six standard deviations allowed."""

    def check(drawn, probabilities):
        counts, possible = torch.bincount(drawn, minlength=len(probabilities)).double(), probabilities > 0
        expected = len(drawn) * probabilities[possible].double()
        assert expected.min() > 5
        freedom = int(possible.sum()) - 1
        statistic = ((counts[possible] - expected).square() / expected).sum()
        return bool(counts[~possible].sum() == 0) and float(statistic) < freedom + 6 * (2 * freedom) ** 0.5

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


@pytest.fixture
def keras(monkeypatch):
    """Keras on torch. Its matrix products come back in float32 whatever is asked for: compare to that tolerance."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")
