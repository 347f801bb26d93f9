"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ..optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, current


class _Composed(LRScheduler):
    def _take_members(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        self._require(len(schedulers) > 0, "at least one schedule", "none")
        for s in schedulers:
            self._require(
                isinstance(s, LRScheduler) and not isinstance(s, ReduceLROnPlateau),
                "schedules that step without a metric",
                type(s).__name__,
                TypeError,
            )
        self._take(schedulers[0].optimizer if optimizer is None else optimizer)
        for s in schedulers:
            self._require(
                s.optimizer is self.optimizer, "schedules of one optimizer", "one of another"
            )
        self._schedulers = list(schedulers)


class SequentialLR(_Composed):
    """One schedule after another: ``schedulers[i]`` starts at epoch ``milestones[i − 1]``."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        self._take_members(schedulers, optimizer)
        self._require(
            len(milestones) == len(schedulers) - 1,
            f"{len(schedulers) - 1} milestones between {len(schedulers)} schedules",
            len(milestones),
        )
        self._require(
            list(milestones) == sorted(milestones), "milestones in ascending order", milestones
        )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch
        self.step()

    def step(self) -> None:
        self.last_epoch += 1
        scheduler = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        if self.last_epoch in (0, *self._milestones):
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            scheduler._rewind()
        scheduler.step()
        self._last_lr = current(self.optimizer)

    def _rewind(self) -> None:
        self.last_epoch = -1


class ChainedScheduler(_Composed):
    """All schedules at every step, each on the rate that the one before it left."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._take_members(schedulers, optimizer)
        self._last_lr = current(self.optimizer)

    def step(self) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = current(self.optimizer)

    def _rewind(self) -> None:
        for scheduler in self._schedulers:
            scheduler._rewind()
