"""Mutation run over the derivative code: ``python -m tests.mutation [operator …]``.

Each derivative rule, each function that rules are made of, and each backward kernel is changed in one place (an
operation exchanged or dropped, a constant, a comparison, a branch, an operand, a sign), and the proofs of the operators that
reach it are run on the changed code, in this process: the table's first and second derivatives, then the table of
undefined points. A mutant that passes them all has survived. ``EQUIVALENT`` says of each known survivor why nothing could
tell it from the original; a run fails if it finds another.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from checker import check, reached
from op_cases import CASES
from test_stability import POINTS, check_point

from tinygrad_hw import ops
from tinygrad_hw.kernels import matmul, rows
from tinygrad_hw.kernels.jit import Kernel
from tinygrad_hw.ops import index, loss, product, reduce

#: What rules and backward kernels are made of, with the primitives whose rules use it.
HELPERS = {
    reduce._spread: ["_sum", "_norm2", "amax", "amin", "_logsumexp"],
    reduce.sum_to_shape: ["_expand", "add", "mul", "where", "_matmul"],
    reduce._total: ["_softmax", "_log_softmax"],
    product._swap: ["_matmul"],
    product._as_rows: ["_linear", "_affine"],
    loss._cross_entropy_kernel: ["_cross_entropy"],
    index._follow: ["_show"],
}
KERNELS = {
    rows.softmax_vjp: ["_softmax"],
    rows.log_softmax_vjp: ["_log_softmax"],
    rows.cross_entropy_vjp: ["_cross_entropy"],
    rows.exp_shifted: ["_cross_entropy", "_softmax"],
}

#: Why nothing can tell these mutants, named by their changed line, from the original.
EQUIVALENT = {
    "taken away again, or multiplied by what is 0 there": [
        "_eigh.input: inner = _over(_matmul(_swap(v), gv), gaps - _eye(v))",
        "_svd.input: if n >= k:",
        "_svd.input: if m >= k:",
        "_qr.input: if m >= n:",
    ],
    "matrices are square": ["_eigh.input: n = input_shape[-2]"],
    "an error either way": [
        "_qr.input: raise \"qr: expected mode 'reduced' for a gradient, got 'complete' with more rows than columns\"",
    ],
    "a mask counts as the numbers that it is cast to, and one number broadcasts": [
        "_median.input: attained = same",
        "_median.input: return g * attained * reciprocal(_sum(attained, tuple(range(len(input.shape))), True))",
    ],
    "a shortcut for g · 1": [
        "add.other: return g * alpha",
        "sub.other: return g * -alpha",
    ],
    "zero, whatever it is the multiple of": [
        "_pow_number.input: return input * 0.0 if exponent == 0 else g * (exponent * pow(input, exponent - 1))",
        "_pow.input: return g * (other * _pow(input, where(eq(other, 0), 2.0, other) - 1))",
        "sign.input: return -(g * 0.0)",
        "nextafter.other: return -(g * 0.0)",
        "_norm2.input: scale = div(g, where(eq(out, 0), 2.0, out))",
        "_logsumexp.input: weight = exp(input - where(flat, 1.0, spread))",
    ],
    "any number will do that keeps e^x finite where it is not used": [
        "elu.input: return where(gt(input, 0), g, g * (alpha * exp(where(ge(input, 0), 0.0, input))))",
        "elu.input: return where(gt(input, 0), g, g * (alpha * exp(where(gt(input, 1), 0.0, input))))",
        "elu.input: return where(gt(input, 0), g, g * (alpha * exp(where(gt(input, 0), 1.0, input))))",
    ],
    "any number will do that keeps a logarithm finite where it is not used": [
        "xlog1py.input: return g * where(none, 0.0, log1p(other))",
        "xlog1py.input: return g * where(none, 0.0, log1p(where(none, 2.0, other)))",
        "xlog1py.input: return g * where(none, 0.0, log1p(where(none, 0.0, other)))",
    ],
    "both branches agree at the bound": [
        "_bce.input: return g * ((input - target) / where(ge(spread, 1e-12), spread, 1e-12))",
    ],
    "a list is as good as a tuple, an int as a float, a Tensor of labels as their array": [
        "_permute.input: return _permute(g, sorted(range(len(dims)), key=dims.__getitem__))",
        "_spread: return _expand(g, input_shape)",
        "sum_to_shape: return g if g.shape == tuple(shape) else reshape(g, shape)",
        "sum_to_shape: return g if tuple(g.shape) == shape else reshape(g, shape)",
        "_total: return _sum(x, (dim,), True) if x.shape else x",
        "_as_rows: shape = x.shape",
        "_cross_entropy.input: return error * (div(g, len(input)) if reduction == 'mean' else g)",
        "_cross_entropy_kernel: rows.cross_entropy_vjp(out, scale, native(input), native(target, np.int64))",
        "_cross_entropy.input: error = softmax(input, 1) - one_hot(target, input.shape[1]).astype(input.dtype)",
        "_cross_entropy_kernel: scale = g / len(input) if reduction == 'mean' else g",
        "rows.softmax_vjp: dot = 0",
        "rows.log_softmax_vjp: total = 0",
    ],
    "there are as many labels as rows": [
        "_cross_entropy.input: return error * (div(g, float(len(target))) if reduction == 'mean' else g)",
        "_cross_entropy_kernel: scale = input.dtype.type(g / len(target) if reduction == 'mean' else g)",
    ],
    "a shorter way for matrices to what the general way gives too": [
        "_linear.input: return matmul(g, weight)",
        "_linear.input: return _matmul(g, weight) if g.shape == 2 else matmul(g, weight)",
        "_linear.input: return _matmul(g, weight) if len(g.shape) == 3 else matmul(g, weight)",
        "_linear.input: return _matmul(g, weight) if len(g.shape) == 0 else matmul(g, weight)",
        "_as_rows: return _reshape(x, (math.prod(shape[:-1]), shape[-1]))",
        "_as_rows: return x if shape == 2 else _reshape(x, (math.prod(shape[:-1]), shape[-1]))",
        "_as_rows: return x if len(shape) == 0 else _reshape(x, (math.prod(shape[:-1]), shape[-1]))",
        "sum_to_shape: g = _sum(g, dims, True)",
        "sum_to_shape: return reshape(g, shape)",
    ],
    "the sizes of blocks change nothing but the time": [
        "rows.cross_entropy_vjp: step = rows_at_once(out)",
        "rows.exp_shifted: if x.shape[1] <= WIDE:",
        "rows.exp_shifted: if x.shape[0] < WIDE:",
        "rows.exp_shifted: exp_all(out.reshape(-2))",
    ],
    "a sum over one element": [
        "sum_to_shape: dims = tuple(range(extra)) + tuple((i + extra for i, n in enumerate(shape) if n == 1))",
    ],
    "the kernel takes any memory layout, this one without being compiled again": [
        "_cross_entropy_kernel: rows.cross_entropy_vjp(out, scale, input, native(target, np.dtype(np.int64)))",
        "_cross_entropy_kernel: rows.cross_entropy_vjp(out, scale, native(input), target)",
    ],
}
EXPLAINED = {line: reason for reason, lines in EQUIVALENT.items() for line in lines}

OPPOSITE = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
OTHER_CALL = {
    "gt": ("ge", "lt"),
    "ge": ("gt", "le"),
    "lt": ("le", "gt"),
    "le": ("lt", "ge"),
    "eq": ("ne",),
    "logical_and": ("logical_or",),
    "mul": ("div",),
    "div": ("mul",),
    "exp": ("expm1",),
    "sin": ("cos",),
    "cos": ("sin",),
    "log": ("log1p",),
    "log1p": ("log",),
}


def replacements(node: ast.AST, parameters: list[str]) -> Iterator[ast.AST]:
    """What could stand in the place of ``node`` by mistake."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in OPPOSITE:
            yield ast.BinOp(node.left, OPPOSITE[type(node.op)](), node.right)
        yield node.left
        yield node.right
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPPOSITE:
        yield ast.AugAssign(node.target, OPPOSITE[type(node.op)](), node.value)
        yield ast.Assign([node.target], node.value)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITE:
        yield ast.Compare(node.left, [OPPOSITE[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(OPPOSITE[type(node.op)](), node.values)
        yield from node.values
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            yield ast.Constant(node.value + 1)
            if node.value:
                yield ast.Constant(type(node.value)(0))
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        for other in OTHER_CALL.get(name, ()):
            yield ast.Call(ast.Name(other, ast.Load()), node.args, node.keywords)
        if name == "where":
            yield ast.Call(node.func, [node.args[0], node.args[2], node.args[1]], [])
            yield from node.args[1:]
        elif node.args and not isinstance(node.args[0], ast.GeneratorExp | ast.Starred):
            yield node.args[0]
        if name in ("sub", "div", "_matmul", "matmul"):
            yield ast.Call(node.func, node.args[::-1], [])
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in parameters:
        for other in parameters:
            if other != node.id:
                yield ast.Name(other, ast.Load())
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value))


def mutants(function: FunctionType) -> Iterator[tuple[str, CodeType]]:
    """(description, code) of each different function that is one replacement away."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    if not isinstance(
        definition, ast.FunctionDef
    ):  # `op.vjp(lambda g: …)`, the only one on its line
        rule = next(node for node in ast.walk(definition) if isinstance(node, ast.Lambda))
        definition = ast.FunctionDef("_", rule.args, [ast.Return(rule.body)], [], type_params=[])
        ast.fix_missing_locations(definition)
    definition.decorator_list = []
    if ast.get_docstring(definition):
        definition.body.pop(0)
    parameters = [a.arg for a in definition.args.args + definition.args.kwonlyargs]
    original = ast.unparse(definition)
    seen = {original}
    paths = [p for p in _paths(definition) if p[0][0] == "body"]
    for path in paths:
        for replacement in replacements(_at(definition, path), parameters):
            changed = copy.deepcopy(definition)
            parent, (field, position) = _at(changed, path[:-1]), path[-1]
            if position is None:
                setattr(parent, field, copy.deepcopy(replacement))
            else:
                getattr(parent, field)[position] = copy.deepcopy(replacement)
            ast.fix_missing_locations(changed)
            text = ast.unparse(changed)
            if text in seen:
                continue
            seen.add(text)
            module = ast.Module([changed], [])
            try:
                code = compile(ast.parse(ast.unparse(module)), "<mutant>", "exec")
            except SyntaxError:
                continue
            inner = next(c for c in code.co_consts if isinstance(c, CodeType))
            yield _difference(original, text), inner


def _paths(node: ast.AST, path: tuple = ()) -> Iterator[tuple]:
    if isinstance(node, ast.Attribute) and node.attr in ("shape", "dtype"):
        return  # another operand's is the same, or no number of the derivative
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    for field, value in ast.iter_fields(node):
        for position, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                here = (*path, (field, position))
                yield here
                yield from _paths(child, here)


def _at(node, path: tuple):
    for field, position in path:
        node = getattr(node, field) if position is None else getattr(node, field)[position]
    return node


def _difference(original: str, text: str) -> str:
    old, new = original.splitlines(), text.splitlines()
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    return pairs[0][1].strip() if pairs else "a line less"


class Target:
    """A function to mutate, what to run on its mutants, and how to have it called."""

    def __init__(self, name: str, function: FunctionType, rules: list) -> None:
        self.name = name
        self.function = function
        self.rules = rules
        self.replaced = all(rule.function is function for *_, rule in rules)
        keys = {(op, operand) for op, operand, *_ in rules}
        through = [c for c in CASES if not keys or keys & reached(c)]
        names = {op.strip("_").split("_number")[0] for op, *_ in rules}
        # Those of the operator itself first, then a selection: kill early, and do not prove a survivor all day.
        through.sort(key=lambda c: c.op.strip("_") not in names)
        own = sum(c.op.strip("_") in names for c in through)
        self.cases = through[:own] + through[own :: max(1, (len(through) - own) // 60)]
        used = {c.op for c in self.cases}
        self.points = [p for p in POINTS if p.op in used]

    def __enter__(self) -> Target:
        self.code = self.function.__code__
        self.on_arrays = [rule.on_arrays for *_, rule in self.rules]
        for *_, rule in self.rules:
            if self.replaced and not isinstance(
                rule.on_arrays, FunctionType
            ):  # a loop: run the rule itself
                rule.on_arrays = rule.function
        return self

    def __exit__(self, *exception: object) -> None:
        self.function.__code__ = self.code
        for (*_, rule), on_arrays in zip(self.rules, self.on_arrays, strict=True):
            rule.on_arrays = on_arrays

    def survives(self) -> bool:
        """Whether every proof passes."""
        try:
            for case in self.cases:
                check(case)
            for point in self.points:
                check_point(point)
        except Exception:  # a mutant may fail in any way
            return False
        return True


def targets(chosen: list[str]) -> Iterator[Target]:
    found: dict[FunctionType, list] = {}
    for op in ops.PRIMITIVES.values():
        for operand, rule in op.rules.items():
            found.setdefault(rule.function, []).append((op.name, operand, rule))
    for function, rules in found.items():
        op, operand, _ = rules[0]
        name = f"{op}.{'operands' if ops.PRIMITIVES[op].variadic else ops.PRIMITIVES[op].operands[operand]}"
        if not chosen or op in chosen:
            yield Target(name, function, rules)
    if not chosen:
        for helper, users in HELPERS.items():
            yield Target(helper.__name__, helper, rules_of(users))
        for kernel, users in KERNELS.items():
            yield Target(kernel.name, kernel.function, rules_of(users))


def rules_of(names: list[str]) -> list:
    return [(n, operand, rule) for n in names for operand, rule in ops.PRIMITIVES[n].rules.items()]


def check_bounds() -> None:
    """Run kernels as plain Python and products by NumPy: mutants may hand over arrays of wrong shapes."""
    for kernel in vars(rows).values():
        if isinstance(kernel, Kernel) and kernel.function.__module__ == rows.__name__:
            kernel._compiled = kernel.function
    matmul.BLAS_FROM = 0
    np.empty = poisoned


def poisoned(shape, dtype=float, order="C") -> np.ndarray:
    """New memory whose use before it is written shows."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 0, dtype, order)


def main(chosen: list[str]) -> int:
    warnings.simplefilter("ignore")
    check_bounds()
    start = time.perf_counter()
    total, survivors = 0, []
    with np.errstate(all="ignore"):
        for target in targets(chosen):
            with target:
                if not target.survives():
                    raise SystemExit(f"{target.name}: its proofs fail without a mutation")
                for change, code in mutants(target.function):
                    target.function.__code__ = code
                    total += 1
                    if target.survives():
                        survivors.append(f"{target.name}: {change}")
                        reason = EXPLAINED.get(survivors[-1], "UNEXPLAINED")
                        print(f"survived  {survivors[-1]}\n          {reason}", flush=True)
    unexplained = [s for s in survivors if s not in EXPLAINED]
    killed = total - len(survivors)
    print(
        f"{total} mutants, {killed} killed ({killed / max(total, 1):.1%}), {len(survivors)} survived, "
        f"{len(unexplained)} of them unexplained; {time.perf_counter() - start:.0f} s"
    )
    return bool(unexplained) and not chosen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
