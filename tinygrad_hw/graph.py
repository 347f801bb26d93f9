"""The computation graph: nodes made as operations run, and the backward pass through them.

A node knows its operator, the edges to what its operands came from (another node, or a leaf Tensor), and the
operands that the derivative rules asked for. Nodes never point forward or at the Tensors that they made, so
there are no reference cycles: a graph is gone when the last Tensor of it is.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np

from . import hooks
from .errors import GraphError
from .kernels import recording
from .ops.core import Primitive
from .ops.reduce import sum_to_shape

_sequence = count()


class Node:
    """One recorded operation.

    ``rules`` are the derivative rules of the operands that need a gradient. ``saved[i]`` is (array, version counter,
    its count then, edge) for an operand that a rule needs, or a plain value; ``saved_out`` the same for the output;
    ``saved`` is None once freed. ``sequence`` grows in order of creation, so that running nodes from the largest down
    meets every node after all its users. ``watchers`` are hooks, which may replace this node's cotangent, and weak
    references to Tensors that want it. ``origin`` is set by ``detect_anomaly`` alone.
    """

    __slots__ = (
        "attrs", "dtype", "edges", "op", "origin", "rules", "saved", "saved_out", "sequence", "shape", "watchers",
    )  # fmt: skip

    origin: Any

    def __init__(
        self, op: Primitive, attrs: tuple, rules: tuple, edges: list, shape: tuple, dtype
    ) -> None:
        self.op = op
        self.attrs = attrs
        self.rules = rules
        self.edges = edges
        self.shape = shape
        self.dtype = dtype
        self.saved: list | None = []
        self.saved_out: tuple | None = None
        self.sequence = next(_sequence)
        self.watchers: list | None = None

    @property
    def name(self) -> str:
        """The operator's name in PyTorch's spelling: ``MulBackward0``."""
        return "".join(w.capitalize() for w in self.op.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple:
        """The nodes that this one's operands came from (None where there is no gradient)."""
        return tuple((e if isinstance(e, Node) else None, 0) for e in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def unpack(self, entry: tuple, what: str) -> np.ndarray:
        """The saved array, if nothing has changed it since.

        Raises: GraphError, naming the operation that saved it and the one that changed it.
        """
        if entry[1][0] != entry[2]:
            self._changed(entry, what)
        return entry[0]

    def _changed(self, entry: tuple, what: str) -> None:
        array, version, then, _ = entry
        raise GraphError(
            f"backward: {self.op.name} saved its {what} of shape {array.shape}, which {version[1]} changed "
            f"in place afterwards (version {version[0]}, expected {then})\n"
            f"Clone it before {version[1]}, or use the out-of-place form."
        )

    def pull(self, g, revive: Callable | None, needed: set | None) -> list:
        """The cotangents of the operands, as (edge, cotangent, whether its memory is someone else's too).

        Edges that are not in ``needed`` (None: all are) get none.
        """
        op, edges, saved = self.op, self.edges, self.saved
        rules: Any = self.rules
        if op.variadic:
            rules = [rules[0]] * len(edges)
        result = []
        for position, rule in enumerate(rules):
            operand = position if op.variadic else rule.operand
            edge = edges[operand]
            if edge is None:
                continue
            if needed is not None and edge not in needed:
                continue
            if revive is not None:
                result.append((edge, *self._pull_tensor(rule, operand, g, revive)))
                continue
            args: list[Any] = []
            shared = False
            for kind, index in rule.sources:
                if kind == "g":
                    args.append(g)
                elif kind == "operand":
                    entry = saved[index]  # type: ignore[index]
                    if entry.__class__ is tuple:
                        if entry[1][0] != entry[2]:
                            self._changed(entry, op.operands[index])
                        entry = entry[0]
                    args.append(entry)
                else:
                    args.append(self._argument(kind, index, operand, None))
            cotangent = rule.on_arrays(*args)
            like = edge if isinstance(edge, Node) else edge._array
            if cotangent.shape != like.shape:
                cotangent = self._fit(cotangent, like.shape)
            if cotangent.__class__ is not np.ndarray:
                cotangent = np.asarray(cotangent)
            if cotangent.dtype is not like.dtype:
                cotangent = cotangent.astype(like.dtype)
            for a in args:
                if a is cotangent:
                    shared = True
            result.append((edge, cotangent, shared or cotangent.base is not None))
        return result

    def _fit(self, cotangent, shape: tuple):
        """Broadcasting undone.  Raises: GraphError where the shape is wrong otherwise."""
        if self.op.broadcasts:
            cotangent = sum_to_shape(cotangent, shape)
        if cotangent.shape != shape:
            raise GraphError(
                f"backward: {self.op.name} returned a gradient of shape {tuple(cotangent.shape)} for an "
                f"operand of shape {tuple(shape)}"
            )
        return cotangent

    def _pull_tensor(self, rule: Any, operand: int, g, revive: Callable) -> tuple:
        """One operand's cotangent as a Tensor, and whether its memory is someone else's too."""
        op, edge = self.op, self.edges[operand]
        fused = rule.on_arrays is not rule.function and not mode.enabled
        args = [
            (g._array if fused else g)
            if kind == "g"
            else self._argument(kind, index, operand, None if fused else revive)
            for kind, index in rule.sources
        ]
        if fused:
            # A step is being recorded, whose own backward pass nobody differentiates.
            name = f"{op.name.lstrip('_')} backward"
            found = recording.call(rule.on_arrays, tuple(args), name)
            cotangent = revive(np.asarray(found), [0, "", 0], None)
        else:
            cotangent = rule.function(*args)
        if cotangent.shape != edge.shape:
            cotangent = self._fit(cotangent, edge.shape)
        if cotangent.dtype != edge.dtype:
            cotangent = cotangent.to(edge.dtype)
        shared = cotangent._array.base is not None or any(a is cotangent for a in args)
        return cotangent, shared

    def _argument(self, kind: str, index: int, operand: int, revive: Callable | None) -> Any:
        """What a derivative rule asks for beside g; Tensors with their history where ``revive`` makes them."""
        if kind == "operand":
            entry = self.saved[index]  # type: ignore[index]
            if entry.__class__ is not tuple:
                return entry
            array = self.unpack(entry, self.op.operands[index])
            return array if revive is None else revive(array, entry[1], entry[3])
        if kind == "out":
            array = self.unpack(self.saved_out, "output")  # type: ignore[arg-type]
            return array if revive is None else revive(array, self.saved_out[1], self)  # type: ignore[index]
        if kind == "attr":
            return self.attrs[index]
        return self.edges[index].shape if kind == "shape" else operand

    def watched(self, g):
        """What the hooks make of the cotangent, for whoever waits for it and to go on with."""
        watchers: list = self.watchers or []
        for hook in list(watchers):
            if isinstance(hook, hooks.Hook):
                g = hook.function(g)
        for watcher in watchers:
            tensor = None if isinstance(watcher, hooks.Hook) else watcher()
            if tensor is not None:
                tensor._accumulate(g, True)
        return g


class Bundle(dict):
    """Cotangents of an operation with several outputs, by output number."""

    def __add__(self, other: Bundle) -> Bundle:
        total = Bundle(self)
        for key, g in other.items():
            total[key] = total[key] + g if key in total else g
        return total


class Port(Node):
    """One output of an operation with several; it passes its cotangent on to ``edges[0]`` in a Bundle."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.edges[0].name

    def pull(self, g, revive: Callable | None, needed: set | None) -> list:
        return [(self.edges[0], Bundle({self.attrs[0]: g}), True)]


class _Mode(threading.local):
    enabled = True


class _Anomaly(threading.local):
    #: Called in a backward pass with each node and what it has pulled, while anomalies are looked for.
    check: Callable[[Any, list], None] | None = None


mode = _Mode()
anomaly = _Anomaly()

#: ``replay(root, cotangent, retain_graph)``: the whole pass at once, or False, and nothing done. Set by ``compile.passes``.
replay: Callable[[Any, Any, bool], bool] = lambda *_: False  # noqa: E731


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.enabled


class _GradMode:
    """Recording switched on or off in a ``with`` block, which may be entered again, or in a decorated function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(mode.enabled)
        mode.enabled = self.enabled

    def __exit__(self, *exception: object) -> None:
        mode.enabled = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):
            return self._decorate_generator(function)
        enabled = self.enabled

        @functools.wraps(function)
        def run(*args, **kwargs):
            with _GradMode(enabled):
                return function(*args, **kwargs)

        return run

    def _decorate_generator(self, function: Callable) -> Callable:
        """The mode holds while the generator runs, and not for its caller between two values."""
        enabled = self.enabled

        @functools.wraps(function)
        def run(*args, **kwargs):
            generator = function(*args, **kwargs)
            resume, value = generator.send, None
            while True:
                try:
                    with _GradMode(enabled):
                        result = resume(value)
                except StopIteration as end:
                    return end.value
                try:
                    value, resume = (yield result), generator.send
                except BaseException as error:  # GeneratorExit too: the generator shall clean up
                    value, resume = error, generator.throw

        return run


class _NamedGradMode(_GradMode):
    def __new__(cls, function: Callable | None = None):
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)  # a decorator without parentheses


class no_grad(_NamedGradMode):  # noqa: N801 (PyTorch's name)
    """Within it nothing is recorded and results do not require a gradient."""

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_NamedGradMode):  # noqa: N801 (PyTorch's name)
    """Within it operations are recorded, even inside ``no_grad``."""

    def __init__(self) -> None:
        super().__init__(True)


class inference_mode(_NamedGradMode):  # noqa: N801 (PyTorch's name)
    """As ``no_grad``, under the name for code that never trains; ``inference_mode(False)`` changes nothing."""

    def __new__(cls, mode: bool | Callable = True):
        function = mode if callable(mode) else None
        return super().__new__(cls, function)

    def __init__(self, mode: bool | Callable = True) -> None:
        super().__init__(False)
        self.mode = bool(mode)

    def __enter__(self) -> None:
        super().__enter__()
        mode.enabled = self.before[-1] and not self.mode

    def __call__(self, function: Callable) -> Callable:
        return super().__call__(function) if self.mode else function


class set_grad_enabled(_GradMode):  # noqa: N801 (PyTorch's name)
    """Record operations or not: from the call on, or only within a ``with`` block or a decorated function."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        super().__enter__()

    def __enter__(self) -> None:
        mode.enabled = self.enabled

    def __exit__(self, *exception: object) -> None:
        mode.enabled = self.before[0]

    def __call__(self, function: Callable) -> Callable:
        mode.enabled = self.before[0]
        return super().__call__(function)


def _leading_to(targets: dict, roots: list) -> set:
    """The edges of ``targets``, and the nodes below ``roots`` through which a gradient flows on to one of them."""
    nodes = set()
    stack = [edge for edge, _ in roots]
    while stack:
        edge = stack.pop()
        if isinstance(edge, Node) and edge not in nodes:
            nodes.add(edge)
            stack.extend(edge.edges)
    found = set()
    for node in sorted(nodes, key=attrgetter("sequence")):  # operands before their users
        if any(edge in targets or edge in found for edge in node.edges):
            found.add(node)
    return found


def run_backward(
    roots: list[tuple[Any, Any]],
    *,
    retain_graph: bool,
    captured: dict | None = None,
    revive: Callable | None = None,
    stop: bool = False,
) -> None:
    """Propagate cotangents from ``roots`` (edge, cotangent) to the leaves.

    Leaves accumulate into ``.grad``; with ``captured``, a mapping whose keys are edges, none does: its values become
    the cotangents met there, and nodes that do not lead to its keys are left alone (nor, with ``stop``, are those
    below them gone through). Cotangents are arrays, or Tensors
    when ``revive(array, version, edge)`` is given, which makes the pass itself differentiable. Iterative, and each
    node's cotangent is dropped as soon as it is used.
    """
    pending: dict[Node, Any] = {}
    owned: set[Node] = set()  # pending sums that were allocated here and may be added to in place
    heap: list[tuple[int, Node]] = []
    onward: set = set() if captured is None else _leading_to(captured, roots)
    needed = None if captured is None else onward.union(captured)
    if stop:
        onward.difference_update(captured or ())
    hooked = hooks.leaves  # tables of leaves with hooks, which get the whole gradient at once
    plain = captured is None and revive is None and not hooked
    waiting: dict[int, list] = {}
    hooks.guard()
    check = anomaly.check
    if check is not None:
        for edge, cotangent in roots:
            check(edge, [(edge, cotangent)])

    def accumulate(edge, cotangent, shared: bool) -> None:
        if not hooked or id(edge) not in hooked:
            edge._accumulate(cotangent, shared)
        elif id(edge) in waiting:
            waiting[id(edge)][1] = waiting[id(edge)][1] + cotangent
        else:
            waiting[id(edge)] = [edge, cotangent]

    def deliver(edge, cotangent, shared: bool) -> None:
        if captured is not None:
            if edge in captured:
                seen = captured[edge]
                captured[edge] = cotangent if seen is None else seen + cotangent
            if edge not in onward:
                return
        if not isinstance(edge, Node):
            accumulate(edge, cotangent, shared)
        elif edge not in pending:
            heappush(heap, (-edge.sequence, edge))
            pending[edge] = cotangent
            if not shared and revive is None:
                owned.add(edge)
        elif edge in owned:
            np.add(pending[edge], cotangent, out=pending[edge])
        else:
            total = pending[edge] + cotangent
            if revive is None and not isinstance(total, Bundle):
                total = np.asarray(total)
                owned.add(edge)
            pending[edge] = total

    for edge, cotangent in roots:
        deliver(edge, cotangent, True)

    while heap:
        node = heappop(heap)[1]
        if (recording.current and recording.here()) is not None:
            recording.current.passed.add(node)
        g = pending.pop(node)
        if owned:
            owned.discard(node)
        if node.saved is None:
            raise GraphError(
                f"backward: the graph through {node.op.name} was freed by an earlier backward pass\n"
                "Pass retain_graph=True to the first pass to go through it again."
            )
        if node.watchers:
            g = node.watched(g)
            if captured is not None and node in captured:
                captured[node] = g
        pulled = node.pull(g, revive, needed)
        if check is not None:
            check(node, pulled)
        for edge, cotangent, shared in pulled:
            if plain and not isinstance(edge, Node) and edge._grad is None:
                edge._grad = edge._wrap(cotangent.copy() if shared else cotangent)
            else:
                deliver(edge, cotangent, shared)
        if not retain_graph and (node.saved or node.saved_out is not None):
            node.saved = None
            node.saved_out = None

    for edge, g in (captured or {}).items():
        if g is not None and isinstance(edge, Node) and edge.watchers and edge not in onward:
            captured[edge] = edge.watched(g)  # type: ignore[index]
        elif g is not None and hooked and id(edge) in hooked:
            for hook in list(hooked[id(edge)].before):
                g = captured[edge] = hook.function(g)  # type: ignore[index]
    for edge, g in waiting.values():
        table = hooked[id(edge)]
        for hook in list(table.before):
            g = hook.function(g)
        edge._accumulate(g, True)
        for hook in list(table.after):
            hook.function(edge)
