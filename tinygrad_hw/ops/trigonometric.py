"""Circular and hyperbolic functions and their inverses."""

from __future__ import annotations

from math import pi

import numpy as np

from .core import composite
from .pointwise import _div, abs, cos, eq, lt, mul, reciprocal, rsqrt, sin, square, ufunc, where

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan",
    "atan2", "atanh", "cosh", "deg2rad", "hypot", "rad2deg", "sinc", "sinh", "tan",
]  # fmt: skip


@ufunc(kind="float")
def tan(input):
    """sin x / cos x.  Derivation: (cos² + sin²)/cos² = 1 + tan² x."""
    return np.tan(input)


tan.vjp(lambda g, out: g * (out * out + 1))


@ufunc(kind="float")
def asin(input):
    """sin⁻¹ x in ±π/2, NaN beyond ±1.  Derivation: sin y = x makes y' cos y = 1, so y' = 1/√(1 − x²)."""
    return np.arcsin(input)


asin.vjp(lambda g, input: g * rsqrt(1 - input * input))


@ufunc(kind="float")
def acos(input):
    """cos⁻¹ x in 0 … π, NaN beyond ±1.  Derivation: π/2 − sin⁻¹ x, so −1/√(1 − x²)."""
    return np.arccos(input)


acos.vjp(lambda g, input: -(g * rsqrt(1 - input * input)))


@ufunc(kind="float")
def atan(input):
    """tan⁻¹ x in ±π/2.  Derivation: tan y = x makes y'(1 + tan² y) = 1, so y' = 1/(1 + x²)."""
    return np.arctan(input)


atan.vjp(lambda g, input: g * reciprocal(input * input + 1))


@ufunc(2, kind="float")
def atan2(input, other):
    """The angle of the point (other, input), in ±π.

    Derivation: tan θ = y/x makes ∂θ/∂y = x/(x² + y²) and ∂θ/∂x = −y/(x² + y²), 0 at the origin.
    """
    return np.arctan2(input, other)


atan2.vjp("input")(lambda g, input, other: g * (other * _inverse_square(input, other)))
atan2.vjp("other")(lambda g, input, other: -(g * (input * _inverse_square(input, other))))


def _inverse_square(x, y):
    """1/(x² + y²), and 1 at the origin, where it is multiplied by 0."""
    total = x * x + y * y
    return reciprocal(where(eq(total, 0), 1.0, total))


@ufunc(2, kind="float")
def hypot(input, other):
    """√(x² + y²) without overflow.  Derivation: x/out and y/out (NaN at the origin)."""
    return np.hypot(input, other)


hypot.vjp("input")(lambda g, input, out: g * _div(input, out))
hypot.vjp("other")(lambda g, other, out: g * _div(other, out))


@ufunc(kind="float")
def sinh(input):
    """(eˣ − e⁻ˣ)/2.  Derivation: cosh x."""
    return np.sinh(input)


sinh.vjp(lambda g, input: g * cosh(input))


@ufunc(kind="float")
def cosh(input):
    """(eˣ + e⁻ˣ)/2.  Derivation: sinh x."""
    return np.cosh(input)


cosh.vjp(lambda g, input: g * sinh(input))


@ufunc(kind="float")
def asinh(input):
    """sinh⁻¹ x = ln(x + √(x² + 1)).  Derivation: 1/cosh y = 1/√(x² + 1)."""
    return np.arcsinh(input)


asinh.vjp(lambda g, input: g * rsqrt(input * input + 1))


@ufunc(kind="float")
def acosh(input):
    """cosh⁻¹ x = ln(x + √(x² − 1)), NaN below 1.  Derivation: 1/sinh y = 1/√(x² − 1)."""
    return np.arccosh(input)


acosh.vjp(lambda g, input: g * rsqrt(input * input - 1))


@ufunc(kind="float")
def atanh(input):
    """tanh⁻¹ x = ½ ln((1 + x)/(1 − x)).  Derivation: 1/(1 − tanh² y) = 1/(1 − x²)."""
    return np.arctanh(input)


atanh.vjp(lambda g, input: g * reciprocal(1 - input * input))


@ufunc(kind="float")
def sinc(input):
    """sin z/z of z = πx, 1 at 0.  Derivation: with z, (cos z − sin z/z)/z, times π."""
    return np.sinc(input)


@sinc.vjp
def _(g, input):
    z = input * pi
    # Near 0 the quotient is all rounding: its series, exact to z⁹ there, which also gives it its own slope −1/3.
    near = lt(abs(z), 0.03)
    safe = where(near, 1.0, z)
    z2 = square(where(near, z, 0.0))
    series = z * (z2 * (z2 * (z2 * (1 / 45360) - 1 / 840) + 1 / 30) - 1 / 3)
    return g * (where(near, series, (cos(safe) - sin(safe) / safe) / safe) * pi)


@composite
def deg2rad(input):
    """x π/180.  Derivation: π/180."""
    return mul(input, pi / 180)


@composite
def rad2deg(input):
    """x 180/π.  Derivation: 180/π."""
    return mul(input, 180 / pi)


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
