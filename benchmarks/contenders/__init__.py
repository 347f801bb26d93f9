"""Who takes part: the same training step, written as each library's users would write it to be fast."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Protocol

import numpy as np

from ..harness import calls_within
from ..machine import peak_memory
from ..networks import Network

Pairs = list[tuple[Any, Any]]

#: Steps from the same weights after which the losses are compared; they also warm up a turn.
STEPS = 10


class Contender(Protocol):
    """A training step: its own arrays, made from ``network``; ``reset`` goes back to the initial weights."""

    batches: Pairs
    step: Callable[[Any, Any], Any]

    def __init__(self, network: Network) -> None: ...

    def reset(self) -> None: ...

    def value(self, result: Any) -> float | None:
        """The loss as a number, once what ``step`` has begun is done; None where there is none."""


@dataclass(frozen=True)
class Entry:
    """A contender before its library is imported.

    ``ours``: needs nothing but this package. ``slow``: compiles for most of a minute, so only a full run has it.
    """

    title: str
    target: str
    ours: bool = False
    slow: bool = False

    def load(self) -> type[Contender]:
        module, name = self.target.split(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)


CONTENDERS = {
    "compiled": Entry("tinygrad_hw compiled", "ours:Compiled", ours=True),
    "eager": Entry("tinygrad_hw", "ours:Eager", ours=True),
    "torch": Entry("PyTorch", "pytorch:Eager"),
    "torch fused": Entry("PyTorch, fused SGD", "pytorch:Fused"),
    "torch compile": Entry("torch.compile", "pytorch:Compiled", slow=True),
    "torch whole": Entry("torch.compile, whole step", "pytorch:Whole", slow=True),
    "jax": Entry("JAX jit", "with_jax:Jit"),
    "pytensor": Entry("PyTensor NUMBA", "with_pytensor:Numba"),
    "mygrad": Entry("MyGrad", "with_mygrad:Eager"),
    "numpy": Entry("NumPy by hand", "with_numpy:ByHand", ours=True),
    "products": Entry("products only", "with_numpy:Products", ours=True),
}
"""All contenders, by the name that ``--contenders`` takes."""


class Unsuited(Exception):
    """A network that a contender is not written for."""


def sequential(nn: Any, network: Network) -> Any:
    """The network out of ``torch.nn`` or of ours, whose names are the same."""
    make: dict[str, Callable[..., Any]] = {
        "linear": lambda n, m: nn.Linear(n, m),
        "conv": lambda n, m, size, padding: nn.Conv2d(n, m, size, padding=padding),
        "norm": lambda n: nn.BatchNorm2d(n),
        "pool": lambda size: nn.MaxPool2d(size),
        "flatten": lambda: nn.Flatten(),
        "relu": lambda: nn.ReLU(),
        "sigmoid": lambda: nn.Sigmoid(),
    }
    return nn.Sequential(*[make[kind](*sizes) for kind, *sizes in network.layers])


def only_linear(network: Network) -> None:
    """Raises: Unsuited for a network with other layers."""
    if not network.linear:
        raise Unsuited(f"{network.name} is not written for this contender")


class Seat:
    """Where a contender sits in its own process (``worker``) and is asked for its turns."""

    def __init__(self, name: str) -> None:
        start = time.perf_counter()
        self.kind = CONTENDERS[name].load()
        self.importing = time.perf_counter() - start
        self.contender: Contender | None = None
        self.times = 0

    def build(self, network: dict[str, Any]) -> dict[str, Any] | None:
        """Make the network ready for turns; seconds of the import, of making it and of its first step, bytes in all.

        None where the contender is not written for it.
        """
        start = time.perf_counter()
        try:
            self.contender = self.kind(Network.of(network))
        except Unsuited:
            return None
        built = time.perf_counter()
        self._run(1)
        first = time.perf_counter()
        self.times = 0
        return {
            "import": self.importing,
            "build": built - start,
            "first step": first - built,
            "memory": peak_memory(),
        }

    def turn(self, span: float, most: int) -> dict[str, Any]:
        """Seconds a step over about ``span`` seconds but at most ``most`` steps, and the loss after the first STEPS."""
        assert self.contender is not None
        self.contender.reset()
        if not self.times:
            self.times = min(most, calls_within(self._run, span))
            self.contender.reset()
        loss = self._run(STEPS)
        start = time.perf_counter()
        self._run(self.times)
        taken = time.perf_counter() - start
        return {"seconds": taken / self.times, "steps": self.times, "loss": loss}

    def facts(self) -> dict[str, Any]:
        """What the contender tells of itself."""
        return getattr(self.contender, "facts", dict)()

    def _run(self, times: int) -> float | None:
        assert self.contender is not None
        step, result = self.contender.step, None
        for x, y in islice(cycle(self.contender.batches), times):
            result = step(x, y)
        return self.contender.value(result)


def zeros(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """As many arrays of zeros."""
    return [np.zeros_like(a) for a in arrays]
