"""The characters network of the write-up at three learning rates, and a search for the best: 1024-64-36, sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..creation import from_numpy
from ..nn import functional
from .lab import Lab, band, seeds_text
from .learning import accuracy, ink, learn, mlp, xavier

TITLE = "Learning rates"

RATES = (2e-2, 2e-3, 2e-4)


def summed(output: Any, target: Any) -> Any:
    """The loss whose gradient the write-up's learning rates multiply: summed over the batch."""
    return functional.cross_entropy(output, target, reduction="sum")


def network(inputs: int, classes: int) -> nn.Sequential:
    """64 sigmoid units between inputs and classes, Glorot's weights."""
    model = mlp(inputs, 64, classes, activation=nn.Sigmoid)
    xavier(model)
    return model


def part(lr: float, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train the network at one rate."""
    splits = Lab.data_of("characters", quick, root)
    random.manual_seed(seed)
    train, valid, test = (ink(splits, name) for name in ("train", "valid", "test"))
    model = network(train[0].shape[1], len(splits.classes))
    optimizer = optim.SGD(model.parameters(), lr=lr)
    curves: dict[str, Any] = dict(learn(model, optimizer, train, valid, epochs, 36, summed))
    curves["valid_loss"] = curves["valid_loss"] / len(valid[1])
    curves["train_loss"] = curves["train_loss"] / 36
    return curves | {"test": accuracy(model, test)[1]}


def find(seed: int, steps: int, quick: bool, root: Any) -> dict[str, Any]:
    """The loss of each batch while the rate grows from 1e-5 to 1, by the same factor each step (Smith, 2017)."""
    splits = Lab.data_of("characters", quick, root)
    random.manual_seed(seed)
    x, y = ink(splits, "train")
    model = network(x.shape[1], len(splits.classes))
    optimizer = optim.SGD(model.parameters(), lr=1e-5)
    rates, losses = np.geomspace(1e-5, 1, steps), []
    for lr in rates:
        rows = random.default_generator.numpy.integers(0, len(y), 36)
        optimizer.param_groups[0]["lr"] = float(lr)
        optimizer.zero_grad()
        loss = summed(model(from_numpy(x[rows])), from_numpy(y[rows]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / 36)
    return {"rates": rates, "losses": np.array(losses)}


def run(lab: Lab) -> None:
    """Draw curves at three rates, and the search."""
    lab.characters()
    epochs = 12 if lab.quick else 50
    seeds = range(lab.seed, lab.seed + (1 if lab.quick else 3))
    results = lab.sweep(
        part,
        {
            f"lr {lr:g}, seed {seed}": {"lr": lr, "seed": seed, "epochs": epochs}
            | lab.data_settings
            for lr in RATES
            for seed in seeds
        },
    )
    axes = lab.axes(2, len(RATES), 4.2, 3.2)
    x = np.arange(1, epochs + 1)
    for i, lr in enumerate(RATES):
        runs = [results[f"lr {lr:g}, seed {seed}"] for seed in seeds]
        for j, measure in enumerate(("loss", "accuracy")):
            scale = 100 if j else 1
            ax = axes[j, i]
            for k, which in enumerate(("train", "valid")):
                values = [scale * r[f"{which}_{measure}"] for r in runs]
                label = {"train": "training", "valid": "validation"}[which]
                band(ax, x, values, label, k, dashed=which == "train")
            ax.set(xlabel="epoch", ylim=(0, 100) if j else (0, 3.7))
            ax.set_ylabel("accuracy (%)" if j else "loss (cross-entropy)")
            ax.legend()
        axes[0, i].set_title(f"learning rate {lr:g}", fontsize=10)
        lab.number(f"lr {lr:g}: validation accuracy", [r["valid_accuracy"][-1] for r in runs])
        lab.number(f"lr {lr:g}: test accuracy", [r["test"] for r in runs])
    words = seeds_text(seeds)
    lab.figure(
        axes, "learning-rates", "1024-64-36 sigmoid, SGD on the summed loss, batch 36", words
    )

    steps = 300 if lab.quick else 1000
    found = lab.sweep(find, {"search": {"seed": lab.seed, "steps": steps} | lab.data_settings})
    rates, losses = found["search"]["rates"], found["search"]["losses"]
    smooth = np.convolve(losses, np.ones(15) / 15, mode="same")
    inner = slice(15, -15)
    low = int(np.nanargmin(smooth[inner])) + 15
    best = rates[low] / 10
    axes = lab.axes(1, 1, 7)
    axes[0, 0].semilogx(rates, losses, ".", color="0.7", label="one batch")
    axes[0, 0].semilogx(rates[inner], smooth[inner], color="#0072B2", label="mean of 15")
    axes[0, 0].axvline(best, color="#D55E00", ls="--", label=f"a tenth of the lowest: {best:.1e}")
    axes[0, 0].set(xlabel="learning rate, growing with each step", ylabel="loss", ylim=(0, 8))
    axes[0, 0].legend()
    lab.number("rate found by the search", best)
    lab.figure(axes, "search", "A search for the learning rate in one run")
