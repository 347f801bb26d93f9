"""A training run in progress, and the callbacks that watch it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..random import Generator
from .history import History


class Callback:
    """Watches a run; override what is needed.

    Setting ``run.stop`` to a reason ends the run after the epoch. What ``state_dict`` returns is kept in
    checkpoints, so that a resumed run goes on as if it had never ended.
    """

    def start(self, run: Run) -> None:
        """Called before the first epoch, after a resumed run's state was restored."""

    def epoch_end(self, run: Run) -> None:
        """Called when ``run.history`` has the epoch's row."""

    def finish(self, run: Run) -> None:
        """Called when the run ends, by Ctrl-C too."""

    def state_dict(self) -> dict[str, Any]:
        """What the callback has to remember across a resume."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""


class Run:
    """What callbacks see of ``fit``: the objects it works on, ``history``, and ``stop``, the reason to end."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        scheduler: Any,
        generators: Sequence[Generator],
        callbacks: Sequence[Callback],
        epochs: int,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.generators = generators
        self.callbacks = callbacks
        self.epochs = epochs
        self.history = History()
        self.stop = ""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else None,
            "generators": [np.asarray(generator.get_state()) for generator in self.generators],
            "callbacks": {name: c.state_dict() for name, c in self._stateful().items()},
            "history": dict(self.history),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that a run of the same kind returned."""
        stateful = self._stateful()
        for what, saved, given in (
            ("a scheduler", state["scheduler"] is not None, self.scheduler is not None),
            ("generators", len(state["generators"]), len(self.generators)),
            ("callbacks with a state", list(state["callbacks"]), list(stateful)),
        ):
            if saved != given:
                raise ValueError(
                    f"the checkpoint has {what}: {saved}, this call has: {given}\n"
                    "Resume with the same kinds of objects that the run was started with."
                )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        for generator, words in zip(self.generators, state["generators"], strict=True):
            generator.set_state(words)
        for name, callback in stateful.items():
            callback.load_state_dict(state["callbacks"][name])
        self.history.clear()
        self.history.update({name: list(column) for name, column in state["history"].items()})

    def _stateful(self) -> dict[str, Callback]:
        """The callbacks that have something to remember, under names that a resumed run gives them too."""
        stateful = [callback for callback in self.callbacks if callback.state_dict()]
        return {f"{i}.{type(callback).__name__}": callback for i, callback in enumerate(stateful)}
