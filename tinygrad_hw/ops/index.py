"""Indexing: gathering elements by index arrays, and the scattering that is its derivative."""

from __future__ import annotations

import numpy as np

from ..errors import DTypeError, ShapeError
from ..kernels import recording
from .core import Recorded, composite, primitive
from .pointwise import _cast, where
from .shape import _slice, normalize_dim, reshape

__all__ = [
    "gather", "index_select", "masked_fill", "take_along_dim",
]  # fmt: skip


def array_of(x) -> np.ndarray:
    """The array behind an index operand: indices take part in no gradient."""
    if not isinstance(x, Recorded):
        return np.asarray(x)
    if (recording.current and recording.here()) is not None:
        recording.current.adopt(x)
    return x._array


@composite
def getitem(input, index):
    """input[index], NumPy's indexing: a view for ints and slices, a copy for index arrays and masks.

    Derivation: zeros with the gradient at the places taken; places taken twice get the sum.
    """
    parsed, simple = parse_index(input, index)
    try:
        return _slice(input, parsed) if simple else _take(input, parsed)
    except IndexError as error:
        raise IndexError(f"getitem: {error} (shape {tuple(input.shape)})") from None


def parse_index(input, index) -> tuple[tuple, bool]:
    """``index`` as a tuple of ints, slices, None, … and arrays, and whether there are no arrays in it."""
    items = index if isinstance(index, tuple) else (index,)
    simple = True
    parsed: list = []
    consumed = 0
    for item in items:
        if item is None or item is Ellipsis or isinstance(item, slice):
            consumed += isinstance(item, slice)
        elif isinstance(item, bool | np.bool_):
            simple = False
        elif isinstance(item, int | np.integer):
            consumed += 1
        else:
            item = _index_array(item)
            if item.ndim == 0 and item.dtype.kind in "iu":
                item = int(item)
                consumed += 1
            else:
                simple = False
                consumed += item.ndim if item.dtype.kind == "b" else 1
                _check_mask(input, item, consumed, items)
        parsed.append(_plain_slice(item) if isinstance(item, slice) else item)
    if builtin_sum(item is Ellipsis for item in parsed) > 1:
        raise IndexError("getitem: expected at most one '...' in the index, got more")
    if consumed > len(input.shape):
        raise IndexError(f"getitem: expected at most {len(input.shape)} indices, got {consumed}")
    return tuple(parsed), simple


builtin_sum = sum


def _plain_slice(item: slice) -> slice:
    """Bounds that are 0-d tensors become ints."""
    start, stop, step = (
        b if b is None else int(b.__index__()) for b in (item.start, item.stop, item.step)
    )
    return slice(start, stop, step)


def _index_array(item) -> np.ndarray:
    array = _index_of(item)
    if isinstance(item, Recorded) and (array.ndim == 0 or array.dtype.kind == "b"):
        kind = "mask, whose number of elements" if array.ndim else "0-d tensor, whose value"
        recording.refuse(f"indexing by a {kind} is not known", "Use where() or index_select().")
    if array.size == 0 and array.dtype.kind == "f" and not hasattr(item, "dtype"):
        array = array.astype(np.int64)  # an empty list
    if array.dtype.kind not in "biu":
        raise IndexError(
            f"getitem: expected integer, bool, slice, None or '...' as index, got {array.dtype}"
        )
    return array


def _check_mask(input, mask: np.ndarray, consumed: int, items: tuple) -> None:
    if mask.dtype.kind == "b" and len(items) == 1 and mask.shape != tuple(input.shape[: mask.ndim]):
        raise IndexError(
            f"getitem: expected a mask of shape {tuple(input.shape[: mask.ndim])}, got {mask.shape}"
        )


@primitive
def _take(input, *, index):
    """input[index] with index arrays, a copy.  Derivation: ``_put`` the gradient back, adding up."""
    return np.asarray(input[index])


@_take.vjp
def _(g, input_shape, index):
    return _put(g, input_shape, index)


@primitive
def _put(input, *, shape, index):
    """Zeros of ``shape`` with input added at ``index``, repeated places summed.  Derivation: ``_take``."""
    out = np.zeros(shape, input.dtype)
    np.add.at(out, index, input)
    return out


_put.vjp(lambda g, index: _take(g, index))


@primitive
def _index_put(input, values, *, index):
    """input with values at ``index``.

    Derivation: what was overwritten gets 0, values get the gradient there.
    """
    out = input.copy()
    out[index] = values
    return out


_index_put.broadcasts = True


_index_put.vjp("input")(lambda g, index: _index_put(g, 0.0, index))
_index_put.vjp("values")(lambda g, index: _take(g, index))


@primitive
def _show(input, value, *, steps):
    """input with the part that the view operations ``steps`` show replaced by value.

    Derivation: value gets the gradient of that part; input gets the rest, with zeros there.
    """
    out = input.copy()
    _follow(steps, out)[...] = value
    return out


_show.broadcasts = True


def _follow(steps, x):
    """``x`` seen through view operations, each with its attributes."""
    for op, attrs in steps:
        x = op(x, *attrs)
    return x


_show.vjp("input")(lambda g, steps: _show(g, 0.0, steps=steps))
_show.vjp("value")(lambda g, steps: _follow(steps, g))


def _index_of(x) -> np.ndarray:
    """The values of an index: a copy, as what backward needs must not change with the caller's array."""
    if (recording.current and recording.here()) is None:
        return np.array(array_of(x))
    if isinstance(x, Recorded | np.ndarray):
        return array_of(x)
    return recording.constant(np.array(x))


def _int_index(name: str, index) -> np.ndarray:
    array = _index_of(index)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected an integer index, got {array.dtype}")
    return array


def _in_range(name: str, index: np.ndarray, n: int, lowest: int = 0) -> None:
    recording.check(_require_range, name, index, n, lowest)


def _require_range(name: str, index: np.ndarray, n: int, lowest: int) -> None:
    if index.size and (index.min() < lowest or index.max() >= n):
        bad = index.min() if index.min() < lowest else index.max()
        raise IndexError(f"{name}: expected indices in [{lowest}, {n - 1}], got {bad}")


def _along(shape: tuple[int, ...], index: np.ndarray, dim: int) -> tuple:
    """An index tuple that is each element's own position, but ``index`` along ``dim``."""
    grid = np.ogrid[tuple(slice(n) for n in index.shape)]
    return tuple(index if d == dim else recording.constant(grid[d]) for d in range(len(shape)))


@composite
def gather(input, dim, index):
    """out[i, j, …] = input[index[i, j, …], j, …] (for dim 0).

    Derivation: the gradient is added to the places it was read from. Shapes: index has input's number of dimensions
    and is nowhere larger but along ``dim``.
    """
    index = _int_index("gather", index)
    shape = tuple(input.shape)
    dim = normalize_dim("gather", dim, len(shape))
    if not shape:
        return reshape(gather(reshape(input, (1,)), 0, index.reshape(-1)), index.shape)
    if index.size and (
        index.ndim != len(shape)
        or any(m > n for d, (m, n) in enumerate(zip(index.shape, shape, strict=True)) if d != dim)
    ):
        raise ShapeError(
            f"gather: expected an index that fits {shape} but along dim {dim}, got {index.shape}"
        )
    if not index.size:
        return _cut_away(input, index.shape)
    _in_range("gather", index, shape[dim])
    return _take(input, _along(shape, index, dim))


def _cut_away(input, shape: tuple[int, ...]):
    """None of input's elements, in a shape that holds none."""
    return reshape(_slice(reshape(input, (-1,)), (slice(0),)), shape)


@composite
def take_along_dim(input, indices, dim=None):
    """As gather, with input and indices broadcast against each other; without ``dim``, of the flattened input."""
    indices = _int_index("take_along_dim", indices)
    if dim is None:
        input, indices, dim = reshape(input, (-1,)), indices.reshape(-1), 0
    shape = tuple(input.shape)
    dim = normalize_dim("take_along_dim", dim, len(shape))
    if indices.ndim != len(shape):
        raise ShapeError(
            f"take_along_dim: expected {len(shape)} dimensions of indices, got {indices.ndim}"
        )
    _in_range("take_along_dim", indices, shape[dim], -shape[dim])
    rest = [tuple(1 if d == dim else n for d, n in enumerate(x)) for x in (shape, indices.shape)]
    try:
        full = list(np.broadcast_shapes(*rest))
    except ValueError:
        raise ShapeError(
            f"take_along_dim: expected shapes that broadcast but along dim {dim}, "
            f"got {shape} and {indices.shape}"
        ) from None
    full[dim] = indices.shape[dim]
    indices = np.broadcast_to(indices, full)
    index = _along(shape, indices, dim)
    return _take(
        input,
        tuple(
            0 if d != dim and n == 1 else i
            for d, (i, n) in enumerate(zip(index, shape, strict=True))
        ),
    )


@composite
def index_select(input, dim, index):
    """The slices of input at ``index`` (1-d) along ``dim``.  Derivation: slices taken twice get the sum."""
    index = _int_index("index_select", index)
    dim = normalize_dim("index_select", dim, len(input.shape))
    if index.ndim > 1:
        raise ShapeError(f"index_select: expected a 1-d index, got shape {index.shape}")
    if not input.shape:
        return reshape(index_select(reshape(input, (1,)), 0, index), ())
    _in_range("index_select", index, input.shape[dim])
    return _take(input, (slice(None),) * dim + (index.reshape(-1),))


@composite
def masked_fill(input, mask, value):
    """input with ``value`` where mask holds.  Derivation: 0 there, the gradient elsewhere."""
    kind = np.asarray(mask).dtype if isinstance(mask, bool | list) else mask.dtype
    if kind.kind != "b":
        raise DTypeError(f"masked_fill: expected a bool mask, got {kind}")
    if not isinstance(value, int | float):
        if tuple(value.shape):
            raise ShapeError(
                f"masked_fill: expected a number or a 0-d value, got shape {tuple(value.shape)}"
            )
        return where(mask, _cast(value, input.dtype), input)
    try:
        return where(mask, input.dtype.type(value), input)
    except OverflowError:
        raise DTypeError(f"masked_fill: expected a value of {input.dtype}, got {value}") from None
