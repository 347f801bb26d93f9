"""Where naive formulas overflow, cancel or divide by zero, and where a derivative is a matter of convention."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import special

import tinygrad_hw as tg
from tinygrad_hw import ops

inf, nan = float("inf"), float("nan")
TINY = float(np.finfo(np.float32).smallest_subnormal)


class Point(NamedTuple):
    """An operator at a corner of its domain: its value and, for the sum of it, the operands' gradients."""

    op: str
    operands: list
    value: Any
    gradients: list
    attrs: dict = {}  # noqa: RUF012 (never changed)
    torch: bool = True  # whether PyTorch says the same


#: Undefined or one-sided points. The conventions are PyTorch's (test_ops_torch.py compares them).
POINTS = [
    Point("relu", [[-1, 0, 2]], [0, 0, 2], [[0, 0, 1]]),
    Point("leaky_relu", [[0.0, 1]], [0, 1], [[0.01, 1]]),
    Point("elu", [[0.0, 1]], [0, 1], [[0.5, 1]], {"alpha": 0.5}),
    Point("elu", [[-1e4, 1e4]], [-1, 1e4], [[0, 1]]),
    Point("abs", [[-2.0, 0, 3]], [2, 0, 3], [[-1, 0, 1]]),
    Point("sign", [[-2.0, 0, 3]], [-1, 0, 1], [[0, 0, 0]]),
    Point("sqrt", [[0.0, 4]], [0, 2], [[inf, 0.25]]),
    Point("rsqrt", [[0.0, 4, inf]], [inf, 0.5, 0], [[-inf, -1 / 16, 0]]),
    Point("log", [[0.0, 1]], [-inf, 0], [[inf, 1]]),
    Point("log1p", [[-1.0, 0]], [-inf, 0], [[inf, 1]]),
    Point("reciprocal", [[0.0, 2]], [inf, 0.5], [[-inf, -0.25]]),
    Point("div", [[1.0, 0], [0, 2]], [inf, 0], [[inf, 0.5], [-inf, 0]]),
    Point("clamp", [[-1, -0.5, 0, 0.5, 1]], [-0.5, -0.5, 0, 0.5, 0.5], [[0, 1, 1, 1, 0]], {"min": -0.5, "max": 0.5}),
    Point("clamp", [[1.0, 2, 3], [2.0, 2, 2]], [2, 2, 3], [[0, 1, 1], [1, 0, 0]]),
    Point("clamp", [[1.0, 2, 3], [0.0, 0, 0], [2.0, 2, 2]], [1, 2, 2], [[1, 1, 0], [0, 0, 0], [0, 0, 1]]),
    Point("maximum", [[1.0, 2, 3], [2, 2, 2]], [2, 2, 3], [[0, 0.5, 1], [1, 0.5, 0]]),
    Point("minimum", [[1.0, 2, 3], [2, 2, 2]], [1, 2, 2], [[1, 0.5, 0], [0, 0.5, 1]]),
    Point("maximum", [[nan, 1], [1, nan]], [nan, nan], [[1, 1], [1, 1]]),
    Point("max", [[1.0, 3, 3]], 3, [[0, 0.5, 0.5]]),
    Point("min", [[1.0, 1, 3]], 1, [[0.5, 0.5, 0]]),
    Point("amax", [[[1.0, 1], [0, 2]]], [1, 2], [[[0.5, 0.5], [0, 1]]], {"dim": 1}),
    Point("amax", [[2.0, 2, 1, 2]], 2, [[1 / 3, 1 / 3, 0, 1 / 3]]),
    Point("amin", [[[1.0, 1], [0, 2]]], [0, 1], [[[0, 1], [1, 0]]], {"dim": 0}),
    Point("max", [[[1.0, 3, 3], [2, 2, 2]]], [3, 2], [[[0, 1, 0], [1, 0, 0]]], {"dim": 1}),
    Point("min", [[[1.0, 3, 1], [2, 2, 2]]], [1, 2], [[[1, 0, 0], [1, 0, 0]]], {"dim": 1}),
    Point("norm", [[0.0, 0]], 0, [[0, 0]]),
    Point("norm", [[0.0, 0]], 0, [[0, 0]], {"p": 1}),
    Point("norm", [[0.0, 0]], 0, [[0, 0]], {"p": 3}),
    Point("norm", [[4.0, 0]], 4, [[1, 0]], {"p": 3}),
    Point("norm", [[4.0, 0]], 4, [[1, 0]], {"p": 0.5}),
    Point("norm", [[4.0, 0]], 0, [[0, 0]], {"p": -1}),
    Point("norm", [[4.0, 0, nan]], 2, [[0, 0, 0]], {"p": 0}),
    Point("norm", [[3.0, -3]], 3, [[0.5, -0.5]], {"p": inf}),
    Point("norm", [[1e200, 1e200]], 2**0.5 * 1e200, [[0.5**0.5, 0.5**0.5]], torch=False),
    Point("norm", [[1e-200, 1e-200]], 2**0.5 * 1e-200, [[0.5**0.5, 0.5**0.5]], torch=False),
    Point("norm", [[[0.0, 0], [3, 4]]], [0, 5], [[[0, 0], [0.6, 0.8]]], {"dim": 1}),
    Point("prod", [[2.0, 0, 3]], 0, [[0, 6, 0]]),
    Point("prod", [[2.0, 0, 0]], 0, [[0, 0, 0]]),
    Point("pow", [[0.0, 0, 0], [0.0, 1, 2]], [1, 0, 0], [[0, 1, 0], [0, 0, 0]]),
    Point("pow", [[0.0], [-1.0]], [inf], [[-inf], [-inf]]),
    Point("pow", [[0.0, 2]], [1, 1], [[0, 0]], {"exponent": 0}),
    Point("pow", [[0.0, 2]], [0, 2], [[1, 1]], {"exponent": 1}),
    Point("pow", [[0.0, -2]], [0, 4], [[0, -4]], {"exponent": 2}),
    Point("pow", [[0.0, 4]], [0, 2], [[inf, 0.25]], {"exponent": 0.5}),
    Point("pow", [[-8.0]], [-512], [[192]], {"exponent": 3}),
    Point("std", [[[5.0, 5, 5], [1, 2, 3]]], [0, 1], [[[0, 0, 0], [-0.5, 0, 0.5]]], {"dim": 1}),
    Point("var", [[5.0, 5, 5]], 0, [[0, 0, 0]]),
    Point("var", [[5.0]], nan, [[nan]]),
    Point("std", [[5.0]], nan, [[nan]]),
    Point("var", [[5.0]], 0, [[0]], {"correction": 0}),
    Point("std", [[5.0]], 0, [[0]], {"correction": 0}),
    Point("softplus", [[-1e4, 1e4, 21]], [0, 1e4, 21], [[0, 1, 1]]),
    Point("softplus", [[20.0]], [20 + np.log1p(np.exp(-20))], [[1 / (1 + np.exp(-20))]]),
    Point("sigmoid", [[-inf, -1e4, 1e4, inf]], [0, 0, 1, 1], [[0, 0, 0, 0]]),
    Point("logsigmoid", [[-1e4, 1e4]], [-1e4, 0], [[1, 0]]),
    Point("tanh", [[-inf, -1e4, 1e4, inf]], [-1, -1, 1, 1], [[0, 0, 0, 0]]),
    Point("silu", [[-1e4, 0, 1e4]], [0, 0, 1e4], [[0, 0.5, 1]]),
    Point("gelu", [[-1e4, 0, 1e4]], [0, 0, 1e4], [[0, 0.5, 1]]),
    Point("gelu", [[-1e4, 0, 1e4]], [0, 0, 1e4], [[0, 0.5, 1]], {"approximate": "tanh"}),
    Point("expm1", [[-1e4, 0]], [-1, 0], [[0, 1]]),
    Point("softmax", [[1e4, -1e4]], [1, 0], [[0, 0]], {"dim": 0}),
    Point("softmax", [[1e4, 1e4, *[-1e4] * 298]], [0.5, 0.5, *[0] * 298], [[0] * 300], {"dim": 0}),
    Point("softmax", [[-inf, 0, 0]], [0, 0.5, 0.5], [[0, 0, 0]], {"dim": 0}),
    Point("softmax", [[-inf, -inf]], [nan, nan], [[nan, nan]], {"dim": 0}),
    Point("log_softmax", [[1e4, -1e4]], [0, -2e4], [[-1, 1]], {"dim": 0}),
    Point("log_softmax", [[-inf, 0]], [-inf, 0], [[1, -1]], {"dim": 0}),
    Point("log_softmax", [[-inf, -inf]], [nan, nan], [[nan, nan]], {"dim": 0}),
    Point("softmin", [[inf, 0, 0]], [0, 0.5, 0.5], [[0, 0, 0]], {"dim": 0}),
    Point("logsumexp", [[1e4, -1e4]], 1e4, [[1, 0]], {"dim": 0}),
    Point("logsumexp", [[[-inf, -inf], [-inf, 0]]], [-inf, 0], [[[0, 0], [0, 1]]], {"dim": 1}, torch=False),
    Point("logsumexp", [[inf, 0]], inf, [[nan, 0]], {"dim": 0}),
    Point("mse_loss", [[1e-30], [0]], 1e-60, [[2e-30], [-2e-30]]),
    Point("l1_loss", [[1.0, 2], [1, 1]], 1, [[0, 1], [0, -1]], {"reduction": "sum"}),
    Point("smooth_l1_loss", [[0.5, 1, -3], [0, 0, 0]], 3.125, [[0.5, 1, -1], [-0.5, -1, 1]], {"reduction": "sum"}),
    Point("huber_loss", [[1.0, 2, -5], [0, 0, 0]], 10.5, [[1, 2, -2], [-1, -2, 2]], {"delta": 2.0, "reduction": "sum"}),
    Point(
        "binary_cross_entropy_with_logits", [[-1e4, 1e4, -1e4, 1e4], [0, 1, 1, 0]], 2e4,
        [[0, 0, -1, 1], [1e4, -1e4, 1e4, -1e4]], {"reduction": "sum"},
    ),
    Point("xlogy", [[0.0, 0, 2], [2.0, 0, 1]], [0, 0, 0], [[np.log(2), 0, 0], [0, nan, 2]]),
    Point(
        "xlog1py", [[0.0, 0, 2, 0], [1.0, -1, 0, -0.5]], [0, 0, 0, 0],
        [[np.log(2), 0, 0, -np.log(2)], [0, nan, 2, 0]],
    ),
    Point("nextafter", [[2.0, 1], [2.0, 2]], np.nextafter([2.0, 1], 2.0), [[0, 1], [0, 0]]),
    # Of the triangle that is read and of the other alike, though only one is.
    Point("cholesky", [[[4.0, 2], [2, 5]]], [[2, 0], [1, 2]], [[[0.1875, 0.125], [0.125, 0.25]]]),
    Point("entr", [[0.0, 1]], [0, 0], [[inf, -1]]),
    Point("fmax", [[1.0, nan, 2], [1.0, 3, nan]], [1, 3, 2], [[1, 0, 1], [0, 1, 0]]),
    Point("fmin", [[1.0, nan, 2], [1.0, 3, nan]], [1, 3, 2], [[1, 0, 1], [0, 1, 0]]),
    Point("atan2", [[0.0, 1], [0.0, 0]], [0, np.pi / 2], [[0, 0], [0, -1]]),
    Point("hypot", [[0.0, 3], [0.0, 4]], [0, 5], [[nan, 0.6], [nan, 0.8]]),
    Point("copysign", [[0.0, -2], [1.0, 3]], [0, 2], [[0, -1], [0, 0]]),
    Point("logaddexp", [[1e4, 0], [-1e4, 0]], [1e4, np.log(2)], [[1, 0.5], [0, 0.5]]),
    Point("sinc", [[0.0, 2]], [1, np.sinc(2)], [[0, 0.5]]),
    Point("logit", [[0.0, 1, 0.5]], [-inf, inf, 0], [[inf, inf, 4]]),
    Point("logit", [[0.0, 0.25, 0.5]], [np.log(1 / 3), np.log(1 / 3), 0], [[0, 16 / 3, 4]], {"eps": 0.25}),
    Point("erfinv", [[-1.0, 1, 2, 0]], [-inf, inf, nan, 0], [[inf, inf, nan, np.pi**0.5 / 2]]),
    Point("hardtanh", [[-1.0, 0, 1]], [-1, 0, 1], [[0, 1, 0]]),
    Point("relu6", [[0.0, 3, 6]], [0, 3, 6], [[0, 1, 0]]),
    Point("hardsigmoid", [[-3.0, 3]], [0, 1], [[0, 0]]),
    Point("hardswish", [[-3.0, 0, 3]], [0, 0, 3], [[0, 0.5, 1]]),
    Point("hardshrink", [[-0.5, 0.5, 1]], [0, 0, 1], [[0, 0, 1]]),
    Point("softshrink", [[-0.5, 0.5, 1]], [0, 0, 0.5], [[0, 0, 1]]),
    Point("threshold", [[1.0, 2]], [5, 2], [[0, 1]], {"threshold": 1.0, "value": 5.0}),
    Point("prelu", [[0.0, -2, 2], [0.25]], [0, -0.5, 2], [[0.25, 0.25, 1], [-2]]),
    Point("celu", [[0.0, 1]], [0, 1], [[1, 1]], {"alpha": 0.5}),
    Point("mish", [[-1e4, 0, 1e4]], [0, 0, 1e4], [[0, 0.6, 1]]),
    Point("fmod", [[-3.0, 3], [2.0, 3]], [-1, 0], [[1, 1], [1, -1]]),
    Point("remainder", [[-3.0, 3], [2.0, 3]], [1, 0], [[1, 1], [2, -1]]),
    Point("cumprod", [[2.0, 0, 3, 0]], [2, 0, 0, 0], [[1, 8, 0, 0]], {"dim": 0}),
    Point("cummax", [[1.0, 1, 0]], [1, 1, 1], [[1, 2, 0]], {"dim": 0}),
    Point("logcumsumexp", [[1e4, -1e4]], [1e4, 1e4], [[2, 0]], {"dim": 0}),
    Point("median", [[1.0, 2, 2, 3]], 2, [[0, 0.5, 0.5, 0]]),
    Point("median", [[1.0, nan, 2]], nan, [[0, 1, 0]]),
    Point("median", [[1.0, nan, 2]], nan, [[0, 1, 0]], {"dim": 0}),
    Point("nanmedian", [[1.0, nan, 2]], 1, [[1, 0, 0]], {"dim": 0}),
    Point("nanmean", [[1.0, nan, 2]], 1.5, [[0.5, 0, 0.5]]),
    Point("cdist", [[[1.0, 2]], [[1.0, 2]]], [[0]], [[[0, 0]], [[0, 0]]]),
    Point("vector_norm", [[0.0, 0]], 0, [[0, 0]]),
    Point("det", [[[1.0, 2], [2, 4]]], 0, [[[4, -2], [-2, 1]]], torch=False),
    Point("binary_cross_entropy", [[0.0, 1, 0, 1], [0.0, 1, 1, 0]], [0, 0, 100, 100],
          [[0, 0, -1e12, 1e12], [100, -100, 100, -100]], {"reduction": "none"}, torch=False),
    Point("binary_cross_entropy", [[1e-13], [1.0]], [13 * np.log(10)], [[-1e12], [13 * np.log(10)]],
          {"reduction": "none"}, torch=False),
]  # fmt: skip


def gradients_of_sum(op: str, operands: list, dtype: str = "float64", **attrs) -> tuple:
    """Value and gradients at a point, for a cotangent of ones."""
    xs = [tg.tensor(np.array(x, dtype), requires_grad=True) for x in operands]
    result = ops.REGISTRY[op](*xs, **attrs)
    result = result[0] if isinstance(result, tuple) else result
    result.backward(tg.ones_like(result))
    return result.detach().numpy(), [x.grad.numpy() for x in xs]


def check_point(point: Point) -> None:
    value, gradients = gradients_of_sum(point.op, point.operands, **point.attrs)
    np.testing.assert_allclose(value, point.value, rtol=1e-12)
    for got, expected in zip(gradients, point.gradients, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-300)
    check_twice(point)


def check_twice(point: Point) -> None:
    """Under create_graph the gradients are the same and, where finite, so are their own."""
    xs = [tg.tensor(np.array(x, "float64"), requires_grad=True) for x in point.operands]
    result = ops.REGISTRY[point.op](*xs, **point.attrs)
    result = result[0] if isinstance(result, tuple) else result
    first = tg.autograd.grad(result, xs, tg.ones_like(result).requires_grad_(), create_graph=True)
    for got, expected in zip(first, point.gradients, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-12, atol=1e-300)
    if point.torch and all(
        np.isfinite(x).all() for x in (point.value, *point.gradients, *point.operands)
    ):
        second = tg.autograd.grad(first, xs, first, materialize_grads=True)
        assert all(np.isfinite(g.numpy()).all() for g in second), second


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p.op}{p.operands}{p.attrs}"[:60])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_point(point: Point) -> None:
    check_point(point)


# Precision


def relative_error(got, expected) -> float:
    """Of the worst element."""
    expected = np.asarray(expected)
    return float(np.max(np.abs(np.asarray(got) - expected) / np.abs(expected)))


@pytest.mark.parametrize("op", ["log_softmax", "softmax", "logsumexp", "cross_entropy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shift_of_the_logits_costs_no_precision(op: str, dtype: str) -> None:
    """At a logit of 2¹⁴ float32 has no digits below 1e-3, but differences of logits are exact there."""
    logits = np.array([[0, -3, -7.5, -0.125, 2]] * 2, dtype)
    rest = (np.array([0, 4]),) if op == "cross_entropy" else (1,)
    f = ops.REGISTRY[op]
    shifted, plain = f(logits + 2**14, *rest), f(logits, *rest)
    if op == "logsumexp":
        plain = plain + 2**14
    np.testing.assert_array_equal(shifted, plain)


FUNCTIONS = {
    "exp": (np.exp, -87, 88),
    "expm1": (np.expm1, -1e-3, 1e-3),
    "log1p": (np.log1p, -1e-3, 1e-3),
    "log": (np.log, 0.5, 2),
    "tanh": (np.tanh, -9, 9),
    "sigmoid": (special.expit, -80, 20),
    "logsigmoid": (special.log_expit, -20, 80),
    "softplus": (lambda x: np.logaddexp(0, x), -80, 20),
    "erf": (special.erf, -3, 3),
    "silu": (lambda x: x * special.expit(x), -80, 20),
    "rsqrt": (lambda x: x**-0.5, 1e-30, 1e30),
}


@pytest.mark.parametrize("op", FUNCTIONS)
def test_functions_keep_their_digits(op: str) -> None:
    """Within a few units in the last place of float32, where naive formulas give 0, infinity or noise."""
    oracle, low, high = FUNCTIONS[op]
    x = np.linspace(low, high, 2001).astype(np.float32)
    x = x[x != 0]
    expected = oracle(x.astype(np.float64))
    kept = np.abs(expected) > np.finfo(np.float32).tiny
    assert relative_error(ops.REGISTRY[op](x)[kept], expected[kept]) < 1e-6


@pytest.mark.parametrize("op", ["binary_cross_entropy_with_logits", "cross_entropy"])
def test_confident_losses_are_not_rounded_to_zero(op: str) -> None:
    if op == "cross_entropy":
        loss = ops.cross_entropy(np.float32([[0, 12]]), np.array([1]))
    else:
        loss = ops.binary_cross_entropy_with_logits(np.float32([12]), np.float32([1]))
    assert relative_error(loss, np.log1p(np.exp(-12.0))) < 0.02


def test_smallest_float32_numbers_are_kept() -> None:
    x = np.array([TINY, -TINY, 3 * TINY], np.float32)
    for op in "relu", "leaky_relu", "abs", "neg", "silu", "expm1", "sin", "tanh", "log1p", "clone":
        assert (ops.REGISTRY[op](x)[[0, 2]] != 0).all() or op in ("leaky_relu", "silu"), op
    assert ops.exp(np.float32([-100.0])) > 0
    _, (g,) = gradients_of_sum("mul", [x], "float32", other=1.0)
    assert (g == 1).all()


def test_variance_does_not_cancel() -> None:
    """E x² − (E x)² would be all rounding here."""
    x = (np.array([1, 2, 3, 4]) + 2.0**20).astype(np.float32)
    assert ops.var(x) == np.float32(5 / 3)
    assert ops.std(x) == pytest.approx((5 / 3) ** 0.5, rel=1e-6)


def test_long_sums_keep_their_digits() -> None:
    x = np.full(2**20, 0.1, np.float32)
    assert ops.sum(x) == pytest.approx(2**20 * np.float32(0.1), rel=1e-6)
    assert ops.mean(x) == pytest.approx(0.1, rel=1e-6)


# NaN and masks


@pytest.mark.parametrize(
    "op",
    "neg abs exp expm1 log log1p sqrt rsqrt square reciprocal sin cos erf tanh sigmoid logsigmoid "
    "softplus relu leaky_relu elu gelu silu sign".split(),
)
def test_nan_stays_nan(op: str) -> None:
    for dtype in np.float32, np.float64:
        assert np.isnan(ops.REGISTRY[op](np.array([nan], dtype))).all()


@pytest.mark.parametrize("op", "sum mean prod amax amin max min norm var std".split())
def test_nan_in_a_reduction_is_its_result(op: str) -> None:
    assert np.isnan(ops.REGISTRY[op](np.array([1, nan, 2])))


@pytest.mark.parametrize("op", ["argmax", "argmin"])
def test_nan_is_the_extreme(op: str) -> None:
    assert ops.REGISTRY[op](np.array([1, nan, 2])) == 1


@pytest.mark.parametrize("op", ["softmax", "log_softmax", "logsumexp"])
def test_nan_in_one_row_stays_there(op: str) -> None:
    y = ops.REGISTRY[op](np.array([[1, nan], [1, 2]]), dim=1)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_masked_attention_has_finite_gradients() -> None:
    """−∞ where a mask holds: weight and gradient 0 there, and the other weights as without those places."""
    rng = np.random.default_rng(0)
    scores = tg.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    mask = np.array([[0, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 0]], bool)
    weights = ops.softmax(ops.masked_fill(scores, mask, -inf), 1)
    weights.backward(tg.tensor(rng.normal(size=(3, 4))))
    assert (weights.detach().numpy()[mask] == 0).all()
    np.testing.assert_allclose(weights.detach().numpy().sum(1), 1)
    assert (scores.grad.numpy()[mask] == 0).all()
    assert np.isfinite(scores.grad.numpy()).all()


@pytest.mark.parametrize("arguments", [{}, {"label_smoothing": 0.0, "weight": tg.ones(3).double()}])
def test_cross_entropy_of_masked_classes(arguments: dict) -> None:
    logits = tg.tensor(np.array([[0, -inf, 1], [-inf, 2, 1]]), requires_grad=True)
    loss = ops.cross_entropy(logits, tg.tensor([0, 1]), **arguments)
    loss.backward()
    share = special.softmax([0, 1])
    np.testing.assert_allclose(loss.item(), -(np.log(share[0]) + np.log(share[1])) / 2)
    expected = [[share[0] - 1, 0, share[1]], [0, share[1] - 1, share[0]]]
    np.testing.assert_allclose(logits.grad.numpy(), np.array(expected) / 2)


def test_cross_entropy_of_a_masked_target_is_infinite() -> None:
    assert ops.cross_entropy(np.array([[0, -inf]]), np.array([1])) == inf


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_binary_cross_entropy_at_certainty(p: float) -> None:
    """Logarithms are cut at −100, as PyTorch's: a certain error costs 100, and its gradient is finite."""
    x = tg.tensor([p, p], requires_grad=True)
    loss = ops.binary_cross_entropy(x, tg.tensor([p, 1 - p]), reduction="none")
    loss.sum().backward()
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 100])
    assert x.grad.numpy()[0] == 0
    assert x.grad.numpy()[1] == pytest.approx(1e12 * (2 * p - 1))


def test_kl_div_of_impossible_events() -> None:
    """0 ln 0 = 0."""
    log_p = tg.tensor([-1.0, -1e4, -2], requires_grad=True)
    loss = ops.kl_div(log_p, tg.tensor([0.5, 0, 0.5]), reduction="none")
    loss.sum().backward()
    np.testing.assert_allclose(
        loss.detach().numpy(), [0.5 - np.log(2) / 2, 0, 1 - np.log(2) / 2], 1e-6
    )
    np.testing.assert_array_equal(log_p.grad.numpy(), [-0.5, 0, -0.5])


@pytest.mark.parametrize(
    "arguments", [{}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}]
)
def test_ignored_targets_have_no_gradient(arguments: dict) -> None:
    logits = tg.tensor(np.random.default_rng(0).normal(size=(3, 4)), requires_grad=True)
    ops.cross_entropy(logits, tg.tensor([1, -100, 2]), **arguments).sum().backward()
    assert (logits.grad.numpy()[1] == 0).all()
    assert (logits.grad.numpy()[[0, 2]] != 0).all()


def test_mean_loss_of_nothing_is_nan() -> None:
    assert np.isnan(ops.cross_entropy(np.zeros((2, 3)), np.array([-100, -100])))
    assert np.isnan(ops.cross_entropy(np.zeros((0, 3)), np.zeros(0, int)))
    assert np.isnan(ops.mean(np.zeros(0)))
    assert ops.cross_entropy(np.zeros((0, 3)), np.zeros(0, int), reduction="sum") == 0


def test_equal_rows() -> None:
    x = np.full((2, 5), 7.0)
    np.testing.assert_array_equal(ops.softmax(x, 1), np.full((2, 5), 0.2))
    np.testing.assert_allclose(ops.log_softmax(x, 1), np.full((2, 5), -np.log(5)))
    np.testing.assert_allclose(ops.logsumexp(x, 1), 7 + np.log(5))
    assert (ops.argmax(x, 1) == 0).all()
