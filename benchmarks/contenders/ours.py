"""This package's step, as it stands and compiled."""

from __future__ import annotations

from typing import Any

import tinygrad_hw as tg

from .. import machine
from ..networks import Network
from . import Pairs, sequential


class Eager:
    """Forward, backward and update, operator by operator."""

    def __init__(self, network: Network) -> None:
        threads = machine.threads()
        if threads is not None:
            tg.set_num_threads(threads)
        self.weights = network.weights()
        self.model = model = sequential(tg.nn, network)
        self.optimizer = optimizer = tg.optim.SGD(
            model.parameters(), lr=network.lr, momentum=network.momentum, nesterov=True
        )
        self.batches: Pairs = [(tg.tensor(x), tg.tensor(y)) for x, y in network.batches()]
        cross_entropy = tg.nn.functional.cross_entropy

        def step(x, y):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        self.step: Any = step
        self.reset()

    def reset(self) -> None:
        with tg.no_grad():
            for p, w in zip(self.model.parameters(), self.weights, strict=True):
                p.copy_(tg.from_numpy(w))
            for state in self.optimizer.state.values():
                state["momentum_buffer"].zero_()

    def value(self, result) -> float:
        return result.item()


class Compiled(Eager):
    """The same step recorded once and replayed."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.step = tg.compile(self.step)

    def facts(self) -> dict[str, Any]:
        return self.step.stats()
