"""Schedules that rise and fall: warm restarts, triangular cycles, one cycle."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..optimizer import Group, Optimizer
from .scheduler import LRScheduler


class CosineAnnealingWarmRestarts(LRScheduler):
    """``lr = eta_min + (initial_lr − eta_min) · (1 + cos(π T_cur / T_i)) / 2``

    ``T_cur`` counts epochs since the last restart, ``T_i``, the length of a period, is at first
    ``T_0`` and grows by the factor ``T_mult`` at each restart.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts (ICLR 2017),
    eq. 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self._require(isinstance(T_0, int) and T_0 > 0, "an integer T_0 > 0", T_0)
        self._require(isinstance(T_mult, int) and T_mult > 0, "an integer T_mult > 0", T_mult)
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to ``epoch``, which may lie between: ``i + batch / batches``."""
        if epoch is None:
            self.T_cur += 1
        else:
            self._require(epoch >= 0, "epoch >= 0", epoch)
            self.T_cur, self.T_i = epoch, self.T_0
            self.last_epoch = math.floor(epoch) - 1
        if self.T_mult == 1:
            self.T_cur %= self.T_i
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        super().step()

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def _rewind(self) -> None:
        super()._rewind()
        self.T_cur, self.T_i = -1, self.T_0


class _Cycle(LRScheduler):
    """A schedule that moves the momentum (``betas[0]`` where there are betas) against the rate."""

    cycle_momentum: bool

    def _start_momentum(self, base: Any, largest: Any, last_epoch: int) -> None:
        optimizer = self.optimizer
        self._require(
            "momentum" in optimizer.defaults or "betas" in optimizer.defaults,
            "an optimizer with momentum or betas, or cycle_momentum=False",
            type(optimizer).__name__,
        )
        bases = self._per_group("base_momentum", base)
        maxima = self._per_group("max_momentum", largest)
        if last_epoch == -1:
            for group, low, high in zip(optimizer.param_groups, bases, maxima, strict=True):
                group["base_momentum"], group["max_momentum"] = low, high

    def _set_momentum(self, group: Group, value: float) -> None:
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_Cycle):
    """``lr = base_lr + (max_lr − base_lr) · h · scale``, h going from 0 to 1 and back along lines.

    h takes ``step_size_up`` steps up and ``step_size_down`` (by default as many) down. By ``mode``
    the scale is 1 (``triangular``), 2^(1 − cycle) (``triangular2``) or gamma^step (``exp_range``);
    or ``scale_fn`` of the cycle, counted from 1, or of the step, as ``scale_mode`` says (``cycle``
    or ``iterations``). The momentum goes from ``max_momentum`` to ``base_momentum`` and back while
    the rate rises and falls.

    Source: Smith, Cyclical learning rates for training neural networks (WACV 2017), section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._take(optimizer)
        if scale_fn is None:
            modes = {"triangular": "cycle", "triangular2": "cycle", "exp_range": "iterations"}
            self._require(mode in modes, f"a mode of {', '.join(modes)}, or scale_fn", repr(mode))
            scale_mode = modes[mode]
        self._require(
            scale_mode in ("cycle", "iterations"),
            "scale_mode 'cycle' or 'iterations'",
            repr(scale_mode),
        )
        base_lrs = self._per_group("base_lr", base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = group["initial_lr"] = lr
        self.max_lrs = self._per_group("max_lr", max_lr)
        down = step_size_up if step_size_down is None else step_size_down
        self._require(
            step_size_up > 0 and down > 0,
            "step_size_up and step_size_down > 0",
            f"{step_size_up} and {down}",
        )
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_mode = scale_mode
        self._scale_fn = scale_fn
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def scale_fn(self, x: float) -> float:
        """The scale of cycle or step ``x``."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        ratio = self.step_ratio
        height = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                high = group["max_momentum"]
                self._set_momentum(group, high - (high - group["base_momentum"]) * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [base + (high - base) * height for base, high in pairs]


class OneCycleLR(_Cycle):
    """From ``max_lr / div_factor`` to ``max_lr``, then to ``1 / final_div_factor`` of the start.

    The rise takes the share ``pct_start`` of ``total_steps`` (or ``epochs · steps_per_epoch``);
    with ``three_phase`` the rate first falls as it rose. ``anneal_strategy`` is ``cos`` or
    ``linear``. The momentum goes from ``max_momentum`` to ``base_momentum`` and back. Step it after
    every batch.

    Source: Smith and Topin, Super-convergence: very fast training of neural networks using large
    learning rates (2017), section 4, with the cosine of PyTorch and fastai.

    Raises: ValueError when stepped more than ``total_steps`` times.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._take(optimizer)
        if total_steps is None:
            self._require(
                epochs is not None and steps_per_epoch is not None,
                "total_steps, or epochs and steps_per_epoch",
                "neither",
            )
            total_steps = epochs * steps_per_epoch  # type: ignore[operator]
        self._require(
            isinstance(total_steps, int) and total_steps > 0, "an integer > 0 of steps", total_steps
        )
        self._require(0 <= pct_start <= 1, "pct_start in [0, 1]", pct_start)
        self._require(
            anneal_strategy in ("cos", "linear"),
            "anneal_strategy 'cos' or 'linear'",
            repr(anneal_strategy),
        )
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.three_phase = three_phase
        self.cycle_momentum = cycle_momentum
        maxima = self._per_group("max_lr", max_lr)
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, maxima, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[tuple[float, str, str, str, str]]:
        """Each phase: its last step, and the keys of its first and last rate and momentum."""
        up = self.pct_start * self.total_steps - 1
        end = self.total_steps - 1
        rise = (up, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if not self.three_phase:
            return [rise, (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        return [
            rise,
            (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        self._require(step <= self.total_steps, f"at most {self.total_steps} steps", step)
        phases = self._phases()
        start = 0.0
        while step > phases[0][0] and len(phases) > 1:
            start = phases.pop(0)[0]
        end, lr, next_lr, momentum, next_momentum = phases[0]
        part = (step - start) / (end - start) if end != start else 1.0
        for group in self.optimizer.param_groups:
            if self.cycle_momentum:
                self._set_momentum(group, self._anneal(group[momentum], group[next_momentum], part))
        return [self._anneal(g[lr], g[next_lr], part) for g in self.optimizer.param_groups]

    def _anneal(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2.0 * (1 + math.cos(math.pi * part))
        return (end - start) * part + start
