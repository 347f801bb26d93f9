"""Learning-rate schedules against their closed forms."""

from __future__ import annotations

import copy
import functools
import json
import math

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import optim
from tinygrad_hw.optim import lr_scheduler as ls


def descent(name="SGD", lr=0.1, **hyper):
    leaves = [tg.zeros(n, requires_grad=True) for n in (3, 2)]
    groups = [{"params": leaves[:1]}, {"params": leaves[1:], "lr": lr / 5}]
    return getattr(optim, name)(groups, lr=lr, **hyper)


def one_cycle(t, high=1.0, div=25.0, final=1e4, n=71, share=0.3):
    up = share * n - 1
    start, end, part = (high / div, high, t / up) if t <= up else (high, high / div / final, None)
    if part is None:
        part = (t - up) / (n - 1 - up)
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def triangle(t, up=4, down=6):
    x = t % (up + down)
    return x / up if x <= up else (up + down - x) / down


def restarts(t, period, growth, low, lr=0.1):
    while t >= period:
        t, period = t - period, period * growth
    return low + (lr - low) * (1 + math.cos(math.pi * t / period)) / 2


#: A schedule (of the module and an optimizer whose first group has lr 0.1) and its rate at epoch t.
CLOSED = {
    "Lambda": (lambda m, o: m.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 0.1 / (1 + t)),
    "Step": (lambda m, o: m.StepLR(o, 7, 0.5), lambda t: 0.1 * 0.5 ** (t // 7)),
    "MultiStep": (
        lambda m, o: m.MultiStepLR(o, [30, 5, 5, 40]),
        lambda t: 0.1 * 0.1 ** sum(t >= k for k in (5, 5, 30, 40)),
    ),
    "Exponential": (lambda m, o: m.ExponentialLR(o, 0.95), lambda t: 0.1 * 0.95**t),
    "Constant": (lambda m, o: m.ConstantLR(o), lambda t: 0.1 / 3 if t < 5 else 0.1),
    "Linear": (
        lambda m, o: m.LinearLR(o, 0.2, 0.6, total_iters=10),
        lambda t: 0.1 * (0.2 + 0.4 * min(t, 10) / 10),
    ),
    "Linear default": (lambda m, o: m.LinearLR(o), lambda t: 0.1 * (1 + 2 * min(t, 5) / 5) / 3),
    "Polynomial": (
        lambda m, o: m.PolynomialLR(o, total_iters=50, power=2.0),
        lambda t: 0.1 * (1 - min(t, 50) / 50) ** 2,
    ),
    "Cosine": (
        lambda m, o: m.CosineAnnealingLR(o, 20, eta_min=0.01),
        lambda t: 0.01 + 0.09 * (1 + math.cos(math.pi * t / 20)) / 2,
    ),
    "WarmRestarts": (
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 5, 2, eta_min=0.001),
        lambda t: restarts(t, 5, 2, 0.001),
    ),
    "WarmRestarts equal": (
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 7),
        lambda t: restarts(t, 7, 1, 0),
    ),
    "Cyclic": (
        lambda m, o: m.CyclicLR(o, 0.1, 0.5, 4, 6),
        lambda t: 0.1 + 0.4 * triangle(t),
    ),
    "Cyclic triangular2": (
        lambda m, o: m.CyclicLR(o, 0.1, 0.5, 4, 6, mode="triangular2"),
        lambda t: 0.1 + 0.4 * triangle(t) / 2 ** (t // 10),
    ),
    "Cyclic exp_range": (
        lambda m, o: m.CyclicLR(o, 0.1, 0.5, 4, 6, "exp_range", 0.97, cycle_momentum=False),
        lambda t: 0.1 + 0.4 * triangle(t) * 0.97**t,
    ),
    "Cyclic scale_fn": (
        lambda m, o: m.CyclicLR(o, 0.1, 0.5, 4, 6, scale_fn=lambda c: 1 / c, base_momentum=0.5),
        lambda t: 0.1 + 0.4 * triangle(t) / (t // 10 + 1),
    ),
    "OneCycle": (lambda m, o: m.OneCycleLR(o, 1.0, total_steps=71), one_cycle),
    "Chained": (
        lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)]),
        lambda t: 0.1 * (0.1 if t < 4 else 1) * 0.9**t,
    ),
    "Sequential with WarmRestarts": (
        lambda m, o: m.SequentialLR(
            o, [m.ConstantLR(o, 0.5, 3), m.CosineAnnealingWarmRestarts(o, 4, 2)], [5]
        ),
        lambda t: (0.05 if t < 3 else 0.1) if t < 5 else restarts(t - 5, 4, 2, 0),
    ),
    "Sequential": (
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.1, 1.0, 5), m.ExponentialLR(o, 0.9), m.StepLR(o, 2)], [5, 20]
        ),
        lambda t: (
            0.1 * (0.1 + 0.9 * t / 5)
            if t < 5
            else 0.1 * 0.9 ** (t - 5)
            if t < 20
            else 0.1 * 0.1 ** ((t - 20) // 2)
        ),
    ),
}

#: More of them, for comparisons without a closed form.
SCHEDULES = {name: make for name, (make, _) in CLOSED.items()} | {
    "Lambda list": lambda m, o: m.LambdaLR(o, [lambda t: 0.9**t, lambda t: t]),
    "Cyclic momentum": lambda m, o: m.CyclicLR(
        o, [0.1, 0.2], [0.3, 0.9], 5, mode="exp_range", gamma=0.95, base_momentum=0.3
    ),
    "Cyclic iterations": lambda m, o: m.CyclicLR(
        o, 0.1, 0.5, 4, scale_fn=lambda t: 0.9**t, scale_mode="iterations"
    ),
    "OneCycle linear": lambda m, o: m.OneCycleLR(
        o, [1.0, 2.0], epochs=10, steps_per_epoch=7, anneal_strategy="linear", pct_start=0.25
    ),
    "OneCycle three phases": lambda m, o: m.OneCycleLR(
        o, 1.0, 80, three_phase=True, div_factor=10.0, cycle_momentum=False
    ),
    "OneCycle from the top": lambda m, o: m.OneCycleLR(o, 1.0, 80, pct_start=0.0),
    "Step after manual change": lambda m, o: m.StepLR(o, 10),
    "MultiStep after manual change": lambda m, o: m.MultiStepLR(o, [10, 30]),
    "Exponential after manual change": lambda m, o: m.ExponentialLR(o, 0.9),
    "Constant after manual change": lambda m, o: m.ConstantLR(o, 0.5, 15),
    "Linear after manual change": lambda m, o: m.LinearLR(o, 0.5, 0.1, 30),
    "Polynomial after manual change": lambda m, o: m.PolynomialLR(o, 30, 1.5),
    "Cosine after manual change": lambda m, o: m.CosineAnnealingLR(o, 15, 0.01),
    "WarmRestarts after manual change": lambda m, o: m.CosineAnnealingWarmRestarts(o, 15),
    "Chained after manual change": lambda m, o: m.ChainedScheduler(
        [m.PolynomialLR(o, 40), m.CosineAnnealingLR(o, 10), m.MultiStepLR(o, [9, 10])]
    ),
    "Sequential with cycles": lambda m, o: m.SequentialLR(
        o,
        [
            m.ConstantLR(o, 0.5, 3),
            m.CosineAnnealingWarmRestarts(o, 4, 2),
            m.CosineAnnealingLR(o, 8),
            m.PolynomialLR(o, 9),
        ],
        [5, 20, 40],
    ),
    "Sequential with one cycle": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o), m.OneCycleLR(o, 1.0, 60)], [10]
    ),
    "Plateau": lambda m, o: m.ReduceLROnPlateau(o, "min", 0.5, 3),
    "Plateau max": lambda m, o: m.ReduceLROnPlateau(
        o, "max", 0.5, 2, 0.1, "abs", cooldown=3, min_lr=[0.01, 0.0]
    ),
    "Plateau max rel": lambda m, o: m.ReduceLROnPlateau(o, "max", 0.3, 1, threshold=0.2, eps=1e-3),
    "Plateau min abs": lambda m, o: m.ReduceLROnPlateau(o, patience=1, threshold_mode="abs"),
}
OPTIMIZERS = ["SGD", "Adam"]


@pytest.mark.parametrize("name", CLOSED)
def test_equals_its_closed_form(name):
    make, rate = CLOSED[name]
    optimizer = descent()
    schedule = make(ls, optimizer)
    rates = []
    for _ in range(70):
        first, second = schedule.get_last_lr()
        assert [first, second] == [g["lr"] for g in optimizer.param_groups]
        rates.append(first)
        if "Cycl" not in name and "Cycle" not in name and "Warm" not in name and name != "Cosine":
            assert second == pytest.approx(first / 5)
        schedule.step()
    np.testing.assert_allclose(rates, [rate(t) for t in range(70)], rtol=1e-10, atol=1e-14)


def advance(schedule, optimizer, steps):
    found = []
    for t in steps:
        args = [1 / (1 + t % 9)] if isinstance(schedule, ls.ReduceLROnPlateau) else []
        schedule.step(*args)
        group = optimizer.param_groups[0]
        found.append([g["lr"] for g in optimizer.param_groups] + [group["betas"][0]])
        found.append(list(schedule.get_last_lr()))
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_restored_state_continues_bit_for_bit(name):
    make = SCHEDULES[name]
    optimizer = descent("Adam")
    whole = advance(make(ls, optimizer), optimizer, range(60))

    optimizer = descent("Adam")
    schedule = make(ls, optimizer)
    start = advance(schedule, optimizer, range(23))
    saved = copy.deepcopy([schedule.state_dict(), optimizer.state_dict()])
    assert advance(schedule, optimizer, range(23, 60)) == whole[46:]
    text = json.dumps(saved[0])  # numbers, lists and dicts only
    optimizer = descent("Adam")
    schedule = make(ls, optimizer)
    schedule.load_state_dict(json.loads(text))
    optimizer.load_state_dict(saved[1])
    assert schedule.get_last_lr() == start[-1]
    assert start + advance(schedule, optimizer, range(23, 60)) == whole


@pytest.mark.parametrize(
    "make",
    [
        lambda o, k: ls.LambdaLR(o, lambda t: 0.9**t, k),
        lambda o, k: ls.StepLR(o, 4, 0.5, k),
        lambda o, k: ls.MultiStepLR(o, [6, 9], 0.5, k),
        lambda o, k: ls.CosineAnnealingWarmRestarts(o, 20, last_epoch=k),
        lambda o, k: ls.CyclicLR(o, 0.1, 0.5, 4, last_epoch=k),
        lambda o, k: ls.OneCycleLR(o, 1.0, 20, last_epoch=k),
    ],
)
def test_last_epoch_goes_on_in_the_groups_of_a_saved_optimizer(make):
    optimizer = descent(momentum=0.9)
    schedule = make(optimizer, -1)
    for _ in range(5):
        schedule.step()
    again = descent(momentum=0.9)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    schedule.step()
    resumed = make(again, 5)
    for _ in range(8):
        assert resumed.get_last_lr() == pytest.approx(schedule.get_last_lr())
        assert again.param_groups[0]["momentum"] == optimizer.param_groups[0]["momentum"]
        schedule.step()
        resumed.step()


def test_last_epoch_needs_groups_that_know_their_initial_rate():
    with pytest.raises(KeyError, match=r"StepLR: expected 'initial_lr' in param_groups\[0\]"):
        ls.StepLR(descent(), 3, last_epoch=4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_cycles_move_momentum_against_the_rate(name):
    def momentum():
        group = optimizer.param_groups[0]
        return group["momentum"] if name == "SGD" else group["betas"][0]

    optimizer = descent(name)
    schedule = ls.CyclicLR(optimizer, 0.1, 0.5, 4, base_momentum=0.6, max_momentum=0.8)
    found = []
    for _ in range(9):
        found.append(momentum())
        schedule.step()
    np.testing.assert_allclose(found, [0.8, 0.75, 0.7, 0.65, 0.6, 0.65, 0.7, 0.75, 0.8])
    if name == "Adam":
        assert optimizer.param_groups[0]["betas"][1] == 0.999

    optimizer = descent(name)
    schedule = ls.OneCycleLR(optimizer, 1.0, 11, pct_start=6 / 11)
    assert momentum() == 0.95
    for _ in range(5):
        schedule.step()
    assert schedule.get_last_lr()[0] == pytest.approx(1)
    assert momentum() == pytest.approx(0.85)
    for _ in range(5):
        schedule.step()
    assert momentum() == pytest.approx(0.95)
    assert schedule.get_last_lr()[0] == pytest.approx(1 / 25 / 1e4)
    schedule.step()
    with pytest.raises(ValueError, match="OneCycleLR: expected at most 11 steps, got 12"):
        schedule.step()


def test_cycles_leave_momentum_alone_when_told_to():
    optimizer = descent("Adagrad")
    ls.CyclicLR(optimizer, 0.1, 0.5, cycle_momentum=False)
    ls.OneCycleLR(optimizer, 0.1, 10, cycle_momentum=False)
    for make in (
        lambda: ls.CyclicLR(optimizer, 0.1, 0.5),
        lambda: ls.OneCycleLR(optimizer, 0.1, 10),
    ):
        with pytest.raises(ValueError, match="with momentum or betas, or cycle_momentum=False"):
            make()


def test_warm_restarts_take_epochs_in_between():
    optimizer = descent()
    schedule = ls.CosineAnnealingWarmRestarts(optimizer, 5, 2)
    for epoch in (0.5, 2.25, 5, 7.5, 14.9, 15, 40.125, 3):
        schedule.step(epoch)
        assert schedule.get_last_lr()[0] == pytest.approx(restarts(epoch, 5, 2, 0))
        assert schedule.last_epoch == math.floor(epoch)
    schedule.step()
    assert schedule.get_last_lr()[0] == pytest.approx(restarts(4, 5, 2, 0))
    with pytest.raises(ValueError, match="expected epoch >= 0, got -1"):
        schedule.step(-1)


def test_one_cycle_may_start_at_the_top_of_its_first_phase():
    schedule = ls.OneCycleLR(descent(), 1.0, 10, pct_start=0.1)
    assert schedule.get_last_lr() == [1.0, 1.0]


def test_sequences_and_chains_can_be_nested():
    optimizer = descent()
    inner = ls.ChainedScheduler(
        [ls.ConstantLR(optimizer, 0.5, 2), ls.ExponentialLR(optimizer, 0.9)]
    )
    warmup = ls.LinearLR(optimizer, 0.25, 1.0, 3)
    nested = ls.SequentialLR(optimizer, [warmup, inner], [3])
    outer = ls.SequentialLR(optimizer, [ls.StepLR(optimizer, 1, 0.5), nested], [2])
    rates = []
    for _ in range(9):
        rates.append(outer.get_last_lr()[0])
        outer.step()
    expected = [1, 0.5, 0.25, 0.5, 0.75, 0.5, 0.5 * 0.9, 0.9**2, 0.9**3]
    np.testing.assert_allclose(rates, 0.1 * np.array(expected))


def test_plateau_waits_reduces_and_cools_down():
    optimizer = descent(lr=1.0)
    schedule = ls.ReduceLROnPlateau(optimizer, factor=0.1, patience=2, cooldown=2, min_lr=[0.05, 0])
    assert schedule.get_last_lr() == [1.0, 0.2]
    seen = []
    for metric in [3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]:
        schedule.step(tg.tensor(metric))
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]
    assert schedule.best == 1
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.002)
    schedule.step(math.nan)
    assert schedule.best == 1

    schedule = ls.ReduceLROnPlateau(optimizer, factor=0.9, patience=0, eps=0.005)
    before = schedule.get_last_lr()
    schedule.step(1)
    schedule.step(1)
    assert schedule.get_last_lr() == before


class Warmup:
    """A callable with something to remember."""

    def __init__(self, length):
        self.length = length

    def __call__(self, t):
        return min(1, (t + 1) / self.length)


def test_lambdas_are_saved_when_they_are_objects():
    functions = [Warmup(4), lambda t: 0.5**t]
    saved = ls.LambdaLR(descent(), functions).state_dict()
    assert saved["lr_lambdas"] == [{"length": 4}, {}]
    schedule = ls.LambdaLR(descent(), [Warmup(8), lambda t: 0.5**t])
    schedule.load_state_dict(saved)
    schedule.step()
    assert schedule.get_last_lr() == [0.05, 0.01]
    cyclic = ls.CyclicLR(descent(), 0.1, 0.5, 4, scale_fn=Warmup(2))
    assert cyclic.state_dict()["_scale_fn"] == {"length": 2}
    again = ls.CyclicLR(descent(), 0.1, 0.5, 4, scale_fn=Warmup(9))
    again.load_state_dict(cyclic.state_dict())
    assert again.scale_fn(1) == 1
    ls.LambdaLR(descent(), functools.partial(pow, 2)).state_dict()


def test_load_state_dict_refuses_another_kind_of_schedule():
    saved = ls.ExponentialLR(descent(), 0.9).state_dict()
    with pytest.raises(ValueError, match=r"StepLR\.load_state_dict: expected .*step_size.*; got"):
        ls.StepLR(descent(), 3).load_state_dict(saved)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda o: ls.StepLR(3, 4), TypeError, "StepLR: expected an Optimizer, got int"),
        (lambda o: ls.StepLR(o, 0), ValueError, "step_size > 0, got 0"),
        (lambda o: ls.LambdaLR(o, [abs]), ValueError, "one lr_lambda or 2, one a parameter group"),
        (lambda o: ls.ConstantLR(o, 0.0), ValueError, r"factor in \(0, 1\], got 0.0"),
        (lambda o: ls.LinearLR(o, 0), ValueError, r"start_factor in \(0, 1\], got 0"),
        (lambda o: ls.LinearLR(o, 1, 2), ValueError, r"end_factor in \[0, 1\], got 2"),
        (lambda o: ls.CosineAnnealingLR(o, 0), ValueError, "T_max > 0, got 0"),
        (lambda o: ls.CosineAnnealingWarmRestarts(o, 0), ValueError, "integer T_0 > 0, got 0"),
        (lambda o: ls.CosineAnnealingWarmRestarts(o, 1, 0.5), ValueError, "T_mult > 0, got 0.5"),
        (lambda o: ls.CyclicLR(o, 0, 1, mode="saw"), ValueError, "a mode of tri.*got 'saw'"),
        (
            lambda o: ls.CyclicLR(o, 0, 1, scale_fn=abs, scale_mode="x"),
            ValueError,
            "scale_mode 'cycle' or 'iterations', got 'x'",
        ),
        (lambda o: ls.CyclicLR(o, 0, 1, 0), ValueError, "step_size_down > 0, got 0 and 0"),
        (lambda o: ls.CyclicLR(o, [0], 1), ValueError, "one base_lr or 2.*, got 1"),
        (lambda o: ls.OneCycleLR(o, 1.0), ValueError, "total_steps, or epochs and steps_per_epoch"),
        (lambda o: ls.OneCycleLR(o, 1.0, 0), ValueError, "an integer > 0 of steps, got 0"),
        (lambda o: ls.OneCycleLR(o, 1.0, 9, pct_start=2), ValueError, r"pct_start in \[0, 1\]"),
        (lambda o: ls.OneCycleLR(o, 1.0, 9, anneal_strategy="x"), ValueError, "'cos' or 'linear'"),
        (lambda o: ls.SequentialLR(o, [], []), ValueError, "at least one schedule, got none"),
        (
            lambda o: ls.SequentialLR(o, [ls.StepLR(o, 1)], [3]),
            ValueError,
            "0 milestones between 1 schedules, got 1",
        ),
        (
            lambda o: ls.SequentialLR(o, [ls.StepLR(o, 1)] * 3, [3, 1]),
            ValueError,
            "milestones in ascending order",
        ),
        (
            lambda o: ls.SequentialLR(o, [ls.StepLR(descent(), 1)], []),
            ValueError,
            "schedules of one optimizer, got one of another",
        ),
        (
            lambda o: ls.ChainedScheduler([ls.ReduceLROnPlateau(o)]),
            TypeError,
            "schedules that step without a metric, got ReduceLROnPlateau",
        ),
        (lambda o: ls.ReduceLROnPlateau(o, "avg"), ValueError, "mode 'min' or 'max', got 'avg'"),
        (lambda o: ls.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "'rel' or 'abs'"),
        (lambda o: ls.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor < 1, got 1.0"),
        (lambda o: ls.LRScheduler(o), NotImplementedError, "LRScheduler does not define its rates"),
    ],
)
def test_refuses(make, error, text):
    with pytest.raises(error, match=text):
        make(descent())
