"""Promotion: the table of PyTorch, and what is weak in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import dtypes

# Where two tensors with dimensions meet. f, d: float32, float64; u: uint8; b, s, i, l: int8 … int64; ?: bool.
TABLE = """
  ? u b s i l f d
? ? u b s i l f d
u u u s s i l f d
b b s b s i l f d
s s s s s i l f d
i i i i i i l f d
l l l l l l l f d
f f f f f f f f d
d d d d d d d d d
"""
NAMES = dict(
    zip("?ubsilfd", "bool uint8 int8 int16 int32 int64 float32 float64".split(), strict=True)
)
ROWS = [line.split() for line in TABLE.strip().splitlines()]
PROMOTED = {
    (NAMES[row[0]], NAMES[column]): NAMES[cell]
    for row in ROWS[1:]
    for column, cell in zip(ROWS[0], row[1:], strict=True)
}
CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}
NUMBERS = [(True, "bool"), (1, "int64"), (1.5, "float32")]


def ones(name: str, shape: tuple = (2,)) -> tg.Tensor:
    return tg.ones(shape, dtype=name)


def expected(first: tuple, second: tuple) -> str:
    """The dtype of (name, rank) with (name, rank); a higher rank (dimensions, then 0-d, then numbers) decides."""
    (a, rank_a), (b, rank_b) = sorted((first, second), key=lambda x: x[1])
    higher = CATEGORY[np.dtype(b).kind] < CATEGORY[np.dtype(a).kind]
    if rank_a == rank_b:
        return PROMOTED[a, b]
    return a if higher else b


@pytest.mark.parametrize(("a", "b"), PROMOTED)
def test_the_table(a, b):
    want = PROMOTED[a, b]
    assert (ones(a) + ones(b)).dtype == want
    assert (ones(a) * ones(b)).dtype == want
    assert (ones(a) / ones(b)).dtype == (want if want.startswith("float") else "float32")
    assert (ones(a) < ones(b)).dtype == "bool"
    assert tg.maximum(ones(a), ones(b)).dtype == want
    assert tg.where(tg.tensor(True), ones(a), ones(b)).dtype == want
    assert tg.cat([ones(a), ones(b)]).dtype == want
    assert dtypes.result_type(ones(a), ones(b)) == want


@given(*[st.sampled_from(list(NAMES.values()))] * 2, *[st.sampled_from([(), (1,), (2, 1)])] * 2)
def test_dimensions_come_before_none(a, b, shape, other):
    rank_a, rank_b = min(len(shape), 1), min(len(other), 1)
    want = expected((a, rank_a), (b, rank_b))
    assert (ones(a, shape) * ones(b, other)).dtype == want
    assert tg.result_type(ones(a, shape), ones(b, other)) == want


@given(st.sampled_from(list(NAMES.values())), st.sampled_from([(), (2,)]), st.sampled_from(NUMBERS))
def test_numbers_are_weak(name, shape, weak):
    number, kind = weak
    want = expected((name, 1), (kind, 0))
    assert (ones(name, shape) * number).dtype == want
    assert (number * ones(name, shape)).dtype == want
    assert (ones(name, shape) + np.asarray(number)[()]).dtype == want  # NumPy's numbers too


def test_numpy_scalars_do_not_widen():
    for t in tg.ones(3), tg.tensor(1.0):
        assert (np.sqrt(2.0) * t).dtype == tg.float32
        assert (t / np.float64(3)).dtype == tg.float32
    assert (tg.ones(3) * np.ones(3)).dtype == tg.float64  # arrays do


@pytest.mark.parametrize("name", NAMES.values())
def test_in_place_keeps_the_dtype_or_refuses(name):
    for other in NAMES.values():
        t = ones(name)
        if CATEGORY[np.dtype(other).kind] <= CATEGORY[np.dtype(name).kind]:
            t += ones(other)
            assert t.dtype == name
        else:
            with pytest.raises(tg.DTypeError, match=f"add_: expected a result of {name}, got"):
                t += ones(other)


def test_default_dtype():
    assert tg.get_default_dtype() is tg.float32
    tg.set_default_dtype(tg.float64)
    try:
        assert tg.tensor([1.5]).dtype == tg.zeros(2).dtype == tg.rand(2).dtype == tg.float64
        assert (tg.tensor([1]) / 2).dtype == (tg.tensor([1]) + 1.5).dtype == tg.float64
        assert (tg.ones(2, dtype=tg.float32) + 1.5).dtype == tg.float32
        assert repr(tg.tensor([1.5])) == "tensor([1.5000])"
    finally:
        tg.set_default_dtype(float)
        tg.set_default_dtype(tg.float32)
    with pytest.raises(
        tg.DTypeError, match="set_default_dtype: expected float32 or float64, got int64"
    ):
        tg.set_default_dtype(tg.int64)


def test_what_is_a_dtype():
    for given_, want in (
        (float, "float32"),
        (int, "int64"),
        (bool, "bool"),
        ("uint8", "uint8"),
        (np.int16, "int16"),
    ):
        assert tg.zeros(1, dtype=given_).dtype == want
    with pytest.raises(
        tg.DTypeError, match="zeros: expected one of float32, .*, bool, got complex128"
    ):
        tg.zeros(1, dtype=complex)
    with pytest.raises(tg.DTypeError, match="ones: expected a dtype, got 'spam'"):
        tg.ones(1, dtype="spam")
    with pytest.raises(tg.DTypeError, match="to: expected one of float32, .* got float16"):
        tg.ones(1).to(np.float16)
