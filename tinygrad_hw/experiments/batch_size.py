"""Large batches with the same learning rate learn less an epoch; scaled by the batch size, they keep up."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import optim, random
from .lab import Lab, band, seeds_text
from .learning import accuracy, ink, learn, mlp

TITLE = "Batch size and learning rate"

SIZES = (16, 64, 256)


def part(batch: int, lr: float, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train one hidden layer of 64 with batches of one size."""
    splits = Lab.data_of("digits", quick, root)
    random.manual_seed(seed)
    (x, y), test = ink(splits, "train"), ink(splits, "test")
    model = mlp(x.shape[1], 64, len(splits.classes))
    optimizer = optim.SGD(model.parameters(), lr=lr)
    curves: dict[str, Any] = dict(
        learn(model, optimizer, (x[:12000], y[:12000]), test, epochs, batch)
    )
    return curves | {"test": accuracy(model, test)[1]}


def run(lab: Lab) -> None:
    """Draw training losses at one rate and at scaled ones."""
    splits = lab.digits()
    epochs = 10
    seeds = range(lab.seed, lab.seed + (1 if lab.quick else 3))
    rules = {
        "the same rate": lambda size: 0.02,
        "rate in proportion": lambda size: 0.02 * size / 16,
    }
    results = lab.sweep(
        part,
        {
            f"{rule}, batch {size}, seed {seed}": {
                "batch": size,
                "lr": rate(size),
                "seed": seed,
                "epochs": epochs,
            }
            | lab.data_settings
            for rule, rate in rules.items()
            for size in SIZES
            for seed in seeds
        },
    )
    axes = lab.axes(1, 2)
    for ax, (rule, rate) in zip(axes[0], rules.items(), strict=True):
        for i, size in enumerate(SIZES):
            runs = [results[f"{rule}, batch {size}, seed {seed}"] for seed in seeds]
            label = f"batches of {size}, lr {rate(size):g}"
            band(ax, np.arange(1, epochs + 1), [r["train_loss"] for r in runs], label, i)
            lab.number(f"{rule}, batch {size}: test accuracy", np.mean([r["test"] for r in runs]))
        ax.set(xlabel="epoch", ylabel="training loss (cross-entropy)", yscale="log")
        for axis_format in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
            axis_format("{x:g}")
        ax.set_title(rule, fontsize=10)
        ax.legend()
    low = min(ax.get_ylim()[0] for ax in axes.flat)
    high = max(ax.get_ylim()[1] for ax in axes.flat)
    for ax in axes.flat:
        ax.set_ylim(low, high)
    n = splits.test[0].shape[1]
    lab.figure(axes, "batch-size", f"{n}-64-10, SGD without momentum", seeds_text(seeds))
