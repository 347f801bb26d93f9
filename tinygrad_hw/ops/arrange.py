"""Arrangements of whole tensors: repeated, rolled, turned, split, joined, laid out on grids and diagonals.

Elements move, are repeated or get zeros beside them, so a gradient moves back, is summed or cut. Where no derivation
is given it is that of the operators that the function is made of.
"""

from __future__ import annotations

import builtins
import itertools
import math
from itertools import pairwise

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from .core import Recorded, composite, primitive, view
from .index import _take, array_of, index_select
from .pointwise import _cast, clone, pow
from .reduce import _expand, expand, sum
from .rounding import floor_divide, remainder

from .shape import (  # isort: skip
    _length, _pad, _permute, _reshape, _sizes, _tensors, cat, flatten, flip, narrow, normalize_dim,
    reshape, select, split, stack, transpose,
)  # fmt: skip

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_tensors", "cartesian_prod",
    "channel_shuffle", "column_stack", "combinations", "concat", "concatenate", "diag", "diag_embed", "diagflat",
    "diagonal", "dsplit", "dstack", "expand_as", "fliplr", "flipud", "hsplit", "hstack", "meshgrid", "moveaxis",
    "movedim", "narrow_copy", "ravel", "repeat", "repeat_interleave", "reshape_as", "roll", "rot90", "row_stack",
    "split_with_sizes", "swapaxes", "swapdims", "t", "tensor_split", "tile", "trace", "unbind", "unflatten",
    "unravel_index", "vander", "view_as", "vsplit", "vstack",
]  # fmt: skip


# Other names and sizes


@composite
def expand_as(input, other):
    """input repeated to other's shape (see expand)."""
    return expand(input, tuple(other.shape))


@composite
def reshape_as(input, other):
    """input in other's shape (see reshape)."""
    return reshape(input, tuple(other.shape))


@composite
def view_as(input, other):
    """input in other's shape (see reshape)."""
    return reshape(input, tuple(other.shape))


@composite
def ravel(input):
    """All elements in row-major order."""
    return reshape(input, (-1,))


@composite
def unflatten(input, dim, sizes):
    """Dimension ``dim`` as several of ``sizes``, of which one may be −1."""
    dim, n = _length("unflatten", input.shape, dim)
    sizes = _sizes("unflatten", sizes)
    known = math.prod(m for m in sizes if m != -1)
    if sizes.count(-1) > 1 or (n % known if -1 in sizes and known else n != known):
        raise ShapeError(f"unflatten: expected sizes for {n} elements, got {sizes}")
    shape = tuple(input.shape)
    sizes = tuple(n // known if m == -1 else m for m in sizes)
    return _reshape(input, shape[:dim] + sizes + shape[dim + 1 :])


@composite
def movedim(input, source, destination):
    """Dimensions ``source`` (an int or ints) moved to ``destination``, the others in their order; shares memory."""
    ndim = len(input.shape)
    one = isinstance(source, int)
    if one != isinstance(destination, int) or (not one and len(source) != len(destination)):
        raise ShapeError(
            f"movedim: expected as many destinations as sources, got {source} and {destination}"
        )
    ends = ((source,), (destination,)) if one else (source, destination)
    old, new = [[normalize_dim("movedim", d, ndim) for d in dims] for dims in ends]
    if len(set(old)) < len(old) or len(set(new)) < len(new):
        raise ShapeError(f"movedim: expected different dims, got {source} and {destination}")
    order = [d for d in range(ndim) if d not in old] if ndim else []
    for d, s in sorted(zip(new, old, strict=True)):
        order.insert(d, s)
    return _permute(input, tuple(order[:ndim]))


@composite
def broadcast_tensors(*tensors):
    """Tensors repeated to the shape in which they meet; share memory."""
    tensors = _tensors("broadcast_tensors", tensors)
    try:
        shape = np.broadcast_shapes(*[tuple(t.shape) for t in tensors])
    except ValueError:
        shapes = [tuple(t.shape) for t in tensors]
        raise ShapeError(
            f"broadcast_tensors: expected shapes that broadcast, got {shapes}"
        ) from None
    return tuple(_expand(t, shape) for t in tensors)


@composite
def t(input):
    """A matrix transposed; a vector or number as it is."""
    if len(input.shape) > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, 0, 1) if len(input.shape) == 2 else input


@composite
def adjoint(input):
    """The last two dimensions exchanged: numbers here are their own conjugates."""
    if len(input.shape) < 2:
        raise ShapeError(f"adjoint: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, -2, -1)


@composite
def channel_shuffle(input, groups):
    """(n, g c, …) → (n, c g, …), the i-th channel of each of ``groups`` groups in turn (Zhang et al. 2018)."""
    shape = tuple(input.shape)
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: expected (n, channels, …) in {groups} groups, got {shape}"
        )
    return reshape(transpose(reshape(input, (shape[0], groups, -1, *shape[2:])), 1, 2), shape)


@composite
def narrow_copy(input, dim, start, length):
    """narrow as a copy."""
    return clone(narrow(input, dim, start, length))


# Repeating and turning


@composite
def repeat(input, *repeats):
    """input laid out ``repeats`` times along each dimension; new dimensions come first."""
    counts = _sizes("repeat", repeats[0] if len(repeats) == 1 else repeats)
    shape = tuple(input.shape)
    if len(counts) < len(shape) or min(counts, default=0) < 0:
        raise ShapeError(f"repeat: expected a count >= 0 for each dim of {shape}, got {counts}")
    shape = (1,) * (len(counts) - len(shape)) + shape
    pairs = list(zip(counts, shape, strict=True))
    spread = _expand(
        _reshape(input, tuple(m for n in shape for m in (1, n))), tuple(m for p in pairs for m in p)
    )
    return _reshape(spread, tuple(m * n for m, n in pairs))


@composite
def tile(input, dims):
    """As repeat, with counts of 1 for first dimensions that ``dims`` leaves out."""
    dims = _sizes("tile", dims)
    return repeat(input, (1,) * (len(input.shape) - len(dims)) + dims)


@composite
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element along ``dim`` (None: of the flattened tensor) ``repeats`` times in a row, an int or one for each.

    With counts as input alone: the index of each element of such a row.
    """
    if repeats is None:
        return _repeated(input)
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    dim, n = _length("repeat_interleave", input.shape, dim)
    if isinstance(repeats, Recorded):
        recording.refuse("repeating by a tensor's numbers", "Give them as an array.")
    counts = np.array(array_of(repeats)).reshape(-1)
    if counts.dtype.kind not in "iu":
        raise DTypeError(f"repeat_interleave: expected integer counts, got {counts.dtype}")
    if counts.size not in (1, n) or (counts < 0).any():
        raise ShapeError(f"repeat_interleave: expected {n} counts >= 0, got {counts}")
    at = recording.constant(np.repeat(np.arange(n), counts))
    if output_size not in (None, at.size):
        raise ShapeError(f"repeat_interleave: expected output_size {at.size}, got {output_size}")
    return index_select(input, dim, at)


@primitive
def _repeated(input):
    return np.repeat(np.arange(input.size), input)


_repeated.differentiable = False


@composite
def roll(input, shifts, dims=None):
    """Elements moved on by ``shifts`` along ``dims`` (None: of the flattened tensor), the last ones to the front."""
    if dims is None:
        return reshape(roll(reshape(input, (-1,)), shifts, 0), tuple(input.shape))
    dims, shifts = [(x,) if isinstance(x, int) else tuple(x) for x in (dims, shifts)]
    if len(dims) != len(shifts):
        raise ShapeError(f"roll: expected as many shifts as dims, got {shifts} and {dims}")
    for dim, shift in zip(dims, shifts, strict=True):
        dim, n = _length("roll", input.shape, dim)
        if n:
            cut = n - shift % n
            input = cat((narrow(input, dim, cut, n - cut), narrow(input, dim, 0, cut)), dim)
    return input


@composite
def rot90(input, k=1, dims=(0, 1)):
    """Turned k times by 90° in the plane of two dims, from the first to the second."""
    a, b = [normalize_dim("rot90", d, len(input.shape)) for d in dims]
    if a == b or len(input.shape) < 2:
        raise ValueError(f"rot90: expected two different dims, got {dims}")
    turned = flip(input, {0: (), 1: (b,), 2: (a, b), 3: (a,)}[k % 4])
    return transpose(turned, a, b) if k % 2 else turned


@composite
def fliplr(input):
    """Reversed along dim 1."""
    return flip(input, (1,))


@composite
def flipud(input):
    """Reversed along dim 0."""
    return flip(input, (0,))


# Cutting


@composite
def unbind(input, dim=0):
    """The parts of input at each index along ``dim``, without that dimension; share memory."""
    dim, n = _length("unbind", input.shape, dim)
    return tuple(select(input, dim, i) for i in range(n))


@composite
def split_with_sizes(input, split_sizes, dim=0):
    """Consecutive parts of the sizes listed along ``dim`` (see split)."""
    return split(input, list(split_sizes), dim)


@composite
def tensor_split(input, indices_or_sections, dim=0):
    """That many parts along ``dim``, the first ones longer by 1 where needed, or parts cut before the indices."""
    dim, n = _length("tensor_split", input.shape, dim)
    cuts = indices_or_sections
    if hasattr(cuts, "shape"):
        cuts = np.asarray(cuts).tolist()
    if isinstance(cuts, int):
        if cuts < 1:
            raise ValueError(f"tensor_split: expected at least 1 section, got {cuts}")
        size, more = divmod(n, cuts)
        cuts = [size * i + min(i, more) for i in range(1, cuts)]
    bounds = [0, *[slice(c).indices(n)[1] for c in cuts], n]
    return tuple(narrow(input, dim, a, max(b - a, 0)) for a, b in pairwise(bounds))


def _split_along(name: str, input, sections, dim: int, least: int):
    if len(input.shape) < least:
        raise ShapeError(f"{name}: expected at least {least} dims, got shape {tuple(input.shape)}")
    if isinstance(sections, int) and (sections < 1 or input.shape[dim] % sections):
        raise ShapeError(
            f"{name}: expected sections that divide {input.shape[dim]}, got {sections}"
        )
    return tensor_split(input, sections, dim)


@composite
def hsplit(input, indices_or_sections):
    """tensor_split along dim 1, or 0 of a vector, into equal sections."""
    return _split_along("hsplit", input, indices_or_sections, int(len(input.shape) > 1), 1)


@composite
def vsplit(input, indices_or_sections):
    """tensor_split along dim 0 into equal sections."""
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


@composite
def dsplit(input, indices_or_sections):
    """tensor_split along dim 2 into equal sections."""
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


# Joining


def _at_least(ndim: int, where: str, tensors: tuple):
    """Each tensor with dimensions of size 1 added to make ``ndim``: NumPy's places for them."""
    listed = len(tensors) == 1 and isinstance(tensors[0], list | tuple)
    results = []
    for t in _tensors(where, tensors[0] if listed else tensors):
        shape = tuple(t.shape)
        if len(shape) < ndim:
            shape = {0: (1,) * ndim, 1: ((1,) * (ndim > 1) + shape + (1,) * (ndim > 2))}.get(
                len(shape), (*shape, 1)
            )
            t = _reshape(t, shape)
        results.append(t)
    return tuple(results) if listed or len(results) > 1 else results[0]


@composite
def atleast_1d(*tensors):
    """Numbers as vectors, all else as it is."""
    return _at_least(1, "atleast_1d", tensors)


@composite
def atleast_2d(*tensors):
    """Numbers and vectors as matrices of one row, all else as it is."""
    return _at_least(2, "atleast_2d", tensors)


@composite
def atleast_3d(*tensors):
    """(), (n), (n, m) as (1, 1, 1), (1, n, 1), (n, m, 1), all else as it is."""
    return _at_least(3, "atleast_3d", tensors)


@composite
def hstack(tensors):
    """Joined along dim 1, or 0 of vectors and numbers."""
    parts = atleast_1d(_tensors("hstack", tensors))
    return cat(parts, int(len(parts[0].shape) > 1))


@composite
def vstack(tensors):
    """Joined along dim 0, vectors as rows."""
    return cat(atleast_2d(_tensors("vstack", tensors)), 0)


@composite
def dstack(tensors):
    """Joined along dim 2."""
    return cat(atleast_3d(_tensors("dstack", tensors)), 2)


@composite
def column_stack(tensors):
    """Joined along dim 1, vectors as columns."""
    parts = _tensors("column_stack", tensors)
    return cat([t if len(t.shape) > 1 else reshape(t, (-1, 1)) for t in parts], 1)


@composite
def block_diag(*tensors):
    """Matrices along the diagonal of a large one, zeros elsewhere; vectors count as rows."""
    blocks = [atleast_2d(t) for t in _tensors("block_diag", tensors)]
    if any(len(b.shape) > 2 for b in blocks):
        raise ShapeError(
            f"block_diag: expected at most 2 dims, got {[tuple(t.shape) for t in tensors]}"
        )
    dtype = dtypes.result_type(*tensors)
    blocks = [b if b.dtype == dtype else _cast(b, dtype) for b in blocks]
    widths = [b.shape[1] for b in blocks]
    left = [builtins.sum(widths[:i]) for i in range(len(widths))]
    total = builtins.sum(widths)
    return cat(
        [
            _pad(b, ((0, 0), (a, total - a - w)), 0)
            for b, a, w in zip(blocks, left, widths, strict=True)
        ]
    )


# Grids and diagonals


@composite
def meshgrid(*tensors, indexing="ij"):
    """Vectors repeated over the grid that they span, the i-th varying along dim i ("xy": the first two exchanged)."""
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}")
    vectors = [atleast_1d(t) for t in _tensors("meshgrid", tensors)]
    if any(len(v.shape) > 1 for v in vectors):
        raise ShapeError(f"meshgrid: expected vectors, got {[tuple(v.shape) for v in vectors]}")
    order = list(range(len(vectors)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    shape = tuple(vectors[i].shape[0] for i in order)
    return tuple(
        _expand(_reshape(v, tuple(-1 if i == j else 1 for j in order)), shape)
        for i, v in enumerate(vectors)
    )


@composite
def cartesian_prod(*tensors):
    """All rows made of one element of each vector, the last varying fastest; one vector as it is."""
    grids = meshgrid(*tensors)
    return grids[0] if len(grids) == 1 else stack([flatten(grid) for grid in grids], 1)


@composite
def combinations(input, r=2, with_replacement=False):
    """All r elements of a vector in its order, a row each; ``with_replacement`` also those that repeat one."""
    if len(input.shape) != 1 or r < 0:
        raise ShapeError(
            f"combinations: expected a vector and r >= 0, got {tuple(input.shape)} and {r}"
        )
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if not r:
        return narrow(input, 0, 0, 0)
    rows = list(choose(range(input.shape[0]), r))
    at = recording.constant(np.array(rows, np.int64).reshape(len(rows), r))
    return _take(input, (at,))


@composite
def vander(x, N=None, increasing=False):
    """The powers N − 1, …, 0 of each element (with ``increasing``: 0, …, N − 1) in a new last dimension of N.

    Derivation: that of the products that the powers are.
    """
    if len(x.shape) != 1:
        raise ShapeError(f"vander: expected a vector, got shape {tuple(x.shape)}")
    out = powers(x, "vander", N)
    return out if increasing else flip(out, 1)


def powers(x, name: str, n):
    """The powers 0, …, n − 1 (None: as many as there are elements) in a new last dimension; of integers in int64."""
    n = x.shape[-1] if n is None else n
    if n < 0:
        raise ValueError(f"{name}: expected N >= 0, got {n}")
    x = _cast(x, dtypes.int64) if x.dtype.kind in "biu" else x
    return (
        stack([pow(x, i) for i in range(n)], -1)
        if n
        else reshape(narrow(reshape(x, (-1,)), 0, 0, 0), (*x.shape, 0))
    )


@composite
def unravel_index(indices, shape):
    """Places in the flattened tensor of ``shape`` as an index for each dimension."""
    sizes, parts = _sizes("unravel_index", shape), []
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"unravel_index: expected integer indices, got {indices.dtype}")
    for n in sizes[::-1]:
        parts.append(remainder(indices, n))
        indices = floor_divide(indices, n)
    return tuple(parts[::-1])


@view
def _diagonal(input, *, offset, dim1, dim2):
    """The elements at (i, i + offset) of two dims, in a new last one; shares memory.  Derivation: ``_on_diagonal``."""
    planes = np.moveaxis(input, (dim1, dim2), (-2, -1))
    planes = planes[..., max(-offset, 0) :, max(offset, 0) :]
    n = min(planes.shape[-2:])
    return np.einsum("...ii->...i", planes[..., :n, :n])


@_diagonal.vjp
def _(g, input_shape, offset, dim1, dim2):
    return _on_diagonal(g, input_shape, offset, dim1, dim2)


@primitive
def _on_diagonal(input, *, shape, offset, dim1, dim2):
    """Zeros of ``shape`` with input on a diagonal.  Derivation: ``_diagonal``."""
    out = np.zeros(shape, input.dtype)
    _diagonal(out, offset, dim1, dim2)[...] = input
    return out


_on_diagonal.vjp(lambda g, offset, dim1, dim2: _diagonal(g, offset, dim1, dim2))


def _two_dims(name: str, dim1, dim2, ndim: int) -> tuple[int, int]:
    a, b = normalize_dim(name, dim1, ndim), normalize_dim(name, dim2, ndim)
    if a == b:
        raise ShapeError(f"{name}: expected two different dims, got {dim1} and {dim2}")
    return a, b


@composite
def diagonal(input, offset=0, dim1=0, dim2=1):
    """The elements at (i, i + offset) of two dims, in a new last one; shares memory."""
    a, b = _two_dims("diagonal", dim1, dim2, len(input.shape))
    return _diagonal(input, offset, a, b)


@composite
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Zeros with the last dimension of input on a diagonal of two new dims."""
    dim, n = _length("diag_embed", input.shape, -1)
    a, b = _two_dims("diag_embed", dim1, dim2, dim + 2)
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, n + abs(offset))
    return _on_diagonal(input, tuple(shape), offset, a, b)


@composite
def diag(input, diagonal=0):
    """The matrix with a vector on its diagonal, or a matrix's diagonal."""
    if len(input.shape) not in (1, 2):
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {tuple(input.shape)}")
    return (
        diag_embed(input, diagonal) if len(input.shape) == 1 else _diagonal(input, diagonal, 0, 1)
    )


@composite
def diagflat(input, offset=0):
    """The matrix with all elements of input on its diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)


@composite
def trace(input):
    """The sum of a matrix's diagonal."""
    if len(input.shape) != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {tuple(input.shape)}")
    return sum(_diagonal(input, 0, 0, 1))


@view
def _windows(input, *, dim, size, step):
    """Windows of ``size`` elements along ``dim``, every ``step``-th, in a new last dimension; shares memory."""
    slide = np.lib.stride_tricks.sliding_window_view(input, size, dim, writeable=True)
    return slide[(slice(None),) * dim + (slice(None, None, step),)]


@_windows.vjp
def _(g, input_shape, dim, size, step):
    return _from_windows(g, input_shape, dim, size, step)


@primitive
def _from_windows(input, *, shape, dim, size, step):
    """Zeros of ``shape`` with each window added where it was.  Derivation: ``_windows``."""
    out = np.zeros(shape, input.dtype)
    starts = np.arange(input.shape[dim]) * step
    np.add.at(
        np.moveaxis(out, dim, 0),
        starts[:, None] + np.arange(size),
        np.moveaxis(input, (dim, -1), (0, 1)),
    )
    return out


_from_windows.vjp(lambda g, dim, size, step: _windows(g, dim, size, step))


def unfold_dim(input, dimension, size, step):
    """``Tensor.unfold``: windows along one dimension, see ``_windows``."""
    if not input.shape:
        return (
            unfold_dim(reshape(input, (1,)), 0, size, step)[0]
            if size == 0
            else reshape(input, (1,))
        )
    dim, n = _length("unfold", input.shape, dimension)
    if not 0 <= size <= n or step < 1:
        raise ShapeError(
            f"unfold: expected a size in [0, {n}] and a step >= 1, got {size} and {step}"
        )
    return _windows(input, dim, size, step)


concat = concatenate = cat
swapaxes = swapdims = transpose
moveaxis, row_stack = movedim, vstack
