"""The matrix product beside OpenBLAS.

    python -m benchmarks.matmul              the products of six training steps and some squares
    python -m benchmarks.matmul --crossover  who is to make which products

One thread each; the crossover also with all threads for BLAS. Contenders take turns in short rounds in one
process. ``ratio`` is the median over the rounds of BLAS's time by ours, both called from Python; ``replayed`` the
same with our calls made by native code, as in a compiled step.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import geometric_mean, median
from typing import Any

import numpy as np

from tinygrad_hw.kernels.gemm import NN, NT, TN, gemm
from tinygrad_hw.kernels.jit import kernel

NAMES = ("nn", "nt", "tn")

#: The products of a step: network, rows of C, columns of C, inner length, layout.
SHAPES = [
    ("seq", 32, 20, 20, NT),
    ("seq", 32, 20, 20, NN),
    ("seq", 20, 20, 32, TN),
    ("seq", 32, 2, 20, NT),
    ("seq", 32, 20, 2, NN),
    ("seq", 2, 20, 32, TN),
    ("nist36", 30, 64, 1024, NT),
    ("nist36", 64, 1024, 30, TN),
    ("nist36", 30, 36, 64, NT),
    ("nist36", 30, 64, 36, NN),
    ("nist36", 36, 64, 30, TN),
    ("mnist", 100, 200, 784, NT),
    ("mnist", 200, 784, 100, TN),
    ("mnist", 100, 100, 200, NT),
    ("mnist", 100, 200, 100, NN),
    ("mnist", 100, 200, 100, TN),
    ("mnist", 100, 10, 100, NT),
    ("mnist", 100, 100, 10, NN),
    ("mnist", 10, 100, 100, TN),
    ("wide", 256, 1024, 784, NT),
    ("wide", 1024, 784, 256, TN),
    ("wide", 256, 1024, 1024, NT),
    ("wide", 256, 1024, 1024, NN),
    ("wide", 1024, 1024, 256, TN),
    ("wide", 256, 10, 1024, NT),
    ("wide", 256, 1024, 10, NN),
    ("wide", 10, 1024, 256, TN),
    ("square", 64, 64, 64, NN),
    ("square", 128, 128, 128, NN),
    ("square", 256, 256, 256, NN),
    ("square", 512, 512, 512, NN),
    ("square", 1024, 1024, 1024, NN),
]


@kernel
def repeated(out, a, b, bias, layout, times):
    for _ in range(times):
        gemm(out, a, b, bias, layout, 0, 0, out.shape[0], 0, out.shape[1])


class Product:
    """One product, three ways: ``blas``, ``called`` from Python and ``replayed`` in native code."""

    def __init__(self, m: int, n: int, k: int, layout: int, dtype: np.dtype) -> None:
        rng = np.random.default_rng(0)
        self.a = rng.standard_normal((k, m) if layout == TN else (m, k)).astype(dtype)
        self.b = rng.standard_normal((n, k) if layout == NT else (k, n)).astype(dtype)
        self.bias = np.zeros(1, dtype)
        self.layout = layout
        self.left = self.a.T if layout == TN else self.a
        self.right = self.b.T if layout == NT else self.b
        self.ours, self.theirs = np.zeros((m, n), dtype), np.zeros((m, n), dtype)
        self.flops = 2 * m * n * k

    def blas(self, times: int) -> None:
        for _ in range(times):
            np.matmul(self.left, self.right, out=self.theirs)

    def called(self, times: int) -> None:
        m, n = self.ours.shape
        for _ in range(times):
            gemm(self.ours, self.a, self.b, self.bias, self.layout, 0, 0, m, 0, n)

    def replayed(self, times: int) -> None:
        repeated(self.ours, self.a, self.b, self.bias, self.layout, times)

    def check(self) -> None:
        """Agreement first: a wrong result has no speed."""
        self.blas(1)
        for way in (self.called, self.replayed):
            self.ours[...] = np.nan
            way(1)
            size = abs(self.left) @ abs(self.right)
            assert (abs(self.ours - self.theirs) <= 20 * np.finfo(self.a.dtype).eps * size).all()


def clock() -> Callable[[], float]:
    """This thread's own time where it is fine enough and the only one at work; the machine may have other duties."""
    alone = os.environ.get("MATMUL_THREADS") == "1"
    fine = time.get_clock_info("thread_time").resolution < 1e-6
    return time.thread_time if alone and fine else time.perf_counter


def seconds(ways: dict[str, Callable[[int], None]], rounds: int, span: float) -> dict[str, Any]:
    """Seconds a call in each of ``rounds`` rounds of turns that last ``span`` seconds or one call each."""
    now = clock()
    first = next(iter(ways.values()))
    first(1)
    start = now()
    first(1)
    times = max(1, int(span / (now() - start)))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = now()
            way(times)
            taken[name].append((now() - start) / times)
    return taken


def measure(m: int, n: int, k: int, layout: int, dtype: np.dtype, rounds: int) -> dict[str, Any]:
    product = Product(m, n, k, layout, dtype)
    product.check()
    ways = {name: getattr(product, name) for name in ("blas", "called", "replayed")}
    taken = seconds(ways, rounds, 0.001)
    row: dict[str, Any] = {"m": m, "n": n, "k": k, "layout": NAMES[layout], "dtype": dtype.name}
    for name in ways:
        row[f"{name}_gflops"] = product.flops / min(taken[name]) / 1e9
    for name, ratio in (("called", "ratio"), ("replayed", "ratio_replayed")):
        row[ratio] = median(x / y for x, y in zip(taken["blas"], taken[name], strict=True))
    return row


def table(dtypes: list[np.dtype], rounds: int, as_json: bool) -> None:
    rows = []
    if not as_json:
        titles = ("BLAS", "ours", "replayed", "ratio", "replayed")
        print(f"{'GFLOP/s':8} {'layout':6} {'m × n × k':>18} {'':8}", *[f"{t:>9}" for t in titles])
    for dtype in dtypes:
        for network, m, n, k, layout in SHAPES:
            row = {"network": network, **measure(m, n, k, layout, dtype, rounds)}
            rows.append(row)
            if not as_json:
                rates = [row[f"{way}_gflops"] for way in ("blas", "called", "replayed")]
                print(
                    f"{network:8} {row['layout']:6} {f'{m} × {n} × {k}':>18} {dtype.name:8}",
                    *[f"{rate:9.1f}" for rate in rates],
                    f"{row['ratio']:9.2f} {row['ratio_replayed']:9.2f}",
                    flush=True,
                )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for dtype in dtypes:
        steps = [row for row in rows if row["dtype"] == dtype.name and row["network"] != "square"]
        means = [geometric_mean([row[key] for row in steps]) for key in ("ratio", "ratio_replayed")]
        print(
            f"{dtype.name}: geometric mean over the steps {means[0]:.2f}, replayed {means[1]:.2f}"
        )


#: Sizes of the grid on which the crossover is looked for.
SIZES = (1, 2, 4, 10, 30, 100, 400)


def crossover(rounds: int) -> dict[str, dict[str, dict[str, Any]]]:
    """For each element type and layout: who is to make which products, when BLAS uses the threads it now has."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for dtype in (np.dtype("f4"), np.dtype("f8")):
        found[dtype.name] = {}
        for layout in (NN, NT, TN):
            seen = [
                (m, n, k, ratio(Product(m, n, k, layout, dtype), rounds))
                for m in SIZES
                for n in SIZES
                for k in SIZES
            ]
            found[dtype.name][NAMES[layout]] = best_rule(seen)
    return found


def ratio(product: Product, rounds: int) -> float:
    """BLAS's time by ours, called from Python."""
    taken = seconds({"blas": product.blas, "called": product.called}, rounds, 0.0005)
    return median(x / y for x, y in zip(taken["blas"], taken["called"], strict=True))


def best_rule(seen: list[tuple[int, int, int, float]]) -> dict[str, Any]:
    """The rule that loses least, in logarithms of time, over (m, n, k, BLAS's time by ours).

    BLAS makes products of at most ``rows`` rows or ``columns`` columns whose inner length is at least ``inner``, and
    those of at least ``products`` multiplications m·n·k (None: none).
    """
    m, n, k, ratios = np.array(seen).T
    # What choosing BLAS costs (below zero: gains); it has to be 5 % faster, for it brings threads of its own.
    loss = np.log(ratios) + 0.05
    few, inners = (0, 1, 2, 4), (1, 4, 10, 30, 100)
    many = (None, *(10 ** np.arange(5, 8, 0.5)).astype(int).tolist())
    best: tuple[float, dict[str, Any]] = (np.inf, {})
    for rows, columns, inner, products in itertools.product(few, few, inners, many):
        blas = ((m <= rows) | (n <= columns)) & (k >= inner)
        if products is not None:
            blas |= m * n * k >= products
        total = float(loss[blas].sum())
        if total < best[0] - 1e-9:
            rule = {"rows": rows, "columns": columns, "inner": inner, "products": products}
            best = (total, rule)
    return best[1]


def in_threads(count: int, arguments: list[str]) -> str:
    """This command's output with ``count`` threads for BLAS, which reads their number when it is loaded."""
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(count)), "MATMUL_THREADS": str(count)}
    command = [sys.executable, "-m", "benchmarks.matmul", *arguments]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matmul", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--dtype", choices=["float32", "float64"], action="append")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--crossover", action="store_true", help="print the rule")
    arguments = parser.parse_args()
    if arguments.crossover:
        rounds = str(min(arguments.rounds, 9))
        if "MATMUL_THREADS" in os.environ:
            print(json.dumps(crossover(int(rounds))))
            return
        tables = {
            str(count): json.loads(in_threads(count, ["--crossover", "--rounds", rounds]))
            for count in sorted({1, os.cpu_count() or 1})
        }
        print(json.dumps(tables, indent=1))
    elif "MATMUL_THREADS" in os.environ:
        dtypes = [np.dtype(name) for name in arguments.dtype or ["float32", "float64"]]
        table(dtypes, arguments.rounds, arguments.json)
    else:
        print(in_threads(1, sys.argv[1:]), end="")


if __name__ == "__main__":
    main()
