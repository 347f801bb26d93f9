"""A deep network without activations is one linear layer: W = Wₙ⋯W₁, b = Σ Wₙ⋯Wₖ₊₁bₖ, before and after training."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..train import predict
from .lab import Lab, band, seeds_text
from .learning import accuracy, ink, learn, mlp

TITLE = "Linear layers collapse"


def collapsed(model: nn.Sequential) -> tuple[np.ndarray, np.ndarray]:
    """The one matrix and vector that a stack of linear layers is, in float64."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    weight = np.eye(linear[0].in_features)
    bias = np.zeros(linear[0].in_features)
    for layer in linear:
        w = layer.weight.detach().numpy().astype(np.float64)
        weight, bias = w @ weight, w @ bias + layer.get_parameter("bias").detach().numpy()
    return weight, bias


def difference(model: nn.Sequential, x: np.ndarray) -> float:
    """The largest difference between the network and its one layer, relative to the largest output."""
    weight, bias = collapsed(model)
    deep = predict(model, x).numpy()
    flat = x.astype(np.float64) @ weight.T + bias
    return float(np.abs(deep - flat).max() / np.abs(flat).max())


def part(network: str, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train one network on digits."""
    splits = Lab.data_of("digits", quick, root)
    random.manual_seed(seed)
    train, test = ink(splits, "train"), ink(splits, "test")
    n, classes = train[0].shape[1], len(splits.classes)
    kind, *hidden = network.split()
    widths = [n, *map(int, hidden), classes]
    model = mlp(*widths, activation=nn.Identity if kind == "linear" else nn.ReLU)
    before = difference(model, test[0]) if kind == "linear" else np.nan
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    curves: dict[str, Any] = dict(learn(model, optimizer, train, test, epochs, 64))
    after = difference(model, test[0]) if kind == "linear" else np.nan
    return curves | {"before": before, "after": after, "test": accuracy(model, test)[1]}


def run(lab: Lab) -> None:
    """Compare one linear layer, three, and three with ReLU between."""
    splits = lab.digits()
    epochs = 15 if lab.quick else 10
    seeds = range(lab.seed, lab.seed + (2 if lab.quick else 3))
    networks = {"one linear layer": "linear", "three linear layers": "linear 64 64"}
    networks["three layers with ReLU"] = "relu 64 64"
    results = lab.sweep(
        part,
        {
            f"{label}, seed {seed}": {"network": network, "seed": seed, "epochs": epochs}
            | lab.data_settings
            for label, network in networks.items()
            for seed in seeds
        },
    )
    axes = lab.axes(1, 2)
    for i, label in enumerate(networks):
        runs = [results[f"{label}, seed {seed}"] for seed in seeds]
        x = np.arange(1, epochs + 1)
        band(axes[0, 0], x, [r["train_loss"] for r in runs], label, i)
        band(axes[0, 1], x, [100 * r["valid_accuracy"] for r in runs], label, i)
        lab.number(f"{label}: test accuracy", np.mean([r["test"] for r in runs]))
        if not np.isnan(runs[0]["before"]):
            for when in ("before", "after"):
                worst = max(r[when] for r in runs)
                lab.number(f"{label}: relative difference to one layer, {when} training", worst)
    axes[0, 0].set(xlabel="epoch", ylabel="training loss (cross-entropy)")
    axes[0, 1].set(xlabel="epoch", ylabel="test accuracy (%)")
    axes[0, 0].legend()
    size = splits.test[0].shape[1]
    lab.figure(
        axes,
        "collapse",
        f"{size}-10 linear, {size}-64-64-10 linear and with ReLU",
        seeds_text(seeds),
    )
