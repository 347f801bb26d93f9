"""Reductions over one, several or all dimensions, cumulative sums, and softmax with its relatives."""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import rows
from ..kernels.elementwise import native
from .core import composite, primitive, view
from .index import take_along_dim

from .pointwise import (  # isort: skip
    _cast, abs, clone, div, eq, exp, maximum, minimum, mul, ne, neg, pow, sign, sqrt, square, sub,
    where,
)  # fmt: skip
from .shape import _sizes, cat, flip, narrow, normalize_dim, normalize_dims, reshape, squeeze

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "broadcast_to", "cumsum", "expand", "log_softmax", "logsumexp",
    "max", "mean", "min", "norm", "prod", "softmax", "softmin", "std", "sum", "sum_to_size", "var",
]  # fmt: skip


class ValuesIndices(NamedTuple):
    """What reductions that choose an element return: the values, and where they stood (int64)."""

    values: object
    indices: object


def _shape(input) -> tuple[int, ...]:
    return np.shape(input) if isinstance(input, int | float) else tuple(input.shape)


def _spread(g, input_shape, dims, keepdim):
    """Undo a sum: ``g`` repeated along the dimensions that were summed."""
    if not keepdim:
        kept = tuple(1 if i in dims else n for i, n in enumerate(input_shape))
        g = reshape(g, kept)
    return _expand(g, tuple(input_shape))


def sum_to_shape(g, shape: tuple[int, ...]):
    """Undo broadcasting: ``g`` summed over the dimensions along which ``shape`` was repeated."""
    extra = len(g.shape) - len(shape)
    dims = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1
    )
    if dims:
        g = _sum(g, dims, False)
    return g if tuple(g.shape) == tuple(shape) else reshape(g, shape)


@composite
def expand(input, *sizes):
    """input repeated along dimensions of size 1 to ``sizes`` (−1: as it is); shares memory.

    Derivation: a repeated element enters once for each place, so the gradient is summed over the places.
    """
    listed = len(sizes) == 1 and not isinstance(sizes[0], int)
    return _repeat("expand", input, sizes[0] if listed else sizes)


def _repeat(name: str, input, sizes):
    old = tuple(input.shape)
    new = _sizes(name, sizes)
    extra = len(new) - len(old)
    full = tuple(old[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(new))
    fits = extra >= 0 and builtins.all(m in (1, n) for m, n in zip(old, full[extra:], strict=True))
    if not fits or builtins.any(n < 0 for n in full):
        raise ShapeError(f"{name}: expected sizes that {old} can be repeated to, got {new}")
    return _expand(input, full)


@view
def _expand(input, *, shape):
    return np.broadcast_to(input, shape)


_expand.vjp(lambda g, input_shape: sum_to_shape(g, input_shape))


@composite
def broadcast_to(input, shape):
    """As expand."""
    return _repeat("broadcast_to", input, shape)


@composite
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """Σ over ``dim`` (an int, a tuple or None for all); integers and bools are summed in int64.

    Derivation: each element enters with weight 1, so the cotangent is repeated.
    """
    if dtype is not None:
        input = _cast(input, dtypes.check(dtype, "sum"))
    return _typed(_sum(input, normalize_dims("sum", dim, len(_shape(input))), keepdim), dtype)


def _typed(out, dtype):
    """``out`` of small integers, which are summed in int64, in the dtype that was asked for."""
    return out if dtype is None or out.dtype == dtype else _cast(out, dtypes.check(dtype, "sum"))


@primitive
def _sum(input, *, dims, keepdim):
    dtype = dtypes.int64 if input.dtype.kind in "biu" else None
    return np.add.reduce(input, axis=dims, dtype=dtype, keepdims=keepdim)


@_sum.native
def _(input, dims, keepdim):
    if input.dtype.kind != "f" or not dims:
        return _sum.forward(input, dims, keepdim)
    shape = tuple(1 if d in dims else n for d, n in enumerate(input.shape))
    first, last = dims[0], dims[-1] + 1
    if last - first != len(dims):  # to the end with what is summed
        input = input.transpose(*[d for d in range(input.ndim) if d not in dims], *dims)
        first, last = input.ndim - len(dims), input.ndim
    sizes = [
        math.prod(part)
        for part in (input.shape[:first], input.shape[first:last], input.shape[last:])
    ]
    out = np.empty(sizes[0] * sizes[2], input.dtype)
    rows.sums(out, native(input).reshape(-1), *sizes)
    return out.reshape(shape if keepdim else [n for d, n in enumerate(shape) if d not in dims])


_sum.vjp(lambda g, input_shape, dims, keepdim: _spread(g, input_shape, dims, keepdim))


@composite
def sum_to_size(input, *size):
    """input summed over the dimensions along which ``size`` would be repeated to its shape.  Derivation: as sum."""
    shape = _sizes("sum_to_size", size[0] if len(size) == 1 else size)
    try:
        fits = np.broadcast_shapes(shape, tuple(input.shape)) == tuple(input.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"sum_to_size: expected a size that repeats to {tuple(input.shape)}, got {shape}"
        )
    return sum_to_shape(input, shape)


def _count(shape, dims) -> int:
    n = 1
    for d in dims:
        n *= shape[d]
    return n


def require_float(name: str, input) -> None:
    """Raises: DTypeError for integers and bools."""
    if input.dtype.kind != "f":
        raise DTypeError(
            f"{name}: expected floating point, got {input.dtype}\nConvert with .float()."
        )


@composite
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """Σ/n over ``dim``.  Derivation: each of the n elements enters with weight 1/n."""
    if dtype is not None:
        input = _cast(input, dtypes.check(dtype, "mean"))
    require_float("mean", input)
    dims = normalize_dims("mean", dim, input.ndim)
    n = _count(input.shape, dims)
    return div(_sum(input, dims, keepdim), float(n))


def _moment(name: str, input, dim, unbiased, correction) -> tuple[tuple[int, ...], float]:
    """The dims of a variance, and what its sum of squares is divided by.

    PyTorch takes (dim, unbiased), (unbiased), where a bool stands in ``dim``'s place, or correction, 1 if it is None.
    """
    require_float(name, input)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    dims = normalize_dims(name, dim, input.ndim)
    n = _count(input.shape, dims) - (1 if correction is None else correction)
    return dims, float(n) if n > 0 else 0.0


@composite
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Σ(x − mean)²/(n − correction) over ``dim``; correction is 1 unless given, 0 with ``unbiased=False``.

    Derivation: ∂/∂xᵢ = 2(xᵢ − mean)/(n − correction); what xᵢ does to the mean cancels, as Σ(x − mean) = 0.
    """
    dims, n = _moment("var", input, dim, unbiased, correction)
    centered = sub(input, mean(input, dims, True))
    return div(_sum(square(centered), dims, keepdim), n)


@composite
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """√var, by way of the norm of x − mean.

    Derivation: ∂/∂xᵢ = (xᵢ − mean)/((n − correction) std), 0 where std is 0.
    """
    dims, n = _moment("std", input, dim, unbiased, correction)
    centered = sub(input, mean(input, dims, True))
    if n == 0:
        return sqrt(div(_sum(square(centered), dims, keepdim), n))  # NaN or ∞, not 0
    return div(_norm2(centered, dims, keepdim), n**0.5)


@composite
def prod(input, dim=None, keepdim=False, *, dtype=None):
    """Π over ``dim`` or all elements, halving the range until one factor is left.

    Derivation: ∂(xy) = y ∂x + x ∂y at each halving, so the gradient is the product of the other factors, right at
    zeros too, where dividing the product by xᵢ would not be.
    """
    if dtype is not None:
        input = _cast(input, dtypes.check(dtype, "prod"))
    elif input.dtype.kind in "biu":
        input = _cast(input, dtypes.int64)
    shape = tuple(input.shape)
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
        kept = (1,) * len(shape) if keepdim else ()
    else:
        dim = normalize_dim("prod", dim, len(shape))
        kept = tuple(1 if i == dim else n for i, n in enumerate(shape) if keepdim or i != dim)
        if not shape:
            return input
    while (n := input.shape[dim]) > 1:
        half = n // 2
        product = mul(narrow(input, dim, 0, half), narrow(input, dim, half, half))
        input = cat((product, narrow(input, dim, n - 1, 1)), dim) if n % 2 else product
    if input.shape[dim] == 0:
        input = _sum(input, (dim,), True) + 1
    return reshape(input, kept)


@composite
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """(Σ|x|ᵖ)^(1/p) over ``dim``; p may be ±inf, 0 (the count of nonzeros), "fro" (2) or "nuc" (see matrix_norm).

    Derivation: ∂/∂x = sign(x) |x|ᵖ⁻¹ / normᵖ⁻¹; for p = 2, x/norm, and 0 where the norm is 0.
    """
    if dtype is not None:
        input = _cast(input, dtypes.check(dtype, "norm"))
    require_float("norm", input)
    dims = normalize_dims("norm", dim, input.ndim)
    if p in ("fro", 2):
        return _norm2(input, dims, keepdim)
    if p == "nuc":
        from .linalg import matrix_norm

        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)
    if not isinstance(p, int | float):
        raise ValueError(f"norm: expected a number, 'fro' or 'nuc' as p, got {p!r}")
    if p == np.inf:
        return amax(abs(input), dims, keepdim)
    if p == -np.inf:
        return amin(abs(input), dims, keepdim)
    if p == 0:
        # sign, of zeros only, carries the gradient, which is 0.
        return _sum(where(ne(input, 0), 1.0, sign(input)), dims, keepdim)
    if p == 1:
        return _sum(abs(input), dims, keepdim)
    if p > 1:
        total = _sum(pow(abs(input), p), dims, keepdim)
        empty = eq(total, 0)  # x^(1/p) has no slope at 0; the norm's gradient there is taken as 0
        return where(empty, 0.0, pow(where(empty, 1.0, total), 1 / p))
    zero = eq(input, 0)  # |x|ᵖ has no slope at 0; a zero's gradient is taken as 0
    powers = where(zero, 0.0 if p > 0 else np.inf, pow(abs(where(zero, 1.0, input)), p))
    return pow(_sum(powers, dims, keepdim), 1 / p)


@primitive
def _norm2(input, *, dims, keepdim):
    # Scaling by the largest element keeps squares of 1e30 from overflowing and of 1e-30 from vanishing.
    top = np.max(np.abs(input), axis=dims, keepdims=True, initial=0)
    top = np.where((top == 0) | ~np.isfinite(top), input.dtype.type(1), top)
    total = np.add.reduce(np.square(input / top), axis=dims, keepdims=True)
    out = np.sqrt(total) * top
    return out if keepdim else out.reshape([n for i, n in enumerate(out.shape) if i not in dims])


@_norm2.vjp
def _(g, input, out, input_shape, dims, keepdim):
    flat = eq(out, 0)  # the norm has a corner there: derivatives of every order are taken as 0
    scale = where(flat, 0.0, div(g, where(flat, 1.0, out)))
    return input * _spread(scale, input_shape, dims, keepdim)


@primitive
def amax(input, *, dim=None, keepdim=False):
    """The largest element over ``dim``.  Derivation: 1/m for each of the m elements that attain it."""
    return _extreme("amax", np.maximum, input, dim, keepdim)


@primitive
def amin(input, *, dim=None, keepdim=False):
    """The smallest element over ``dim``.  Derivation: 1/m for each of the m elements that attain it."""
    return _extreme("amin", np.minimum, input, dim, keepdim)


def _extreme(name, ufunc: Any, input, dim, keepdim):
    dims = normalize_dims(name, dim, input.ndim)
    if _count(input.shape, dims) == 0 and dims:
        raise ShapeError(
            f"{name}: expected elements to choose from, got shape {input.shape}, dim {dim}"
        )
    return ufunc.reduce(input, axis=dims, keepdims=keepdim)


@amax.vjp
@amin.vjp
def _(g, input, out, input_shape, dim, keepdim):
    dims = normalize_dims("amax", dim, len(input_shape))
    attained = _cast(eq(input, _spread(out, input_shape, dims, keepdim)), g.dtype)
    share = div(attained, _sum(attained, dims, True))
    return _spread(g, input_shape, dims, keepdim) * share


@composite
def max(input, dim=None, keepdim=False):
    """The largest element of all, or (values, indices) along ``dim``; with a tensor as ``dim``, maximum.

    Derivation: of all, as amax; along a dim, 1 for the element whose index is returned.
    """
    return _choose(input, dim, keepdim, amax, argmax, maximum)


@composite
def min(input, dim=None, keepdim=False):
    """The smallest element of all, or (values, indices) along ``dim``; with a tensor as ``dim``, minimum.

    Derivation: of all, as amin; along a dim, 1 for the element whose index is returned.
    """
    return _choose(input, dim, keepdim, amin, argmin, minimum)


def _choose(input, dim, keepdim, extreme, locate, pairwise):
    if dim is None:
        return extreme(input)
    if not isinstance(dim, int | np.integer):
        return pairwise(input, dim)
    at = locate(input, dim, True)
    values = take_along_dim(input, at, dim) if _shape(input) else clone(input)
    if not keepdim and _shape(input):
        values, at = squeeze(values, dim), squeeze(at, dim)
    return ValuesIndices(values, at)


@primitive
def argmax(input, *, dim=None, keepdim=False):
    """The index of the largest element over ``dim``, or into the flattened tensor; the first at ties."""
    return _locate("argmax", np.argmax, input, dim, keepdim)


@primitive
def argmin(input, *, dim=None, keepdim=False):
    """The index of the smallest element over ``dim``, or into the flattened tensor; the first at ties."""
    return _locate("argmin", np.argmin, input, dim, keepdim)


def _locate(name, function, input, dim, keepdim):
    if dim is not None:
        dim = normalize_dim(name, dim, input.ndim)
        if not input.ndim:
            return np.zeros((), np.int64)
    if (input.size if dim is None else input.shape[dim]) == 0:
        raise ShapeError(
            f"{name}: expected elements to choose from, got shape {input.shape}, dim {dim}"
        )
    return np.asarray(function(input, axis=dim, keepdims=keepdim), np.int64)


argmax.differentiable = argmin.differentiable = False


@primitive
def all(input, *, dim=None, keepdim=False):
    """Whether all elements over ``dim`` are nonzero."""
    return np.all(input, axis=normalize_dims("all", dim, input.ndim), keepdims=keepdim)


@primitive
def any(input, *, dim=None, keepdim=False):
    """Whether any element over ``dim`` is nonzero."""
    return np.any(input, axis=normalize_dims("any", dim, input.ndim), keepdims=keepdim)


all.differentiable = any.differentiable = False


@composite
def cumsum(input, dim, *, dtype=None):
    """Σ over the elements up to each one along ``dim``.

    Derivation: xᵢ enters all sums from i on, so the gradient is the cumulative sum from the end.
    """
    if dtype is not None:
        input = _cast(input, dtypes.check(dtype, "cumsum"))
    return _typed(_cumsum(input, normalize_dim("cumsum", dim, input.ndim)), dtype)


@primitive
def _cumsum(input, *, dim):
    dtype = dtypes.int64 if input.dtype.kind in "biu" else None
    return np.cumsum(input, dim, dtype) if input.ndim else np.array(input, dtype)


_cumsum.vjp(lambda g, dim: flip(_cumsum(flip(g, (dim,)), dim), (dim,)))


def _by_rows(kernel, dim: int, *arrays: np.ndarray) -> np.ndarray:
    """A row kernel along any dimension: ``dim`` goes last, and the others become rows."""
    first = arrays[0]
    if not first.ndim:
        return _by_rows(kernel, 0, *[a.reshape(1) for a in arrays]).reshape(())
    last = dim == first.ndim - 1
    moved = arrays if last else [np.moveaxis(a, dim, -1) for a in arrays]
    shape = moved[0].shape
    n = shape[-1]
    count = first.size // n if n else 0
    out = np.empty((count, n), first.dtype)
    kernel(out, *[native(a).reshape(count, n) for a in moved])
    out = out.reshape(shape)
    return out if last else native(np.moveaxis(out, -1, dim))


def _float_dim(name: str, input, dim, dtype):
    """The operand in a float type, and ``dim`` counted from the front."""
    if dtype is not None:
        input = _cast(input, dtypes.check(dtype, name))
    require_float(name, input)
    return input, normalize_dim(name, dim, input.ndim)


@composite
def softmax(input, dim, dtype=None):
    """e^xᵢ/Σe^xⱼ along ``dim``, computed as e^(xᵢ − max x)/Σe^(xⱼ − max x).

    Derivation: ∂sᵢ/∂xⱼ = sᵢ(δᵢⱼ − sⱼ), so the gradient is s(g − Σ g s).
    """
    return _softmax(*_float_dim("softmax", input, dim, dtype))


@primitive
def _softmax(input, *, dim):
    return _by_rows(rows.softmax, dim, input)


@_softmax.vjp(kernel=lambda g, out, dim: _by_rows(rows.softmax_vjp, dim, g, out))
def _(g, out, dim):
    return out * (g - _total(g * out, dim))


def _total(x, dim):
    """Σ along ``dim``, kept; a 0-d x is its own."""
    return _sum(x, (dim,), True) if len(x.shape) else x


@composite
def log_softmax(input, dim, dtype=None):
    """xᵢ − ln Σe^xⱼ along ``dim``.  Derivation: ∂/∂xⱼ = δᵢⱼ − softmaxⱼ, so the gradient is g − softmax Σg."""
    return _log_softmax(*_float_dim("log_softmax", input, dim, dtype))


@primitive
def _log_softmax(input, *, dim):
    return _by_rows(rows.log_softmax, dim, input)


@_log_softmax.vjp(kernel=lambda g, out, dim: _by_rows(rows.log_softmax_vjp, dim, g, out))
def _(g, out, dim):
    return g - exp(out) * _total(g, dim)


@composite
def softmin(input, dim, dtype=None):
    """softmax(−x).  Derivation: that of softmax, with the sign of the inner derivative."""
    input, dim = _float_dim("softmin", input, dim, dtype)
    return _softmax(neg(input), dim)


@composite
def logsumexp(input, dim, keepdim=False):
    """ln Σe^x over ``dim``, computed as max x + ln Σe^(x − max x).  Derivation: softmax."""
    if input.dtype.kind != "f":
        input = _cast(input, dtypes.get_default_dtype())
    return _logsumexp(input, normalize_dims("logsumexp", dim, input.ndim), keepdim)


@primitive
def _logsumexp(input, *, dims, keepdim):
    if not input.ndim:
        return input.copy()
    kept = [i for i in range(input.ndim) if i not in dims]
    n = _count(input.shape, dims)
    shape = tuple(input.shape[i] for i in kept)
    count = _count(shape, range(len(shape)))
    if n == 0:
        out = np.full(count, -np.inf, input.dtype)
    else:
        out = np.empty(count, input.dtype)
        rows.logsumexp(out, native(input.transpose(kept + list(dims))).reshape(count, n))
    return out.reshape(
        [1 if i in dims else m for i, m in enumerate(input.shape)] if keepdim else shape
    )


@_logsumexp.vjp
def _(g, input, out, input_shape, dims, keepdim):
    spread = _spread(out, input_shape, dims, keepdim)
    # A sum of −∞ alone has no softmax: its gradient is 0, not NaN.
    flat = eq(spread, -np.inf)
    weight = exp(input - where(flat, 0.0, spread))
    return _spread(g, input_shape, dims, keepdim) * weight
