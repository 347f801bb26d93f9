"""Backward passes that come again, as native programs.

Training makes the same graph at every step: the same operators on other numbers. A backward pass whose graph has been
met ``SEEN`` times is recorded as ``compile`` records a step, by the same rules on stand-ins for what the graph has
saved, and done natively from then on. What a pass depends on beside the saved arrays is its key; their shapes, types
and order in memory are looked at before each replay, and whatever differs takes the ordinary way.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Any

import numpy as np

from .. import graph, hooks  # type: ignore[no-redef]  # the module, not the package's function
from ..graph import Node
from ..kernels import recording
from ..kernels.recording import Recorder, root_of
from ..kernels.threads import get_num_threads
from ..tensor import Tensor, _revive
from .launch import DONE
from .program import Program

#: How often a graph is met before its pass is recorded: to record takes as long as some hundred operators.
SEEN = 20
#: Graphs that are remembered, and bytes of memory that passes keep for themselves; the oldest go first.
KNOWN, KEPT = 64, 1 << 28
#: Nodes of a graph, and bytes that it has saved, above which its pass is not recorded.
NODES, BYTES = 1000, 1 << 28
_NEVER = -1

_books = threading.Lock()
_counts: dict[tuple, int] = {}
_passes: dict[tuple, Pass] = {}


class Pass:
    """A recorded pass: ``arrays`` (what the graph has saved, then the cotangent) to gradients of ``leaves``.

    ``copied`` are the numbers of arrays that do not lie in order, ``outputs`` (number of the leaf, shape, dtype) of each
    gradient. ``once``: no leaf is used twice, so that sums with gradients that are there already do not depend on the
    order of its parts.
    """

    def __init__(
        self, program: Program, copied: list[int], outputs: list[tuple], once: bool
    ) -> None:
        self.program = program
        self.copied = copied
        self.outputs = outputs
        self.once = once
        self.lock = threading.Lock()

    def run(self, arrays: list[np.ndarray], leaves: list[Any]) -> bool:
        """Add to the leaves' gradients; False, and nothing done, where something is unlike the recording."""
        program, once, found = self.program, self.once, []
        for i, shape, dtype in self.outputs:
            leaf = leaves[i]
            if leaf._array.dtype != dtype:
                return False
            if not (once or leaf._grad is None):
                return False
            gradient = np.empty(shape, dtype)
            arrays.append(gradient)
            found.append((leaf, gradient))
        if not self.lock.acquire(False):  # another thread is at it
            return False
        for i in self.copied:
            arrays[i] = np.array(arrays[i], order="C")
        try:
            program.use(arrays)
            if program.replay() != DONE:
                return False
        finally:
            self.lock.release()
        for leaf, gradient in found:
            if leaf._grad is None:
                leaf._grad = leaf._wrap(gradient)
            else:
                leaf._accumulate(gradient, False)
        return True


def run(root: Any, cotangent: np.ndarray, retain_graph: bool) -> bool:
    """The pass from ``root``, if it can be replayed; else False, and nothing has been done."""
    if root.__class__ is not Node:
        return False
    last, falling = root.sequence, True
    nodes, leaves, arrays = [root], [], []
    key: list[Any] = [get_num_threads()]
    place: dict[Any, int] = {root: 0}
    for node in nodes:
        saved = node.saved
        if saved is None or node.watchers or node.__class__ is not Node:
            return False
        key += node.op, node.attrs, node.shape, node.dtype.num
        for attr in node.attrs:
            if attr.__class__ is float:  # 0.0 is not -0.0
                key.append(repr(attr))
        if node.sequence > last:
            falling = False
        last = node.sequence
        for edge in node.edges:
            if edge is not None and edge not in place:
                place[edge] = len(place)
                if isinstance(edge, Node):
                    nodes.append(edge)
                else:
                    leaves.append(edge)
                    key.append(edge._array.shape)
            key.append(edge if edge is None else place[edge])
        for entry in saved:
            if entry.__class__ is tuple:
                if entry[1][0] != entry[2]:
                    return False
                arrays.append(entry[0])
            elif entry.__class__ is np.ndarray:
                arrays.append(entry)
            elif isinstance(entry, int | float):  # behind so many arrays
                key.append((len(arrays), repr(entry)))
            elif entry is not None:
                return False
        entry = node.saved_out
        if entry is not None:
            if entry[1][0] != entry[2]:
                return False
            arrays.append(entry[0])
        if len(nodes) > NODES:
            return False
    if hooks.leaves and any(id(leaf) in hooks.leaves for leaf in leaves):
        return False
    arrays.append(cotangent)
    if not falling:  # cotangents are added in the order in which nodes were made
        key.append(tuple(sorted(range(len(nodes)), key=lambda i: nodes[i].sequence)))
    whole = tuple(key)
    try:
        found = _passes.get(whole)
    except TypeError:
        try:
            whole = _hashable(whole)
            found = _passes.get(whole)
        except TypeError:  # an attribute that is no key
            return False
    if found is None:
        _meet(whole, nodes, leaves, arrays)
        return False
    if not found.run(arrays, leaves):
        return False
    if not retain_graph:
        for node in nodes:
            if node.saved or node.saved_out is not None:
                node.saved = None
                node.saved_out = None
    return True


def _hashable(value: Any) -> Any:
    """A key with lists as tuples, and slices, which Python before 3.12 cannot hash."""
    if isinstance(value, tuple | list):
        return tuple([_hashable(v) for v in value])
    return (slice, value.start, value.stop, value.step) if isinstance(value, slice) else value


def _meet(key: tuple, nodes: list[Node], leaves: list[Any], arrays: list[np.ndarray]) -> None:
    """Count a graph, and record its pass when it has come often enough."""
    with _books:
        met = _counts.pop(key, 0)
        if met != _NEVER:
            met += 1
        _counts[key] = _NEVER if met >= SEEN else met
        if len(_counts) > KNOWN:
            del _counts[next(iter(_counts))]
    if met < SEEN or sum(a.nbytes for a in arrays) > BYTES:
        return
    try:
        found = _record(nodes, leaves, arrays[-1])
    except recording.Busy:
        with _books:
            _counts[key] = met - 1  # the next time, perhaps
        return
    if found is None or found.program.block_bytes > KEPT:
        return
    with _books:
        _passes[key] = found
        while len(_passes) > KNOWN or sum(p.program.block_bytes for p in _passes.values()) > KEPT:
            oldest = next(iter(_passes))
            del _passes[oldest]
            _counts.pop(oldest, None)


def _record(nodes: list[Node], leaves: list[Any], cotangent: np.ndarray) -> Pass | None:
    """The pass through ``nodes``, done once more on a copy of the graph; None where it is not native.

    Raises: Busy while another thread is recording.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return None
    inputs: list[np.ndarray] = []
    copied: list[int] = []

    def copy_of(array: np.ndarray) -> np.ndarray:
        if not array.flags.carray:
            copied.append(len(inputs))
        inputs.append(np.array(array, order="C"))
        return inputs[-1]

    def stand_in(entry: Any) -> Any:
        if entry.__class__ is tuple:
            return copy_of(entry[0]), [0, "", 0], 0, None
        return copy_of(entry) if entry.__class__ is np.ndarray else entry

    kept = [
        ([stand_in(entry) for entry in node.saved or ()], stand_in(node.saved_out))
        for node in nodes
    ]
    copy_of(cotangent)
    copies: dict[Any, Any] = {leaf: Tensor._wrap(leaf._array) for leaf in leaves}
    for node, (saved, saved_out) in sorted(
        zip(nodes, kept, strict=True), key=lambda pair: pair[0].sequence
    ):
        edges = [None if edge is None else copies[edge] for edge in node.edges]
        copy = Node(node.op, node.attrs, node.rules, edges, node.shape, node.dtype)
        copy.saved, copy.saved_out = saved, saved_out
        copies[node] = copy
    uses = Counter(id(edge) for node in nodes for edge in node.edges)
    recorder = Recorder(fullgraph=True)
    for a in inputs:
        recorder.know(a)
    captured: dict[Any, Any] = {copies[leaf]: None for leaf in leaves}
    try:
        with recording.recording(recorder, wait=False), graph.no_grad():
            graph.run_backward(
                [(copies[nodes[0]], Tensor._wrap(inputs[-1]))],
                retain_graph=False,
                captured=captured,
                revive=_revive,
            )
            gradients = _own(recorder, captured.values())
        if recorder.hosts or recorder.tensors or recorder.undo or not recorder.items:
            return None
        outputs = [(i, g.shape, g.dtype) for i, g in enumerate(gradients) if g is not None]
        arrays = [g for g in gradients if g is not None]
        program = Program(recorder, inputs + arrays, arrays, [])
    except recording.Busy:
        raise
    except Exception:  # what is wrong shows in the ordinary pass
        return None
    if not program.native:
        return None
    program.let_go()
    once = all(uses[id(leaf)] == 1 for leaf in leaves)
    return Pass(program, copied, outputs, once)


def _own(recorder: Recorder, gradients: Any) -> list[np.ndarray | None]:
    """Each gradient as a whole array that the pass has made and that is no other's."""
    found: list[np.ndarray | None] = []
    taken: set[int] = set()
    for g in gradients:
        if g is None:
            found.append(None)
            continue
        root = root_of(g._array)
        if (
            id(root) not in recorder.made
            or id(root) in taken
            or root.size != g._array.size
            or not g._array.flags.c_contiguous
        ):
            g = g.clone()
            root = root_of(g._array)
        taken.add(id(root))
        found.append(g._array)
    return found


graph.replay = run
