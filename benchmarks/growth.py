"""How a step's time grows with the width of the hidden layers and with the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .contenders import CONTENDERS
from .harness import Cell
from .networks import NETWORKS, perceptron
from .steps import Effort, Group

NAMES = ("compiled", "eager", "torch", "jax", "products")


def run(widths: Sequence[int], batches: Sequence[int], effort: Effort) -> list[dict[str, Any]]:
    """A row for each width of 784-w-w-10 at a batch of 100, then for each batch of ``mnist``."""
    mnist = NETWORKS["mnist"]
    wanted = [("width", w, perceptron(f"width {w}", 100, (784, w, w, 10), "relu")) for w in widths]
    wanted += [("batch", n, replace(mnist, name=f"batch {n}", batch=n)) for n in batches]
    found = []
    with Group(effort, [n for n in NAMES if n in effort.contenders]) as group:
        for by, size, network in wanted:
            found.append({"by": by, "size": size, **group.measure(network)})
    effort.say("growth with width and batch: measured")
    return found


def tables(found: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows)."""
    names = [n for n in NAMES if any(n in row["times"] for row in found)]
    rows: list[list[Cell]] = [
        [
            f"{row['by']} {row['size']}",
            *[row["times"][n]["median"] * 1e6 if n in row["times"] else None for n in names],
        ]
        for row in found
    ]
    titles = [CONTENDERS[n].title for n in names]
    return [
        (
            "Microseconds a step by width (784-w-w-10, batch 100) and by batch (mnist)",
            ["", *titles],
            rows,
        )
    ]
