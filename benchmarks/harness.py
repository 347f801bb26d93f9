"""How everything here is timed: contestants take turns in short rounds, and medians of the rounds count."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median, quantiles
from typing import Any, TypeVar

T = TypeVar("T")

#: Calls ``times`` times what it stands for.
Run = Callable[[int], Any]


def repeat(function: Callable[[], Any]) -> Run:
    """A ``Run`` of a function."""

    def run(times: int) -> None:
        for _ in itertools.repeat(None, times):
            function()

    return run


def calls_within(run: Run, span: float, now: Callable[[], float] = time.perf_counter) -> int:
    """How many calls last about ``span`` seconds, at least one. What a first call prepares is done afterwards."""
    run(1)
    times = 1
    while True:
        start = now()
        run(times)
        taken = now() - start
        if taken >= span / 4:
            return max(1, round(times * span / taken))
        times *= 4


def take_turns(
    turns: Mapping[str, Callable[[], T]], rounds: int, pause: float = 0
) -> dict[str, list[T]]:
    """What each of ``turns`` returned in each round; ``pause`` seconds lie between two turns."""
    taken: dict[str, list[T]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            if pause:
                time.sleep(pause)
            taken[name].append(turn())
    return taken


def contest(
    runs: Mapping[str, Run],
    rounds: int,
    span: float,
    now: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds a call by name, in each of ``rounds`` rounds of turns of about ``span`` seconds or one call."""

    def timed(run: Run) -> Callable[[], float]:
        times = calls_within(run, span, now)

        def turn() -> float:
            start = now()
            run(times)
            return (now() - start) / times

        return turn

    return take_turns({name: timed(run) for name, run in runs.items()}, rounds)


def seconds_a_call(run: Run, span: float, now: Callable[[], float] = time.perf_counter) -> float:
    """Over about ``span`` seconds or one call. Finding out how many calls that is warms up."""
    times = calls_within(run, span, now)
    start = now()
    run(times)
    return (now() - start) / times


def spread(taken: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of the rounds."""
    # Of one round they are all the same.
    low, middle, high = quantiles(
        [*taken, *taken[:1]][: max(2, len(taken))], n=4, method="inclusive"
    )
    return {"median": middle, "q1": low, "q3": high, "rounds": len(taken)}


def times_faster(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of their time by ours: above 1, we are faster."""
    return median(y / x for x, y in zip(ours, theirs, strict=True))


class Disagreement(Exception):
    """Contenders that computed different things, whose times cannot be compared."""


def agree(name: str, value: float, reference: float, tolerance: float) -> None:
    """Refuse a result that is not the reference's.

    Raises: Disagreement where |value − reference| > tolerance · |reference|, NaN included.
    """
    if not abs(value - reference) <= tolerance * abs(reference):
        raise Disagreement(
            f"{name}: expected the loss {reference:.7g} that the others have within {tolerance:g}, got {value:.7g}"
        )


# --- tables

Cell = str | float | None


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else number(cell)


def number(x: float) -> str:
    """Three significant digits, all of those before the point: 0.00123, 1.23, 123, 12,345."""
    if x == 0 or abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.3g}" if abs(x) < 1 else f"{x:.{1 if abs(x) >= 10 else 2}f}"


def table(titles: Sequence[str], rows: Iterable[Sequence[Cell]], markdown: bool = False) -> str:
    """Rows under titles as aligned text, or as Markdown. Numbers stand to the right."""
    rows = [list(row) for row in rows]
    right = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(titles))]
    lines = [list(titles), *[[_text(cell) for cell in row] for row in rows]]
    if markdown:
        rule = ["---:" if r else "---" for r in right]
        return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w)
            for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )
