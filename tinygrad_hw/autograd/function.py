"""Operators of a user's own: a forward and a backward on Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import graph
from ..errors import GraphError, ShapeError
from ..graph import Bundle, Node, Port
from ..tensor import Tensor, _revive


class Context:
    """``ctx``: what forward leaves for backward."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self._to_save: tuple = ()
        self._node: _FunctionNode | None = None
        self._non_differentiable: tuple = ()
        self._materialize = True

    def save_for_backward(self, *tensors) -> None:
        """Keep tensors (or None) for backward, which finds them in ``saved_tensors``."""
        if any(t is not None and not isinstance(t, Tensor) for t in tensors):
            raise TypeError("save_for_backward: expected Tensors or None\nKeep other values as attributes of ctx.")
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple:
        """The tensors kept by ``save_for_backward``.  Raises: GraphError if one was changed in place since."""
        if self._node is None:
            return self._to_save
        return self._node.unpack_all()

    def mark_non_differentiable(self, *tensors) -> None:
        """Outputs through which no gradient flows."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (default) or None for outputs that received no gradient."""
        self._materialize = value


class _Op:
    """What a graph node shows as its operator: the Function's name."""

    def __init__(self, name: str) -> None:
        self.name = name


class _FunctionNode(Node):
    """A node whose rules are a user's ``backward``."""

    __slots__ = ("context", "function", "outputs")

    def unpack_all(self) -> tuple:
        if self.saved is None:
            raise GraphError(f"backward: what {self.op.name} saved was freed\nPass retain_graph=True to keep it.")
        return tuple(
            None if entry is None else _revive(self.unpack(entry, f"tensor {i}"), entry[3])
            for i, entry in enumerate(self.saved)
        )

    def pull(self, g, revive: Callable | None, wanted: Callable[[Any], bool]) -> list:
        given = g if isinstance(g, Bundle) else {0: g}
        cotangents = []
        for i, (shape, dtype) in enumerate(self.outputs):
            one = given.get(i)
            if one is None and self.context._materialize:
                one = np.zeros(shape, dtype)
            cotangents.append(Tensor._wrap(one) if isinstance(one, np.ndarray) else one)
        with graph.set_grad_enabled(revive is not None):
            results = self.function.backward(self.context, *cotangents)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) < len(self.edges) or any(r is not None for r in results[len(self.edges) :]):
            raise GraphError(
                f"{self.op.name}.backward: expected {len(self.edges)} gradients, one for each argument of "
                f"forward, got {len(results)}"
            )
        out = []
        for edge, result in zip(self.edges, results, strict=False):
            if edge is None or result is None or not wanted(edge):
                continue
            if not isinstance(result, Tensor):
                raise TypeError(f"{self.op.name}.backward: expected Tensors or None, got {type(result).__name__}")
            if result.shape != edge.shape:
                raise ShapeError(
                    f"{self.op.name}.backward: expected a gradient of shape {tuple(edge.shape)}, got {result.shape}"
                )
            out.append((edge, result._array if revive is None else result, True))
        return out


class Function:
    """Base of a user's own operator: static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``.

    Call it by ``apply``. ``forward`` computes without being recorded; ``backward`` returns a gradient, or None, for each
    of forward's arguments, and is recorded when gradients of gradients are wanted.
    """

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        """Compute the outputs from the arguments."""
        raise NotImplementedError("Function: expected a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Context, *grads: Any) -> Any:
        """The arguments' gradients from the outputs' gradients."""
        raise NotImplementedError("Function: expected a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run ``forward`` and record it."""
        context = Context()
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        context.needs_input_grad = needs
        with graph.no_grad():
            result = cls.forward(context, *args)
        outputs = result if isinstance(result, tuple) else (result,)
        if any(not isinstance(o, Tensor) for o in outputs):
            raise TypeError(f"{cls.__name__}.forward: expected Tensors as outputs")
        if not (any(needs) and graph.is_grad_enabled()):
            return result
        edges = [a._edge() if need else None for a, need in zip(args, needs, strict=True)]
        first = outputs[0]
        node = _FunctionNode(_Op(cls.__name__), (), 0, edges, first.shape, first.dtype)  # type: ignore[arg-type]
        node.context = context
        node.function = cls
        node.outputs = [(o.shape, o.dtype) for o in outputs]
        fresh = [_own(o, args) for o in outputs]
        for k, (made, out) in enumerate(zip(fresh, outputs, strict=True)):
            if out.dtype.kind != "f" or any(out is t for t in context._non_differentiable):
                continue
            made._node = (
                node if len(outputs) == 1 else Port(node.op, (k,), 0, [node], out.shape, out.dtype)
            )
            made._requires_grad = True
        node.saved = [None if t is None else _entry(t, args, edges, outputs, fresh) for t in context._to_save]
        context._to_save = ()
        context._node = node
        return tuple(fresh) if isinstance(result, tuple) else fresh[0]


def _own(output: Tensor, args: tuple) -> Tensor:
    """The output itself, or a new Tensor around its array where forward returned one of its arguments."""
    return Tensor._wrap(output._array) if any(output is a for a in args) else output


def _entry(t: Tensor, args: tuple, edges: list, outputs: tuple, fresh: list) -> tuple:
    """A saved tensor with the history it has outside: that of the argument, or of the output, that it is."""
    for a, edge in zip(args, edges, strict=True):
        if t is a:
            return (t._array, t._version, t._version[0], edge)
    for o, made in zip(outputs, fresh, strict=True):
        if t is o and made._node is not None:
            return (t._array, t._version, t._version[0], made._node)
    return (t._array, t._version, t._version[0], t._edge() if t._requires_grad else None)
