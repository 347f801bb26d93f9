"""Long graphs, no reference cycles, and memory that stays flat without the garbage collector."""

from __future__ import annotations

import copy
import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw.autograd import Function

LENGTH = 100_000


@pytest.fixture
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# Length


def chain(x: tg.Tensor) -> tg.Tensor:
    y = x
    for _ in range(LENGTH):
        y = y + 1e-6
    return y


def test_a_long_chain_forward_and_backward():
    x = tg.ones(2, dtype=tg.float64, requires_grad=True)
    y = chain(x)
    assert y.tolist() == pytest.approx([1.1, 1.1])
    (g,) = tg.autograd.grad(y.sum(), x, retain_graph=True)
    y.sum().backward()
    assert g.tolist() == x.grad.tolist() == [1, 1]
    del y


def test_a_long_chain_dropped_without_backward():
    chain(tg.ones(2, requires_grad=True))


def test_a_long_chain_of_changes_in_place():
    x = tg.ones(2, dtype=tg.float64, requires_grad=True)
    y = x * 1
    for _ in range(LENGTH // 40):
        y[0] += 1
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


# No cycles: what is unreachable is freed at once. gc.collect() counts what was not.


class TwoOutputs(Function):
    @staticmethod
    def forward(ctx, x):
        y, z = x * 2, x.exp()
        ctx.save_for_backward(x, y, z)
        return y, z

    @staticmethod
    def backward(ctx, g, h):
        return g * 2 + h * ctx.saved_tensors[2]


class OneOutput(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


def operations(x):
    return (x.tanh() * x.exp() + x.sigmoid()).sum() + (x @ x.T).amax() + x.max(0).values.sum()


def views(x):
    y = x * 2
    row = y[0]
    y *= 3
    row += y[1].detach()
    return row.sum() + y.T.reshape(-1)[:2].sum()


def retained(x):
    y = x * 2
    y.retain_grad()
    return y.sum()


def double(x):
    (g,) = tg.autograd.grad((x * x).exp().sum(), x, create_graph=True)
    return (g * g).sum()


def copies(x):
    return (copy.deepcopy(x) + x).sum()


def misuse(x):
    y = x.exp()
    y += 1
    try:
        y.sum().backward()
    except tg.GraphError:
        return x.sum()
    raise AssertionError("expected an error")


GRAPHS = [operations, views, retained, double, copies, misuse]
GRAPHS += [lambda x: sum(y.sum() for y in TwoOutputs.apply(x)), lambda x: OneOutput.apply(x).sum()]
NAMES = [*(f.__name__ for f in GRAPHS[:-2]), "two outputs", "one output"]


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("backward", [True, False], ids=["backward", "dropped"])
@pytest.mark.parametrize("graph", GRAPHS, ids=NAMES)
def test_no_reference_cycles(graph, backward):
    x = tg.randn(3, 3, requires_grad=True)

    def run():
        loss = graph(x)
        if backward:
            loss.backward()

    run()  # compiles kernels, and fills caches
    gc.collect()
    run()
    assert gc.collect() == 0


@pytest.mark.usefixtures("_no_collector")
def test_what_is_dropped_dies_at_once():
    x = tg.ones(3, requires_grad=True)
    y = x.exp()
    z = y * 2
    tensor, array, node = weakref.ref(y), weakref.ref(np.asarray(y)), z.grad_fn
    del y
    assert tensor() is None
    assert array() is not None  # saved: exp's derivative is its output
    z.sum().backward()
    assert array() is None
    assert node.saved is None or node.saved == [None, 2]
    base = tg.ones(4)
    view = base[1:]
    alive = weakref.ref(base)
    del base
    assert alive() is not None  # a view keeps what it shows
    del view
    assert alive() is None


@pytest.mark.usefixtures("_no_collector")
def test_only_what_derivatives_need_is_kept():
    x = tg.ones(100, requires_grad=True)
    for keeps, f in (
        (False, lambda a: a + 1), (False, lambda a: a * 2.0), (False, lambda a: a.sum()), (False, lambda a: -a),
        (True, lambda a: a * a), (True, lambda a: a.sin()), (False, lambda a: a.exp()),
    ):  # fmt: skip
        operand = x * 1
        array = weakref.ref(np.asarray(operand))
        result = f(operand)
        del operand
        assert (array() is not None) == keeps
        del result


# Flat memory


def resident() -> int:
    """Bytes of memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_training_steps_leave_memory_flat(name):
    rng = tg.Generator(0)
    x = tg.randn(64, 64, generator=rng)
    y = tg.randint(10, (64,), generator=rng)
    model = tg.nn.Sequential(tg.nn.Linear(64, 64), tg.nn.ReLU(), tg.nn.Linear(64, 10))
    optimizer = getattr(tg.optim, name)(model.parameters(), lr=1e-3)

    def train(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = tg.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()

    train(500)
    gc.collect()  # what compiling left
    before = resident()
    train(1500)
    assert resident() - before < 2**20
    assert gc.collect() == 0
