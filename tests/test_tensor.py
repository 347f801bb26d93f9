"""Tensor: operators, attributes, conversions, text, and Python's protocols."""

from __future__ import annotations

import copy
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_hw as tg
from tinygrad_hw.nn import Parameter

ARITHMETIC = {
    "+": (operator.add, lambda a, b: (np.ones_like(a), np.ones_like(b))),
    "-": (operator.sub, lambda a, b: (np.ones_like(a), -np.ones_like(b))),
    "*": (operator.mul, lambda a, b: (b, a)),
    "/": (operator.truediv, lambda a, b: (1 / b, -a / b**2)),
    "**": (operator.pow, lambda a, b: (b * a ** (b - 1), a**b * np.log(a))),
}
COMPARISON = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def leaf(data, dtype=tg.float64) -> tg.Tensor:
    return tg.tensor(data, dtype=dtype, requires_grad=True)


# Operators


@pytest.mark.parametrize("symbol", ARITHMETIC)
@pytest.mark.parametrize(
    "other", [2, 2.5, np.float64(2.5), np.array([2.0, 3.0]), np.array([[2.0], [3.0]])]
)
def test_arithmetic_with_what_is_no_tensor(symbol, other):
    function, derivatives = ARITHMETIC[symbol]
    x = np.array([1.5, 4.0])
    a, b = np.broadcast_arrays(x, np.asarray(other, float))
    for left in True, False:
        t = leaf(x)
        y = function(t, other) if left else function(other, t)
        assert isinstance(y, tg.Tensor)
        assert np.allclose(y.detach(), function(a, b) if left else function(b, a))
        y.sum().backward()
        want = derivatives(a, b)[0] if left else derivatives(b, a)[1]
        assert np.allclose(t.grad, want.reshape(-1, 2).sum(0))


@pytest.mark.parametrize("symbol", ARITHMETIC)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), st.randoms())
def test_operators_broadcast(symbol, shapes, random):
    function, derivatives = ARITHMETIC[symbol]
    rng = np.random.default_rng(random.randrange(99))
    x, y = (rng.uniform(0.5, 2, shape) for shape in shapes.input_shapes)
    s, t = leaf(x), leaf(y)
    out = function(s, t)
    assert out.shape == shapes.result_shape
    assert np.allclose(out.detach(), function(x, y))
    g = rng.normal(size=out.shape)
    out.backward(tg.from_numpy(g))
    for operand, d in zip((s, t), derivatives(*np.broadcast_arrays(x, y)), strict=True):
        extra = out.ndim - operand.ndim
        axes = tuple(i for i in range(out.ndim) if i < extra or operand.shape[i - extra] == 1)
        assert np.allclose(operand.grad, (g * d).sum(axes).reshape(operand.shape))


def test_matmul_with_arrays():
    a, t = np.arange(6.0).reshape(2, 3), leaf(np.ones((3, 2)))
    for y, want in (
        (a @ t, a.sum(0)[:, None] * np.ones((3, 2))),
        (t @ a, a.sum(1) * np.ones((3, 2))),
    ):
        assert isinstance(y, tg.Tensor)
        t.grad = None
        y.sum().backward()
        assert np.allclose(t.grad, want)


def test_unary():
    t = leaf([-2.0, 3.0])
    assert (-t).tolist() == [2, -3]
    assert abs(t).tolist() == [2, 3]
    assert +t is t
    (abs(t) * -t).sum().backward()
    assert t.grad.tolist() == [-4, -6]


@pytest.mark.parametrize("compare", COMPARISON)
def test_comparison(compare):
    x = np.array([1.0, 2.0, np.nan])
    for other in (2, np.array([1.0, 3.0, 0.0]), tg.tensor([[2.0], [1.0]])):
        for y, want in (
            (compare(tg.tensor(x), other), compare(x, np.asarray(other))),
            (compare(other, tg.tensor(x)), compare(np.asarray(other), x)),
        ):
            assert isinstance(y, tg.Tensor)
            assert y.dtype == tg.bool
            assert not y.requires_grad
            assert np.array_equal(y, want)


def test_comparison_with_strangers():
    t = tg.ones(2)
    assert (t == None) is False  # noqa: E711
    assert (t != "a") is True
    with pytest.raises(TypeError, match="'<' not supported between"):
        t < "a"  # noqa: B015
    for function in (*[f for f, _ in ARITHMETIC.values()], operator.matmul, operator.and_):
        with pytest.raises(TypeError, match="unsupported operand"):
            function(t, object())
        with pytest.raises(TypeError, match="unsupported operand"):
            function(None, t)


def test_bitwise():
    a, b = np.array([True, True, False]), np.array([True, False, False])
    for function in operator.and_, operator.or_, operator.xor:
        assert np.array_equal(function(tg.tensor(a), tg.tensor(b)), function(a, b))
        assert np.array_equal(function(tg.tensor(a), True), function(a, True))
        assert np.array_equal(function(b, tg.tensor(a)), function(a, b))
        assert isinstance(function(b, tg.tensor(a)), tg.Tensor)
        assert np.array_equal(function(6, tg.tensor([3, 5])), function(6, np.array([3, 5])))
        for x, y in ((tg.ones(2), tg.tensor([1, 0])), (tg.tensor([1, 0]), 1.5)):
            with pytest.raises(tg.DTypeError, match="expected bool or integers, got"):
                function(x, y)
    assert (~tg.tensor(a)).tolist() == [False, False, True]
    assert (~tg.tensor([5])).tolist() == [-6]
    with pytest.raises(tg.DTypeError, match="bitwise_not: expected bool or integers, got float32"):
        ~tg.ones(2)


def test_numpy_functions_keep_gradients():
    x = leaf([[1.0, 4.0], [9.0, 16.0]])
    cases = {
        "exp": np.exp(x / 10),
        "sqrt": np.sqrt(x),
        "sum": np.sum(x, axis=0, keepdims=True),
        "mean": np.mean(x, 1),
        "var": np.var(x, axis=0),
        "std": np.std(x, ddof=1),
        "max": np.max(x, axis=1),
        "cumsum": np.cumsum(x, axis=0),
        "concatenate": np.concatenate([x, np.ones((1, 2))], axis=0),
        "stack": np.stack((x, x), 1),
        "where": np.where(np.asarray(x) > 2, x, 0.0),
        "clip": np.clip(x, 2, 10),
        "transpose": np.transpose(x),
        "reshape": np.reshape(x, (4,)),
        "expand_dims": np.expand_dims(x, 1),
        "squeeze": np.squeeze(x),
        "broadcast_to": np.broadcast_to(x, (3, 2, 2)),
        "take_along_axis": np.take_along_axis(x, np.array([[1], [0]]), 1),
        "tril": np.tril(x, -1),
        "triu": np.triu(x, k=1),
        "outer": np.outer(x[0], x[1]),
        "einsum": np.einsum("ij,kj->ik", x, x),
        "matmul": np.matmul(np.asarray(x), x),
        "maximum": np.maximum(x, 3),
    }
    plain = np.asarray(x)
    for name, y in cases.items():
        assert isinstance(y, tg.Tensor), name
        assert y.requires_grad, name
        (g,) = tg.autograd.grad(y.sum(), x, allow_unused=True)
        assert g is not None, name
    assert np.allclose(cases["var"].detach(), np.var(plain, axis=0))
    assert np.allclose(cases["std"].detach(), np.std(plain, ddof=1))
    assert np.allclose(cases["take_along_axis"].detach(), [[4], [9]])
    assert np.array_equal(np.where(x > 2), np.where(plain > 2))


def test_other_numpy_functions_see_the_array():
    x = leaf([1.0, 2.0])
    assert np.array_equal(x, [1, 2])
    assert np.allclose(x, [1, 2])
    assert np.shape(x) == (2,)
    assert np.cbrt(x.detach()) == pytest.approx(np.cbrt([1, 2]))
    assert np.add.reduce(x.detach()) == 3
    assert np.linalg.norm(x.detach()) == pytest.approx(5**0.5)
    assert [len(a) for a in np.split(x.detach(), 2)] == [1, 1]
    total = np.zeros(2)
    total += x.detach()
    assert total.tolist() == [1, 2]
    for function in (np.cbrt, np.linalg.norm, np.gradient, lambda a: np.array_split(a, 2)):
        with pytest.raises(tg.GraphError, match="numpy.* expected no tensor that requires grad"):
            function(x)
    with pytest.raises(TypeError, match="dtype"):
        np.sum(x, dtype=np.float32)


# Attributes and conversions


def test_attributes():
    t = tg.zeros(2, 3, dtype=tg.float64)
    assert (t.shape, t.ndim, t.dim(), t.numel(), t.element_size()) == ((2, 3), 2, 2, 6, 8)
    assert (t.size(), t.size(0), t.size(-1)) == ((2, 3), 2, 3)
    with pytest.raises(IndexError, match=r"size: expected dim in \[-2, 1\], got 2"):
        t.size(2)
    assert (t.is_leaf, t.requires_grad, t.grad, t.grad_fn) == (True, False, None, None)
    assert t.is_floating_point()
    assert not tg.zeros(1, dtype=tg.int8).is_floating_point()
    assert t.is_contiguous()
    assert not t.T.is_contiguous()
    assert t.T.contiguous().is_contiguous()
    assert t.contiguous() is t
    y = t.requires_grad_() * 2
    assert (y.is_leaf, y.requires_grad, repr(y.grad_fn)) == (False, True, "<MulBackward0>")
    assert y.grad_fn.name == "MulBackward0"
    assert (y * 3).grad_fn.next_functions == ((y.grad_fn, 0), (None, 0))


def test_transposes():
    t = tg.arange(24).reshape(2, 3, 4)
    assert np.array_equal(t.T, t.numpy().T)
    assert np.array_equal(t.mT, t.numpy().swapaxes(1, 2))
    assert np.array_equal(t[0].t(), t.numpy()[0].T)
    assert tg.arange(3).t().tolist() == [0, 1, 2]
    with pytest.raises(
        tg.ShapeError, match=r"mT: expected at least 2 dimensions, got shape \(3,\)"
    ):
        _ = tg.arange(3).mT
    with pytest.raises(
        tg.ShapeError, match=r"t: expected at most 2 dimensions, got shape \(2, 3, 4\)"
    ):
        t.t()


def test_shapes_one_by_one_or_together():
    t = tg.arange(6)
    for y in t.reshape(2, 3), t.reshape((2, 3)), t.view(2, -1), t.view([2, 3]):
        assert y.tolist() == [[0, 1, 2], [3, 4, 5]]
    m = t.reshape(2, 3)
    assert m.permute(1, 0).shape == m.permute((1, 0)).shape == (3, 2)
    assert m.expand(4, -1, 3).shape == m.expand((4, 2, 3)).shape == (4, 2, 3)
    assert m.flip(0, 1).tolist() == m.flip((0, 1)).tolist() == [[5, 4, 3], [2, 1, 0]]
    with pytest.raises(
        tg.ShapeError, match=r"view: expected memory that fits \(6,\) without copying"
    ):
        m.T.view(6)
    with pytest.raises(tg.DTypeError, match="view: expected sizes, got a dtype"):
        m.view(tg.float32)
    assert m.where(m > 2, 0).tolist() == [[0, 0, 0], [3, 4, 5]]


def test_conversions():
    t = tg.tensor([1.7, -2.3], requires_grad=True)
    assert t.to(tg.float32) is t
    for y, dtype in (
        (t.double(), "float64"), (t.to("float64"), "float64"), (t.to(tg.zeros(1, dtype="int16")), "int16"),
        (t.int(), "int32"), (t.long(), "int64"), (t.bool(), "bool"), (t.double().float(), "float32"),
        (t.type(tg.int8), "int8"),
    ):  # fmt: skip
        assert y.dtype == dtype
        assert y.requires_grad == dtype.startswith("float")
    t.double().sum().backward()
    assert t.grad.dtype == tg.float32
    assert t.int().tolist() == [1, -2]


def test_to_numpy():
    t = tg.ones(2)
    assert t.numpy() is np.asarray(t)
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), t.numpy())
    x = tg.ones(2, requires_grad=True)
    assert np.shares_memory(np.asarray(x), x.detach().numpy())
    with pytest.raises(tg.GraphError, match="numpy: expected a tensor that does not require grad"):
        x.numpy()
    with pytest.raises(
        ValueError, match="array: expected to copy for float64, got copy=False and float32"
    ):
        x.__array__(np.float64, copy=False)
    assert list(np.arange(10)[tg.tensor([2, 3])]) == [2, 3]


def test_item_and_tolist():
    assert tg.tensor([[2]]).item() == 2
    assert isinstance(tg.tensor(True).item(), bool)
    assert isinstance(tg.tensor(2.0).item(), float)
    assert tg.tensor([[1.0], [2.0]]).tolist() == [[1.0], [2.0]]
    assert tg.tensor(3).tolist() == 3
    with pytest.raises(ValueError, match=r"item: expected one element, got shape \(2,\)"):
        tg.ones(2).item()


def test_numbers():
    assert float(tg.tensor([2.5])) == 2.5
    assert int(tg.tensor(2.9)) == 2
    assert [10, 20][tg.tensor(1)] == 20
    for function, name in ((float, "float"), (int, "int"), (bool, "bool")):
        for t in tg.ones(2), tg.ones(0):
            with pytest.raises(
                ValueError, match=rf"{name}: expected one element, got shape \(\d,\)"
            ):
                function(t)
    with pytest.raises(TypeError, match=r"index: expected one integer, got float32 of shape \(\)"):
        _ = [1][tg.tensor(0.0)]
    assert [bool(tg.tensor(x)) for x in (0.0, [2], True, float("nan"))] == [False, True, True, True]


# Python's protocols


def test_len_iteration_and_in():
    t = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2
    rows = list(t)
    assert [r.tolist() for r in rows] == [[1, 2], [3, 4]]
    (rows[0] * rows[1]).sum().backward()
    assert t.grad.tolist() == [[3, 4], [1, 2]]
    assert 3 in t
    assert 5.5 not in t
    assert tg.tensor([1.0, 9.0]) in t
    with pytest.raises(TypeError, match="in: expected a number or a tensor, got str"):
        _ = "a" in t
    with pytest.raises(TypeError, match="len: expected a tensor with dimensions, got a 0-d one"):
        len(tg.tensor(1))
    with pytest.raises(TypeError, match="iter: expected a tensor with dimensions, got a 0-d one"):
        iter(tg.tensor(1))
    assert len({t, t, tg.ones(1), tg.ones(1)}) == 3  # hashed by identity


def test_copies():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    for y in copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.deepcopy([x, x])[1]:
        assert (y.tolist(), y.dtype, y.requires_grad, y.is_leaf) == ([1, 2], tg.float64, True, True)
        assert not np.shares_memory(np.asarray(y), np.asarray(x))
    y = copy.deepcopy(x)
    assert y.grad.tolist() == [2, 4]
    y.grad += 1
    assert x.grad.tolist() == [2, 4]
    first, second = copy.deepcopy([x, x])
    assert first is second
    p = Parameter(tg.ones(2))
    for q in copy.deepcopy(p), pickle.loads(pickle.dumps(p)):
        assert type(q) is Parameter
    result = x * 2
    with pytest.raises(
        tg.GraphError, match="deepcopy: expected a leaf, got the result of an operation"
    ):
        copy.deepcopy(result)
    loaded = pickle.loads(pickle.dumps(result[:1]))
    assert (loaded.tolist(), loaded.is_leaf, loaded.requires_grad) == ([2], True, True)
    assert np.shares_memory(np.asarray(copy.copy(x)), np.asarray(x))


def test_clone_and_detach():
    x = leaf([1.0, 2.0])
    y = x.clone()
    assert not np.shares_memory(np.asarray(x), np.asarray(y))
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
    for z in x.detach(), x.data, (x * 1).detach():
        assert (z.requires_grad, z.is_leaf, z.grad_fn) == (False, True, None)
    assert np.shares_memory(x.detach().numpy(), np.asarray(x))
    x.data[0] = 5
    assert x.tolist() == [5, 2]
    x.data = tg.zeros(3)
    assert x.tolist() == [0, 0, 0]
    with pytest.raises(TypeError, match="data: expected a Tensor, got list"):
        x.data = [1]


def test_requires_grad():
    t = tg.ones(2)
    assert t.requires_grad_() is t
    assert t.requires_grad
    t.requires_grad = False
    assert not (t * 2).requires_grad
    y = tg.ones(2, requires_grad=True) * 2
    y.requires_grad = True
    with pytest.raises(tg.GraphError, match=r"requires_grad: expected a leaf, got .*\nUse detach"):
        y.requires_grad = False
    with pytest.raises(tg.DTypeError, match="requires_grad: expected floating point, got int64"):
        tg.tensor([1]).requires_grad_()
    assert tg.ones(2, requires_grad=True).argmax().requires_grad is False
    assert not (tg.ones(2, requires_grad=True) > 0).requires_grad


# Text, as PyTorch writes it


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (tg.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (tg.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (tg.tensor([-1.5, 20]), "tensor([-1.5000, 20.0000])"),
        (tg.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (tg.tensor([0.5, 1001.0]), "tensor([5.0000e-01, 1.0010e+03])"),
        (tg.tensor(123456789.0), "tensor(1.2346e+08)"),
        (tg.tensor([float("nan"), 1.0]), "tensor([nan, 1.])"),
        (tg.tensor([float("inf"), 0.5, -float("inf")]), "tensor([   inf, 0.5000,   -inf])"),
        (tg.tensor(3.5), "tensor(3.5000)"),
        (tg.tensor(0.0), "tensor(0.)"),
        (tg.tensor(7), "tensor(7)"),
        (tg.tensor(True), "tensor(True)"),
        (tg.tensor([True, False]), "tensor([ True, False])"),
        (tg.tensor([[1, -20], [3, 400]]), "tensor([[  1, -20],\n        [  3, 400]])"),
        (tg.tensor([1, 2], dtype=tg.int32), "tensor([1, 2], dtype=tg.int32)"),
        (tg.tensor([1.5], dtype=tg.float64), "tensor([1.5000], dtype=tg.float64)"),
        (tg.tensor([]), "tensor([])"),
        (tg.zeros(0, dtype=tg.int64), "tensor([], dtype=tg.int64)"),
        (tg.zeros(0, 3), "tensor([], size=(0, 3))"),
        (tg.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (tg.ones(2, requires_grad=True) * 2, "tensor([2., 2.], grad_fn=<MulBackward0>)"),
        (tg.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
        (
            tg.ones(2, 2, 1),
            "tensor([[[1.],\n         [1.]],\n\n        [[1.],\n         [1.]]])",
        ),
        (
            tg.arange(0, 1, 0.1),
            "tensor([0.0000, 0.1000, 0.2000, 0.3000, 0.4000, 0.5000, 0.6000, 0.7000, 0.8000,\n        0.9000])",
        ),
        (
            tg.zeros(7, 200),
            "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n        ...,\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])",
        ),
        (
            tg.tensor([0.5] * 8, dtype=tg.float64, requires_grad=True),
            "tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000],\n"
            "       dtype=tg.float64, requires_grad=True)",
        ),
    ],
)  # fmt: skip
def test_repr(t, text):
    assert repr(t) == text


def test_repr_and_format():
    assert repr(Parameter(tg.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"
    assert f"{tg.tensor(1.5, requires_grad=True):.3f}" == "1.500"
    assert f"{tg.tensor(1.5)}" == "1.5"
    assert f"{tg.tensor([1.5])}" == "tensor([1.5000])"
    assert f"{tg.tensor([1]):>12}" == " tensor([1])"


def test_signs_of_operators_on_both_sides():
    x, n = np.array([5.0, -3.0]), np.array([5, 3])
    for f in operator.floordiv, operator.mod, operator.pow:
        t = tg.tensor(np.abs(x))
        assert np.array_equal(f(t, 2), f(np.abs(x), 2))
        assert np.array_equal(f(3, t), f(3, np.abs(x)))
        assert np.array_equal(f(x * x, t), f(x * x, np.abs(x)))
    for f in operator.lshift, operator.rshift:
        assert np.array_equal(f(tg.tensor(n), 1), f(n, 1))
        assert np.array_equal(f(64, tg.tensor(n)), f(64, n))
    assert (x @ tg.tensor(x)).item() == 34
    t = alias = tg.tensor(n)
    t //= 2
    t <<= 3
    t >>= 1
    t %= 5
    assert t is alias
    assert t.tolist() == [3, 4]
    assert tg.tensor(n).type_as(tg.tensor(x)).dtype == tg.float64


def test_methods_that_take_more():
    x = np.arange(12.0).reshape(3, 4)
    t = tg.tensor(x)
    assert np.array_equal(t.repeat(2, 1), np.tile(x, (2, 1)))
    assert np.array_equal(t.tile(2), np.tile(x, 2))
    assert np.array_equal(t.unfold(1, 2, 2), x.reshape(3, 2, 2))
    assert tg.tensor(2.0).unfold(0, 1, 1).tolist() == [2]
    assert np.allclose(t.add(1).polygamma(1), tg.polygamma(1, tg.tensor(x + 1)))
    assert t.to("cpu") is t
    assert t.to("cpu", tg.float32).dtype == tg.float32
    assert t.to(tg.float64, False, True) is not t
    assert t.to(dtype=tg.int64).dtype == tg.int64


def test_numpy_s_other_functions_keep_gradients():
    x = np.array([0.3, 0.6])
    unary = "tan arcsin arccos arctan sinh cosh arcsinh arctanh exp2 log2 log10 deg2rad rad2deg floor ceil trunc"
    for name in unary.split():
        t = tg.tensor(x, requires_grad=True)
        y = getattr(np, name)(t)
        assert y.requires_grad
        assert np.allclose(y.detach(), getattr(np, name)(x))
    for name in "logaddexp arctan2 hypot fmod remainder floor_divide copysign".split():
        t = tg.tensor(x, requires_grad=True)
        for y in (getattr(np, name)(t, x), getattr(np, name)(x, t)):
            assert y.requires_grad
            assert np.allclose(y.detach(), getattr(np, name)(x, x))
    assert np.left_shift(tg.tensor([1, 2]), 3).tolist() == [8, 16]
    assert np.right_shift(64, tg.tensor([1, 2])).tolist() == [32, 16]
