"""A schedule that listens: the rate falls when a metric stops improving."""

from __future__ import annotations

import math
from typing import Any

from ..optimizer import Optimizer
from .scheduler import LRScheduler, current


class ReduceLROnPlateau(LRScheduler):
    """``lr ← max(factor · lr, min_lr)`` after more than ``patience`` steps without a better metric.

    Better than the best b is, for ``mode="min"``, below ``b · (1 − threshold)``
    (``threshold_mode="rel"``) or ``b − threshold`` (``"abs"``); for ``"max"``, above
    ``b · (1 + threshold)`` or ``b + threshold``. For ``cooldown`` steps after a reduction none is
    counted as bad. A change of at most ``eps`` is not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._take(optimizer)
        self._require(mode in ("min", "max"), "mode 'min' or 'max'", repr(mode))
        self._require(
            threshold_mode in ("rel", "abs"), "threshold_mode 'rel' or 'abs'", repr(threshold_mode)
        )
        self._require(factor < 1, "factor < 1", factor)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = self._per_group("min_lr", min_lr)
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = current(optimizer)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take note of the epoch's metric, a number or a Tensor of one."""
        value = float(metrics)
        self.last_epoch += 1
        if self._is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, least)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
        self._last_lr = current(self.optimizer)

    def _is_better(self, value: float) -> bool:
        margin = self.threshold if self.mode == "max" else -self.threshold
        bound = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
        return value > bound if self.mode == "max" else value < bound
