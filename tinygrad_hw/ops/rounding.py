"""Rounding, remainders and other maps that are piecewise constant or linear."""

from __future__ import annotations

import numpy as np

from ..errors import DTypeError
from .core import composite
from .pointwise import _no_zeros, div, isfinite, sign, ufunc, where

__all__ = [
    "ceil", "copysign", "fix", "floor", "floor_divide", "fmod", "frac", "heaviside", "nan_to_num", "remainder",
    "round", "trunc",
]  # fmt: skip


def _whole(name: str, function, input):
    """``function`` of floats; integers are whole already."""
    if input.dtype.kind == "b":
        raise DTypeError(f"{name}: expected numbers, got bool")
    return function(input) if input.dtype.kind == "f" else input.copy()


@ufunc()
def floor(input):
    """The largest integer ≤ x.  Derivation: constant but for jumps, so 0."""
    return _whole("floor", np.floor, input)


@ufunc()
def ceil(input):
    """The smallest integer ≥ x.  Derivation: constant but for jumps, so 0."""
    return _whole("ceil", np.ceil, input)


@ufunc()
def trunc(input):
    """x without its fraction.  Derivation: constant but for jumps, so 0."""
    return _whole("trunc", np.trunc, input)


@ufunc()
def round(input, decimals=0):
    """The nearest multiple of 10^−decimals, halves to the even one.  Derivation: constant but for jumps, so 0."""
    return _whole("round", lambda x: np.round(x, decimals), input)


@floor.vjp
@ceil.vjp
@trunc.vjp
@round.vjp
def _(g):
    return g * 0.0


@ufunc()
def frac(input):
    """x − trunc x.  Derivation: 1."""
    if input.dtype.kind != "f":
        raise DTypeError(f"frac: expected floating point, got {input.dtype}")
    return input - np.trunc(input)


frac.vjp(lambda g: g)


@composite
def floor_divide(input, other):
    """⌊x/y⌋, in the operands' type.  Derivation: constant but for jumps, so 0."""
    return div(input, other, rounding_mode="floor")


@ufunc(2)
def fmod(input, other):
    """x − y trunc(x/y), of the sign of x.  Derivation: 1 and −trunc(x/y)."""
    _no_zeros("fmod", input, other)
    return np.fmod(input, other)


@ufunc(2)
def remainder(input, other):
    """x − y⌊x/y⌋, of the sign of y.  Derivation: 1 and −⌊x/y⌋."""
    _no_zeros("remainder", input, other)
    return np.remainder(input, other)


@fmod.vjp("input")
@remainder.vjp("input")
def _(g):
    return g


fmod.vjp("other")(lambda g, input, other: -(g * div(input, other, rounding_mode="trunc")))
remainder.vjp("other")(lambda g, input, other: -(g * div(input, other, rounding_mode="floor")))


@ufunc(2, kind="float")
def copysign(input, other):
    """|x| with the sign of y (of −0 too).  Derivation: |x| changes by sign x, the signs' jumps count for 0."""
    return np.copysign(input, other)


copysign.vjp("input")(lambda g, input, out: g * (sign(input) * sign(out)))
copysign.vjp("other")(lambda g: g * 0.0)


@ufunc(2)
def heaviside(input, values):
    """0 below 0, 1 above, ``values`` at 0."""
    return np.where(input == 0, values, (input > 0).astype(input.dtype))


heaviside.differentiable = False


@ufunc()
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """x with NaN as ``nan`` (0) and ±∞ as ``posinf`` and ``neginf`` (the largest number).

    Derivation: 1 where x is finite, else 0.
    """
    if input.dtype.kind != "f":
        return input.copy()
    return np.nan_to_num(input, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


nan_to_num.vjp(lambda g, input: where(isfinite(input), g, 0.0))


fix = trunc
