"""Shape: the same elements under other indices, joined, cut, padded and turned.

Each of these maps is linear and moves elements without arithmetic, so its derivative moves them back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from ..kernels.arrays import assign, fill, gather
from ..kernels.elementwise import native
from ..kernels.recording import root_of
from .core import composite, primitive, view

__all__ = [
    "cat", "chunk", "flatten", "flip", "narrow", "one_hot", "pad", "permute", "reshape", "select", "split", "squeeze",
    "stack", "transpose", "tril", "triu", "unsqueeze",
]  # fmt: skip


def normalize_dim(name: str, dim, ndim: int) -> int:
    """``dim`` counted from the front.  Raises: IndexError when it is out of range."""
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
        raise TypeError(f"{name}: expected an int as dim, got {dim!r}")
    span = max(ndim, 1)  # a 0-d tensor may be reduced along dim 0 or −1
    if not -span <= dim < span:
        raise IndexError(f"{name}: expected dim in [{-span}, {span - 1}], got {dim}")
    return int(dim) % span


def normalize_dims(name: str, dim, ndim: int) -> tuple[int, ...]:
    """``dim`` (None: all, an int, or ints) as a sorted tuple counted from the front, without repetition."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, Sequence):
        if not dim:
            return tuple(range(ndim))
        dims = tuple(sorted(normalize_dim(name, d, ndim) for d in dim))
        if len(set(dims)) < len(dims):
            raise ValueError(f"{name}: expected different dims, got {tuple(dim)}")
    else:
        dims = (normalize_dim(name, dim, ndim),)
    return dims if ndim else ()


def _length(name: str, shape, dim) -> tuple[int, int]:
    """``dim`` counted from the front, and the size there.  Raises: ShapeError where there are no dimensions."""
    if not shape:
        raise ShapeError(f"{name}: expected at least 1 dimension, got a 0-d tensor")
    dim = normalize_dim(name, dim, len(shape))
    return dim, shape[dim]


def _sizes(name: str, shape) -> tuple[int, ...]:
    if isinstance(shape, int | np.integer):
        shape = (shape,)
    try:
        return tuple(int(n.__index__()) for n in shape)
    except (AttributeError, TypeError):
        raise TypeError(f"{name}: expected ints, got {shape!r}") from None


def _infer(name: str, shape, size: int, old) -> tuple[int, ...]:
    """``shape`` with its −1 replaced.  Raises: ShapeError when it cannot hold ``size`` elements."""
    new = _sizes(name, shape)
    known = math.prod(n for n in new if n != -1)
    wrong = any(n < -1 for n in new) or new.count(-1) > 1
    if not wrong and -1 in new and known and size % known == 0:
        new = tuple(size // known if n == -1 else n for n in new)
    if wrong or -1 in new or math.prod(new) != size:
        raise ShapeError(
            f"{name}: expected a shape for {size} elements, got {new} for {tuple(old)}"
        )
    return new


@composite
def reshape(input, shape):
    """The same elements in row-major order under another shape; one size may be −1.

    Shares memory where it can. Derivation: the gradient in the old shape.
    """
    return _reshape(input, _infer("reshape", shape, math.prod(input.shape), input.shape))


@view
def _reshape(input, *, shape):
    return input.reshape(shape)


@_reshape.native
def _(input, shape):
    out = input.reshape(shape)
    return out if root_of(out) is root_of(input) else native(input).reshape(shape)


_reshape.vjp(lambda g, input_shape: _reshape(g, input_shape))


@composite
def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions start_dim … end_dim merged into one.  Derivation: as reshape."""
    ndim = len(input.shape)
    first, last = normalize_dim("flatten", start_dim, ndim), normalize_dim("flatten", end_dim, ndim)
    if first > last:
        raise ValueError(f"flatten: expected start_dim <= end_dim, got {start_dim} and {end_dim}")
    shape = tuple(input.shape)
    return _reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composite
def squeeze(input, dim=None):
    """Without its dimensions of size 1 (or those of them named by ``dim``).  Derivation: as reshape."""
    empty = isinstance(dim, Sequence) and not dim  # of no dims, where reductions mean all
    dims = () if empty else normalize_dims("squeeze", dim, len(input.shape))
    return _reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims))


@composite
def unsqueeze(input, dim):
    """With a new dimension of size 1 at ``dim``.  Derivation: as reshape."""
    at = normalize_dim("unsqueeze", dim, len(input.shape) + 1)
    return _reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


@composite
def permute(input, dims):
    """Dimensions in the order ``dims``; shares memory.  Derivation: the inverse permutation."""
    ndim = len(input.shape)
    order = tuple(normalize_dim("permute", d, ndim) for d in dims)
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"permute: expected each of {ndim} dims once, got {tuple(dims)}")
    return _permute(input, order)


@view
def _permute(input, *, dims):
    return input.transpose(dims)


_permute.vjp(lambda g, dims: _permute(g, tuple(sorted(range(len(dims)), key=dims.__getitem__))))


@composite
def transpose(input, dim0, dim1):
    """Two dimensions exchanged; shares memory.  Derivation: the same exchange."""
    ndim = len(input.shape)
    a, b = normalize_dim("transpose", dim0, ndim), normalize_dim("transpose", dim1, ndim)
    order = list(range(ndim))
    if ndim:
        order[a], order[b] = order[b], order[a]
    return _permute(input, tuple(order))


@view
def _slice(input, *, index):
    """input[index] for an index of ints, slices, None and … only; shares memory.  Derivation: ``_unslice``."""
    out = input[index]
    # One element is a 0-d view too, where NumPy would give a scalar.
    return out if isinstance(out, np.ndarray) else input[(*index, ...)]


@_slice.vjp
def _(g, input_shape, index):
    return _unslice(g, input_shape, index)


@primitive
def _unslice(input, *, shape, index):
    """Zeros of ``shape`` with input at ``index``.  Derivation: ``_slice``."""
    out = np.zeros(shape, input.dtype)
    out[index] = input
    return out


@_unslice.native
def _(input, shape, index):
    out = _filled(shape, 0, index, input)
    return _unslice.forward(input, shape, index) if out is None else out


def _filled(shape, value, index, part):
    """``value`` everywhere but at ``index``, where ``part`` is; None where that takes NumPy."""
    out = np.empty(shape, part.dtype)
    fill(out.reshape(-1), part.dtype.type(value))
    shown = out[index]
    return (
        out
        if assign(shown if isinstance(shown, np.ndarray) else out[(*index, ...)], part)
        else None
    )


_unslice.vjp(lambda g, index: _slice(g, index))


@composite
def narrow(input, dim, start, length):
    """Elements start … start + length − 1 along ``dim``; shares memory.  Derivation: zeros around the gradient."""
    dim, n = _length("narrow", input.shape, dim)
    first = start + n if start < 0 else start
    if not 0 <= first <= n or length < 0 or first + length > n:
        raise IndexError(
            f"narrow: expected a range within {n} elements, got {start} and length {length}"
        )
    return _slice(input, (slice(None),) * dim + (slice(first, first + length),))


@composite
def select(input, dim, index):
    """The part of input at ``index`` along ``dim``, without that dimension; shares memory."""
    dim = normalize_dim("select", dim, len(input.shape))
    n = input.shape[dim] if input.shape else 0
    if not -n <= index < n:
        raise IndexError(f"select: expected an index in [{-n}, {n - 1}], got {index}")
    return _slice(input, (slice(None),) * dim + (index,))


def _tensors(name: str, tensors) -> tuple:
    if not isinstance(tensors, Sequence) or not tensors:
        raise TypeError(f"{name}: expected a non-empty sequence of tensors, got {tensors!r}")
    for t in tensors:
        if not hasattr(t, "shape"):
            raise TypeError(f"{name}: expected tensors, got {type(t).__name__}")
    return tuple(tensors)


@composite
def cat(tensors, dim=0):
    """Tensors joined along ``dim``; they agree in all other sizes.  Derivation: each gets its part of the gradient."""
    tensors = _tensors("cat", tensors)
    shapes = [tuple(t.shape) for t in tensors]
    full = next((s for s in shapes if s != (0,)), (0,))
    if not full:
        raise ShapeError("cat: expected tensors with dimensions, got a 0-d one\nUse stack.")
    dim = normalize_dim("cat", dim, len(full))
    rest = full[:dim] + full[dim + 1 :]
    if any(len(s) != len(full) or s[:dim] + s[dim + 1 :] != rest for s in shapes if s != (0,)):
        raise ShapeError(f"cat: expected equal sizes in all dims but {dim}, got {shapes}")
    # An empty 1-d tensor joins with anything, as in PyTorch.
    empty = (*full[:dim], 0, *full[dim + 1 :])
    parts = [t if len(t.shape) == len(full) else _reshape(t, empty) for t in tensors]
    offsets = [0]
    for t in parts:
        offsets.append(offsets[-1] + t.shape[dim])
    return _cat(*parts, dim=dim, offsets=tuple(offsets))


@primitive
def _cat(*tensors, dim, offsets):
    dtype = tensors[0].dtype
    if any(t.dtype != dtype for t in tensors):
        dtype = dtypes.result_type(*tensors)
        tensors = tuple(np.asarray(t, dtype) for t in tensors)
    return np.concatenate(tensors, dim)


@_cat.native
def _(*args):
    *tensors, dim, offsets = args
    shape = list(tensors[0].shape)
    shape[dim] = offsets[-1]
    out = np.empty(shape, dtypes.result_type(*tensors))
    for t, first, last in zip(tensors, offsets[:-1], offsets[1:], strict=True):
        if not assign(out[(slice(None),) * dim + (slice(first, last),)], t):
            return _cat.forward(*args)
    return out


@_cat.vjp("tensors")
def _(g, position, dim, offsets):
    return narrow(g, dim, offsets[position], offsets[position + 1] - offsets[position])


@composite
def stack(tensors, dim=0):
    """Tensors of one shape joined along a new dimension.  Derivation: as cat."""
    tensors = _tensors("stack", tensors)
    shapes = [tuple(t.shape) for t in tensors]
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(f"stack: expected equal shapes, got {shapes}")
    dim = normalize_dim("stack", dim, len(shapes[0]) + 1)
    return cat([unsqueeze(t, dim) for t in tensors], dim)


@composite
def split(tensor, split_size_or_sections, dim=0):
    """Consecutive parts along ``dim``: of one size (the last may be smaller), or of the sizes listed; share memory.

    Derivation: each part's gradient with zeros around it.
    """
    dim, n = _length("split", tensor.shape, dim)
    sizes = split_size_or_sections
    if isinstance(sizes, int):
        if sizes < 0 or (sizes == 0 and n):
            raise ValueError(f"split: expected a positive size, got {sizes}")
        whole = range(0, n, sizes) if n else [0]
        sizes = [builtin_min(sizes, n - start) for start in whole]
    else:
        sizes = _sizes("split", sizes)
    if builtin_sum(sizes) != n or any(s < 0 for s in sizes):
        raise ShapeError(f"split: expected sizes that add up to {n}, got {list(sizes)}")
    starts = [builtin_sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(
        narrow(tensor, dim, start, size) for start, size in zip(starts, sizes, strict=True)
    )


builtin_min, builtin_sum = min, sum


@composite
def chunk(input, chunks, dim=0):
    """At most ``chunks`` parts of equal size (the last may be smaller) along ``dim``.  Derivation: as split."""
    if chunks < 1:
        raise ValueError(f"chunk: expected at least 1 chunk, got {chunks}")
    dim, n = _length("chunk", input.shape, dim)
    if n == 0:
        return split(input, [0] * chunks, dim)
    return split(input, -(-n // chunks), dim)


@composite
def flip(input, dims):
    """Reversed along ``dims`` (a copy).  Derivation: reversed back."""
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    return _flip(input, normalize_dims("flip", dims, len(input.shape)) if dims else ())


@primitive
def _flip(input, *, dims):
    return np.array(np.flip(input, dims), order="C")


@_flip.native
def _(input, dims):
    out = gather(np.flip(input, dims))
    return _flip.forward(input, dims) if out is None else out


_flip.vjp(lambda g, dims: _flip(g, dims))


@composite
def pad(input, pad, mode="constant", value=None):
    """Widened at the ends of its last dimensions by ``pad`` = (left, right, top, bottom, …); negative widths cut.

    Modes: constant (``value``, default 0), reflect, replicate, circular.
    Derivation: padding copies elements or adds constants, so the gradient of the copies is summed.
    """
    widths = _sizes("pad", pad)
    ndim = len(input.shape)
    if len(widths) % 2 or len(widths) > 2 * ndim:
        raise ShapeError(f"pad: expected at most {ndim} pairs of widths, got {widths}")
    pairs = [(0, 0)] * (ndim - len(widths) // 2)
    pairs += [(widths[i], widths[i + 1]) for i in range(len(widths) - 2, -1, -2)]
    for dim, (low, high) in enumerate(pairs):
        if input.shape[dim] + low + high < 0:
            raise ShapeError(
                f"pad: expected a size >= 0 in dim {dim}, got {input.shape[dim]} + {low} + {high}"
            )
    if mode != "constant":
        return _pad_by_copies(input, pairs, mode, value)
    cut = tuple(
        slice(builtin_max(-low, 0), n - builtin_max(-high, 0))
        for (low, high), n in zip(pairs, input.shape, strict=True)
    )
    grown = tuple((builtin_max(low, 0), builtin_max(high, 0)) for low, high in pairs)
    return _pad(_slice(input, cut), grown, 0 if value is None else value)


builtin_max = max


def _pad_by_copies(input, pairs, mode, value):
    names: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in names:
        raise ValueError(
            f"pad: expected constant, reflect, replicate or circular as mode, got {mode!r}"
        )
    if value not in (None, 0):
        raise ValueError(f"pad: expected no value in mode {mode!r}, got {value}")
    from .index import _take

    for dim, (low, high) in enumerate(pairs):
        if not (low or high):
            continue
        n = input.shape[dim]
        limit = {"reflect": n - 1, "circular": n}.get(mode, builtin_max(low, high) if n else -1)
        if builtin_max(low, high) > limit:
            raise ShapeError(
                f"pad: expected {mode} widths of at most {limit} in dim {dim}, got {(low, high)}"
            )
        grown, cut = [(builtin_max(s * low, 0), builtin_max(s * high, 0)) for s in (1, -1)]
        kept = np.arange(n)
        if mode == "circular":  # around what is left, elsewhere around all
            kept = np.pad(kept[cut[0] : n - cut[1]], grown, "wrap")
        else:
            kept = np.pad(kept, grown, names[mode])
            kept = kept[cut[0] : len(kept) - cut[1]]
        input = _take(input, (slice(None),) * dim + (recording.constant(kept),))
    return input


@primitive
def _pad(input, *, widths, value):
    shape = tuple(low + n + high for n, (low, high) in zip(input.shape, widths, strict=True))
    out = np.full(shape, value, input.dtype)
    out[tuple(slice(low, low + n) for n, (low, _) in zip(input.shape, widths, strict=True))] = input
    return out


@_pad.native
def _(input, widths, value):
    shape = tuple(low + n + high for n, (low, high) in zip(input.shape, widths, strict=True))
    inner = tuple(slice(low, low + n) for n, (low, _) in zip(input.shape, widths, strict=True))
    out = _filled(shape, value, inner, input)
    return _pad.forward(input, widths, value) if out is None else out


@_pad.vjp
def _(g, input_shape, widths):
    return _slice(
        g, tuple(slice(low, low + n) for n, (low, _) in zip(input_shape, widths, strict=True))
    )


@primitive
def tril(input, *, diagonal=0):
    """The lower triangle of the last two dimensions, zeros above it.  Derivation: the same triangle."""
    return _triangle("tril", np.tril, input, diagonal)


tril.vjp(lambda g, diagonal: tril(g, diagonal))


@primitive
def triu(input, *, diagonal=0):
    """The upper triangle of the last two dimensions, zeros below it.  Derivation: the same triangle."""
    return _triangle("triu", np.triu, input, diagonal)


triu.vjp(lambda g, diagonal: triu(g, diagonal))


def _triangle(name, function, input, diagonal):
    if input.ndim < 2:
        raise ShapeError(f"{name}: expected at least 2 dimensions, got shape {input.shape}")
    return function(input, diagonal)


@primitive
def one_hot(input, *, num_classes=-1):
    """int64 zeros with a 1 at each class index, in a new last dimension of ``num_classes`` (−1: the largest + 1)."""
    if input.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: expected integer classes, got {input.dtype}")
    if input.size and input.min() < 0:
        raise ValueError(f"one_hot: expected classes >= 0, got {input.min()}")
    top = int(input.max()) + 1 if input.size else 0
    if num_classes == -1:
        num_classes = top
        if not input.size:
            raise ValueError("one_hot: expected num_classes for a tensor without elements, got -1")
    if num_classes < top:
        raise ValueError(f"one_hot: expected classes below {num_classes}, got {top - 1}")
    return (input[..., None] == np.arange(num_classes)).astype(np.int64)


one_hot.differentiable = False
