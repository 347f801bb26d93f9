"""Changes of a tensor's memory, and how the graph follows them.

Every in-place form is its out-of-place form on the values from before the change, written over them: history and
gradients are those of the out-of-place form. A tensor whose memory others show (views) passes its new history on to
them when they are next used.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from . import dtypes, graph, ops
from . import random as _random
from .errors import DTypeError, GraphError, ShapeError
from .graph import Node
from .kernels import arrays, recording
from .ops import index as _index
from .ops.core import Recorded


def change(target, name: str, function: Callable) -> Any:
    """Replace target's values by ``function(target)``, in its memory and in the graph; ``name`` is for messages.

    A recorded change of a view is one of the tensor whose memory it shows: that one's history becomes the old one
    with the shown part replaced.
    """
    recording = graph.mode.enabled
    base, steps = (target, ()) if target._view is None else target._view[:2]
    if recording and base.requires_grad and base.is_leaf:
        what = "leaf" if base is target else "view of a leaf"
        raise GraphError(
            f"{name}: expected no {what} that requires grad, as its gradient would be lost\n"
            "Do it under no_grad(), or on a clone."
        )
    _check_writable(target, name)
    old = target._past() if recording and target.requires_grad else target
    result = function(old)
    if result._requires_grad and old is target:  # another operand's rule needs the old values
        result = function(target._past())
    if result.shape != target.shape:
        raise ShapeError(f"{name}: expected a result of shape {target.shape}, got {result.shape}")
    if not dtypes.can_cast(result.dtype, target.dtype):
        raise DTypeError(f"{name}: expected a result of {target.dtype}, got {result.dtype}")
    result = result.to(target.dtype)
    _overwrite(target, name, _ALL, result._array)
    if recording and (result._requires_grad or base._requires_grad):
        if base is target:
            target._set_history(result._node)
        else:
            edges = [x._node for x in (base, result)]
            plan = _index._show.plan(sum(1 << i for i, edge in enumerate(edges) if edge))
            base._set_history(
                Node(_index._show, (steps,), plan.rules, edges, base.shape, base.dtype)
            )
        target._version[2] += 1
    return target


def put(target, name: str, index: tuple, shape: tuple, value) -> Any:
    """target[index] = value, where target[index] has ``shape``."""
    if not isinstance(value, Recorded):
        value = np.asarray(value)
    if not broadcasts(value.shape, shape):
        raise ShapeError(
            f"{name}: expected values that can be repeated to {shape}, got {value.shape}"
        )
    base = target if target._view is None else target._view[0]
    if graph.mode.enabled and any(
        getattr(x, "requires_grad", False) for x in (base, target, value)
    ):
        return change(target, name, lambda t: _index._index_put(t, value, index=index))
    _check_writable(target, name)
    _overwrite(target, name, index, _index.array_of(value))
    return target


def _overwrite(target, name: str, index: tuple, values: np.ndarray) -> None:
    """target[index] = values in memory."""
    recorder = recording.current and recording.here()
    if recorder is None:
        target._array[index] = values
        target._bump(name)
        return
    recorder.adopt(target)
    if not recorder.knows(values):
        values = recording.constant(np.array(values))
    if index is not _ALL or not arrays.assign(target._array, values):
        recorder.effect(operator.setitem, (target._array, index, values), name)
    recorder.changes(target, name)


def broadcasts(shape: tuple, to: tuple) -> bool:
    """Whether what has ``shape`` can be repeated to the shape ``to``."""
    return len(shape) <= len(to) and all(
        m in (1, n) for m, n in zip(shape[::-1], to[::-1], strict=False)
    )


def _check_writable(target, name: str) -> None:
    if not target._array.flags.writeable:
        raise ValueError(
            f"{name}: expected memory that can be written, got an expanded or read-only tensor\n"
            "Clone it first."
        )


def _in_place(op: Any, name: str | None = None) -> Callable:
    """The method that puts ``op``'s result where its first operand was."""
    name = name or f"{op.__name__}_"

    def method(self, *args, **kwargs):
        return change(self, name, lambda t: op(t, *args, **kwargs))

    method.__name__ = name
    method.__doc__ = f"``{op.__name__}`` in place; returns self."
    return method


_ALL = (...,)


class InPlace(Recorded):
    """The in-place forms of a Tensor's operators, and assignment to its elements."""

    __slots__ = ()

    _view: tuple | None

    def __setitem__(self, index, value) -> None:
        part = _index.getitem(self, index)
        if isinstance(value, InPlace) and _same_view(value, part):
            return  # the end of `t[index] += x`, which has changed t already
        value = value if isinstance(value, Recorded) else np.asarray(value)
        extra = len(value.shape) - part._array.ndim
        if extra > 0 and all(n == 1 for n in value.shape[:extra]):
            value = value.reshape(value.shape[extra:])
        if np.may_share_memory(part._array, self._array):
            put(part, "__setitem__", _ALL, part.shape, value)
        else:
            put(self, "__setitem__", _index.parse_index(self, index)[0], part.shape, value)

    def copy_(self, source) -> Self:
        """Take over source's values, broadcast to this shape and cast to this dtype."""
        return put(self, "copy_", _ALL, self._array.shape, source)

    def fill_(self, value) -> Self:
        """Set all elements to ``value``, a number or a 0-d tensor."""
        if np.ndim(value):
            raise ShapeError(f"fill_: expected a number or a 0-d tensor, got shape {value.shape}")
        return put(self, "fill_", _ALL, self._array.shape, value)

    def zero_(self) -> Self:
        """Set all elements to 0."""
        return put(self, "zero_", _ALL, self._array.shape, 0)

    def uniform_(self, low=0.0, high=1.0, generator=None) -> Self:
        """Draw each element uniformly from [low, high)."""
        draw = _draw(self, "uniform_", generator, "random")
        return put(self, "uniform_", _ALL, self._array.shape, draw * (high - low) + low)

    def normal_(self, mean=0.0, std=1.0, generator=None) -> Self:
        """Draw each element from the normal distribution of that mean and standard deviation."""
        draw = _draw(self, "normal_", generator, "standard_normal")
        return put(self, "normal_", _ALL, self._array.shape, draw * std + mean)

    add_, sub_, mul_, div_ = map(_in_place, (ops.add, ops.sub, ops.mul, ops.div))
    true_divide_, floor_divide_ = map(_in_place, (ops.true_divide, ops.floor_divide))
    remainder_, fmod_, pow_ = map(_in_place, (ops.remainder, ops.fmod, ops.pow))
    float_power_, lerp_, addcmul_ = map(_in_place, (ops.float_power, ops.lerp, ops.addcmul))
    addcdiv_ = _in_place(ops.addcdiv)
    abs_, sign_, neg_, exp_, exp2_ = map(_in_place, (ops.abs, ops.sign, ops.neg, ops.exp, ops.exp2))
    expm1_, log_, log1p_, log2_ = map(_in_place, (ops.expm1, ops.log, ops.log1p, ops.log2))
    log10_, sqrt_, rsqrt_, square_ = map(_in_place, (ops.log10, ops.sqrt, ops.rsqrt, ops.square))
    reciprocal_, hypot_ = map(_in_place, (ops.reciprocal, ops.hypot))
    sin_, cos_, tan_, asin_, acos_ = map(_in_place, (ops.sin, ops.cos, ops.tan, ops.asin, ops.acos))
    atan_, atan2_, sinh_, cosh_ = map(_in_place, (ops.atan, ops.atan2, ops.sinh, ops.cosh))
    tanh_, asinh_, acosh_, atanh_ = map(_in_place, (ops.tanh, ops.asinh, ops.acosh, ops.atanh))
    sinc_, deg2rad_, rad2deg_ = map(_in_place, (ops.sinc, ops.deg2rad, ops.rad2deg))
    sigmoid_, relu_, erf_, erfc_ = map(_in_place, (ops.sigmoid, ops.relu, ops.erf, ops.erfc))
    erfinv_, lgamma_, digamma_ = map(_in_place, (ops.erfinv, ops.lgamma, ops.digamma))
    logit_, xlogy_ = map(_in_place, (ops.logit, ops.xlogy))
    floor_, ceil_, round_, trunc_ = map(_in_place, (ops.floor, ops.ceil, ops.round, ops.trunc))
    frac_, copysign_, heaviside_ = map(_in_place, (ops.frac, ops.copysign, ops.heaviside))
    nan_to_num_, clamp_, clamp_min_ = map(_in_place, (ops.nan_to_num, ops.clamp, ops.clamp_min))
    clamp_max_ = _in_place(ops.clamp_max)
    eq_, ne_, lt_, le_, gt_, ge_ = map(_in_place, (ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge))
    logical_and_, logical_or_ = map(_in_place, (ops.logical_and, ops.logical_or))
    logical_xor_, logical_not_ = map(_in_place, (ops.logical_xor, ops.logical_not))
    bitwise_and_, bitwise_or_ = map(_in_place, (ops.bitwise_and, ops.bitwise_or))
    bitwise_xor_, bitwise_not_ = map(_in_place, (ops.bitwise_xor, ops.bitwise_not))
    bitwise_left_shift_ = _in_place(ops.bitwise_left_shift)
    bitwise_right_shift_ = _in_place(ops.bitwise_right_shift)
    cumsum_, cumprod_, tril_, triu_ = map(_in_place, (ops.cumsum, ops.cumprod, ops.tril, ops.triu))
    renorm_, masked_fill_ = map(_in_place, (ops.renorm, ops.masked_fill))
    masked_scatter_ = _in_place(ops.masked_scatter)
    put_, index_add_, index_copy_ = map(_in_place, (ops.put, ops.index_add, ops.index_copy))
    index_fill_, index_put_, scatter_ = map(_in_place, (ops.index_fill, ops.index_put, ops.scatter))
    scatter_add_, scatter_reduce_ = map(_in_place, (ops.scatter_add, ops.scatter_reduce))
    addmm_, addmv_, addr_, addbmm_ = map(_in_place, (ops.addmm, ops.addmv, ops.addr, ops.addbmm))
    baddbmm_, index_reduce_ = map(_in_place, (ops.baddbmm, ops.index_reduce))
    gcd_, lcm_, ldexp_, nextafter_ = map(_in_place, (ops.gcd, ops.lcm, ops.ldexp, ops.nextafter))
    mvlgamma_ = _in_place(ops.mvlgamma)
    subtract_, multiply_, divide_, absolute_, negative_ = sub_, mul_, div_, abs_, neg_
    arcsin_, arccos_, arctan_, arctan2_ = asin_, acos_, atan_, atan2_
    arcsinh_, arccosh_, arctanh_, fix_, clip_ = asinh_, acosh_, atanh_, trunc_, clamp_
    sgn_ = sign_
    not_equal_, less_, less_equal_, greater_, greater_equal_ = ne_, lt_, le_, gt_, ge_
    __iadd__, __isub__, __imul__ = add_, sub_, mul_
    __itruediv__, __ipow__, __ifloordiv__, __imod__ = div_, pow_, floor_divide_, remainder_
    __iand__, __ior__, __ixor__ = bitwise_and_, bitwise_or_, bitwise_xor_
    __ilshift__, __irshift__ = bitwise_left_shift_, bitwise_right_shift_


def _same_view(a: InPlace, b: InPlace) -> bool:
    if a._view is None or b._view is None:
        return False
    return a._view[0] is b._view[0] and a._view[1] == b._view[1]


def _draw(target, name: str, generator, method: str):
    """Random numbers for all elements, as an operand."""
    array = target._array
    if array.dtype.kind != "f":
        raise DTypeError(f"{name}: expected floating point, got {array.dtype}")
    draw = _random.draw(generator, method, array.shape, array.dtype)
    return draw if (recording.current and recording.here()) is None else target._wrap(draw)
