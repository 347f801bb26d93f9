"""Softmax and its relatives: rows of a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_hw import tensor
from tinygrad_hw.kernels import rows
from tinygrad_hw.ops.core import REGISTRY

from . import Case, optional

torch = optional("torch")

ROWS = ((100, 10), (1000, 100), (1000, 1000))


def cases() -> Iterator[Case]:
    for n, m in ROWS:
        for backward in (False, True):
            for name in ("softmax", "log_softmax"):
                yield by_rows(name, n, m, backward)
            yield cross_entropy(n, m, backward)


def by_rows(name: str, n: int, m: int, backward: bool) -> Case:
    """Softmax or its logarithm, or the derivative rule."""
    draw = np.random.default_rng(0)
    x, g = draw.standard_normal((2, n, m), np.float32)
    op = REGISTRY[name]
    y, out, dim = op(x, -1), np.empty_like(x), 1
    contestants: dict[str, Callable[[], Any]] = {}
    if backward:
        kernel = getattr(rows, f"{name}_vjp")
        contestants["kernel"] = lambda: kernel(out, g, y)
    else:
        kernel = getattr(rows, name)
        contestants["kernel"] = lambda: kernel(out, x)
        contestants["operator"] = lambda: op(x, dim)
        contestants["numpy"] = lambda: _numpy(name, x)
    if torch is not None:
        tx, tg, ty, tout = map(torch.from_numpy, (x, g, y, np.empty_like(x)))
        there = getattr(torch.ops.aten, f"_{name}_backward_data" if backward else f"_{name}")
        args = (tg, ty, dim, torch.float32) if backward else (tx, dim, False)
        target = "grad_input" if backward and name == "softmax" else "out"
        contestants["torch"] = lambda: there(*args, **{target: tout})
        contestants["torch op"] = lambda: there(*args)
    return Case(f"({name})" if backward else name, f"{n} × {m}", n * m, contestants)


def _numpy(name: str, x: np.ndarray) -> np.ndarray:
    z = x - x.max(1, keepdims=True)
    e = np.exp(z)
    total = e.sum(1, keepdims=True)
    return e / total if name == "softmax" else z - np.log(total)


def cross_entropy(n: int, m: int, backward: bool) -> Case:
    """The loss through the graph, and with ``backward`` its gradient."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((n, m), np.float32)
    target = draw.integers(0, m, n)
    leaf, labels = tensor(x, requires_grad=True), tensor(target)
    contestants = {"operator": lambda: _loss(REGISTRY["cross_entropy"], leaf, labels, backward)}
    if torch is not None:
        there, at = torch.from_numpy(x).requires_grad_(), torch.from_numpy(target)
        function = torch.nn.functional.cross_entropy
        contestants["torch op"] = lambda: _loss(function, there, at, backward)
    name = "(cross_entropy)" if backward else "cross_entropy"
    return Case(name, f"{n} × {m}", n * m, contestants)


def _loss(function: Callable, x, target, backward: bool) -> None:
    loss = function(x, target)
    if backward:
        x.grad = None
        loss.backward()
