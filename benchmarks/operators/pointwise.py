"""Functions of each element, and their derivative rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw.kernels.elementwise import Loop
from tinygrad_hw.ops.core import PRIMITIVES

from . import Case, optional

torch = optional("torch")

SIZES = (1_000, 10_000, 100_000, 1_000_000)
NAMES = ("exp", "log", "sigmoid", "tanh", "_gelu", "silu", "softplus", "elu", "sin")
PLAIN = ("add", "mul", "relu")


def cases() -> Iterator[Case]:
    for name in PLAIN:
        for size in SIZES:
            yield plain(name, size)
    for name in NAMES:
        for backward in (False, True):
            for size in SIZES:
                yield function(name, size, backward)


def plain(name: str, size: int) -> Case:
    """What memory limits."""
    draw = np.random.default_rng(0)
    count = 1 if name == "relu" else 2
    operands = [draw.standard_normal(size, np.float32) for _ in range(count)]
    out = np.empty_like(operands[0])
    ours = getattr(tg, name)
    theirs: dict[str, Callable] = {
        "add": np.add,
        "mul": np.multiply,
        "relu": lambda x, out: np.maximum(x, 0, out=out),
    }
    contestants: dict[str, Callable[[], Any]] = {
        "operator": lambda: ours(*operands),
        "numpy": lambda: theirs[name](*operands, out=out),
    }
    if torch is not None:
        there = getattr(torch, name)
        tensors = [torch.from_numpy(x) for x in operands]
        contestants["torch op"] = lambda: there(*tensors)
    return Case(name, f"{size:,}", size, contestants)


def function(name: str, size: int, backward: bool) -> Case:
    """A transcendental function, or the derivative rule as the backward pass runs it."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal(size, np.float32)
    x = np.abs(x) + np.float32(0.1) if name == "log" else x
    g = draw.standard_normal(size, np.float32)
    op = PRIMITIVES[name]
    y, out = op(x), np.empty_like(x)
    attrs = tuple(np.float32(a) for a in op.defaults.values())
    contestants: dict[str, Callable[[], Any]] = {}
    if backward:
        rule = op.rules[0]
        stands = {"g": g, "out": y, "operand": x}
        args = tuple(
            attrs[position] if kind == "attr" else stands[kind] for kind, position in rule.sources
        )
        loop: Loop = rule.on_arrays  # type: ignore[assignment]
        contestants["operator"] = lambda: loop(*args)
    else:
        args, loop = (x, *attrs), op.loop  # type: ignore[attr-defined]
        contestants["operator"] = lambda: op(x)
        numpys = getattr(np, name, None)
        if numpys is not None:
            contestants["numpy"] = lambda: numpys(x, out=out)
    kernel = loop.kernel(x.dtype)
    contestants["kernel"] = lambda: kernel(out, *args)
    if torch is not None:
        tx, tg_, ty, tout = map(torch.from_numpy, (x, g, y, np.empty_like(x)))
        forward = _torch_forward(name)
        run = _torch_backward(name, tg_, tx, ty) if backward else lambda **o: forward(tx, **o)
        contestants["torch"] = lambda: run(out=tout)
        contestants["torch op"] = lambda: run()
    title = name.strip("_")
    return Case(f"({title})" if backward else title, f"{size:,}", size, contestants)


def _torch_forward(name: str) -> Callable:
    special = {"_gelu": "gelu", "silu": "silu", "softplus": "softplus", "elu": "elu"}
    return getattr(torch._C._nn, special[name]) if name in special else getattr(torch, name)


def _torch_backward(name: str, g, x, y) -> Callable:
    aten = torch.ops.aten
    return {
        "exp": lambda **out: torch.mul(g, y, **out),
        "log": lambda **out: torch.div(g, x, **out),
        "sin": lambda **out: torch.mul(g, torch.cos(x), **out),
        "sigmoid": lambda **out: aten.sigmoid_backward(g, y, **_as_input_gradient(out)),
        "tanh": lambda **out: aten.tanh_backward(g, y, **_as_input_gradient(out)),
        "_gelu": lambda **out: aten.gelu_backward(g, x, **_as_input_gradient(out)),
        "silu": lambda **out: aten.silu_backward(g, x, **_as_input_gradient(out)),
        "softplus": lambda **out: aten.softplus_backward(g, x, 1, 20, **_as_input_gradient(out)),
        "elu": lambda **out: aten.elu_backward(g, 1, 1, 1, False, x, **_as_input_gradient(out)),
    }[name]


def _as_input_gradient(out: dict) -> dict:
    return {"grad_input": out["out"]} if out else {}
