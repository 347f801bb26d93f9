"""``python -m benchmarks.operators [--rounds N]``: operators one by one beside NumPy and PyTorch.

One thread, float32, all contestants of a row in turn in one process, medians of the rounds in nanoseconds of
processor time an element:

    kernel     the native loop alone, into an array that is there
    operator   the operator as it is called, with a new output
    numpy      NumPy's function, into an array that is there where it takes one
    torch      PyTorch's, where it is installed, into a tensor that is there
    torch op   the same with a new output
    ratios     torch / kernel and torch op / operator: above 1 ours is faster

A name in parentheses, (exp), is a derivative rule. Losses, layers and updates are timed as a step calls them:
through the graph, (cross_entropy) with its forward pass.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tinygrad_hw as tg

from ..harness import Cell, contest, repeat, spread, times_faster
from ..machine import threads
from ..worker import Missing, Worker, WorkerError

COLUMNS = ("kernel", "operator", "numpy", "torch", "torch op")

#: The modules with the cases, and how many elements they go up to in a short run.
GROUPS = ("pointwise", "rows", "reductions", "training")
SHORT = 200_000


@dataclass(frozen=True)
class Case:
    """One row: what is called, by column."""

    name: str
    size: str
    elements: int
    contestants: dict[str, Callable[[], Any]]


class Bench:
    """The cases, made and timed in a process with one thread."""

    def __init__(self, short: bool, quick: bool) -> None:
        self.short, self.quick = short, quick
        count = threads() or 1
        tg.set_num_threads(count)
        torch = optional("torch")
        if torch is not None:
            torch.set_num_threads(count)

    def measure(self, group: str, rounds: int, span: float) -> list[dict[str, Any]]:
        """The rows of one group; the first case only where it has to be quick."""
        found = []
        cases: Iterator[Case] = importlib.import_module(f"{__name__}.{group}").cases()
        for case in cases:
            if self.short and case.elements > SHORT:
                continue
            runs = {name: repeat(call) for name, call in case.contestants.items()}
            taken = contest(runs, rounds, span, time.thread_time)
            row: dict[str, Any] = {"name": case.name, "size": case.size, "elements": case.elements}
            row["times"] = {name: spread(times) for name, times in taken.items()}
            row["ratios"] = {
                f"{theirs} / {ours}": times_faster(taken[ours], taken[theirs])
                for ours, theirs in (("kernel", "torch"), ("operator", "torch op"))
                if ours in taken and theirs in taken
            }
            found.append(row)
            if self.quick:
                break
        return found


def optional(name: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def run(
    python: str, rounds: int, span: float, short: bool, quick: bool, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """All groups, by the Python that has the peers."""
    found = []
    try:
        with Worker("benchmarks.operators:Bench", short, quick, python=python, threads=1) as bench:
            bench.answer()
            for group in GROUPS:
                found += bench.call("measure", group, rounds, span)
                say(f"operators, {group}: measured")
    except (Missing, WorkerError) as error:
        say(f"operators: {error}")
    return found


def tables(found: list[dict[str, Any]]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows)."""
    rows: list[list[Cell]] = []
    for row in found:
        times, ratios = row["times"], row["ratios"]
        cells = [
            times[c]["median"] / row["elements"] * 1e9 if c in times else None for c in COLUMNS
        ]
        rows.append(
            [
                row["name"],
                row["size"],
                *cells,
                ratios.get("torch / kernel"),
                ratios.get("torch op / operator"),
            ]
        )
    titles = ["", "size", *COLUMNS, "torch / kernel", "torch op / operator"]
    return [("Operators, nanoseconds an element, one thread", titles, rows)]
