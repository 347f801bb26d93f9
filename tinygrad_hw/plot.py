"""Figures of a training run. Each function draws into ``ax``, or into a new figure, and returns the Axes.

Nothing here needs a screen or touches pyplot's state: ``ax.figure.savefig("curves.png")`` writes the figure.
Colors are those of Okabe and Ito and of ColorBrewer, told apart by color-blind readers too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ShapeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION = "#0072B2", "#D55E00"


def curves(history: Mapping[str, Sequence[float]], ax: Axes | None = None) -> Axes:
    """Loss (left scale) and accuracy (right scale, in %) against the epoch; training dashed, validation solid.

    Draws those of the columns train_loss, valid_loss, train_accuracy and valid_accuracy that ``history`` has;
    ``epoch`` numbers them, else they count from 1.
    """
    columns = {
        name: np.asarray(history[name], dtype=float)
        for name in ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
        if name in history
    }
    if not columns:
        raise ValueError(
            "curves: expected a column train_loss, valid_loss, train_accuracy or valid_accuracy, "
            f"got {', '.join(history) or 'none'}"
        )
    epoch = np.asarray(history.get("epoch", np.arange(len(next(iter(columns.values())))) + 1))
    lengths = {len(epoch), *map(len, columns.values())}
    if len(lengths) > 1:
        raise ShapeError(f"curves: expected columns of one length, got lengths {sorted(lengths)}")

    from matplotlib.ticker import MaxNLocator

    ax = _new_axes((6.4, 4.0)) if ax is None else ax
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    losses = [name for name in columns if name.endswith("loss")]
    accuracies = [name for name in columns if name.endswith("accuracy")]
    right = ax.twinx() if losses and accuracies else ax
    handles = []
    for axis, names, label, unit, color in (
        (ax, losses, "loss", "loss (mean over samples)", BLUE),
        (right, accuracies, "accuracy", "accuracy (%)", VERMILION),
    ):
        for name in names:
            handles += axis.plot(
                epoch,
                columns[name] * (100 if label == "accuracy" else 1),
                color=color,
                linestyle="--" if name.startswith("train") else "-",
                marker="." if len(epoch) <= 30 else "",
                label=f"{label}, {'training' if name.startswith('train') else 'validation'}",
            )
        if names:
            axis.set_ylabel(unit, color=color)
            axis.tick_params(axis="y", colors=color)
    ax.grid(alpha=0.3)
    # On the Axes drawn last, since curves of the right scale would else cross the legend.
    right.legend(handles=handles, loc="center right", framealpha=0.9)
    return ax


def weight_grid(
    weight: Any,
    image_shape: tuple[int, int] | None = None,
    ax: Axes | None = None,
    columns: int | None = None,
    limit: float | None = None,
) -> Axes:
    """Each unit's weights as an image, in a grid; red is positive, blue negative, white 0.

    The color scale runs from -limit to limit, by default the largest absolute weight; figures of the same limit can
    be compared. A unit's number is the sum of the numbers at its row and its column.

    Shapes: weight (units, height * width) with image_shape (height, width), or (units, height, width).
    """
    images = np.asarray(weight)
    if image_shape is not None and images.ndim == 2 and images.shape[1] == np.prod(image_shape):
        images = images.reshape(-1, *image_shape)
    if images.ndim != 3 or 0 in images.shape:
        raise ShapeError(
            "weight_grid: expected weight (units, height * width) with image_shape (height, width), or "
            f"(units, height, width), got {images.shape} with image_shape {image_shape}"
        )
    units, height, width = images.shape
    if columns is None:
        columns = int(np.ceil(np.sqrt(units * height / width)))
    if columns < 1:
        raise ValueError(f"weight_grid: expected columns of 1 or more, got {columns}")
    columns = min(columns, units)
    rows = -(-units // columns)
    grid = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for unit, image in enumerate(images):
        top, left = unit // columns * (height + 1), unit % columns * (width + 1)
        grid[top : top + height, left : left + width] = image
    if limit is None:
        limit = float(np.abs(images[np.isfinite(images)]).max(initial=0)) or 1.0

    ax = _new_axes((6.4, 0.6 + 5.2 * grid.shape[0] / grid.shape[1])) if ax is None else ax
    picture = ax.imshow(
        np.ma.masked_invalid(grid), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    ax.set_facecolor("0.75")
    _tick(ax.xaxis, np.arange(columns), width, 1)
    _tick(ax.yaxis, np.arange(rows), height, columns)
    ax.set_xlabel("unit = number at the row + number at the column")
    ax.set_ylabel("first unit of the row")
    ax.figure.colorbar(picture, ax=ax, label="weight", fraction=0.05, pad=0.02)
    return ax


def _tick(axis: Any, cells: np.ndarray, size: int, factor: int) -> None:
    cells = cells[:: -(-len(cells) // 16)]
    axis.set_ticks(cells * (size + 1) + (size - 1) / 2, [str(cell * factor) for cell in cells])
    axis.set_tick_params(length=0)


def confusion(
    matrix: Any,
    classes: Sequence[str],
    ax: Axes | None = None,
    normalize: str | None = None,
) -> Axes:
    """A confusion matrix, true classes in rows, predicted ones in columns; cells below one half are left blank.

    The color goes with the square root, so that single confusions can be seen beside the diagonal.

    ``normalize``: None shows counts, 'true' the percentage of each row.
    """
    matrix = np.asarray(matrix)
    n = len(classes)
    if matrix.shape != (n, n) or n == 0:
        raise ShapeError(
            f"confusion: expected a matrix ({n}, {n}) for {n} classes, got {matrix.shape}"
        )
    if normalize not in (None, "true"):
        raise ValueError(f"confusion: expected normalize None or 'true', got {normalize!r}")
    values = matrix.astype(float)
    if normalize == "true":
        values = 100 * values / np.maximum(values.sum(axis=1, keepdims=True), 1)

    from matplotlib.colors import PowerNorm

    side = min(max(4.0, 0.25 * n + 1.2), 12.0)
    ax = _new_axes((side + 1.0, side)) if ax is None else ax
    # A linear scale would show the few confusions beside the diagonal as white.
    scale = PowerNorm(0.5, vmin=0, vmax=100 if normalize else max(values.max(), 1))
    picture = ax.imshow(values, cmap="Blues", norm=scale, interpolation="nearest")
    box = ax.get_window_extent()
    cell = min(box.width, box.height) / ax.figure.dpi * 72 / n  # points
    digits = len(f"{values.max():.0f}")
    size = min(10.0, 0.6 * cell, 1.45 * cell / digits)
    long = max(map(len, classes)) > 2
    ax.set_xticks(
        np.arange(n), classes, fontsize=min(10.0, 0.75 * cell), rotation=45 if long else 0
    )
    ax.set_yticks(np.arange(n), classes, fontsize=min(10.0, 0.75 * cell))
    if size >= 5:
        for i, j in np.argwhere(values >= 0.5):
            color = "white" if scale(values[i, j]) > 0.55 else "black"
            ax.text(
                j, i, f"{values[i, j]:.0f}", ha="center", va="center", color=color, fontsize=size
            )
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    label = "share of the true class (%)" if normalize else "number of samples"
    ax.figure.colorbar(picture, ax=ax, label=label, fraction=0.046, pad=0.02)
    return ax


def _new_axes(size: tuple[float, float]) -> Axes:
    # A Figure of its own, not pyplot's: no window, no backend, nothing to close.
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=150, layout="compressed").add_subplot()
