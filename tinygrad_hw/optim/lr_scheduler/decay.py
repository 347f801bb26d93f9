"""Schedules from the initial rate to a final one: by steps, powers, lines and half a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ..optimizer import Optimizer
from .scheduler import LRScheduler, current


class LambdaLR(LRScheduler):
    """``lr = initial_lr · lr_lambda(epoch)``, one function for all groups or a list of them."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._take(optimizer)
        self.lr_lambdas = self._per_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        functions = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [lr * function(self.last_epoch) for lr, function in functions]


class _Factors(LRScheduler):
    """A schedule by factors, ``lr ← lr · factor(epoch)``."""

    def get_lr(self) -> list[float]:
        factor = self._factor(self.last_epoch)
        return [lr * factor for lr in current(self.optimizer)]

    def _factor(self, epoch: int) -> float:
        raise NotImplementedError


class StepLR(_Factors):
    """``lr = initial_lr · gamma^⌊epoch / step_size⌋``"""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self._require(step_size > 0, "step_size > 0", step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return 1.0 if epoch == 0 or epoch % self.step_size else self.gamma


class MultiStepLR(_Factors):
    """``lr = initial_lr · gamma^(number of milestones <= epoch)``"""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return self.gamma ** self.milestones.count(epoch)


class ExponentialLR(_Factors):
    """``lr = initial_lr · gamma^epoch``"""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return 1.0 if self._first else self.gamma


class ConstantLR(_Factors):
    """``lr = initial_lr · factor`` while ``epoch < total_iters``, then ``initial_lr``."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self._require(0 < factor <= 1, "factor in (0, 1]", factor)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        if epoch == 0:
            return self.factor
        return 1.0 / self.factor if epoch == self.total_iters else 1.0


class LinearLR(_Factors):
    """``lr = initial_lr · (start_factor + (end_factor − start_factor) · share)``

    with ``share = min(epoch / total_iters, 1)``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self._require(0 < start_factor <= 1, "start_factor in (0, 1]", start_factor)
        self._require(0 <= end_factor <= 1, "end_factor in [0, 1]", end_factor)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        if epoch == 0:
            return self.start_factor
        if self._first or epoch > self.total_iters:
            return 1.0
        change = self.end_factor - self.start_factor
        return 1.0 + change / (self.total_iters * self.start_factor + (epoch - 1) * change)


class PolynomialLR(_Factors):
    """``lr = initial_lr · (1 − min(epoch / total_iters, 1))^power``"""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        n = self.total_iters
        if self._first or epoch > n:
            return 1.0
        return ((1.0 - epoch / n) / (1.0 - (epoch - 1) / n)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """``lr = eta_min + (initial_lr − eta_min) · (1 + cos(π epoch / T_max)) / 2``

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts (ICLR 2017),
    eq. 5, without the restarts: after ``T_max`` the rate rises again along the same cosine.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self._require(T_max > 0, "T_max > 0", T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = current(self.optimizer)
        if self._first:
            return rates
        low, n, epoch = self.eta_min, self.T_max, self.last_epoch
        if (epoch - 1 - n) % (2 * n) == 0:
            # The rate was at its lowest, where the ratio of two successive heights has no value.
            rise = (1 - math.cos(math.pi / n)) / 2
            pairs = zip(rates, self.base_lrs, strict=True)
            return [lr + (base - low) * rise for lr, base in pairs]
        height = 1 + math.cos(math.pi * epoch / n)
        before = 1 + math.cos(math.pi * (epoch - 1) / n)
        return [height / before * (lr - low) + low for lr in rates]
