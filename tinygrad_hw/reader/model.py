"""The network that reads single characters: how it is built, and what it says of a crop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import nn
from ..data.rendered import CLASSES
from ..errors import DataError
from ..serialization import load_file
from ..train import predict
from ..train.recipe import Recipe

#: The model that comes with the package; source and licence are in model.txt beside it.
PACKAGED = Path(__file__).with_name("model.safetensors")


def network() -> nn.Sequential:
    """Images (n, 1, 32, 32) of ink 1 on paper 0 → logits (n, 37) of A-Z, 0-9, and of what is no single character."""
    layers: list[nn.Module] = []
    for channels, filters in ((1, 16), (16, 32), (32, 64)):
        layers += [
            nn.Conv2d(channels, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    layers += [nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 128), nn.ReLU()]
    layers += [nn.Dropout(0.3), nn.Linear(128, len(CLASSES) + 1)]
    return nn.Sequential(*layers)


class Classifier:
    """A trained network with what it is to be fed: crops of characters in, log-probabilities out."""

    def __init__(self, model: nn.Module, inputs: Callable[[np.ndarray], np.ndarray]) -> None:
        self.model = model
        self.inputs = inputs

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """ln p, (n, 36), of the classes A-Z, 0-9 for crops (n, 32, 32) of ink 1 on paper 0.

        A model that knows what no character looks like leaves less than 1 to the 36 classes.
        """
        if not len(crops):
            return np.zeros((0, len(CLASSES)))
        logits = predict(self.model, self.inputs(crops), 256).numpy().astype(np.float64)
        top = logits.max(axis=1, keepdims=True)
        scores = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        return scores[:, : len(CLASSES)]

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Classifier:
        """The packaged model; or the folder of a run of ``tinygrad-hw train --dataset nist36`` (or rendered36).

        Raises: DataError for a folder without a run, or with a run on other data.
        """
        if path is None:
            model = network()
            model.load_state_dict(load_file(PACKAGED))
            return cls(model, lambda crops: crops[:, None])
        folder = Path(path)
        recipe = Recipe.load(folder / "config.json")
        if recipe.dataset not in ("nist36", "rendered36"):
            raise DataError(
                f"read: {folder}: expected a run on nist36 or rendered36, got one on {recipe.dataset}"
            )
        side = 32
        model = recipe.network(side * side, len(CLASSES))
        try:
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except FileNotFoundError:
            raise DataError(
                f"read: {folder}: expected model.safetensors, got no such file"
            ) from None
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError(f"read: {folder}: not the weights of this run: {error}") from None

        def inputs(crops: np.ndarray) -> np.ndarray:
            # The data set has paper 1 and ink 0, column by column.
            rows = 1 - crops.swapaxes(1, 2).reshape(len(crops), -1)
            return recipe.inputs(np.ascontiguousarray(rows))

        return cls(model, inputs)
