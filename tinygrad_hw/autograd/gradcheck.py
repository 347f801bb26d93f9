"""Proof of a gradient by finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import graph
from ..errors import TinygradError
from ..tensor import Tensor, grad


class GradcheckError(TinygradError, AssertionError):
    """A gradient differs from its finite difference."""


def _outputs(function: Callable, inputs: tuple) -> tuple[Tensor, ...]:
    result = function(*inputs)
    outputs = result if isinstance(result, tuple | list) else (result,)
    return tuple(o for o in outputs if isinstance(o, Tensor) and o.is_floating_point())


def _numerical(function: Callable, inputs: tuple, which: int, eps: float) -> list[np.ndarray]:
    """Central differences: for each output the Jacobian (input elements, output elements)."""
    x = inputs[which]._array
    rows: list[list[np.ndarray]] = []
    with graph.no_grad():
        for index in np.ndindex(x.shape):
            kept = x[index]
            sides = []
            try:
                for step in (eps, -eps):
                    x[index] = kept + step
                    outputs = _outputs(function, inputs)
                    sides.append([np.array(o._array, np.float64).ravel() for o in outputs])
            finally:
                x[index] = kept
            rows.append([(up - down) / (2 * eps) for up, down in zip(*sides, strict=True)])
    count = len(_outputs(function, inputs)) if not rows else len(rows[0])
    return [np.array([row[k] for row in rows]) for k in range(count)]


def gradcheck(
    func: Callable,
    inputs,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of ``func(*inputs)`` with central differences (f(x + eps) − f(x − eps))/2eps.

    Every element of every input that requires grad (float64: in float32 the differences are mostly rounding) against
    every element of every output; what func computes must depend on nothing else. Returns True, or raises
    GradcheckError naming input, element, expected and got (returns False without ``raise_exception``).
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck: expected at least one input that requires grad, got none")
    for i in checked:
        if inputs[i].dtype != np.float64:
            raise ValueError(
                f"gradcheck: expected float64 inputs, input {i} is {inputs[i].dtype}\nUse .double()."
            )
        if not inputs[i].is_contiguous() or not inputs[i]._array.flags.writeable:
            raise ValueError(
                f"gradcheck: expected inputs of their own memory, input {i} is a view\nUse .clone()."
            )
    try:
        _compare(func, inputs, checked, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    func: Callable, inputs: tuple, checked: list[int], eps: float, atol: float, rtol: float
) -> None:
    numerical = {i: _numerical(func, inputs, i, eps) for i in checked}
    outputs = _outputs(func, inputs)
    tensors = [inputs[i] for i in checked]
    for k, output in enumerate(outputs):
        for j, place in enumerate(np.ndindex(output.shape)):
            direction = np.zeros(output.shape, output.dtype)
            direction[place] = 1
            found, again = (_row(output, tensors, Tensor._wrap(direction)) for _ in range(2))
            for i, g, g2 in zip(checked, found, again, strict=True):
                got = np.zeros(inputs[i].shape) if g is None else g._array
                if g is not None and not np.array_equal(got, g2._array, equal_nan=True):
                    raise GradcheckError(
                        f"gradcheck: two backward passes differ for input {i}: not deterministic"
                    )
                want = numerical[i][k][:, j].reshape(inputs[i].shape)
                wrong = ~(np.abs(got - want) <= atol + rtol * np.abs(want))
                if wrong.any():
                    at = tuple(int(n) for n in np.argwhere(wrong)[0])
                    raise GradcheckError(
                        f"gradcheck: input {i}, element {at}, output {k}, element {place}: expected "
                        f"{want[at]:.9g} by central differences, got {got[at]:.9g} "
                        f"({int(wrong.sum())} of {wrong.size} elements of this input differ)"
                    )


def _row(output: Tensor, tensors: list[Tensor], direction: Tensor) -> tuple:
    if not output.requires_grad:  # then it must be constant, and its differences zero
        return (None,) * len(tensors)
    return grad(output, tensors, direction, retain_graph=True, allow_unused=True)


def gradgradcheck(
    func: Callable,
    inputs,
    grad_outputs=None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """``gradcheck`` of the gradients themselves, as functions of the inputs and of the cotangents.

    ``grad_outputs``: the cotangents, one per output (default: standard normal ones, the same in every run).
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [o for o in _outputs(func, inputs) if o.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        grad_outputs = [Tensor._wrap(rng.standard_normal(o.shape)) for o in outputs]
        for g in grad_outputs:
            g.requires_grad_()
    cotangents = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]

    def gradients(*args):
        xs, gs = args[: len(inputs)], args[len(inputs) :]
        with graph.enable_grad():
            made = [o for o in _outputs(func, xs) if o.requires_grad]
            return grad(
                made,
                [xs[i] for i in checked],
                gs,
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )

    return gradcheck(gradients, (*inputs, *cotangents), eps, atol, rtol, raise_exception)
