"""``python -m benchmarks.elementwise [--json] [--rounds N]``: operators element by element, and rows.

One thread, float32, rounds of all contestants in turn, medians, nanoseconds of processor time an element:

    kernel     the native loop alone, into an array that is there
    operator   the operator as it is called, on arrays, with a new output
    numpy      NumPy's function, where it has one, into an array that is there
    torch      PyTorch's, where it is installed, into a tensor that is there
    torch op   the same with a new output
    ratio      torch / kernel, the second one torch op / operator: above 1 we are faster

A name in parentheses, (exp), is the derivative rule; cross-entropy is timed through the graph, (cross_entropy) with its
forward pass.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from tinygrad_hw import tensor
from tinygrad_hw.kernels import rows
from tinygrad_hw.kernels.elementwise import Loop
from tinygrad_hw.ops.core import PRIMITIVES, REGISTRY

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
NAMES = ("exp", "log", "sigmoid", "tanh", "_gelu", "silu", "softplus", "elu", "sin")
ROWS = ((100, 10), (1000, 100), (1000, 1000))
COLUMNS = ("kernel", "operator", "numpy", "torch", "torch op")


def medians(contestants: dict[str, Callable], elements: int, rounds: int) -> dict[str, float]:
    """Nanoseconds an element by name, the contestants taking turns."""
    calls = max(1, 100_000 // elements)
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.thread_time()
            for _ in range(calls):
                run()
            taken[name].append((time.thread_time() - start) / calls / elements * 1e9)
    return {name: statistics.median(times) for name, times in taken.items()}


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


def elementwise(name: str, size: int, backward: bool, rounds: int) -> dict:
    draw = np.random.default_rng(0)
    x = draw.standard_normal(size, np.float32)
    x = np.abs(x) + np.float32(0.1) if name == "log" else x
    g = draw.standard_normal(size, np.float32)
    op = PRIMITIVES[name]
    y, out = op(x), np.empty_like(x)
    attrs = tuple(np.float32(a) for a in op.defaults.values())
    contestants: dict[str, Callable] = {}
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
        function = getattr(np, name, None)
        if function is not None:
            contestants["numpy"] = lambda: function(x, out=out)
    kernel = loop.kernel(x.dtype)
    contestants["kernel"] = lambda: kernel(out, *args)
    if torch is not None:
        tx, tg, ty, tout = map(torch.from_numpy, (x, g, y, np.empty_like(x)))
        run = _torch_backward(name, tg, tx, ty) if backward else lambda **o: forward(tx, **o)
        forward = _torch_forward(name)
        contestants["torch"] = lambda: run(out=tout)
        contestants["torch op"] = lambda: run()
    return _row(_title(name, backward), str(size), medians(contestants, size, rounds))


def by_rows(name: str, n: int, m: int, backward: bool, rounds: int) -> dict:
    draw = np.random.default_rng(0)
    x, g = draw.standard_normal((2, n, m), np.float32)
    op = REGISTRY[name]
    y, out, dim = op(x, -1), np.empty_like(x), 1
    contestants: dict[str, Callable] = {}
    if backward:
        kernel = getattr(rows, f"{name}_vjp")
        contestants["kernel"] = lambda: kernel(out, g, y)
    else:
        kernel = getattr(rows, name)
        contestants["kernel"] = lambda: kernel(out, x)
        contestants["operator"] = lambda: op(x, dim)
    if torch is not None:
        tx, tg, ty, tout = map(torch.from_numpy, (x, g, y, np.empty_like(x)))
        there = getattr(torch.ops.aten, f"_{name}_backward_data" if backward else f"_{name}")
        args = (tg, ty, dim, torch.float32) if backward else (tx, dim, False)
        target = "grad_input" if backward and name == "softmax" else "out"
        contestants["torch"] = lambda: there(*args, **{target: tout})
        contestants["torch op"] = lambda: there(*args)
    return _row(_title(name, backward), f"{n}×{m}", medians(contestants, n * m, rounds))


def cross_entropy(n: int, m: int, backward: bool, rounds: int) -> dict:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((n, m), np.float32)
    target = draw.integers(0, m, n)
    leaf = tensor(x, requires_grad=True)
    labels = tensor(target)
    ours = {"operator": lambda: _step(REGISTRY["cross_entropy"], leaf, labels, backward)}
    if torch is not None:
        there, at = torch.from_numpy(x).requires_grad_(), torch.from_numpy(target)
        function = torch.nn.functional.cross_entropy
        ours["torch op"] = lambda: _step(function, there, at, backward)
    return _row(_title("cross_entropy", backward), f"{n}×{m}", medians(ours, n * m, rounds))


def _step(function: Callable, x, target, backward: bool) -> None:
    """The loss, and with ``backward`` its gradient, through the graph: so is it called."""
    loss = function(x, target)
    if backward:
        x.grad = None
        loss.backward()


def _title(name: str, backward: bool) -> str:
    return f"({name.strip('_')})" if backward else name.strip("_")


def _row(name: str, size: str, times: dict[str, float]) -> dict:
    return {"name": name, "size": size, **times}


def _show(row: dict) -> str:
    cells = [f"{row[c]:9.2f}" if c in row else " " * 9 for c in COLUMNS]
    for ours, theirs in (("kernel", "torch"), ("operator", "torch op")):
        cells.append(
            f"{row[theirs] / row[ours]:6.2f}" if ours in row and theirs in row else " " * 6
        )
    return f"{row['name']:16}{row['size']:>10}" + " ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.elementwise", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(1)
    if not options.json:
        print(f"{'ns an element':26}" + " ".join(f"{c:>9}" for c in (*COLUMNS,)) + "  ratio  ratio")
    found = []

    def add(new: dict) -> None:
        found.append(new)
        if not options.json:
            print(_show(new), flush=True)

    for name in NAMES:
        for backward in (False, True):
            for size in SIZES:
                add(elementwise(name, size, backward, options.rounds))
    for n, m in ROWS:
        for backward in (False, True):
            for name in ("softmax", "log_softmax"):
                add(by_rows(name, n, m, backward, options.rounds))
            add(cross_entropy(n, m, backward, options.rounds))
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
