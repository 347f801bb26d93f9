"""NumPy: the step with its derivatives written out, and nothing but its matrix products."""

from __future__ import annotations

import numpy as np

from ..networks import Network
from . import Pairs, only_linear, zeros


class ByHand:
    """Forward, backward and update as one would write them."""

    def __init__(self, network: Network) -> None:
        only_linear(network)
        self.initial = network.weights()
        self.batches: Pairs = network.batches()
        self.parameters = [w.copy() for w in self.initial]
        self.buffers = zeros(self.initial)
        self.activation = next((k for k, *_ in network.layers if k != "linear"), "relu")
        self.lr, self.momentum = np.float32(network.lr), np.float32(network.momentum)

    def reset(self) -> None:
        for p, b, w in zip(self.parameters, self.buffers, self.initial, strict=True):
            p[...] = w
            b[...] = 0

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        weights, biases = self.parameters[::2], self.parameters[1::2]
        last = len(weights) - 1
        inputs, h = [x], x
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = h @ w.T
            h += b
            if i < last:
                if self.activation == "relu":
                    np.maximum(h, 0, out=h)
                else:
                    h = 1 / (1 + np.exp(-h))
                inputs.append(h)
        rows = np.arange(len(y))
        h -= h.max(1, keepdims=True)
        p = np.exp(h)
        total = p.sum(1, keepdims=True)
        loss = float((np.log(total[:, 0]) - h[rows, y]).mean())
        p /= total
        p[rows, y] -= 1
        p /= len(y)
        g, grads = p, []
        for i in range(last, -1, -1):
            grads += [g.sum(0), g.T @ inputs[i]]
            if i:
                g = g @ weights[i]
                a = inputs[i]
                g *= a > 0 if self.activation == "relu" else a * (1 - a)
        for p, b, g in zip(self.parameters, self.buffers, reversed(grads), strict=True):
            b *= self.momentum
            b += g
            p -= self.lr * (g + self.momentum * b)
        return loss

    def value(self, result: float) -> float:
        return result


class Products:
    """The matrix products of the step into arrays that are there: what no step can do without."""

    def __init__(self, network: Network) -> None:
        only_linear(network)
        draw = np.random.default_rng(0)
        self.batches: Pairs = network.batches()
        n, calls = network.batch, []
        for i, (inputs, outputs) in enumerate(network.products()):
            x, g, w = (
                draw.standard_normal(shape, np.float32)
                for shape in ((n, inputs), (n, outputs), (outputs, inputs))
            )
            calls += [(x, w.T, np.empty_like(g)), (g.T, x, np.empty_like(w))]
            if i:
                calls.append((g, w, np.empty_like(x)))
        self.calls = calls

    def reset(self) -> None:
        """Nothing changes."""

    def step(self, x: np.ndarray, y: np.ndarray) -> None:
        for a, b, out in self.calls:
            np.matmul(a, b, out)

    def value(self, result: None) -> None:
        return None
