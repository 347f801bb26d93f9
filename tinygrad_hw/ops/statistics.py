"""Statistics: order statistics, moments in pairs, and what leaves NaN out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from .arithmetic import lerp
from .arrange import diagonal, movedim
from .core import composite, primitive
from .index import array_of, index_select, take_along_dim

from .pointwise import (  # isort: skip
    _cast, add, clamp, div, eq, gt, isnan, logical_and, logical_not, logical_or, mul,
    reciprocal, sqrt, sub, where,
)  # fmt: skip
from .product import matmul
from .reduce import _sum, amax, amin, mean, norm, require_float, std, sum, var
from .shape import normalize_dim, normalize_dims, reshape, squeeze, transpose, unsqueeze
from .sort import _chosen, argsort

__all__ = [
    "aminmax", "cdist", "corrcoef", "count_nonzero", "cov", "dist", "median", "nanmean", "nanmedian", "nanquantile",
    "nansum", "pdist", "quantile", "renorm", "std_mean", "var_mean",
]  # fmt: skip


@composite
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """std and mean over ``dim``."""
    average = mean(input, None if isinstance(dim, bool) else dim, keepdim)
    return std(input, dim, unbiased, keepdim, correction=correction), average


@composite
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """var and mean over ``dim``."""
    average = mean(input, None if isinstance(dim, bool) else dim, keepdim)
    return var(input, dim, unbiased, keepdim, correction=correction), average


class MinMax(NamedTuple):
    """What aminmax returns."""

    min: object
    max: object


@composite
def aminmax(input, *, dim=None, keepdim=False):
    """amin and amax, of all elements or along one dim."""
    dims = None if dim is None else normalize_dim("aminmax", dim, len(input.shape))
    return MinMax(amin(input, dims, keepdim), amax(input, dims, keepdim))


@primitive
def count_nonzero(input, *, dim=None):
    """The number of elements over ``dim`` that are not 0."""
    return np.asarray(np.count_nonzero(input, normalize_dims("count_nonzero", dim, input.ndim)))


count_nonzero.differentiable = False


@composite
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """Σ over ``dim`` of what is not NaN.  Derivation: 1, and 0 for NaN."""
    if input.dtype.kind == "f":
        input = where(isnan(input), 0.0, input)
    return sum(input, dim, keepdim, dtype=dtype)


@composite
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean over ``dim`` of what is not NaN.  Derivation: 1/n, and 0 for NaN."""
    require_float("nanmean", input)
    count = sum(logical_not(isnan(input)), dim, keepdim)
    return div(nansum(input, dim, keepdim, dtype=dtype), count)


# Order statistics


@primitive
def _middle(input, *, dim, ignore_nan):
    """The index along ``dim`` of the lower median; of the first NaN if there is one, unless NaN is ignored."""
    if not input.ndim:
        return np.zeros((), np.int64)
    order = np.argsort(input, dim, kind="stable")
    missing = np.isnan(input) if input.dtype.kind == "f" else np.zeros(input.shape, bool)
    n = input.shape[dim] - missing.sum(dim, keepdims=True)
    at = np.take_along_axis(order, np.maximum(n - 1, 0) // 2, dim)
    if not ignore_nan:
        at = np.where(missing.any(dim, keepdims=True), missing.argmax(dim, keepdims=True), at)
    return at


_middle.differentiable = False


@primitive
def _median(input, *, ignore_nan):
    """The lower median of all elements.  Derivation: as of amax, shared by the elements that equal it."""
    if not input.size:
        return np.asarray(np.nan, input.dtype)
    flat = input.reshape(-1)
    return flat[_middle(flat, 0, ignore_nan)].reshape(())


@_median.vjp
def _(g, input, out):
    same = logical_or(eq(input, out), logical_and(isnan(input), isnan(out)))
    attained = _cast(same, g.dtype)
    return g * attained * reciprocal(_sum(attained, tuple(range(len(input.shape))), False))


def _median_along(name: str, input, dim, keepdim, ignore_nan):
    if dim is None:
        return _median(input, ignore_nan)
    dim = normalize_dim(name, dim, len(input.shape))
    return _chosen(input, _middle(input, dim, ignore_nan), dim, keepdim)


@composite
def median(input, dim=None, keepdim=False):
    """The lower median of all elements, or (values, indices) along ``dim``; NaN where there is a NaN.

    Derivation: of all, 1/m for each of the m elements equal to it; along a dim, 1 for the element at the index.
    """
    return _median_along("median", input, dim, keepdim, False)


@composite
def nanmedian(input, dim=None, keepdim=False):
    """As median, of what is not NaN."""
    return _median_along("nanmedian", input, dim, keepdim, True)


_ROUND: dict[str, Any] = {"lower": np.floor, "higher": np.ceil, "nearest": np.round}


def _quantile(name: str, input, q, dim, keepdim, interpolation, ignore_nan):
    recording.refuse(f"{name}()", "Use sort() or kthvalue().")
    require_float(name, input)
    q = np.asarray(q, input.dtype) if isinstance(q, int | float) else q
    parts = array_of(q)
    if parts.dtype != input.dtype:
        raise DTypeError(f"{name}: expected q of {input.dtype}, got {parts.dtype}")
    if parts.ndim > 1 or not ((parts >= 0) & (parts <= 1)).all():
        raise ValueError(f"{name}: expected q, a number or a vector, in [0, 1], got {parts}")
    if interpolation not in ("linear", "midpoint", *_ROUND):
        raise ValueError(
            f"{name}: expected linear, lower, higher, midpoint or nearest as interpolation, got {interpolation!r}"
        )
    ndim = len(input.shape)
    shape = (1,) * (ndim if keepdim else 0)
    if dim is None or not ndim:
        input, dim = reshape(input, (-1,)), 0
    else:
        dim = normalize_dim(name, dim, ndim)
        kept = [1 if d == dim else n for d, n in enumerate(input.shape)]
        shape = tuple(kept if keepdim else kept[:dim] + kept[dim + 1 :])
    n = input.shape[dim]
    if not n:
        raise ShapeError(f"{name}: expected elements to choose from, got none")
    rows = take_along_dim(input, argsort(input, dim), dim)
    rows = movedim(rows, dim, -1)
    missing = np.isnan(array_of(rows)).sum(-1, keepdims=True)
    last = np.maximum(n - 1 - missing, 0) if ignore_nan else np.full(missing.shape, n - 1)
    rank = mul(reshape(q, (-1,)), last.astype(input.dtype))
    if not ignore_nan:
        rank = where(missing > 0, float(n - 1), rank)
    at = array_of(rank)
    if interpolation in _ROUND:
        at = _ROUND[interpolation](at)
    low, high = np.floor(at).astype(np.int64), np.ceil(at).astype(np.int64)
    out = take_along_dim(rows, low, -1)
    if interpolation not in _ROUND:
        part = (
            np.full(at.shape, 0.5, at.dtype)
            if interpolation == "midpoint"
            else sub(rank, np.floor(at))
        )
        out = lerp(out, take_along_dim(rows, high, -1), part)
    out = movedim(out, -1, 0)
    return reshape(out, parts.shape + shape)


@composite
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The value below which the part q of the elements over ``dim`` lies; a dimension for vectors q comes first.

    Between two elements by ``interpolation``: linear, lower, higher, nearest or midpoint. NaN where there is a NaN.
    Derivation: the weights of the two elements.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@composite
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """As quantile, of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


# Pairs


def _require_no_less_than_0(weights: np.ndarray) -> None:
    if (weights < 0).any():
        raise ValueError("cov: expected weights >= 0, got a negative one")


@composite
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances of the rows of input, Σ w (x − x̄)(y − ȳ)/(Σ w − correction), each column one observation.

    ``fweights`` say how often, ``aweights`` how reliably a column was observed: w is their product, and with aweights
    correction is taken Σ w a/Σ w times.
    """
    if len(input.shape) > 2:
        raise ShapeError(f"cov: expected at most 2 dimensions, got {tuple(input.shape)}")
    if input.dtype.kind != "f":
        input = _cast(input, dtypes.get_default_dtype())
    x = reshape(input, (1, -1)) if len(input.shape) < 2 else input
    n = x.shape[1]
    weights = [w for w in (fweights, aweights) if w is not None]
    if any(tuple(w.shape) not in ((n,), () if n == 1 else (n,)) for w in weights):
        raise ShapeError(f"cov: expected weights ({n}), got {[tuple(w.shape) for w in weights]}")
    if (fweights is not None and fweights.dtype.kind not in "iu") or (
        aweights is not None and aweights.dtype.kind != "f"
    ):
        raise DTypeError(
            f"cov: expected integer fweights and float aweights, got {[w.dtype for w in weights]}"
        )
    for w in weights:
        recording.check(_require_no_less_than_0, array_of(w))
    if not weights:
        centered = sub(x, mean(x, 1, True))
        out = div(matmul(centered, transpose(centered, 0, 1)), float(max(n - correction, 0)))
    else:
        w = reshape(weights[0] if len(weights) == 1 else mul(*weights), (n,))
        total = sum(w)
        lost = (
            correction if aweights is None else mul(div(sum(mul(w, aweights)), total), correction)
        )
        centered = sub(x, div(sum(mul(x, w), 1, True), total))
        out = div(
            matmul(mul(centered, w), transpose(centered, 0, 1)), clamp(sub(total, lost), min=0.0)
        )
    return squeeze(out)


@composite
def corrcoef(input):
    """The correlation coefficients of the rows of input, cov[i, j]/√(cov[i, i] cov[j, j]), cut to ±1."""
    c = cov(input)
    if not c.shape:
        return div(c, c)
    scale = sqrt(diagonal(c))
    return clamp(div(div(c, unsqueeze(scale, 1)), scale), -1.0, 1.0)


@composite
def dist(input, other, p=2):
    """The p-norm of input − other."""
    return norm(sub(input, other), p)


@composite
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norms between the rows of x1 (…, n, m) and those of x2 (…, k, m), as (…, n, k); computed from differences.

    Derivation: that of norm; 0 between equal rows.
    """
    if len(x1.shape) < 2 or len(x2.shape) < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: expected rows of one length, got {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    if compute_mode not in _MODES:
        raise ValueError(
            f"cdist: expected one of {', '.join(_MODES)} as compute_mode, got {compute_mode!r}"
        )
    if p < 0:
        raise ValueError(f"cdist: expected p >= 0, got {p}")
    return norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)


@composite
def pdist(input, p=2.0):
    """The p-norms between the rows of input (n, m), of each pair once, as (n (n − 1)/2).  Derivation: as cdist."""
    if len(input.shape) != 2:
        raise ShapeError(f"pdist: expected rows (n, m), got {tuple(input.shape)}")
    first, second = map(recording.constant, np.triu_indices(input.shape[0], 1))
    return norm(sub(index_select(input, 0, first), index_select(input, 0, second)), p, -1)


_MODES = (
    "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist",
)  # fmt: skip


@composite
def renorm(input, p, dim, maxnorm):
    """input with those of its parts along ``dim`` scaled down to p-norm maxnorm that exceed it."""
    if len(input.shape) < 2:
        raise ShapeError(f"renorm: expected at least 2 dimensions, got {tuple(input.shape)}")
    dim = normalize_dim("renorm", dim, len(input.shape))
    norms = norm(input, p, tuple(d for d in range(len(input.shape)) if d != dim), True)
    return mul(input, where(gt(norms, maxnorm), div(maxnorm, add(norms, 1e-7)), 1.0))
