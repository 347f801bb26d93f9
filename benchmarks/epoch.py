"""Whole epochs on real data: shuffle, batches, steps, running loss; and the time to an accuracy.

PyTorch's epoch is written its fastest way: a permutation and tensor indexing, no DataLoader.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .contenders import CONTENDERS
from .harness import Cell, Disagreement, agree, spread, take_turns, times_faster
from .networks import NETWORKS, Network
from .steps import PAUSE, Effort
from .worker import Missing, Worker, WorkerError

#: Data sets by the network that learns them.
DATA = {"seq": "sequences", "nist36": "nist36", "mnist": "mnist"}

#: Greatest relative difference of the losses over an epoch with the same order of the examples.
TOLERANCE = 1e-2

#: The accuracy on MNIST's test part that is waited for, the learning rate, and the most epochs.
GOAL, GOAL_LR, MOST = 0.9788, 0.02, 30

#: Who trains whole epochs: ``train.fit``, and contenders in a plain loop.
FIT = "fit"
NAMES = (FIT, "compiled", "eager", "torch", "torch fused")


def title(name: str) -> str:
    return "tinygrad_hw train.fit" if name == FIT else CONTENDERS[name].title


class Trainer:
    """A contender's network, and a data set, in a process of its own."""

    def __init__(self, contender: str, network: str, lr: float | None = None) -> None:
        from tinygrad_hw import data
        from tinygrad_hw.errors import DataError

        self.network: Network = NETWORKS[network]
        if lr is not None:
            self.network = replace(self.network, lr=lr)
        try:
            splits = data.load(DATA[network], download=False)
        except DataError as error:
            raise RuntimeError(str(error).splitlines()[0]) from None
        self.contender: Any = CONTENDERS["eager" if contender == FIT else contender].load()(
            self.network
        )
        to, self.gather = _ways(contender)
        assert splits.train is not None
        self.train, self.test = (tuple(map(to, part)) for part in (splits.train, splits.test))

    def epoch(self, order: int | None = None) -> dict[str, Any]:
        """Seconds, mean loss and steps of an epoch, in its own order or that of a seed."""
        contender, gather, batch = self.contender, self.gather, self.network.batch
        x, y = self.train
        step, total, n = contender.step, 0.0, len(y)
        start = time.perf_counter()
        permutation = gather.permutation(n, order)
        for first in range(0, n, batch):
            some = permutation[first : first + batch]
            total += contender.value(step(gather.rows(x, some), gather.rows(y, some))) * len(some)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "loss": total / n, "steps": -(-n // batch)}

    def reset(self) -> None:
        """Back to the initial weights."""
        self.contender.reset()

    def accuracy(self) -> float:
        """On the test part."""
        x, y = self.test
        return float(self.gather.hits(self.contender.model, x, y)) / len(y)


class FitTrainer(Trainer):
    """Epochs by ``train.fit``, which shuffles, gathers and adds up natively."""

    def epoch(self, order: int | None = None) -> dict[str, Any]:
        """The first epoch in the order of a seed; else the second one of two, for which all is recorded."""
        import tinygrad_hw as tg

        data, contender = tg.data, self.contender
        x, y = self.train
        generator = tg.Generator(order)
        batches = data.DataLoader(
            data.TensorDataset(x, y), self.network.batch, shuffle=True, generator=generator
        )
        history = tg.train.fit(
            contender.model,
            contender.optimizer,
            tg.nn.CrossEntropyLoss(),
            batches,
            epochs=2 if order is None else 1,
            progress="none",
        )
        seconds, loss = history["seconds"][-1], history["train_loss"][-1]
        return {"seconds": seconds, "loss": loss, "steps": len(batches)}


class _Ours:
    def permutation(self, n: int, order: int | None) -> np.ndarray:
        return np.random.default_rng(order).permutation(n)

    def rows(self, x: Any, some: np.ndarray) -> Any:
        import tinygrad_hw as tg

        return tg.from_numpy(np.take(x, some, 0))

    def hits(self, model: Any, x: Any, y: Any) -> float:
        import tinygrad_hw as tg

        with tg.no_grad():
            return (model(tg.from_numpy(x)).numpy().argmax(1) == y).sum()


class _PyTorch:
    def permutation(self, n: int, order: int | None) -> Any:
        import torch

        if order is None:
            return torch.randperm(n)
        return torch.from_numpy(np.random.default_rng(order).permutation(n))

    def rows(self, x: Any, some: Any) -> Any:
        return x[some]

    def hits(self, model: Any, x: Any, y: Any) -> float:
        import torch

        with torch.no_grad():
            return (model(x).argmax(1) == y).sum()


def _ways(contender: str) -> tuple[Callable[[np.ndarray], Any], Any]:
    """How a contender holds its data, and how it shuffles and gathers."""
    if contender == FIT or CONTENDERS[contender].ours:
        return np.asarray, _Ours()
    import torch

    return torch.from_numpy, _PyTorch()


def trainers(
    network: str, names: Sequence[str], effort: Effort, lr: float | None = None
) -> dict[str, Worker]:
    """A process for each of those names that take part, their data there."""
    workers = {}
    for name in names:
        if ("compiled" if name == FIT else name) not in effort.contenders:
            continue
        python = sys.executable if name == FIT or CONTENDERS[name].ours else effort.python
        kind = "FitTrainer" if name == FIT else "Trainer"
        worker = Worker(
            f"benchmarks.epoch:{kind}", name, network, lr, threads=effort.threads, python=python
        )
        try:
            worker.answer()
            workers[name] = worker
        except (Missing, WorkerError) as error:
            worker.close()
            effort.say(f"{DATA[network]}, without {title(name)}: {error}")
    return workers


def run(networks: Sequence[str], effort: Effort) -> list[dict[str, Any]]:
    """An epoch of each data set, the contenders in turn."""
    found: list[dict[str, Any]] = []
    for network in networks:
        workers = trainers(network, NAMES, effort)
        try:
            if workers:
                found += filter(None, [_compare(network, workers, effort)])
                effort.say(f"epochs of {DATA[network]}: measured")
        finally:
            for worker in workers.values():
                worker.close()
    return found


def _compare(network: str, workers: dict[str, Worker], effort: Effort) -> dict[str, Any]:
    checked = {}
    for name, worker in workers.items():
        try:
            checked[name] = worker.call("epoch", 0)
        except WorkerError as error:
            effort.say(f"{DATA[network]}, without {title(name)}: {error}")
    if not checked:
        return {}
    reference = next(iter(checked.values()))["loss"]
    refused: dict[str, str] = {}
    for name, result in checked.items():
        try:
            agree(name, result["loss"], reference, TOLERANCE)
        except Disagreement as error:
            refused[name] = str(error)
            effort.say(f"{DATA[network]}: {error}")

    def turn(name: str) -> Callable[[], float]:
        def run() -> float:
            workers[name].call("reset")
            return workers[name].call("epoch")["seconds"]

        return run

    turns = {name: turn(name) for name in checked if name not in refused}
    taken = take_turns(turns, effort.rounds, PAUSE)
    return {
        "data": DATA[network],
        "network": network,
        "steps": next(iter(checked.values()))["steps"],
        "losses": {name: result["loss"] for name, result in checked.items()},
        "tolerance": TOLERANCE,
        "refused": refused,
        "times": {name: spread(times) for name, times in taken.items()},
        "ratios": {
            f"{ours} / {other}": times_faster(taken[ours], taken[other])
            for ours in (FIT, "compiled", "eager")
            for other in taken
            if ours in taken and other != ours
        },
    }


def to_goal(effort: Effort, goal: float = GOAL) -> list[dict[str, Any]]:
    """Seconds of training and testing until ``goal`` is reached on MNIST, by the same script from the same weights."""
    workers = trainers("mnist", NAMES, effort, GOAL_LR)
    found = []
    try:
        for name, worker in workers.items():
            # Compile what has to be: cold starts are another table's.
            worker.call("epoch", 0)
            worker.call("accuracy")
            worker.call("reset")
            reached, seconds, start = [], 0.0, time.perf_counter()
            for order in range(MOST):
                worker.call("epoch", order)
                reached.append(worker.call("accuracy"))
                seconds = time.perf_counter() - start
                if reached[-1] >= goal:
                    break
            found.append({"contender": name, "goal": goal, "seconds": seconds, "accuracy": reached})
            effort.say(f"MNIST to {goal:.2%}, {title(name)}: measured")
    finally:
        for worker in workers.values():
            worker.close()
    return found


def tables(found: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows) of epochs."""
    names = [n for n in NAMES if any(n in row["times"] for row in found)]
    rows: list[list[Cell]] = [
        [
            f"{row['data']}, {row['steps']} steps of {row['network']}",
            *[row["times"][n]["median"] * 1e3 if n in row["times"] else None for n in names],
            *[row["ratios"].get(f"{ours} / torch") for ours in (FIT, "compiled", "eager")],
        ]
        for row in found
    ]
    titles = [title(n) for n in names]
    more = ["train.fit, times faster than PyTorch", "compiled", "plain"]
    return [("Milliseconds an epoch, medians", ["data", *titles, *more], rows)]


def goal_tables(found: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows) of the way to the goal."""
    rows: list[list[Cell]] = [
        [
            title(row["contender"]),
            row["seconds"] if row["accuracy"][-1] >= row["goal"] else "not reached",
            str(len(row["accuracy"])),
            row["seconds"] / len(row["accuracy"]),
            f"{max(row['accuracy']):.2%}",
        ]
        for row in found
    ]
    goal = found[0]["goal"] if found else GOAL
    return [
        (
            f"MNIST to {goal:.2%} of the test part",
            ["", "seconds", "epochs", "seconds an epoch, testing included", "best"],
            rows,
        )
    ]
