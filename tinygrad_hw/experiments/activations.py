"""Activations and their slopes; tanh x = 2σ(2x) − 1; where gradients vanish with depth."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .. import creation, nn, ops, random
from ..creation import from_numpy
from .lab import COLORS, DASHES, Lab

TITLE = "Activations and vanishing gradients"

FUNCTIONS: dict[str, Any] = {
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "ReLU": ops.relu,
    "LeakyReLU": lambda x: ops.leaky_relu(x, 0.1),
    "softplus": ops.softplus,
    "ELU": ops.elu,
}
DEEP = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU, "linear": nn.Identity}


def curves(function: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y and dy/dx, by the framework."""
    t = from_numpy(x).requires_grad_()
    y = function(t)
    y.backward(creation.ones_like(y))
    assert t.grad is not None
    return y.detach().numpy(), t.grad.numpy()


def gradients(activation: type[nn.Module], depth: int, width: int, seed: int) -> list[float]:
    """The root mean square of the loss's gradient by the output of each layer, from the first to the last."""
    random.manual_seed(seed)
    layers: list[nn.Module] = []
    for n, m in pairwise([width] * (depth + 1)):
        layers.append(nn.Linear(n, m))
        nn.init.xavier_normal_(layers[-1].get_parameter("weight"))
        nn.init.zeros_(layers[-1].get_parameter("bias"))
        layers.append(activation())
    h = creation.randn(256, width)
    values = []
    for linear, function in zip(layers[::2], layers[1::2], strict=True):
        h = function(linear(h))
        h.retain_grad()
        values.append(h)
    (h * creation.randn(256, width)).mean().backward()
    return [float(np.sqrt((v.grad.numpy() ** 2).mean())) for v in values]


def run(lab: Lab) -> None:
    """Draw both figures."""
    x = np.linspace(-5, 5, 1001)
    axes = lab.axes(1, 2)
    for i, (name, function) in enumerate(FUNCTIONS.items()):
        y, slope = curves(function, x)
        for ax, values in zip(axes[0], (y, slope), strict=True):
            ax.plot(x, values, color=COLORS[i], linestyle=DASHES[i], label=name)
        lab.number(f"{name}: largest slope", slope.max())
    axes[0, 0].set(xlabel="x", ylabel="f(x)", ylim=(-1.6, 3))
    axes[0, 1].set(xlabel="x", ylabel="df/dx", ylim=(-0.1, 1.2))
    axes[0, 0].legend()
    lab.figure(axes, "activations", "Activations and their derivatives (LeakyReLU: slope 0.1)")
    twice = curves(lambda t: 2 * ops.sigmoid(2 * t) - 1, x)[0]
    error = float(np.abs(curves(ops.tanh, x)[0] - twice).max())
    lab.number("largest |tanh x - (2 sigmoid(2x) - 1)|", error)

    depth, width = (12, 64) if lab.quick else (30, 128)
    axes = lab.axes(1, 1, 7)
    for i, (name, activation) in enumerate(DEEP.items()):
        size = gradients(activation, depth, width, lab.seed)
        axes[0, 0].semilogy(
            np.arange(1, depth + 1),
            np.array(size) / size[-1],
            color=COLORS[i],
            linestyle=DASHES[i],
            marker=".",
            label=name,
        )
        lab.number(f"{name}: gradient at layer 1 / at layer {depth}", size[0] / size[-1])
    axes[0, 0].set(
        xlabel="layer (1 is next to the input)",
        ylabel="gradient by the layer's output, RMS\n(relative to the last layer)",
    )
    axes[0, 0].legend()
    lab.figure(axes, "vanishing", f"Gradients in {depth} layers of {width} units, Xavier weights")
