"""Six optimizers at Keras's default settings on 20-bit sequences: mean and extremes over 5 runs; the 20 × 20 weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, plot, random
from ..nn import functional
from .lab import Lab, band, seeds_text
from .learning import learn, mlp, xavier

TITLE = "Optimizers"

# Keras's defaults: lr 0.01 for SGD, 0.001 for the others; RMSprop's decay 0.9; ε 1e-7 outside the root.
OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, lr=0.01),
    "SGD + Nesterov": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.001, alpha=0.9, eps=1e-7),
    "Adam": lambda p: optim.Adam(p, lr=0.001, eps=1e-7),
    "AdamW": lambda p: optim.AdamW(p, lr=0.001, eps=1e-7, weight_decay=0.004),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.001, initial_accumulator_value=0.1, eps=1e-7),
}


def flat_bce(output: Any, target: Any) -> Any:
    """Binary cross-entropy of one logit a row."""
    return functional.binary_cross_entropy_with_logits(output, target)


def part(optimizer: str, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train 20-20-1 by one optimizer."""
    splits = Lab.data_of("sequences", quick, root)
    random.manual_seed(seed)
    assert splits.train is not None
    assert splits.valid is not None
    train, valid = (
        (x - np.float32(0.5), y[:, None].astype(np.float32))
        for x, y in (splits.train, splits.valid)
    )
    model = mlp(20, 20, 1, activation=nn.ReLU)
    xavier(model)
    step = OPTIMIZERS[optimizer](model.parameters())
    curves = learn(model, step, train, valid, epochs, 32, flat_bce)
    return dict(curves) | {"weight": model[0].weight.detach().numpy().copy()}


def run(lab: Lab) -> None:
    """Draw accuracies of all, and the weights that Adam found."""
    lab.sequences()
    epochs = 20 if lab.quick else 60
    seeds = range(lab.seed, lab.seed + (2 if lab.quick else 5))
    results = lab.sweep(
        part,
        {
            f"{name}, seed {seed}": {"optimizer": name, "seed": seed, "epochs": epochs}
            | lab.data_settings
            for name in OPTIMIZERS
            for seed in seeds
        },
    )
    axes = lab.axes(1, 3, 4.8)
    x = np.arange(1, epochs + 1)
    for i, name in enumerate(OPTIMIZERS):
        runs = [results[f"{name}, seed {seed}"] for seed in seeds]
        band(axes[0, 0], x, [r["train_loss"] for r in runs], name, i, varied=True)
        band(axes[0, 1], x, [100 * r["train_accuracy"] for r in runs], name, i, varied=True)
        band(axes[0, 2], x, [100 * r["valid_accuracy"] for r in runs], name, i, varied=True)
        last = [r["valid_accuracy"][-1] for r in runs]
        lab.number(f"{name}: validation accuracy, mean and each", [np.mean(last), last])
    for ax, label in zip(
        axes[0],
        ("training loss", "training accuracy (%)", "validation accuracy (%)"),
        strict=True,
    ):
        ax.set(xlabel="epoch", ylabel=label)
    axes[0, 0].legend(fontsize=8)
    words = seeds_text(seeds)
    lab.figure(
        axes, "optimizers", "20-20-1 on sequences of 20 bits, Keras's default settings", words
    )

    axes = lab.axes(1, 1, 6, 5)
    axes[0, 0].grid(False)
    weight = results[f"Adam, seed {lab.seed}"]["weight"]
    plot.weight_grid(weight[None], ax=axes[0, 0], columns=1)
    ticks = np.arange(0, 20, 2)
    axes[0, 0].set_xticks(ticks, [str(t + 1) for t in ticks])
    axes[0, 0].set_yticks(ticks, [str(t + 1) for t in ticks])
    axes[0, 0].set(xlabel="bit of the sequence", ylabel="unit")
    neighbors = np.corrcoef(weight[:, 1:].ravel(), weight[:, :-1].ravel())[0, 1]
    lab.number("correlation of weights of neighboring bits (Adam)", neighbors)
    lab.figure(axes, "sequence-weights", "First layer, 20 x 20, after training by Adam")
