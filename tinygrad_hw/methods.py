"""Operators under PyTorch's method names, conversions, and what takes sizes one by one or together."""

from __future__ import annotations

from typing import Self

import numpy as np

from . import dtypes, ops
from .errors import DTypeError, ShapeError
from .inplace import InPlace
from .kernels import recording
from .ops import reduce as _reduce
from .ops.arrange import unfold_dim
from .ops.shape import _sizes


class Methods(InPlace):
    """What a Tensor can be asked to compute."""

    __slots__ = ()

    # Element types and memory

    def contiguous(self) -> Self:
        """Itself if row-major without gaps, else a copy that is."""
        return self if self._array.flags.c_contiguous else ops.clone(self)

    def to(self, *args, dtype=None, non_blocking=False, copy=False) -> Self:
        """``to(dtype)``, ``to(tensor)``, ``to("cpu", dtype)``: in another element type, itself if it has that type.

        After these may come non_blocking, which changes nothing here, and copy, which copies in any case.
        """
        rest = args[1:] if args and isinstance(args[0], str) and args[0] == "cpu" else args
        if rest and not any(rest[0] is x for x in (True, False, None)):
            dtype, rest = rest[0], rest[1:]
        copy = rest[1] if len(rest) > 1 else copy
        dtype = dtype._array.dtype if isinstance(dtype, Methods) else dtype
        dtype = self._array.dtype if dtype is None else dtypes.check(dtype, "to")
        return self if dtype == self._array.dtype and not copy else _reduce._cast(self, dtype)

    type = to

    def type_as(self, other) -> Self:
        """In the other tensor's element type."""
        return self.to(other.dtype)

    def float(self) -> Self:
        """In float32."""
        return self.to(dtypes.float32)

    def double(self) -> Self:
        """In float64."""
        return self.to(dtypes.float64)

    def int(self) -> Self:
        """In int32."""
        return self.to(dtypes.int32)

    def long(self) -> Self:
        """In int64."""
        return self.to(dtypes.int64)

    def bool(self) -> Self:
        """In bool."""
        return self.to(dtypes.bool_)

    # Shapes

    def reshape(self, *shape) -> Self:
        """The same elements under another shape (see ``reshape``)."""
        return ops.reshape(self, _one_or_many(shape))

    def view(self, *shape) -> Self:
        """As reshape, but sharing memory.  Raises: ShapeError where that is impossible."""
        if len(shape) == 1 and isinstance(shape[0], np.dtype):
            raise DTypeError("view: expected sizes, got a dtype\nUse .to(dtype).")
        out = ops.reshape(self, _one_or_many(shape))
        if self._array.size and not np.may_share_memory(out._array, self._array):
            raise ShapeError(
                f"view: expected memory that fits {tuple(out.shape)} without copying\nUse reshape()."
            )
        return out

    def permute(self, *dims) -> Self:
        """Dimensions in another order (see ``permute``)."""
        return ops.permute(self, _one_or_many(dims))

    def expand(self, *sizes) -> Self:
        """Repeated along dimensions of size 1 (see ``expand``)."""
        return _reduce.expand(self, _one_or_many(sizes))

    def flip(self, *dims) -> Self:
        """Reversed along dims (see ``flip``)."""
        return ops.flip(self, _one_or_many(dims))

    @property
    def T(self) -> Self:  # noqa: N802 (PyTorch's name)
        """The dimensions in reverse order."""
        return ops.permute(self, tuple(range(self._array.ndim))[::-1])

    @property
    def mT(self) -> Self:  # noqa: N802 (PyTorch's name)
        """The last two dimensions exchanged."""
        if self._array.ndim < 2:
            raise ShapeError(f"mT: expected at least 2 dimensions, got shape {self._array.shape}")
        return ops.transpose(self, -2, -1)

    @property
    def mH(self) -> Self:  # noqa: N802 (PyTorch's name)
        """As mT: numbers here are their own conjugates."""
        return ops.adjoint(self)

    # New tensors like it

    def _new(self, array: np.ndarray, requires_grad) -> Self:
        if (recording.current and recording.here()) is not None:
            recording.constant(array)
        return self._wrap(array).requires_grad_(requires_grad)  # type: ignore[attr-defined]

    def new_full(self, size, fill_value, dtype=None, requires_grad=False) -> Self:
        """A tensor of ``size`` filled with ``fill_value``, in self's element type unless another is given."""
        dtype = self._array.dtype if dtype is None else dtypes.check(dtype, "new_full")
        return self._new(np.full(_sizes("new_full", size), fill_value, dtype), requires_grad)

    def new_zeros(self, *size, dtype=None, requires_grad=False) -> Self:
        """Zeros of ``size``, in self's element type unless another is given."""
        return self.new_full(_one_or_many(size), 0, dtype, requires_grad)

    def new_ones(self, *size, dtype=None, requires_grad=False) -> Self:
        """Ones of ``size``, in self's element type unless another is given."""
        return self.new_full(_one_or_many(size), 1, dtype, requires_grad)

    new_empty = new_zeros

    def new_tensor(self, data, dtype=None, requires_grad=False) -> Self:
        """A copy of ``data``, in self's element type unless another is given."""
        dtype = self._array.dtype if dtype is None else dtypes.check(dtype, "new_tensor")
        return self._new(np.array(data, dtype), requires_grad)

    # Operators

    abs, absolute, sign, neg, negative = ops.abs, ops.absolute, ops.sign, ops.neg, ops.negative
    positive, exp, exp2, expm1, log = ops.positive, ops.exp, ops.exp2, ops.expm1, ops.log
    log1p, log2, log10 = ops.log1p, ops.log2, ops.log10
    add, sub, subtract, mul, multiply = ops.add, ops.sub, ops.subtract, ops.mul, ops.multiply
    div, divide, true_divide, floor_divide = ops.div, ops.divide, ops.true_divide, ops.floor_divide
    remainder, fmod, pow, float_power = ops.remainder, ops.fmod, ops.pow, ops.float_power
    sqrt, rsqrt, square, reciprocal = ops.sqrt, ops.rsqrt, ops.square, ops.reciprocal
    lerp, addcmul, addcdiv, hypot = ops.lerp, ops.addcmul, ops.addcdiv, ops.hypot
    sin, cos, tan, asin, acos, atan = ops.sin, ops.cos, ops.tan, ops.asin, ops.acos, ops.atan
    atan2, sinh, cosh, tanh, asinh = ops.atan2, ops.sinh, ops.cosh, ops.tanh, ops.asinh
    acosh, atanh, sinc, deg2rad, rad2deg = ops.acosh, ops.atanh, ops.sinc, ops.deg2rad, ops.rad2deg
    arcsin, arccos, arctan, arctan2 = ops.arcsin, ops.arccos, ops.arctan, ops.arctan2
    arcsinh, arccosh, arctanh = ops.arcsinh, ops.arccosh, ops.arctanh
    sigmoid, relu, erf, erfc, erfinv = ops.sigmoid, ops.relu, ops.erf, ops.erfc, ops.erfinv
    lgamma, digamma, logit, xlogy = ops.lgamma, ops.digamma, ops.logit, ops.xlogy
    logaddexp, logaddexp2 = ops.logaddexp, ops.logaddexp2
    floor, ceil, round, trunc, fix = ops.floor, ops.ceil, ops.round, ops.trunc, ops.fix
    frac, copysign, heaviside, nan_to_num = ops.frac, ops.copysign, ops.heaviside, ops.nan_to_num
    maximum, minimum, clamp, clip = ops.maximum, ops.minimum, ops.clamp, ops.clip
    clamp_min, clamp_max = ops.clamp_min, ops.clamp_max
    eq, ne, lt, le, gt, ge = ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    not_equal, less, less_equal, greater = ops.not_equal, ops.less, ops.less_equal, ops.greater
    greater_equal, isclose, allclose = ops.greater_equal, ops.isclose, ops.allclose
    equal = ops.equal
    logical_and, logical_or, logical_xor = ops.logical_and, ops.logical_or, ops.logical_xor
    logical_not, isnan, isinf, isfinite = ops.logical_not, ops.isnan, ops.isinf, ops.isfinite
    bitwise_and, bitwise_or, bitwise_xor = ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor
    bitwise_not, bitwise_left_shift = ops.bitwise_not, ops.bitwise_left_shift
    bitwise_right_shift = ops.bitwise_right_shift
    sum, mean, var, std, prod, norm = ops.sum, ops.mean, ops.var, ops.std, ops.prod, ops.norm
    nansum, nanmean, count_nonzero = ops.nansum, ops.nanmean, ops.count_nonzero
    logsumexp, all, any = ops.logsumexp, ops.all, ops.any
    max, min, amax, amin, aminmax = ops.max, ops.min, ops.amax, ops.amin, ops.aminmax
    argmax, argmin, median, nanmedian = ops.argmax, ops.argmin, ops.median, ops.nanmedian
    quantile, nanquantile = ops.quantile, ops.nanquantile
    cumsum, cumprod, cummax, cummin = ops.cumsum, ops.cumprod, ops.cummax, ops.cummin
    logcumsumexp, diff, cov, corrcoef = ops.logcumsumexp, ops.diff, ops.cov, ops.corrcoef
    renorm, dist = ops.renorm, ops.dist
    softmax, log_softmax = ops.softmax, ops.log_softmax
    matmul, mm, bmm, mv, dot, vdot = ops.matmul, ops.mm, ops.bmm, ops.mv, ops.dot, ops.vdot
    inner, outer, cross, kron = ops.inner, ops.outer, ops.cross, ops.kron
    addmm, addmv, addr, addbmm, baddbmm = ops.addmm, ops.addmv, ops.addr, ops.addbmm, ops.baddbmm
    matrix_power, det, logdet, slogdet = ops.matrix_power, ops.det, ops.logdet, ops.slogdet
    inverse, pinverse = ops.inverse, ops.pinverse
    flatten, ravel, unflatten, squeeze = ops.flatten, ops.ravel, ops.unflatten, ops.squeeze
    unsqueeze, transpose, swapaxes = ops.unsqueeze, ops.transpose, ops.swapaxes
    swapdims, movedim, moveaxis = ops.swapdims, ops.movedim, ops.moveaxis
    expand_as, reshape_as, view_as = ops.expand_as, ops.reshape_as, ops.view_as
    broadcast_to, narrow, select, unbind = ops.broadcast_to, ops.narrow, ops.select, ops.unbind
    split, split_with_sizes, chunk = ops.split, ops.split_with_sizes, ops.chunk
    tensor_split, hsplit, vsplit, dsplit = ops.tensor_split, ops.hsplit, ops.vsplit, ops.dsplit
    repeat_interleave, roll, rot90, fliplr = ops.repeat_interleave, ops.roll, ops.rot90, ops.fliplr
    flipud, tril, triu = ops.flipud, ops.tril, ops.triu
    diag, diag_embed, diagflat, diagonal = ops.diag, ops.diag_embed, ops.diagflat, ops.diagonal
    trace = ops.trace
    gather, take_along_dim, index_select = ops.gather, ops.take_along_dim, ops.index_select
    take, put, index_add, index_copy = ops.take, ops.put, ops.index_add, ops.index_copy
    index_fill, index_put = ops.index_fill, ops.index_put
    scatter, scatter_add, scatter_reduce = ops.scatter, ops.scatter_add, ops.scatter_reduce
    masked_fill, masked_select = ops.masked_fill, ops.masked_select
    masked_scatter, nonzero, argwhere = ops.masked_scatter, ops.nonzero, ops.argwhere
    sort, argsort, msort, topk, kthvalue = ops.sort, ops.argsort, ops.msort, ops.topk, ops.kthvalue
    bincount, unique, unique_consecutive = ops.bincount, ops.unique, ops.unique_consecutive
    clone, t, adjoint, narrow_copy = ops.clone, ops.t, ops.adjoint, ops.narrow_copy
    sgn, signbit, isposinf, isneginf = ops.sgn, ops.signbit, ops.isposinf, ops.isneginf
    isreal, fmax, fmin, gcd, lcm = ops.isreal, ops.fmax, ops.fmin, ops.gcd, ops.lcm
    ldexp, nextafter, mvlgamma = ops.ldexp, ops.nextafter, ops.mvlgamma
    select_scatter, slice_scatter = ops.select_scatter, ops.slice_scatter
    diagonal_scatter, index_reduce = ops.diagonal_scatter, ops.index_reduce
    sum_to_size, mode, histc, ger = ops.sum_to_size, ops.mode, ops.histc, ops.ger
    cholesky, cholesky_solve = ops.cholesky, ops.cholesky_solve
    cholesky_inverse, matrix_exp = ops.cholesky_inverse, ops.matrix_exp
    hardshrink, prelu = ops.hardshrink, ops.prelu

    def repeat(self, *repeats) -> Self:
        """Laid out ``repeats`` times along each dimension (see ``repeat``)."""
        return ops.repeat(self, _one_or_many(repeats))

    def tile(self, *dims) -> Self:
        """As repeat, with counts for the last dimensions only (see ``tile``)."""
        return ops.tile(self, _one_or_many(dims))

    def unfold(self, dimension, size, step) -> Self:
        """Windows of ``size`` elements along a dimension, every ``step``-th, in a new last one; shares memory."""
        return unfold_dim(self, dimension, size, step)

    def polygamma(self, n) -> Self:
        """The n-th derivative of digamma (see ``polygamma``)."""
        return ops.polygamma(n, self)

    def where(self, condition, other) -> Self:
        """self where condition holds, else other."""
        return ops.where(condition, self, other)


def _one_or_many(sizes: tuple):
    """``f(2, 3)`` and ``f((2, 3))`` alike."""
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
