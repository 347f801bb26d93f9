"""Native loops made from scalar rules.

``Loop`` turns a rule such as

    def rule(g, out):
        return g * (1 - out * out)

into one pass over memory,

    def loop(out, a0, a1):
        for i in range(out.size):
            out[i] = rule(a0[i], a1[i])

compiled once for each element type. Numbers written in the rule take that type: left as they are they would
pull float32 arithmetic up to float64.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from types import FunctionType
from typing import Any

import numpy as np

from . import recording
from .arrays import gather
from .jit import Kernel
from .scalar import NAMES
from .split import flat


def native(a: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """``a`` as kernels take arrays: C-contiguous and writable, else copied.

    For any other kind (a broadcast, a reversed vector, a read-only file) Numba would compile them once more.
    """
    fits = dtype is None or dtype is a.dtype or dtype == a.dtype
    if fits and a.flags.carray:
        return a
    copy = None if (recording.current and recording.here()) is None else gather(a, dtype)
    return np.array(a, dtype, order="C") if copy is None else copy


class _TypedNumbers(ast.NodeTransformer):
    """``1`` → ``F(1)`` and ``pi`` → ``F(pi)``, with ``F`` the loop's element type."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return node
        return ast.Call(ast.Name("F", ast.Load()), [node], [])


def scalar_rule(rule: Any, dtype: np.dtype, name: str) -> Kernel:
    """``rule`` as a kernel of scalars of ``dtype``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(rule)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef), name
    definition.decorator_list = []
    definition.args.defaults = []
    definition.args.kw_defaults = [None] * len(definition.args.kwonlyargs)
    definition.args.args += definition.args.kwonlyargs
    definition.args.kwonlyargs = []
    definition.returns = None
    for argument in definition.args.args:
        argument.annotation = None
    _TypedNumbers().visit(definition)
    ast.fix_missing_locations(tree)
    names: dict = {"F": dtype.type}
    for used in rule.__code__.co_names:
        value = NAMES.get(used, rule.__globals__.get(used))
        if not isinstance(value, Kernel):
            value = getattr(value, "function", value)  # another operator stands for its scalar rule
        if isinstance(value, FunctionType):
            value = scalar_rule(value, dtype, f"{name}.{used}")
        elif isinstance(value, float):
            value = dtype.type(value)
        names[used] = value
    scope: dict = {}
    exec(compile(tree, f"<rule {name}>", "exec"), names, scope)
    # A rule that is left a call keeps the loop scalar.
    return Kernel(scope[definition.name], f"{name}.{dtype.name}", forceinline=True)


@functools.lru_cache(4096)
def _merge(shapes: tuple) -> tuple[tuple, tuple[int, ...], list[tuple[int, ...]]] | None:
    """The shape to which ``shapes`` broadcast, as at most three loops, and each operand's strides in them.

    Dimensions over which the same operands vary are one loop. None where there are more than three.
    """
    shape = np.broadcast_shapes(*shapes)
    loops: list[list] = []
    for d, n in enumerate(shape):
        if n == 1:
            continue
        varies = [len(s) + d >= len(shape) and s[len(s) - len(shape) + d] == n for s in shapes]
        if loops and loops[-1][1] == varies:
            loops[-1][0] *= n
        else:
            loops.append([n, varies])
    if len(loops) > 3:
        return None
    loops = [[1, [False] * len(shapes)]] * (3 - len(loops)) + loops
    strides = []
    for i in range(len(shapes)):
        step, row = 1, []
        for n, varies in reversed(loops):
            row.append(step if varies[i] else 0)
            step *= n if varies[i] else 1
        strides.append(tuple(reversed(row)))
    return shape, tuple(n for n, _ in loops), strides


class Loop:
    """A rule over arrays that broadcast together and, after them, numbers.

    Parameters: the rule, a name for messages and the cache, and how many of its arguments are arrays; the
    others are numbers, the same for all elements.
    """

    __slots__ = ("arrays", "kernels", "name", "rule")

    def __init__(self, rule: Any, name: str, arrays: int) -> None:
        self.rule = rule
        self.name = name
        self.arrays = arrays
        self.kernels: dict[Any, Kernel] = {}

    def kernel(self, dtype: np.dtype) -> Kernel:
        """The compiled pass for ``dtype``: ``kernel(out, *arrays, *numbers)``, all arrays 1-d."""
        found = self.kernels.get(dtype)
        if found is None:
            arrays = [f"a{i}" for i in range(self.arrays)]
            numbers = self._numbers()
            found = self.kernels[dtype] = self._compile(
                dtype,
                "",
                f"def loop({', '.join(['out', *arrays, *numbers])}):\n"
                " for i in range(out.size):\n"
                f"  out[i] = rule({', '.join([f'{a}[i]' for a in arrays] + numbers)})\n",
            )
        return found

    def spread(self, dtype: np.dtype, kinds: str) -> Kernel:
        """The pass over operands that broadcast: ``kernel(out, *arrays, rows, middle, columns, *strides, *numbers)``.

        ``kinds`` has a letter for each operand: ``v`` for an array that varies along the columns, ``c`` for one that is
        constant along them, ``n`` for a number, which stands among the arrays. Every array has two strides.
        """
        found = self.kernels.get((dtype, kinds))
        if found is None:
            operands = [f"a{i}" for i in range(len(kinds))]
            arrays = [a for a, kind in zip(operands, kinds, strict=True) if kind != "n"]
            strides = [f"{a}_{d}" for a in arrays for d in ("rows", "middle")]
            value = {"v": "{0}[p_{0} + k]", "c": "v_{0}", "n": "{0}"}
            values = [value[kind].format(a) for a, kind in zip(operands, kinds, strict=True)]
            lines = [
                f"def loop({', '.join(['out', *operands, 'rows', 'middle', 'columns', *strides, *self._numbers()])}):",
                " if rows * middle * columns == 0: return",
                " for i in range(rows):",
                "  for j in range(middle):",
                "   base = (i * middle + j) * columns",
                *[f"   p_{a} = i * {a}_rows + j * {a}_middle" for a in arrays],
                *[f"   v_{a} = {a}[p_{a}]" for a, kind in zip(operands, kinds, strict=True) if kind == "c"],
                "   for k in range(columns):",
                f"    out[base + k] = rule({', '.join(values + self._numbers())})",
            ]  # fmt: skip
            found = self.kernels[dtype, kinds] = self._compile(
                dtype, f".{kinds}", "\n".join(lines) + "\n"
            )
        return found

    def _numbers(self) -> list[str]:
        return [f"s{i}" for i in range(self.rule.__code__.co_argcount - self.arrays)]

    def _compile(self, dtype: np.dtype, variant: str, text: str) -> Kernel:
        names = {"rule": scalar_rule(self.rule, dtype, self.name)}
        scope: dict = {}
        exec(compile(text, f"<loop {self.name}>", "exec"), names, scope)
        name = f"loop.{self.name}.{dtype.name}{variant}"
        return Kernel(scope["loop"], name, split=None if variant else flat)

    def __call__(self, *args):
        """The rule's values as a new array of the first array's dtype, float32 or float64."""
        first = args[0]
        dtype = first.dtype
        kernel = self.kernels.get(dtype) or self.kernel(dtype)
        count = self.arrays
        if count == 1 and len(args) == 1:
            out = np.empty(first.shape, dtype)
            kernel(out.reshape(-1), native(first).reshape(-1))
            return out
        arrays = args[:count]
        shape = first.shape
        for a in arrays:
            if a.shape != shape:
                return self.broadcast(dtype, dtype, args)
        out = np.empty(shape, dtype)
        flat = [native(a, dtype).reshape(-1) for a in arrays]
        if len(args) > count:
            number = dtype.type
            flat += [number(s) for s in args[count:]]
        kernel(out.reshape(-1), *flat)
        return out

    def broadcast(self, dtype: np.dtype, result: np.dtype, args: tuple) -> np.ndarray:
        """The rule's values in ``result`` for operands that broadcast, arrays of ``dtype`` or numbers."""
        count, number = self.arrays, dtype.type
        operands = args[:count]
        shapes = tuple([a.shape for a in operands if isinstance(a, np.ndarray)])
        if len(shapes) == count and len(set(shapes)) == 1:
            out = np.empty(shapes[0], result)
            flat = [native(a, dtype).reshape(-1) for a in operands]
            self.kernel(dtype)(out.reshape(-1), *flat, *[number(s) for s in args[count:]])
            return out
        merged = _merge(shapes)
        if merged is None:
            shape = np.broadcast_shapes(*shapes)
            operands = tuple(
                np.broadcast_to(a, shape) if isinstance(a, np.ndarray) else a for a in operands
            )
            return self.broadcast(dtype, result, (*operands, *args[count:]))
        shape, loops, strides = merged
        out = np.empty(shape, result)
        kinds = ""
        values: list[Any] = []
        outer: list[int] = []
        rows = iter(strides)
        for a in operands:
            if not isinstance(a, np.ndarray):
                kinds += "n"
                values.append(number(a))
                continue
            row = next(rows)
            kinds += "v" if row[2] else "c"
            values.append(native(a, None if a.dtype.kind == "b" else dtype).reshape(-1))
            outer += row[:2]
        extra = [number(s) for s in args[count:]]
        self.spread(dtype, kinds)(out.reshape(-1), *values, *loops, *outer, *extra)
        return out
