"""Tensor: an array, and how it came to be.

``apply`` is the one entrance for operations on Tensors: it runs the operator's forward rule on the arrays and, where
a gradient is needed, makes the node of the graph. Everything else here gives PyTorch's names to operators.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, graph, hooks, names, numpy_functions, ops, printing
from .errors import DTypeError, GraphError, ShapeError
from .graph import Node, run_backward
from .kernels import recording
from .methods import Methods
from .ops import shape as _shape
from .ops.core import Primitive


def _is_operand(x) -> bool:
    return isinstance(x, Tensor | int | float | np.ndarray | np.generic)


def _both_ways(op: Any) -> tuple[Callable, Callable]:
    """The methods behind an operator's sign, with self on the left and on the right of it."""

    def left(self, other):
        return op(self, other) if _is_operand(other) else NotImplemented

    def right(self, other):
        return op(other, self) if _is_operand(other) else NotImplemented

    return left, right


class Tensor(Methods):
    """An n-dimensional array that remembers the operations it came from.

    ``Tensor(data)`` copies data (numbers, nested lists, an array, a Tensor) in the default float type;
    ``tensor(data)`` keeps its type. Tensors with ``requires_grad`` made by the user are leaves: ``backward`` puts
    gradients in their ``grad``.
    """

    # _version is shared by all tensors of the same memory: [changes in place, the last one's name, recorded ones].
    # _view is (the tensor whose memory this shows, the view operations from there, recorded changes then), or None.
    __slots__ = ("__weakref__", "_array", "_grad", "_node", "_requires_grad", "_version", "_view")

    __array_priority__ = 1000
    __array_ufunc__ = numpy_functions.ufunc
    __array_function__ = numpy_functions.array_function

    def __init__(self, data: Any = (), requires_grad: bool = False) -> None:
        source = data._array if isinstance(data, Tensor) else data
        self._init(np.array(source, dtypes.get_default_dtype()))
        if requires_grad:
            self.requires_grad = True

    def _init(self, array: np.ndarray) -> None:
        self._array = array
        self._requires_grad = False
        self._node: Node | None = None
        self._version: list = [0, "", 0]
        self._view: tuple | None = None
        self._grad: Tensor | None = None

    @classmethod
    def _wrap(cls, array: np.ndarray) -> Tensor:
        """A Tensor around ``array`` itself: no copy, no history."""
        self = _new(cls)
        self._array = array
        self._requires_grad = False
        self._node = None
        self._version = [0, "", 0]
        self._view = None
        self._grad = None
        return self

    def _apply(self, op: Primitive, operands: tuple, attrs: tuple):
        return apply(op, operands, attrs)

    def _bump(self, name: str) -> None:
        """Note that operation ``name`` has changed the array in place."""
        version = self._version
        version[0] += 1
        version[1] = name

    def _edge(self) -> Node | Tensor:
        """Where this tensor's gradient goes: its node, or itself if it is a leaf."""
        view = self._view
        if view is not None and view[2] != self._version[2]:
            self._replay()
        return self if self._node is None else self._node

    def _replay(self) -> None:
        """Follow a recorded in-place change of the memory that this tensor is a view of."""
        base, steps, _ = self._view  # type: ignore[misc]
        with graph.enable_grad():
            shown = base
            for op, attrs in steps:
                shown = apply(op, (shown,), attrs)
        self._view = (base, steps, self._version[2])
        self._set_history(shown._node)

    def _set_history(self, node: Node | None) -> None:
        """Be the result of ``node`` from now on; whoever asked to ``retain_grad`` asked for the latest values'."""
        old, self._node, self._requires_grad = self._node, node, node is not None
        if old is not None and old.watchers:
            others = [w for w in old.watchers if isinstance(w, hooks.Hook) or w() is not self]
            if len(others) < len(old.watchers):
                old.watchers = others
                self.retain_grad()

    def _past(self) -> Tensor:
        """Its present values and history, in memory of their own."""
        past = Tensor._wrap(self._array.copy())
        past._node, past._requires_grad = self._node, self._requires_grad
        return past

    def _accumulate(self, cotangent, shared: bool) -> None:
        """Add a cotangent to ``grad``; one whose memory is ``shared`` with others is copied before it is kept."""
        grad = self.grad if (recording.current and recording.here()) is not None else self._grad
        if isinstance(cotangent, Tensor):
            if grad is not None and not graph.mode.enabled and not grad._requires_grad:
                grad.add_(cotangent)
                return
            if grad is not None:
                cotangent = grad + cotangent
            elif shared or graph.mode.enabled:
                cotangent = cotangent.clone()
            self.grad = cotangent
        elif grad is None:
            self._grad = Tensor._wrap(cotangent.copy() if shared else cotangent)
        elif grad._requires_grad:
            self._grad = grad + Tensor._wrap(cotangent)
        else:
            np.add(grad._array, cotangent, out=grad._array)
            grad._bump("backward")

    @property
    def grad(self) -> Tensor | None:
        """What ``backward`` has added up here; None before."""
        if (recording.current and recording.here()) is not None:
            recording.current.read_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if (recording.current and recording.here()) is not None:
            recording.current.write_grad(self)
        self._grad = value

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self._array.shape

    def size(self, dim: int | None = None):
        """All sizes, or that of one dimension."""
        shape = self._array.shape
        return shape if dim is None else shape[_shape.normalize_dim("size", dim, len(shape))]

    @property
    def dtype(self) -> np.dtype:
        """Element type, NumPy's."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def dim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """Number of elements."""
        return self._array.size

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def is_floating_point(self) -> bool:
        """Whether the elements are floats."""
        return self._array.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return self._array.flags.c_contiguous

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded. Can be set on leaves of floating point type."""
        if self._view is not None:
            self._edge()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            if not value:
                raise GraphError(
                    "requires_grad: expected a leaf, got the result of an operation\n"
                    "Use detach() for one without history."
                )
            return
        if value and self._array.dtype.kind != "f":
            raise DTypeError(f"requires_grad: expected floating point, got {self._array.dtype}")
        if self._requires_grad != bool(value):
            self._requires_grad = bool(value)
            recording.changed()

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return self."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it is no operation's recorded result."""
        self._edge()
        return self._node is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made it; None for leaves."""
        self._edge()
        return self._node

    @property
    def data(self) -> Tensor:
        """The same memory without history, and without noting changes made through it."""
        return Tensor._wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        recording.refuse("assigning to .data", "Use copy_() under no_grad().")
        recording.changed()
        self._array = value._array
        self._view = None

    # Out of the graph, and into other types

    def detach(self) -> Tensor:
        """The same memory without history; in-place changes are still noted."""
        out = Tensor._wrap(self._array)
        out._version = self._version
        return out

    def numpy(self) -> np.ndarray:
        """The array itself, sharing memory.  Raises: GraphError while a gradient is required."""
        if self.requires_grad:
            raise GraphError(
                "numpy: expected a tensor that does not require grad\n"
                "Use tensor.detach().numpy(), or np.asarray(tensor)."
            )
        _refuse("numpy()")
        return self._array

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        _refuse("turning a tensor into an array")
        if copy is False and dtype is not None and dtype != self._array.dtype:
            raise ValueError(
                f"array: expected to copy for {np.dtype(dtype)}, got copy=False and {self._array.dtype}"
            )
        return np.array(self._array, dtype) if copy else np.asarray(self._array, dtype)

    def __dlpack__(self, **options: Any) -> Any:
        """The memory itself, for another library's ``from_dlpack`` (see the array API standard)."""
        if self.requires_grad:
            raise BufferError(
                "__dlpack__: expected a tensor that does not require grad\nUse tensor.detach()."
            )
        _refuse("__dlpack__()")
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0): the CPU."""
        return self._array.__dlpack_device__()

    def item(self) -> int | float | bool:
        """The only element as a Python number.  Raises: ValueError if there is not exactly one."""
        if self._array.size != 1:
            raise ValueError(f"item: expected one element, got shape {self.shape}")
        _refuse("item()")
        return self._array.item()

    def tolist(self):
        """Nested lists of Python numbers."""
        _refuse("tolist()")
        return self._array.tolist()

    # Gradients

    def backward(
        self, gradient=None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add d self/d leaf to ``grad`` of every leaf that self was computed from.

        ``gradient`` is the cotangent of self, needed unless self has one element. The graph is freed unless
        ``retain_graph`` (default: create_graph); with ``create_graph`` the gradients can be differentiated again.
        """
        backward((self,), (gradient,), retain_graph, create_graph)

    def retain_grad(self) -> None:
        """Let ``backward`` fill ``grad`` although this is not a leaf."""
        if not self.requires_grad:
            raise GraphError("retain_grad: expected a tensor that requires grad")
        node = self._edge()
        if isinstance(node, Node):
            watchers = node.watchers = node.watchers or []
            if not any(not isinstance(w, hooks.Hook) and w() is self for w in watchers):
                watchers.append(weakref.ref(self))

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> hooks.Handle:
        """Call ``hook(gradient)`` whenever a backward pass knows this tensor's whole gradient.

        What it returns takes the gradient's place, unless None; it must not change it in place.
        A leaf's is called when the pass is over. Returns a handle with ``remove()``.
        """
        if not self.requires_grad:
            raise GraphError("register_hook: expected a tensor that requires grad")
        edge = self._edge()
        function = functools.partial(_replaced, hook)
        if isinstance(edge, Node):
            edge.watchers = edge.watchers or []
            return hooks.add(edge.watchers, function)
        return hooks.add(hooks.of(self).before, function, self)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], Any]) -> hooks.Handle:
        """Call ``hook(self)`` whenever a backward pass has added to ``grad``; of leaves only."""
        if not (self.requires_grad and self.is_leaf):
            raise GraphError(
                "register_post_accumulate_grad_hook: expected a leaf that requires grad"
            )
        return hooks.add(hooks.of(self).after, hook, self)

    # Python's protocols

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len: expected a tensor with dimensions, got a 0-d one")
        return len(self._array)

    def __iter__(self):
        if not self._array.ndim:
            raise TypeError("iter: expected a tensor with dimensions, got a 0-d one")
        return iter([self[i] for i in range(len(self._array))])

    def _single(self, what: str):
        _refuse(
            "a branch or number that depends on a tensor's value" if what == "bool" else f"{what}()"
        )
        if self._array.size != 1:
            raise ValueError(
                f"{what}: expected one element, got shape {self.shape}\nUse .any() or .all() for a truth value of many."
            )
        return self._array.item()

    def __bool__(self) -> bool:
        return bool(self._single("bool"))

    def __float__(self) -> float:
        return float(self._single("float"))

    def __int__(self) -> int:
        return int(self._single("int"))

    def __index__(self) -> int:
        if self._array.size != 1 or self._array.dtype.kind not in "iub":
            raise TypeError(f"index: expected one integer, got {self.dtype} of shape {self.shape}")
        _refuse("an index that depends on a tensor's value")
        return int(self._array.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if not self._array.ndim else format(str(self), spec)

    def __contains__(self, value) -> bool:
        if not _is_operand(value):
            raise TypeError(f"in: expected a number or a tensor, got {type(value).__name__}")
        return bool((self._array == np.asarray(value)).any())

    def __getattr__(self, name: str) -> Any:
        # Python comes here only after the ordinary lookup has failed.
        raise names.missing(f"{type(self).__name__!r} object", name, dir(type(self)))

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        _refuse("printing a tensor")
        node = self.grad_fn
        notes = (
            (f"grad_fn={node!r}",)
            if node
            else ("requires_grad=True",)
            if self._requires_grad
            else ()
        )
        return printing.text(self._array, *notes)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise GraphError(
                "deepcopy: expected a leaf, got the result of an operation\nUse .detach().clone()."
            )
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = self.__class__._wrap(self._array.copy())
            found._requires_grad = self._requires_grad
            if self.grad is not None:
                found.grad = self.grad.__deepcopy__(memo)
        return found

    def __reduce_ex__(self, protocol):
        return _rebuild, (self.__class__, self._array, self.requires_grad)

    # Operators

    def __add__(self, other):
        return apply(_add, (self, other), _ONE) if _is_operand(other) else NotImplemented

    def __radd__(self, other):
        return apply(_add, (other, self), _ONE) if _is_operand(other) else NotImplemented

    def __sub__(self, other):
        return apply(_sub, (self, other), _ONE) if _is_operand(other) else NotImplemented

    def __rsub__(self, other):
        return apply(_sub, (other, self), _ONE) if _is_operand(other) else NotImplemented

    def __mul__(self, other):
        return apply(_mul, (self, other), ()) if _is_operand(other) else NotImplemented

    def __rmul__(self, other):
        return apply(_mul, (other, self), ()) if _is_operand(other) else NotImplemented

    def __truediv__(self, other):
        return apply(_div, (self, other), ()) if _is_operand(other) else NotImplemented

    def __rtruediv__(self, other):
        return apply(_div, (other, self), ()) if _is_operand(other) else NotImplemented

    __pow__, __rpow__ = _both_ways(ops.pow)
    __matmul__, __rmatmul__ = _both_ways(ops.matmul)
    __floordiv__, __rfloordiv__ = _both_ways(ops.floor_divide)
    __mod__, __rmod__ = _both_ways(ops.remainder)
    __and__, __rand__ = _both_ways(ops.bitwise_and)
    __or__, __ror__ = _both_ways(ops.bitwise_or)
    __xor__, __rxor__ = _both_ways(ops.bitwise_xor)
    __lshift__, __rlshift__ = _both_ways(ops.bitwise_left_shift)
    __rshift__, __rrshift__ = _both_ways(ops.bitwise_right_shift)
    __eq__, __ne__ = _both_ways(ops.eq)[0], _both_ways(ops.ne)[0]
    __lt__, __gt__ = _both_ways(ops.lt)[0], _both_ways(ops.gt)[0]
    __le__, __ge__ = _both_ways(ops.le)[0], _both_ways(ops.ge)[0]

    __neg__ = ops.neg
    __pos__ = ops.positive
    __abs__ = ops.abs
    __invert__ = ops.bitwise_not
    __getitem__ = ops.getitem


_ONE = (1,)
_new = Tensor.__new__
_add, _sub, _mul, _div = ops.add, ops.sub, ops.mul, ops.PRIMITIVES["_div"]


class _Examples:
    """The ``_view`` of a Tensor that stands for one example of many: nobody sees its memory."""

    def __getitem__(self, _: Any):
        raise ValuesNeeded


class ValuesNeeded(Exception):
    """Something asked for values that differ between the examples of a batch."""


EXAMPLES: Any = _Examples()


def apply(op: Primitive, operands: tuple, attrs: tuple) -> Tensor:
    """Run ``op`` on Tensors, arrays and numbers; record it if a Tensor among them requires a gradient."""
    arrays = []
    edges: list = []
    mask = 0
    bit = 1
    for x in operands:
        edge = None
        if isinstance(x, Tensor):
            if x._view is not None:
                if x._view is EXAMPLES:
                    return x._apply(op, operands, attrs)
                x._edge()
            arrays.append(x._array)
            if x._requires_grad:
                mask |= bit
                edge = x._node or x
        else:
            # NumPy's scalars are weak as Python's are: np.sqrt(2) is no reason to go to float64.
            arrays.append(x.item() if isinstance(x, np.generic) else x)
        edges.append(edge)
        bit += bit
    if (recording.current and recording.here()) is None:
        array = op.forward(*arrays, *attrs)
    else:
        for x in operands:
            if isinstance(x, Tensor):
                recording.current.adopt(x)
        array = op.record((*arrays, *attrs))
    if array.__class__ is not np.ndarray:
        array = np.asarray(array)
    out = _new(Tensor)
    out._array = array
    out._requires_grad = False
    out._node = None
    out._version = [0, "", 0]
    out._view = None
    out._grad = None
    if mask and graph.mode.enabled and op.rules and array.dtype.kind == "f":
        plan = op.plan(mask)
        node = Node(op, attrs, plan.rules, edges, array.shape, array.dtype)
        if plan.keep:
            saved: list = [None] * len(edges)
            for i in plan.keep:
                x = operands[i]
                if isinstance(x, Tensor):
                    version = x._version
                    saved[i] = (x._array, version, version[0], edges[i])
                else:
                    saved[i] = arrays[i]
            node.saved = saved
        out._node = node
        out._requires_grad = True
        if plan.keep_out:
            node.saved_out = (array, out._version, 0, None)
    if op.view:
        source = operands[0]
        if isinstance(source, Tensor) and array.base is not None and _shares(array, source._array):
            _become_view(out, source, op, attrs)
            if out._node is not None and out._node.saved_out is not None:
                out._node.saved_out = (array, out._version, out._version[0], None)
    return out


_plain_apply = apply


def watch(look: Callable[[Tensor], None] | None) -> None:
    """Show ``look`` every result of an operation, None: nobody.

    Operations go through another entrance meanwhile, so that they cost nothing more otherwise.
    """
    global apply

    def watched(op: Primitive, operands: tuple, attrs: tuple) -> Tensor:
        out = _plain_apply(op, operands, attrs)
        look(out)  # type: ignore[misc]
        return out

    apply = _plain_apply if look is None else watched


def _replaced(hook: Callable, g):
    """What ``hook`` makes of a cotangent, an array or a Tensor."""
    given = g if isinstance(g, Tensor) else Tensor._wrap(g)
    result = hook(given)
    if result is None:
        return g
    if not isinstance(result, Tensor) or result.shape != given.shape:
        got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise GraphError(
            f"register_hook: expected the hook to return None or a Tensor of shape {given.shape}, got {got}"
        )
    result = result.to(given.dtype)
    return result if isinstance(g, Tensor) else result._array


def _refuse(what: str) -> None:
    """In a step that is being recorded: no value may leave for Python, where it would be taken for a constant."""
    recording.refuse(
        what, "Return the tensor from the step and look at it there; for choices use where()."
    )


def _shares(array: np.ndarray, other: np.ndarray) -> bool:
    return array.base is other or array.base is other.base or np.may_share_memory(array, other)


def _become_view(out: Tensor, source: Tensor, op: Primitive, attrs: tuple) -> None:
    """Let ``out``, which shows memory of ``source``, share its version and follow changes of its history."""
    out._version = source._version
    view = source._view
    base, steps = (source, ()) if view is None else view[:2]
    out._view = (base, (*steps, (op, attrs)), source._version[2])


def _rebuild(cls, array: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = cls._wrap(array)
    tensor._requires_grad = requires_grad
    return tensor


def _revive(array: np.ndarray, version: list, edge) -> Tensor:
    """A saved array as the Tensor that it was: with its history, so that gradients of gradients reach it."""
    if edge is not None and not isinstance(edge, Node):
        return edge
    tensor = Tensor._wrap(array)
    tensor._version = version
    if edge is not None:
        tensor._node = edge
        tensor._requires_grad = True
    return tensor


def _reviver(create_graph: bool):
    """How a backward pass gets at what was saved: as arrays, unless its own steps are recorded in some way."""
    return _revive if create_graph or (recording.current and recording.here()) is not None else None


@functools.lru_cache(64)
def _ones(shape: tuple, dtype: np.dtype) -> np.ndarray:
    """The cotangent of a loss. Many passes may share it, since none writes to the cotangent it begins with."""
    return np.ones(shape, dtype)


def _cotangents(name: str, outputs: tuple, gradients: tuple, graph_wanted: bool) -> list:
    """The roots of a backward pass: each output's edge with its cotangent."""
    roots: list[tuple] = []
    for tensor, g in zip(outputs, gradients, strict=True):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(tensor).__name__}")
        if not tensor.requires_grad:
            raise GraphError(
                f"{name}: expected a tensor that requires grad, got one without history\n"
                "Was it computed under no_grad(), or from tensors with requires_grad=False?"
            )
        if g is None:
            if tensor._array.size != 1:
                raise GraphError(
                    f"{name}: expected a gradient for an output of shape {tensor.shape}; only for one element it is 1"
                )
            if not graph_wanted:
                roots.append((tensor._edge(), _ones(tensor._array.shape, tensor._array.dtype)))
                continue
            g = Tensor._wrap(recording.constant(np.ones(tensor.shape, tensor.dtype)))
        g = g if isinstance(g, Tensor) else Tensor._wrap(np.asarray(g, tensor.dtype))
        if g.shape != tensor.shape:
            raise ShapeError(f"{name}: expected a gradient of shape {tensor.shape}, got {g.shape}")
        g = g.to(tensor.dtype)
        roots.append((tensor._edge(), g if graph_wanted else g._array))
    return roots


def _nobody_looks() -> bool:
    """Whether no step is being recorded and no anomalies are looked for."""
    return (recording.current and recording.here()) is None and graph.anomaly.check is None


def backward(
    tensors: tuple, gradients: tuple, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """``Tensor.backward`` of several tensors in one pass."""
    roots = _cotangents("backward", tensors, gradients, _reviver(create_graph) is not None)
    keep = create_graph if retain_graph is None else retain_graph
    if len(roots) == 1 and not create_graph and _nobody_looks():
        ((edge, cotangent),) = roots
        if graph.replay(edge, cotangent, keep):
            return
    before, graph.mode.enabled = graph.mode.enabled, create_graph
    try:
        run_backward(roots, retain_graph=keep, revive=_reviver(create_graph))
    finally:
        graph.mode.enabled = before


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """d Σ⟨grad_outputs, outputs⟩ / d inputs, as a tuple; no ``.grad`` is touched.

    An input that outputs do not depend on is an error, or None with ``allow_unused``, or zeros with
    ``materialize_grads``.
    """
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        grad_outputs = (None,) * len(outputs)
    elif isinstance(grad_outputs, Tensor | np.ndarray):
        grad_outputs = (grad_outputs,)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: expected {len(outputs)} grad_outputs, got {len(grad_outputs)}")
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise GraphError(f"grad: expected inputs that require grad, input {i} does not")
    roots = _cotangents("grad", outputs, tuple(grad_outputs), _reviver(create_graph) is not None)
    keep = create_graph if retain_graph is None else retain_graph
    captured: dict = {x._edge(): None for x in inputs}
    with graph.set_grad_enabled(create_graph):
        run_backward(roots, retain_graph=keep, captured=captured, revive=_reviver(create_graph))
    results = []
    for i, x in enumerate(inputs):
        g = captured[x._edge()]
        if g is None and not (allow_unused or materialize_grads):
            raise GraphError(
                f"grad: expected every input to be used, but outputs do not depend on input {i}\n"
                "allow_unused=True gives None for it."
            )
        if g is None:
            g = np.zeros(x.shape, x.dtype) if materialize_grads else None
        if g is not None and not isinstance(g, Tensor):
            g = Tensor._wrap(np.array(g))
        results.append(g)
    return tuple(results)
