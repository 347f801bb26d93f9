"""Operators of a user's own."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw.autograd import Function


def function(forward, backward=None, name="Mine"):
    """A Function class of these two."""
    methods = {"forward": staticmethod(forward)}
    if backward is not None:
        methods["backward"] = staticmethod(backward)
    return type(name, (Function,), methods)


def leaf(*values) -> tg.Tensor:
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = ctx.shape = scale  # any name will do
        return x * x * x * scale

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.scale, None


class PolarToXY(Function):
    """Two outputs, both saved."""

    @staticmethod
    def forward(ctx, r, angle):
        x, y = r * angle.cos(), r * angle.sin()
        ctx.save_for_backward(r, angle, x, y)
        return x, y

    @staticmethod
    def backward(ctx, gx, gy):
        _, angle, x, y = ctx.saved_tensors
        return gx * angle.cos() + gy * angle.sin(), gy * x - gx * y


class ExpByOutput(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(None, y)
        return y

    @staticmethod
    def backward(ctx, g):
        _, y = ctx.saved_tensors
        return g * y


def test_first_and_second_derivative():
    x, angle = leaf(1.5, -2.0), leaf(0.3, 2.0)
    assert Cube.apply(x, 2.0).tolist() == [6.75, -16]
    for f, inputs in (
        (lambda t: Cube.apply(t, 2.0), (x,)),
        (PolarToXY.apply, (x, angle)),
        (lambda r, a: PolarToXY.apply(r, a)[1], (x, angle)),
        (ExpByOutput.apply, (x,)),
        (lambda t: ExpByOutput.apply(Cube.apply(t, 0.1) * t), (x,)),
    ):
        assert tg.autograd.gradcheck(f, inputs)
        assert tg.autograd.gradgradcheck(f, inputs)
    (g,) = tg.autograd.grad(ExpByOutput.apply(x), x, tg.ones(2), create_graph=True)
    (g,) = tg.autograd.grad(g, x, tg.ones(2), create_graph=True)
    assert tg.autograd.grad(g, x, tg.ones(2))[0].tolist() == pytest.approx(np.exp([1.5, -2.0]))


def test_the_node():
    x = leaf(1.0)
    y = Cube.apply(x * 2, 1.0)
    assert repr(y) == "tensor([8.], dtype=tg.float64, grad_fn=<CubeBackward>)"
    assert repr(y.grad_fn.next_functions[0][0]) == "<MulBackward0>"
    first, second = PolarToXY.apply(x, x)
    assert first.grad_fn is not second.grad_fn
    first.retain_grad()
    (first * 3).sum().backward()
    assert first.grad.tolist() == [3]


def test_forward_is_not_recorded():
    seen = []

    def forward(ctx, x, y, n):
        seen.append((tg.is_grad_enabled(), ctx.needs_input_grad))
        ctx.save_for_backward(x)
        assert ctx.saved_tensors[0] is x
        return x * y

    mine = function(forward, lambda ctx, g: (g * 2, None, None))
    x, y = leaf(1.0), tg.ones(1, dtype=tg.float64)
    z = mine.apply(x, y, 3)
    assert seen == [(False, (True, False, False))]
    z.sum().backward()
    assert x.grad.tolist() == [2]
    with tg.no_grad():
        assert not mine.apply(x, y, 3).requires_grad
    assert not mine.apply(y, y, 3).requires_grad
    mine.apply(y, y, 3).numpy()


def test_backward_is_recorded_only_where_wanted():
    modes = []

    def backward(ctx, g):
        modes.append(tg.is_grad_enabled())
        return g * 2

    mine = function(lambda ctx, x: x * 2, backward)
    x = leaf(1.0)
    mine.apply(x).sum().backward()
    mine.apply(x).sum().backward(create_graph=True)
    assert modes == [False, True]
    x.grad = None


def test_outputs_without_gradient():
    def forward(ctx, x):
        constant, used = x * 5, x * 2
        ctx.mark_non_differentiable(constant)
        return used, constant, x.long(), 7, None

    def backward(ctx, *gs):
        got.append([None if g is None else g.tolist() for g in gs])
        return gs[0] * 2

    got: list = []
    x = leaf(1.0, 2.0)
    used, constant, integers, seven, nothing = function(forward, backward).apply(x)
    assert (used.requires_grad, constant.requires_grad, integers.requires_grad) == (
        True,
        False,
        False,
    )
    assert (seven, nothing) == (7, None)
    used.sum().backward()
    assert got == [[[1, 1], [0, 0], [0, 0], None, None]]
    assert x.grad.tolist() == [2, 2]


def test_materialized_gradients():
    def make(materialize):
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        def backward(ctx, g, h):
            got.append((g.tolist(), None if h is None else h.tolist()))
            return g * 2

        return function(forward, backward)

    got: list = []
    x = leaf(1.0)
    for materialize in True, False:
        make(materialize).apply(x)[0].backward()
    assert got == [([1], [0]), ([1], None)]


def test_gradients_of_outputs_add_up():
    x = leaf(2.0)
    a, b = function(lambda ctx, x: (x * 2, x * 3), lambda ctx, g, h: g * 2 + h * 3).apply(x)
    (a * 10 + b * 100 + a + b).sum().backward()
    assert x.grad.tolist() == [2 * 11 + 3 * 101]
    a, b = function(lambda ctx, x: (x * 2, x * 3), lambda ctx, g, h: g * 2 + h * 3).apply(x)
    ga, gx = tg.autograd.grad((a * b).sum(), (a, x))
    assert (ga.tolist(), gx.tolist()) == ([6], [24])


def test_arguments_returned_as_they_are():
    x = leaf(1.0, 2.0)
    y = function(lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    assert y is not x
    assert not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [5, 5]
    z = function(lambda ctx, x: x[0], lambda ctx, g: g * tg.tensor([7.0, 0.0])).apply(x)
    z.backward()
    assert x.grad.tolist() == [12, 5]


def test_a_gradient_for_broadcast_arguments_is_summed():
    mine = function(lambda ctx, x, y: x + y, lambda ctx, g: (g, g))
    x, y = leaf(1.0, 2.0), tg.tensor(3.0, requires_grad=True)
    mine.apply(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.item(), y.grad.dtype) == ([1, 1], 2, tg.float32)
    mine.apply(y, x).sum().backward(create_graph=True)
    assert y.grad.item() == 4
    y.grad = x.grad = None


def test_saved_tensors_are_watched():
    x = leaf(1.0)
    y = x * 1
    z = Cube.apply(y, 1.0)
    y += 1
    with pytest.raises(
        tg.GraphError,
        match="backward: Cube saved its tensor 0 of shape .*, which add_ changed in place",
    ):
        z.backward()
    contexts = []

    def forward(ctx, x):
        contexts.append(ctx)
        ctx.save_for_backward(x)
        return x * 2

    z = function(forward, lambda ctx, g: g).apply(x)
    assert contexts[0].saved_tensors[0] is x
    z.backward()
    with pytest.raises(tg.GraphError, match="backward: what Mine saved was freed by an earlier"):
        _ = contexts[0].saved_tensors
    with pytest.raises(tg.GraphError, match="the graph through Mine was freed"):
        z.backward()


@pytest.mark.parametrize(
    ("backward", "error", "message"),
    [
        (lambda ctx, g: g, tg.GraphError, "Mine.backward: expected 2 gradients, .*, got 1"),
        (lambda ctx, g: (g, g, g), tg.GraphError, "Mine.backward: expected 2 gradients, .*, got 3"),
        (lambda ctx, g: (g, 2.0), TypeError, "Mine.backward: expected Tensors or None, got float"),
        (
            lambda ctx, g: (g[:1], None),
            tg.ShapeError,
            r"Mine.backward: .* shape \(2,\) for argument 0, got \(1,\)",
        ),
        (
            lambda ctx, g: (g.expand(3, 2)[:, :1], None),
            tg.ShapeError,
            r"for argument 0, got \(3, 1\)",
        ),
        (None, NotImplementedError, r"Function: expected a static method backward\(ctx, \*grads\)"),
    ],
)
def test_wrong_backwards(backward, error, message):
    x = leaf(1.0, 2.0)
    y = function(lambda ctx, x, y: x * 2, backward).apply(x, x)
    for create_graph in False, True:
        with pytest.raises(error, match=message):
            y.sum().backward(retain_graph=True, create_graph=create_graph)


def test_more_gradients_than_arguments_may_be_none():
    x = leaf(1.0)
    function(lambda ctx, x: x * 2, lambda ctx, g: (g, None, None)).apply(x).backward()
    assert x.grad.tolist() == [1]
    function(lambda ctx, x: x * 2, lambda ctx, g: None).apply(x).backward()
    assert x.grad.tolist() == [1]


def test_wrong_forwards():
    for result in 3.0, [tg.ones(1)], (1, None), None:
        with pytest.raises(
            TypeError, match="Mine.forward: expected a Tensor or a tuple with Tensors, got"
        ):
            function(lambda ctx, x, result=result: result).apply(leaf(1.0))
    with pytest.raises(
        NotImplementedError, match=r"Function: expected a static method forward\(ctx, \*args\)"
    ):
        Function.apply(leaf(1.0))
    with pytest.raises(
        TypeError, match="save_for_backward: expected Tensors or None, got int\nKeep other values"
    ):
        function(lambda ctx, x: ctx.save_for_backward(3)).apply(leaf(1.0))
