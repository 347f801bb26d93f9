"""Derivatives of functions, as functions: they nest in any order, and under ``vmap``.

Each runs its function on aliases of the inputs, whose place in the graph is theirs alone, and asks the graph for
gradients there. A result keeps the history that leads to anything else than these aliases, so what is around
(another transform, or ``backward``) can differentiate it again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import graph
from ..errors import DTypeError, ShapeError
from ..graph import Node
from ..ops import clone
from ..tensor import Tensor
from ..tensor import grad as _grad
from . import batching, tree
from .batching import Batched, expose, hide


class _Alive(threading.local):
    def __init__(self) -> None:
        self.nodes: set[Node] = set()


_alive = _Alive()


class _Inputs:
    """Aliases of tensors, with respect to which a function is differentiated once it has run.

    While a ``vmap`` is at work, each example has aliases of its own: the derivative is that of one example.
    """

    def __init__(self, name: str, inputs: Any) -> None:
        for x in tree.leaves(inputs):
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: expected Tensors as inputs, got {type(x).__name__}")
            if x.dtype.kind != "f":
                raise DTypeError(f"{name}: expected inputs of floating point, got {x.dtype}")
        self.inputs = inputs
        self.levels = tuple(batching.state.sizes)
        self.probes = [_alias(expose(x, self.levels)) for x in tree.leaves(inputs)]
        self.nodes: set = {p._node for p in self.probes}

    def run(self, function: Callable) -> Any:
        """``function`` of the aliases, recorded."""
        aliases = (hide(_revived(p), self.levels) for p in self.probes)
        _alive.nodes |= self.nodes
        try:
            with graph.enable_grad():
                return function(tree.build(self.inputs, aliases))
        finally:
            _alive.nodes -= self.nodes

    def pull(self, outputs: list, cotangents: list, again: bool = True) -> Any:
        """The inputs' gradients, in their form; the graph is kept for ``again``."""
        pairs = [
            (expose(y, self.levels), expose(c, self.levels))
            for y, c in zip(outputs, cotangents, strict=True)
            if isinstance(y, Tensor) and y.requires_grad
        ]
        outs, cots = [p[0] for p in pairs], [p[1] for p in pairs]
        create = graph.mode.enabled and (
            _leads_out(outs, self.nodes) or any(c.requires_grad for c in cots)
        )
        batched = any(isinstance(c, Batched) for c in cots)
        found: Iterable = [np.zeros(p.shape, p.dtype) for p in self.probes]
        if pairs:
            found = _grad(
                outs, self.probes, cots, again or create, create or batched, materialize_grads=True
            )
        gradients = [g if isinstance(g, Tensor) else Tensor._wrap(g) for g in found]
        if not create:
            gradients = [g.detach() for g in gradients]
        return tree.build(self.inputs, (self.free(hide(g, self.levels)) for g in gradients))

    def free(self, x: Any) -> Any:
        """``x`` without its history, if that leads only here."""
        if not isinstance(x, Tensor) or not x.requires_grad:
            return x
        return x if graph.mode.enabled and _leads_out([x], self.nodes) else x.detach()


def _alias(x: Tensor) -> Tensor:
    """The same values at a place of its own in the graph, above x's."""
    alias = x.detach()
    plan = clone.plan(int(x.requires_grad))
    edges = [x._edge() if x.requires_grad else None]
    alias._node = Node(clone, (), plan.rules, edges, x.shape, x.dtype)
    alias._requires_grad = True
    return alias


def _revived(probe: Tensor) -> Tensor:
    """Another Tensor at the same place, which a function may change."""
    alias = probe.detach()
    alias._node, alias._requires_grad = probe._node, True
    return alias


def _leads_out(tensors: list[Tensor], own: set) -> bool:
    """Whether there is history that leads to a leaf, or to the input of a transform at work other than ``own``."""
    inner = (t._inner if isinstance(t, Batched) else t for t in tensors)
    stack: list = [t._edge() for t in inner if t.requires_grad]
    seen = set()
    while stack:
        edge = stack.pop()
        if edge is None or edge in seen:
            continue
        if not isinstance(edge, Node) or (edge in _alive.nodes and edge not in own):
            return True
        seen.add(edge)
        stack.extend(edge.edges)
    return False


def _chosen(name: str, args: tuple, argnums: int | tuple) -> tuple:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise ValueError(f"{name}: expected argnums below {len(args)} arguments, got {n}")
    return tuple(n % len(args) for n in numbers)


def _split(name: str, func: Callable, argnums: int | tuple, args: tuple, kwargs: dict):
    """``func`` as a function of the arguments ``argnums`` alone, in a tuple, and these."""
    numbers = _chosen(name, args, argnums)

    def of_chosen(values: tuple) -> Any:
        full = list(args)
        for n, value in zip(numbers, values, strict=True):
            full[n] = value
        return func(*full, **kwargs)

    return of_chosen, tuple(args[n] for n in numbers)


def _with_aux(name: str, result: Any, has_aux: bool) -> tuple:
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{name}: expected (output, aux) from the function as has_aux is set")
    return result


def _outputs(name: str, output: Any) -> list[Tensor]:
    outputs = tree.leaves(output)
    for y in outputs:
        if not isinstance(y, Tensor):
            raise TypeError(f"{name}: expected Tensors as outputs, got {type(y).__name__}")
    return outputs


def _ones(y: Tensor) -> Tensor:
    return Tensor._wrap(np.ones(y.shape, y.dtype))


def grad_and_value(func: Callable, argnums: int | tuple = 0, has_aux: bool = False) -> Callable:
    """x ↦ (∂f/∂x, f(x)) of a function with a 0-d output; with ``has_aux`` (∂f/∂x, (f(x), aux)).

    ``argnums``: the argument, or several in a tuple, to differentiate by; each may be a nest of tensors.
    """

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        of_chosen, chosen = _split("grad", func, argnums, args, kwargs)
        inputs = _Inputs("grad", chosen)
        y, aux = _with_aux("grad", inputs.run(of_chosen), has_aux)
        if not isinstance(y, Tensor):
            raise TypeError(f"grad: expected a Tensor from the function, got {type(y).__name__}")
        if y.ndim:
            raise ShapeError(
                f"grad: expected a 0-d output, got shape {tuple(y.shape)}\nSum it, or use jacrev."
            )
        gradients = inputs.pull([y], [_ones(y)], again=has_aux)
        value = inputs.free(y)
        gradient = gradients[0] if isinstance(argnums, int) else gradients
        return gradient, ((value, tree.map_leaves(inputs.free, aux)) if has_aux else value)

    return run


def value_and_grad(func: Callable, argnums: int | tuple = 0, has_aux: bool = False) -> Callable:
    """x ↦ (f(x), ∂f/∂x): ``grad_and_value`` the other way round."""
    both = grad_and_value(func, argnums, has_aux)
    return functools.wraps(func)(lambda *args, **kwargs: both(*args, **kwargs)[::-1])


def grad(func: Callable, argnums: int | tuple = 0, has_aux: bool = False) -> Callable:
    """x ↦ ∂f/∂x of a function with a 0-d output; with ``has_aux`` (∂f/∂x, aux)."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return run


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(f(x), v ↦ vᵀ ∂f/∂x), with ``has_aux`` also aux.

    The pullback takes cotangents in the form of the output and returns a tuple with the gradient of each primal. It
    can be called any number of times, and differentiated.
    """
    inputs = _Inputs("vjp", primals)
    output, aux = _with_aux("vjp", inputs.run(lambda xs: func(*xs)), has_aux)
    outputs = _outputs("vjp", output)

    def pullback(cotangents: Any) -> tuple:
        given = _matching("vjp", "cotangents", cotangents, outputs)
        return inputs.pull(outputs, given)

    result = tree.map_leaves(inputs.free, output), pullback
    return (*result, tree.map_leaves(inputs.free, aux)) if has_aux else result


def _matching(name: str, what: str, given: Any, like: list) -> list:
    found = tree.leaves(given)
    wrong = len(found) != len(like) or any(
        not isinstance(v, Tensor) or tuple(v.shape) != tuple(x.shape)
        for v, x in zip(found, like, strict=False)
    )
    if wrong:
        shapes = [tuple(getattr(v, "shape", ())) for v in found]
        wanted = [tuple(x.shape) for x in like]
        raise ShapeError(f"{name}: expected {what} of shapes {wanted}, got {shapes}")
    return [v.to(x.dtype) for v, x in zip(found, like, strict=True)]


def linearize(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(f(x), v ↦ ∂f/∂x v); the second can be called again without running f again.

    Derivation: v ↦ ∂f/∂x v is the transpose of u ↦ uᵀ ∂f/∂x, which is linear in u: its own pullback.
    """
    inputs = _Inputs("jvp", primals)
    output, aux = _with_aux("jvp", inputs.run(lambda xs: func(*xs)), has_aux)
    outputs = _outputs("jvp", output)
    zeros = [Tensor._wrap(np.zeros(y.shape, y.dtype)) for y in outputs]
    # Their pullback's graph is there to be differentiated by the cotangents, whatever the mode around.
    with graph.enable_grad():
        cotangents = _Inputs("jvp", zeros)
        gradients = cotangents.run(lambda us: tree.leaves(inputs.pull(outputs, us)))

    def push(*tangents: Any) -> Any:
        given = _matching("jvp", "tangents", tangents, tree.leaves(primals))
        pushed = cotangents.pull(gradients, given)
        return tree.build(output, (inputs.free(t) for t in pushed))

    result = tree.map_leaves(inputs.free, output), push
    return (*result, tree.map_leaves(inputs.free, aux)) if has_aux else result


def jvp(func: Callable, primals: tuple, tangents: tuple, has_aux: bool = False) -> tuple:
    """(f(x), ∂f/∂x v), exact: forward mode as two backward passes (see ``linearize``); with ``has_aux`` also aux."""
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple):
            raise TypeError(f"jvp: expected {what} as a tuple, got {type(given).__name__}")
    value, push, *aux = linearize(func, *primals, has_aux=has_aux)
    return (value, push(*tangents), *aux)


def hvp(func: Callable, primals: tuple, tangents: tuple) -> Any:
    """∂²f/∂x² v of a function with a 0-d output, in the form of primals, without the Hessian.

    Derivation: the Hessian is symmetric, so its product with v is the pullback of the gradient at v.
    """
    numbers = tuple(range(len(primals)))
    _, pullback = vjp(grad(func, argnums=numbers), *primals)
    return pullback(tuple(tangents))
