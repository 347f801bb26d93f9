"""``python -m benchmarks.fit_polynomials`` prints the coefficients of ``kernels/vector_math.py`` (needs SciPy).

Each is the polynomial of least greatest weighted error, by Lawson's iteratively reweighted least squares (1961);
the weight turns an error of the polynomial into a relative error of the function. Coefficients are rounded to
float32 one after the other, from the constant up, and the ones that are left fitted anew each time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import Chebyshev
from scipy import special


def fit(
    f: Callable, weight: Callable, low: float, high: float, degree: int
) -> tuple[list[float], float]:
    """Coefficients in float32, from the constant up, and max |weight · (f − p)|."""
    knots = np.cos(np.pi * (np.arange(1000) + 0.5) / 1000)
    x = (low + high) / 2 + (high - low) / 2 * knots
    rest, w = f(x), weight(x)
    coefficients = []
    for first in range(degree + 1):
        powers = np.arange(first, degree + 1)
        scale = np.abs(x).max() ** powers.astype(float)
        terms = x[:, None] ** powers / scale * w[:, None]
        emphasis, best, least = np.ones(x.size), np.zeros(powers.size), np.inf
        for _ in range(100):
            root = np.sqrt(emphasis)
            found = np.linalg.lstsq(terms * root[:, None], rest * w * root, rcond=None)[0]
            error = np.abs(terms @ found - rest * w)
            if error.max() < least:
                best, least = found, error.max()
            emphasis = np.maximum(emphasis * error / error.max(), 1e-12)
            emphasis /= emphasis.mean()
        coefficients.append(float(np.float32(best[0] / scale[0])))
        rest = rest - coefficients[-1] * x**first
    return coefficients, float(np.abs(rest * w).max())


def smooth(f: Callable, low: float, high: float) -> Callable:
    """``f`` without the cancellation that its formula suffers near 0: an interpolant from around it."""
    return Chebyshev.interpolate(f, 15, [low, high])


def exp_tail(r):
    return (np.expm1(r) - r) / r**2


def log_tail(f):
    return (np.log1p(f) - f + f * f / 2) / f**3


def normal_tail(s):
    a = 3 * (1 + s) / (1 - s)
    return 0.5 * special.erfcx(a / np.sqrt(2)) * (a + 1)


def sin_tail(z):
    return (np.sin(np.sqrt(z)) / np.sqrt(z) - 1) / z


def cos_tail(z):
    return (np.cos(np.sqrt(z)) - 1 + z / 2) / z**2


def near_erf(z):
    return special.erf(np.sqrt(z)) / np.sqrt(z) - 1


HALF_LN2 = np.log(2) / 2 * 1.002
LOG = (np.sqrt(0.5) - 1, np.sqrt(2) - 1)
EIGHTH = (np.pi / 4) ** 2 * 1.002

FITS: dict[str, tuple] = {
    "E": (
        smooth(exp_tail, -HALF_LN2, HALF_LN2),
        lambda r: r * r / np.abs(np.expm1(r)),
        -HALF_LN2,
        HALF_LN2,
        4,
    ),
    "L": (
        lambda f: np.where(
            np.abs(f) < 0.02,
            sum((-f) ** k / (k + 3) for k in range(10)),
            log_tail(np.where(f == 0, 1, f)),
        ),
        lambda f: np.abs(f**3 / np.log1p(f)),
        *LOG,
        7,
    ),
    "S": (near_erf, lambda z: np.sqrt(z) / special.erf(np.sqrt(z)), 0, 1, 6),
    "G": (lambda a: np.log(special.erfc(a)), special.erfc, 1, 4, 5),
    "T": (normal_tail, lambda s: 1 / normal_tail(s), -1, 11.5 / 17.5, 9),
    "A": (
        smooth(sin_tail, 0, EIGHTH),
        lambda z: z**1.5 / np.sin(np.sqrt(z)),
        0,
        EIGHTH,
        2,
    ),
    "B": (smooth(cos_tail, 0, EIGHTH), lambda z: z * z / np.cos(np.sqrt(z)), 0, EIGHTH, 2),
}

if __name__ == "__main__":
    for name, arguments in FITS.items():
        coefficients, error = fit(*arguments)
        print(f"{name}0 …: {', '.join(f'{c:.9g}' for c in coefficients)}  (error {error:.1e})")
