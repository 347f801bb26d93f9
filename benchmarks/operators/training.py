"""Layers forward and backward, and optimizers' updates of a network's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_hw as tg

from ..networks import NETWORKS
from . import Case, optional

torch = optional("torch")

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-3},
    "SGD Nesterov": {"lr": 1e-3, "momentum": 0.9, "nesterov": True},
    "Adam": {},
    "AdamW": {},
    "RMSprop": {},
    "Adagrad": {},
}

#: Batch, channels in, height, channels out, kernel.
CONVOLUTIONS = ((16, 1, 28, 6, 5), (16, 6, 14, 16, 5), (8, 32, 16, 64, 3))


def cases() -> Iterator[Case]:
    for name in OPTIMIZERS:
        for network in ("seq", "mnist", "wide"):
            yield update(name, network)
    for sizes in CONVOLUTIONS:
        for backward in (False, True):
            yield convolution(*sizes, backward=backward)


def update(name: str, network: str) -> Case:
    """``step()`` of all parameters of a network, for each parameter's element."""
    weights = NETWORKS[network].weights()
    contestants: dict[str, Callable[[], Any]] = {"operator": _ours(name, weights)}
    if torch is not None:
        contestants["torch op"] = _torchs(name, weights)
    elements = sum(w.size for w in weights)
    return Case(f"{name}.step", f"{network}: {elements:,}", elements, contestants)


def _ours(name: str, weights: list[np.ndarray]) -> Callable[[], Any]:
    parameters = [tg.nn.Parameter(tg.tensor(w)) for w in weights]
    for p, w in zip(parameters, weights, strict=True):
        p.grad = tg.tensor(w * np.float32(0.01))
    return getattr(tg.optim, name.split()[0])(parameters, **OPTIMIZERS[name]).step


def _torchs(name: str, weights: list[np.ndarray]) -> Callable[[], Any]:
    parameters = [torch.nn.Parameter(torch.tensor(w)) for w in weights]
    for p, w in zip(parameters, weights, strict=True):
        p.grad = torch.tensor(w * np.float32(0.01))
    return getattr(torch.optim, name.split()[0])(parameters, **OPTIMIZERS[name]).step


def convolution(n: int, inputs: int, side: int, outputs: int, size: int, *, backward: bool) -> Case:
    """A convolution through the graph, and with ``backward`` both gradients."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((n, inputs, side, side), np.float32)
    w = draw.standard_normal((outputs, inputs, size, size), np.float32)
    g = draw.standard_normal((n, outputs, side - size + 1, side - size + 1), np.float32)
    contestants = {"operator": _convolve(tg.nn.functional, tg.tensor, x, w, g, backward)}
    if torch is not None:
        contestants["torch op"] = _convolve(torch.nn.functional, torch.tensor, x, w, g, backward)
    name = "(conv2d)" if backward else "conv2d"
    size_ = f"{n} × {inputs} × {side}² → {outputs}, {size}²"
    return Case(name, size_, g.size, contestants)


def _convolve(functional, tensor, x, w, g, backward: bool) -> Callable[[], Any]:
    image, weight = tensor(x, requires_grad=True), tensor(w, requires_grad=True)
    cotangent = tensor(g)

    def call() -> None:
        out = functional.conv2d(image, weight)
        if backward:
            image.grad = weight.grad = None
            out.backward(cotangent)

    return call
