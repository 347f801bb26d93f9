"""Every operator of the table: its derivatives proved, its values compared, on every kind of operand."""

from __future__ import annotations

import warnings

import numpy as np
import operators_page
import pytest
from checker import (
    check_first,
    check_second,
    floats,
    gradients,
    is_float,
    leaves,
    random_like,
    reached,
)
from hypothesis import settings
from op_cases import CASES, Case

import tinygrad_hw as tg
from tinygrad_hw import ops
from tinygrad_hw.errors import DTypeError, TinygradError

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
#: Points per derivative and case: 1 in the profile dev, 4 in ci, 80 in deep.
POINTS = max(1, settings.default.max_examples // 25)


def outputs(result) -> list[np.ndarray]:
    return [np.asarray(y) for y in (result if isinstance(result, tuple | list) else [result])]


def evaluate(case: Case, values: list) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs of Tensors, and gradients against a fixed random cotangent."""
    result = outputs(case(*leaves(values)))
    return result, gradients(case, values, cotangents(floats(result)))


def cotangents(arrays: list) -> list[np.ndarray]:
    return random_like(np.random.default_rng(0), arrays)


def same(some: list, others: list, tolerance: float = 0.0) -> None:
    """Equal in dtype and shape, and in value to ``tolerance`` of the largest."""
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        close(a, b, tolerance)


def close(a: np.ndarray, b: np.ndarray, tolerance: float, least: float = 0.0) -> None:
    """Equal to ``tolerance`` of the largest element, or of ``least`` where that is more."""
    largest = np.abs(b[np.isfinite(b)]).max(initial=least)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * largest)


def test_every_operator_has_a_case() -> None:
    assert set(ops.REGISTRY) - {c.op for c in CASES} == set()


def test_every_rule_is_reached() -> None:
    rules = {(p.name, i) for p in ops.PRIMITIVES.values() for i in p.rules}
    assert rules - set().union(*map(reached, CASES)) == set()


def test_the_page_of_operators_is_up_to_date() -> None:
    assert operators_page.PAGE.read_text(encoding="utf-8") == operators_page.page(), (
        "run python -m tests.operators_page"
    )


def test_operators_without_rules_say_so() -> None:
    for op in ops.PRIMITIVES.values():
        assert bool(op.rules) == op.differentiable, op


@every_case
def test_first_derivative(case: Case) -> None:
    for point in range(POINTS):
        check_first(case, point)


@every_case
def test_second_derivative(case: Case) -> None:
    for point in range(POINTS):
        check_second(case, point)


@pytest.mark.parametrize("case", [c for c in CASES if c.oracle], ids=lambda c: c.name)
def test_value(case: Case) -> None:
    values = case.draw()
    expected = case.oracle(*values)
    expected = expected if isinstance(expected, tuple) else (expected,)
    got = outputs(case(*values))[: len(expected)]
    for a, b in zip(got, map(np.asarray, expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@every_case
def test_arrays_give_what_tensors_give(case: Case) -> None:
    values = case.draw()
    same(outputs(case(*values)), outputs(case(*leaves(values))))


@every_case
def test_operands_are_left_alone_and_answers_repeat(case: Case) -> None:
    values = case.draw()
    before = [np.copy(x) for x in values]
    first, second = evaluate(case, values), evaluate(case, values)
    same([np.asarray(x) for x in values], before)
    for a, b in zip(first, second, strict=True):
        same(a, b)


@every_case
def test_float32(case: Case) -> None:
    values = case.draw()
    narrow = [x.astype(np.float32) if is_float(x) else x for x in values]
    if not any(map(is_float, values)) or case.name == "_cast-0" or case.op == "float_power":
        return
    for wide, got in zip(evaluate(case, values), evaluate(case, narrow), strict=True):
        for a, b in zip(got, wide, strict=True):
            assert a.dtype == (np.float32 if b.dtype.kind == "f" else b.dtype)
            close(a.astype(b.dtype), b, 1e-5, least=1.0)


def reversed_memory(x: np.ndarray) -> np.ndarray:
    """x in memory that runs backwards along every dimension."""
    turn = (slice(None, None, -1),) * x.ndim
    return x[turn].copy()[turn]


def strided(x: np.ndarray) -> np.ndarray:
    """x as every second element of something."""
    return np.repeat(x, 2, -1)[..., ::2]


def frozen(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.setflags(write=False)
    return x


LAYOUTS = [reversed_memory, lambda x: x.T.copy().T, strided, frozen]


@every_case
def test_memory_layout(case: Case) -> None:
    values = case.draw()
    expected = evaluate(case, values)
    for layout in LAYOUTS:
        moved = [layout(x) if isinstance(x, np.ndarray) and x.ndim else x for x in values]
        for a, b in zip(evaluate(case, moved), expected, strict=True):
            same(a, b, 1e-13)


@every_case
def test_fused_rules_are_the_rules(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops and kernels against the rule that they were made from, as called in a backward pass."""

    def both(rule):
        fused, stated = rule.on_arrays, rule.function

        def run(*args):
            a, b = np.asarray(fused(*args)), np.asarray(stated(*args))
            assert a.shape == b.shape
            close(a, b, 1e-5 if a.dtype == np.float32 else 1e-13)
            return a

        return run

    for op in ops.PRIMITIVES.values():
        for rule in op.rules.values():
            if rule.on_arrays is not rule.function:
                monkeypatch.setattr(rule, "on_arrays", both(rule))
    values = case.draw()
    for dtype in np.float64, np.float32:
        evaluate(case, [x.astype(dtype) if is_float(x) else x for x in values])


#: Operators that refuse to have float64 meet float32, as in PyTorch.
ONE_DTYPE = set(
    "matmul mm bmm mv dot linear addmm addmv addr addbmm baddbmm vdot inner tensordot chain_matmul multi_dot lstsq lerp "
    "solve solve_triangular prelu quantile nanquantile put index_put index_add index_copy scatter scatter_add "
    "scatter_reduce index_reduce cholesky_solve tensorsolve".split()
)


@every_case
def test_gradients_have_their_operands_type_and_shape(case: Case) -> None:
    """Also where float64 meets float32, which some refuse."""
    xs = leaves(
        [x.astype(np.float32) if is_float(x) and i else x for i, x in enumerate(case.draw())]
    )
    try:
        results = floats(case(*xs))
    except DTypeError:
        assert case.op in ONE_DTYPE or "conv" in case.op or "attention" in case.op
        return
    for y in results:
        if y.requires_grad:
            y.backward(tg.ones_like(y), retain_graph=True)
    for x in xs:
        if is_float(x) and x.grad is not None:
            assert (x.grad.dtype, x.grad.shape) == (x.dtype, x.shape)


def integers(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.trunc(np.abs(np.nan_to_num(x, posinf=2, neginf=2))))


@every_case
@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_other_types_are_computed_or_refused(case: Case, dtype: str) -> None:
    values = [integers(x).astype(dtype) if is_float(x) else x for x in case.draw()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = case(*leaves(values))
        except (TinygradError, ValueError, IndexError, ZeroDivisionError) as error:
            assert str(error).startswith(case.op.strip("_")) or ": expected" in str(error)
            return
    for y in outputs(result):
        assert y.dtype in tg.dtypes.SUPPORTED
