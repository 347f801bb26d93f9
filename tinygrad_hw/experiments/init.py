"""How a network starts: zero, all equal, too small, too large, Xavier, Kaiming; variance by layer, and learning."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..creation import from_numpy
from ..nn import functional
from .lab import COLORS, DASHES, Lab, band, seeds_text
from .learning import accuracy, ink, learn, mlp

TITLE = "Initial weights"

STARTS = ("zero", "equal 0.05", "normal 0.005", "normal 0.5", "Xavier", "Kaiming")


def start(model: nn.Module, how: str) -> None:
    """Fill all weights; biases are 0."""
    for layer in model.modules():
        if not isinstance(layer, nn.Linear):
            continue
        nn.init.zeros_(layer.get_parameter("bias"))
        kind, _, size = how.partition(" ")
        match kind:
            case "zero":
                nn.init.zeros_(layer.weight)
            case "equal":
                nn.init.constant_(layer.weight, float(size))
            case "normal":
                nn.init.normal_(layer.weight, 0.0, float(size))
            case "Xavier":
                nn.init.xavier_normal_(layer.weight)
            case "Kaiming":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def by_layer(model: nn.Sequential, x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """The variances of the layers' sums, forward, and of the loss's gradient by them, backward."""
    h, sums = from_numpy(x), []
    for layer in model:
        h = layer(h)
        if isinstance(layer, nn.Linear):
            h.retain_grad()
            sums.append(h)
    functional.cross_entropy(h, from_numpy(y)).backward()
    return [float(s.detach().numpy().var()) for s in sums], [
        float(s.grad.numpy().var()) if s.grad is not None else 0.0 for s in sums
    ]


def part(how: str, seed: int, depth: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train one network from one start."""
    splits = Lab.data_of("digits", quick, root)
    random.manual_seed(seed)
    (x, y), test = ink(splits, "train"), ink(splits, "test")
    x, y = x[:12000], y[:12000]
    model = mlp(x.shape[1], *[100] * depth, len(splits.classes))
    start(model, how)
    forward, backward = by_layer(model, x[:500], y[:500])
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    curves: dict[str, Any] = dict(learn(model, optimizer, (x, y), test, epochs, 50))
    weight = model[0].weight.detach().numpy()
    distinct = len(np.unique(np.round(weight, 6), axis=0))
    return curves | {
        "forward": np.array(forward),
        "backward": np.array(backward),
        "test": accuracy(model, test)[1],
        "distinct": distinct,
    }


def run(lab: Lab) -> None:
    """Draw variances by layer and loss curves of all starts."""
    lab.digits()
    depth, epochs = 5, 8 if lab.quick else 10
    seeds = range(lab.seed, lab.seed + (1 if lab.quick else 3))
    results = lab.sweep(
        part,
        {
            f"{how}, seed {seed}": {"how": how, "seed": seed, "depth": depth, "epochs": epochs}
            | lab.data_settings
            for how in STARTS
            for seed in seeds
        },
    )
    axes = lab.axes(2, 2)
    layers = np.arange(1, depth + 2)
    for i, how in enumerate(STARTS):
        runs = [results[f"{how}, seed {seed}"] for seed in seeds]
        for ax, key in zip(axes[0], ("forward", "backward"), strict=True):
            values = np.mean([r[key] for r in runs], axis=0)
            shown = np.where(values > 0, values, np.nan)  # a variance of 0 is not on a log scale
            style: Any = {"color": COLORS[i], "linestyle": DASHES[i], "marker": "."}
            ax.semilogy(layers, shown, label=how + (" (0)" if (values == 0).any() else ""), **style)
            lab.number(f"{how}: variance {key}, first and last layer", values[[0, -1]])
        x = np.arange(1, epochs + 1)
        loss = np.array([r["train_loss"] for r in runs])
        # A start with weights too large has a loss in the thousands at first.
        band(axes[1, 0], x, np.clip(loss, 0, 4), how, i, varied=True)
        band(axes[1, 1], x, [100 * r["valid_accuracy"] for r in runs], how, i, varied=True)
        lab.number(f"{how}: test accuracy", np.mean([r["test"] for r in runs]))
        lab.number(
            f"{how}: different units in the first layer, of 100", [r["distinct"] for r in runs]
        )
    axes[0, 0].set(xlabel="layer", ylabel="variance of its sums (forward)")
    axes[0, 1].set(xlabel="layer", ylabel="variance of the loss's gradient by them")
    axes[1, 0].set(xlabel="epoch", ylabel="training loss (cut off at 4)")
    axes[1, 1].set(xlabel="epoch", ylabel="test accuracy (%)")
    for ax in axes[:, 0]:
        ax.legend(fontsize=8)
    lab.note(
        "A network of zeros sums to zero in every layer, and with ReLU no weight but the last bias ever gets a "
        "gradient; its loss stays near ln 10 = 2.30, as that of weights too small does. Equal weights make "
        "equal units, which stay equal: one unit in a hundred copies."
    )
    lab.figure(axes, "init", f"{depth} hidden layers of 100, ReLU, SGD", seeds_text(seeds))
