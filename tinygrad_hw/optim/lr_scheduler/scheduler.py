"""What all learning-rate schedules share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

from ...kernels import recording
from ..optimizer import Optimizer


class LRScheduler:
    """Sets the learning rates of an optimizer's groups: ``step()`` sets those of the next epoch.

    Call it after ``optimizer.step()``, once an epoch or once a batch, whichever the schedule
    counts. Constructing one sets the rates of epoch 0, relative to the group's ``"initial_lr"``, at
    first its ``"lr"``. With ``last_epoch = k >= 0`` a schedule goes on after epoch k, in groups
    that know their ``"initial_lr"`` and have the rates of that epoch.

    Schedules that multiply or shift the current rate can be combined with each other and with
    changes by hand. A schedule defines ``get_lr``.

    Raises: TypeError when ``optimizer`` is not one, KeyError when a group to go on with lacks
    ``"initial_lr"``.
    """

    def __init_subclass__(cls) -> None:
        if "step" in vars(cls):
            cls.step = _followed(cls.step)  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._take(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{self._name}: expected 'initial_lr' in param_groups[{i}] to go on "
                    f"after epoch {last_epoch}; load the optimizer's state first"
                )
        self.base_lrs = current(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._step_count = 0
        self.step()

    def _take(self, optimizer: Optimizer) -> None:
        self._require(
            isinstance(optimizer, Optimizer), "an Optimizer", type(optimizer).__name__, TypeError
        )
        self.optimizer = optimizer

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _require(
        self, holds: bool, expected: str, got: Any, error: type[Exception] = ValueError
    ) -> None:
        if not holds:
            raise error(f"{self._name}: expected {expected}, got {got}")

    def _per_group(self, name: str, value: Any) -> list[Any]:
        """``value`` as a list with one entry a group."""
        groups = len(self.optimizer.param_groups)
        if not isinstance(value, list | tuple):
            return [value] * groups
        self._require(
            len(value) == groups, f"one {name} or {groups}, one a parameter group", len(value)
        )
        return list(value)

    @property
    def _first(self) -> bool:
        """Whether this is the step that the constructor makes."""
        return self._step_count == 1

    def get_lr(self) -> list[float]:
        """The rates of epoch ``last_epoch``, for ``step`` to set (to see them: ``get_last_lr``)."""
        raise NotImplementedError(f"{self._name} does not define its rates")

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set, one a group."""
        return self._last_lr

    def step(self) -> None:
        """Go to the next epoch and set its rates."""
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def _undo(self) -> Callable[[], None]:
        """What takes back all that happens from here on."""
        groups = [(group, dict(group)) for group in self.optimizer.param_groups]
        own = {k: copy(v) for k, v in vars(self).items()}
        inner = [s._undo() for s in getattr(self, "_schedulers", [])]

        def undo() -> None:
            for group, values in groups:
                group.update(values)
            vars(self).update(own)
            for take_back in inner:
                take_back()

        return undo

    def _set(self, rates: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = rates

    def _rewind(self) -> None:
        """Make the next step the first again."""
        self._step_count = 0
        self.last_epoch = -1

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer: numbers, lists, and dicts of numbers.

        Of a function that was given nothing is kept, of a callable object its attributes.
        """
        return {name: _plain(value) for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state; the rates themselves are in the optimizer's.

        Raises: ValueError when the state is of another kind of schedule.
        """
        expected = sorted(self.state_dict())
        if sorted(state_dict) != expected:
            raise ValueError(
                f"{self._name}.load_state_dict: expected {', '.join(expected)}; "
                f"got {', '.join(sorted(state_dict))}"
            )
        for name, value in state_dict.items():
            setattr(self, name, _restored(getattr(self, name), value))


def _followed(step: Callable[..., None]) -> Callable[..., None]:
    """``step``, which a step that is being recorded does again at each replay."""

    @functools.wraps(step)
    def run(self: LRScheduler, *args: Any, **kwargs: Any) -> None:
        recorder = recording.current and recording.here()
        if recorder is None or recorder.hosting:
            step(self, *args, **kwargs)
            return
        recorder.undo_calls.append(self._undo())
        recorder.hosting = True  # what it calls in turn is part of it
        try:
            step(self, *args, **kwargs)
        finally:
            recorder.hosting = False

        def again(program: Any) -> bool:
            step(self, *args, **kwargs)
            return False  # the optimizer's own host sees to its launches

        recorder.hosts.append((again, self._undo))

    return run


LRScheduler.step = _followed(LRScheduler.step)  # type: ignore[method-assign]


def _plain(value: Any) -> Any:
    """What a state keeps of an attribute."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, LRScheduler):
        return value.state_dict()
    if callable(value):
        return dict(getattr(value, "__dict__", {}))
    return value


def _restored(value: Any, saved: Any) -> Any:
    """The attribute ``value`` with what ``_plain`` saved of it put back."""
    if isinstance(value, LRScheduler):
        value.load_state_dict(saved)
    elif callable(value):
        if saved:
            vars(value).update(deepcopy(saved))
    elif isinstance(value, list) and len(value) == len(saved):
        return [_restored(v, s) for v, s in zip(value, saved, strict=True)]
    else:
        return deepcopy(saved)
    return value


def current(optimizer: Optimizer, key: str = "lr") -> list[float]:
    """One hyper-parameter of every group."""
    return [group[key] for group in optimizer.param_groups]
