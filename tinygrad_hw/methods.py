"""Operators under PyTorch's method names, conversions, and what takes sizes one by one or together."""

from __future__ import annotations

from typing import Self

import numpy as np

from . import dtypes, ops
from .errors import DTypeError, ShapeError
from .inplace import InPlace
from .ops import reduce as _reduce


class Methods(InPlace):
    """What a Tensor can be asked to compute."""

    __slots__ = ()

    # Element types and memory

    def contiguous(self) -> Self:
        """Itself if row-major without gaps, else a copy that is."""
        return self if self._array.flags.c_contiguous else ops.clone(self)

    def to(self, dtype) -> Self:
        """In another element type (a dtype, or that of a tensor); itself if it has that type already."""
        dtype = dtypes.check(dtype._array.dtype if isinstance(dtype, Methods) else dtype, "to")
        return self if dtype == self._array.dtype else _reduce._cast(self, dtype)

    type = to

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

    def t(self) -> Self:
        """A matrix transposed; a vector or number as it is."""
        if self._array.ndim > 2:
            raise ShapeError(f"t: expected at most 2 dimensions, got shape {self._array.shape}")
        return self.T

    # Operators

    clone = ops.clone
    abs, sign, neg, exp, expm1, log, log1p = (
        ops.abs, ops.sign, ops.neg, ops.exp, ops.expm1, ops.log, ops.log1p,
    )  # fmt: skip
    add, sub, mul, div, pow = ops.add, ops.sub, ops.mul, ops.div, ops.pow
    sqrt, rsqrt, square, reciprocal = ops.sqrt, ops.rsqrt, ops.square, ops.reciprocal
    sin, cos, tanh, sigmoid, erf, relu = ops.sin, ops.cos, ops.tanh, ops.sigmoid, ops.erf, ops.relu
    maximum, minimum, clamp, clip = ops.maximum, ops.minimum, ops.clamp, ops.clamp
    eq, ne, lt, le, gt, ge = ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    logical_and, logical_or, logical_xor = ops.logical_and, ops.logical_or, ops.logical_xor
    logical_not, isnan, isinf, isfinite = ops.logical_not, ops.isnan, ops.isinf, ops.isfinite
    sum, mean, var, std, prod, norm = ops.sum, ops.mean, ops.var, ops.std, ops.prod, ops.norm
    max, min, amax, amin = ops.max, ops.min, ops.amax, ops.amin
    argmax, argmin, all, any = ops.argmax, ops.argmin, ops.all, ops.any
    cumsum, logsumexp = ops.cumsum, ops.logsumexp
    softmax, log_softmax = ops.softmax, ops.log_softmax
    matmul, mm, bmm, mv, dot, outer = ops.matmul, ops.mm, ops.bmm, ops.mv, ops.dot, ops.outer
    flatten, squeeze, unsqueeze, transpose = ops.flatten, ops.squeeze, ops.unsqueeze, ops.transpose
    broadcast_to, narrow, select = ops.broadcast_to, ops.narrow, ops.select
    split, chunk, tril, triu = ops.split, ops.chunk, ops.tril, ops.triu
    gather, take_along_dim, index_select = ops.gather, ops.take_along_dim, ops.index_select
    masked_fill = ops.masked_fill

    def where(self, condition, other) -> Self:
        """self where condition holds, else other."""
        return ops.where(condition, self, other)


def _one_or_many(sizes: tuple):
    """``f(2, 3)`` and ``f((2, 3))`` alike."""
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
