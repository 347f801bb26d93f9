"""Combinations of sums, products and powers that have names of their own."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..errors import DTypeError
from .core import composite

from .pointwise import (  # isort: skip
    _cast, _clamp_max, _clamp_min, abs, add, clamp, div, ge, gt, isnan, le, logical_or, lt, mul, ne,
    neg, pow, sign, sub, ufunc, where,
)  # fmt: skip

__all__ = [
    "absolute", "addcdiv", "addcmul", "clamp_max", "clamp_min", "clip", "divide", "float_power", "fmax", "fmin", "gcd",
    "greater", "greater_equal", "lcm", "ldexp", "lerp", "less", "less_equal", "multiply", "negative", "nextafter",
    "not_equal", "positive", "rsub", "sgn", "subtract", "true_divide",
]  # fmt: skip


@composite
def lerp(input, end, weight):
    """x + w(e − x), from x at w = 0 to e at w = 1, exact at both.  Derivation: 1 − w, w, and e − x."""
    if not input.dtype == end.dtype:
        raise DTypeError(f"lerp: expected one dtype, got {input.dtype} and {end.dtype}")
    change = sub(end, input)
    start = add(input, mul(change, weight))
    if isinstance(weight, int | float):
        return start if weight < 0.5 else sub(end, mul(change, 1 - weight))
    return where(lt(abs(weight), 0.5), start, sub(end, mul(change, sub(1, weight))))


@composite
def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value · tensor1 · tensor2.  Derivation: that of its parts."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@composite
def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value · tensor1 / tensor2.  Derivation: that of its parts."""
    if dtypes.result_type(tensor1, tensor2).kind != "f":
        raise DTypeError("addcdiv: expected floating point, got integers")
    return add(input, div(tensor1, tensor2), alpha=value)


@composite
def clamp_min(input, min):
    """The larger of x and a bound.  Derivation: as clamp."""
    return _clamp_min(input, min)


@composite
def clamp_max(input, max):
    """The smaller of x and a bound.  Derivation: as clamp."""
    return _clamp_max(input, max)


@composite
def float_power(input, exponent):
    """input ** exponent in float64.  Derivation: as pow."""
    wide = [
        x if isinstance(x, int | float) else _cast(x, dtypes.float64) for x in (input, exponent)
    ]
    return pow(*wide)


@composite
def positive(input):
    """input itself, of any type but bool."""
    if input.dtype.kind == "b":
        raise DTypeError("positive: expected numbers, got bool")
    return input


@composite
def rsub(input, other, *, alpha=1):
    """other − alpha · input.  Derivation: −alpha and 1."""
    return sub(other, input, alpha=alpha)


@composite
def true_divide(input, other):
    """input / other.  Derivation: as div."""
    return div(input, other)


@composite
def ldexp(input, other):
    """input · 2^other.  Derivation: that of its parts."""
    return mul(input, pow(2.0, other))


@ufunc(2)
def fmax(input, other):
    """The larger of the two, NaN only where both are.  Derivation: 1 for the larger, input at a tie."""
    return np.fmax(input, other)


@ufunc(2)
def fmin(input, other):
    """The smaller of the two, NaN only where both are.  Derivation: 1 for the smaller, input at a tie."""
    return np.fmin(input, other)


fmax.vjp("input")(lambda g, input, other: where(logical_or(ge(input, other), isnan(other)), g, 0.0))
fmax.vjp("other")(lambda g, input, other: where(logical_or(ge(input, other), isnan(other)), 0.0, g))
fmin.vjp("input")(lambda g, input, other: where(logical_or(le(input, other), isnan(other)), g, 0.0))
fmin.vjp("other")(lambda g, input, other: where(logical_or(le(input, other), isnan(other)), 0.0, g))


def _divisors(name: str, function, input, other):
    if input.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected integers, got {input.dtype}")
    return function(input, other)


@ufunc(2)
def gcd(input, other):
    """The greatest common divisor of integers."""
    return _divisors("gcd", np.gcd, input, other)


@ufunc(2)
def lcm(input, other):
    """The least common multiple of integers."""
    return _divisors("lcm", np.lcm, input, other)


@ufunc(2, kind="float")
def nextafter(input, other):
    """The next number of its type from input towards other.  Derivation: 1 (0 where they are equal) and 0."""
    return np.nextafter(input, other)


nextafter.vjp("input")(lambda g, input, other: where(ne(input, other), g, 0.0))
nextafter.vjp("other")(lambda g: g * 0.0)
gcd.differentiable = lcm.differentiable = False


absolute, negative, subtract, multiply, divide, clip = abs, neg, sub, mul, div, clamp
greater, greater_equal, less, less_equal, not_equal, sgn = gt, ge, lt, le, ne, sign
