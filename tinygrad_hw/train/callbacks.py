"""Callbacks for ``fit``: stop early, keep the best weights, write checkpoints."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError
from ..serialization import load, save
from .run import Callback, Run

Mode = Literal["min", "max"]


class _Best(Callback):
    """Follows one column of the history and knows its best value so far.

    ``mode`` says whether lower ("min") or higher ("max") is better; None means "max" for accuracies and
    "min" for everything else. NaN is never an improvement.
    """

    def __init__(self, monitor: str, min_delta: float, mode: Mode | None) -> None:
        if mode not in ("min", "max", None):
            raise ValueError(
                f"{type(self).__name__}: expected mode 'min', 'max' or None, got {mode!r}"
            )
        if not min_delta >= 0:
            raise ValueError(f"{type(self).__name__}: expected min_delta >= 0, got {min_delta!r}")
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = mode or ("max" if monitor.endswith("accuracy") else "min")
        self._forget()

    def _forget(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = 0

    def start(self, run: Run) -> None:
        if not run.history.epochs:
            self._forget()

    def improved(self, run: Run) -> bool:
        """Take in the epoch that just ended; whether it beats the best by more than ``min_delta``."""
        if self.monitor not in run.history:
            raise ValueError(
                f"{type(self).__name__}: expected monitor to be one of {', '.join(run.history)}, "
                f"got {self.monitor!r}\nColumns of validation need fit(..., valid=...)."
            )
        value = run.history[self.monitor][-1]
        gain = self.best - value if self.mode == "min" else value - self.best
        if not gain > self.min_delta:
            return False
        self.best = value
        self.best_epoch = run.history.epochs
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
        self.best_epoch = state["best_epoch"]


class EarlyStopping(_Best):
    """Ends the run when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs."""

    def __init__(
        self,
        monitor: str = "valid_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Mode | None = None,
    ) -> None:
        super().__init__(monitor, min_delta, mode)
        if patience < 1:
            raise ValueError(f"EarlyStopping: expected patience >= 1, got {patience!r}")
        self.patience = patience

    def start(self, run: Run) -> None:
        super().start(run)
        self._judge(run)  # a run that had stopped stays stopped when it is resumed

    def epoch_end(self, run: Run) -> None:
        self.improved(run)
        self._judge(run)

    def _judge(self, run: Run) -> None:
        if run.history.epochs - self.best_epoch >= self.patience:
            run.stop = f"{self.monitor} has not improved for {self.patience} epochs"


class BestWeights(_Best):
    """Keeps the weights of the epoch with the best ``monitor`` and puts them into the model at the end."""

    def __init__(self, monitor: str = "valid_loss", mode: Mode | None = None) -> None:
        self.weights: dict[str, Any] = {}
        super().__init__(monitor, 0.0, mode)

    def _forget(self) -> None:
        super()._forget()
        self.weights = {}

    def epoch_end(self, run: Run) -> None:
        if self.improved(run):
            state = run.model.state_dict()
            self.weights = {name: value.detach().clone() for name, value in state.items()}

    def finish(self, run: Run) -> None:
        if self.weights:
            run.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.weights = state["weights"]


class Checkpoint(Callback):
    """Writes the whole state of the run to ``folder/checkpoint.safetensors``, at its start and after each epoch.

    It is written after all other callbacks have seen the epoch, and moved into place only when complete, so
    a run that dies at any moment can go on from its last full epoch with ``fit(..., resume=folder)``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    @staticmethod
    def file(folder: str | os.PathLike[str]) -> Path:
        """Where the checkpoint of a run folder lies."""
        return Path(folder) / "checkpoint.safetensors"

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> dict[str, Any]:
        """The state that was written last.

        Raises: DataError when there is none, or when the file is damaged or holds something else.
        """
        file = cls.file(folder)
        if not file.is_file():
            raise DataError(f"resume: {file}: no such checkpoint")
        state = load(file)
        expected = {"model", "optimizer", "scheduler", "generators", "callbacks", "history"}
        if not isinstance(state, dict) or set(state) != expected:
            raise DataError(f"resume: {file}: not the checkpoint of a training run")
        return state

    def start(self, run: Run) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.epoch_end(run)

    def epoch_end(self, run: Run) -> None:
        save(run.state_dict(), self.file(self.folder))
