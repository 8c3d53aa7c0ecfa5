"""Every attention mechanism, for the tests that all must pass: a new one joins by one line of `MECHANISMS`.

Each is tried twice, the reference and its fast version where it has one. All sizes differ but those of query and key,
which some mechanisms need equal. A mechanism that lacks a property says so in its line, and the tests of that property
leave it out.
"""

import importlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
import torch

from attnref import causal_mask, padding_mask

D = 4  # size of query and key
N_Q, N_K, D_V = 5, 7, 11
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


class Mechanism(NamedTuple):
    """Where it is, the shapes of its weights, and what it does not have of what most have."""

    stem: str
    name: str  # of the function, or of the Module
    weights: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 - never changed
    options: dict[str, Any] = {}  # noqa: RUF012
    per_query_mask: bool = True  # the mask may differ from query to query
    convex: bool = True  # the output is a weighted mean of the values: weights are not negative, and sum to one
    causal: bool = False  # by itself, and n_q = n_k
    d_v: int | None = None  # the one size a value may have
    level: str | None = "query"  # the input that makes all scores large or small at once, if there is one
    no_forward_mode: tuple[str, ...] = ()  # rooms whose version refuses forward mode


MECHANISMS = [
    Mechanism("additive", "additive_attention", {"w_q": (6, D), "w_k": (6, D), "v_a": (6,)}, level="v_a"),
    Mechanism(
        "multi_head",
        "MultiHeadAttention",
        {f"{part}_proj.weight": (D, D) for part in ("query", "key", "value", "output")},
        {"d_model": D, "num_heads": 2},
        convex=False,
        d_v=D,
    ),
    Mechanism("luong", "concat_attention", {"w_a": (6, 2 * D), "v_a": (6,)}, level="v_a"),
    Mechanism("luong", "dot_attention"),
    Mechanism("luong", "general_attention", {"w_a": (D, D)}),
    Mechanism("scaled_dot_product", "scaled_dot_product_attention"),
    Mechanism("efficient", "efficient_attention", per_query_mask=False, level="key"),
    Mechanism(
        "efficient",
        "efficient_attention",
        options={"normalization": "scaling"},
        per_query_mask=False,
        convex=False,
        level=None,
    ),
    Mechanism("linear", "linear_attention", per_query_mask=False, level=None),
    Mechanism(
        "linear",
        "causal_linear_attention",
        per_query_mask=False,
        causal=True,
        level=None,
    ),
    Mechanism(
        "tiled",
        "tiled_attention",
        options={"block": 3},
        no_forward_mode=("fast",),
    ),
]


class Attend(NamedTuple):
    """A mechanism with random weights, bound to `attend(query, key, value, mask)`, and its oracle with the same."""

    id: str
    room: str  # "attention" or "fast"
    mechanism: Mechanism
    function: Callable
    oracle: Callable
    weights: dict[str, torch.Tensor]

    def __call__(self, query, key, value, mask=None, *weights):
        given = dict(zip(self.weights, weights, strict=True)) if weights else self.weights
        return self.function(query, key, value, mask, **{name: w.to(query.dtype) for name, w in given.items()})

    def output(self, query, key, value, mask=None, *weights):
        """The output alone."""
        return self(query, key, value, mask, *weights)[0]

    def by_definition(self, *inputs):
        """Output and weights by the oracle, in NumPy."""
        return partial(self.oracle, **{name: w.double().numpy() for name, w in self.weights.items()})(*inputs)

    @property
    def n_q(self):
        return N_K if self.mechanism.causal else N_Q

    @property
    def d_v(self):
        return self.mechanism.d_v or D_V

    @property
    def forward_mode(self):
        return self.room not in self.mechanism.no_forward_mode

    @property
    def empty(self):
        """A mask with fully masked rows: the third of each sample, or all of the last sample."""
        if not self.mechanism.per_query_mask:
            return padding_mask([3, 0], N_K)
        return torch.ones(self.n_q, N_K, dtype=torch.bool).index_fill(0, torch.tensor(2), False)

    @property
    def masks(self):
        one_for_all = torch.tensor([[True, False, True, True, False, True, True]])
        masks = {
            "all": None,
            "padding": padding_mask([3, 7], N_K),
            "one mask for all queries": one_for_all,
            "fully masked row": self.empty & one_for_all,
            "nothing at all": torch.zeros(1, 1, dtype=torch.bool),
        }
        return {**masks, "causal": causal_mask(self.n_q, N_K, offset=2)} if self.mechanism.per_query_mask else masks

    def inputs(self, *batch, n_q=None, n_k=N_K, d_v=None, dtype=torch.float64, seed=0):
        generator = torch.Generator().manual_seed(seed)
        n_q, d_v = self.n_q if n_q is None else n_q, self.mechanism.d_v or d_v or D_V
        n_q = n_k if self.mechanism.causal else n_q
        shapes = (*batch, n_q, D), (*batch, n_k, D), (*batch, n_k, d_v)
        return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]

    def random_mask(self, *batch, n_q=None, n_k=N_K, seed=0, rate=0.6):
        rows = (self.n_q if n_q is None else n_q) if self.mechanism.per_query_mask else 1
        return torch.rand(*batch, rows, n_k, generator=torch.Generator().manual_seed(seed)) < rate

    def seen(self, mask, n_q, n_k):
        """Which query attends to which key, the mechanism's own causality included."""
        seen = mask.expand(*mask.shape[:-2], n_q, n_k)
        return seen & causal_mask(n_q, n_k) if self.mechanism.causal else seen


def build(mechanism, room):
    generator = torch.Generator().manual_seed(1)
    # of a kind that all dtypes hold exactly, so that only the arithmetic differs
    weights = {n: torch.randn(*s, generator=generator).bfloat16().double() for n, s in mechanism.weights.items()}
    found = importlib.import_module(f"attnref.{room}.{mechanism.stem}")
    oracle = getattr(importlib.import_module(f"attnref.oracle.{mechanism.stem}"), _snake(mechanism.name))
    function = getattr(found, mechanism.name)
    if isinstance(function, type):
        function = partial(_call, function(**mechanism.options).double())
    else:
        function = partial(function, **mechanism.options)
    named = "-".join(str(part) for part in (mechanism.name, *mechanism.options.values(), room))
    return Attend(named, room, mechanism, function, partial(oracle, **mechanism.options), weights)


def _call(module, query, key, value, mask=None, **weights):
    return torch.func.functional_call(module, weights, (query, key, value, mask))


def _snake(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).removeprefix("_")


def _has(mechanism, room):
    module = f"attnref.{room}.{mechanism.stem}"
    return find_spec(module) is not None and hasattr(importlib.import_module(module), mechanism.name)


ATTENDS = [
    build(mechanism, room) for mechanism in MECHANISMS for room in ("attention", "fast") if _has(mechanism, room)
]


def those(condition=lambda attend: True):
    """Parametrize a test by the attends that the condition holds for."""
    chosen = [attend for attend in ATTENDS if condition(attend)]
    return pytest.mark.parametrize("attend", chosen, ids=[attend.id for attend in chosen])


every = those()
with_per_query_mask = those(lambda attend: attend.mechanism.per_query_mask)
