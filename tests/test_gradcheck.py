"""The checker of gradients: what passes, and above all what does not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw.autograd import Function, GradcheckError, gradcheck, gradgradcheck


def leaf(*shape, seed=0) -> tg.Tensor:
    values = np.random.default_rng(seed).uniform(0.5, 1.5, shape)
    return tg.tensor(values, requires_grad=True)


def scaled(first=1.0, second=1.0):
    """x³ whose first derivative is off by a factor, and whose second is by another."""

    class Slope(Function):
        @staticmethod
        def forward(ctx, x, g):
            ctx.save_for_backward(x, g)
            return g * x * x * 3 * first

        @staticmethod
        def backward(ctx, gg):
            x, g = ctx.saved_tensors
            return gg * g * x * 6 * first * second, gg * x * x * 3 * first

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            return Slope.apply(*ctx.saved_tensors, g)

    return Cube.apply


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x: x * x, [(3,)]),
        (lambda x: x, [(2,)]),
        (lambda x, y: (x @ y, (x * 2).sum()), [(2, 3), (3, 2)]),
        (lambda x: [x.exp(), x > 0, 5], [(2,)]),
        (lambda x, y: x.sum(), [(2,), (2,)]),
        (lambda x: x.sum() * 0 + tg.tensor(1.0, dtype=tg.float64), [()]),
        (lambda x: x * 2, [(0, 3)]),
        (lambda x: tg.tensor([1.0], dtype=tg.float64), [(2,)]),
        (scaled(), [(2, 2)]),
    ],
)
def test_right_gradients_pass(function, shapes):
    inputs = [leaf(*shape, seed=i) for i, shape in enumerate(shapes)]
    before = [np.array(x) for x in inputs]
    assert gradcheck(function, inputs) is True
    assert gradgradcheck(function, inputs) is True
    assert all(np.array_equal(x, b) and x.grad is None for x, b in zip(inputs, before, strict=True))


def test_inputs_that_need_no_gradient():
    number = tg.ones(2)
    assert gradcheck(lambda x, n, flag: x * n if flag else x, (leaf(2), number, True))
    assert gradgradcheck(lambda x, n: x * x * n, (leaf(2), number))
    assert gradcheck(lambda x: x * x, leaf(2))  # one input need not be in a tuple
    assert gradgradcheck(lambda x: x * x, leaf(2), leaf(2, seed=5))


@pytest.mark.parametrize("factor", [0, -1, 1.01, float("nan")])
def test_a_wrong_first_derivative_is_found(factor):
    x = tg.tensor([[2.0, 3.0]], dtype=tg.float64, requires_grad=True)
    got = "nan" if factor != factor else f"{12 * factor:.3g}"
    message = (
        r"gradcheck: input 0, element \(0, 0\), output 0, element \(0, 0\): expected 12\.?\d* by central "
        rf"differences, got {got}.* \([12] of 2 elements of this input differ\)"
    )
    with pytest.raises(GradcheckError, match=message):
        gradcheck(scaled(factor), x)
    assert gradcheck(scaled(factor), x, raise_exception=False) is False
    assert isinstance(GradcheckError(), AssertionError)


@pytest.mark.parametrize("factor", [0, -1, 1.01])
def test_a_wrong_second_derivative_is_found(factor):
    assert gradcheck(scaled(1, factor), leaf(2))
    with pytest.raises(GradcheckError, match=r"gradcheck: input 0, element \(0,\), output 0"):
        gradgradcheck(scaled(1, factor), leaf(2))
    assert gradgradcheck(scaled(1, factor), leaf(2), raise_exception=False) is False


def test_the_message_names_the_place():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 1, x + y

        @staticmethod
        def backward(ctx, g, h):
            return g + h, h * tg.tensor([1.0, 1.0, 2.0], dtype=tg.float64)

    message = (
        r"input 1, element \(2,\), output 1, element \(2,\): expected 1(\.0\d*)? .*, got 2 \(1 of 3"
    )
    with pytest.raises(GradcheckError, match=message):
        gradcheck(Wrong.apply, (leaf(3), leaf(3, seed=1)))


def test_what_autograd_does_not_see_is_found():
    for function in (
        lambda x: x.detach() * x,
        lambda x: x.detach() * 2,
        lambda x: tg.tensor(np.asarray(x) * 2),
    ):
        with pytest.raises(GradcheckError, match="expected .* by central differences, got"):
            gradcheck(function, leaf(2))
    # Second derivatives through a backward that leaves the tensors are zero, which is wrong.

    class Leaves(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = np.array(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * (2 * ctx.x)

    assert gradcheck(Leaves.apply, leaf(2))
    with pytest.raises(GradcheckError, match="got 0"):
        gradgradcheck(Leaves.apply, leaf(2))


def test_chance_is_found():
    with pytest.raises(GradcheckError, match="expected .* by central differences"):
        gradcheck(lambda x: x * tg.rand(2, dtype=tg.float64), leaf(2))
    count = itertools.count()

    class Unsteady(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * (2 + 1e-9 * next(count))

    with pytest.raises(
        GradcheckError, match="two backward passes differ for input 0: not deterministic"
    ):
        gradcheck(Unsteady.apply, leaf(2))


def test_tolerances():
    nearly = scaled(1 + 1e-4)
    assert gradcheck(nearly, leaf(2))
    with pytest.raises(GradcheckError):
        gradcheck(nearly, leaf(2), atol=0, rtol=1e-5)
    assert gradcheck(scaled(1.05), leaf(2), rtol=0.1)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x**3, tg.tensor([1e-3], dtype=tg.float64, requires_grad=True), eps=0.1)


def test_inputs_are_restored_when_the_function_fails():
    x = leaf(2)
    before = x.tolist()

    def fails_nearby(t):
        if t.tolist() != before:
            raise KeyError
        return t

    with pytest.raises(KeyError):
        gradcheck(fails_nearby, x)
    assert x.tolist() == before


def test_what_cannot_be_checked():
    with pytest.raises(
        ValueError, match="gradcheck: expected at least one input that requires grad, got none"
    ):
        gradcheck(lambda x: x, tg.ones(1))
    with pytest.raises(ValueError, match="gradcheck: expected float64 inputs, input 1 is float32"):
        gradcheck(lambda x, y: x, (leaf(1), tg.ones(1, requires_grad=True)))
    with pytest.raises(
        ValueError, match="gradcheck: expected inputs of their own memory, input 0 is a view"
    ):
        gradcheck(lambda x: x, tg.ones(2, 3, dtype=tg.float64).T.requires_grad_())
