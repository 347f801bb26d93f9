"""Training steps of the networks: every contender in a process of its own, in turn, in one interleaved run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median_low
from typing import Any

from .contenders import CONTENDERS, STEPS
from .harness import Cell, Disagreement, agree, number, spread, take_turns, times_faster
from .networks import Network
from .worker import Missing, Worker, WorkerError

#: Greatest relative difference of the losses after STEPS steps from the same weights on the same batches.
TOLERANCE = 1e-4

#: Steps of one turn at most.
MOST = 2000

#: Seconds between two turns, in which the threads of the last one go to sleep.
PAUSE = 0.3


@dataclass
class Effort:
    """How long to measure, with how many threads (None: each library's choice), and where the peers are installed."""

    rounds: int = 9
    span: float = 0.15
    threads: int | None = None
    python: str = sys.executable
    contenders: Sequence[str] = tuple(CONTENDERS)
    say: Callable[[str], None] = field(default=lambda text: print(text, file=sys.stderr))

    def start(self, name: str, variables: dict[str, str] | None = None) -> Worker:
        """A contender's process."""
        python = sys.executable if CONTENDERS[name].ours else self.python
        return Worker(
            "benchmarks.contenders:Seat",
            name,
            python=python,
            threads=self.threads,
            variables=variables,
        )


def same_losses(losses: dict[str, float | None]) -> dict[str, str]:
    """Who computed something else than most, and why: ``{name: reason}``. None is no loss and nobody's fault."""
    known = {name: loss for name, loss in losses.items() if loss is not None}
    finite = [loss for loss in known.values() if math.isfinite(loss)]
    refused = {}
    for name, loss in known.items():
        try:
            agree(name, loss, median_low(finite) if finite else math.nan, TOLERANCE)
        except Disagreement as error:
            refused[name] = str(error)
    return refused


class Group:
    """Contenders' processes, of which those remain that are installed and agree."""

    def __init__(self, effort: Effort, names: Iterable[str] | None = None) -> None:
        self.effort = effort
        self.absent: dict[str, str] = {}
        self.workers: dict[str, Worker] = {}
        for name in effort.contenders if names is None else names:
            self.workers[name] = effort.start(name)
        self._answers()

    def _drop(self, name: str, reason: str) -> None:
        self.absent[name] = reason
        self.effort.say(f"without {CONTENDERS[name].title}: {reason}")
        self.workers.pop(name).close()

    def _answers(self) -> dict[str, Any]:
        found = {}
        for name, worker in list(self.workers.items()):
            try:
                found[name] = worker.answer()
            except (Missing, WorkerError) as error:
                self._drop(name, str(error))
        return found

    def measure(self, network: Network) -> dict[str, Any]:
        """The contenders' times of a step. Who is not written for the network, or differs, is not among them."""
        for worker in self.workers.values():
            worker.ask("build", asdict(network))
        built = {name: facts for name, facts in self._answers().items() if facts is not None}
        last: dict[str, dict[str, Any]] = {}

        def turn(name: str) -> Callable[[], float]:
            def run() -> float:
                last[name] = self.workers[name].call("turn", self.effort.span, MOST)
                return last[name]["seconds"]

            return run

        for name in list(built):
            try:
                turn(name)()
            except WorkerError as error:
                del built[name]
                self._drop(name, str(error))
        losses = {name: result["loss"] for name, result in last.items()}
        refused = same_losses(losses)
        for reason in refused.values():
            self.effort.say(f"{network.name}: {reason}")
        turns = {name: turn(name) for name in built if name not in refused}
        taken = take_turns(turns, self.effort.rounds, PAUSE)
        return {
            "network": network.name,
            "describe": network.describe(),
            "unit": "seconds a step",
            "after": f"{STEPS} steps",
            "tolerance": TOLERANCE,
            "losses": losses,
            "refused": refused,
            "absent": dict(self.absent),
            "times": {name: spread(times) for name, times in taken.items()},
            "steps": {name: last[name]["steps"] for name in taken},
            "build": {name: built[name] for name in taken},
            "ratios": ratios(taken),
        }

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ratios(taken: dict[str, list[float]]) -> dict[str, Any]:
    """How many times faster ours are, medians of the ratios within a round."""
    peers = [n for n in taken if not CONTENDERS[n].ours]
    found: dict[str, Any] = {
        f"{ours} / {other}": times_faster(taken[ours], taken[other])
        for ours in ("compiled", "eager")
        for other in taken
        if ours in taken and other != ours
    }
    if peers and "compiled" in taken:
        best = min(peers, key=lambda n: found[f"compiled / {n}"])
        found["best peer"] = best
    return found


def run(networks: Sequence[Network], effort: Effort) -> list[dict[str, Any]]:
    """Each network in turn, with new processes, so that the peak of memory is its own."""
    found = []
    for network in networks:
        with Group(effort) as group:
            found.append(group.measure(network))
        effort.say(f"{network.name}: measured")
    return found


def tables(found: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows): times of a step, and what they mean in ratios."""
    names = [n for n in CONTENDERS if any(n in row["times"] for row in found)]
    times: list[list[Cell]] = [
        [
            f"{row['network']}: {row['describe']}",
            *[row["times"][n]["median"] * 1e6 if n in row["times"] else None for n in names],
        ]
        for row in found
    ]
    spreads: list[list[Cell]] = [
        [
            row["network"],
            *[_quartiles(row["times"][n]) if n in row["times"] else None for n in names],
        ]
        for row in found
    ]
    memory: list[list[Cell]] = [
        [row["network"], *[_megabytes(row["build"].get(n)) for n in names]] for row in found
    ]
    against: list[list[Cell]] = []
    for row in found:
        ratio = row["ratios"]
        best = ratio.get("best peer")
        against.append(
            [
                row["network"],
                ratio.get(f"compiled / {best}"),
                CONTENDERS[best].title if best else None,
                ratio.get("compiled / torch"),
                ratio.get("eager / torch"),
                1 / ratio["compiled / products"] if "compiled / products" in ratio else None,
            ]
        )
    titles = [CONTENDERS[n].title for n in names]
    meaning = [
        "compiled than the best peer",
        "which is",
        "compiled than PyTorch",
        "plain than PyTorch",
        "compiled: time over the products' alone",
    ]
    return [
        ("Microseconds a training step, medians", ["network", *titles], times),
        ("How many times faster, medians within rounds", ["network", *meaning], against),
        ("Quartiles of the microseconds", ["network", *titles], spreads),
        (
            "Peak memory of the process in MB, Python and libraries included",
            ["network", *titles],
            memory,
        ),
    ]


def _megabytes(built: dict[str, Any] | None) -> float | None:
    return built["memory"] / 1e6 if built and built["memory"] else None


def _quartiles(times: dict[str, float]) -> str:
    return f"{number(times['q1'] * 1e6)}–{number(times['q3'] * 1e6)}"
