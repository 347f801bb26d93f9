"""Special functions of one number, for which neither NumPy nor Numba's mathematics has a name.

Computed in float64 whatever the argument's type, and without reassociation, which would take the digits off 1 − x − erfc y.
"""

from __future__ import annotations

import math

import numpy as np

from .vector_math import Function

_HALF_SQRT_PI = math.sqrt(math.pi) / 2
_WINITZKI = 0.147
#: B₂ⱼ/2j of ψ's asymptotic series, j = 1 … 7.
_PSI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
#: (2j)!/B₂ⱼ of the Euler–Maclaurin formula, j = 1 … 12.
_MACLAURIN = (
    12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10, -2.950130727918164224e12,
    1.1646782814350067249e14, -4.5979787224074726105e15, 1.8152105401943546773e17, -7.1661652561756670113e18,
)  # fmt: skip


@Function
def erfinv(x):
    """Winitzki's closed form (2008, relative error 2e-3), then two steps of Halley's method, each cubing the error.

    erf y − x is taken from erfc where erf is near 1.
    """
    x = np.float64(x)
    size = abs(x)
    if not size < 1:
        return math.copysign(np.inf, x) if size == 1 else np.nan
    log = math.log1p(-x * x)
    a = 2 / (math.pi * _WINITZKI) + log / 2
    y = math.sqrt(max(math.sqrt(a * a - log / _WINITZKI) - a, 0.0))
    for _ in range(3):
        miss = math.erf(y) - size if size < 0.5 else (1 - size) - math.erfc(y)
        step = miss * math.exp(y * y) * _HALF_SQRT_PI
        y -= step / (1 + y * step)
    return math.copysign(y, x)


@Function
def digamma(x):
    """ψ(x) = ψ(x + 1) − 1/x up to x ≥ 10, there ln x − 1/2x − Σ B₂ⱼ/(2j x²ʲ) (Abramowitz & Stegun 6.3.5, 6.3.18).

    Left of 0, ψ(x) = ψ(1 − x) − π/tan πx (6.3.7); the tangent's argument is reduced first, exactly.
    """
    x = np.float64(x)
    if x == 0:
        return math.copysign(np.inf, -x)
    total = 0.0
    if x < 0:
        if x == np.floor(x):
            return np.nan
        total = -math.pi / math.tan(math.pi * (x - np.floor(x)))
        x = 1 - x
    while x < 10:
        total -= 1 / x
        x += 1
    if x == np.inf:
        return x
    z = 1 / (x * x)
    series = 0.0
    for j in range(7):
        series = (series + _PSI[6 - j]) * z
    return total + math.log(x) - 0.5 / x - series


@Function
def zeta(s, q):
    """Σ_{k≥0} (q + k)^−s, s > 1, by Euler–Maclaurin after the first terms (Cephes' zeta, Moshier 1989)."""
    if q <= 0 and q == np.floor(q):
        return np.inf
    a, total = q, q**-s
    term, k = total, 0
    while k < 9 or a <= 9:
        k += 1
        a += 1
        term = a**-s
        total += term
        if abs(term) < 1e-17 * abs(total):
            return total
    total += term * a / (s - 1) - 0.5 * term
    factor = 1.0
    for j in range(12):
        factor *= s + 2 * j
        term /= a
        part = factor * term / _MACLAURIN[j]
        total += part
        if abs(part) < 1e-17 * abs(total):
            return total
        factor *= s + 2 * j + 1
        term /= a
    return total


@Function
def polygamma(x, n):
    """(−1)ⁿ⁺¹ n! ζ(n + 1, x) (Abramowitz & Stegun 6.4.10)."""
    s = np.float64(n) + 1
    if x == np.inf:
        return 0.0
    size = math.gamma(s) * zeta(s, np.float64(x))
    return size if s % 2 == 0 else -size
