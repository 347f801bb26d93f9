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
import inspect
import textwrap
from types import FunctionType
from typing import Any

import numpy as np

from .jit import Kernel
from .scalar import NAMES


def native(a: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """``a`` as kernels take arrays: C-contiguous and writable, else copied.

    For any other kind (a broadcast, a reversed vector, a read-only file) Numba would compile them once more.
    """
    return a if a.flags.carray and dtype in (None, a.dtype) else np.array(a, dtype, order="C")


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
        self.kernels: dict[np.dtype, Kernel] = {}

    def kernel(self, dtype: np.dtype) -> Kernel:
        """The compiled pass for ``dtype``: ``kernel(out, *arrays, *numbers)``, all arrays 1-d."""
        found = self.kernels.get(dtype)
        if found is None:
            count = self.rule.__code__.co_argcount
            arrays = [f"a{i}" for i in range(self.arrays)]
            numbers = [f"s{i}" for i in range(count - self.arrays)]
            text = (
                f"def loop({', '.join(['out', *arrays, *numbers])}):\n"
                " for i in range(out.size):\n"
                f"  out[i] = rule({', '.join([f'{a}[i]' for a in arrays] + numbers)})\n"
            )
            names = {"rule": scalar_rule(self.rule, dtype, self.name)}
            scope: dict = {}
            exec(compile(text, f"<loop {self.name}>", "exec"), names, scope)
            found = self.kernels[dtype] = Kernel(scope["loop"], f"loop.{self.name}.{dtype.name}")
        return found

    def __call__(self, *args):
        """The rule's values as a new array of the first array's dtype, float32 or float64."""
        first = args[0]
        dtype = first.dtype
        kernel = self.kernels.get(dtype) or self.kernel(dtype)
        count = self.arrays
        if count == 1 and len(args) == 1:
            out = np.empty(first.shape, dtype)
            kernel(out.reshape(-1), native(first.reshape(-1)))
            return out
        arrays = args[:count]
        shape = first.shape
        for a in arrays:
            if a.shape != shape:
                shape = np.broadcast_shapes(*[b.shape for b in arrays])
                arrays = tuple([np.broadcast_to(b, shape) for b in arrays])
                break
        out = np.empty(shape, dtype)
        flat = [native(a.reshape(-1), dtype) for a in arrays]
        if len(args) > count:
            number = dtype.type
            flat += [number(s) for s in args[count:]]
        kernel(out.reshape(-1), *flat)
        return out
