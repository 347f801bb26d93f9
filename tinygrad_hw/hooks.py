"""Functions that are called when a gradient is known.

A hook of an operation's result stands among the watchers of its node. Those of leaves are kept here, beside the
Tensors: a backward pass without any pays one look at an empty table.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .kernels import recording


class Handle:
    """What registering a hook returns: ``remove()`` takes it away, as leaving a ``with`` block does."""

    def __init__(self, remove: Callable[[], Any]) -> None:
        self._remove: Callable[[], Any] | None = remove

    def remove(self) -> None:
        """Take the hook away; once more does nothing."""
        if self._remove is not None:
            self._remove()
        self._remove = None

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Hook:
    """A function of a cotangent that returns the one to go on with."""

    def __init__(self, function: Callable) -> None:
        self.function = function


class LeafHooks:
    """Of one leaf: hooks of its gradient before it is added to ``grad``, and functions to call afterwards."""

    def __init__(self, leaf: Any) -> None:
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        key = id(leaf)
        self.leaf = weakref.ref(leaf, lambda _: leaves.pop(key, None))


#: By id of the leaf.
leaves: dict[int, LeafHooks] = {}
_changes = 0


def add(entries: list, function: Callable, leaf: Any = None) -> Handle:
    """Append a hook to ``entries``; what returns removes it, and the empty table entry of its leaf."""
    global _changes
    hook = Hook(function)
    entries.append(hook)
    _changes += 1
    recording.changed()

    def remove() -> None:
        global _changes
        _changes += 1
        recording.changed()
        entries[:] = [h for h in entries if h is not hook]
        table = None if leaf is None else leaves.get(id(leaf))
        if table is not None and not (table.before or table.after):
            del leaves[id(leaf)]

    return Handle(remove)


def of(leaf: Any) -> LeafHooks:
    """The leaf's table entry, made where there is none."""
    found = leaves.get(id(leaf))
    if found is None:
        found = leaves[id(leaf)] = LeafHooks(leaf)
    return found


def guard() -> None:
    """A step that is being recorded holds as long as no hooks come or go."""
    if (recording.current and recording.here()) is not None:
        recording.current.guard(leaves, lambda: _changes)
