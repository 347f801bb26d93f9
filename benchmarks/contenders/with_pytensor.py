"""PyTensor: a graph compiled by its Numba backend, the state in shared variables."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt

from ..networks import Network
from . import Pairs, only_linear, zeros


class Numba:
    """``pytensor.function`` with updates, in mode NUMBA."""

    def __init__(self, network: Network) -> None:
        only_linear(network)
        pytensor.config.floatX = "float32"
        self.weights = network.weights()
        self.batches: Pairs = network.batches()
        self.parameters = [pytensor.shared(w.copy()) for w in self.weights]
        self.buffers = [pytensor.shared(b) for b in zeros(self.weights)]
        x, y = pt.fmatrix(), pt.lvector()
        h, left = x, iter(self.parameters)
        for kind, *_ in network.layers:
            if kind == "linear":
                h = h @ next(left).T + next(left)
            else:
                h = pt.sigmoid(h) if kind == "sigmoid" else pt.maximum(h, np.float32(0))
        rows = pt.arange(y.shape[0])
        loss = -pt.special.log_softmax(h, axis=1)[rows, y].mean(dtype="float32")
        lr, momentum = np.float32(network.lr), np.float32(network.momentum)
        updates = []
        grads = pytensor.grad(loss, self.parameters)
        for p, b, g in zip(self.parameters, self.buffers, grads, strict=True):
            new = momentum * b + g
            updates += [(b, new), (p, p - lr * (g + momentum * new))]
        self.step = pytensor.function([x, y], loss, updates=updates, mode="NUMBA")
        self.step.trust_input = True

    def reset(self) -> None:
        for p, b, w in zip(self.parameters, self.buffers, self.weights, strict=True):
            p.set_value(w)
            b.set_value(np.zeros_like(w))

    def value(self, result) -> float:
        return float(result)
