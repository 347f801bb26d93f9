"""Backward passes that come again: replayed they give what the ordinary pass gives, and stand back where they must."""

from __future__ import annotations

import itertools
import sys
import threading

import numpy as np
import pytest
from checker import floats, is_float
from hypothesis import given
from hypothesis import strategies as st
from op_cases import Case
from test_compile_layers import NETWORKS
from test_compile_layers import trained as layers_trained
from test_compile_models import MODELS, trained
from test_compile_ops import SOME
from test_ops import close, cotangents

import tinygrad_hw as tg
from tinygrad_hw import nn
from tinygrad_hw.autograd import Function, detect_anomaly
from tinygrad_hw.compile import passes
from tinygrad_hw.errors import GraphError
from tinygrad_hw.kernels.recording import Recorder, recording

F, graph = nn.functional, passes.graph


class Watch:
    """How many passes were replayed."""

    replayed = 0


@pytest.fixture
def watch(monkeypatch):
    """Passes are recorded the first time, and replays counted."""
    monkeypatch.setattr(passes, "SEEN", 1)
    monkeypatch.setattr(passes, "_counts", {})
    monkeypatch.setattr(passes, "_passes", {})
    found = Watch()
    run = graph.replay

    def counted(*args):
        done = run(*args)
        found.replayed += done
        return done

    monkeypatch.setattr(graph, "replay", counted)
    return found


def ordinary(monkeypatch, function):
    """``function()`` with passes done the ordinary way."""
    with monkeypatch.context() as m:
        m.setattr(graph, "replay", lambda *args: False)
        return function()


def model_and_loss(dtype=np.float64):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)
    x = tg.randn(8, 6).to(dtype)
    y = tg.tensor(np.arange(8) % 3)
    return model, lambda: F.cross_entropy(model(x), y)


def gradients(model) -> list[np.ndarray]:
    return [p.grad.numpy().copy() for p in model.parameters()]


def equal(found: list, expected: list) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", SOME, ids=lambda c: c.name)
def test_an_operators_pass_is_replayed(case: Case, watch, monkeypatch) -> None:
    def total(values: list):
        xs = [
            tg.tensor(x, requires_grad=is_float(x)) if isinstance(x, np.ndarray) else x
            for x in values
        ]
        result = case(*xs)
        ys = [y for y in floats(result) if y.requires_grad]
        cs = cotangents(floats(result))
        pairs = [(y, c) for y, c in zip(floats(result), cs, strict=True) if y.requires_grad]
        loss = sum(((y * tg.tensor(c.astype(y.dtype))).sum() for y, c in pairs), 0.0)
        return loss, [x for x in xs if isinstance(x, tg.Tensor) and x.requires_grad], ys

    def grads(values: list) -> list | None:
        loss, leaves, ys = total(values)
        if not ys:
            return None
        loss.backward()
        return [None if x.grad is None else x.grad.numpy() for x in leaves]

    for i in range(2):
        values = case.draw(i)
        expected = ordinary(monkeypatch, lambda values=values: grads(values))
        for _ in range(2):
            found = grads(values)
            if expected is None:
                return
            for a, b in zip(found, expected, strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    assert (a.dtype, a.shape) == (b.dtype, b.shape)
                    close(a, b, 1e-12, 1.0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_two_hundred_steps_of_a_model(name, dtype, tolerance, watch, monkeypatch):
    losses, state = ordinary(monkeypatch, lambda: trained(name, dtype, False))
    found_losses, found_state = trained(name, dtype, False)
    assert watch.replayed == 199
    np.testing.assert_allclose(found_losses, losses, rtol=tolerance)
    for a, b in zip(found_state, state, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_other_layers(name, watch, monkeypatch):
    make, shape = NETWORKS[name]

    def run():
        return layers_trained(
            make, lambda y, labels: F.cross_entropy(y[:, :3], labels), shape, False
        )

    expected, found = ordinary(monkeypatch, run), run()
    assert watch.replayed == 3
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, 2e-4, 2e-5)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    activation=st.sampled_from(["relu", "tanh", "sigmoid", "gelu"]),
    n=st.integers(1, 7),
    twice=st.booleans(),
    float32=st.booleans(),
)
def test_small_networks(sizes, activation, n, twice, float32):
    """Layers of which one may be used twice; gradients of two passes add up."""
    dtype = tg.float32 if float32 else tg.float64
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "SEEN", 1)
        patch.setattr(passes, "_counts", {})
        patch.setattr(passes, "_passes", {})
        tg.manual_seed(0)
        layers = [nn.Linear(a, b).to(dtype) for a, b in itertools.pairwise(sizes)]
        again = nn.Linear(sizes[-1], sizes[-1]).to(dtype)
        x = tg.randn(n, sizes[0]).to(dtype)

        def grads() -> list[np.ndarray]:
            for p in parameters:
                p.grad = None
            for _ in range(2):
                h = x
                for layer in layers:
                    h = getattr(F, activation)(layer(h))
                h = again(again(h)) if twice else again(h)
                (h * h).mean().backward()
            return [p.grad.numpy().copy() for p in parameters]

        parameters = [p for layer in (*layers, again) for p in layer.parameters()]
        expected = ordinary(patch, grads)
        for _ in range(3):
            for a, b in zip(grads(), expected, strict=True):
                tolerance = 1e-5 if float32 else 1e-12
                np.testing.assert_allclose(a, b, tolerance, tolerance * np.abs(b).max(initial=0))
        assert passes._passes


def test_the_same_bits_where_the_kernels_are_the_same(watch, monkeypatch):
    model, loss = model_and_loss(np.float32)

    def grads():
        model.zero_grad()
        loss().backward()
        return gradients(model)

    expected = ordinary(monkeypatch, grads)
    for _ in range(3):
        equal(grads(), expected)
    assert watch.replayed == 2


def test_gradients_are_added_to_those_that_are_there_and_are_the_callers_own(watch):
    model, loss = model_and_loss()
    loss().backward()
    once = gradients(model)
    loss().backward()
    equal(gradients(model), [2 * g for g in once])
    model.zero_grad()
    loss().backward()
    kept = [p.grad for p in model.parameters()]
    model.zero_grad()
    loss().backward()
    assert watch.replayed == 3
    equal([g.numpy() for g in kept], once)
    assert not any(
        np.shares_memory(g.numpy(), p.grad.numpy())
        for g, p in zip(kept, model.parameters(), strict=True)
    )


def test_a_graph_is_freed_unless_it_is_retained(watch):
    _, loss = model_and_loss()
    loss().backward()
    value = loss()
    value.backward(retain_graph=True)
    value.backward()
    assert watch.replayed == 2
    with pytest.raises(GraphError, match="was freed by an earlier backward pass"):
        value.backward()


def test_a_change_in_place_is_noticed(watch):
    model, loss = model_and_loss()
    loss().backward()
    value = loss()
    with tg.no_grad():
        model[2].weight.mul_(2)
    with pytest.raises(GraphError, match=r"affine saved its weight .* which mul_ changed"):
        value.backward()
    assert watch.replayed == 0


def test_hooks_and_watchers_see_their_gradients(watch):
    other = tg.tensor([1.0], requires_grad=True)
    other.register_hook(lambda g: None)  # of a leaf that the passes do not meet
    model, loss = model_and_loss()
    loss().backward()
    loss().backward()
    assert watch.replayed == 1
    seen = []
    handle = model[0].weight.register_hook(lambda g: seen.append(g.shape))
    loss().backward()
    handle.remove()
    x = tg.randn(8, 6).to(np.float64)
    hidden = model[0](x)
    hidden.retain_grad()
    F.cross_entropy(model[2](model[1](hidden)), tg.tensor(np.arange(8) % 3)).backward()
    assert hidden.grad is not None
    assert seen == [(5, 6)]
    with detect_anomaly():
        loss().backward()
    assert watch.replayed == 1
    loss().backward()
    assert watch.replayed == 2


def test_what_a_key_tells_apart(watch):
    x = tg.tensor([1.0, -2.0], requires_grad=True)
    y = tg.tensor([3.0, 4.0], requires_grad=True)

    def grad(loss) -> tuple:
        x.grad = y.grad = None
        loss().backward()
        return tuple(None if t.grad is None else tuple(t.grad.tolist()) for t in (x, y))

    cases = [
        (lambda: (x * 2.0).sum(), ((2.0, 2.0), None)),
        (lambda: (x * 3.0).sum(), ((3.0, 3.0), None)),
        (lambda: (x * y).sum(), ((3.0, 4.0), (1.0, -2.0))),
        (lambda: (x * x).sum(), ((2.0, -4.0), None)),
        (lambda: (y * x + x).sum(), ((4.0, 5.0), (1.0, -2.0))),
        (lambda: (y * x + y).sum(), ((3.0, 4.0), (2.0, -1.0))),
        (lambda: (x - y).sum(), ((1.0, 1.0), (-1.0, -1.0))),
        (lambda: (y - x).sum(), ((-1.0, -1.0), (1.0, 1.0))),
        (lambda: ((x + y) * 2.0).sum(), ((2.0, 2.0), (2.0, 2.0))),
        (lambda: (tg.cat([x, y]) * 2.0).sum(), ((2.0, 2.0), (2.0, 2.0))),
        (lambda: (x[:1] + tg.ones(5)).sum(), ((5.0, 0.0), None)),
        (lambda: (x[:1] + tg.ones(7)).sum(), ((7.0, 0.0), None)),
        (lambda: x[:1].sum(), ((1.0, 0.0), None)),
        (lambda: x[1:].sum(), ((0.0, 1.0), None)),
    ]
    for _ in range(3):
        for loss, expected in cases:
            assert grad(loss) == expected
    same = 1  # y − x is x − y with the leaves exchanged
    assert watch.replayed == 2 * len(cases) + same


def test_leaves_of_other_shapes_are_told_apart(watch):
    c = tg.ones(2, 3)
    for shape in ((3,), (1, 3), (2, 3), (3,), (1, 3), (2, 3)):
        w = tg.zeros(*shape).requires_grad_()
        (c + w).sum().backward()
        assert w.grad.shape == shape
        assert w.grad.sum().item() == 6
    assert watch.replayed == 3


def test_arrays_that_lie_otherwise_take_the_ordinary_way(watch):
    w = tg.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    x = np.arange(6.0).reshape(3, 2)

    def grad(x) -> np.ndarray:
        w.grad = None
        (w @ x).sum().backward()
        return w.grad.numpy()

    expected = np.repeat(x.sum(1)[None], 2, 0)
    for layout in (x, x, np.asfortranarray(x), x, np.repeat(x, 2, 0)[::2]):
        np.testing.assert_array_equal(grad(tg.from_numpy(layout)), expected)
    assert watch.replayed == 2


def test_a_function_of_the_users_is_called_every_time(watch):
    calls = []

    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            calls.append(1)
            return g * 2

    x = tg.tensor([1.0], requires_grad=True)
    for _ in range(4):
        Double.apply(x).sum().backward()
    assert len(calls) == 4
    assert watch.replayed == 0


def test_python_threads_do_not_meet(watch):
    model, loss = model_and_loss()
    loss().backward()
    expected = gradients(model)
    failures = []

    def work():
        try:
            with lock:  # all draw from one generator
                mine, mine_loss = model_and_loss()
            for _ in range(200):
                mine.zero_grad()
                mine_loss().backward()
                equal(gradients(mine), expected)
        except Exception as error:
            failures.append(error)

    lock = threading.Lock()
    made = [threading.Thread(target=work) for _ in range(3)]
    for t in made:
        t.start()
    for t in made:
        t.join()
    assert not failures


def test_few_passes_are_kept(watch, monkeypatch):
    monkeypatch.setattr(passes, "KNOWN", 3)
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for i in range(6):
        (x * float(i)).sum().backward()
    assert len(passes._passes) == 3
    monkeypatch.setattr(passes, "KEPT", 64)
    large = tg.randn(40, 40).requires_grad_()
    for _ in range(2):  # what is too large for all of it throws nothing else out
        (large * large).exp().sum().backward()
    assert len(passes._passes) == 3


def test_a_gradient_is_all_of_its_memory():
    """Else the launch that makes the whole would write past a new gradient's end."""
    recorder = Recorder()
    whole = np.arange(6.0)
    recorder.made[id(whole)] = whole
    parts = [whole[:2], whole.reshape(2, 3), whole.reshape(3, 2).T]
    with recording(recorder), tg.no_grad():
        found = passes._own(recorder, [None, *map(tg.Tensor._wrap, parts)])
    assert found[0] is None
    for a, part in zip(found[1:], parts, strict=True):
        np.testing.assert_array_equal(a, part)
    assert [np.shares_memory(a, whole) for a in found[1:]] == [False, True, False]


def test_a_pass_that_was_thrown_out_comes_back(watch, monkeypatch):
    x = tg.tensor([1.0, 2.0], requires_grad=True)

    def go(number: float) -> None:
        ((x * number) * x).sum().backward()

    go(0.0)
    (only,) = passes._passes.values()
    monkeypatch.setattr(passes, "KEPT", 2 * only.program.block_bytes)
    go(1.0)
    go(2.0)
    assert only.program.block_bytes > 0
    assert len(passes._passes) == 2
    x.grad = None
    for _ in range(2):
        x.grad = None
        go(0.0)
    assert watch.replayed == 1


def test_nodes_elsewhere_do_not_matter_but_their_order_does(watch):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for i in range(5):
        h = x * 2.0
        for _ in range(i):
            x * 3.0
        (h * h).sum().backward()
    assert watch.replayed == 4
    x.grad = None
    a, b = x * 2.0, x * 3.0
    (a + b).sum().backward()
    x.grad = None
    b, a = x * 3.0, x * 2.0
    (a + b).sum().backward()
    assert watch.replayed == 4


def test_parts_are_added_to_a_gradient_in_the_ordinary_order(watch, monkeypatch):
    x = tg.tensor([1.0], dtype=tg.float32, requires_grad=True)

    def grad():
        x.grad = tg.tensor([1.0], dtype=tg.float32)  # lost beside 1e8, unless that has gone before
        (x * 1e8 - x * 1e8).sum().backward()
        return x.grad.item()

    expected = ordinary(monkeypatch, grad)
    assert [grad() for _ in range(3)] == [expected] * 3


def test_signs_of_zero_are_told_apart(watch):
    for slope in (-0.0, -0.0, 0.0, -0.0):
        w = tg.tensor([-1.0], requires_grad=True)
        F.leaky_relu(w, slope).sum().backward()
        assert np.signbit(w.grad.numpy()[0]) == np.signbit(slope)
    assert watch.replayed == 2


def test_a_pass_does_not_wait_for_another_threads_recording(watch):
    results = []

    def work():
        model, loss = model_and_loss()
        for _ in range(3):
            model.zero_grad()
            loss().backward()
        results.append(gradients(model))

    @tg.compile
    def step(x):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
        return x + 1

    step(tg.ones(2))
    assert len(results) == 1
    assert watch.replayed == 0
    work()
    assert watch.replayed == 2
    equal(results[1], results[0])


def test_many_graphs_from_many_threads(watch, monkeypatch):
    monkeypatch.setattr(passes, "KNOWN", 4)
    monkeypatch.setattr(passes, "SEEN", 3)
    failures = []

    def work(seed):
        try:
            x = tg.tensor([1.0, 2.0], requires_grad=True)
            for i in range(300):
                x.grad = None
                (x * float((i + seed) % 7)).sum().backward()
                assert x.grad.tolist() == [(i + seed) % 7] * 2
        except Exception as error:
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        made = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for t in made:
            t.start()
        for t in made:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures


def test_a_pass_is_recorded_when_it_has_come_often():
    x = tg.tensor([1.0, 2.0, 3.0, 5.0, 8.0], requires_grad=True)
    before = set(passes._passes)
    for i in range(passes.SEEN):
        assert set(passes._passes) == before, i
        (x * 0.12345).sum().backward()
    assert len(set(passes._passes) - before) == 1
