"""The matrix product beside OpenBLAS and PyTorch.

    python -m benchmarks.matmul              products of training steps, and ten shapes in three layouts
    python -m benchmarks.matmul --crossover  from what size on BLAS is to make them

One thread each, then all threads for OpenBLAS and us; the crossover also with all threads for BLAS. Contestants take
turns in one process in short rounds; with several threads each makes all products in its turn, and pauses let the
threads of the last one go to sleep. ``replayed`` is our kernel as a compiled step replays it: called by native code, and
shared by the workers. The ratios are medians over the rounds of BLAS's time by ours.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np

from tinygrad_hw.compile.launch import replay
from tinygrad_hw.compile.program import Program
from tinygrad_hw.kernels.gemm import NN, NT, TN, gemm
from tinygrad_hw.kernels.launch import made
from tinygrad_hw.kernels.recording import Recorder, recording
from tinygrad_hw.kernels.threads import get_num_threads, set_num_threads

from .harness import (
    Cell,
    Run,
    contest,
    seconds_a_call,
    spread,
    table,
    take_turns,
    times_faster,
)
from .machine import threads
from .networks import NETWORKS
from .steps import PAUSE
from .worker import Worker

LAYOUTS = {"nn": NN, "nt": NT, "tn": TN}

#: m, n, k of products that are measured in each layout.
SHAPES = (
    (32, 20, 20),
    (30, 64, 1024),
    (100, 100, 200),
    (100, 200, 784),
    (256, 1024, 1024),
    *((n, n, n) for n in (64, 128, 256, 512, 1024)),
)

#: How many times longer a product's turn is with several threads: those that slept are slow at first.
LONGER = 5

Shape = tuple[str, int, int, int, str]


def shapes() -> list[Shape]:
    """(where from, m, n, k, layout): the products of each linear network's step, then ``SHAPES``."""
    found: list[Shape] = []
    for network in NETWORKS.values():
        if network.linear:
            batch = network.batch
            for i, (inputs, outputs) in enumerate(network.products()):
                found.append((network.name, batch, outputs, inputs, "nt"))
                if i:
                    found.append((network.name, batch, inputs, outputs, "nn"))
                found.append((network.name, outputs, inputs, batch, "tn"))
    found += [("", m, n, k, layout) for m, n, k in SHAPES for layout in LAYOUTS]
    return found


_REPEATED = """
def repeated(control, pool, times):
    for _ in range(times):
        replay(control, pool, 0, 1)
"""


@functools.cache
def repeated() -> Callable[[int, int, int], None]:
    """``repeated(control, pool, times)``: the first launch of a program, over and over."""
    return made("repeated", _REPEATED, {"replay": replay()})


class Product:
    """One product, in each contestant's way."""

    def __init__(self, m: int, n: int, k: int, layout: str, dtype: np.dtype) -> None:
        draw = np.random.default_rng(0)
        self.layout = LAYOUTS[layout]
        self.a = draw.standard_normal((k, m) if self.layout == TN else (m, k)).astype(dtype)
        self.b = draw.standard_normal((n, k) if self.layout == NT else (k, n)).astype(dtype)
        self.bias = np.zeros(1, dtype)
        self.left = self.a.T if self.layout == TN else self.a
        self.right = self.b.T if self.layout == NT else self.b
        self.ours, self.theirs = np.zeros((m, n), dtype), np.zeros((m, n), dtype)
        #: The product as a step of its own, cut into parts where threads are to share it.
        self.program = self.recorded()

    def blas(self, times: int) -> None:
        for _ in range(times):
            np.matmul(self.left, self.right, out=self.theirs)

    def called(self, times: int) -> None:
        m, n = self.ours.shape
        for _ in range(times):
            gemm(self.ours, self.a, self.b, self.bias, self.layout, 0, 0, m, 0, n)

    def recorded(self) -> Program:
        recorder = Recorder()
        for array in (self.ours, self.a, self.b, self.bias):
            recorder.know(array)
        with recording(recorder):
            self.called(1)
        return Program(recorder, [], [], [])

    def replayed(self, times: int) -> None:
        # The workers are lent once for all of them, as for the launches of a step.
        pool = self.program._lend()
        try:
            repeated()(self.program.control, pool, times)
        finally:
            self.program._return(pool)

    def torch(self) -> Run | None:
        """PyTorch's product; None where it is not installed."""
        try:
            import torch
        except ModuleNotFoundError:
            return None
        torch.set_num_threads(threads() or torch.get_num_threads())
        out, left, right = map(torch.from_numpy, (self.theirs, self.left, self.right))

        def run(times: int) -> None:
            for _ in range(times):
                torch.mm(left, right, out=out)

        return run

    def check(self) -> None:
        """Agreement first: a wrong result has no speed."""
        self.blas(1)
        for way in (self.called, self.replayed):
            self.ours[...] = np.nan
            way(1)
            size = abs(self.left) @ abs(self.right)
            assert (abs(self.ours - self.theirs) <= 20 * np.finfo(self.a.dtype).eps * size).all()


class Bench:
    """Products timed in a process of their own, whose threads are set before BLAS is loaded."""

    def __init__(self) -> None:
        count = threads()
        if count is not None:
            set_num_threads(count)
        # The thread's own time where it is the only one at work; the machine may have other duties.
        self.now = time.thread_time if count == 1 else time.perf_counter

    def measure(
        self, m: int, n: int, k: int, layout: str, dtype: str, rounds: int, span: float
    ) -> dict[str, Any]:
        """Seconds a product."""
        product = Product(m, n, k, layout, np.dtype(dtype))
        product.check()
        runs: dict[str, Run] = {
            name: getattr(product, name) for name in ("blas", "called", "replayed")
        }
        torch = product.torch()
        if torch is not None:
            runs["torch"] = torch
        return _facts(contest(runs, rounds, span, self.now))

    def together(
        self, chosen: Sequence[Shape], dtype: str, rounds: int, span: float
    ) -> list[dict[str, Any]]:
        """The same of ``chosen`` where several threads share each product, which would be in the other library's way.

        A library makes all products in its turn: a pause before each of them would take minutes.
        """
        products = [Product(*shape, np.dtype(dtype)) for _, *shape in chosen]
        for product in products:
            product.check()

        def turn(way: str) -> Callable[[], list[float]]:
            runs = [getattr(product, way) for product in products]
            return lambda: [seconds_a_call(run, LONGER * span, self.now) for run in runs]

        taken = take_turns({way: turn(way) for way in ("blas", "replayed")}, rounds, PAUSE)
        return [
            _facts({way: [seconds[i] for seconds in rows] for way, rows in taken.items()})
            for i in range(len(products))
        ]

    def ratios(
        self, sizes: Sequence[tuple[int, int, int]], layout: str, dtype: str, rounds: int
    ) -> list[float]:
        """BLAS's time by ours, called from Python, of each (m, n, k)."""
        found = []
        for m, n, k in sizes:
            product = Product(m, n, k, layout, np.dtype(dtype))
            runs: dict[str, Run] = {"blas": product.blas, "called": product.called}
            taken = contest(runs, rounds, 0.0005, self.now)
            found.append(times_faster(taken["called"], taken["blas"]))
        return found

    def ceilings(self, span: float) -> dict[str, float]:
        """What no product passes."""
        from .ceilings import ceilings

        return ceilings(span)


def _facts(taken: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Spreads of the seconds by name, and how many times faster than BLAS ours are."""
    return {
        "times": {name: spread(times) for name, times in taken.items()},
        "ratios": {
            f"blas / {way}": times_faster(taken[way], taken["blas"])
            for way in ("called", "replayed")
            if way in taken
        },
    }


def thread_counts(most: int | None = None) -> list[int]:
    """One thread and ``most``, by default as many as this process may use."""
    return sorted({1, most or get_num_threads()})


def run(
    chosen: Sequence[Shape],
    dtypes: Sequence[str],
    python: str,
    rounds: int,
    span: float,
    counts: Sequence[int],
    say: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[dict[str, Any]]:
    """A row for each number of threads, element type and shape."""
    found = []
    for count in counts:
        with Worker("benchmarks.matmul:Bench", python=python, threads=count) as bench:
            bench.answer()
            for dtype in dtypes:
                if count > 1:
                    facts = bench.call("together", chosen, dtype, rounds, span)
                else:
                    facts = (bench.call("measure", *s[1:], dtype, rounds, span) for s in chosen)
                for (network, m, n, k, layout), measured in zip(chosen, facts, strict=True):
                    row: dict[str, Any] = {"network": network, "m": m, "n": n, "k": k}
                    row |= {"layout": layout, "dtype": dtype, "threads": count, **measured}
                    found.append(row)
                    say(row)
    return found


def ceilings(python: str, span: float) -> dict[str, float]:
    """Of one thread."""
    with Worker("benchmarks.matmul:Bench", python=python, threads=1) as bench:
        bench.answer()
        return bench.call("ceilings", span)


def tables(found: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows) for each number of threads."""
    return [
        _table([row for row in found if row["threads"] == count], count)
        for count in sorted({row["threads"] for row in found})
    ]


def _table(found: Sequence[dict[str, Any]], count: int) -> tuple[str, list[str], list[list[Cell]]]:
    ways = [
        w for w in ("blas", "torch", "called", "replayed") if any(w in r["times"] for r in found)
    ]
    rows: list[list[Cell]] = []
    for row in found:
        flops = 2 * row["m"] * row["n"] * row["k"]
        rates: list[Cell] = [flops / row["times"][w]["median"] / 1e9 for w in ways]
        shape = f"{row['m']} × {row['n']} × {row['k']}"
        rows.append(
            [row["network"], row["layout"], shape, row["dtype"], *rates, *row["ratios"].values()]
        )
    for dtype in sorted({row["dtype"] for row in found}):
        for title, of_steps in (("steps", True), ("others", False)):
            ratios = [
                list(row["ratios"].values())
                for row in found
                if row["dtype"] == dtype and bool(row["network"]) is of_steps
            ]
            if ratios:
                columns = list(zip(*ratios, strict=True))
                for name, of in (("geometric mean", geometric_mean), ("least", min)):
                    cells: list[Cell] = [of(column) for column in columns]
                    rows.append([title, "", name, dtype, *[None] * len(ways), *cells])
    names = {"blas": "OpenBLAS", "torch": "PyTorch", "called": "ours", "replayed": "replayed"}
    compared = {"called": "ratio", "replayed": "ratio replayed"}
    titles = ["", "", "m × n × k", "", *[names[w] for w in ways]]
    titles += [compared[w] for w in ways if w in compared]
    caption = f"Matrix products, GFLOP/s of {'one thread' if count == 1 else f'{count} threads'}"
    return caption, titles, rows


# --- the crossover

#: Sizes of the grid on which the crossover is looked for, and thresholds that may be it.
GRID = (1, 4, 16, 64, 160, 400)
THRESHOLDS = (*(round(m * 10**e) for e in range(4, 9) for m in (1, 2, 4)), math.inf)


def crossover(
    rounds: int, counts: Sequence[int], grid: Sequence[int] = GRID
) -> list[dict[str, Any]]:
    """From how many multiplications m·n·k on BLAS is to make a product, by threads, element type and layout.

    The last row of a number of threads is for all its products together: what ``BLAS_FROM`` in
    ``tinygrad_hw/kernels/matmul.py`` is to be.
    """
    sizes = [(m, n, k) for m in grid for n in grid for k in grid]
    products = [m * n * k for m, n, k in sizes]
    found = []
    for count in counts:
        everything: list[tuple[float, float]] = []
        with Worker("benchmarks.matmul:Bench", threads=count) as bench:
            bench.answer()
            for dtype in ("float32", "float64"):
                for layout in LAYOUTS:
                    ratios = bench.call("ratios", sizes, layout, dtype, rounds)
                    seen = list(zip(products, ratios, strict=True))
                    everything += seen
                    found.append(
                        {"threads": count, "dtype": dtype, "layout": layout, **threshold(seen)}
                    )
        found.append({"threads": count, "dtype": "all", "layout": "all", **threshold(everything)})
    return found


def threshold(seen: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """The threshold that loses least time, over (m·n·k, BLAS's time by ours); None: BLAS never pays.

    ``loss`` is the mean factor by which products take longer than if each had the faster of the two.
    """

    def loss(start: float) -> float:
        # BLAS has to be 5 % faster: it brings threads of its own.
        costs = [
            max(0.0, math.log(ratio) + 0.05 if size >= start else -math.log(ratio))
            for size, ratio in seen
        ]
        return sum(costs) / len(costs)

    best = min(THRESHOLDS, key=lambda start: (loss(start), -start))
    return {"BLAS from": None if best == math.inf else best, "loss": math.exp(loss(best))}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matmul", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--dtype", choices=["float32", "float64"], action="append")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--crossover", action="store_true", help="print from what size on BLAS is to be used"
    )
    arguments = parser.parse_args()
    if arguments.crossover:
        from . import machine

        counts = sorted({1, machine.describe()["cores"]})
        rows = crossover(min(arguments.rounds, 9), counts)
        titles = list(rows[0])
        output = table(titles, [list(row.values()) for row in rows])
    else:
        dtypes = arguments.dtype or ["float32", "float64"]
        counts = thread_counts()
        rows = run(shapes(), dtypes, sys.executable, arguments.rounds, 0.001, counts)
        output = "\n\n".join(
            f"{caption}\n{table(titles, cells)}" for caption, titles, cells in tables(rows)
        )
    print(json.dumps(rows, indent=1) if arguments.json else output)


if __name__ == "__main__":
    main()
