"""Parameters whose steps are alike, updated by one call of one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import recording, update
from ..tensor import Tensor

if TYPE_CHECKING:
    from .optimizer import Change, Group, Optimizer


class Alike:
    """Parameters of one group and type with the same counts in their state: every step has the same numbers for all.

    A row of ``table`` holds a parameter's number of elements and the ids of its arrays, the gradient's last.
    """

    def __init__(self, optimizer: Optimizer, group: Group) -> None:
        self.optimizer = optimizer
        self.group = group
        self.members: list[Tensor] = []
        self.kernel: Any = None
        self.table = np.empty((0, 0), np.int64)
        # (parameter, its array, its row of the table): what ``fits`` goes through.
        self._rows: list[tuple[Tensor, np.ndarray, np.ndarray]] = []
        self._state: dict[str, Any] = {}
        self._others: list[dict[str, Any]] = []

    def next(self) -> Change:
        """The next step's kernel, state and numbers, counted for all members."""
        change = self.optimizer._change(self.members[0], self.group)
        if self._others:
            for name, value in self._state.items():
                if not isinstance(value, Tensor):
                    for other in self._others:
                        other[name] = value
        return change

    @property
    def counted(self) -> bool:
        """Whether the members' state holds counts, so that each step has other numbers."""
        return bool(self._state)

    def undo(self) -> Callable[[], None]:
        """What gives the members the counts that they have now."""
        counts = {k: v for k, v in self._state.items() if not isinstance(v, Tensor)}

        def restore() -> None:
            for state in (self._state, *self._others):
                state.update(counts)

        return restore

    def settle(self) -> None:
        """Know the members' state, which exists once they have made a step."""
        state = self.optimizer.state
        first, *others = self.members
        if first in state and self.optimizer._counts(first):
            self._state, self._others = state[first], [state[p] for p in others]

    def launch(self, change: Change) -> None:
        """Make the step of all members, whose gradients are in the table."""
        kernel, names, numbers = change
        if kernel is not self.kernel:
            self._fill(kernel, names)
        dtype = self.members[0]._array.dtype
        self._many(self.table, *self.optimizer._cast(dtype, numbers))

    def _fill(self, kernel: Any, names: tuple[str, ...]) -> None:
        optimizer = self.optimizer
        arrays = [optimizer._arrays(p, names, optimizer._gradient(p)) for p in self.members]
        self.table = np.array([[a[0].size, *map(id, a)] for a in arrays if a is not None], np.int64)
        self._many = update.together(kernel, len(names) + 2)
        self._rows = [(p, p._array, self.table[i]) for i, p in enumerate(self.members)]
        self.kernel = kernel

    def fits(self) -> bool:
        """Whether members and gradients are as they were; the present gradients are in the table then."""
        for p, array, row in self._rows:
            grad = p._grad
            if grad is None or p._array is not array:
                return False
            g = grad._array
            if g.shape != array.shape or g.dtype is not array.dtype or not g.flags.c_contiguous:
                return False
            row[-1] = id(g)
        return True


class Ready:
    """What makes a step short while parameters, gradients and groups are like those of the step before."""

    def __init__(self, optimizer: Optimizer, alike: list[Alike], changed: list[Tensor]) -> None:
        self.alike = alike
        self.changed = changed
        groups = optimizer.param_groups
        self._idle = [p for group in groups for p in group["params"] if p._grad is None]
        self._sizes = [(group, len(group["params"])) for group in groups]
        self._changes = recording.changes

    def fits(self) -> bool:
        """Whether the next step is such a one."""
        if self._changes != recording.changes:
            return False
        for group, size in self._sizes:
            if len(group["params"]) != size:
                return False
        for p in self._idle:
            if p._grad is not None:
                return False
        for some in self.alike:  # noqa: SIM110 (a generator costs a microsecond)
            if not some.fits():
                return False
        return True
