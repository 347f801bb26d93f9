"""Tensors from data, from nothing, and from random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg

SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (3, "int64", ()),
        (2.5, "float32", ()),
        (True, "bool", ()),
        ([1, 2], "int64", (2,)),
        ([1, 2.5], "float32", (2,)),
        ([True, 2], "int64", (2,)),
        ([True, False], "bool", (2,)),
        ([], "float32", (0,)),
        ([[], []], "float32", (2, 0)),
        (((1, 2), [3, 4]), "int64", (2, 2)),
        (range(3), "int64", (3,)),
        (np.float64(3), "float64", ()),
        ([np.float64(3)], "float64", (1,)),
        (np.ones((2, 3), np.int8), "int8", (2, 3)),
        (np.ones(2, ">f8"), "float64", (2,)),
        (tg.ones(2, dtype="float64"), "float64", (2,)),
        ([tg.tensor(1.0), tg.tensor(2.0)], "float32", (2,)),
        ([[tg.tensor(1), 2]], "int64", (1, 2)),
        ([tg.ones(2), tg.zeros(2)], "float32", (2, 2)),
    ],
)
def test_tensor_infers_type_and_shape(data, dtype, shape):
    t = tg.tensor(data)
    assert (t.dtype, t.shape) == (dtype, shape)
    assert t.dtype.isnative
    assert t.is_leaf
    assert not t.requires_grad
    assert np.array_equal(t, np.array(data, dtype))


def test_tensor_copies():
    for source in (np.zeros(2, np.float32), tg.zeros(2)):
        t = tg.tensor(source)
        t += 1
        assert source.tolist() == [0, 0]
    x = tg.tensor(tg.ones(2, requires_grad=True) * 2)
    assert x.is_leaf
    assert not x.requires_grad


def test_tensor_converts():
    assert tg.tensor([1.9, -1.9], dtype=tg.int64).tolist() == [1, -1]
    assert tg.tensor([0, 2], dtype=bool).tolist() == [False, True]
    assert tg.Tensor([1, 2]).dtype == tg.float32
    assert tg.Tensor(tg.ones(2, dtype=tg.int8), requires_grad=True).requires_grad
    assert tg.Tensor().shape == (0,)
    assert tg.tensor(1.5, requires_grad=True).requires_grad


def test_tensor_refuses():
    with pytest.raises(
        tg.ShapeError, match="tensor: expected nested lists of equal lengths, got ragged"
    ):
        tg.tensor([[1, 2], [3]])
    with pytest.raises(tg.DTypeError, match="tensor: expected one of .*, got str"):
        tg.tensor("spam")
    with pytest.raises(tg.DTypeError, match="tensor: expected one of .*, got uint64"):
        tg.tensor(2**63)
    with pytest.raises(
        tg.DTypeError, match="tensor: expected a float dtype where requires_grad, got int64"
    ):
        tg.tensor([1], requires_grad=True)


def test_sharing_memory():
    a = np.zeros(3, np.float32)
    for t in tg.from_numpy(a), tg.as_tensor(a), tg.as_tensor(a, dtype=tg.float32):
        a += 1
        assert t.tolist() == a.tolist()
        t += 1
        assert a.tolist() == t.tolist()
        assert t.numpy() is a
    assert not np.shares_memory(tg.as_tensor(a, dtype=tg.float64), a)
    t = tg.zeros(2)
    assert tg.as_tensor(t) is t
    assert tg.as_tensor(t, dtype="int8").dtype == "int8"
    assert tg.as_tensor([1.0]).dtype == tg.float32
    assert tg.from_numpy(a[::-2]).tolist() == a[::-2].tolist()
    with pytest.raises(TypeError, match="from_numpy: expected an array, got list"):
        tg.from_numpy([1])
    with pytest.raises(tg.DTypeError, match="from_numpy: expected one of .*, got float16"):
        tg.from_numpy(np.zeros(1, np.float16))
    with pytest.raises(tg.DTypeError, match="from_numpy: expected native byte order, got >f8"):
        tg.from_numpy(np.zeros(1, ">f8"))


@given(SHAPES, st.sampled_from([None, "float64", "int8", "bool"]))
def test_filled(shape, dtype):
    for make, value in ((tg.zeros, 0), (tg.ones, 1)):
        for t in (
            make(shape, dtype=dtype),
            make(list(shape), dtype=dtype),
            make(*shape, dtype=dtype),
        ):
            if not shape and t.shape == (0,):
                continue
            assert np.array_equal(t, np.full(shape, value, dtype or "float32"))
            assert t.dtype == (dtype or "float32")
    assert tg.empty(shape, dtype=dtype).shape == shape
    assert tg.full(shape, 3, dtype=dtype).dtype == (dtype or "int64")
    assert np.array_equal(tg.full(shape, 2.5), np.full(shape, 2.5))
    like = tg.ones(shape, dtype=dtype)
    for t, value in (
        (tg.zeros_like(like), 0), (tg.ones_like(like), 1), (tg.full_like(like, 1), 1), (tg.empty_like(like), None)
    ):  # fmt: skip
        assert (t.dtype, t.shape) == (like.dtype, shape)
        assert value is None or (t == value).all()
    for make in (tg.zeros_like, tg.ones_like, tg.empty_like):
        assert make(like, dtype="float64", requires_grad=True).requires_grad
    assert tg.full_like(like, 1, dtype="float64").dtype == "float64"


def test_full_takes_the_type_of_its_value():
    for value, dtype in (
        (True, "bool"),
        (3, "int64"),
        (3.0, "float32"),
        (tg.tensor(3.0), "float32"),
    ):
        assert tg.full((2,), value).dtype == dtype


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_arange_of_integers(start, end, step):
    if (end - start) * step < 0:
        with pytest.raises(ValueError, match="arange: expected a step towards end, got"):
            tg.arange(start, end, step)
        return
    t = tg.arange(start, end, step)
    assert t.tolist() == list(range(start, end, step))
    assert t.dtype == tg.int64


def test_arange():
    assert tg.arange(3).tolist() == [0, 1, 2]
    assert tg.arange(3.0).dtype == tg.arange(0, 3, 1.0).dtype == tg.float32
    assert tg.arange(1, 2.5).tolist() == [1, 2]
    assert tg.arange(0, 1, 0.1).numpy() == pytest.approx(np.arange(10) / 10)
    assert tg.arange(5, 0, -2, dtype=tg.float64, requires_grad=True).tolist() == [5, 3, 1]
    assert tg.arange(tg.tensor(3)).tolist() == [0, 1, 2]
    assert tg.arange(2**60, 2**60 + 2).tolist() == [2**60, 2**60 + 1]
    with pytest.raises(ValueError, match="arange: expected a step other than 0"):
        tg.arange(0, 3, 0)


def test_linspace():
    assert tg.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert tg.linspace(3, -3, 3, dtype=tg.float64).tolist() == [3, 0, -3]
    assert tg.linspace(2, 9, 1).tolist() == [2]
    assert tg.linspace(2, 9, 0).shape == (0,)
    with pytest.raises(ValueError, match="linspace: expected steps >= 0, got -1"):
        tg.linspace(0, 1, -1)


def test_eye():
    assert tg.eye(2).tolist() == [[1, 0], [0, 1]]
    assert tg.eye(2, 3, dtype=tg.int32).tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(tg.ShapeError, match=r"eye: expected sizes >= 0, got \(2, -1\)"):
        tg.eye(2, -1)


@given(SHAPES, st.sampled_from(["float32", "float64"]), st.integers(0, 100))
def test_random_floats(shape, dtype, seed):
    g = tg.Generator(seed)
    for t in (
        tg.rand(shape, generator=g, dtype=dtype),
        tg.rand_like(tg.zeros(shape, dtype=dtype), generator=g),
    ):
        assert (t.shape, t.dtype) == (shape, dtype)
        assert ((t >= 0) & (t < 1)).all()
    assert tg.randn(*shape, generator=g, dtype=dtype, requires_grad=True).requires_grad
    assert tg.randn_like(tg.zeros(shape, dtype=dtype), generator=g).dtype == dtype
    assert tg.rand_like(tg.zeros(2, dtype=tg.int8), dtype=dtype).dtype == dtype


def test_random_moments():
    g = tg.Generator(0)
    u, z = tg.rand(100_000, generator=g), tg.randn(100_000, generator=g)
    assert u.mean().item() == pytest.approx(0.5, abs=0.005)
    assert u.var().item() == pytest.approx(1 / 12, abs=0.002)
    assert z.mean().item() == pytest.approx(0, abs=0.02)
    assert z.std().item() == pytest.approx(1, abs=0.01)


def test_random_integers():
    g = tg.Generator(0)
    t = tg.randint(-2, 3, (1000,), generator=g)
    assert (t.dtype, set(t.tolist())) == (tg.int64, {-2, -1, 0, 1, 2})
    assert set(tg.randint(2, (50,), generator=g, dtype=tg.uint8).tolist()) == {0, 1}
    assert tg.randint(1).item() == 0
    assert sorted(tg.randperm(9, generator=g).tolist()) == list(range(9))
    assert tg.randperm(0, dtype=tg.int32).dtype == tg.int32


def test_refusals():
    with pytest.raises(tg.ShapeError, match=r"zeros: expected sizes >= 0, got \(2, -1\)"):
        tg.zeros(2, -1)
    with pytest.raises(TypeError, match=r"ones: expected ints as size, got \(2\.5,\)"):
        tg.ones(2.5)
    with pytest.raises(
        tg.DTypeError, match="zeros: expected a float dtype where requires_grad, got int64"
    ):
        tg.zeros(2, dtype=int, requires_grad=True)
    for make in (tg.rand, tg.randn):
        with pytest.raises(
            tg.DTypeError, match=f"{make.__name__}: expected a float dtype, got int64"
        ):
            make(2, dtype=int)
    with pytest.raises(ValueError, match="randint: expected low < high, got 3 and 3"):
        tg.randint(3, 3, (2,))
    with pytest.raises(ValueError, match="randperm: expected n >= 0, got -1"):
        tg.randperm(-1)


@pytest.mark.parametrize("offset", [-5, -1, 0, 2, 9])
def test_indices_of_triangles(offset: int) -> None:
    for name in "tril_indices", "triu_indices":
        places = getattr(tg, name)(3, 4, offset)
        assert places.dtype == tg.int64
        assert np.array_equal(places, np.stack(getattr(np, name)(3, offset, 4)))
    assert tg.tril_indices(2, 2, dtype=tg.int32).dtype == tg.int32
    with pytest.raises(tg.ShapeError, match="triu_indices: expected sizes >= 0, got"):
        tg.triu_indices(-1, 2)


def test_new_tensors_like_another() -> None:
    x = tg.ones(2, dtype=tg.float64)
    assert x.new_zeros(2, 3).tolist() == [[0] * 3] * 2
    assert x.new_ones((2,)).dtype == x.new_empty(1).dtype == tg.float64
    assert x.new_full((1,), 2, dtype=tg.int64).tolist() == [2]
    assert x.new_tensor([1, 2]).dtype == tg.float64
    assert x.new_ones(1, requires_grad=True).requires_grad
    step = tg.compile(lambda x: x + x.new_full((2,), 3.0))
    assert step(x).tolist() == step(x).tolist() == [4, 4]
