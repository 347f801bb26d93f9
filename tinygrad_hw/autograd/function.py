"""Operators of a user's own: a forward and a backward on Tensors."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import GraphError, ShapeError
from ..graph import Bundle, Node, Port, is_grad_enabled, no_grad, set_grad_enabled
from ..inplace import broadcasts
from ..ops.reduce import sum_to_shape
from ..tensor import Tensor, _revive


class Context:
    """``ctx``: what forward leaves for backward. Other values than tensors may be kept as attributes of it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple = ()
        self._node: Callable[[], Any] | None = None  # a weak reference: the node refers to this
        self._non_differentiable: tuple = ()
        self._materialize = True

    def save_for_backward(self, *tensors) -> None:
        """Keep tensors (or None) for backward, which finds them in ``saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward: expected Tensors or None, got {type(t).__name__}\n"
                    "Keep other values as attributes of ctx."
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple:
        """The tensors kept by ``save_for_backward``.  Raises: GraphError if one was changed in place since."""
        node = self._node() if self._node else None
        return self._to_save if node is None else node.unpack_all()

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

    __slots__ = ("__weakref__", "context", "function", "outputs")

    context: Context
    function: type[Function]
    outputs: list[tuple | None]  # shape and dtype; None where forward returned what is no Tensor

    @property
    def name(self) -> str:
        return f"{self.op.name}Backward"

    def output_edge(self, k: int) -> Node:
        """Where the gradient of output ``k`` goes."""
        if len(self.outputs) == 1:
            return self
        return Port(self.op, (k,), (), [self], *self.outputs[k])  # type: ignore[misc]

    def unpack_all(self) -> tuple:
        """What ``save_for_backward`` was given, each with the history that it has outside of the Function."""
        if self.saved is None:
            raise GraphError(
                f"backward: what {self.op.name} saved was freed by an earlier backward pass\n"
                "Pass retain_graph=True to the first pass to keep it."
            )
        tensors: list[Tensor | None] = []
        for i, entry in enumerate(self.saved):
            if entry is not None:
                array = self.unpack(entry, f"tensor {i}")
                edge = self.output_edge(entry[3]) if isinstance(entry[3], int) else entry[3]
                entry = _revive(array, entry[1], edge)
            tensors.append(entry)
        return tuple(tensors)

    def pull(self, g, revive: Callable | None, needed: set | None) -> list:
        given = g if isinstance(g, Bundle) else {0: g}
        cotangents: list[Tensor | None] = []
        for k, output in enumerate(self.outputs):
            one = given.get(k)
            if one is None and output is not None and self.context._materialize:
                one = np.zeros(*output)
            cotangents.append(
                one if one is None or isinstance(one, Tensor) else Tensor._wrap(np.asarray(one))
            )
        with set_grad_enabled(revive is not None):
            results = self.function.backward(self.context, *cotangents)
        results = results if isinstance(results, tuple) else (results,)
        name, edges = self.op.name, self.edges
        if len(results) < len(edges) or any(r is not None for r in results[len(edges) :]):
            raise GraphError(
                f"{name}.backward: expected {len(edges)} gradients, one for each argument of forward, "
                f"got {len(results)}"
            )
        out = []
        for i, (edge, result) in enumerate(zip(edges, results, strict=False)):
            if result is not None and not isinstance(result, Tensor):
                raise TypeError(
                    f"{name}.backward: expected Tensors or None, got {type(result).__name__}"
                )
            if edge is None or result is None or (needed is not None and edge not in needed):
                continue
            found: Any = result._array if revive is None else result
            if found.shape != edge.shape:
                if not broadcasts(edge.shape, found.shape):
                    raise ShapeError(
                        f"{name}.backward: expected a gradient of shape {edge.shape} for argument {i}, "
                        f"got {found.shape}"
                    )
                found = sum_to_shape(found, edge.shape)  # that of a broadcast operand
            found = np.asarray(found, edge.dtype) if revive is None else found.to(edge.dtype)
            out.append((edge, found, True))
        return out


class Function:
    """Base of a user's own operator: static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``.

    Call it by ``apply``. ``forward`` computes without being recorded and may return several outputs in a tuple;
    ``backward`` gets a gradient for each of these and returns one, or None, for each of forward's arguments. It is
    recorded when gradients of gradients are wanted, so written in Tensor operations it can be differentiated again.
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
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        context = Context(needs)
        with no_grad():
            result = cls.forward(context, *args)
        outputs = result if isinstance(result, tuple) else (result,)
        first = next((o for o in outputs if isinstance(o, Tensor)), None)
        if first is None:
            raise TypeError(
                f"{cls.__name__}.forward: expected a Tensor or a tuple with Tensors, got {type(result).__name__}"
            )
        if not (any(needs) and is_grad_enabled()):
            return result
        edges = [a._edge() if need else None for a, need in zip(args, needs, strict=True)]
        node = _FunctionNode(_Op(cls.__name__), (), (), edges, first.shape, first.dtype)  # type: ignore[arg-type]
        node.context = context
        node.function = cls
        node.outputs = [(o.shape, o.dtype) if isinstance(o, Tensor) else None for o in outputs]
        # An entry's edge is the argument's that it is, or the number of the output: the node itself would be a cycle.
        sources = [*zip(args, edges, strict=True), *zip(outputs, range(len(outputs)), strict=True)]
        node.saved = [None if t is None else _entry(t, sources) for t in context._to_save]
        context._to_save = ()
        context._node = weakref.ref(node)
        made = tuple(_output(node, k, o) for k, o in enumerate(outputs))
        return made if isinstance(result, tuple) else made[0]


def _output(node: _FunctionNode, k: int, output: Any) -> Any:
    """Output ``k`` as the Function's result: the same memory, also where forward returned one of its arguments."""
    if not isinstance(output, Tensor):
        return output
    made = Tensor._wrap(output._array)
    made._version = output._version
    constant = any(output is t for t in node.context._non_differentiable)
    if output.dtype.kind == "f" and not constant:
        made._node = node.output_edge(k)
        made._requires_grad = True
    return made


def _entry(t: Tensor, sources: list) -> tuple:
    """A tensor to keep, as (array, version counter, its count now, edge)."""
    edge = next((edge for x, edge in sources if x is t), t._edge() if t.requires_grad else None)
    return (t._array, t._version, t._version[0], edge)
