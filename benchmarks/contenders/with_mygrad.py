"""MyGrad: NumPy arrays with a graph."""

from __future__ import annotations

import mygrad as mg
from mygrad.nnet.activations import relu, sigmoid
from mygrad.nnet.losses import softmax_crossentropy

from ..networks import Network
from . import Pairs, only_linear, zeros


class Eager:
    """Forward and backward by MyGrad, the update in NumPy."""

    def __init__(self, network: Network) -> None:
        only_linear(network)
        self.weights = network.weights()
        self.batches: Pairs = network.batches()
        self.parameters = [mg.tensor(w.copy()) for w in self.weights]
        self.buffers = zeros(self.weights)
        pairs = list(zip(self.parameters, self.buffers, strict=True))
        lr, momentum = network.lr, network.momentum

        def step(x, y):
            h, left = x, iter(self.parameters)
            for kind, *_ in network.layers:
                if kind == "linear":
                    h = mg.matmul(h, next(left).T) + next(left)
                else:
                    h = sigmoid(h) if kind == "sigmoid" else relu(h)
            loss = softmax_crossentropy(h, y)
            loss.backward()
            for p, b in pairs:
                b *= momentum
                b += p.grad
                p.data -= lr * (p.grad + momentum * b)
                p.null_grad()
            return loss

        self.step = step

    def reset(self) -> None:
        for p, b, w in zip(self.parameters, self.buffers, self.weights, strict=True):
            p.data[...] = w
            b[...] = 0

    def value(self, result) -> float:
        return float(result.item())
