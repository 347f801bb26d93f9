"""Derivatives of functions at once, under the names of PyTorch's ``autograd.functional``.

``func`` has the same as transforms; here a function and its inputs (a Tensor, or several in a tuple) go in, and the
results have no history unless ``create_graph``. ``strict``: outputs that do not depend on an input are an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import func as _func
from ..errors import GraphError, ShapeError
from ..func import tree
from ..tensor import Tensor, grad


def _tuple(x: Any) -> tuple:
    return x if isinstance(x, tuple) else tuple(x) if isinstance(x, list) else (x,)


def _finish(result: Any, create_graph: bool) -> Any:
    return result if create_graph else tree.map_leaves(lambda t: t.detach(), result)


def _like(x: Any, results: tuple) -> Any:
    """A tuple of results where the inputs or outputs were one."""
    return tuple(results) if isinstance(x, tuple | list) else results[0]


def _require_dependence(name: str, function: Callable, inputs: Any) -> None:
    given = tuple(x.detach().requires_grad_() for x in _tuple(inputs))
    for i, y in enumerate(_tuple(function(*given))):
        found = (
            grad(y.sum(), given, allow_unused=True, retain_graph=True) if y.requires_grad else ()
        )
        for j in range(len(given)):
            if not found or found[j] is None:
                raise GraphError(
                    f"{name}: output {i} does not depend on input {j}, and strict is set"
                )


def _direction(name: str, v: Any, like: Any) -> Any:
    if v is not None:
        return _tuple(v)
    if len(_tuple(like)) > 1 or _tuple(like)[0].numel() != 1:
        raise ShapeError(f"{name}: expected v, which is optional for one element only")
    return tuple(x.detach() * 0 + 1 for x in _tuple(like))


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
):
    """(func(inputs), vᵀ J)."""
    if strict:
        _require_dependence("vjp", func, inputs)
    output, pullback = _func.vjp(func, *_tuple(inputs))
    found = pullback(_direction("vjp", v, output))
    return _finish((output, _like(inputs, found)), create_graph)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
):
    """(func(inputs), J v), by forward mode (see ``func.linearize``)."""
    if strict:
        _require_dependence("jvp", func, inputs)
    given = _tuple(inputs)
    return _finish(_func.jvp(func, given, _direction("jvp", v, inputs)), create_graph)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
):
    """∂func/∂inputs, of shape (*output, *input) for each output and each input (nested tuples for several).

    ``strategy``: reverse-mode or forward-mode. All rows are always computed together; ``vectorize`` changes nothing.
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            f"jacobian: expected reverse-mode or forward-mode as strategy, got {strategy!r}"
        )
    if strict:
        _require_dependence("jacobian", func, inputs)
    given = _tuple(inputs)
    transform = _func.jacrev if strategy == "reverse-mode" else _func.jacfwd
    several = isinstance(inputs, tuple | list)
    numbers: Any = tuple(range(len(given))) if several else 0
    return _finish(transform(func, argnums=numbers)(*given), create_graph)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
):
    """∂²func/∂inputs² of a function with one element as its output: [i][j] for several inputs."""

    def gradient(*xs: Tensor) -> Any:
        found = _gradient("hessian", func, xs)
        return _like(inputs, found)

    if strict:
        _require_dependence("hessian", gradient, inputs)
    return jacobian(gradient, inputs, create_graph, False, vectorize, outer_jacobian_strategy)


def _gradient(name: str, func: Callable, xs: tuple) -> tuple:
    numbers = tuple(range(len(xs)))

    def scalar(*values: Tensor) -> Tensor:
        y = func(*values)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise ShapeError(f"{name}: expected a function with one element as its output")
        return y.reshape(())

    return _func.grad(scalar, argnums=numbers)(*xs)


def _product(name: str, func: Callable, inputs: Any, v: Any, create_graph: bool, strict: bool):
    def gradient(*xs: Tensor) -> tuple:
        return _gradient(name, func, xs)

    given = _tuple(inputs)
    if strict:
        _require_dependence(name, gradient, inputs)
    _, pullback = _func.vjp(gradient, *given)
    found = pullback(_direction(name, v, inputs))
    return _finish((func(*given), _like(inputs, found)), create_graph)


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
):
    """(func(inputs), vᵀ H) for the Hessian H of a function with one element as its output."""
    return _product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
):
    """(func(inputs), H v): as ``vhp``, for H is symmetric."""
    return _product("hvp", func, inputs, v, create_graph, strict)
