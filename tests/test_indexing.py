"""Indexing and assignment with NumPy as oracle, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_hw as tg

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def counted(shape: tuple) -> np.ndarray:
    return np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)


def as_tensors(index):
    """The same index with its arrays as Tensors."""
    if isinstance(index, tuple):
        return tuple(map(as_tensors, index))
    return tg.tensor(index) if isinstance(index, np.ndarray | list) else index


@st.composite
def cases(draw):
    """A shape with an index for it: basic, advanced, boolean, or a mixture."""
    shape = draw(SHAPES)
    kind = draw(st.sampled_from(["basic", "integer", "mask", "mixed"]))
    if kind == "basic":
        return shape, draw(hnp.basic_indices(shape, allow_newaxis=True))
    if kind == "mask":
        return shape, draw(hnp.arrays(bool, shape[: draw(st.integers(0, len(shape)))]))
    assume(shape and 0 not in shape)
    if kind == "integer":
        size = hnp.array_shapes(max_dims=2, max_side=4)
        return shape, draw(hnp.integer_array_indices(shape, result_shape=size, dtype=np.int64))
    count = draw(st.integers(1, 3))
    items = [
        draw(
            st.one_of(
                st.integers(-n, n - 1),
                st.slices(n),
                hnp.arrays(np.int64, count, elements=st.integers(-n, n - 1)),
                st.just(np.arange(n) == n - 1),
            )
        )
        for n in shape[: draw(st.integers(1, len(shape)))]
    ]
    for extra in (None, ...):
        if draw(st.booleans()):
            items.insert(draw(st.integers(0, len(items))), extra)
    return shape, tuple(items)


@given(cases(), st.booleans())
def test_reading(case, tensors):
    shape, index = case
    x = counted(shape)
    try:
        want = x[index]
    except IndexError:
        with pytest.raises(IndexError, match="getitem: "):
            tg.from_numpy(x)[as_tensors(index)]
        return
    t = tg.from_numpy(x).requires_grad_()
    y = t[as_tensors(index) if tensors else index]
    assert np.array_equal(y.detach(), want)
    assert y.shape == want.shape
    g = counted(want.shape)
    y.backward(tg.from_numpy(g))
    put = np.zeros(shape)
    np.add.at(put, index, g)
    assert np.array_equal(t.grad, put)


@given(cases(), st.sampled_from(["number", "whole", "row", "ones"]), st.booleans())
def test_writing(case, kind, values_need_gradient):
    shape, index = case
    x = counted(shape)
    try:
        target = x[index]
    except IndexError:
        with pytest.raises(IndexError, match="getitem: "):
            tg.from_numpy(x)[as_tensors(index)] = 0
        return
    values = {
        "number": np.asarray(-1.0),
        "whole": -counted(target.shape),
        "row": -counted(target.shape[1:]),
        "ones": -counted((1, 1, *target.shape)),
    }[kind]
    places = np.arange(x.size).reshape(shape)[index]
    assume(
        np.unique(places).size == places.size
    )  # what NumPy keeps of repeated places is its own affair
    t = tg.tensor(x, requires_grad=True)
    v = tg.tensor(values, requires_grad=values_need_gradient)
    y = t * 2
    y[as_tensors(index)] = v
    want = np.asarray(x * 2)
    # NumPy takes values with leading ones only sometimes.
    want[index] = fitting = values.reshape(target.shape) if kind == "ones" else values
    assert np.array_equal(y.detach(), want)
    g = counted(shape)
    y.backward(tg.from_numpy(g))
    kept = np.asarray(g * 2)
    kept[index] = 0
    assert np.array_equal(t.grad, kept)
    if values_need_gradient:
        back = np.zeros(values.shape)
        numbers = np.arange(values.size).reshape(fitting.shape)
        np.add.at(back.reshape(-1), np.broadcast_to(numbers, target.shape), g[index])
        assert np.array_equal(v.grad, back)


def test_gradients_of_repeated_indices_add_up():
    t = tg.zeros(3, requires_grad=True)
    t[tg.tensor([0, 2, 0, 0])].backward(tg.tensor([1.0, 2.0, 3.0, 4.0]))
    assert t.grad.tolist() == [8, 0, 2]
    (t[[1, 1]] * t[np.array([1, 1])]).sum().backward()
    assert t.grad.tolist() == [8, 0, 2]


def test_second_derivatives():
    x = tg.randn(3, 4, dtype=tg.float64, requires_grad=True)
    for index in (slice(None, None, -2), [0, 2, 0], (..., None, 1), np.eye(3, 4) > 0):
        assert tg.autograd.gradgradcheck(lambda t, i=index: t[i] * t[i] * t[i], x)


def test_views_and_copies():
    t = tg.zeros(2, 3)
    for view in t[0], t[:, ::-1], t[0, 1], t[..., None], t[()], t[0][1]:
        assert np.shares_memory(view.numpy(), t.numpy())
    for copy in t[[0]], t[t == 0], t[0, [1]]:
        assert not np.shares_memory(copy.numpy(), t.numpy())
    t[0][1] += 5
    assert t.tolist() == [[0, 5, 0], [0, 0, 0]]


def test_the_index_may_change_afterwards():
    t, index = tg.zeros(3, requires_grad=True), np.array([0, 1])
    y = t[index]
    index[:] = 2
    y.sum().backward()
    assert t.grad.tolist() == [1, 1, 0]


def test_what_may_be_an_index():
    t = tg.arange(12).reshape(3, 4)
    assert t[tg.tensor(1)].tolist() == t[np.int8(1)].tolist() == t[1].tolist()
    assert t[tg.tensor(1) : tg.tensor(3)].tolist() == t[1:3].tolist()
    assert t[[]].shape == (0, 4)
    assert t[True].shape == (1, 3, 4)
    assert t[np.False_].shape == (0, 3, 4)
    assert t[-1, -1].item() == 11
    assert t[tg.tensor([0, 2], dtype=tg.uint8), 1].tolist() == [1, 9]
    assert t[t > 9].tolist() == [10, 11]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ((..., ...), "getitem: expected at most one '...' in the index, got more"),
        (0.5, "getitem: expected integer, bool, slice, None or '...' as index, got float64"),
        ((0, [1.0]), "getitem: expected integer, bool, slice, None or '...' as index, got float64"),
        ("a", "getitem: expected integer, bool, slice, None or '...' as index, got <U1"),
        (np.array([True, False]), r"getitem: expected a mask of shape \(3,\), got \(2,\)"),
        (np.ones((3, 5), bool), r"getitem: expected a mask of shape \(3, 4\), got \(3, 5\)"),
        ((0, np.array([True])), r"getitem: boolean index did not match .* \(shape \(3, 4\)\)"),
        (3, r"getitem: index 3 is out of bounds for axis 0 with size 3 \(shape \(3, 4\)\)"),
        ((0, -5), "getitem: index -5 is out of bounds for axis 1 with size 4"),
        ([0, 7], "getitem: index 7 is out of bounds for axis 0 with size 3"),
        ((0, 0, 0), "getitem: expected at most 2 indices, got 3"),
        (([0, 1], [0, 1, 2]), "getitem: shape mismatch: indexing arrays could not be broadcast"),
    ],
)
def test_refused(index, message):
    t = tg.zeros(3, 4)
    with pytest.raises(IndexError, match=message):
        t[index]
    with pytest.raises(IndexError, match=message):
        t[index] = 1
    assert not t.any()


def test_assigned_values():
    t = tg.zeros(2, 3)
    t[0] = [1, 2, 3]
    t[1, 0] = 4
    t[1, 1:] = tg.tensor([5, 6])
    assert t.tolist() == [[1, 2, 3], [4, 5, 6]]
    t[t > 4] = np.float64(0)
    t[:, 0] = t[:, 2]
    assert t.tolist() == [[3, 2, 3], [0, 0, 0]]
    t[0] = t[0, [2, 1, 0]] * True
    t[::-1] = t.clone()
    assert t.tolist() == [[0, 0, 0], [3, 2, 3]]
    i = tg.zeros(2, dtype=tg.int64)
    i[:] = 2.7  # cast, as PyTorch and NumPy do
    assert i.tolist() == [2, 2]
    z = tg.tensor(1.0)
    z[...] = 3
    z[()] += 1
    assert z.item() == 4
    for index in (slice(None), [0, 1], tg.tensor([True, True])):
        with pytest.raises(
            tg.ShapeError,
            match=r"__setitem__: expected values that can be repeated to \(2, 3\), got \(2,\)",
        ):
            t[index] = tg.ones(2)
