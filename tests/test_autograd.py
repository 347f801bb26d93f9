"""Gradients of graphs: random ones against finite differences and another library, and every argument and mode."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg

# Random graphs: each step names a function and the earlier values that it is of. Smooth, and bounded where repeated.
UNARY = {
    "tanh": lambda m, a: m.tanh(a),
    "sin": lambda m, a: m.sin(a),
    "exp": lambda m, a: m.exp(m.sin(a)),
    "log": lambda m, a: m.log(a * a + 1.5),
    "sqrt": lambda m, a: m.sqrt(a * a + 0.5),
    "sum": lambda m, a: m.sum(a, 0) * 0.3 if a.ndim else a,
    "turn": lambda m, a: a.T if a.ndim == 2 else a,
    "pick": lambda m, a: a[[0, 0, 1]] if a.ndim else a,
    "cut": lambda m, a: a[..., ::-1] if a.ndim else a,
    "reshape": lambda m, a: m.reshape(a, (-1,)),
    "cube": lambda m, a: (a * 0.5) ** 3,
}
BINARY = {
    "+": lambda m, a, b: a + b,
    "-": lambda m, a, b: a - b,
    "*": lambda m, a, b: m.tanh(a) * b,
    "/": lambda m, a, b: a / (b * b + 1.0),
    "@": lambda m, a, b: m.matmul(a, b) * 0.2,
    "stack": lambda m, a, b: m.stack([a, b]),
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*UNARY, *BINARY]), st.integers(0, 9), st.integers(0, 9)
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip
LEAVES = [(3, 3), (3,), ()]


def graph(m, steps, leaves):
    """The scalar value of a program over the functions of module ``m``."""
    values = list(leaves)
    for name, i, j in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        try:
            value = UNARY[name](m, a) if name in UNARY else BINARY[name](m, a, b)
        except (ValueError, IndexError, TypeError):  # shapes that do not go together
            continue
        if value.ndim <= 3 and math.prod(value.shape) < 60:
            values.append(value)
    return sum(m.sum(m.sin(v + k)) for k, v in enumerate(values))


class TG:
    """tinygrad_hw under the names that the programs use."""

    tanh, sin, exp, log, sqrt = tg.tanh, tg.sin, tg.exp, tg.log, tg.sqrt
    sum, reshape, matmul, stack = tg.sum, tg.reshape, tg.matmul, tg.stack


def draw_leaves(seed: int) -> list:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in LEAVES]


@given(STEPS, st.integers(0, 999))
def test_random_graphs_by_finite_differences(steps, seed):
    arrays = draw_leaves(seed)
    leaves = [tg.tensor(a, requires_grad=True) for a in arrays]
    graph(TG, steps, leaves).backward()
    for k, leaf in enumerate(leaves):
        direction = np.random.default_rng(seed + 1).normal(size=leaf.shape)

        def along(t, k=k, direction=direction):
            moved = [a + t * direction if i == k else a for i, a in enumerate(arrays)]
            return float(graph(TG, steps, [tg.tensor(a) for a in moved]))

        h = 1e-6
        slope = (along(h) - along(-h)) / (2 * h)
        assert np.sum(leaf.grad.numpy() * direction) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@given(STEPS, st.integers(0, 999))
def test_random_graphs_by_another_library(steps, seed):
    autograd = pytest.importorskip("autograd")
    from autograd import numpy as anp

    arrays = draw_leaves(seed)
    leaves = [tg.tensor(a, requires_grad=True) for a in arrays]

    def value(*xs):
        return graph(anp, steps, xs)

    def slope(*xs):
        grads = autograd.grad(value, (0, 1, 2))(*xs)
        return sum(anp.sum(g * anp.cos(x)) for g, x in zip(grads, xs, strict=True))

    grads = tg.autograd.grad(graph(TG, steps, leaves), leaves, create_graph=True)
    second = tg.autograd.grad(
        sum((g * x.cos()).sum() for g, x in zip(grads, leaves, strict=True)), leaves
    )
    for ours, theirs in zip(grads, autograd.grad(value, (0, 1, 2))(*arrays), strict=True):
        assert np.allclose(ours.detach(), theirs, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(second, autograd.grad(slope, (0, 1, 2))(*arrays), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@given(STEPS, st.integers(0, 999), st.booleans())
def test_gradients_share_memory_with_nothing(steps, seed, create_graph):
    leaves = [tg.tensor(a, requires_grad=True) for a in draw_leaves(seed)]
    twice = leaves[0] + leaves[0]
    root = graph(TG, steps, [*leaves, twice]) + twice.sum() + (leaves[1] + leaves[2]).sum()
    cotangent = tg.tensor(1.0, dtype=tg.float64)
    twice.retain_grad()
    root.backward(cotangent, retain_graph=True, create_graph=create_graph)
    tensors = [*leaves, twice]
    everything = [cotangent, *tensors, *(t.grad for t in tensors)]
    for i, t in enumerate(tensors):
        before = [np.array(x) for x in everything]
        t.grad.data.add_(100)
        changed = [not np.array_equal(x, old) for x, old in zip(everything, before, strict=True)]
        assert [k for k, c in enumerate(changed) if c] == [len(tensors) + 1 + i]
    # Nor with what a second pass needs.
    want = [np.array(t.grad) for t in tensors]
    if not create_graph:
        for t in tensors:
            t.grad = None
        root.backward()
        for t, w in zip(tensors, want, strict=True):
            assert np.allclose(t.grad, w - 100)


# backward


def test_backward_accumulates():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    grad = None
    for n in 1, 2, 3:
        (x * x).sum().backward()
        assert x.grad.tolist() == [2 * n, 4 * n]
        assert grad is None or x.grad is grad  # added in place, as PyTorch does
        grad = x.grad
    assert not x.grad.requires_grad
    x.grad = None
    (x * x).backward(tg.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2, 40]
    (x * 3).backward(np.array([1.0, 0.0]))
    assert x.grad.tolist() == [5, 40]
    x.backward(tg.ones(2))  # a leaf itself
    assert x.grad.tolist() == [6, 41]
    (x[:1] * 1).reshape(1, 1).backward()
    assert x.grad.tolist() == [7, 41]


def test_backward_of_several():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    tg.autograd.backward([y.sum(), y[0]])
    assert x.grad.tolist() == [4, 4]
    tg.autograd.backward(x * 2, tg.ones(2))
    assert x.grad.tolist() == [6, 6]
    tg.autograd.backward((x * 2, (x * x).sum()), (tg.ones(2), None))
    assert x.grad.tolist() == [10, 12]
    with pytest.raises(ValueError, match="backward: expected 1 grad_tensors, got 2"):
        tg.autograd.backward(x * 2, [tg.ones(2), None])
    with pytest.raises(TypeError, match="backward: expected Tensors, got float"):
        tg.autograd.backward(1.5)


def test_gradients_keep_their_operands_type():
    x = tg.ones(2, requires_grad=True)
    d = tg.ones(2, dtype=tg.float64, requires_grad=True)
    (x * d).sum().backward()
    assert (x.grad.dtype, d.grad.dtype) == (tg.float32, tg.float64)
    (x.double() * 2).backward(tg.ones(2))  # a cotangent of another type
    assert x.grad.dtype == tg.float32
    i = tg.tensor([2, 3])
    (x * i).sum().backward()
    assert i.grad is None


def test_a_graph_is_freed_unless_retained():
    x = tg.tensor([2.0], requires_grad=True)
    y = (x * x).exp()
    y.backward(retain_graph=True)
    y.backward()
    for again in (y.backward, lambda: tg.autograd.grad(y, x), lambda: (y * 1).backward()):
        with pytest.raises(
            tg.GraphError,
            match="backward: the graph through exp was freed .*\nPass retain_graph=True",
        ):
            again()
    z = x + 1  # what saved nothing can be passed again, as in PyTorch
    z.backward()
    z.backward()


def test_what_backward_refuses():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(
        tg.GraphError, match=r"backward: expected a gradient for an output of shape \(2,\)"
    ):
        (x * 2).backward()
    with pytest.raises(
        tg.ShapeError, match=r"backward: expected a gradient of shape \(2,\), got \(3,\)"
    ):
        (x * 2).backward(tg.ones(3))
    with tg.no_grad():
        y = x * 2
    for t in y, tg.ones(1), x.detach():
        with pytest.raises(
            tg.GraphError,
            match="backward: expected a tensor that requires grad.*\nWas it computed under",
        ):
            t.sum().backward()


def test_a_node_that_is_met_many_times():
    x = tg.tensor(1.0, dtype=tg.float64, requires_grad=True)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5  # 2⁶⁰ paths
    y.backward()
    assert x.grad.item() == pytest.approx(1)


def test_undefined_derivatives_of_one_operand_do_not_reach_another():
    x, y = tg.tensor([0.0, 4.0], requires_grad=True), tg.tensor([2.0, 3.0], requires_grad=True)
    tg.where(tg.tensor([False, True]), x.sqrt(), y).sum().backward()
    assert y.grad.tolist() == [1, 0]


# retain_grad and create_graph


def test_retain_grad():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [6, 12]
    (y * 1).sum().backward()
    assert y.grad.tolist() == [7, 13]
    z = x * 1
    z.sum().backward()
    assert z.grad is None
    x.retain_grad()  # a leaf does anyway
    with pytest.raises(tg.GraphError, match="retain_grad: expected a tensor that requires grad"):
        tg.ones(1).retain_grad()


def test_create_graph():
    x = tg.tensor(2.0, requires_grad=True)
    (x * x * x).backward(create_graph=True)
    assert x.grad.item() == 12
    assert x.grad.requires_grad
    first = x.grad
    x.grad = None
    first.backward()
    assert x.grad.item() == 12
    # Into a gradient with history, an ordinary pass adds without changing that history.
    x.grad = None
    (x * x).backward(create_graph=True)
    kept = x.grad
    (x * 5).backward()
    assert (x.grad.item(), kept.item()) == (9, 4)
    x.grad = None


@pytest.mark.parametrize(
    ("f", "derivatives"),
    [
        (lambda x: x**4, (32, 48, 48, 24)),
        (lambda x: x.exp(), (np.e**2,) * 4),
        (lambda x: 1 / x, (-1 / 4, 1 / 4, -3 / 8, 3 / 4)),
        (lambda x: x.log() * x, (np.log(2) + 1, 1 / 2, -1 / 4, 1 / 4)),
        (lambda x: x.sin(), (np.cos(2), -np.sin(2), -np.cos(2), np.sin(2))),
    ],
)
def test_higher_derivatives(f, derivatives):
    x = tg.tensor(2.0, dtype=tg.float64, requires_grad=True)
    y = f(x)
    for want in derivatives:
        (y,) = tg.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(want)


def test_a_gradient_penalty():
    w = tg.tensor([1.0, -2.0], dtype=tg.float64, requires_grad=True)
    x = tg.tensor([0.3, 0.4], dtype=tg.float64, requires_grad=True)
    (g,) = tg.autograd.grad((w * x).sum().tanh(), x, create_graph=True)
    (g * g).sum().backward()
    s = 1 - np.tanh(-0.5) ** 2
    ds = -2 * np.tanh(-0.5) * s
    # Σ g² = s² |w|²
    assert w.grad.tolist() == pytest.approx(
        [2 * s * ds * 5 * 0.3 + 2 * s**2, 2 * s * ds * 5 * 0.4 - 4 * s**2]
    )


# grad


def test_grad_touches_no_leaf():
    x, w = tg.tensor([1.0, 2.0], requires_grad=True), tg.tensor(3.0, requires_grad=True)
    y = x * w
    loss = (y * y).sum()
    gx, gw, gy = tg.autograd.grad(loss, (x, w, y))
    assert (gx.tolist(), gw.item(), gy.tolist()) == ([18, 36], 30, [6, 12])
    assert x.grad is None
    assert w.grad is None
    assert not gx.requires_grad


def test_grad_of_duplicates_and_of_itself():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    g, h, gy = tg.autograd.grad(y.sum(), [x, x, y])
    assert g.tolist() == h.tolist() == [2, 4]
    assert gy.tolist() == [1, 1]
    g += 1
    assert h.tolist() == [2, 4]
    (g,) = tg.autograd.grad(x, x, tg.tensor([5.0, 6.0]))
    assert g.tolist() == [5, 6]
    y = x * 2
    gy, gx = tg.autograd.grad(y, (y, x), tg.ones(2))
    assert (gy.tolist(), gx.tolist()) == ([1, 1], [2, 2])


def test_grad_of_several_outputs():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for given_ in ([tg.ones(2), tg.tensor(2.0)], (np.ones(2), 2.0)):
        (g,) = tg.autograd.grad([x * x, x.sum()], x, given_)
        assert g.tolist() == [4, 6]
    (g,) = tg.autograd.grad((x.sum(), (x * x).sum()), x)
    assert g.tolist() == [3, 5]
    (g,) = tg.autograd.grad([x * x, x.sum()], x, [tg.ones(2), None])
    assert g.tolist() == [3, 5]


def test_unused_inputs():
    x, other = tg.ones(2, requires_grad=True), tg.ones(3, dtype=tg.float64, requires_grad=True)
    y = x * 2
    with pytest.raises(
        tg.GraphError, match="grad: expected every input to be used, .* input 1\nallow_unused"
    ):
        tg.autograd.grad(y.sum(), (x, other))
    y = x * 2
    assert tg.autograd.grad(y.sum(), (other, x), allow_unused=True)[0] is None
    zeros = tg.autograd.grad(y.sum(), other, materialize_grads=True)[0]
    assert (zeros.tolist(), zeros.dtype) == ([0, 0, 0], tg.float64)


def test_what_grad_refuses():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(
        tg.GraphError, match="grad: expected inputs that require grad, input 1 does not"
    ):
        tg.autograd.grad(x.sum(), [x, tg.ones(1)])
    with pytest.raises(
        tg.GraphError, match="grad: expected inputs that require grad, input 0 does not"
    ):
        tg.autograd.grad(x.sum(), [1.5])
    with pytest.raises(ValueError, match="grad: expected 1 grad_outputs, got 2"):
        tg.autograd.grad(x * 2, x, [tg.ones(2), tg.ones(2)])
    with pytest.raises(
        tg.GraphError, match=r"grad: expected a gradient for an output of shape \(2,\)"
    ):
        tg.autograd.grad(x * 2, x)
    with pytest.raises(
        tg.ShapeError, match=r"grad: expected a gradient of shape \(2,\), got \(1,\)"
    ):
        tg.autograd.grad(x * 2, x, tg.ones(1))
    with pytest.raises(TypeError, match="grad: expected Tensors, got int"):
        tg.autograd.grad([3], x)


def test_grad_leaves_other_paths_alone():
    x, w = tg.tensor(2.0, requires_grad=True), tg.tensor(3.0, requires_grad=True)
    h = x.exp()
    loss = h * w
    assert tg.autograd.grad(loss, h, retain_graph=True)[0].item() == 3
    assert tg.autograd.grad(loss, w)[0].item() == pytest.approx(np.exp(2))
    # exp was on no path to w: its node is not freed.
    assert tg.autograd.grad(h, x)[0].item() == pytest.approx(np.exp(2))


# Modes


def test_modes_nest_and_restore():
    x = tg.ones(1, requires_grad=True)
    assert tg.is_grad_enabled()
    with tg.no_grad():
        assert not (x * 2).requires_grad
        with tg.enable_grad():
            assert (x * 2).requires_grad
            with tg.set_grad_enabled(False):
                assert not tg.is_grad_enabled()
            assert tg.is_grad_enabled()
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        1 / 0  # noqa: B018
    assert tg.is_grad_enabled()
    mode = tg.no_grad()
    with mode, tg.enable_grad(), mode:
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()
    with tg.no_grad():
        leaf = tg.ones(1, requires_grad=True)
    assert leaf.requires_grad


def test_set_grad_enabled_works_from_the_call_on():
    tg.set_grad_enabled(False)
    try:
        assert not tg.is_grad_enabled()
    finally:
        tg.set_grad_enabled(mode=True)
    assert tg.is_grad_enabled()


@pytest.mark.parametrize(
    "make", [lambda: tg.no_grad, tg.no_grad, lambda: tg.set_grad_enabled(False)]
)
def test_modes_as_decorators(make):
    @make()
    def enabled(x, *, y=1):
        """Documented."""
        return tg.is_grad_enabled(), x, y

    assert tg.is_grad_enabled()
    assert enabled(2, y=3) == (False, 2, 3)
    assert enabled.__doc__ == "Documented."

    @make()
    def recursive(n):
        return tg.is_grad_enabled() or (n > 0 and recursive(n - 1))

    assert recursive(3) is False

    @make()
    def failing():
        raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert tg.is_grad_enabled()

    @tg.enable_grad()
    def inner():
        return tg.is_grad_enabled()

    with tg.no_grad():
        assert inner()


def test_decorated_generators():
    log = []

    @tg.no_grad()
    def numbers():
        try:
            got = yield tg.is_grad_enabled()
            log.append(got)
            try:
                yield tg.is_grad_enabled()
            except KeyError:
                log.append("caught")
            yield tg.is_grad_enabled()
        finally:
            log.append(tg.is_grad_enabled())
        return "end"

    generator = numbers()
    assert next(generator) is False
    assert tg.is_grad_enabled()
    assert generator.send("sent") is False
    assert generator.throw(KeyError()) is False
    with pytest.raises(StopIteration, match="end"):
        next(generator)
    assert log == ["sent", "caught", False]
    closed = numbers()
    next(closed)
    closed.close()
    assert log[3:] == [False]
    assert tg.is_grad_enabled()


def test_modes_belong_to_threads():
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_graphs_in_threads():
    x = tg.randn(20, 20, requires_grad=True)
    (want,) = tg.autograd.grad((x @ x).tanh().sum(), x)
    results = []

    def work():
        for _ in range(20):
            results.extend(tg.autograd.grad((x @ x).tanh().sum(), x))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    assert all(np.allclose(g, want) for g in results)


def test_passes_share_the_cotangent_that_they_begin_with_and_leave_it_as_it_is():
    for _ in range(2):
        x = tg.tensor(2.0, requires_grad=True)
        y = x * 1
        y.retain_grad()
        z = y + y
        z.retain_grad()
        z.backward()
        for t in (x, y, z):
            t.grad.add_(5)
        x.backward()
        assert (x.grad.item(), y.grad.item(), z.grad.item()) == (8, 7, 6)
