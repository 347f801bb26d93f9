"""784-200-100-10 with ReLU and tanh at three rates, halved at epochs 20 and 40 of 50; then with pixel shifts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..random import default_generator
from .lab import Lab, band
from .learning import accuracy, ink, learn, mlp, warm_and_cosine, xavier

TITLE = "MNIST with two hidden layers"

RATES = (0.005, 0.01, 0.02)
ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh}


def shifted(x: np.ndarray, side: int) -> np.ndarray:
    """Each image moved by -1, 0 or 1 pixels down and across; what comes in is background."""
    images = np.pad(x.reshape(-1, side, side), ((0, 0), (1, 1), (1, 1)))
    rows, columns = default_generator.numpy.integers(0, 3, (2, len(x)))
    out = np.empty((len(x), side, side), np.float32)
    for dy in range(3):
        for dx in range(3):
            chosen = (rows == dy) & (columns == dx)
            out[chosen] = images[chosen, dy : dy + side, dx : dx + side]
    return out.reshape(len(x), -1)


def part(
    activation: str, lr: float, seed: int, epochs: int, shift: bool, quick: bool, root: Any
) -> dict[str, Any]:
    """Train one network. Without shifts, the write-up's recipe; with them, one warm-up and cosine."""
    splits = Lab.data_of("digits", quick, root)
    random.manual_seed(seed)
    train, test = ink(splits, "train"), ink(splits, "test")
    side, batch = round(np.sqrt(train[0].shape[1])), 100 if len(train[1]) > 10000 else 20
    model = mlp(side * side, 200, 100, len(splits.classes), activation=ACTIVATIONS[activation])
    xavier(model)
    if shift:
        optimizer = optim.SGD(
            model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-4
        )
        curves = learn(
            model,
            optimizer,
            train,
            test,
            epochs,
            batch,
            rate=warm_and_cosine,
            augment=lambda x: shifted(x, side),
        )
    else:
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True)

        def halved(step: int, steps: int) -> float:
            return 0.5 ** sum(step / steps >= cut for cut in (0.4, 0.8))

        curves = learn(model, optimizer, train, test, epochs, batch, rate=halved)
    loss, right = accuracy(model, test)
    return dict(curves) | {"test_loss": loss, "test": right}


def run(lab: Lab) -> None:
    """Draw accuracy curves of all, and say the final loss and accuracy."""
    splits = lab.digits()
    epochs = 10 if lab.quick else 50
    settings: dict[str, dict[str, Any]] = {
        f"{name}, lr {lr:g}": {
            "activation": name,
            "lr": lr,
            "seed": lab.seed,
            "epochs": epochs,
            "shift": False,
        }
        for name in ACTIVATIONS
        for lr in RATES
    }
    with_shifts = 10 if lab.quick else 20
    seeds = range(lab.seed, lab.seed + (1 if lab.quick else 3))
    for seed in seeds:
        settings[f"shifts, seed {seed}"] = {
            "activation": "ReLU",
            "lr": 0.05,
            "seed": seed,
            "epochs": with_shifts,
            "shift": True,
        }
    results = lab.sweep(part, {k: v | lab.data_settings for k, v in settings.items()})
    axes = lab.axes(1, 3, 4.6)
    low = 85 if lab.quick else 95
    for column, name in enumerate(ACTIVATIONS):
        for i, lr in enumerate(RATES):
            r = results[f"{name}, lr {lr:g}"]
            x = np.arange(1, epochs + 1)
            ax = axes[0, column]
            band(ax, x, 100 * r["train_accuracy"], f"lr {lr:g}, training", i, dashed=True)
            band(ax, x, 100 * r["valid_accuracy"], f"lr {lr:g}, test", i)
            lab.number(f"{name}, lr {lr:g}: test loss, accuracy", [r["test_loss"], r["test"]])
        axes[0, column].set_title(f"{name}, rates halved at 40 % and 80 %", fontsize=10)
    runs = [results[f"shifts, seed {seed}"] for seed in seeds]
    x = np.arange(1, with_shifts + 1)
    ax = axes[0, 2]
    for which, label in (("train", "training"), ("valid", "test")):
        curves = [100 * r[f"{which}_accuracy"] for r in runs]
        band(ax, x, curves, label, which == "valid", dashed=which == "train")
    ax.set_title("ReLU, shifts of one pixel, cosine", fontsize=10)
    losses, rights = [[r[k] for r in runs] for k in ("test_loss", "test")]
    lab.number("shifts: test loss of each seed", losses)
    lab.number("shifts: test accuracy of each seed", rights)
    lab.number("shifts: mean test loss, accuracy", [np.mean(losses), np.mean(rights)])
    for ax in axes.flat:
        ax.set(xlabel="epoch", ylabel="accuracy (%)", ylim=(low, 100.2))
        ax.legend(fontsize=8)
    inputs = splits.test[0].shape[1]
    lab.figure(axes, "mnist-mlp", f"{inputs}-200-100-10, SGD with Nesterov momentum 0.9")
