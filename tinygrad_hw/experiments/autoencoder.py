"""An autoencoder: digits through a layer of 2 to 32 numbers and back; and where the digits lie in the plane of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..nn import functional
from ..train import predict
from .lab import COLORS, Lab, band
from .learning import ink, learn, warm_and_cosine

TITLE = "An autoencoder"

WIDTHS = (2, 8, 32)


def part(code: int, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train an autoencoder with ``code`` numbers in its middle; codes and pictures of the test part."""
    splits = Lab.data_of("digits", quick, root)
    random.manual_seed(seed)
    x, test = ink(splits, "train")[0][:12000], ink(splits, "test")[0][:1000]
    n, hidden = x.shape[1], 128
    encoder = nn.Sequential(nn.Linear(n, hidden), nn.ReLU(), nn.Linear(hidden, code))
    decoder = nn.Sequential(nn.ReLU(), nn.Linear(hidden, n), nn.Sigmoid())
    model = nn.Sequential(encoder, nn.Linear(code, hidden), decoder)
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    mse: Any = functional.mse_loss
    curves = learn(model, optimizer, (x, x), (test, test), epochs, 64, mse, rate=warm_and_cosine)
    return {
        "train_loss": curves["train_loss"],
        "valid_loss": curves["valid_loss"],
        "codes": predict(encoder, test).numpy(),
        "pictures": predict(model, test[:10]).numpy(),
    }


def run(lab: Lab) -> None:
    """Draw losses, pictures before and after, and the plane of two numbers."""
    splits = lab.digits()
    epochs = 40 if lab.quick else 20
    results = lab.sweep(
        part,
        {
            f"{code} numbers": {"code": code, "seed": lab.seed, "epochs": epochs}
            | lab.data_settings
            for code in WIDTHS
        },
    )
    axes = lab.axes(1, 2, 5.5, 4.5)
    x = np.arange(1, epochs + 1)
    for i, code in enumerate(WIDTHS):
        r = results[f"{code} numbers"]
        band(axes[0, 0], x, r["train_loss"], f"{code} numbers, training", i, dashed=True)
        band(axes[0, 0], x, r["valid_loss"], f"{code} numbers, test", i)
        lab.number(f"{code} numbers: test loss", r["valid_loss"][-1])
    axes[0, 0].set(xlabel="epoch", ylabel="mean squared error of a pixel", yscale="log")
    axes[0, 0].legend(fontsize=8)
    codes, y = results["2 numbers"]["codes"], splits.test[1][:1000]
    for digit in range(10):
        at = codes[y == digit]
        color, mark = COLORS[digit % 8], "o" if digit < 8 else "x"
        axes[0, 1].plot(at[:, 0], at[:, 1], mark, color=color, ms=3, alpha=0.5)
        axes[0, 1].text(*np.median(at, axis=0), str(digit), fontsize=14, weight="bold")
    axes[0, 1].set(xlabel="first number of the code", ylabel="second number")
    lab.figure(axes, "autoencoder", "Autoencoders with 128 hidden units on each side, Adam")
    first = splits.upright(ink(splits, "test")[0][:10])
    axes = lab.axes(1 + len(WIDTHS), 10, 0.9, 1.0)
    rows = {"test images": first} | {
        f"{code} numbers": splits.upright(results[f"{code} numbers"]["pictures"]) for code in WIDTHS
    }
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(row, images, strict=True):
            ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        row[0].set_ylabel(label, fontsize=8)
    lab.figure(axes, "pictures", "Test images, and what is left of them")
