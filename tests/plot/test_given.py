"""What all pictures share: weights of every kind, tokens of every kind, Axes as pyplot hands them out; refusals."""

import io
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from attnref import causal_mask, plot

WEIGHTS = [[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]]  # two queries, three keys
ROWS, COLUMNS = ["x", "y"], ["a", "b", "c"]

# Each picture of the same weights, with labels; and where its Axes are given.
DRAW = {
    "heat_map": lambda weights=WEIGHTS, rows=ROWS, columns=COLUMNS, ax=None: plot.heat_map(
        weights, rows, columns, ax=ax, annotate=True
    ),
    "heads": lambda weights=WEIGHTS, rows=ROWS, columns=COLUMNS, ax=None: plot.heads(
        weights[None] if hasattr(weights, "ndim") else [weights], rows, columns, axes=ax
    ),
    "alignment": lambda weights=WEIGHTS, rows=ROWS, columns=COLUMNS, ax=None: plot.alignment(
        weights, columns, rows, ax=ax
    ),
}
each_picture = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW.keys())


def labels_of(figure):
    """The tokens of a picture in the order rows, columns, whichever kind it is."""
    ax = figure.axes[0]
    if ax.images:
        return [label.get_text() for axis in (ax.yaxis, ax.xaxis) for label in axis.get_ticklabels()]
    source, target = ([t.get_text() for t in ax.texts if (t.get_position()[1] > 0) == up] for up in (True, False))
    return target + source


def contents(figure):
    """The numbers and texts that are drawn."""
    ax = figure.axes[0]
    images = [(image.get_array().tolist(), image.get_clim()) for image in ax.images]
    return (
        images,
        [path.vertices.tolist() for group in ax.collections for path in group.get_paths()],
        [text.get_text() for text in ax.texts],
    )


# Weights

KINDS = {
    "list": lambda w: w.tolist(),
    "tuple": lambda w: tuple(map(tuple, w.tolist())),
    "array": lambda w: w.numpy(),
    "half array": lambda w: w.numpy().astype(np.float16),
    "tensor": lambda w: w,
    "float32": lambda w: w.float(),
    "half": lambda w: w.half(),
    "bfloat16 with gradient": lambda w: w.bfloat16().requires_grad_(),
    "computed": lambda w: w.clone().requires_grad_() * 1.0,
    "transposed": lambda w: w.mT.contiguous().mT,
    "sparse": lambda w: w.to_sparse(),
    "list of tensors": lambda w: list(w.bfloat16().requires_grad_()),
    "list of arrays": lambda w: list(w.numpy()),
    "objects": lambda w: w.numpy().astype(object),
    "inference": lambda w: torch.inference_mode()(torch.clone)(w),
}


@pytest.mark.parametrize("kind", KINDS)
@each_picture
def test_weights_of_every_kind_give_the_same_picture(draw, kind):
    weights = torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]], dtype=torch.float64)  # exact in every dtype
    assert contents(draw(KINDS[kind](weights))) == contents(draw(weights))


@pytest.mark.parametrize(
    "weights", [torch.eye(2).long(), torch.eye(2).bool(), np.eye(2, dtype=np.uint8), [[1, 0], [0, 1]]]
)
@each_picture
def test_weights_may_be_whole_numbers_or_bool(draw, weights):
    assert contents(draw(weights, "xy", "ab")) == contents(draw(np.eye(2), "xy", "ab"))


def test_heads_may_be_a_list_or_a_tuple_of_tensors():
    one, other = torch.eye(2), torch.ones(2, 2) / 2
    for weights in ([one, other], (one, other), (one.requires_grad_(), other.bfloat16())):
        assert [ax.get_title() for ax in plot.heads(weights).axes[:2]] == ["head 1", "head 2"]


@pytest.mark.parametrize(
    "weights",
    [WEIGHTS, np.full((2, 3), 1 / 3), np.full((2, 3), 1 / 512), np.full((2, 3), 0.125), [[0.0625, 1.0, 0.005]] * 2],
)
@each_picture
def test_the_same_picture_is_the_same_file_even_where_the_last_bits_differ(draw, weights, svg):
    noise = np.array([[1, -1, 1], [-1, 1, -1]])
    one, other = (np.array(weights) * (1 + scale * noise) for scale in (1e-7, -1e-7))
    assert contents(draw(np.array(weights))) == contents(draw(one))
    with plot.style("light"):
        assert svg(draw(one)) == svg(draw(other))


# Tokens

TOKENS = {
    "mathematics": ("$x$", "$x$"),
    "broken mathematics": (r"$\frac{$", r"$\frac{$"),
    "escaped dollar": (r"\$5 and $6", r"\$5 and $6"),
    "TeX": (r"\frac_^{%&#~", r"\frac_^{%&#~"),
    "markup": ("<b>&amp;--></b>", "<b>&amp;--></b>"),
    "newline": ("a\nb", r"a\nb"),
    "tab": ("\t", r"\t"),
    "carriage return": ("\r\n", r"\r\n"),
    "NUL": ("\0", r"\x00"),
    "escape": ("\x1b[0m", r"\x1b[0m"),
    "next line": ("\x85", r"\x85"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "paragraph separator": ("a\u2029b", r"a\u2029b"),
    "half an emoji": ("\ud83d", r"\ud83d"),
    "the other half": ("ok\ude00", r"ok\ude00"),
    "noncharacter": ("\uffff\ufffe", r"\uffff\ufffe"),
    "far noncharacter": ("\U0010ffff", r"\U0010ffff"),
    "empty": ("", ""),
    "space": (" ", " "),
    "spaces": ("   ", "   "),
    "underscore": ("_child0", "_child0"),
    "letters": ("m" * 24, "m" * 24),
    "25 letters": ("m" * 25, "m" * 24 + "…"),
    "300 letters": ("m" * 300, "m" * 24 + "…"),
    "300 controls": ("\0" * 300, r"\x00" * 6 + "…"),
    "accents": ("e\u0301", "e\u0301"),
    "replacement": ("\ufffd", "\ufffd"),
    "numpy": (np.str_("a"), "a"),
}


@each_picture
def test_tokens_are_text_whatever_characters_they_hold(draw, texts_in):
    tokens, shown = zip(*TOKENS.values(), strict=True)
    with plot.style():
        figure = draw(np.eye(2, len(tokens)), tokens[:2], tokens)
        assert labels_of(figure) == [*shown[:2], *shown]
        found = [text or "" for text in texts_in(figure)]
    for text in shown:
        assert not text or text in found, text  # matplotlib draws no empty text


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
@each_picture
def test_any_token_can_be_saved_in_any_form(draw, form):
    tokens = [token for token, _ in TOKENS.values()]
    for fonts in ("none", "path"):
        with plot.style(), mpl.rc_context({"svg.fonttype": fonts}):
            file = io.BytesIO()
            draw(np.eye(2, len(tokens)), tokens[:2], tokens).savefig(file, format=form)
            if form == "svg":
                ET.fromstring(file.getvalue())
    assert len(file.getvalue()) > 1000


@each_picture
def test_tokens_are_no_tex_even_where_all_text_is(draw):
    with mpl.rc_context({"text.usetex": True}):
        figure = draw([[0.5, 0.5]], ["50 %"], ["a_b", "$"])
        tokens = [text for text in figure.findobj(Text) if text.get_text() in ("50 %", "a_b", "$")]
    assert len(tokens) >= 3
    assert not any(text.get_usetex() or text.get_parse_math() for text in tokens)


# Axes


def _pyplot(*grid, **options):
    return plt.subplots(*grid, **options)[1]


AXES = {
    "one": lambda: _pyplot(),
    "one in a matrix": lambda: _pyplot(1, 1, squeeze=False),
    "one in a list": lambda: [_pyplot()],
    "one in a tuple": lambda: (_pyplot(),),
    "mosaic": lambda: plt.subplot_mosaic("A")[1],
    "iterator": lambda: _pyplot(1, 1, squeeze=False).flat,
    "Figure.axes": lambda: _pyplot().figure.axes,
    "column of one": lambda: _pyplot(2, 1)[1:],
}


@pytest.fixture
def _closed():
    yield
    plt.close("all")


@pytest.mark.usefixtures("_closed")
@pytest.mark.parametrize("form", AXES)
@each_picture
def test_draws_into_one_axes_in_any_form(draw, form):
    axes = AXES[form]()
    figure = draw(ax=axes)
    assert len([ax for ax in figure.axes if ax.images or ax.collections]) >= 1
    assert figure.number in plt.get_fignums()


@pytest.mark.usefixtures("_closed")
@pytest.mark.parametrize(
    "axes",
    [lambda: _pyplot(1, 4), lambda: _pyplot(4, 1), lambda: _pyplot(2, 2), lambda: _pyplot(2, 2).tolist(),
     lambda: _pyplot(2, 2).flat, lambda: list(_pyplot(2, 2).flat), lambda: _pyplot(2, 3).flat[:4],
     lambda: plt.subplot_mosaic("AB;CD")[1]],
)  # fmt: skip
def test_heads_draws_into_a_row_a_column_a_matrix_in_order(axes):
    grid = axes()
    weights = np.arange(1, 5)[:, None, None] * np.ones((4, 2, 2))
    figure = plot.heads(weights, axes=grid)
    drawn = [ax for ax in figure.axes if ax.images and ax.get_title()]
    assert [ax.get_title() for ax in drawn] == ["head 1", "head 2", "head 3", "head 4"]
    assert [ax.images[0].get_array().max() for ax in drawn] == [1, 2, 3, 4]


@each_picture
def test_draws_into_given_axes_and_returns_their_figure(draw):
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert draw(ax=ax) is figure
    assert ax.images or ax.collections
    assert not other.images
    assert not other.collections


@each_picture
def test_returns_the_whole_figure_for_axes_of_a_part_of_it(draw):
    figure = Figure()
    ax = figure.subfigures(1, 2)[1].subplots()
    assert draw(ax=ax) is figure


@each_picture
def test_leaves_no_window_and_no_setting_behind(draw):
    before = dict(mpl.rcParams)
    with plot.style("dark"):
        draw()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


@each_picture
def test_a_notebook_shows_it(draw):
    assert draw()._repr_png_().startswith(b"\x89PNG")


# Refusals


def _attended():
    from attnref.fast.scaled_dot_product import scaled_dot_product_attention

    x = torch.ones(2, 4)
    return scaled_dot_product_attention(x, x, x)


GRID = lambda: Figure().subplots(2, 2)  # noqa: E731


def removed():
    ax = Figure().subplots()
    ax.remove()
    return ax


VALUES = [
    (
        lambda: torch.func.vmap(plot.heat_map)(torch.ones(2, 3, 3)),
        "heat_map: weights must hold values, got a tensor that torch traces or transforms.",
    ),
    (
        lambda: torch.func.grad(lambda w: plot.alignment(w, "a", "b") or w)(torch.ones(1, 1)),
        "alignment: weights must hold values, got a tensor that torch traces or transforms.",
    ),
    (lambda: plot.heat_map([0.5, 0.5]), "heat_map: weights must be (n_q, n_k), got shape (2,)."),
    (lambda: plot.heat_map(0.5), "heat_map: weights must be (n_q, n_k), got shape ()."),
    (
        lambda: plot.heat_map(torch.ones(1, 2, 2)),
        "heat_map: weights must be (n_q, n_k), got shape (1, 2, 2); pick one: weights[0].",
    ),
    (
        lambda: plot.heat_map(torch.ones(2, 8, 5, 5)),
        "heat_map: weights must be (n_q, n_k), got shape (2, 8, 5, 5); pick one: weights[0, 0].",
    ),
    (
        lambda: plot.heads(torch.ones(2, 8, 5, 5)),
        "heads: weights must be (h, n_q, n_k), got shape (2, 8, 5, 5); pick one: weights[0].",
    ),
    (lambda: plot.heads(WEIGHTS), "heads: weights must be (h, n_q, n_k), got shape (2, 3)."),
    (
        lambda: plot.alignment(torch.ones(1, 2, 3), "abc", "xy"),
        "alignment: weights must be (n_q, n_k) = (len(target), len(source)), got shape (1, 2, 3); "
        "pick one: weights[0].",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "ab", "xyz"),
        "alignment: weights must be (n_q, n_k) = (len(target), len(source)) = (3, 2), got shape (2, 3).",
    ),
    (
        lambda: plot.heat_map(torch.ones(0, 2)),
        "heat_map: weights must not be empty, got shape (0, 2).",
    ),
    (lambda: plot.heat_map([[]]), "heat_map: weights must not be empty, got shape (1, 0)."),
    (
        lambda: plot.heads(torch.ones(0, 2, 2)),
        "heads: weights must not be empty, got shape (0, 2, 2).",
    ),
    (lambda: plot.heads([[[-0.5, 1.5]]]), "heads: weights must not be negative, got -0.5."),
    (lambda: plot.heat_map([[float("nan"), 1.0]]), "heat_map: weights must be finite, got nan or inf."),
    (lambda: plot.alignment([[float("inf")]], "a", "x"), "alignment: weights must be finite, got nan or inf."),
    (
        lambda: plot.heat_map([[1e-290]]),
        "heat_map: the largest weight must lie between 1e-200 and 1e+200, got 1e-290.",
    ),
    (lambda: plot.heads([[[1e300]]]), "heads: the largest weight must lie between 1e-200 and 1e+200, got 1e+300."),
    (
        lambda: plot.heat_map(torch.ones(2, 2, device="meta")),
        "heat_map: weights must hold values, got a tensor on the meta device.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=torch.ones(2, 3, dtype=torch.bool, device="meta")),
        "heat_map: mask must hold values, got a tensor on the meta device.",
    ),
    (lambda: plot.heat_map(WEIGHTS, rows="abc"), "heat_map: rows must be one string for each query, n_q=2, got 3."),
    (lambda: plot.heat_map(WEIGHTS, columns="ab"), "heat_map: columns must be one string for each key, n_k=3, got 2."),
    (lambda: plot.heads([WEIGHTS], rows="abc"), "heads: rows must be one string for each query, n_q=2, got 3."),
    (lambda: plot.heads([WEIGHTS], columns="ab"), "heads: columns must be one string for each key, n_k=3, got 2."),
    (
        lambda: plot.heat_map(WEIGHTS, mask=causal_mask(2)),
        "heat_map: mask must broadcast to (n_q, n_k) = (2, 3), got shape (2, 2).",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=np.ones((1, 1, 3), dtype=bool)),
        "heat_map: mask must broadcast to (n_q, n_k) = (2, 3), got shape (1, 1, 3); pick one: mask[0].",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=np.bool_(True)),
        "heat_map: mask must broadcast to (n_q, n_k) = (2, 3), got shape ().",
    ),
    (lambda: plot.heat_map(WEIGHTS, max_weight=0), "heat_map: max_weight must be above 0, got 0."),
    (lambda: plot.heat_map(WEIGHTS, max_weight=-1.0), "heat_map: max_weight must be above 0, got -1."),
    (lambda: plot.heat_map(WEIGHTS, max_weight=float("nan")), "heat_map: max_weight must be above 0, got nan."),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", min_weight=-0.1),
        "alignment: min_weight must be 0 or more, got -0.1.",
    ),
    (lambda: plot.heat_map(WEIGHTS, ax=GRID()), "heat_map: ax must be one Axes, got 4."),
    (lambda: plot.heat_map(WEIGHTS, ax=[]), "heat_map: ax must be one Axes, got 0."),
    (lambda: plot.alignment(WEIGHTS, "abc", "xy", ax=GRID()[0]), "alignment: ax must be one Axes, got 2."),
    (lambda: plot.heads([WEIGHTS], axes=[]), "heads: axes must be one for each head, h=1, got 0."),
    (lambda: plot.heads([WEIGHTS] * 3, axes=GRID()), "heads: axes must be one for each head, h=3, got 4."),
    (lambda: plot.heads([WEIGHTS] * 2, axes=GRID()[0, 0]), "heads: axes must be one for each head, h=2, got 1."),
    (
        lambda: plot.heads([WEIGHTS] * 2, axes=[GRID()[0, 0]] * 2),
        "heads: axes must be one for each head, h=2, got one of them twice.",
    ),
    (
        lambda: plot.heads([WEIGHTS] * 2, axes=[Figure().subplots(), Figure().subplots()]),
        "heads: axes must lie in one figure, got Axes of several.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, ax=removed()),
        "heat_map: ax must lie in a figure, got Axes that were removed from theirs.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=[0]),
        "alignment: groups must be one for each target token, n_q=2, got 1.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=[0, -1]),
        "alignment: groups must be numbered from 0, got -1 at position 1.",
    ),
]
KINDS_REFUSED = [
    (
        lambda: plot.heat_map(_attended()[1]),
        "heat_map: weights must be (n_q, n_k), got None: this attention does not form its weights; "
        "take them from the reference function, which returns (output, weights).",
    ),
    (
        lambda: plot.heads(None),
        "heads: weights must be (h, n_q, n_k), got None: this attention does not form its weights; "
        "take them from the reference function, which returns (output, weights).",
    ),
    (
        lambda: plot.alignment(None, "a", "x"),
        "alignment: weights must be (n_q, n_k) = (len(target), len(source)), got None: this attention does not form "
        "its weights; take them from the reference function, which returns (output, weights).",
    ),
    (
        lambda: plot.heat_map((torch.ones(2, 4), torch.ones(2, 3))),
        "heat_map: weights must be (n_q, n_k), got (output, weights); pass the second alone.",
    ),
    (
        lambda: plot.heads((torch.ones(2, 2, 4), torch.ones(2, 2, 3))),
        "heads: weights must be (h, n_q, n_k), got (output, weights); pass the second alone.",
    ),
    (
        lambda: plot.heat_map(_attended()),
        "heat_map: weights must be (n_q, n_k), got (output, None): this attention does not form its weights; "
        "take them from the reference function, which returns (output, weights).",
    ),
    (
        lambda: plot.heat_map([[0.5], [0.5, 0.5]]),
        "heat_map: weights must be rows of numbers, all of one length, got list.",
    ),
    (lambda: plot.heat_map([[{}]]), "heat_map: weights must be rows of numbers, all of one length, got list."),
    (lambda: plot.heat_map(object()), "heat_map: weights must be rows of numbers, all of one length, got object."),
    (lambda: plot.heat_map("half"), "heat_map: weights must be real numbers, got <U4."),
    (lambda: plot.heat_map(torch.ones(2, 2).cfloat()), "heat_map: weights must be real numbers, got complex64."),
    (
        lambda: plot.heat_map(np.ma.masked_less(WEIGHTS, 0.2)),
        "heat_map: weights must be an array without a mask of its own, got numpy.ma.MaskedArray.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=torch.ones(2, 3)),
        "heat_map: mask must be bool (True = may attend), got torch.float32.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=np.zeros((2, 3))),
        "heat_map: mask must be bool (True = may attend), got float64.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=torch.ones(2, 3).long()),
        "heat_map: mask must be bool (True = may attend), got torch.int64; if 1 is True there, write mask == 1.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=[[1, 1, 0]]),
        "heat_map: mask must be bool (True = may attend), got int64; if 1 is True there, write mask == 1.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, mask=[[True], [True, False]]),
        "heat_map: mask must be rows of numbers, all of one length, got list.",
    ),
    (lambda: plot.heat_map(WEIGHTS, mask="yes"), "heat_map: mask must be bool (True = may attend), got <U3."),
    (lambda: plot.heat_map(WEIGHTS, ["a", None]), "heat_map: rows must be strings, got NoneType at position 1."),
    (lambda: plot.heat_map(WEIGHTS, None, [0, 1, 2]), "heat_map: columns must be strings, got int at position 0."),
    (lambda: plot.heat_map(WEIGHTS, [b"a", b"b"]), "heat_map: rows must be strings, got bytes at position 0."),
    (lambda: plot.heat_map(WEIGHTS, 2), "heat_map: rows must be a sequence of strings, got int."),
    (lambda: plot.heads([WEIGHTS], b"ab"), "heads: rows must be a sequence of strings, got bytes."),
    (
        lambda: plot.alignment(WEIGHTS, torch.arange(3), "xy"),
        "alignment: source must be strings, got torch.Tensor at position 0.",
    ),
    (lambda: plot.alignment(WEIGHTS, "abc", None), "alignment: target must be a sequence of strings, got NoneType."),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups="01"),
        "alignment: groups must be a sequence of whole numbers or None, got str.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=3),
        "alignment: groups must be a sequence of whole numbers or None, got int.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=[0, 1.0]),
        "alignment: groups must be whole numbers or None, got float at position 1.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=["0", "1"]),
        "alignment: groups must be whole numbers or None, got str at position 0.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=[True, False]),
        "alignment: groups must be whole numbers or None, got bool at position 0.",
    ),
    (
        lambda: plot.heat_map(WEIGHTS, ax=Figure()),
        "heat_map: ax must be matplotlib Axes, got matplotlib.figure.Figure.",
    ),
    (lambda: plot.heat_map(WEIGHTS, ax="left"), "heat_map: ax must be matplotlib Axes, got str."),
    (lambda: plot.heads([WEIGHTS], axes=[0]), "heads: axes must be matplotlib Axes, got int."),
    (
        lambda: plot.heat_map(WEIGHTS, ax=Figure().add_subplot(projection="polar")),
        "heat_map: ax must be rectilinear Axes, got polar ones.",
    ),
    (lambda: plot.heat_map(WEIGHTS, max_weight="1"), "heat_map: max_weight must be a number, got str."),
    (lambda: plot.heat_map(WEIGHTS, max_weight=True), "heat_map: max_weight must be a number, got bool."),
    (
        lambda: plot.heat_map(WEIGHTS, max_weight=torch.ones(2)),
        "heat_map: max_weight must be a number, got torch.Tensor.",
    ),
    (lambda: plot.heat_map(WEIGHTS, max_weight=np.True_), "heat_map: max_weight must be a number, got numpy.bool."),
    (lambda: plot.heat_map(WEIGHTS, max_weight=10**400), "heat_map: max_weight must be a number, got int."),
    (lambda: plot.heat_map(WEIGHTS, {"a", "b"}), "heat_map: rows must be a sequence of strings, got set."),
    (
        lambda: plot.heat_map(WEIGHTS, torch.tensor(2)),
        "heat_map: rows must be a sequence of strings, got torch.Tensor.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups={0, 1}),
        "alignment: groups must be a sequence of whole numbers or None, got set.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups={0: 1, 1: 0}),
        "alignment: groups must be a sequence of whole numbers or None, got dict.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=torch.tensor(1)),
        "alignment: groups must be a sequence of whole numbers or None, got torch.Tensor.",
    ),
    (
        lambda: plot.alignment(WEIGHTS, "abc", "xy", groups=torch.zeros(2, 2).long()),
        "alignment: groups must be whole numbers or None, got torch.Tensor at position 0.",
    ),
    (lambda: plot.group_colors(None, 2.0), "group_colors: n_q must be an int, got float."),
    (
        lambda: plot.ribbons(plt, WEIGHTS, [(0, 1)] * 3, [(0, 1)] * 2, ["k"] * 2, top=1, bottom=0),
        "ribbons: ax must be matplotlib Axes, got module.",
    ),
    (
        lambda: plot.ribbons(GRID()[0, 0], WEIGHTS, [(0, 1)] * 3, [0, 1], ["k"] * 2, top=1, bottom=0),
        "ribbons: queries must be pairs (middle, half width), got 0.",
    ),
    (lambda: plot.alignment(WEIGHTS, "abc", "xy", min_weight=[]), "alignment: min_weight must be a number, got list."),
]


@pytest.mark.refusal
@pytest.mark.parametrize(("call", "words"), VALUES)
def test_refusals_of_values(call, words):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the words are compared whole)
        call()
    assert str(refusal.value) == words


@pytest.mark.refusal
@pytest.mark.parametrize(("call", "words"), KINDS_REFUSED)
def test_refusals_of_kinds(call, words):
    with pytest.raises(TypeError) as refusal:
        call()
    assert str(refusal.value) == words


@pytest.mark.refusal
def test_a_refusal_leaves_the_axes_as_they_were():
    ax = Figure().add_subplot()
    for call in (
        lambda: plot.heat_map(WEIGHTS, ax=ax, mask=causal_mask(2)),
        lambda: plot.heat_map(WEIGHTS, ax=ax, max_weight=0),
        lambda: plot.alignment(WEIGHTS, "abc", "xy", ax=ax, groups=[0]),
        lambda: plot.alignment(WEIGHTS, "abc", "xy", ax=ax, min_weight=-1),
    ):
        with pytest.raises(ValueError, match="must"):
            call()
    assert not ax.images
    assert not ax.collections
    assert ax.axison


@pytest.mark.refusal
def test_without_matplotlib_the_error_says_what_to_install():
    code = "import sys; sys.modules['matplotlib'] = None; import attnref.plot"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ModuleNotFoundError: attnref.plot needs matplotlib: pip install 'attnref[plot]'" in done.stderr
