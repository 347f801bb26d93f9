"""Writing to places named by indices and masks, and reading from them.

All of it rests on two rules: a value put at a place takes the gradient of that place, and what it replaced gets none;
a value added there takes it too, and so does what was there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..kernels import recording
from .arrange import _diagonal, _two_dims
from .core import composite, primitive

from .index import (  # isort: skip
    _along, _in_range, _index_of, _index_put, _int_index, _put, _show, _take, array_of,
)  # fmt: skip
from .pointwise import _cast, add, div, mul, where
from .reduce import _expand, amax, amin, prod, sum
from .shape import _length, _slice, cat, normalize_dim, reshape, unsqueeze

__all__ = [
    "argwhere", "diagonal_scatter", "index_add", "index_copy", "index_fill", "index_put", "index_reduce",
    "masked_scatter", "masked_select", "nonzero", "put", "scatter", "scatter_add", "scatter_reduce", "select_scatter",
    "slice_scatter", "take",
]  # fmt: skip


@primitive
def argwhere(input):
    """The indices of the nonzero elements, a row each, in row-major order."""
    return np.argwhere(input)


argwhere.differentiable = False
argwhere.shaped_by_values = "nonzero"


@composite
def nonzero(input, *, as_tuple=False):
    """The indices of the nonzero elements, a row each, or with ``as_tuple`` a vector for each dimension."""
    if not as_tuple:
        return argwhere(input)
    rows = argwhere(input if input.shape else reshape(input, (1,)))
    return tuple(_slice(rows, (slice(None), d)) for d in range(rows.shape[1]))


def _mask(name: str, mask) -> np.ndarray:
    recording.refuse("choosing by a mask", "Use where().")
    mask = np.array(mask if isinstance(mask, bool) else array_of(mask))
    if mask.dtype.kind != "b":
        raise DTypeError(f"{name}: expected a bool mask, got {mask.dtype}")
    return mask


def _spread_mask(name: str, input, mask) -> tuple:
    """Operand and mask repeated to the shape in which they meet."""
    mask = _mask(name, mask)
    try:
        shape = np.broadcast_shapes(tuple(input.shape), mask.shape)
    except ValueError:
        raise ShapeError(
            f"{name}: expected shapes that broadcast, got {tuple(input.shape)} and {mask.shape}"
        ) from None
    return _expand(input, shape), np.broadcast_to(mask, shape)


@composite
def masked_select(input, mask):
    """The elements where mask holds, as a vector; both broadcast."""
    input, mask = _spread_mask("masked_select", input, mask)
    return _take(input, (mask,)) if mask.ndim else _take(reshape(input, (1,)), (mask.reshape(1),))


@composite
def masked_scatter(input, mask, source):
    """input with the first elements of source, in order, where mask holds."""
    input, mask = _spread_mask("masked_scatter", input, mask)
    count = int(mask.sum())
    values = reshape(source, (-1,))
    if values.shape[0] < count:
        raise ShapeError(
            f"masked_scatter: expected {count} elements or more, got {values.shape[0]}"
        )
    return _index_put(input, _cast(_slice(values, (slice(count),)), input.dtype), (mask,))


@composite
def take(input, index):
    """The elements of the flattened input at ``index``, in its shape."""
    index = _int_index("take", index)
    values = reshape(input, (-1,))
    _in_range("take", index, values.shape[0], -values.shape[0])
    return _take(values, (index,))


@composite
def put(input, index, source, accumulate=False):
    """input with source at the places ``index`` of the flattened input, or added there."""
    index = _int_index("put", index).reshape(-1)
    values = reshape(input, (-1,))
    _in_range("put", index, values.shape[0], -values.shape[0])
    source = reshape(source, (-1,))
    return reshape(index_put(values, (index,), source, accumulate), tuple(input.shape))


@composite
def index_put(input, indices, values, accumulate=False):
    """input with values at input[indices], or with ``accumulate`` added there, repeatedly where places repeat."""
    index = tuple(_index_of(i) if i is not None else slice(None) for i in indices)
    if values.dtype != input.dtype:
        raise DTypeError(f"index_put: expected values of {input.dtype}, got {values.dtype}")
    if not accumulate:
        return _index_put(input, values, index)
    shape = np.broadcast_to(False, input.shape)[index].shape
    return add(input, _put(_expand(values, shape), tuple(input.shape), index))


def _slices(name: str, input, dim, index) -> tuple:
    """Operand (with a dimension), ``dim`` and an index for whole slices along it."""
    index = _int_index(name, index)
    if index.ndim > 1:
        raise ShapeError(f"{name}: expected a 1-d index, got shape {index.shape}")
    if not input.shape:
        input = reshape(input, (1,))
    dim, n = _length(name, input.shape, dim)
    _in_range(name, index, n)
    return input, (slice(None),) * dim + (index.reshape(-1),), dim


def _source(name: str, input, source, dim: int, count: int):
    """``source`` as the ``count`` slices of input's shape that it must be."""
    shape = (*input.shape[:dim], count, *input.shape[dim + 1 :])
    if tuple(source.shape) != shape and not (len(source.shape) == 0 and np.prod(shape) == 1):
        raise ShapeError(f"{name}: expected a source of shape {shape}, got {tuple(source.shape)}")
    if source.dtype != input.dtype:
        raise DTypeError(f"{name}: expected a source of {input.dtype}, got {source.dtype}")
    return reshape(source, shape)


@composite
def index_add(input, dim, index, source, *, alpha=1):
    """input with alpha · source added to the slices at ``index`` along ``dim``, repeatedly where places repeat."""
    x, at, dim = _slices("index_add", input, dim, index)
    source = _source("index_add", x, source, dim, at[-1].size)
    if alpha != 1:
        if x.dtype.kind != "f" and alpha != int(alpha):
            raise DTypeError(f"index_add: expected an integer alpha for integers, got {alpha}")
        source = mul(source, recording.constant(np.asarray(alpha, x.dtype)))
    added = _put(source, tuple(x.shape), at)
    return reshape(add(x, added), tuple(input.shape))


@composite
def index_copy(input, dim, index, source):
    """input with source in place of the slices at ``index`` along ``dim``."""
    x, at, dim = _slices("index_copy", input, dim, index)
    source = _source("index_copy", x, source, dim, at[-1].size)
    return reshape(_index_put(x, source, at), tuple(input.shape))


@composite
def index_fill(input, dim, index, value):
    """input with ``value``, a number or 0-d, in the slices at ``index`` along ``dim``."""
    x, at, dim = _slices("index_fill", input, dim, index)
    if getattr(value, "shape", ()):
        raise ShapeError(f"index_fill: expected a number or a 0-d value, got {tuple(value.shape)}")
    value = input.dtype.type(value) if isinstance(value, int | float) else _cast(value, input.dtype)
    at = (
        *at[:-1],
        recording.constant(np.unique(at[-1])),
    )  # a place filled twice is filled once: so for the derivative
    return reshape(_index_put(x, value, at), tuple(input.shape))


def _places(name: str, input, dim, index, src=None) -> tuple:
    """The index tuple of ``index`` along ``dim``, and of src the part that it uses."""
    index = _int_index(name, index)
    ndim = len(input.shape)
    dim = normalize_dim(name, dim, ndim)
    if index.size == 0:
        index = index.reshape((0,) * ndim)
    shapes = [
        s for s in (tuple(input.shape), None if src is None else tuple(src.shape)) if s is not None
    ]
    for k, shape in enumerate(shapes):
        if index.size and (index.ndim != len(shape) or any(
            m > n for d, (m, n) in enumerate(zip(index.shape, shape, strict=True)) if k or d != dim
        )):  # fmt: skip
            raise ShapeError(
                f"{name}: expected an index that fits {' and '.join(map(str, shapes))}, got {index.shape}"
            )
    _in_range(name, index, input.shape[dim])
    if src is not None:
        if src.dtype != input.dtype:
            raise DTypeError(f"{name}: expected src of {input.dtype}, got {src.dtype}")
        src = _slice(src, tuple(slice(n) for n in index.shape))
    return _along(tuple(input.shape), index, dim), src


def _with_dims(function, input, dim, index, src, *rest):
    """``function`` of 0-d operands as of vectors."""
    if input.shape:
        return function(input, dim, index, src, *rest)
    index = _index_of(index).reshape(-1)
    src = reshape(src, (-1,)) if hasattr(src, "shape") else src
    return reshape(function(reshape(input, (1,)), dim, index, src, *rest), ())


@composite
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """input with src (or the number ``value``) at out[index[i, j, …], j, …] (for dim 0).

    ``reduce`` "add" or "multiply" combines it with what is there. Of a place named twice, one src stays, and each gets
    the gradient, as in PyTorch.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter: expected src or value, got neither")
    if reduce not in (None, "add", "multiply"):
        raise ValueError(f"scatter: expected reduce None, 'add' or 'multiply', got {reduce!r}")
    if reduce is not None:
        if isinstance(src, int | float):
            src = np.full(tuple(index.shape), src, input.dtype)
        return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")
    return _with_dims(_scatter, input, dim, index, src)


def _scatter(input, dim, index, src):
    if isinstance(src, int | float):
        places, _ = _places("scatter", input, dim, index)
        return _index_put(input, src, places)
    places, src = _places("scatter", input, dim, index, src)
    return _index_put(input, src, places)


@composite
def scatter_add(input, dim, index, src):
    """input with src added at out[index[i, j, …], j, …] (for dim 0), repeatedly where places repeat."""
    return _with_dims(_scatter_add, input, dim, index, src)


def _scatter_add(input, dim, index, src):
    places, src = _places("scatter_add", input, dim, index, src)
    return add(input, _put(src, tuple(input.shape), places))


@composite
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """The sum, prod, mean, amax or amin of the elements of src with one place out[index[i, j, …], j, …] (for dim 0).

    With ``include_self`` input's element at the place counts too; places that no index names keep theirs.
    """
    if reduce not in _REDUCE:
        raise ValueError(f"scatter_reduce: expected one of {', '.join(_REDUCE)}, got {reduce!r}")
    return _with_dims(_scatter_reduce, input, dim, index, src, reduce, include_self)


#: reduction over the candidates of a place, and the number that changes nothing in it
_REDUCE: dict[str, tuple[Any, float]] = {
    "sum": (sum, 0), "prod": (prod, 1), "mean": (sum, 0), "amax": (amax, -np.inf), "amin": (amin, np.inf),
}  # fmt: skip


def _scatter_reduce(input, dim, index, src, reduce, include_self):
    """Candidates of a place lie in a new last dimension, input's first: the reduction along it has the derivatives."""
    recording.refuse("scatter_reduce()", "Use scatter_add(), or index_add().")
    places, src = _places("scatter_reduce", input, dim, index, src)
    shape = tuple(input.shape)
    function, neutral = _REDUCE[reduce]
    if input.dtype.kind != "f" and np.isinf(neutral):
        limits = np.iinfo(np.uint8 if input.dtype.kind == "b" else input.dtype)
        neutral = limits.min if neutral < 0 else limits.max
    full = np.broadcast_arrays(*places)
    flat = (
        np.ravel_multi_index([p.reshape(-1) for p in full], shape)
        if full[0].size
        else np.zeros(0, int)
    )
    order = np.argsort(flat, kind="stable")
    rank = np.empty(flat.size, int)
    rank[order] = np.arange(flat.size) - np.searchsorted(flat[order], flat[order])
    counts = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    own = input if include_self else where(counts == 0, input, np.asarray(neutral, input.dtype))
    others = np.full((*shape, int(rank.max(initial=-1)) + 1), neutral, input.dtype)
    others = _index_put(others, src, (*full, rank.reshape(full[0].shape)))
    out = function(cat((unsqueeze(own, -1), others), -1), -1)
    if reduce == "mean":
        total = counts + 1 if include_self else np.maximum(counts, 1)
        out = div(out, total, rounding_mode=None if input.dtype.kind == "f" else "floor")
    return out if out.dtype == input.dtype else _cast(out, input.dtype)


def _replaced(name: str, input, src, op, *attrs):
    """input with src in place of the part that a view operation shows."""
    shape = op.forward(np.broadcast_to(False, tuple(input.shape)), *attrs).shape
    if tuple(src.shape) != shape:
        raise ShapeError(f"{name}: expected src of shape {shape}, got {tuple(src.shape)}")
    src = src if src.dtype == input.dtype else _cast(src, input.dtype)
    return _show(input, src, ((op, attrs),))


@composite
def select_scatter(input, src, dim, index):
    """input with src in place of its part at ``index`` along ``dim`` (see select)."""
    dim, n = _length("select_scatter", input.shape, dim)
    if not -n <= index < n:
        raise IndexError(f"select_scatter: expected an index in [{-n}, {n - 1}], got {index}")
    return _replaced("select_scatter", input, src, _slice, (slice(None),) * dim + (index,))


@composite
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """input with src in place of its slices start, start + step, … < end along ``dim``."""
    dim, _ = _length("slice_scatter", input.shape, dim)
    if step < 1:
        raise ValueError(f"slice_scatter: expected step >= 1, got {step}")
    part = (slice(None),) * dim + (slice(start, end, step),)
    return _replaced("slice_scatter", input, src, _slice, part)


@composite
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """input with src in place of its diagonal (see diagonal)."""
    dims = _two_dims("diagonal_scatter", dim1, dim2, len(input.shape))
    return _replaced("diagonal_scatter", input, src, _diagonal, offset, *dims)


@composite
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """As scatter_reduce by prod, mean, amax or amin, of whole slices at ``index`` along ``dim``."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise ValueError(f"index_reduce: expected prod, mean, amax or amin, got {reduce!r}")
    x, at, dim = _slices("index_reduce", input, dim, index)
    source = _source("index_reduce", x, source, dim, at[-1].size)
    at = at[-1].reshape((-1,) + (1,) * (len(x.shape) - dim - 1))
    at = np.broadcast_to(at, tuple(source.shape))
    out = scatter_reduce(x, dim, at, source, reduce, include_self=include_self)
    return reshape(out, tuple(input.shape))
