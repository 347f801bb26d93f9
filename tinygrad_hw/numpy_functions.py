"""NumPy's functions called on Tensors: the operator of the same meaning, so that gradients are kept.

Functions without a counterpart are computed by NumPy on the arrays; where that would lose a gradient silently, it is
an error.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from . import ops
from .errors import GraphError
from .ops.core import Recorded

_SAME = (
    "exp exp2 expm1 log log1p log2 log10 logaddexp logaddexp2 sqrt square reciprocal sign maximum minimum matmul "
    "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh hypot deg2rad rad2deg "
    "floor ceil trunc fmod remainder floor_divide copysign heaviside isnan isinf isfinite "
    "logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not"
)
_UFUNCS: dict[Callable, Callable] = {
    **{getattr(np, name): getattr(ops, name) for name in _SAME.split()},
    np.left_shift: ops.bitwise_left_shift,
    np.right_shift: ops.bitwise_right_shift,
    np.rint: ops.round,
    np.add: ops.add,
    np.subtract: ops.sub,
    np.multiply: ops.mul,
    np.true_divide: ops.div,
    np.power: ops.pow,
    np.negative: ops.neg,
    np.absolute: ops.abs,
    np.equal: ops.eq,
    np.not_equal: ops.ne,
    np.less: ops.lt,
    np.less_equal: ops.le,
    np.greater: ops.gt,
    np.greater_equal: ops.ge,
}


def _reduction(op: Callable) -> Callable:
    return lambda a, axis=None, *, keepdims=False: op(a, axis, keepdims)


def _moment(op: Callable) -> Callable:
    return lambda a, axis=None, *, ddof=0, keepdims=False: op(
        a, axis, correction=ddof, keepdim=keepdims
    )


_REDUCTIONS: dict[Callable, Callable] = {
    np.sum: ops.sum,
    np.mean: ops.mean,
    np.prod: ops.prod,
    np.max: ops.amax,
    np.min: ops.amin,
    np.amax: ops.amax,
    np.amin: ops.amin,
    np.argmax: ops.argmax,
    np.argmin: ops.argmin,
    np.all: ops.all,
    np.any: ops.any,
}
# The parameters are NumPy's, so that others (out, where, dtype) are refused.
_FUNCTIONS: dict[Callable, Callable] = {
    **{function: _reduction(op) for function, op in _REDUCTIONS.items()},
    np.var: _moment(ops.var),
    np.std: _moment(ops.std),
    np.cumsum: lambda a, axis: ops.cumsum(a, axis),
    np.concatenate: lambda arrays, axis=0: ops.cat(arrays, axis),
    np.stack: lambda arrays, axis=0: ops.stack(arrays, axis),
    np.where: lambda condition, *xy: ops.where(condition, *xy) if xy else np.nonzero(condition),
    np.clip: lambda a, a_min=None, a_max=None: ops.clamp(a, a_min, a_max),
    np.reshape: lambda a, shape: ops.reshape(a, shape),
    np.transpose: lambda a, axes=None: ops.permute(a, axes or range(a.ndim)[::-1]),
    np.squeeze: lambda a, axis=None: ops.squeeze(a, axis),
    np.expand_dims: lambda a, axis: ops.unsqueeze(a, axis),
    np.broadcast_to: lambda array, shape: ops.broadcast_to(array, shape),
    np.take_along_axis: lambda arr, indices, axis: ops.take_along_dim(arr, indices, axis),
    np.tril: lambda m, k=0: ops.tril(m, diagonal=k),
    np.triu: lambda m, k=0: ops.triu(m, diagonal=k),
    np.outer: lambda a, b: ops.outer(a, b),
    np.einsum: ops.einsum,
    np.dot: lambda a, b: _dot(a, b),
    np.inner: lambda a, b: _dot(a, b if np.ndim(b) < 2 else ops.transpose(b, -1, -2)),
    np.swapaxes: lambda a, axis1, axis2: ops.transpose(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: _moved(a, source, destination),
    np.ravel: lambda a: ops.reshape(a, (-1,)),
    np.flip: lambda m, axis=None: ops.flip(m, range(m.ndim) if axis is None else axis),
    np.split: lambda ary, indices_or_sections, axis=0: _split(ary, indices_or_sections, axis),
    np.copy: lambda a: ops.clone(a),
    np.atleast_1d: lambda a: a if a.ndim else a.reshape(1),
}


def _dot(a, b):
    """A product of numbers, or of arrays whose last and last but one dimensions meet."""
    if not (np.ndim(a) and np.ndim(b)):
        return ops.mul(a, b)
    if np.ndim(a) > 2 and np.ndim(b) > 1:
        raise TypeError(
            "numpy.dot: expected at most 2 dimensions for tensors\nUse matmul or einsum."
        )
    return ops.matmul(a, b)


def _moved(a, source, destination):
    # NumPy itself says where dimensions of distinct sizes go.
    moved = np.moveaxis(np.broadcast_to(0, range(1, a.ndim + 1)), source, destination)
    return ops.permute(a, tuple(n - 1 for n in moved.shape))


def _split(a, parts, axis):
    """Equal parts, or parts between the indices given."""
    n = a.shape[axis]
    if isinstance(parts, int):
        if n % parts:
            raise ValueError(f"numpy.split: expected {n} to be a multiple of {parts}")
        return list(ops.split(a, [n // parts] * parts, axis))
    bounds = [0, *(min(max(i + n if i < 0 else i, 0), n) for i in parts), n]
    return list(ops.split(a, [max(j - i, 0) for i, j in itertools.pairwise(bounds)], axis))


def ufunc(self, function, method: str, *inputs, **kwargs):
    """``np.exp(t)`` and ``array + t``, as operators."""
    op = _UFUNCS.get(function)
    if op is not None and method == "__call__" and not kwargs:
        return op(*inputs)
    name = function.__name__ if method == "__call__" else f"{function.__name__}.{method}"
    return _by_numpy(name, getattr(function, method), inputs, kwargs)


def array_function(self, function, types, args, kwargs):
    """``np.sum(t, axis=0)``, as an operator."""
    op = _FUNCTIONS.get(function)
    return (
        _by_numpy(function.__name__, function, args, kwargs) if op is None else op(*args, **kwargs)
    )


def _by_numpy(name: str, function: Callable, args: tuple, kwargs: dict):
    lost = False

    def plain(x):
        nonlocal lost
        if isinstance(x, Recorded):
            lost = lost or x.requires_grad  # type: ignore[attr-defined]
            return np.asarray(x)
        if type(x) in (list, tuple):
            return type(x)(map(plain, x))
        return x

    result = function(*plain(args), **{key: plain(value) for key, value in kwargs.items()})
    results = result if isinstance(result, list | tuple) else (result,)
    if lost and any(np.asarray(r).dtype.kind == "f" for r in results):
        raise GraphError(
            f"numpy.{name}: expected no tensor that requires grad, as its gradient would be lost\n"
            "Use tensor.detach(), or np.asarray(tensor)."
        )
    return result
