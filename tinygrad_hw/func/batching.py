"""Tensors that stand for one example while they hold all of them, and how operators treat them.

A :class:`Batched` shows the shape of one example; the tensor within has the sizes of the batches in front, one for
each ``vmap`` that is at work (its level). An operator on it is the same operator on the tensor within, its attributes
moved by the dimensions in front; one without such a rule runs once for each example, and is listed in ``looped``.
Nobody can look at the values: whoever tries raises ValuesNeeded, and ``vmap`` calls the function for each example.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import ops
from ..errors import ShapeError
from ..ops.core import Primitive
from ..ops.reduce import _expand
from ..ops.shape import _permute, _reshape
from ..tensor import EXAMPLES, Tensor, ValuesNeeded, apply


class _Levels(threading.local):
    def __init__(self) -> None:
        #: Number of examples of each vmap at work, by level; levels grow from the outermost inwards.
        self.sizes: dict[int, int] = {}
        #: Names of operators without a rule, which ran example by example.
        self.looped: set[str] = set()


state = _Levels()


class _Shadow:
    """Of an example's array what is the same for all: shape and type, and no values."""

    base = None
    flags = SimpleNamespace(c_contiguous=False, carray=False, writeable=True)

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = dtype
        self.ndim = len(shape)
        self.size = int(np.prod(shape))
        self.itemsize = dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getattr__(self, name: str):
        raise ValuesNeeded

    def _refuse(self, *_: Any):
        raise ValuesNeeded

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __ne__ = __bool__ = __iter__ = _refuse
    __array__ = __eq__ = __invert__ = __getitem__ = _refuse
    __hash__ = None  # type: ignore[assignment]


class Batched(Tensor):
    """One example, for all at once: ``_inner`` has the sizes of ``_levels`` in front of the example's."""

    __slots__ = ("_inner", "_levels")

    _inner: Tensor
    _levels: tuple[int, ...]

    @classmethod
    def _around(cls, inner: Tensor, levels: tuple[int, ...]) -> Tensor:
        if not levels:
            return inner
        self = cls.__new__(cls)
        self._inner = inner
        self._levels = levels
        self._requires_grad = inner._requires_grad
        self._node = None
        self._version = [0, "", 0]
        self._view = EXAMPLES
        self._grad = None
        return self

    @property
    def _array(self) -> Any:  # type: ignore[override]
        inner = self._inner
        return _Shadow(inner.shape[len(self._levels) :], inner.dtype)

    @property
    def requires_grad(self) -> bool:
        return self._inner.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        raise ValuesNeeded

    def detach(self) -> Tensor:
        return Batched._around(self._inner.detach(), self._levels)

    def _look(self, *_: Any, **__: Any):
        raise ValuesNeeded

    numpy = __array__ = __dlpack__ = item = tolist = __format__ = _look
    _single = __index__ = _look
    data = grad_fn = is_leaf = property(_look)

    def __repr__(self) -> str:
        return f"Batched(levels={self._levels}, {self._inner!r})"

    def _apply(self, op: Primitive, operands: tuple, attrs: tuple):
        found = {x for t in operands if isinstance(t, Batched) for x in t._levels}
        levels = tuple(sorted(found))
        rule = RULES.get(op.name)
        inner = None if rule is None else rule(op, operands, attrs, levels)
        if inner is None:
            state.looped.add(op.name.lstrip("_"))
            inner = _loop(op, operands, attrs, levels)
        return Batched._around(inner, levels)


def sizes(levels: tuple[int, ...]) -> tuple[int, ...]:
    """The number of examples of each level."""
    return tuple(state.sizes[level] for level in levels)


def expose(x: Tensor, levels: tuple[int, ...], full: bool = True) -> Tensor:
    """``x`` with ``levels`` as its leading dimensions (of size 1 where x is the same for all, unless ``full``).

    Levels of x that are not among them stay as they are.
    """
    own = x._levels if isinstance(x, Batched) else ()
    inner = x._inner if isinstance(x, Batched) else x
    rest = tuple(level for level in own if level not in levels)
    k, shape = len(own), inner.shape
    order = [own.index(level) for level in (*rest, *levels) if level in own]
    if order != list(range(k)):
        inner = _permute(inner, (*order, *range(k, len(shape))))
    wanted = tuple(state.sizes[level] if level in own else 1 for level in levels)
    if any(level not in own for level in levels):
        inner = _reshape(inner, (*sizes(rest), *wanted, *shape[k:]))
    if full and wanted != sizes(levels):
        inner = _expand(inner, (*sizes(rest), *sizes(levels), *shape[k:]))
    return Batched._around(inner, rest)


def hide(x: Tensor, levels: tuple[int, ...]) -> Tensor:
    """The inverse of ``expose``: the leading dimensions of ``x`` become ``levels``."""
    own = x._levels if isinstance(x, Batched) else ()
    inner = x._inner if isinstance(x, Batched) else x
    together = (*own, *levels)
    order = sorted(range(len(together)), key=together.__getitem__)
    if order != list(range(len(together))):
        inner = _permute(inner, (*order, *range(len(together), len(inner.shape))))
    return Batched._around(inner, tuple(sorted(together)))


def _loop(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]) -> Tensor:
    """The operator on each example."""
    every = [expose(x, levels) if isinstance(x, Batched) else x for x in operands]
    results = []
    for place in np.ndindex(*sizes(levels)):
        one = tuple(
            e[place] if isinstance(x, Batched) else e for x, e in zip(operands, every, strict=True)
        )
        results.append(op(*one, *attrs) if not op.variadic else apply(op, one, attrs))
    if not results:
        raise ValueError(f"vmap: {op.name.lstrip('_')} has no rule for a batch without examples")
    if any(y.shape != results[0].shape for y in results):
        raise ShapeError(
            f"vmap: {op.name.lstrip('_')} gives results of another shape for each example: "
            f"{[tuple(y.shape) for y in results]}"
        )
    return _reshape(ops.stack(results), (*sizes(levels), *results[0].shape))


#: By the name of an operator, its rule: (operator, operands, attributes, levels) -> the result with the levels in front,
#: or None where it is none for these. They are stated in ``rules``.
RULES: dict[str, Callable | None] = {}
