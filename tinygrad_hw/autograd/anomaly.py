"""Looking for the operation that made the first NaN."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from .. import graph
from ..errors import GraphError
from ..graph import Bundle, Node
from ..tensor import Tensor, watch

_PACKAGE = str(Path(__file__).parent.parent)


class _Origin:
    """Where a node's operation was called, and whether its result holds a NaN."""

    def __init__(self, made_nan: bool) -> None:
        frame: FrameType | None = sys._getframe(3)
        # without reading sources: these are looked at only where something is wrong
        self.stack = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False)
        self.stack.reverse()
        self.made_nan = made_nan

    def line(self) -> str:
        """The innermost line outside of this package."""
        for f in reversed(self.stack):
            if not f.filename.startswith(_PACKAGE):
                return f"{f.filename}:{f.lineno}: {f.line}"
        return "an unknown line"


def _has_nan(value: Any) -> bool:
    if isinstance(value, Bundle):
        return any(map(_has_nan, value.values()))
    array = value._array if isinstance(value, Tensor) else value
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _note(out: Tensor) -> None:
    """Leave in a result's node where it was asked for."""
    if out._node is not None:
        out._node.origin = _Origin(_has_nan(out))


def _made_first(node: Any) -> Node | None:
    """The earliest node from here down whose result holds a NaN."""
    stack, seen, first = [node], set(), None
    while stack:
        edge = stack.pop()
        if not isinstance(edge, Node) or edge in seen:
            continue
        seen.add(edge)
        origin = getattr(edge, "origin", None)
        if (
            origin is not None
            and origin.made_nan
            and (first is None or edge.sequence < first.sequence)
        ):
            first = edge
        stack.extend(edge.edges)
    return first


def _check(node: Any, pulled: list) -> None:
    """Raise if what a node has pulled, or what a backward pass begins with, holds a NaN."""
    start = any(edge is node for edge, *_ in pulled)
    if start:
        if not isinstance(node, Node) or not (_has_nan(pulled[0][1]) or _nan_result(node)):
            return
    elif not any(_has_nan(g) for _, g, *_ in pulled):
        return
    first = _made_first(node)
    culprit = first or node
    name = culprit.op.name.lstrip("_")
    what = "its result" if first is not None else "the gradient of an operand"
    message = f"backward: {name} made the first NaN, in {what}"
    if first is not None and first is not node and not start:
        message += f"; the gradients are NaN from {node.op.name.lstrip('_')} on"
    origin = getattr(culprit, "origin", None)
    if origin is None:
        raise GraphError(
            f"{message}\nIts forward ran outside of detect_anomaly(), so its line is not known."
        )
    where = "".join(traceback.format_list(origin.stack))
    raise GraphError(f"{message}\nat {origin.line()}\nTraceback of its forward:\n{where}")


def _nan_result(node: Node) -> bool:
    origin = getattr(node, "origin", None)
    return origin is not None and origin.made_nan


def is_anomaly_enabled() -> bool:
    """Whether backward passes look for NaN."""
    return graph.anomaly.check is not None


def _enable(mode: bool) -> None:
    graph.anomaly.check = _check if mode else None
    watch(_note if mode else None)


class set_detect_anomaly:  # noqa: N801 (PyTorch's name)
    """Look for NaN or not: from the call on, or within a ``with`` block.

    Every operation notes where it was called, and a backward pass that begins with a NaN or meets one raises
    GraphError: the operator that made the first one, the line that called it, and the traceback of its forward. Slow.
    """

    def __init__(self, mode: bool) -> None:
        self._before = is_anomaly_enabled()
        _enable(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _enable(self._before)


@contextmanager
def detect_anomaly():
    """``set_detect_anomaly(True)`` within a ``with`` block, or in a decorated function."""
    with set_detect_anomaly(True):
        yield
