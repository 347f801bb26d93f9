"""Softmax does not change when all its inputs shift, overflows without that, and comes near argmax when cold."""

from __future__ import annotations

import numpy as np

from .. import ops
from ..creation import from_numpy
from .lab import COLORS, DASHES, Lab

TITLE = "Softmax: shift, overflow, temperature"


def by_the_book(x: np.ndarray, c: float) -> np.ndarray:
    """e^(x_i + c) / Σ e^(x_j + c), as it is written, in float32."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        e = np.exp(np.asarray(x, np.float32) + np.float32(c))
        return e / e.sum()


def run(lab: Lab) -> None:
    """Draw both figures."""
    x = np.array([1.0, 2.0, 3.0, 0.5], np.float32)
    exact = ops.softmax(from_numpy(x.astype(np.float64)), 0).numpy()
    shifts = np.arange(-130, 131, 1.0)
    axes = lab.axes(1, 2)
    for i, (label, function) in enumerate(
        {
            "as written, c = 0": lambda v: by_the_book(v, 0.0),
            "as written, c = -max x": lambda v: by_the_book(v, -float(v.max())),
            "the framework's softmax": lambda v: ops.softmax(from_numpy(v), 0).numpy(),
        }.items()
    ):
        largest = [float(function(x + np.float32(s))[2]) for s in shifts]
        axes[0, 0].plot(
            shifts, largest, color=COLORS[i], linestyle=DASHES[i], lw=4 - 1.3 * i, label=label
        )
        lab.number(f"{label}: shifts from -130 to 130 with a result", np.isfinite(largest).sum())
        error = np.nanmax(np.abs(np.array(largest) - exact[2]))
        lab.number(f"{label}: largest error where there is one", error)
    axes[0, 0].set(
        xlabel="added to all four inputs",
        ylabel="softmax of the third, in float32",
        ylim=(0, 1.05),
    )
    axes[0, 0].legend(loc="lower center")
    axes[0, 0].set_title("e^x overflows above 88 and vanishes below -104", fontsize=10)

    width = 0.2
    for i, temperature in enumerate((10.0, 1.0, 0.5, 0.1)):
        p = ops.softmax(from_numpy(x / np.float32(temperature)), 0).numpy()
        at = np.arange(len(x)) + (i - 1.5) * width
        axes[0, 1].bar(at, p, width, color=COLORS[i], label=f"T = {temperature:g}")
        lab.number(f"softmax(x / {temperature:g})", p)
    axes[0, 1].set(xlabel="input x", ylabel="softmax(x / T)", ylim=(0, 1.05))
    axes[0, 1].set_xticks(np.arange(len(x)), [f"{v:g}" for v in x])
    axes[0, 1].legend()
    axes[0, 1].set_title("hot: uniform; cold: argmax", fontsize=10)
    lab.figure(axes, "softmax", "Softmax of (1, 2, 3, 0.5)", "no randomness")
