"""PyTorch's step: eager, with its fused update, and through ``torch.compile``."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.nn.functional import cross_entropy

from .. import machine
from ..networks import Network
from . import Pairs, Unsuited, sequential


class Eager:
    """The step of PyTorch's tutorials."""

    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, network: Network) -> None:
        threads = machine.threads()
        if threads is not None:
            torch.set_num_threads(threads)
        self.weights = [torch.from_numpy(w) for w in network.weights()]
        self.model = model = sequential(torch.nn, network)
        self.optimizer = optimizer = torch.optim.SGD(
            model.parameters(),
            lr=network.lr,
            momentum=network.momentum,
            nesterov=True,
            **self.options,
        )
        self.batches: Pairs = [
            (torch.from_numpy(x), torch.from_numpy(y)) for x, y in network.batches()
        ]
        loss_of = self.prepared(lambda x, y: cross_entropy(model(x), y))
        update = self.prepared(optimizer.step)

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(x, y)
            loss.backward()
            update()
            return loss

        self.step = step
        self.reset()

    def prepared(self, function: Any) -> Any:
        """What is called in place of ``function``."""
        return function

    def reset(self) -> None:
        with torch.no_grad():
            for p, w in zip(self.model.parameters(), self.weights, strict=True):
                p.copy_(w)
            for state in self.optimizer.state.values():
                state["momentum_buffer"].zero_()

    def value(self, result) -> float:
        return result.item()


class Fused(Eager):
    """All parameters updated by one native call."""

    options: ClassVar[dict[str, Any]] = {"fused": True}


class Compiled(Eager):
    """Forward, backward and update each compiled."""

    def prepared(self, function: Any) -> Any:
        return torch.compile(function)


class Whole:
    """The whole step as one function of parameters and buffers, compiled without a break."""

    def __init__(self, network: Network) -> None:
        if any(kind == "norm" for kind, *_ in network.layers):
            raise Unsuited("torch.func takes no gradient through running averages")
        start = Eager(network)
        self.weights, self.batches = start.weights, start.batches
        model, lr, momentum = start.model, network.lr, network.momentum
        names = [name for name, _ in model.named_parameters()]
        self.parameters = [w.clone() for w in self.weights]
        self.buffers = [torch.zeros_like(w) for w in self.weights]

        def loss_of(parameters, x, y):
            named = dict(zip(names, parameters, strict=True))
            return cross_entropy(torch.func.functional_call(model, named, (x,)), y)

        def update(parameters, buffers, x, y):
            grads, loss = torch.func.grad_and_value(loss_of)(parameters, x, y)
            for p, b, g in zip(parameters, buffers, grads, strict=True):
                b.mul_(momentum).add_(g)
                p.sub_(lr * (g + momentum * b))
            return loss

        compiled = torch.compile(update, fullgraph=True)
        self.step = lambda x, y: compiled(self.parameters, self.buffers, x, y)

    def reset(self) -> None:
        for p, b, w in zip(self.parameters, self.buffers, self.weights, strict=True):
            p.copy_(w)
            b.zero_()

    def value(self, result) -> float:
        return result.item()
