"""Logarithms and exponentials of other bases, and the special functions of probability.

The scalar rules that no library supplies stand in ``kernels/special.py``.
"""

from __future__ import annotations

from math import log as _ln

import numpy as np

from ..errors import DTypeError
from .activation import sigmoid
from .core import composite, elementwise

from .pointwise import (  # isort: skip
    _TWO_OVER_SQRT_PI, _div, abs, add, clamp, eq, exp, gt, le, log, log1p, logical_and, mul, sub, ufunc,
    where,
)  # fmt: skip

__all__ = [
    "digamma", "erfc", "erfinv", "exp2", "lgamma", "log10", "log2", "logaddexp", "logaddexp2", "logit", "mvlgamma",
    "polygamma", "xlogy",
]  # fmt: skip

_LN2, _LN10, _HALF_SQRT_PI = _ln(2), _ln(10), 1 / _TWO_OVER_SQRT_PI


@ufunc(kind="float")
def exp2(input):
    """2ˣ.  Derivation: 2ˣ = e^(x ln 2), so 2ˣ ln 2."""
    return np.exp2(input)


exp2.vjp(lambda g, out: g * (out * _LN2))


@ufunc(kind="float")
def log2(input):
    """ln x/ln 2.  Derivation: 1/(x ln 2)."""
    return np.log2(input)


log2.vjp(lambda g, input: _div(g, input * _LN2))


@ufunc(kind="float")
def log10(input):
    """ln x/ln 10.  Derivation: 1/(x ln 10)."""
    return np.log10(input)


log10.vjp(lambda g, input: _div(g, input * _LN10))


@ufunc(2, kind="float")
def logaddexp(input, other):
    """ln(eˣ + eʸ), by way of the larger.  Derivation: eˣ/(eˣ + eʸ) = σ(x − y), and σ(y − x)."""
    return np.logaddexp(input, other)


logaddexp.vjp("input")(lambda g, input, other: g * sigmoid(input - other))
logaddexp.vjp("other")(lambda g, input, other: g * sigmoid(other - input))


@composite
def logaddexp2(input, other):
    """log₂(2ˣ + 2ʸ) = logaddexp(x ln 2, y ln 2)/ln 2.  Derivation: that of its parts."""
    return _div(logaddexp(input * _LN2, other * _LN2), _LN2)


@composite
def logit(input, eps=None):
    """ln(p/(1 − p)), with p first cut to [eps, 1 − eps] where eps is given.

    Derivation: 1/p + 1/(1 − p) = 1/(p(1 − p)), NaN beyond [0, 1]; 0 where p was cut.
    """
    return _logit(input if eps is None else clamp(input, eps, 1 - eps))


@ufunc(kind="float")
def _logit(input):
    return np.log(input / (1 - input))


_logit.vjp(lambda g, input: where(gt(abs(input - 0.5), 0.5), np.nan, _div(g, input * (1 - input))))


@ufunc(2, kind="float")
def xlogy(input, other):
    """x ln y, 0 where x is (but for NaN in y).  Derivation: ln y (0 where x is 0 and y ≤ 0) and x/y."""
    return np.where((input == 0) & ~np.isnan(other), input.dtype.type(0), input * np.log(other))


@xlogy.vjp("input")
def _(g, input, other):
    none = logical_and(eq(input, 0), le(other, 0))
    return g * where(none, 0.0, log(where(none, 1.0, other)))


xlogy.vjp("other")(lambda g, input, other: g * _div(input, other))


@elementwise(kind="float")
def erfc(input):
    """1 − erf x, exact where erf is near 1.  Derivation: −2/√π e^(−x²)."""
    return erfc(input)


@erfc.vjp
def _(g, input):
    return g * (exp(-(input * input)) * -_TWO_OVER_SQRT_PI)


@ufunc(2, kind="float")
def xlog1py(input, other):
    """x ln(1 + y), 0 where x is (but for NaN in y).  Derivation: ln(1 + y) (0 where x is 0 and y ≤ −1) and x/(1 + y)."""
    return np.where((input == 0) & ~np.isnan(other), input.dtype.type(0), input * np.log1p(other))


@xlog1py.vjp("input")
def _(g, input, other):
    none = logical_and(eq(input, 0), le(other, -1))
    return g * where(none, 0.0, log1p(where(none, 1.0, other)))


xlog1py.vjp("other")(lambda g, input, other: g * _div(input, other + 1))


@ufunc(kind="float")
def entr(input):
    """−x ln x, 0 at 0 and −∞ below.  Derivation: −ln x − 1."""
    return np.where(input < 0, -np.inf, np.where(input == 0, 0, -input * np.log(input)))


entr.vjp(lambda g, input: g * (-1.0 - log(input)))


@composite
def ndtr(input):
    """The normal distribution function, ½ erfc(−x/√2).  Derivation: that of erfc, the normal density."""
    return mul(erfc(mul(input, -(0.5**0.5))), 0.5)


@elementwise(kind="float")
def erfinv(input):
    """The y with erf y = x, ±∞ at ±1, NaN beyond.  Derivation: y' 2/√π e^(−y²) = 1, so √π/2 e^(y²)."""
    return erfinv(input)


@erfinv.vjp
def _(g, out):
    return g * (exp(out * out) * _HALF_SQRT_PI)


@elementwise(kind="float")
def lgamma(input):
    """ln |Γ(x)|, ∞ at 0, −1, −2, …  Derivation: ψ(x), the digamma function."""
    return lgamma(input)


@lgamma.vjp
def _(g, input):
    return g * digamma(input)


@elementwise(kind="float")
def digamma(input):
    """ψ(x) = d ln Γ(x)/dx, NaN at −1, −2, …  Derivation: ψ⁽¹⁾, a polygamma function."""
    return digamma(input)


@digamma.vjp
def _(g, input):
    return g * _polygamma(input, 1)


@composite
def polygamma(n, input):
    """ψ⁽ⁿ⁾(x) = dⁿψ/dxⁿ = (−1)ⁿ⁺¹ n! Σ_{k≥0} (x + k)^−(n+1), n ≥ 1.  Derivation: ψ⁽ⁿ⁺¹⁾."""
    if not isinstance(n, int) or n < 0:
        raise DTypeError(f"polygamma: expected an int n >= 0, got {n!r}")
    return _polygamma(input, n) if n else digamma(input)


@elementwise(kind="float")
def _polygamma(input, n):
    return _polygamma(input, n)


@_polygamma.vjp
def _(g, input, n):
    return g * _polygamma(input, n + 1)


@composite
def mvlgamma(input, p):
    """ln Γₚ(x) = ¼ p(p − 1) ln π + Σ_{j < p} ln Γ(x − j/2), x > (p − 1)/2.  Derivation: that of lgamma."""
    if not isinstance(p, int) or p < 1:
        raise ValueError(f"mvlgamma: expected an int p >= 1, got {p!r}")
    total = add(lgamma(input), p * (p - 1) / 4 * _ln(np.pi))
    for j in range(1, p):
        total = add(total, lgamma(sub(input, j / 2)))
    return total
