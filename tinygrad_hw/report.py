"""A run's folder: what is written there, the test of its network, and the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, metrics, nn, plot, serialization
from .creation import from_numpy
from .data import Splits
from .errors import DataError
from .train import History, predict
from .train.recipe import Recipe

CONFIG, HISTORY, RESULT = "config.json", "history.csv", "result.json"
INITIAL, MODEL = "initial.safetensors", "model.safetensors"


def write_config(folder: Path, recipe: Recipe, splits: Splits) -> None:
    """Write the settings of a run, and which data it learns from."""
    recipe.save(folder / CONFIG, source=splits.source, version=__version__)


def write_weights(folder: Path, model: nn.Module, history: History) -> None:
    """Write what was learned and how."""
    serialization.save_file(model.state_dict(), folder / MODEL)
    history.save(folder / HISTORY)


def read_weights(path: Path) -> dict[str, Any]:
    """The weights in one of a run's files.

    Raises: DataError for a file that is missing or damaged.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; is this the folder of a run?")
    return serialization.load_file(path)


def judge(
    folder: Path, recipe: Recipe, splits: Splits, history: History, model: nn.Sequential
) -> list[str]:
    """Test the network, print and write the result, draw the figures; returns the names of these."""
    x, y = splits.test
    output = predict(model, recipe.inputs(x))
    loss = nn.functional.cross_entropy(output, from_numpy(y)).item()
    matrix = metrics.confusion_matrix(output, y)
    hits = int(np.trace(matrix))
    print(f"test accuracy {hits / len(y):.4f} ({hits:,} of {len(y):,}), loss {loss:.4f}")
    result = {
        "source": splits.source,
        "epochs": history.epochs,
        "stopped": history.stopped,
        "test_loss": loss,
        "test_accuracy": hits / len(y),
    }
    (folder / RESULT).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    before = read_weights(folder / INITIAL)["0.weight"].numpy()
    after = model[0].weight.detach().numpy()
    return figures(folder, recipe, splits, history, before, after, matrix)


def figures(
    folder: Path,
    recipe: Recipe,
    splits: Splits,
    history: History,
    before: np.ndarray,
    after: np.ndarray,
    matrix: np.ndarray,
) -> list[str]:
    """Write curves.png, weights.png and confusion.png into ``folder`` and return these names.

    ``before`` and ``after`` are the first layer's weights (units, inputs) at the start and at the end, ``matrix`` the
    confusion matrix of the test part. There are no curves of a run without a full epoch.
    """
    origin = f"{splits.source}, {describe(recipe, splits)}, seed {recipe.seed}"
    written = []
    if history.epochs:
        figure = _figure(6.4, 4.2)
        plot.curves(history, ax=figure.add_subplot())
        written.append(_save(figure, folder / "curves.png", f"Learning curves\n{origin}"))

    figure = _figure(11.5, 5.6)
    for ax, weight, when in zip(
        figure.subplots(1, 2), (before, after), ("before training", "after training"), strict=True
    ):
        if splits.image_shape is None:
            _weight_matrix(ax, weight)
        else:
            plot.weight_grid(splits.upright(weight), ax=ax)
        ax.set_title(when)
    written.append(_save(figure, folder / "weights.png", f"Weights of the first layer\n{origin}"))

    side = min(max(5.0, 0.28 * len(splits.classes) + 1.5), 11.0)
    figure = _figure(side + 0.8, side + 0.4)
    plot.confusion(matrix, splits.classes, ax=figure.add_subplot())
    accuracy = np.trace(matrix) / matrix.sum()
    title = f"Confusion matrix of the test part, accuracy {accuracy:.2%}\n{origin}"
    written.append(_save(figure, folder / "confusion.png", title))
    return written


def describe(recipe: Recipe, splits: Splits) -> str:
    """The network in a few words: ``64-64-10 relu``."""
    widths = [splits.test[0].shape[1], *recipe.hidden, len(splits.classes)]
    return "-".join(map(str, widths)) + (f" {recipe.activation}" if recipe.hidden else " linear")


def _figure(width: float, height: float) -> Any:
    # A Figure of its own, not pyplot's: no window, no backend, nothing to close.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _save(figure: Any, path: Path, title: str) -> str:
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)
    return path.name


def _weight_matrix(ax: Any, weight: np.ndarray) -> None:
    """Weights of inputs that are no images: a row for each unit, red positive, blue negative."""
    limit = float(np.abs(weight).max()) or 1.0
    picture = ax.imshow(
        weight, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto"
    )
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("input")
    ax.set_ylabel("unit")
    ax.figure.colorbar(picture, ax=ax, label="weight", fraction=0.05, pad=0.02)
