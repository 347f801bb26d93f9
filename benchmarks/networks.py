"""The networks whose training steps are compared, as data that every contender can read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from typing import Any

import numpy as np

#: ("linear", inputs, outputs), ("conv", channels in, channels out, kernel, padding), ("norm", channels),
#: ("pool", size), ("flatten",), ("relu",), ("sigmoid",)
Layer = tuple[Any, ...]

#: Batches that a step is given in turn.
BATCHES = 8


@dataclass(frozen=True)
class Network:
    """Layers, the shape of one input, the batch, and SGD's numbers; cross-entropy is the loss."""

    name: str
    batch: int
    input: tuple[int, ...]
    layers: tuple[Layer, ...]
    lr: float = 0.01
    momentum: float = 0.9

    @classmethod
    def of(cls, data: dict[str, Any]) -> Network:
        """What went through JSON."""
        layers = tuple(tuple(layer) for layer in data["layers"])
        return cls(**{**data, "input": tuple(data["input"]), "layers": layers})

    @property
    def linear(self) -> bool:
        """Whether it is made of linear layers and activations alone."""
        return all(layer[0] in ("linear", "relu", "sigmoid") for layer in self.layers)

    @property
    def classes(self) -> int:
        return self.layers[-1][2]

    def describe(self) -> str:
        """``784-200-100-10 relu (100)``, the batch in parentheses."""
        widths = [str(prod(self.input)) if self.linear else " × ".join(map(str, self.input))]
        words: list[str] = []
        for kind, *sizes in self.layers:
            if kind in ("linear", "conv"):
                widths.append(f"conv{sizes[1]}" if kind == "conv" else str(sizes[1]))
            elif kind not in words and kind != "flatten":
                words.append(kind)
        return f"{'-'.join(widths)} {' '.join(words)} ({self.batch})"

    def weights(self) -> list[np.ndarray]:
        """Initial parameters in the order of PyTorch's ``parameters()``; the same ones every time."""
        draw = np.random.default_rng(0)
        found = []
        for kind, *sizes in self.layers:
            if kind == "linear":
                shape: tuple[int, ...] = (sizes[1], sizes[0])
            elif kind == "conv":
                shape = (sizes[1], sizes[0], sizes[2], sizes[2])
            elif kind == "norm":
                found += [np.ones(sizes[0], np.float32), np.zeros(sizes[0], np.float32)]
                continue
            else:
                continue
            bound = sqrt(3 / prod(shape[1:]))
            found.append(draw.uniform(-bound, bound, shape).astype(np.float32))
            found.append(np.zeros(shape[0], np.float32))
        return found

    def batches(self, count: int = BATCHES) -> list[tuple[np.ndarray, np.ndarray]]:
        """Inputs and labels, the same ones every time."""
        draw = np.random.default_rng(1)
        return [
            (
                draw.standard_normal((self.batch, *self.input), np.float32),
                draw.integers(0, self.classes, self.batch),
            )
            for _ in range(count)
        ]

    def products(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of the linear layers."""
        return [(layer[1], layer[2]) for layer in self.layers if layer[0] == "linear"]


def perceptron(name: str, batch: int, widths: tuple[int, ...], activation: str) -> Network:
    """Linear layers with activations between them."""
    layers: list[Layer] = []
    for inputs, outputs in pairwise(widths):
        layers += [("linear", inputs, outputs), (activation,)]
    return Network(name, batch, widths[:1], tuple(layers[:-1]))


def _block(inputs: int, outputs: int) -> tuple[Layer, ...]:
    return ("conv", inputs, outputs, 3, 1), ("norm", outputs), ("relu",), ("pool", 2)


NETWORKS = {
    network.name: network
    for network in (
        perceptron("seq", 32, (20, 20, 2), "relu"),
        perceptron("nist36", 30, (1024, 64, 36), "sigmoid"),
        perceptron("mnist", 100, (784, 200, 100, 10), "relu"),
        perceptron("wide", 256, (784, 1024, 1024, 10), "relu"),
        Network(
            "lenet",
            64,
            (1, 28, 28),
            (
                *(("conv", 1, 6, 5, 2), ("relu",), ("pool", 2)),
                *(("conv", 6, 16, 5, 0), ("relu",), ("pool", 2)),
                ("flatten",),
                *perceptron("", 0, (400, 120, 84, 10), "relu").layers,
            ),
        ),
        Network(
            "cnn36",
            64,
            (1, 32, 32),
            (
                *_block(1, 32),
                *_block(32, 64),
                ("flatten",),
                *perceptron("", 0, (4096, 128, 36), "relu").layers,
            ),
        ),
    )
}
"""The networks by name."""
