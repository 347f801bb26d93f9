"""Segments of a network that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import graph, random
from ..errors import GraphError
from ..func import tree
from ..graph import Bundle, Node, Port, run_backward
from ..kernels import recording
from ..tensor import Tensor


class _Op:
    name = "checkpoint"


class _Segment(Node):
    """What remains of a segment: how to run it again, and the edges that lead out of it."""

    __slots__ = ("again",)

    again: Callable[[], list[Tensor]]

    def pull(self, g, revive: Callable | None, needed: set | None) -> list:
        given = g if isinstance(g, Bundle) else {0: g}
        outputs = self.again()
        found: dict = dict.fromkeys(e for e in self.edges if needed is None or e in needed)
        roots = [(outputs[k]._edge(), c) for k, c in given.items()]
        run_backward(
            roots, retain_graph=revive is not None, captured=found, revive=revive, stop=True
        )
        # Held by this pass alone, but for those that hooks have seen.
        return [(edge, c, True) for edge, c in found.items() if c is not None]


def _exits(tensors: list[Tensor], first: int) -> list:
    """The leaves and the nodes older than ``first`` that the history of ``tensors`` leads to."""
    stack = [t._edge() for t in tensors]
    seen: dict = {}
    exits = []
    while stack:
        edge = stack.pop()
        if edge is None or edge in seen:
            continue
        seen[edge] = None
        if isinstance(edge, Node) and edge.sequence >= first:
            stack.extend(edge.edges)
        else:
            exits.append(edge)
    return exits


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, of which only the arguments are kept: backward runs it again.

    Gradients are the same, also of parameters that function uses without being given them, and of gradients;
    ``preserve_rng_state`` repeats the numbers drawn from the default generator (dropout). The function has to compute
    the same again. Within ``tg.compile``, which reuses memory itself, it simply runs. ``use_reentrant`` is there for
    PyTorch's sake.

    Source: Chen et al., Training deep nets with sublinear memory cost, 2016.
    """
    if (recording.current and recording.here()) is not None or not graph.mode.enabled:
        return function(*args, **kwargs)
    state = random.get_rng_state()
    given = [x for x in tree.leaves((args, kwargs)) if isinstance(x, Tensor)]
    versions = [x._version[0] for x in given]
    first = next(graph._sequence)
    result = function(*args, **kwargs)
    outputs = [y for y in tree.leaves(result) if isinstance(y, Tensor)]
    recorded = [y for y in outputs if y.requires_grad]
    if not recorded:
        return result
    edges = _exits(recorded, first)
    places = [k for k, y in enumerate(outputs) if y.requires_grad]

    def again() -> list[Tensor]:
        if [x._version[0] for x in given] != versions:
            raise GraphError(
                "checkpoint: an argument was changed in place before the backward pass"
            )
        now = random.get_rng_state()
        if preserve_rng_state:
            random.set_rng_state(state)
        try:
            with graph.enable_grad():
                values = tree.leaves(function(*args, **kwargs))
        finally:
            if preserve_rng_state:
                random.set_rng_state(now)
        made = [y for y in values if isinstance(y, Tensor)]
        if [(y.shape, y.dtype) for y in made] != shapes:
            raise GraphError(
                "checkpoint: the function gave outputs of other shapes when it ran again"
            )
        return [made[k] for k in places]

    shapes = [(y.shape, y.dtype) for y in outputs]
    node = _Segment(_Op(), (), (), edges, recorded[0].shape, recorded[0].dtype)  # type: ignore[arg-type]
    node.again = again
    kept = {id(y): _at(node, k, len(recorded), y) for k, y in enumerate(recorded)}
    return tree.map_leaves(lambda y: kept.get(id(y), y), result)


def _at(node: _Segment, k: int, count: int, output: Tensor) -> Tensor:
    """Output ``k`` without the segment's own history."""
    edge = node if count == 1 else Port(node.op, (k,), (), [node], output.shape, output.dtype)
    kept = Tensor._wrap(output._array)
    kept._node, kept._requires_grad = edge, True
    return kept


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A Sequential (or list of functions) in ``segments`` parts, each but the last a ``checkpoint``."""
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if not 1 <= segments <= len(layers):
        raise ValueError(
            f"checkpoint_sequential: expected 1 to {len(layers)} segments, got {segments}"
        )
    size = len(layers) // segments

    def run(part: list) -> Callable:
        def forward(x: Any) -> Any:
            for layer in part:
                x = layer(x)
            return x

        return forward

    for k in range(segments - 1):
        input = checkpoint(run(layers[k * size : (k + 1) * size]), input, **kwargs)
    return run(layers[(segments - 1) * size :])(input)
