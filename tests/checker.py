"""The proof of a derivative: along a random direction, against a random cotangent, by central differences.

For f at x, a direction v and a cotangent c, ⟨c, (f(x + hv) − f(x − hv))/2h⟩ must be ⟨∇⟨c, f⟩, v⟩. Neither is ever a
vector of ones: softmax, summed, is constant, so that any multiple of its gradient would pass.
"""

from __future__ import annotations

import functools

import numpy as np
from op_cases import Case

import tinygrad_hw as tg
from tinygrad_hw.graph import Node

STEP = 1e-5
TOLERANCE = 2e-6
SAMPLES = 20


class Rejected(AssertionError):
    """A derivative is wrong."""


def is_float(x) -> bool:
    return getattr(x, "dtype", None) is not None and x.dtype.kind == "f"


def floats(result) -> list:
    """The floating point outputs of a call."""
    many = isinstance(result, tuple | list)
    return [y for y in (result if many else (result,)) if is_float(y)]


def leaves(values: list) -> list:
    """Operands as Tensors in the same memory; float arrays require a gradient."""

    def leaf(x):
        if isinstance(x, np.ndarray):
            return tg.from_numpy(x).requires_grad_(is_float(x))
        return x

    return [leaf(x) for x in values]


def gradients(case: Case, values: list, cotangents: list) -> list[np.ndarray]:
    """Of Σ⟨cotangent, output⟩ with respect to the float operands."""
    xs = leaves(values)
    inputs = [x for x in xs if is_float(x)]
    pairs = [(y, c) for y, c in zip(floats(case(*xs)), cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [np.zeros(x.shape, x.dtype) for x in inputs]
    outputs, cs = zip(*pairs, strict=True)
    cs = [tg.from_numpy(c.astype(y.dtype)) for y, c in zip(outputs, cs, strict=True)]
    grads = tg.autograd.grad(outputs, inputs, cs, materialize_grads=True)
    return [g.detach().numpy() for g in grads]


def random_like(rng: np.random.Generator, arrays: list) -> list[np.ndarray]:
    return [np.asarray(rng.normal(size=np.shape(x))) for x in arrays]


def inner(a: list, b: list) -> float:
    """Σ⟨a, b⟩ without the infinite elements of b, which are constants."""
    return float(sum(np.sum(x * np.where(np.isinf(y), 0, y)) for x, y in zip(a, b, strict=True)))


def size(a: list, b: list) -> float:
    """Σ⟨|a|, |b|⟩, by which rounding errors are measured."""
    return inner([np.abs(x) for x in a], [np.abs(y) for y in b])


def moved(values: list, directions: list, step: float) -> list:
    """values + step · directions, of the float operands."""
    each = iter(directions)
    return [np.asarray(x + step * next(each)) if is_float(x) else x for x in values]


def agree(function, slope: float, scale: float) -> bool | None:
    """Whether ``function`` of t has ``slope`` at 0; None where it has none, being bent near there."""

    def difference(h: float) -> float:
        return (function(h) - function(-h)) / (2 * h)

    tolerance = TOLERANCE * (abs(slope) + scale)
    measured = difference(STEP)
    if abs(measured - slope) <= tolerance:
        return True
    return False if abs(measured - difference(STEP / 2)) <= tolerance else None


def check_first(case: Case, sample: int = 0) -> None:
    """The gradient of ``case`` against differences of its value.  Raises: Rejected."""
    for attempt in range(SAMPLES):
        values = case.draw(1000 * attempt + sample)
        rng = np.random.default_rng(attempt)
        outputs = floats(case(*values))
        cotangents = random_like(rng, outputs)
        directions = random_like(rng, [x for x in values if is_float(x)])
        grads = gradients(case, values, cotangents)

        def value(t: float, values=values, directions=directions, cotangents=cotangents) -> float:
            return inner(cotangents, floats(case(*moved(values, directions, t))))

        slope = inner(grads, directions)
        verdict = agree(value, slope, 1e-2 + 1e-3 * size(cotangents, outputs))
        if verdict is False:
            raise Rejected(f"{case.name}: the gradient along a direction is {slope}")
        if verdict:
            return
    raise Rejected(f"{case.name}: no smooth point found in {SAMPLES}")


def differentiable_gradients(case: Case, values: list, cotangents: list) -> tuple[list, list]:
    """Inputs (operands and cotangents) and gradients, as Tensors with history."""
    xs = leaves(values)
    outputs = floats(case(*xs))
    cs = leaves(cotangents)
    pairs = [(y, c) for y, c in zip(outputs, cs, strict=True) if y.requires_grad]
    inputs = [x for x in xs if is_float(x)]
    if not pairs:
        return inputs + cs, []
    grads = tg.autograd.grad(
        [y for y, _ in pairs],
        inputs,
        [c for _, c in pairs],
        create_graph=True,
        materialize_grads=True,
    )
    return inputs + cs, list(grads)


def check_second(case: Case, sample: int = 0) -> None:
    """The gradient of the gradient against differences of the gradient.  Raises: Rejected."""
    for attempt in range(SAMPLES):
        values = case.draw(1000 * attempt + sample)
        rng = np.random.default_rng(attempt)
        cotangents = random_like(rng, floats(case(*values)))
        inputs, grads = differentiable_gradients(case, values, cotangents)
        if not grads:
            return
        plain = gradients(case, values, cotangents)
        for a, b in zip(grads, plain, strict=True):
            if not np.allclose(a.detach().numpy(), b, rtol=1e-9, atol=1e-12):
                raise Rejected(f"{case.name}: the gradient differs under create_graph")
        weights = random_like(rng, plain)
        directions = random_like(rng, inputs)
        kept = [
            (g, tg.from_numpy(w)) for g, w in zip(grads, weights, strict=True) if g.requires_grad
        ]
        slope = 0.0
        if kept:
            second = tg.autograd.grad(
                [g for g, _ in kept], inputs, [w for _, w in kept], materialize_grads=True
            )
            slope = inner([g.numpy() for g in second], directions)
        count = len(plain)

        def value(t, values=values, cs=cotangents, directions=directions, weights=weights, n=count):
            at = moved(cs, directions[n:], t)
            return inner(weights, gradients(case, moved(values, directions[:n], t), at))

        verdict = agree(value, slope, 1e-2 + 1e-3 * size(weights, plain))
        if verdict is False:
            raise Rejected(f"{case.name}: the second derivative along a direction is {slope}")
        if verdict:
            return
    raise Rejected(f"{case.name}: no smooth point found in {SAMPLES}")


def check(case: Case) -> None:
    """Both derivatives.  Raises: Rejected."""
    check_first(case)
    check_second(case)


@functools.cache
def reached(case: Case) -> set[tuple[str, int]]:
    """(primitive, operand) of each rule that the first and second derivative of ``case`` go through."""
    values = case.draw()
    _, grads = differentiable_gradients(
        case, values, random_like(np.random.default_rng(0), floats(case(*values)))
    )
    found: set = set()
    todo = [y.grad_fn for y in (*floats(case(*leaves(values))), *grads)]
    seen: set = set()
    while todo:
        node = todo.pop()
        if isinstance(node, Node) and node not in seen:
            seen.add(node)
            for operand, edge in enumerate(node.edges):
                if edge is not None:
                    found.add((node.op.name, 0 if node.op.variadic else operand))
                    todo.append(edge)
    return found
