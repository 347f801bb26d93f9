"""Sums and their relatives: of all, along rows, along columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_hw as tg

from . import Case, optional

torch = optional("torch")

NUMPYS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "amax": np.max,
    "argmax": np.argmax,
    "logsumexp": lambda x, axis: np.log(np.exp(x - x.max()).sum(axis)),
    "var": lambda x, axis: np.var(x, axis, ddof=1),
}
SHAPES = ((100, 100), (1000, 1000))
DIMS = (("all", (0, 1)), ("rows", 1), ("columns", 0))


def cases() -> Iterator[Case]:
    for n, m in SHAPES:
        for name, numpys in NUMPYS.items():
            for title, dim in DIMS:
                if name != "argmax" or isinstance(dim, int):
                    yield case(name, numpys, n, m, title, dim)


def case(name: str, numpys: Callable[..., Any], n: int, m: int, title: str, dim: Any) -> Case:
    """One reduction of a matrix; "rows" leaves one number a row."""
    x = np.random.default_rng(0).standard_normal((n, m), np.float32)
    ours = getattr(tg, name)
    contestants: dict[str, Callable[[], Any]] = {
        "operator": lambda: ours(x, dim),
        "numpy": lambda: numpys(x, axis=dim),
    }
    if torch is not None:
        theirs, there = getattr(torch, name), torch.from_numpy(x)
        contestants["torch op"] = lambda: theirs(there, dim)
    return Case(f"{name}, {title}", f"{n} × {m}", n * m, contestants)
