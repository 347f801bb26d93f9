"""Arithmetic, powers, exponentials and comparisons, element by element.

Where a rule states only what changes, ``g`` is the cotangent, ``input`` and ``other`` the operands and ``out`` the
result. Operands broadcast; gradients are summed back to the operands' shapes by the graph, not here.
"""

from __future__ import annotations

from math import pi

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from ..kernels.arrays import assign, choose, fill, gather
from ..kernels.elementwise import native
from .core import composite, elementwise, primitive

__all__ = [
    "abs", "add", "clamp", "clone", "cos", "div", "eq", "erf", "exp", "expm1", "ge", "gt", "isfinite", "isinf", "isnan",
    "le", "log", "log1p", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "maximum", "minimum", "mul",
    "ne", "neg", "pow", "reciprocal", "rsqrt", "sign", "sin", "sqrt", "square", "sub", "where",
]  # fmt: skip

_TWO_OVER_SQRT_PI = 2 / pi**0.5


def _times(name: str, other, alpha):
    if alpha == 1:
        return other
    if isinstance(alpha, float) and other.dtype.kind != "f":
        raise DTypeError(f"{name}: expected an integer alpha for integers, got {alpha}")
    return np.multiply(other, np.asarray(alpha).astype(other.dtype))


def _add(input, other, alpha=1):
    return np.add(input, _times("add", other, alpha))


@elementwise(2, numpy=_add)
def add(input, other, alpha=1):
    """input + alpha · other.  Derivation: ∂/∂input = 1, ∂/∂other = alpha."""
    return input + alpha * other


add.vjp("input")(lambda g: g)
add.vjp("other")(lambda g, alpha: g if alpha == 1 else g * alpha)


def _sub(input, other, alpha=1):
    if input.dtype.kind == "b":
        raise DTypeError("sub: expected numbers, got bool\nUse logical_xor or `~` on masks.")
    return np.subtract(input, _times("sub", other, alpha))


@elementwise(2, numpy=_sub)
def sub(input, other, alpha=1):
    """input − alpha · other.  Derivation: ∂/∂input = 1, ∂/∂other = −alpha."""
    return input - alpha * other


sub.vjp("input")(lambda g: g)
sub.vjp("other")(lambda g, alpha: -g if alpha == 1 else g * -alpha)


@elementwise(2, numpy=np.multiply)
def mul(input, other):
    """input · other.  Derivation: ∂(xy)/∂x = y, ∂(xy)/∂y = x."""
    return input * other


mul.vjp("input")(lambda g, other: g * other)
mul.vjp("other")(lambda g, input: g * input)


def _divide(input, other):
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        return np.true_divide(input, other)


@composite
def div(input, other, *, rounding_mode=None):
    """input / other, integers giving floats; rounding_mode "trunc" rounds to 0, "floor" down (integers stay so).

    Derivation: ∂(x/y)/∂x = 1/y, ∂(x/y)/∂y = −(x/y)/y; rounded it is constant but for jumps, so 0.
    """
    if rounding_mode is None:
        return _div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(
            f"div: expected rounding_mode None, 'trunc' or 'floor', got {rounding_mode!r}"
        )
    return (_div_floor if rounding_mode == "floor" else _div_trunc)(input, other)


@elementwise(2, numpy=_divide, kind="float")
def _div(input, other):
    return input / other


_div.vjp("input")(lambda g, other: _div(g, other))
_div.vjp("other")(lambda g, other, out: -_div(g * out, other))


def _silent(function):
    """``function`` of NumPy without its warnings: infinities and NaN are results here, as in native loops."""

    def run(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return run


def ufunc(operands: int = 1, kind: str = "same"):
    """Register an elementwise operator by its rule on arrays of one dtype: for what NumPy computes well enough."""

    def register(function):
        op = elementwise(operands, numpy=_silent(function), kind=kind)(function)
        op.captured = None  # the rule is none of scalars: a recorded step calls NumPy
        return op

    return register


def _no_zeros(name: str, input, other) -> None:
    if input.dtype.kind == "b":
        raise DTypeError(f"{name}: expected numbers, got bool")
    if input.dtype.kind != "f" and input.size and not np.all(other):
        raise ZeroDivisionError(f"{name}: expected divisors other than 0 for integers, got 0")


@ufunc(2)
def _div_floor(input, other):
    """By way of the remainder: x/y may round up to an integer. Where y is 0, x/y itself: ±∞ or NaN."""
    _no_zeros("div", input, other)
    floor = np.floor_divide(input, other)
    return np.where(other == 0, input / other, floor) if input.dtype.kind == "f" else floor


@ufunc(2)
def _div_trunc(input, other):
    _no_zeros("div", input, other)
    if input.dtype.kind == "f":
        return np.trunc(input / other)
    quotient = np.floor_divide(input, other)
    return quotient + ((quotient < 0) & (quotient * other != input)).astype(input.dtype)


@_div_floor.vjp("input", "other")
@_div_trunc.vjp("input", "other")
def _(g):
    return g * 0.0


def _power(input, other):
    if input.dtype.kind in "iu" and np.any(np.less(other, 0)):
        raise DTypeError("pow: expected exponents >= 0 for integers, got a negative one")
    with np.errstate(all="ignore"):
        return np.power(input, other)


@composite
def pow(input, exponent):
    """input ** exponent, either a number or both tensors.

    Derivation: ∂xᵃ/∂x = a xᵃ⁻¹ (0 where a = 0), ∂xᵃ/∂a = xᵃ ln x (0 where x = 0 and a ≥ 0).
    """
    if isinstance(exponent, np.generic):
        exponent = exponent.item()  # as weak as Python's numbers
    if isinstance(exponent, int | float) and not isinstance(exponent, bool):
        squared = exponent == 2 and (
            isinstance(exponent, int) or dtypes.result_type(input).kind == "f"
        )
        return square(input) if squared else _pow_number(input, exponent)
    if isinstance(input, int | float):
        dtype = dtypes.result_type(input, exponent)
        input = recording.constant(np.asarray(input, dtype))
    return _pow(input, exponent)


def _power_of_number(input, exponent):
    dtype = dtypes.result_type(input, exponent)
    if dtype.kind in "iu" and exponent < 0:
        raise DTypeError(f"pow: expected an exponent >= 0 for integers, got {exponent}")
    return _power(np.asarray(input, dtype), dtype.type(exponent))


@elementwise(numpy=_power_of_number)
def _pow_number(input, exponent):
    return input**exponent


@_pow_number.vjp
def _(g, input, exponent):
    return g * 0.0 if exponent == 0 else g * (exponent * pow(input, exponent - 1))


@elementwise(2, numpy=_power)
def _pow(input, other):
    return input**other


@_pow.vjp("input")
def _(g, input, other):
    return g * (other * _pow(input, where(eq(other, 0), 1.0, other) - 1))


@_pow.vjp("other")
def _(g, input, other, out):
    flat = logical_and(eq(input, 0), ge(other, 0))
    return g * (out * log(where(flat, 1.0, input)))


def _negative(input):
    if input.dtype.kind == "b":
        raise DTypeError("neg: expected numbers, got bool\nUse `~` or logical_not on masks.")
    return np.negative(input)


@elementwise(numpy=_negative)
def neg(input):
    """−input.  Derivation: ∂(−x)/∂x = −1."""
    return -input


neg.vjp(lambda g: -g)


@elementwise(numpy=np.abs)
def abs(input):
    """|input|.  Derivation: ∂|x|/∂x = sign x, 0 at 0."""
    return abs(input)


@abs.vjp
def _(g, input):
    return g * sign(input)


@elementwise(numpy=lambda x: x.copy() if x.dtype.kind == "b" else np.sign(x))
def sign(input):
    """−1, 0 or 1 by the sign of input.  Derivation: constant but for the jump at 0, so the derivative is 0."""
    return sign(input)


sign.vjp(lambda g: g * 0.0)


@elementwise(kind="float")
def exp(input):
    """eˣ.  Derivation: (eˣ)' = eˣ."""
    return exp(input)


@exp.vjp
def _(g, out):
    return g * out


@elementwise(kind="float")
def expm1(input):
    """eˣ − 1, exact near 0.  Derivation: (eˣ − 1)' = eˣ = out + 1."""
    return expm1(input)


@expm1.vjp
def _(g, out):
    return g * (out + 1)


@elementwise(kind="float")
def log(input):
    """ln x.  Derivation: (ln x)' = 1/x."""
    return log(input)


@log.vjp
def _(g, input):
    return g / input


@elementwise(kind="float")
def log1p(input):
    """ln(1 + x), exact near 0.  Derivation: 1/(1 + x)."""
    return log1p(input)


@log1p.vjp
def _(g, input):
    return g / (input + 1)


@elementwise(kind="float", numpy=_silent(np.sqrt))
def sqrt(input):
    """√x.  Derivation: (√x)' = 1/(2√x)."""
    return sqrt(input)


sqrt.vjp(lambda g, out: _div(g, out * 2))


# Native code would take the processor's estimate of 1/√x, whose correction makes NaN of 0 and ∞.
@elementwise(kind="float", numpy=_silent(lambda x: np.reciprocal(np.sqrt(x))))
def rsqrt(input):
    """1/√x.  Derivation: (x^(−1/2))' = −½ x^(−3/2) = −½ out³."""
    return 1 / sqrt(input)


rsqrt.vjp(lambda g, out: g * (out * out * out * -0.5))


@elementwise(numpy=lambda x: np.square(x.astype(np.int64) if x.dtype.kind == "b" else x))
def square(input):
    """x².  Derivation: (x²)' = 2x."""
    return input * input


square.vjp(lambda g, input: g * (input * 2))


@elementwise(kind="float", numpy=_silent(np.reciprocal))
def reciprocal(input):
    """1/x.  Derivation: (1/x)' = −1/x² = −out²."""
    return 1 / input


reciprocal.vjp(lambda g, out: -(g * (out * out)))


@elementwise(kind="float")
def sin(input):
    """sin x, x in radians.  Derivation: cos x."""
    return sin(input)


@sin.vjp
def _(g, input):
    return g * cos(input)


@elementwise(kind="float")
def cos(input):
    """cos x, x in radians.  Derivation: −sin x."""
    return cos(input)


@cos.vjp
def _(g, input):
    return -(g * sin(input))


@elementwise(kind="float")
def erf(input):
    """2/√π ∫₀ˣ e^(−t²) dt.  Derivation: the integrand, 2/√π e^(−x²)."""
    return erf(input)


@erf.vjp
def _(g, input):
    return g * (exp(-(input * input)) * _TWO_OVER_SQRT_PI)


@elementwise(2, numpy=np.maximum)
def maximum(input, other):
    """The larger of the two, NaN where either is.  Derivation: 1 for the larger, ½ each at a tie."""
    return maximum(input, other)


@maximum.vjp("input")
def _(g, input, other):
    return g * where(lt(input, other), 0.0, where(eq(input, other), 0.5, 1.0))


@maximum.vjp("other")
def _(g, input, other):
    return g * where(gt(input, other), 0.0, where(eq(input, other), 0.5, 1.0))


@elementwise(2, numpy=np.minimum)
def minimum(input, other):
    """The smaller of the two, NaN where either is.  Derivation: 1 for the smaller, ½ each at a tie."""
    return minimum(input, other)


@minimum.vjp("input")
def _(g, input, other):
    return g * where(gt(input, other), 0.0, where(eq(input, other), 0.5, 1.0))


@minimum.vjp("other")
def _(g, input, other):
    return g * where(lt(input, other), 0.0, where(eq(input, other), 0.5, 1.0))


@primitive
def clone(input):
    """A copy.  Derivation: the identity."""
    return input.copy()


@clone.native
def _(input):
    copy = gather(input)
    return input.copy() if copy is None else copy


clone.vjp(lambda g: g)


@primitive
def _cast(input, *, dtype):
    """input in another element type, a copy.  Derivation: the identity, back in the type it came from."""
    return input.astype(dtype)


@_cast.native
def _(input, dtype):
    copy = gather(input, np.dtype(dtype))
    return input.astype(dtype) if copy is None else copy


@_cast.vjp
def _(g):
    return g  # the graph casts a gradient to its operand's type


@composite
def clamp(input, min=None, max=None):
    """input cut to [min, max]; either may be absent, a number, or a tensor that broadcasts.

    Derivation: 1 inside and at the bounds, 0 outside; a tensor bound takes the gradient where it cuts.
    """
    if min is None and max is None:
        raise ValueError("clamp: expected min or max, got neither")
    if min is not None:
        input = _clamp_min(input, min)
    return input if max is None else _clamp_max(input, max)


@elementwise(2, numpy=np.maximum)
def _clamp_min(input, other):
    return maximum(input, other)


@_clamp_min.vjp("input")
def _(g, input, other):
    return g * where(ge(input, other), 1.0, 0.0)


@_clamp_min.vjp("other")
def _(g, input, other):
    return g * where(lt(input, other), 1.0, 0.0)


@elementwise(2, numpy=np.minimum)
def _clamp_max(input, other):
    return minimum(input, other)


@_clamp_max.vjp("input")
def _(g, input, other):
    return g * where(le(input, other), 1.0, 0.0)


@_clamp_max.vjp("other")
def _(g, input, other):
    return g * where(gt(input, other), 1.0, 0.0)


@primitive
def where(condition, input, other):
    """input where condition holds, else other; all three broadcast.

    Derivation: the gradient passes to the side that was taken.
    """
    mask = np.asarray(condition)
    if mask.dtype.kind != "b":
        raise DTypeError(f"where: expected a bool condition, got {mask.dtype}")
    dtype = dtypes.result_type(input, other)
    try:
        return np.where(mask, np.asarray(input, dtype), np.asarray(other, dtype))
    except ValueError:
        shapes = f"{mask.shape}, {np.shape(input)} and {np.shape(other)}"
        raise ShapeError(f"where: expected shapes that broadcast, got {shapes}") from None


@where.native
def _(condition, input, other):
    if not isinstance(condition, np.ndarray) or condition.dtype.kind != "b":
        return where.forward(condition, input, other)
    dtype = dtypes.result_type(input, other)
    shape = np.broadcast_shapes(*[np.shape(x) for x in (condition, input, other)])
    mask = condition if condition.shape == shape else np.broadcast_to(condition, shape)
    sides = []
    for x in input, other:
        side = x
        if not isinstance(x, np.ndarray):
            side = np.empty(shape, dtype)
            fill(side.reshape(-1), dtype.type(x))
        elif x.shape != shape or x.dtype != dtype:
            side = np.empty(shape, dtype)
            if not assign(side, x):
                return where.forward(condition, input, other)
        sides.append(native(side).reshape(-1))
    out = np.empty(shape, dtype)
    choose(out.reshape(-1), native(mask).reshape(-1), *sides)
    return out


where.broadcasts = True


where.vjp("input")(lambda g, condition: where(condition, g, 0.0))
where.vjp("other")(lambda g, condition: where(condition, 0.0, g))


@elementwise(2, numpy=np.equal, kind="bool")
def eq(input, other):
    """Whether the elements are equal."""
    return input == other


@elementwise(2, numpy=np.not_equal, kind="bool")
def ne(input, other):
    """Whether the elements differ (NaN differs from itself)."""
    return input != other


@elementwise(2, numpy=np.less, kind="bool")
def lt(input, other):
    """input < other."""
    return input < other


@elementwise(2, numpy=np.less_equal, kind="bool")
def le(input, other):
    """input ≤ other."""
    return input <= other


@elementwise(2, numpy=np.greater, kind="bool")
def gt(input, other):
    """input > other."""
    return input > other


@elementwise(2, numpy=np.greater_equal, kind="bool")
def ge(input, other):
    """input ≥ other."""
    return input >= other


@elementwise(2, numpy=np.logical_and, kind="bool")
def logical_and(input, other):
    """Whether both are nonzero."""
    return input != 0 and other != 0


@elementwise(2, numpy=np.logical_or, kind="bool")
def logical_or(input, other):
    """Whether either is nonzero."""
    return input != 0 or other != 0


@elementwise(2, numpy=np.logical_xor, kind="bool")
def logical_xor(input, other):
    """Whether exactly one is nonzero."""
    return (input != 0) != (other != 0)


@elementwise(numpy=np.logical_not, kind="bool")
def logical_not(input):
    """Whether input is zero."""
    return input == 0


@elementwise(numpy=np.isnan, kind="bool")
def isnan(input):
    """Whether input is not a number."""
    return input != input


@elementwise(numpy=np.isinf, kind="bool")
def isinf(input):
    """Whether input is +∞ or −∞."""
    return abs(input) == np.inf


@elementwise(numpy=np.isfinite, kind="bool")
def isfinite(input):
    """Whether input is neither infinite nor NaN."""
    return abs(input) < np.inf
