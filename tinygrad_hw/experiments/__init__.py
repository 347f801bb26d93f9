"""Experiments by name: each makes its figures, numbers and page in a folder by one call of ``run``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from .lab import Lab

NAMES = (
    "activations",
    "softmax",
    "collapse",
    "init",
    "learning-rates",
    "weights",
    "confusion",
    "mnist-mlp",
    "optimizers",
    "five-steps",
    "batch-size",
    "extract",
    "autoencoder",
    "char-rnn",
    "cnn36",
    "transformer",
    "accuracy",
)


def module(name: str) -> Any:
    """The module of an experiment: its docstring says what it shows, TITLE, and ``run(lab)``."""
    if name not in NAMES:
        raise ValueError(f"experiment: expected one of {', '.join(NAMES)}, or all, got {name!r}")
    return import_module(f".{name.replace('-', '_')}", __name__)


def run(
    name: str,
    folder: Path | str,
    seed: int = 0,
    quick: bool = False,
    jobs: int = 1,
    root: Path | str | None = None,
) -> dict[str, Any]:
    """Run an experiment in ``folder``, or go on with the one there; returns its numbers.

    Raises: ValueError for an unknown name; DataError for a folder with a run of other settings.
    """
    experiment = module(name)
    lab = Lab(name, Path(folder), seed, quick, jobs, Path(root) if root else None)
    experiment.run(lab)
    lab.finish(experiment.TITLE, " ".join((experiment.__doc__ or "").split()))
    return lab.numbers


__all__ = ["NAMES", "Lab", "module", "run"]
