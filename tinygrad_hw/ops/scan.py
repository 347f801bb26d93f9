"""What accumulates along a dimension: products, extremes, differences, integrals.

Products and log-sums are scanned in ⌈log₂ n⌉ steps of whole slices (Hillis & Steele 1986), each made of operators: so
the derivatives of every order are right at zeros too, where dividing the product by xᵢ would not be.
"""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from .core import composite, primitive
from .index import take_along_dim
from .pointwise import _cast, add, clone, div, mul, ne, sub
from .reduce import ValuesIndices, _float_dim, cumsum, sum
from .shape import _length, cat, narrow, normalize_dim, reshape
from .special import logaddexp

__all__ = [
    "cummax", "cummin", "cumprod", "cumulative_trapezoid", "diff", "logcumsumexp", "trapezoid", "trapz",
]  # fmt: skip


def _scan(op, input, dim: int):
    n = input.shape[dim] if input.shape else 1
    step = 1
    while step < n:
        later = op(narrow(input, dim, step, n - step), narrow(input, dim, 0, n - step))
        input = cat((narrow(input, dim, 0, step), later), dim)
        step *= 2
    return input if step > 1 else clone(input)


@composite
def cumprod(input, dim, *, dtype=None):
    """Π over the elements up to each one along ``dim``.  Derivation: that of the products it is made of."""
    if dtype is not None or input.dtype.kind in "biu":
        input = _cast(input, dtypes.check(dtype or dtypes.int64, "cumprod"))
    return _scan(mul, input, normalize_dim("cumprod", dim, len(input.shape)))


@composite
def logcumsumexp(input, dim):
    """ln Σ e^x over the elements up to each one along ``dim``.  Derivation: that of the logaddexp it is made of."""
    return _scan(logaddexp, *_float_dim("logcumsumexp", input, dim, None))


@composite
def cummax(input, dim):
    """The largest element up to each one along ``dim``, and its index, the last at ties.

    Derivation: the gradient goes to the elements whose indices are returned.
    """
    return _running("cummax", input, dim, True)


@composite
def cummin(input, dim):
    """The smallest element up to each one along ``dim``, and its index, the last at ties.

    Derivation: the gradient goes to the elements whose indices are returned.
    """
    return _running("cummin", input, dim, False)


def _running(name: str, input, dim, largest: bool):
    dim = normalize_dim(name, dim, len(input.shape))
    at = _record_holders(input, dim, largest)
    return ValuesIndices(take_along_dim(input, at, dim) if input.shape else clone(input), at)


@primitive
def _record_holders(input, *, dim, largest):
    """For each place, the last one up to it where the running extreme, or NaN, stands."""
    if not input.ndim:
        return np.zeros((), np.int64)
    best = (np.maximum if largest else np.minimum).accumulate(input, dim)
    places = np.arange(input.shape[dim]).reshape([-1 if d == dim else 1 for d in range(input.ndim)])
    attained = np.where((input == best) | (input != input), places, 0)
    return np.maximum.accumulate(attained, dim)


_record_holders.differentiable = False


@composite
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """xᵢ₊₁ − xᵢ along ``dim``, n times; of bools, whether they differ.  Derivation: 1 and −1."""
    if n < 0:
        raise ValueError(f"diff: expected n >= 0, got {n}")
    dim, _ = _length("diff", input.shape, dim)
    if n == 0:
        return input
    parts = [x for x in (prepend, input, append) if x is not None]
    input = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, input.shape[dim])):
        m = input.shape[dim] - 1
        pair = narrow(input, dim, 1, m), narrow(input, dim, 0, m)
        input = (ne if input.dtype.kind == "b" else sub)(*pair)
    return input


def _areas(name: str, y, x, dx, dim):
    """The areas of the trapezoids between neighbours along ``dim``."""
    dim, n = _length(name, y.shape, dim)
    m = n - 1 if n else 0
    heights = add(narrow(y, dim, n - m, m), narrow(y, dim, 0, m))
    if x is None:
        return mul(heights, (1 if dx is None else dx) / 2), dim
    if dx is not None:
        raise ValueError(f"{name}: expected x or dx, got both")
    if len(x.shape) == 1:
        x = reshape(x, [-1 if d == dim else 1 for d in range(len(y.shape))])
    if x.shape[dim - len(y.shape)] != n:
        raise ShapeError(f"{name}: expected {n} abscissas, got {x.shape[dim - len(y.shape)]}")
    return div(mul(heights, diff(x, dim=dim - len(y.shape))), 2), dim


@composite
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """∫ y dx along ``dim`` by the trapezoidal rule, Σ (xᵢ₊₁ − xᵢ)(yᵢ₊₁ + yᵢ)/2.  Derivation: that of its parts."""
    areas, dim = _areas("trapezoid", y, x, dx, dim)
    return sum(areas, dim - len(y.shape))


@composite
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """∫ y dx from the first element to each later one, by the trapezoidal rule.  Derivation: that of its parts."""
    areas, dim = _areas("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, dim - len(y.shape))


trapz = trapezoid
