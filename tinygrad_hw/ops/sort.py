"""Order: sorting, ranks, and places in sorted sequences.

Where elements are chosen by rank, the gradient goes back to the elements that were chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from .core import composite, primitive
from .index import array_of, take_along_dim
from .pointwise import clone
from .reduce import ValuesIndices
from .shape import narrow, normalize_dim, squeeze

__all__ = [
    "argsort", "bincount", "bucketize", "histc", "kthvalue", "mode", "msort", "searchsorted", "sort", "topk", "unique",
    "unique_consecutive",
]  # fmt: skip


@primitive
def argsort(input, *, dim=-1, descending=False, stable=False):
    """The indices that sort input along ``dim``, NaN as the largest; equal elements keep their order."""
    dim = normalize_dim("argsort", dim, input.ndim)
    if not input.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(input, dim, kind="stable")
    turned = np.argsort(
        np.flip(input, dim), dim, kind="stable"
    )  # equal ones last to first, then first to last
    return np.ascontiguousarray(np.flip(input.shape[dim] - 1 - turned, dim))


argsort.differentiable = False


def _pick(input, at, dim: int):
    return take_along_dim(input, at, dim) if len(input.shape) else clone(input)


@composite
def sort(input, dim=-1, descending=False, stable=False):
    """The elements in order along ``dim``, and the indices they had; NaN counts as the largest."""
    dim = normalize_dim("sort", dim, len(input.shape))
    at = argsort(input, dim, descending)
    return ValuesIndices(_pick(input, at, dim), at)


@composite
def msort(input):
    """The elements in order along the first dimension."""
    return sort(input, 0).values


@composite
def topk(input, k, dim=-1, largest=True, sorted=True):
    """The k largest (or smallest) elements along ``dim`` in order, and their indices; NaN counts as the largest."""
    dim = normalize_dim("topk", dim, len(input.shape))
    n = input.shape[dim] if input.shape else 1
    if not 0 <= k <= n:
        raise ShapeError(f"topk: expected k in [0, {n}], got {k}")
    at = argsort(input, dim, largest)
    at = narrow(at, dim, 0, k) if input.shape else at
    return ValuesIndices(_pick(input, at, dim), at)


@composite
def kthvalue(input, k, dim=-1, keepdim=False):
    """The k-th smallest element along ``dim``, counted from 1, and its index; NaN counts as the largest."""
    dim = normalize_dim("kthvalue", dim, len(input.shape))
    n = input.shape[dim] if input.shape else 1
    if not 1 <= k <= n:
        raise ShapeError(f"kthvalue: expected k in [1, {n}], got {k}")
    at = argsort(input, dim)
    return _chosen(input, narrow(at, dim, k - 1, 1) if input.shape else at, dim, keepdim)


def _chosen(input, at, dim: int, keepdim: bool):
    """The elements at the one index ``at`` along ``dim``, and it."""
    pair = _pick(input, at, dim), at
    return ValuesIndices(*(pair if keepdim or not input.shape else [squeeze(x, dim) for x in pair]))


@primitive
def _search(sequence, values, *, right, out_dtype):
    """For each value, how many elements of its row of the sequence are smaller (≤ with ``right``)."""
    side: Any = "right" if right else "left"
    if sequence.ndim == 1:
        return np.searchsorted(sequence, values, side).astype(out_dtype)
    out = np.empty(np.shape(values), out_dtype)
    for row in np.ndindex(sequence.shape[:-1]):
        out[row] = np.searchsorted(sequence[row], values[row], side)
    return out


_search.differentiable = False


@composite
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """The places in sorted rows (…, n) where values (…, m) belong: before equal ones, after them with ``right``.

    A 1-d sequence serves values of any shape; ``sorter`` holds the indices that would sort the rows.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(
            f"searchsorted: expected side 'left' or 'right', and as right, got {side!r}"
        )
    shape = tuple(getattr(input, "shape", ()))
    rows = tuple(sorted_sequence.shape)
    if not rows or (len(rows) > 1 and rows[:-1] != shape[:-1]):
        raise ShapeError(f"searchsorted: expected rows for values {shape}, got a sequence {rows}")
    if sorter is not None:
        sorted_sequence = take_along_dim(sorted_sequence, sorter, -1)
    dtype = dtypes.int32 if out_int32 else dtypes.int64
    return _search(sorted_sequence, input, right or side == "right", dtype)


@composite
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The number of the interval between sorted ``boundaries`` that each element is in, closed on the right,
    or with ``right`` on the left."""
    if len(boundaries.shape) != 1:
        raise ShapeError(f"bucketize: expected boundaries (n), got {tuple(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@primitive
def bincount(input, *, weights=None, minlength=0):
    """How often each of 0, 1, … stands in input (n), or the sum of the weights (n) of its places."""
    if input.dtype.kind not in "iu" or input.ndim != 1:
        raise DTypeError(f"bincount: expected integers (n), got {input.dtype} {input.shape}")
    if input.size and input.min() < 0:
        raise ValueError(f"bincount: expected integers >= 0, got {input.min()}")
    weights = None if weights is None else array_of(weights)
    if weights is not None and weights.shape != input.shape:
        raise ShapeError(f"bincount: expected weights {input.shape}, got {weights.shape}")
    out = np.bincount(input, weights, minlength)
    return out if weights is None or weights.dtype != np.float32 else out.astype(np.float32)


@primitive
def _distinct(input, *, dim, what):
    """One of what ``np.unique`` returns: 0 the values, 1 first places, 2 the inverse, 3 the counts."""
    if dim is None:
        values, first, inverse, counts = np.unique(input, True, True, True, equal_nan=False)
        return (values, first, inverse.reshape(input.shape), counts)[what]
    values, first, inverse, counts = np.unique(input, True, True, True, axis=dim)
    return (values, first, inverse.reshape(-1), counts)[what]


@primitive
def _runs(input, *, dim, what):
    """As ``_distinct``, of runs of equal neighbours."""
    rows = input.reshape(-1, 1) if dim is None else np.moveaxis(input, dim, 0)
    n = len(rows)
    new = (rows[1:] != rows[:-1]).reshape(max(n - 1, 0), rows[:1].size).any(1)
    starts = np.flatnonzero(np.r_[[True] * (n > 0), new])
    if what == 0:
        return rows[starts].reshape(-1) if dim is None else np.moveaxis(rows[starts], 0, dim)
    if what == 3:
        return np.diff(np.r_[starts, n])
    inverse = np.cumsum(np.r_[[0] * (n > 0), new], dtype=np.int64)[:n]
    return inverse.reshape(input.shape) if dim is None else inverse


bincount.differentiable = _distinct.differentiable = _runs.differentiable = False
_distinct.shaped_by_values = _runs.shaped_by_values = "unique"


def _unique(find, input, return_inverse, return_counts, dim):
    wanted = [0] + [2] * bool(return_inverse) + [3] * bool(return_counts)
    results = tuple(find(input, dim, what) for what in wanted)
    return results if len(results) > 1 else results[0]


@composite
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements (or slices along ``dim``) in order; with them on request the place in them of each
    element of input, and how often each stands there."""
    dim = dim if dim is None else normalize_dim("unique", dim, len(input.shape))
    return _unique(_distinct, input, return_inverse, return_counts, dim)


@composite
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """As unique, but of runs of equal neighbours, in their order."""
    dim = dim if dim is None else normalize_dim("unique_consecutive", dim, len(input.shape))
    return _unique(_runs, input, return_inverse, return_counts, dim)


@primitive
def _mode_index(input, *, dim):
    """The last place along ``dim`` of the smallest of the most frequent elements."""
    if not input.ndim:
        return np.zeros((), np.int64)
    rows = np.moveaxis(input, dim, -1)[..., None]
    counts = (rows == rows.swapaxes(-1, -2)).sum(-1, keepdims=True)
    most = counts == counts.max(-2, keepdims=True)
    least = np.min(rows, -2, keepdims=True, where=most, initial=rows.max(initial=0))
    chosen = (most & (rows == least))[..., ::-1, 0]
    return np.expand_dims(rows.shape[-2] - 1 - chosen.argmax(-1), dim)


@composite
def mode(input, dim=-1, keepdim=False):
    """The most frequent element along ``dim``, of several the smallest, and the last index that it has."""
    dim = normalize_dim("mode", dim, len(input.shape))
    if input.shape and not input.shape[dim]:
        raise ShapeError(f"mode: expected elements to choose from, got shape {tuple(input.shape)}")
    at = _mode_index(input, dim)
    return _chosen(input, at, dim, keepdim)


@primitive
def histc(input, *, bins=100, min=0, max=0):
    """How many elements are in each of ``bins`` equal parts of [min, max] (0 and 0: of the range of input)."""
    if input.dtype.kind != "f":
        raise DTypeError(f"histc: expected floating point, got {input.dtype}")
    if bins < 1 or min > max:
        raise ValueError(f"histc: expected bins >= 1 and min <= max, got {bins}, {min} and {max}")
    bounds = (input.min(), input.max()) if min == max == 0 and input.size else (min, max)
    if bounds[0] == bounds[1]:
        bounds = bounds[0] - 1, bounds[1] + 1
    return np.histogram(input, bins, bounds)[0].astype(input.dtype)


_mode_index.differentiable = histc.differentiable = False
