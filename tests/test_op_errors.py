"""What operators refuse, and in which words: the name, what was expected, what came."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from op_refusals import MORE_REFUSED

import tinygrad_hw as tg
from tinygrad_hw import ops
from tinygrad_hw.errors import DTypeError, ShapeError
from tinygrad_hw.ops import core


def x(*shape: int) -> np.ndarray:
    return np.ones(shape)


INTS, MASK, EMPTY = np.arange(3), np.ones(3, bool), x(2, 0)
TEXT = np.array(["a"])
PAST = np.array([3])
LOGITS, LABELS = x(2, 3), np.array([0, 1])

#: operator, arguments, error, how it begins (after the operator's name, unless that is another's).
REFUSED = [
    # Elementwise
    ("add", (x(2), x(3)), ShapeError, "expected shapes that broadcast, got (2,) and (3,)\nFrom the last"),
    ("mul", (x(2, 2), x(3)), ShapeError, "expected shapes that broadcast, got (2, 2) and (3,)"),
    ("pow", (x(2), x(3)), ShapeError, "expected shapes that broadcast, got (2,) and (3,)"),
    ("lt", (x(2), x(3)), ShapeError, "expected shapes that broadcast, got (2,) and (3,)"),
    ("clamp", (x(2), x(3)), ShapeError, "clamp_min: expected shapes that broadcast, got (2,) and (3,)"),
    ("add", (x(2), "a"), TypeError, "expected tensors, arrays or numbers, got str"),
    ("mul", ([1, 2], x(2)), TypeError, "expected tensors, arrays or numbers, got list"),
    ("exp", (None,), TypeError, "expected tensors, arrays or numbers, got NoneType"),
    ("add", (INTS, INTS, 0.5), DTypeError, "expected an integer alpha for integers, got 0.5"),
    ("sub", (INTS, INTS, 0.5), DTypeError, "expected an integer alpha for integers, got 0.5"),
    ("sub", (MASK, MASK), DTypeError, "expected numbers, got bool\nUse logical_xor"),
    ("neg", (MASK,), DTypeError, "expected numbers, got bool\nUse `~`"),
    ("pow", (INTS, -1), DTypeError, "expected an exponent >= 0 for integers, got -1"),
    ("pow", (INTS, -INTS), DTypeError, "expected exponents >= 0 for integers, got a negative one"),
    ("leaky_relu", (INTS,), DTypeError, "expected floating point operands, got int64"),
    ("elu", (MASK,), DTypeError, "expected floating point operands, got bool"),
    ("clamp", (x(2),), ValueError, "expected min or max, got neither"),
    ("where", (x(2), x(2), 0.0), DTypeError, "expected a bool condition, got float64"),
    ("where", (MASK, x(2), 0.0), ShapeError, "expected shapes that broadcast, got (3,), (2,) and ()"),
    ("gelu", (x(2), "erf"), ValueError, "expected approximate 'none' or 'tanh', got 'erf'"),
    ("dropout", (x(2), 1.5), ValueError, "expected a probability p in [0, 1], got 1.5"),
    ("dropout", (x(2), -0.1), ValueError, "expected a probability p in [0, 1], got -0.1"),
    ("dropout", (INTS,), DTypeError, "expected floating point, got int64"),
    # Calls
    ("exp", (), TypeError, "missing argument 'input'"),
    ("add", (x(2),), TypeError, "missing argument 'other'"),
    ("exp", (x(2), 1), TypeError, "expected only input, got 2 positional arguments"),
    ("add", (x(2), x(2), 1, 2), TypeError, "expected at most 3 arguments, got 4"),
    # Dimensions
    ("sum", (x(2, 3), 2), IndexError, "expected dim in [-2, 1], got 2"),
    ("mean", (x(2, 3), -3), IndexError, "expected dim in [-2, 1], got -3"),
    ("argmax", (x(2), 1), IndexError, "expected dim in [-1, 0], got 1"),
    ("softmax", (x(2), 1), IndexError, "expected dim in [-1, 0], got 1"),
    ("logsumexp", (x(2), 1), IndexError, "expected dim in [-1, 0], got 1"),
    ("cumsum", (x(2), 1), IndexError, "expected dim in [-1, 0], got 1"),
    ("flip", (x(2), 1), IndexError, "expected dim in [-1, 0], got 1"),
    ("unsqueeze", (x(2), 3), IndexError, "expected dim in [-2, 1], got 3"),
    ("sum", (x(2, 3), (0, -2)), ValueError, "expected different dims, got (0, -2)"),
    ("flip", (x(2, 3), (1, 1)), ValueError, "expected different dims, got (1, 1)"),
    ("sum", (x(2, 3), 1.0), TypeError, "expected an int as dim, got 1.0"),
    ("softmax", (x(2), None), TypeError, "expected an int as dim, got None"),
    ("cumsum", (x(2), True), TypeError, "expected an int as dim, got True"),
    # Reductions
    ("mean", (INTS,), DTypeError, "expected floating point, got int64\nConvert with .float()."),
    ("var", (INTS,), DTypeError, "expected floating point, got int64"),
    ("std", (INTS,), DTypeError, "expected floating point, got int64"),
    ("norm", (INTS,), DTypeError, "expected floating point, got int64\nConvert with .float()."),
    ("norm", (x(2), "max"), ValueError, "expected a number, 'fro' or 'nuc' as p, got 'max'"),
    ("softmax", (INTS, 0), DTypeError, "expected floating point, got int64"),
    ("log_softmax", (INTS, 0), DTypeError, "expected floating point, got int64"),
    ("softmin", (MASK, 0), DTypeError, "expected floating point, got bool"),
    ("amax", (EMPTY, 1), ShapeError, "expected elements to choose from, got shape (2, 0), dim 1"),
    ("amin", (EMPTY,), ShapeError, "expected elements to choose from, got shape (2, 0), dim None"),
    ("max", (EMPTY,), ShapeError, "amax: expected elements to choose from"),
    ("max", (EMPTY, 1), ShapeError, "argmax: expected elements to choose from, got shape (2, 0), dim 1"),
    ("argmin", (EMPTY,), ShapeError, "expected elements to choose from, got shape (2, 0)"),
    # Products
    ("matmul", (x(3, 4), x(5, 2)), ShapeError, "expected A (…, n, k) and B (…, k, m), got A (3, 4) and B (5, 2)\nA linear"),
    ("matmul", (x(), x(2)), ShapeError, "expected A (…, n, k) and B (…, k, m), got A () and B (2,)"),
    ("matmul", (x(2, 1, 1), x(3, 1, 1)), ShapeError, "expected batches that broadcast, got A (2, 1, 1) and B (3, 1, 1)"),
    ("matmul", (x(2, 2), np.ones((2, 2), "f")), DTypeError, "expected operands of one dtype, got float64 and float32\n"),
    ("mm", (x(2, 3), x(2, 3)), ShapeError, "expected A (n, k) and B (k, m), got A (2, 3) and B (2, 3)"),
    ("mv", (x(2, 3), x(2)), ShapeError, "expected A (n, k) and B (k), got A (2, 3) and B (2,)"),
    ("dot", (x(2), x(3)), ShapeError, "expected A (k) and B (k), got A (2,) and B (3,)"),
    ("bmm", (x(2, 3), x(3, 2)), ShapeError, "expected A (b, n, k) and B (b, k, m), got A (2, 3) and B (3, 2)"),
    ("bmm", (x(1, 2, 2), x(2, 2, 2)), ShapeError, "expected equal batches, got 1 and 2"),
    ("outer", (x(2, 1), x(2)), ShapeError, "expected two vectors, got (2, 1) and (2,)"),
    ("linear", (x(2, 3), x(4, 2)), ShapeError, "expected input (…, in) and weight (out, in), got (2, 3) and (4, 2)\n"),
    ("linear", (x(2, 3), x(4, 3), x(3)), ShapeError, "expected a bias of shape (4,), got (3,)"),
    ("linear", (x(2, 3), np.ones((4, 3), "f")), DTypeError, "expected operands of one dtype, got float64 and float32"),
    ("linear", (x(2, 3), x(4, 3), np.ones(4, "f")), DTypeError, "expected operands of one dtype"),
    ("einsum", ("ij,jk", x(2, 3)), ValueError, "expected 2 operands for 'ij,jk', got 1"),
    ("einsum", ("ij,jk", x(2, 3), x(2, 3)), ShapeError, "expected one size for 'j' in 'ij,jk', got 3 and 2"),
    ("einsum", ("i1", x(2, 3)), ValueError, "expected letters, ',', '...' and '->', got 'i1'"),
    ("einsum", ("ijk", x(2, 3)), ShapeError, "expected 3 dimensions for 'ijk', got 2"),
    ("einsum", ("i->j", x(2)), ValueError, "expected output labels from the operands, each once, got 'j'"),
    ("einsum", ("i->ii", x(2)), ValueError, "expected output labels from the operands, each once, got 'ii'"),
    # Shape
    ("reshape", (x(2, 3), (4, 2)), ShapeError, "expected a shape for 6 elements, got (4, 2) for (2, 3)"),
    ("reshape", (x(2, 3), (-1, -1)), ShapeError, "expected a shape for 6 elements, got (-1, -1)"),
    ("reshape", (x(2, 3), (-1, 4)), ShapeError, "expected a shape for 6 elements, got (-1, 4)"),
    ("reshape", (x(2, 3), (-2, -3)), ShapeError, "expected a shape for 6 elements, got (-2, -3)"),
    ("reshape", (x(2, 3), (2.0, 3)), TypeError, "expected ints, got (2.0, 3)"),
    ("flatten", (x(2, 3), 1, 0), ValueError, "expected start_dim <= end_dim, got 1 and 0"),
    ("permute", (x(2, 3), (0, 0)), ValueError, "expected each of 2 dims once, got (0, 0)"),
    ("permute", (x(2, 3), (0,)), ValueError, "expected each of 2 dims once, got (0,)"),
    ("expand", (x(2), 3), ShapeError, "expected sizes that (2,) can be repeated to, got (3,)"),
    ("expand", (x(2, 1), 3), ShapeError, "expected sizes that (2, 1) can be repeated to, got (3,)"),
    ("expand", (x(2), -1, 2), ShapeError, "expected sizes that (2,) can be repeated to, got (-1, 2)"),
    ("broadcast_to", (x(2), (3,)), ShapeError, "expected sizes that (2,) can be repeated to, got (3,)"),
    ("narrow", (x(3), 0, 2, 2), IndexError, "expected a range within 3 elements, got 2 and length 2"),
    ("narrow", (x(), 0, 0, 0), ShapeError, "expected at least 1 dimension, got a 0-d tensor"),
    ("select", (x(3), 0, 3), IndexError, "expected an index in [-3, 2], got 3"),
    ("cat", ([],), TypeError, "expected a non-empty sequence of tensors, got []"),
    ("cat", ([x(2), 1],), TypeError, "expected tensors, got int"),
    ("cat", ([x()],), ShapeError, "expected tensors with dimensions, got a 0-d one\nUse stack."),
    ("cat", ([x(2, 3), x(2, 2)],), ShapeError, "expected equal sizes in all dims but 0, got [(2, 3), (2, 2)]"),
    ("cat", ([x(2, 3), x(2)], 1), ShapeError, "expected equal sizes in all dims but 1, got [(2, 3), (2,)]"),
    ("stack", (x(2),), TypeError, "expected a non-empty sequence of tensors"),
    ("stack", ([x(2), x(3)],), ShapeError, "expected equal shapes, got [(2,), (3,)]"),
    ("split", (x(3), 0), ValueError, "expected a positive size, got 0"),
    ("split", (x(3), [1, 1]), ShapeError, "expected sizes that add up to 3, got [1, 1]"),
    ("split", (x(3), [4, -1]), ShapeError, "expected sizes that add up to 3, got [4, -1]"),
    ("split", (x(3), 1.5), TypeError, "expected ints, got 1.5"),
    ("split", (x(), 1), ShapeError, "expected at least 1 dimension, got a 0-d tensor"),
    ("chunk", (x(3), 0), ValueError, "expected at least 1 chunk, got 0"),
    ("chunk", (x(), 1), ShapeError, "expected at least 1 dimension, got a 0-d tensor"),
    ("pad", (x(2), (1,)), ShapeError, "expected at most 1 pairs of widths, got (1,)"),
    ("pad", (x(2), (1, 1, 1, 1)), ShapeError, "expected at most 1 pairs of widths, got (1, 1, 1, 1)"),
    ("pad", (x(2), (-2, -1)), ShapeError, "expected a size >= 0 in dim 0, got 2 + -2 + -1"),
    ("pad", (x(2), (1, 1), "mirror"), ValueError, "expected constant, reflect, replicate or circular as mode, got 'mirror'"),
    ("pad", (x(2), (1, 1), "reflect", 1.0), ValueError, "expected no value in mode 'reflect', got 1.0"),
    ("pad", (x(2), (2, 0), "reflect"), ShapeError, "expected reflect widths of at most 1 in dim 0, got (2, 0)"),
    ("pad", (x(2), (3, 0), "circular"), ShapeError, "expected circular widths of at most 2 in dim 0, got (3, 0)"),
    ("pad", (x(0), (1, 0), "replicate"), ShapeError, "expected replicate widths of at most -1 in dim 0, got (1, 0)"),
    ("tril", (x(2),), ShapeError, "expected at least 2 dimensions, got shape (2,)"),
    ("triu", (x(2),), ShapeError, "expected at least 2 dimensions, got shape (2,)"),
    ("one_hot", (x(2),), DTypeError, "expected integer classes, got float64"),
    ("one_hot", (INTS - 1,), ValueError, "expected classes >= 0, got -1"),
    ("one_hot", (INTS, 2), ValueError, "expected classes below 2, got 2"),
    ("one_hot", (INTS[:0],), ValueError, "expected num_classes for a tensor without elements, got -1"),
    # Indexing
    ("getitem", (x(3), (..., ...)), IndexError, "expected at most one '...' in the index, got more"),
    ("getitem", (x(3), (0, 0)), IndexError, "expected at most 1 indices, got 2"),
    ("getitem", (x(3), 3), IndexError, "index 3 is out of bounds for axis 0 with size 3 (shape (3,))"),
    ("getitem", (x(3), PAST), IndexError, "index 3 is out of bounds for axis 0 with size 3 (shape (3,))"),
    ("getitem", (x(3), 1.0), IndexError, "expected integer, bool, slice, None or '...' as index, got float64"),
    ("getitem", (x(3), TEXT), IndexError, "expected integer, bool, slice, None or '...' as index, got <U1"),
    ("getitem", (x(2), MASK), IndexError, "expected a mask of shape (2,), got (3,)"),
    ("getitem", (x(3, 3), (INTS, INTS[:2])), IndexError, "shape mismatch"),
    ("gather", (x(2, 3), 0, np.zeros((1, 4), int)), ShapeError, "expected an index that fits (2, 3) but along dim 0, got"),
    ("gather", (x(3), 0, PAST), IndexError, "expected indices in [0, 2], got 3"),
    ("gather", (x(3), 0, -PAST), IndexError, "expected indices in [0, 2], got -3"),
    ("gather", (x(3), 0, x(1)), DTypeError, "expected an integer index, got float64"),
    ("take_along_dim", (x(3), -PAST - 1, 0), IndexError, "expected indices in [-3, 2], got -4"),
    ("take_along_dim", (x(3, 2), INTS, 0), ShapeError, "expected 2 dimensions of indices, got 1"),
    ("take_along_dim", (x(3, 2), np.zeros((1, 3), int), 0), ShapeError,
     "expected shapes that broadcast but along dim 0, got (3, 2) and (1, 3)"),
    ("index_select", (x(3), 0, PAST), IndexError, "expected indices in [0, 2], got 3"),
    ("index_select", (x(3), 0, np.zeros((1, 1), int)), ShapeError, "expected a 1-d index, got shape (1, 1)"),
    ("masked_fill", (x(3), x(3), 0.0), DTypeError, "expected a bool mask, got float64"),
    ("masked_fill", (x(3), MASK, x(3)), ShapeError, "expected a number or a 0-d value, got shape (3,)"),
    ("masked_fill", (INTS, MASK, float("-inf")), DTypeError, "expected a value of int64, got -inf"),
    # Losses
    ("mse_loss", (x(3, 1), x(3)), ShapeError, "expected a target of shape (3, 1), got (3,)\n(n, 1) against (n)"),
    ("l1_loss", (x(3), x(2)), ShapeError, "expected a target of shape (3,), got (2,)"),
    ("smooth_l1_loss", (x(3), x(2)), ShapeError, "expected a target of shape (3,), got (2,)"),
    ("huber_loss", (x(3), x(2)), ShapeError, "expected a target of shape (3,), got (2,)"),
    ("binary_cross_entropy", (x(3), x(2)), ShapeError, "expected a target of shape (3,), got (2,)"),
    ("binary_cross_entropy_with_logits", (x(3), x(2)), ShapeError, "expected a target of shape (3,), got (2,)"),
    ("mse_loss", (x(3), x(3), "avg"), ValueError, "expected reduction 'mean', 'sum' or 'none', got 'avg'"),
    ("kl_div", (x(3), x(3), "avg"), ValueError, "expected reduction 'mean', 'sum' or 'none', got 'avg'"),
    ("cross_entropy", (LOGITS, LABELS, None, -100, "avg"), ValueError, "expected reduction 'mean', 'sum' or 'none'"),
    ("cross_entropy", (LOGITS, LOGITS, None, -100, "avg"), ValueError, "expected reduction 'mean', 'sum' or 'none'"),
    ("smooth_l1_loss", (x(3), x(3), "mean", -1.0), ValueError, "expected beta >= 0, got -1.0"),
    ("huber_loss", (x(3), x(3), "mean", 0.0), ValueError, "expected delta > 0, got 0.0"),
    ("binary_cross_entropy", (2 * x(1), x(1)), ValueError, "expected probabilities in [0, 1], got 2.0 … 2.0\nFor logits"),
    ("binary_cross_entropy", (x(1), -x(1)), ValueError, "expected probabilities in [0, 1], got -1.0 … -1.0"),
    ("nll_loss", (LOGITS, INTS), ShapeError, "expected input (n, classes, …) and target (n, …), got (2, 3) and (3,)"),
    ("nll_loss", (LOGITS, x(2)), DTypeError, "expected integer class indices as target, got float64"),
    ("nll_loss", (LOGITS, LABELS + 2), IndexError, "expected class indices in [0, 2], got 3"),
    ("nll_loss", (LOGITS, LABELS - 1), IndexError, "expected class indices in [0, 2], got -1"),
    ("nll_loss", (LOGITS, LABELS, x(2)), ShapeError, "expected a weight of shape (3,), got (2,)"),
    ("cross_entropy", (x(), LABELS), ShapeError, "expected input (n, classes, …) and target (n, …), got () and (2,)"),
    ("cross_entropy", (x(), x()), ShapeError, "expected input (n, classes, …), got a 0-d one"),
    ("cross_entropy", (LOGITS, x(2, 2)), ShapeError, "expected a target of shape (2, 3), got (2, 2)"),
    ("cross_entropy", (LOGITS, LABELS + 2), IndexError, "expected class indices in [0, 2], got 3"),
    ("cross_entropy", (LOGITS, LABELS - 1), IndexError, "expected class indices in [0, 2], got -1"),
    ("cross_entropy", (INTS[None], LABELS[:1]), DTypeError, "expected floating point, got int64"),
    ("cross_entropy", (LOGITS, MASK[:2]), DTypeError, "expected integer class indices as target, got bool"),
    ("cross_entropy", (LOGITS, LOGITS, x(2)), ShapeError, "expected a weight of shape (3,), got (2,)"),
    ("cross_entropy", (LOGITS, LABELS, None, -100, "mean", 1.5), ValueError, "expected label_smoothing in [0, 1], got 1.5"),
]  # fmt: skip
REFUSED += MORE_REFUSED


def full_text(op: str, text: str) -> str:
    return text if re.match(r"\w+: ", text) else f"{op}: {text}"


def as_tensors(values):
    """The same arguments with Tensors for arrays."""
    if isinstance(values, np.ndarray):
        return tg.from_numpy(values) if values.dtype.kind != "U" else values
    return type(values)(map(as_tensors, values)) if isinstance(values, list | tuple) else values


@pytest.mark.parametrize(
    ("op", "arguments", "error", "text"),
    REFUSED,
    ids=[f"{i}-{r[0]}" for i, r in enumerate(REFUSED)],
)
@pytest.mark.parametrize("convert", [lambda values: values, as_tensors], ids=["arrays", "tensors"])
def test_refused(op: str, arguments: tuple, error: type, text: str, convert) -> None:
    with pytest.raises(error) as caught:
        ops.REGISTRY[op](*convert(arguments))
    assert type(caught.value) is error
    assert str(caught.value).startswith(full_text(op, text))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ops.exp(x(2), base=2), "exp: expected only input, got 'base'"),
        (lambda: ops.add(x(2), x(2), beta=2), "add: unexpected or repeated argument 'beta'"),
        (lambda: ops.add(x(2), x(2), 1, alpha=2), "add: unexpected or repeated argument 'alpha'"),
        (lambda: ops.PRIMITIVES["_reshape"](x(2)), "_reshape: missing argument 'shape'"),
        (lambda: ops.sum(x(2), dtype="complex128"), "sum: expected one of float32"),
        (
            lambda: ops.div(x(2), x(2), rounding_mode="up"),
            "div: expected rounding_mode None, 'trunc' or 'floor', got 'up'",
        ),
        (
            lambda: ops.addmm(INTS, INTS[:, None], INTS[None], beta=0.5),
            "addmm: expected ints as beta and alpha for integers",
        ),
        (
            lambda: ops.index_add(INTS, 0, INTS, INTS, alpha=0.5),
            "index_add: expected an integer alpha for integers, got 0.5",
        ),
        (lambda: ops.trapezoid(x(2), x(2), dx=1.0), "trapezoid: expected x or dx, got both"),
        (
            lambda: ops.searchsorted(x(2), x(2), side="up"),
            "searchsorted: expected side 'left' or 'right', and as right, got 'up'",
        ),
        (
            lambda: ops.quantile(x(2), 0.5, interpolation="cubic"),
            "quantile: expected linear, lower, higher, midpoint or nearest",
        ),
        (lambda: ops.cov(x(2, 3), fweights=INTS[:2]), "cov: expected weights (3), got [(2,)]"),
        (
            lambda: ops.cov(x(2, 3), fweights=x(3)),
            "cov: expected integer fweights and float aweights, got",
        ),
        (
            lambda: ops.cov(x(2, 3), fweights=-INTS),
            "cov: expected weights >= 0, got a negative one",
        ),
        (
            lambda: ops.repeat_interleave(x(2), 2, output_size=3),
            "repeat_interleave: expected output_size 4, got 3",
        ),
        (
            lambda: ops.meshgrid(x(2), indexing="ji"),
            "meshgrid: expected indexing 'ij' or 'xy', got 'ji'",
        ),
        (
            lambda: ops.scatter(x(3), 0, INTS, 1.0, reduce="mean"),
            "scatter: expected reduce None, 'add' or 'multiply', got 'mean'",
        ),
        (
            lambda: tg.linalg.lstsq(x(2, 2), x(2, 2), driver="qr"),
            "lstsq: expected driver gels, gelsy, gelsd or gelss, got 'qr'",
        ),
        (lambda: tg.linalg.svd(x(2, 2), driver="qr"), "svd: expected no driver on a CPU, got 'qr'"),
        (
            lambda: tg.linalg.diagonal(x(2, 2), dim1=0, dim2=0),
            "diagonal: expected two different dims, got 0 and 0",
        ),
        (
            lambda: tg.ones(3).unfold(0, 4, 1),
            "unfold: expected a size in [0, 3] and a step >= 1, got 4 and 1",
        ),
    ],
)
def test_refused_keywords(call, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match="^" + re.escape(text)):
        call()


def test_a_complete_qr_of_a_tall_matrix_has_no_gradient() -> None:
    q = tg.linalg.qr(tg.ones(3, 2, requires_grad=True), "complete").Q
    with pytest.raises(
        DTypeError, match="qr: expected mode 'reduced' for a gradient, got 'complete'"
    ):
        q.sum().backward()


def test_operators_are_defined_once() -> None:
    def exp(input):
        return input

    with pytest.raises(ValueError, match="operator 'exp' is defined twice"):
        core.composite(exp)


def test_rules_ask_for_what_there_is() -> None:
    with pytest.raises(TypeError, match="exp: its derivative rule asks for an unknown 'speed'"):
        ops.exp.vjp(lambda g, speed: g * speed)


def test_recorded_is_abstract() -> None:
    with pytest.raises(NotImplementedError):
        ops.exp(core.Recorded())


#: Files of ops/ whose errors are tested here; the others have tests of their own.
FAMILIES = (
    "activation arithmetic arrange index linalg logic loss margin matrix piecewise pointwise product reduce rounding scan "
    "scatter shape sort special statistics trigonometric"
).split()


def test_every_raise_has_a_test() -> None:
    """Each name that begins a message in ops/ begins one in a test, or is built from the operator's name."""
    told = " ".join(full_text(op, text) for op, *_, text in REFUSED)
    told += " ".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_*.py"))
    for name in FAMILIES:
        source = (Path(ops.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        for message in re.findall(r'raise [\w.]+Error\(\s*f?"((?:\w+): [\w ]+)', source):
            assert message.strip() in told, message
