"""Optimizers and schedules beside PyTorch's, where it is installed."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from test_lr_scheduler import OPTIMIZERS, SCHEDULES
from test_optim import ALL, field, parameters, rosenbrock, run

import tinygrad_hw as tg
from tinygrad_hw import optim
from tinygrad_hw.optim import lr_scheduler

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _double():
    # NAdam keeps a running product in PyTorch's default type.
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@ALL
def test_fifty_steps(name, hyper):
    ours = run(getattr(optim, name)(parameters(), **hyper), range(50))
    theirs = [torch.tensor(p.detach().numpy(), requires_grad=True) for p in parameters()]
    optimizer = getattr(torch.optim, name)(theirs, **hyper)
    for t in range(50):
        for p in theirs:
            p.grad = torch.tensor(field(p.detach().numpy(), t))
        optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    "hyper",
    [
        {"lr": 0.05, "max_iter": 2},
        {"lr": 0.01, "max_iter": 7, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 1},
        {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 2},
        {"line_search_fn": "strong_wolfe", "lr": 0.1, "max_iter": 3, "max_eval": 5},
        {"line_search_fn": "strong_wolfe", "lr": 30.0, "max_iter": 3},
    ],
)
def test_fifty_steps_of_lbfgs(hyper):
    def path(make, leaves):
        optimizer = make(leaves, **hyper)

        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(*leaves)
            loss.backward()
            return loss

        points = []
        for _ in range(50 // hyper["max_iter"]):
            optimizer.step(closure)
            points.append([p.item() for p in leaves])
        return points

    ours = path(optim.LBFGS, [tg.tensor(v, dtype=tg.float64).requires_grad_() for v in (-1.2, 1.0)])
    theirs = path(torch.optim.LBFGS, [torch.tensor(v, requires_grad=True) for v in (-1.2, 1.0)])
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("lr", [1e-3, 0.1, 1.0, 10.0, 300.0])
@pytest.mark.parametrize(
    "curve",
    [
        lambda x: x * x - x,
        lambda x: x**4 - 3 * x**3 - x,
        lambda x: x.exp() - 5 * x,
        lambda x: (3 * x).sin() * 0.3 - x / (1 + x * x),
        lambda x: -x / (x * x + 2),
        lambda x: (x - 3).tanh() ** 2 - 0.1 * x.sin(),
        lambda x: (x - 1).abs() + 0.1 * x * x,
    ],
)
def test_line_searches(curve, lr):
    def path(library, x):
        hyper = {"lr": lr, "max_iter": 6, "max_eval": 40, "line_search_fn": "strong_wolfe"}
        optimizer = library.LBFGS([x], **hyper)

        def closure():
            optimizer.zero_grad()
            loss = curve(x).sum()
            loss.backward()
            points.append(x.item())
            return loss.detach()

        points = []
        optimizer.step(closure)
        return points

    ours = path(optim, tg.tensor([0.0], dtype=tg.float64).requires_grad_())
    theirs = path(torch.optim, torch.tensor([0.0], requires_grad=True))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "name", [n for n in optim.__all__ if n not in ("Optimizer", "lr_scheduler")]
)
def test_defaults_of_optimizers(name):
    same_defaults(getattr(optim, name), getattr(torch.optim, name))


@pytest.mark.parametrize("name", lr_scheduler.__all__)
def test_defaults_of_schedules(name):
    same_defaults(getattr(lr_scheduler, name), getattr(torch.optim.lr_scheduler, name))


def same_defaults(ours, theirs):
    """Every parameter of ours is one of theirs, in their order and with their default."""
    left_out = {"foreach", "capturable", "differentiable", "fused"}
    expected = {
        name: p.default
        for name, p in inspect.signature(theirs).parameters.items()
        if name not in left_out
    }
    got = {name: p.default for name, p in inspect.signature(ours).parameters.items()}
    assert list(got.items()) == list(expected.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_seventy_rates(name, optimizer):
    def rates(library, leaves):
        groups = [{"params": leaves[:1]}, {"params": leaves[1:], "lr": 0.02}]
        descent = getattr(library, optimizer)(groups, lr=0.1)
        schedule = SCHEDULES[name](library.lr_scheduler, descent)
        found = []
        for t in range(70):
            group = descent.param_groups[0]
            momentum = group.get("momentum", 0) if "betas" not in group else group["betas"][0]
            found.append([*schedule.get_last_lr(), descent.param_groups[1]["lr"], momentum])
            if "after manual change" in name and t in (7, 20):
                group["lr"] *= 3
            if "Plateau" in name:
                schedule.step(1 / (1 + t % 9) + (t > 40))
            else:
                schedule.step()
        return found

    leaves = parameters(shapes=[(3,), (2,)])
    ours = rates(optim, leaves)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = rates(torch.optim, [torch.zeros(3), torch.zeros(2)])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
