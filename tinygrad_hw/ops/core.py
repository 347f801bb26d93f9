"""What an operator is: a forward rule on arrays and, for each operand, a derivative rule.

An operator given arrays computes an array. Given anything :class:`Recorded` (a Tensor) it hands itself over,
so that operators know nothing of graphs and there is one entrance for whoever records them.

A derivative rule (vjp: vector-Jacobian product) is a function whose *parameter names* say what it needs, and so
what the forward pass keeps alive:

    g               the cotangent, shaped like the output
    out             the output
    input, other …  an operand, by its name in the forward rule
    input_shape     only its shape
    dim, alpha …    an attribute of the forward rule
    position        for operators of any number of operands: which of them is meant

It is written over operators, hence runs on arrays in an ordinary backward pass, as one fused native loop where
the operator is elementwise, and on Tensors where the gradient itself is to be differentiated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from ..kernels.elementwise import Loop

#: All public operators by name: primitives with rules of their own, and functions composed of those.
REGISTRY: dict[str, Callable] = {}
#: All operators that state derivative rules, internal ones (with a leading underscore) included.
PRIMITIVES: dict[str, Primitive] = {}


class Recorded:
    """What operators hand themselves over to instead of computing on it at once."""

    __slots__ = ()

    _array: np.ndarray

    def _apply(self, op: Primitive, operands: tuple, attrs: tuple):
        raise NotImplementedError


class Source(NamedTuple):
    """Where a rule's argument comes from: ``kind`` is a parameter kind, ``place`` the position in it."""

    kind: str
    place: int


class Rule:
    """The derivative with respect to one operand.

    ``on_arrays`` is the same mapping for arrays: the rule itself, its fused loop or a kernel that a test
    compares with it.
    """

    __slots__ = ("function", "on_arrays", "operand", "sources")

    def __init__(self, op: Primitive, operand: int, function: Any) -> None:
        self.operand = operand
        self.function: Callable = function
        self.on_arrays: Callable = function
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        self.sources = tuple(op._source(name, operand) for name in names)


class Plan(NamedTuple):
    """What backward needs of one call, given which operands need a gradient."""

    rules: tuple[Rule, ...]
    keep: tuple[int, ...]
    keep_out: bool


class Primitive:
    """An operator with derivative rules of its own.

    Calling it with arrays returns an array, with Tensors a Tensor.
    """

    #: Whether operands broadcast against each other, so that gradients are summed back to their shapes.
    broadcasts = False
    #: Whether the output may share its first operand's memory.
    view = False
    #: The operator's public name, where its result's shape depends on values: no recorded step can hold it.
    shaped_by_values: str | None = None
    #: Set where the operator is defined on anything but floats and so has no derivative.
    differentiable = True

    def __init__(self, function: Any) -> None:
        self.function = function
        self.forward: Callable = function
        #: What computes instead while a step is being recorded: the same with kernels, where forward uses NumPy.
        self.captured: Callable | None = None
        self.__name__ = self.name = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        # Read off the code object: inspect.signature would take most of the package's import time.
        code = function.__code__
        positional = code.co_varnames[: code.co_argcount]
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.variadic = bool(code.co_flags & inspect.CO_VARARGS)
        if self.variadic:
            positional = (code.co_varnames[len(keywords)],)
        defaults = function.__defaults__ or ()
        self.defaults = dict(
            zip(positional[len(positional) - len(defaults) :], defaults, strict=True)
        )
        self.defaults.update(function.__kwdefaults__ or {})
        self.operands, self.attrs = self._split(positional, keywords)
        self.arity = len(self.operands)
        self.rules: dict[int, Rule] = {}
        self._plans: dict[int, Plan] = {}

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def _split(self, positional: tuple, keywords: tuple) -> tuple[tuple, tuple]:
        """Operands and attributes: the positional and the keyword-only parameters of the forward rule."""
        return positional, keywords

    def _source(self, name: str, operand: int) -> Source:
        if name in ("g", "out", "position"):
            return Source(name, operand)
        if name.endswith("_shape") and name[:-6] in self.operands:
            return Source("shape", self.operands.index(name[:-6]))
        if name in self.operands:
            return Source("operand", self.operands.index(name))
        if name in self.attrs:
            return Source("attr", self.attrs.index(name))
        raise TypeError(f"{self.name}: its derivative rule asks for an unknown {name!r}")

    def vjp(self, *names: Any, kernel: Callable | None = None) -> Callable:
        """Decorator that states the derivative with respect to the operands ``names``.

        ``@op.vjp`` alone means the first operand.
        ``kernel`` is a fused implementation of the same mapping for arrays.
        """

        def state(function: Any) -> Any:
            for name in names or self.operands[:1]:
                operand = self.operands.index(name)
                rule = self.rules[operand] = self._rule(operand, function)
                if kernel is not None:
                    rule.on_arrays = kernel
            return function

        if names and not isinstance(names[0], str):
            function, names = names[0], ()
            return state(function)
        return state

    def _rule(self, operand: int, function: Any) -> Rule:
        return Rule(self, operand, function)

    def native(self, function: Callable) -> Callable:
        """Decorator that states what to compute with while a step is being recorded, given operands and attributes.

        It gives what ``forward`` does, by kernels alone.
        """
        self.captured = function
        return function

    def record(self, args: tuple):
        """``forward`` of arrays and attributes, noted in the step that is being recorded."""
        if self.shaped_by_values is not None:
            recording.refuse(
                f"{self.shaped_by_values}(), whose result's shape depends on values,",
                "Use where() or fixed shapes, or leave it outside.",
            )
        return recording.call(self.captured or self.forward, args, self.name.lstrip("_"))

    def plan(self, mask: int) -> Plan:
        """The rules for the operands whose bit is set in ``mask``, and what they need kept."""
        found = self._plans.get(mask)
        if found is None:
            if self.variadic:
                shared = self.rules.get(0)
                rules = [shared] if shared else []
            else:
                rules = [r for i, r in sorted(self.rules.items()) if mask >> i & 1]
            sources = {s for r in rules for s in r.sources}
            keep = sorted({s.place for s in sources if s.kind == "operand"})
            found = self._plans[mask] = Plan(
                tuple(rules), tuple(keep), any(s.kind == "out" for s in sources)
            )
        return found

    def bind(self, args: tuple, kwargs: dict) -> tuple[tuple, tuple]:
        """Sort a call's arguments into operands and attributes, as Python would."""
        arity = self.arity
        if self.variadic:
            operands, rest = args, ()
        elif len(args) >= arity:
            operands, rest = args[:arity], args[arity:]
        else:
            named = self.operands[len(args) :]
            missing = [name for name in named if name not in kwargs]
            if missing:
                raise TypeError(f"{self.name}: missing argument {missing[0]!r}")
            kwargs = dict(kwargs)
            operands, rest = args + tuple(kwargs.pop(name) for name in named), ()
        if not self.attrs:
            if rest or kwargs:
                extra = repr(next(iter(kwargs))) if kwargs else f"{len(args)} positional arguments"
                raise TypeError(
                    f"{self.name}: expected only {', '.join(self.operands)}, got {extra}"
                )
            return operands, ()
        if len(rest) > len(self.attrs):
            raise TypeError(
                f"{self.name}: expected at most {arity + len(self.attrs)} arguments, got {len(args)}"
            )
        unknown = [name for name in kwargs if name not in self.attrs[len(rest) :]]
        if unknown:
            raise TypeError(f"{self.name}: unexpected or repeated argument {unknown[0]!r}")
        values = list(rest)
        for name in self.attrs[len(rest) :]:
            if name in kwargs:
                values.append(kwargs[name])
            elif name in self.defaults:
                values.append(self.defaults[name])
            else:
                raise TypeError(f"{self.name}: missing argument {name!r}")
        return operands, tuple(values)

    def __call__(self, *args, **kwargs):
        if kwargs or self.attrs or self.variadic or len(args) != self.arity:
            operands, attrs = self.bind(args, kwargs)
        else:
            operands, attrs = args, ()
        for x in operands:
            if isinstance(x, Recorded):
                return x._apply(self, operands, attrs)
        if (recording.current and recording.here()) is not None:
            return self.record((*operands, *attrs))
        return self.forward(*operands, *attrs)

    def __get__(self, instance: Any, owner: type | None = None):
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<operator {self.name}>"


class ArrayPrimitive(Primitive):
    """An operator whose forward rule is a function of whole arrays."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        if self.attrs:
            # Attributes are keyword-only where they are defined and positional where they are stored. The code
            # is made to take them by position: packing them into a dict would cost 0.5 µs a call.
            names = self.attrs
            if self.variadic:

                def forward(*args):
                    cut = len(args) - len(names)
                    return function(*args[:cut], **dict(zip(names, args[cut:], strict=True)))

                self.forward = forward
            else:
                code = function.__code__
                self.forward = FunctionType(
                    code.replace(
                        co_argcount=code.co_argcount + code.co_kwonlyargcount, co_kwonlyargcount=0
                    ),
                    function.__globals__,
                    function.__name__,
                    closure=function.__closure__,
                )


class Elementwise(Primitive):
    """An operator on broadcast elements, stated by scalar rules.

    ``numpy`` is a function of arrays to use instead of a native loop where NumPy's own is as fast (arithmetic),
    and for integers. ``kind`` is the result's type: ``same`` as the promoted operands, ``float``, or ``bool``.
    """

    broadcasts = True

    def __init__(
        self, function: Any, operands: int, numpy: Callable | None, kind: str, loops: bool
    ) -> None:
        self._count = operands
        super().__init__(function)
        self.numpy: Any = numpy
        self.kind = kind
        self.loops = loops
        self.loop = Loop(function, self.name, operands)
        self.forward = self._forward if loops else self._forward_numpy
        self.captured = self._forward_loops
        if kind == "bool":
            self.differentiable = False

    def _split(self, positional: tuple, keywords: tuple) -> tuple[tuple, tuple]:
        """The first ``operands`` parameters are arrays, the rest attributes."""
        return positional[: self._count], positional[self._count :]

    def _rule(self, operand: int, function: Any) -> Rule:
        rule = Rule(self, operand, function)
        if self.loops:
            arrays = sum(s.kind in ("g", "out", "operand") for s in rule.sources)
            rule.on_arrays = Loop(function, f"{self.name}.vjp.{self.operands[operand]}", arrays)
        return rule

    def _promote(self, args: tuple) -> tuple:
        """Operands in the dtype in which they meet; Python numbers stay numbers where that is exact."""
        count = self.arity
        operands = args[:count]
        for x in operands:
            if not isinstance(x, np.ndarray | np.generic | int | float):
                kind = type(x).__name__
                raise TypeError(f"{self._title}: expected tensors, arrays or numbers, got {kind}")
        dtype = dtypes.result_type(*operands)
        if self.kind == "float" and dtype.kind != "f":
            dtype = dtypes.get_default_dtype()
        return (*[np.asarray(x, dtype) for x in operands], *args[count:])

    @property
    def _title(self) -> str:
        return self.name.lstrip("_")

    def _explain(self, error: ValueError, args: tuple) -> ValueError:
        """A ShapeError where the operands do not broadcast."""
        shapes = [np.shape(x) for x in args[: self.arity]]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            return ShapeError(
                f"{self._title}: expected shapes that broadcast, got {' and '.join(map(str, shapes))}\n"
                "From the last dimension back, sizes must be equal or one of them 1."
            )
        return error

    def _forward(self, *args):
        first = args[0]
        if self.arity == 1:
            if isinstance(first, np.ndarray) and first.dtype.kind == "f":
                return self.loop(*args)
        elif (
            all(isinstance(x, np.ndarray) and x.dtype == first.dtype for x in args[: self.arity])
            and first.dtype.kind == "f"
        ):
            return self.loop(*args)
        args = self._promote(args)
        if args[0].dtype.kind == "f":
            return self.loop(*args)
        if self.numpy is None:
            raise DTypeError(
                f"{self._title}: expected floating point operands, got {args[0].dtype}"
            )
        return self.numpy(*args)

    def _forward_loops(self, *args):
        """With a native loop even where NumPy is as fast, if the operands are floats of one type, bools and numbers."""
        operands = args[: self.arity]
        arrays = [x for x in operands if isinstance(x, np.ndarray)]
        kinds = {a.dtype for a in arrays if a.dtype.kind != "b"}
        dtype = kinds.pop() if len(kinds) == 1 else None
        if dtype is None or dtype.kind != "f":
            return self.forward(*args)
        result = np.dtype(bool) if self.kind == "bool" else dtype
        try:
            return self.loop.broadcast(dtype, result, args)
        except ValueError as error:
            raise self._explain(error, args) from None

    def _forward_numpy(self, *args):
        try:
            if self.arity == 2:
                a, b = args[0], args[1]
                same = isinstance(a, np.ndarray) and (
                    (isinstance(b, np.ndarray) and a.dtype is b.dtype)
                    or (b.__class__ is float and a.dtype.kind == "f" and bool(a.ndim))
                )
                if same and (self.kind != "float" or a.dtype.kind == "f"):
                    return self.numpy(*args)
            return self.numpy(*self._promote(args))
        except ValueError as error:
            raise self._explain(error, args) from None


def elementwise(
    operands: int = 1, numpy: Callable | None = None, kind: str = "same", loops: bool | None = None
) -> Callable[[Any], Elementwise]:
    """Register a scalar rule as an elementwise operator (see :class:`Elementwise`)."""

    def register(function: Any) -> Elementwise:
        native = numpy is None if loops is None else loops
        return _add(Elementwise(function, operands, numpy, kind, native))

    return register


def primitive(function: Any) -> ArrayPrimitive:
    """Register a forward rule on whole arrays; its keyword-only parameters are attributes."""
    return _add(ArrayPrimitive(function))


def view(function: Any) -> ArrayPrimitive:
    """A ``primitive`` whose output shares its operand's memory where NumPy's does."""
    op = primitive(function)
    op.view = True
    return op


def composite(function: Callable) -> Callable:
    """Register a function made of other operators: its derivatives follow from theirs."""
    return _add(function)


def _add(op):
    name = op.__name__
    if isinstance(op, Primitive):
        PRIMITIVES[name] = op
    if not name.startswith("_"):
        if name in REGISTRY:
            raise ValueError(f"operator {name!r} is defined twice")
        REGISTRY[name] = op
    return op
