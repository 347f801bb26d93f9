"""Optimizers against recursions written from their papers in plain NumPy float64."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import optim
from tinygrad_hw.errors import DTypeError, ShapeError
from tinygrad_hw.optim.line_search import Point, strong_wolfe

SHAPES = [(3, 4), (37,), (), (0, 3), (2, 1, 3)]


def field(p: np.ndarray, t: int) -> np.ndarray:
    """A made-up gradient: it changes sign, and feeds back so little that rounding does not grow."""
    phase = np.arange(p.size, dtype=np.float64).reshape(p.shape)
    return np.cos(2 * t + phase) + 0.1 * p


def parameters(dtype=np.float64, shapes=SHAPES) -> list[tg.Tensor]:
    rng = np.random.default_rng(7)
    arrays = [np.asarray(rng.standard_normal(s), dtype) for s in shapes]
    return [tg.tensor(a, requires_grad=True) for a in arrays]


def run(optimizer: optim.Optimizer, steps: range) -> list[np.ndarray]:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for t in steps:
        for p in params:
            x = p.detach().numpy()
            p.grad = tg.from_numpy(np.asarray(field(x.astype(np.float64), t), x.dtype))
        optimizer.step()
    return [p.detach().numpy() for p in params]


# The recursions: from the point, the gradient, the step (from 1), a dict to remember in and the
# hyper-parameters to the next point.


def sgd(p, g, t, s, lr, momentum=0, dampening=0, nesterov=False):
    s["b"] = g if t == 1 or not momentum else momentum * s["b"] + (1 - dampening) * g
    return p - lr * (g + momentum * s["b"] if nesterov else s["b"])


def adam(p, g, t, s, lr, betas=(0.9, 0.999), eps=1e-8, amsgrad=False):
    b1, b2 = betas
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    s["top"] = np.maximum(s.get("top", 0), s["v"])
    v = s["top"] if amsgrad else s["v"]
    return p - lr * (s["m"] / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)


def adamax(p, g, t, s, lr, betas=(0.9, 0.999), eps=1e-8):
    b1, b2 = betas
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["u"] = np.maximum(b2 * s.get("u", 0), abs(g) + eps)
    return p - lr / (1 - b1**t) * s["m"] / s["u"]


def nadam(p, g, t, s, lr, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    b1, b2 = betas
    mu = [b1 * (1 - 0.96 ** (k * momentum_decay) / 2) for k in range(1, t + 2)]
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    m = mu[t] * s["m"] / (1 - math.prod(mu)) + (1 - mu[t - 1]) * g / (1 - math.prod(mu[:t]))
    return p - lr * m / (np.sqrt(s["v"] / (1 - b2**t)) + eps)


def radam(p, g, t, s, lr, betas=(0.9, 0.999), eps=1e-8):
    b1, b2 = betas
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g**2
    m = s["m"] / (1 - b1**t)
    limit = 2 / (1 - b2) - 1
    rho = limit - 2 * t * b2**t / (1 - b2**t)
    if rho <= 5:
        return p - lr * m
    r = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
    return p - lr * r * m * math.sqrt(1 - b2**t) / (np.sqrt(s["v"]) + eps)


def rmsprop(p, g, t, s, lr, alpha=0.99, eps=1e-8, momentum=0, centered=False):
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
    v = s["v"] - s["m"] ** 2 if centered else s["v"]
    s["b"] = momentum * s.get("b", 0) + g / (np.sqrt(v) + eps)
    return p - lr * s["b"]


def adagrad(p, g, t, s, lr, lr_decay=0, initial_accumulator_value=0, eps=1e-10):
    s["sum"] = s.get("sum", initial_accumulator_value) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def adadelta(p, g, t, s, lr, rho=0.9, eps=1e-6):
    s["g2"] = rho * s.get("g2", 0) + (1 - rho) * g**2
    step = np.sqrt(s.get("x2", 0) + eps) / np.sqrt(s["g2"] + eps) * g
    s["x2"] = rho * s.get("x2", 0) + (1 - rho) * step**2
    return p - lr * step


def rprop(p, g, t, s, lr, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    c = g * s.get("g", 0)
    change = np.where(c > 0, etas[1], np.where(c < 0, etas[0], 1))
    s["size"] = np.clip(s.get("size", lr) * change, *step_sizes)
    s["g"] = np.where(c < 0, 0, g)
    return p - np.sign(s["g"]) * s["size"]


def reference(rule, steps, maximize=False, weight_decay=0, decoupled_weight_decay=False, **hyper):
    """The points after ``steps`` steps of ``rule`` from ``parameters()``."""
    points = []
    for p in parameters():
        x, memory = p.detach().numpy(), {}
        for t in range(1, steps + 1):
            g = field(x, t) * (-1 if maximize else 1)
            if decoupled_weight_decay:
                x = x * (1 - hyper["lr"] * weight_decay)
            else:
                g = g + weight_decay * x
            x = rule(x, g, t, memory, **hyper)
        points.append(x)
    return points


def some(*values):
    return st.sampled_from(values)


RATE, EPS, DECAY = some(1e-3, 0.02, 0.3), some(1e-8, 1e-3), some(0, 0.01, 0.5)
# Shorter memories than these divide by nearly nothing now and then, which makes rounding grow.
BETAS = st.tuples(some(0.0, 0.5, 0.9), some(0.5, 0.9, 0.999))
BOOL = st.booleans()
ADAPTIVE = {"lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": DECAY, "maximize": BOOL}
#: Each optimizer with its recursion and the hyper-parameters to draw.
METHODS = {
    "SGD": (sgd, {"lr": RATE, "momentum": some(0, 0.5, 0.9), "dampening": some(0, 0.3)}),
    "Adam": (adam, ADAPTIVE | {"amsgrad": BOOL, "decoupled_weight_decay": BOOL}),
    "AdamW": (adam, ADAPTIVE | {"amsgrad": BOOL}),
    "Adamax": (adamax, ADAPTIVE),
    "NAdam": (nadam, ADAPTIVE | {"momentum_decay": some(0, 0.1), "decoupled_weight_decay": BOOL}),
    "RAdam": (radam, ADAPTIVE | {"decoupled_weight_decay": BOOL}),
    "RMSprop": (
        rmsprop,
        {"lr": RATE, "alpha": some(0.5, 0.9, 0.99), "eps": EPS, "momentum": some(0, 0.9)}
        | {"centered": BOOL},
    ),
    "Adagrad": (
        adagrad,
        {"lr": RATE, "lr_decay": some(0, 0.1), "initial_accumulator_value": some(0, 0.5)}
        | {"eps": some(1e-10, 1e-3)},
    ),
    "Adadelta": (adadelta, {"lr": some(0.1, 1.0), "rho": some(0.5, 0.9), "eps": EPS}),
    "Rprop": (
        rprop,
        {
            "lr": RATE,
            "etas": some((0.5, 1.2), (0.3, 2.0)),
            "step_sizes": some((1e-6, 50), (0.01, 0.1)),
        },
    ),
}
NO_DECAY = ("Rprop",)


@pytest.mark.parametrize("name", METHODS)
@given(data=st.data())
def test_follows_its_paper(name, data):
    rule, strategies = METHODS[name]
    hyper = data.draw(st.fixed_dictionaries(strategies | {"maximize": BOOL}))
    if name not in NO_DECAY:
        hyper["weight_decay"] = data.draw(DECAY)
    if name == "SGD" and hyper["momentum"] and not hyper["dampening"]:
        hyper["nesterov"] = data.draw(BOOL)
    got = run(getattr(optim, name)(parameters(), **hyper), range(1, 21))
    if name == "AdamW":
        hyper["decoupled_weight_decay"] = True
    for a, b in zip(got, reference(rule, 20, **hyper), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


#: Hyper-parameters that together reach every branch; the defaults are the first of each.
CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3, "amsgrad": True, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "maximize": True}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "centered": True, "momentum": 0.5, "eps": 1e-2}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.5, "lr_decay": 0.1, "initial_accumulator_value": 0.3}),
    ("Adagrad", {"lr": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 2.0, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 2.0), "step_sizes": (0.01, 0.5), "maximize": True}),
]
ALL = pytest.mark.parametrize(
    ("name", "hyper"), CASES, ids=[f"{n}-{','.join(h) or 'default'}" for n, h in CASES]
)


@ALL
def test_float32_is_close_to_float64(name, hyper):
    make = getattr(optim, name)
    single = run(make(parameters(np.float32), **hyper), range(30))
    double = run(make(parameters(np.float64), **hyper), range(30))
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_restored_state_continues_bit_for_bit(name, hyper, dtype):
    make = getattr(optim, name)
    whole = run(make(parameters(dtype), **hyper), range(12))

    first = make(parameters(dtype), **hyper)
    points = run(first, range(5))
    saved = copy.deepcopy(first.state_dict())
    second = make([tg.tensor(x, requires_grad=True) for x in points])
    second.load_state_dict(saved)
    for a, b in zip(whole, run(second, range(5, 12)), strict=True):
        np.testing.assert_array_equal(a, b)
    # The loaded dict was copied: going on has not touched it.
    for a, b in zip(flat(saved), flat(first.state_dict()), strict=True):
        np.testing.assert_array_equal(a, b)


def flat(state):
    """Every leaf of a state, which holds only what can be written to a file."""
    if isinstance(state, dict):
        return [x for v in state.values() for x in flat(v)]
    if isinstance(state, list | tuple):
        return [x for v in state for x in flat(v)]
    assert isinstance(state, tg.Tensor | int | float | bool | str | None)
    return [np.asarray(state)]


@pytest.mark.parametrize(
    ("name", "hyper"),
    [
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adam", {"lr": 0.1}),
        ("AdamW", {"lr": 0.1, "weight_decay": 1e-4, "amsgrad": True}),
        ("Adamax", {"lr": 0.1}),
        ("NAdam", {"lr": 0.1}),
        ("RAdam", {"lr": 0.1}),
        ("RMSprop", {"lr": 0.01, "momentum": 0.9}),
        ("Adagrad", {"lr": 1.0}),
        ("Adadelta", {"lr": 10.0}),
        ("Rprop", {}),
        ("LBFGS", {}),
    ],
)
def test_finds_the_minimum_of_a_quadratic(name, hyper):
    scale = tg.tensor([1.0, 4.0, 0.3], dtype=tg.float64)
    target = tg.tensor([1.0, -2.0, 0.5], dtype=tg.float64)
    x = tg.zeros(3, dtype=tg.float64, requires_grad=True)
    optimizer = getattr(optim, name)([x], **hyper)

    def closure():
        optimizer.zero_grad()
        loss = (scale * (x - target) ** 2).sum()
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure)) for _ in range(300)]
    assert losses[0] == pytest.approx(17.075)
    np.testing.assert_allclose(x.detach().numpy(), target.numpy(), atol=1e-2)


# Groups, in-place updates, gradients


def test_groups_have_hyperparameters_of_their_own():
    a, b, c = parameters(shapes=[(3,), (2,), (4,)])
    start = [p.detach().numpy().copy() for p in (a, b, c)]
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": (p for p in [c]), "maximize": True})
    for p in (a, b, c):
        p.grad = tg.ones_like(p)
    optimizer.step()
    for p, x, change in zip((a, b, c), start, (-0.1, -0.5, 0.1), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), x + change)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5, 0.1]
    assert "Parameter Group 2" in repr(optimizer)
    assert "    maximize: True" in repr(optimizer)


def test_parameters_are_changed_in_place_and_those_without_gradient_are_left():
    a, b = parameters(shapes=[(3,), (2,)])
    memory, kept = a.detach().numpy(), b.detach().numpy().copy()
    loss = (a * a).sum()
    a.grad = tg.ones_like(a)
    optimizer = optim.Adam([a, b])
    optimizer.step()
    assert a.detach().numpy() is memory
    np.testing.assert_array_equal(b.detach().numpy(), kept)
    assert b not in optimizer.state
    with pytest.raises(tg.errors.GraphError, match=r"Adam\.step"):
        loss.backward()


@pytest.mark.parametrize("arrange", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2]])
def test_parameters_and_gradients_may_be_strided(arrange):
    plain = parameters(shapes=[(3, 4)])[0].detach().numpy()
    strided = arrange(plain)
    assert not strided.flags.c_contiguous
    p, q = tg.from_numpy(plain.copy()), tg.from_numpy(strided)
    p.grad = tg.from_numpy(np.cos(plain))
    q.grad = tg.from_numpy(arrange(np.cos(plain)))
    one, two = optim.RMSprop([p]), optim.RMSprop([q])
    for _ in range(3):
        one.step()
        two.step()
    np.testing.assert_array_equal(p.numpy(), strided)
    broadcast = tg.from_numpy(np.broadcast_to(np.float64(2.0), (3, 4)))
    p.grad = q.grad = broadcast
    one.step()
    two.step()
    np.testing.assert_array_equal(p.numpy(), strided)


def test_zero_grad():
    (p,) = parameters(shapes=[(3,)])
    optimizer = optim.SGD([p])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is None
    p.grad = grad = tg.ones_like(p)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is grad
    np.testing.assert_array_equal(grad.numpy(), 0)
    p.grad = tg.ones_like(p) * p
    optimizer.zero_grad(set_to_none=False)
    assert not p.grad.requires_grad
    optimizer.zero_grad()
    assert p.grad is None


def test_step_returns_the_loss_of_its_closure_with_gradients_on():
    (p,) = parameters(shapes=[(3,)])
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    before = float((p * p).sum())
    with tg.no_grad():
        assert float(optimizer.step(closure)) == before
    assert float((p * p).sum()) == pytest.approx(0.64 * before)


def test_momentum_may_be_switched_on_later():
    p, q = parameters(shapes=[(3,)]) + parameters(shapes=[(3,)])
    one, two = optim.SGD([p], lr=0.1), optim.SGD([q], lr=0.1, momentum=0.9, dampening=0.5)
    one.param_groups[0].update(momentum=0.9, dampening=0.5)
    np.testing.assert_array_equal(run(one, range(3)), run(two, range(3)))


def test_centered_rmsprop_survives_constant_gradients():
    p = tg.full((64,), 1.0, dtype=tg.float32)
    p.grad = tg.from_numpy(np.linspace(0.1, 3, 64, dtype=np.float32))
    optimizer = optim.RMSprop([p], alpha=0.5, centered=True, eps=1.0)
    for _ in range(200):
        optimizer.step()
    assert np.isfinite(p.numpy()).all()


def test_radam_starts_without_and_goes_on_with_the_adaptive_step():
    (p,) = parameters(shapes=[(3,)])
    optimizer = optim.RAdam([p], lr=0.1)
    x = p.detach().numpy().copy()
    p.grad = tg.full((3,), 1e-3, dtype=tg.float64)
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), x - 1e-4)
    for _ in range(5):
        x = p.detach().numpy().copy()
        optimizer.step()
    assert (x - p.detach().numpy() > 1e-3).all()


# L-BFGS


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def lbfgs_run(optimizer, params, steps):
    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(*params)
        loss.backward()
        return loss

    return [float(optimizer.step(closure)) for _ in range(steps)]


def point(x=-1.2, y=1.0, dtype=tg.float64):
    return [tg.tensor(v, dtype=dtype, requires_grad=True) for v in (x, y)]


@pytest.mark.parametrize(
    "hyper",
    [
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 2},
        {"lr": 0.2, "history_size": 10, "max_iter": 100},
    ],
)
def test_lbfgs_solves_rosenbrock(hyper):
    params = point()
    optimizer = optim.LBFGS(params, tolerance_change=1e-16, **hyper)
    losses = lbfgs_run(optimizer, params, 6)
    assert losses[0] == pytest.approx(24.2)
    assert float(rosenbrock(*params)) < 1e-12
    np.testing.assert_allclose([float(p) for p in params], 1, atol=1e-5)


def test_lbfgs_needs_few_evaluations_on_a_quadratic():
    rng = np.random.default_rng(3)
    root = rng.standard_normal((4, 4))
    matrix = tg.from_numpy(root @ root.T + np.eye(4))
    x = tg.from_numpy(rng.standard_normal(4)).requires_grad_()
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe", tolerance_change=1e-16)

    def closure():
        optimizer.zero_grad()
        loss = x @ (matrix @ x)
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(x.detach().numpy(), 0, atol=1e-6)
    state = optimizer.state[x]
    assert state["n_iter"] <= 15
    assert state["func_evals"] <= 20


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_restored_state_continues_bit_for_bit(search):
    hyper = {"lr": 0.1 if search is None else 1, "line_search_fn": search, "max_iter": 3}
    hyper["history_size"] = 4
    params = point()
    whole = lbfgs_run(optim.LBFGS(params, **hyper), params, 6)

    params = point()
    first = optim.LBFGS(params, **hyper)
    start = lbfgs_run(first, params, 3)
    saved = copy.deepcopy(first.state_dict())
    assert len(saved["state"][0]["old_dirs"]) == 4
    params = point(*[float(p) for p in params])
    second = optim.LBFGS(params)
    second.load_state_dict(saved)
    assert start + lbfgs_run(second, params, 3) == whole
    flat(saved)


def test_lbfgs_stops_where_there_is_nothing_to_gain():
    params = point(1.0, 1.0)
    optimizer = optim.LBFGS(params)
    assert lbfgs_run(optimizer, params, 2) == [0.0, 0.0]
    assert optimizer.state[params[0]] == {"func_evals": 2, "n_iter": 0}


def test_lbfgs_respects_max_eval_and_parameters_without_gradient():
    params = [*point(), *parameters(shapes=[(2,)])]
    kept = params[2].detach().numpy().copy()
    optimizer = optim.LBFGS(params, max_iter=20, max_eval=3)
    lbfgs_run(optimizer, params[:2], 1)
    assert optimizer.state[params[0]]["func_evals"] == 3
    np.testing.assert_array_equal(params[2].detach().numpy(), kept)


def test_lbfgs_line_search_backs_off_from_values_that_are_not_numbers():
    x = tg.tensor([2.0], dtype=tg.float64, requires_grad=True)
    optimizer = optim.LBFGS([x], lr=100, line_search_fn="strong_wolfe", max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = (x - x.log()).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert float(x) == pytest.approx(1, abs=1e-4)


#: Values and slopes along a line, all falling at 0. The last is flat on both sides of its minimum.
CURVES = [
    (lambda t: t * t - t, lambda t: 2 * t - 1),
    (lambda t: t**4 - 3 * t**3 - t, lambda t: 4 * t**3 - 9 * t**2 - 1),
    (lambda t: math.exp(min(t, 700)) - 5 * t, lambda t: math.exp(min(t, 700)) - 5),
    (
        lambda t: math.sin(3 * t) * 0.3 - t / (1 + t),
        lambda t: 0.9 * math.cos(3 * t) - 1 / (1 + t) ** 2,
    ),
    (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    (lambda t: math.tanh(t - 3) ** 2, lambda t: 2 * math.tanh(t - 3) / math.cosh(t - 3) ** 2),
]


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("t", [1e-3, 0.1, 1.0, 10.0, 300.0])
def test_line_search_ends_where_the_strong_wolfe_conditions_hold(curve, t):
    def at(t):
        return Point(t, curve[0](t), np.zeros(1), curve[1](t))

    origin = at(0.0)
    found, spent = strong_wolfe(at, origin, t, trials=25, shortest=0.0)
    assert found.value <= origin.value + 1e-4 * found.t * origin.slope
    assert abs(found.slope) <= 0.9 * abs(origin.slope)
    assert spent <= 12


def test_lbfgs_refuses():
    (p,) = parameters(shapes=[(3,)])
    with pytest.raises(TypeError, match=r"LBFGS\.step: expected a closure, got none"):
        optim.LBFGS([p]).step()
    with pytest.raises(ValueError, match="expected a single parameter group"):
        optim.LBFGS([{"params": [p]}, {"params": parameters(shapes=[(2,)])}])
    with pytest.raises(
        ValueError, match="line_search_fn to be None or 'strong_wolfe', got 'armijo'"
    ):
        optim.LBFGS([p], line_search_fn="armijo")
    with pytest.raises(ValueError, match="one dtype, got float32 and float64"):
        optim.LBFGS([p, *parameters(np.float32, [(2,)])])


# State and errors


def test_state_dict_has_pytorchs_layout():
    a, b, c = parameters(shapes=[(3,), (2,), (4,)])
    optimizer = optim.Adam([{"params": [a, b]}, {"params": [c], "lr": 0.5}])
    b.grad, c.grad = tg.ones_like(b), tg.ones_like(c)
    optimizer.step()
    saved = optimizer.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0, 1], [2]]
    assert saved["param_groups"][1]["lr"] == 0.5
    assert sorted(saved["state"]) == [1, 2]
    assert sorted(saved["state"][1]) == ["exp_avg", "exp_avg_sq", "step"]
    assert saved["state"][1]["step"] == 1
    assert saved["state"][2]["exp_avg"] is optimizer.state[c]["exp_avg"]


def test_loaded_tensors_take_the_dtype_of_their_parameters():
    double = optim.Adam(parameters(np.float64))
    run(double, range(2))
    single = optim.Adam(parameters(np.float32))
    single.load_state_dict(double.state_dict())
    assert {s["exp_avg"].dtype for s in single.state.values()} == {tg.float32}
    run(single, range(2))


def test_loading_copies():
    (p,) = parameters(shapes=[(3,)])
    optimizer = optim.Adam([p])
    betas, note = [0.9, 0.99], {"seen": [1]}
    saved = optimizer.state_dict()
    saved["param_groups"][0]["betas"] = betas
    saved["state"][0] = {"note": note}
    optimizer.load_state_dict(saved)
    betas[0] = 0.0
    note["seen"].append(2)
    assert optimizer.param_groups[0]["betas"] == [0.9, 0.99]
    assert optimizer.state[p]["note"] == {"seen": [1]}


def test_adamw_takes_over_the_state_of_adam():
    (p,) = parameters(shapes=[(3,)])
    optimizer = optim.AdamW([p])
    optimizer.load_state_dict(optim.Adam([p]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_load_state_dict_refuses_what_does_not_fit():
    a, b = parameters(shapes=[(3,), (2,)])
    optimizer = optim.Adam([a, b])
    a.grad = tg.ones_like(a)
    optimizer.step()
    good = optimizer.state_dict()

    def refused(state, text):
        with pytest.raises(ValueError, match=text):
            optimizer.load_state_dict(state)

    refused(optim.Adam([a]).state_dict(), r"groups of \[2\] parameters, got groups of \[1\]")
    refused(
        optim.Adam([{"params": a}, {"params": b}]).state_dict(), r"\[2\].*got groups of \[1, 1\]"
    )
    refused(optim.SGD([a, b]).state_dict(), "hold 'amsgrad', which this one lacks")
    refused(good | {"state": {5: {}}}, "got state of 5")
    refused(good | {"state": {1: good["state"][0]}}, r"'exp_avg' of shape \(2,\), got \(3,\)")
    wrong = [good["param_groups"][0] | {"lr": -1}]
    refused(good | {"param_groups": wrong}, "lr to be a number >= 0, got -1")
    assert optimizer.state[a]["step"] == 1
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_refuses_parameters_that_cannot_be_trained():
    a, b = parameters(shapes=[(3,), (2,)])
    with pytest.raises(ValueError, match="SGD: expected at least one parameter, got none"):
        optim.SGD(iter([]))
    with pytest.raises(TypeError, match="expected an iterable of Tensors or dicts, got a Tensor"):
        optim.SGD(a)
    with pytest.raises(TypeError, match="expected parameters to be Tensors, got ndarray"):
        optim.SGD([np.zeros(3)])
    with pytest.raises(TypeError, match="expected a group to be a dict, got list"):
        optim.SGD([a]).add_param_group([b])
    with pytest.raises(TypeError, match="expected an ordered collection of parameters, got a set"):
        optim.SGD([{"params": {a, b}}])
    with pytest.raises(DTypeError, match="expected floating point parameters, got int64"):
        optim.SGD([tg.tensor([1, 2])])
    with pytest.raises(
        ValueError, match="expected leaf parameters, got the result of an operation"
    ):
        optim.SGD([a * 2])
    with pytest.raises(ValueError, match=r"a parameter of shape \(3,\) was given twice"):
        optim.SGD([a, b, a])
    with pytest.raises(ValueError, match="given twice"):
        optim.SGD([{"params": [a]}, {"params": [b, a]}])


@pytest.mark.parametrize(
    ("name", "hyper", "text"),
    [
        ("SGD", {"lr": -0.1}, "SGD: expected lr to be a number >= 0, got -0.1"),
        ("SGD", {"lr": math.nan}, "lr to be a number >= 0, got nan"),
        ("SGD", {"lr": "1"}, "lr to be a number >= 0, got '1'"),
        ("SGD", {"momentum": -1}, "momentum to be a number >= 0"),
        ("SGD", {"weight_decay": -1}, "weight_decay to be a number >= 0"),
        ("SGD", {"nesterov": True}, "momentum > 0 and dampening = 0 with nesterov"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "got momentum 0.9 and damp"),
        ("Adam", {"betas": (0.9, 1.0)}, r"betas to be two numbers in \[0, 1\), got \(0.9, 1.0\)"),
        ("AdamW", {"betas": 0.9}, "betas to be two numbers"),
        ("RAdam", {"eps": -1}, "eps to be"),
        ("NAdam", {"momentum_decay": -1}, "momentum_decay to be"),
        ("RMSprop", {"alpha": -1}, "alpha to be"),
        ("Adagrad", {"lr_decay": -1}, "lr_decay to be"),
        ("Adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value to be"),
        ("Adadelta", {"rho": 1.1}, r"rho to be a number in \[0, 1\], got 1.1"),
        ("Rprop", {"etas": (1.1, 1.2)}, r"0 < etas\[0\] < 1 < etas\[1\], got"),
        ("Rprop", {"step_sizes": (1.0, 0.1)}, "0 <= smallest <= largest, got"),
        ("LBFGS", {"history_size": 0}, "history_size to be an integer > 0, got 0"),
        ("LBFGS", {"max_iter": 0}, "max_iter to be an integer > 0, got 0"),
    ],
)
def test_refuses_hyperparameters_out_of_range(name, hyper, text):
    params = parameters(shapes=[(3,)])
    with pytest.raises(ValueError, match=text):
        getattr(optim, name)(params, **hyper)
    with pytest.raises(ValueError, match=text):
        getattr(optim, name)([{"params": params, **hyper}])


def test_refuses_gradients_that_do_not_fit_before_anything_changes():
    a, b = parameters(shapes=[(3,), (2,)])
    start = a.detach().numpy().copy()
    optimizer = optim.Adam([a, b])
    a.grad, b.grad = tg.ones_like(a), tg.ones((3, 1), dtype=tg.float64)
    with pytest.raises(ShapeError, match=r"Adam\.step: .*shape \(2,\), got \(3, 1\)"):
        optimizer.step()
    b.grad = tg.ones(2, dtype=tg.float32)
    with pytest.raises(DTypeError, match="its parameter's float64, got float32"):
        optimizer.step()
    np.testing.assert_array_equal(a.detach().numpy(), start)
    b.grad = None
    optimizer.step()
    optimizer.state[a]["exp_avg"] = tg.ones(2, dtype=tg.float64)
    with pytest.raises(ShapeError, match=r"'exp_avg' of its parameter's shape \(3,\), got \(2,\)"):
        optimizer.step()


def test_an_optimizer_of_ones_own_defines_its_step():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        @tg.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p -= group["lr"] * p.grad.sign()

    (p,) = parameters(shapes=[(3,)])
    start = p.detach().numpy().copy()
    run(Sign([p]), range(1))
    np.testing.assert_allclose(np.abs(p.detach().numpy() - start), 0.1)
    with pytest.raises(NotImplementedError, match="Optimizer does not define its update"):
        optim.Optimizer([p], {}).step()
