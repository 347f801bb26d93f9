"""Compiled steps: what they compute, when they are recorded anew, what they refuse."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import nn, optim
from tinygrad_hw.compile.memory import arrange
from tinygrad_hw.errors import CaptureError
from tinygrad_hw.kernels.split import edges

F = nn.functional

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="nothing is compiled"
)

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.05),
    "Nesterov": lambda p: optim.SGD(p, 0.05, 0.9, nesterov=True, weight_decay=1e-3),
    "dampened": lambda p: optim.SGD(p, 0.05, 0.9, dampening=0.5),
    "Adam": lambda p: optim.Adam(p, 1e-2),
    "amsgrad": lambda p: optim.Adam(p, 1e-2, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, 1e-2),
    "NAdam": lambda p: optim.NAdam(p, 1e-2),
    "RAdam": lambda p: optim.RAdam(p, 1e-2),
    "Adamax": lambda p: optim.Adamax(p, 1e-2),
    "RMSprop": lambda p: optim.RMSprop(p, 1e-2, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, 1e-2),
    "Adadelta": lambda p: optim.Adadelta(p, 1.0),
    "Rprop": lambda p: optim.Rprop(p, 1e-2),
}


def network(sizes=(6, 5, 3), activation=nn.ReLU, dtype=tg.float64, seed=0) -> nn.Module:
    tg.manual_seed(seed)
    layers: list = []
    for low, high in itertools.pairwise(sizes):
        layers += [nn.Linear(low, high), activation()]
    return nn.Sequential(*layers[:-1]).to(dtype)


def training_step(model, optimizer, loss=F.cross_entropy):
    def step(x, y):
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def batches(count: int, n: int = 4, inputs: int = 6, classes: int = 3, dtype=tg.float64, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        x = rng.normal(size=(n, inputs)).astype(dtype)
        yield tg.from_numpy(x), tg.from_numpy(rng.integers(0, classes, n))


def values(model: nn.Module) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in model.parameters()]


def agree(some: nn.Module, other: nn.Module, tolerance: float = 1e-12) -> None:
    for a, b in zip(values(some), values(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_the_same_steps(name):
    one, two = network(), network()
    first, second = OPTIMIZERS[name](one.parameters()), OPTIMIZERS[name](two.parameters())
    step, fast = training_step(one, first), tg.compile(training_step(two, second))
    for x, y in batches(25):
        assert fast(x, y).item() == pytest.approx(step(x, y).item(), rel=1e-12)
    agree(one, two)
    for a, b in zip(first.state.values(), second.state.values(), strict=True):
        assert {k: v for k, v in a.items() if not isinstance(v, tg.Tensor)} == {
            k: v for k, v in b.items() if not isinstance(v, tg.Tensor)
        }
    assert fast.stats()["recordings"] == 1
    assert fast.stats()["python_calls"] == 0


@settings(max_examples=15)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.LeakyReLU]),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    n=st.integers(1, 7),
    float32=st.booleans(),
)
def test_small_networks_train_alike(sizes, activation, optimizer, n, float32):
    dtype, tolerance = (tg.float32, 2e-4) if float32 else (tg.float64, 1e-11)
    one, two = (network(sizes, activation, dtype) for _ in range(2))
    step = training_step(one, OPTIMIZERS[optimizer](one.parameters()))
    fast = tg.compile(training_step(two, OPTIMIZERS[optimizer](two.parameters())))
    for x, y in batches(6, n, sizes[0], sizes[-1], dtype):
        step(x, y), fast(x, y)
    if optimizer != "Rprop" or not float32:  # looks at signs, which rounding may turn
        agree(one, two, tolerance)


def test_losses_dropout_and_schedules_follow_the_moment():
    results = []
    for wrap in (lambda f: f, tg.compile):
        tg.manual_seed(3)
        model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.4), nn.Tanh(), nn.Linear(8, 3)).double()
        optimizer = optim.SGD(model.parameters(), lr=0.5)
        schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

        @wrap
        def step(x, y, model=model, optimizer=optimizer, schedule=schedule):
            loss = F.mse_loss(model(x), F.softmax(model(x * 2), dim=1).detach()) + F.cross_entropy(
                model(x), y
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            return loss

        losses = [step(x, y).item() for x, y in batches(12)]
        results.append((losses, values(model), optimizer.param_groups[0]["lr"]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-11)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert results[0][2] == results[1][2] == pytest.approx(0.5 * 0.9**12)


def test_a_rate_changed_by_hand_counts_at_once():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    fast = tg.compile(training_step(model, optimizer))
    pairs = list(batches(3))
    fast(*pairs[0])
    optimizer.param_groups[0]["lr"] = 0.0
    before = values(model)
    fast(*pairs[1])
    assert all((a == b).all() for a, b in zip(before, values(model), strict=True))
    assert fast.stats()["recordings"] == 1


def test_gradients_accumulate_over_backward_passes_and_calls():
    one, two = network(), network()

    def accumulate(model):
        def step(x, y):
            F.cross_entropy(model(x), y).backward()
            loss = F.cross_entropy(model(x * 0.5), y)
            loss.backward()
            return loss

        return step

    step, fast = accumulate(one), tg.compile(accumulate(two))
    for k, (x, y) in enumerate(batches(6)):
        if k == 4:
            one.zero_grad(), two.zero_grad()
        step(x, y), fast(x, y)
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)
    assert fast.stats()["recordings"] == 2  # without gradients at first, and with


def test_evaluation_modes_shapes_and_constants_are_recorded_apart():
    model = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5))

    @tg.compile
    def predict(x, scale=1.0):
        return model(x) * scale

    model.eval()
    x = tg.randn(5, 6)
    with tg.no_grad():
        for _k in range(3):
            np.testing.assert_allclose(predict(x), np.asarray(model(x)), rtol=1e-6)
        assert predict.stats()["recordings"] == 1
        predict(tg.randn(2, 6))
        predict(x, 2.0)
        np.testing.assert_allclose(predict(x, scale=2.0), 2 * np.asarray(model(x)), rtol=1e-6)
        predict(x.double().float()[:, :])
        assert predict.stats()["recordings"] == 4
        model.train()
        assert (np.asarray(predict(x)) == 0).any()
        assert not np.array_equal(predict(x), predict(x))  # a fresh mask each time
        assert predict.stats()["recordings"] == 5


def test_new_parameters_are_seen():
    model = network()
    fast = tg.compile(lambda x: model(x).detach())
    x = next(batches(1))[0]
    fast(x)
    model[0].weight = nn.Parameter(model[0].weight.detach() * 3)
    np.testing.assert_allclose(fast(x), np.asarray(model(x).detach()), rtol=1e-12)
    model[2] = nn.Linear(5, 2).double()
    assert fast(x).shape == (4, 2)
    model.load_state_dict({k: v * 2 for k, v in model.state_dict().items()})
    np.testing.assert_allclose(fast(x), np.asarray(model(x).detach()), rtol=1e-12)


def test_a_loaded_optimizer_state_is_seen():
    model = network()
    optimizer = optim.Adam(model.parameters(), 0.01)
    fast = tg.compile(training_step(model, optimizer))
    pairs = list(batches(4))
    fast(*pairs[0])
    state = optimizer.state_dict()
    fast(*pairs[1])
    optimizer.load_state_dict(state)
    fast(*pairs[2])
    assert optimizer.state[next(model.parameters())]["step"] == 2 + 1
    assert fast.stats()["recordings"] == 2


class TestRefusals:
    """Before anything has changed, by name, with the remedy."""

    def refused(self, body, match, *args):
        model = network()
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        before = values(model)

        @tg.compile
        def step(x, y):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return body(loss, x)

        x, y = next(batches(1))
        with pytest.raises(CaptureError, match=match):
            step(x, y)
        assert all((a == b).all() for a, b in zip(before, values(model), strict=True))
        assert not optimizer.state
        assert all(p.grad is None for p in model.parameters())
        assert step.stats()["recordings"] == 0

    @pytest.mark.parametrize(
        ("body", "match"),
        [
            (lambda loss, x: loss.item(), r"item\(\) has no place inside a compiled step\nReturn"),
            (lambda loss, x: loss if loss > 0 else x, "a branch or number that depends on"),
            (lambda loss, x: float(loss), r"float\(\) has no place"),
            (lambda loss, x: repr(loss), "printing a tensor has no place"),
            (lambda loss, x: f"{loss}", "has no place"),
            (lambda loss, x: x.numpy(), r"numpy\(\) has no place"),
            (lambda loss, x: np.asarray(x), "turning a tensor into an array has no place"),
            (lambda loss, x: x.tolist(), r"tolist\(\) has no place"),
            (lambda loss, x: x[x > 0], "indexing by a mask"),
            (lambda loss, x: range(3)[(x > 0).sum()], "an index that depends on"),
            (lambda loss, x: x + np.ones((4, 6)), "that no recorded operation computed\nPass"),
            (lambda loss, x: tg.tensor(np.ones(3)), r"tensor\(\) of an array has no place"),
            (lambda loss, x: tg.from_numpy(np.ones(3)), r"from_numpy\(\) has no place"),
        ],
    )
    def test_what_would_be_frozen(self, body, match):
        self.refused(body, match)

    def test_a_result_that_still_needs_its_backward_pass(self):
        model = network()
        fast = tg.compile(lambda x: model(x))
        with pytest.raises(CaptureError, match=r"no backward pass went through it\nCall backward"):
            fast(next(batches(1))[0])

    def test_lbfgs(self):
        model = network()
        optimizer = optim.LBFGS(model.parameters())
        fast = tg.compile(lambda x: optimizer.step(lambda: model(x).sum()))
        with pytest.raises(CaptureError, match=r"LBFGS\.step has no place"):
            fast(next(batches(1))[0])

    def test_arguments_with_history_and_unhashable_ones(self):
        fast = tg.compile(lambda x: x.detach())
        with pytest.raises(CaptureError, match="expected arguments without history"):
            fast(tg.ones(2, requires_grad=True) * 2)
        with pytest.raises(CaptureError, match="expected tensors, arrays and hashable values"):
            fast({1, 2})

    def test_fullgraph(self):
        step = tg.compile(lambda x: tg.cumsum(x, 0), fullgraph=True)
        with pytest.raises(CaptureError, match="cumsum has no native form"):
            step(tg.ones(3))
        np.testing.assert_array_equal(tg.compile(lambda x: tg.cumsum(x, 0))(tg.ones(3)), [1, 2, 3])

    def test_a_step_within_a_step(self):
        inner = tg.compile(lambda x: x + 1)
        with pytest.raises(CaptureError, match="within another one's recording"):
            tg.compile(lambda x: inner(x))(tg.ones(3))

    def test_what_is_no_function(self):
        with pytest.raises(TypeError, match="compile: expected a function, got int"):
            tg.compile(3)
        with pytest.raises(CaptureError, match="expected a step that has been called"):
            tg.compile(lambda: None).program  # noqa: B018


def test_wrong_labels_are_refused_before_the_update():
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.1)
    fast = tg.compile(training_step(model, optimizer))
    x, y = next(batches(1))
    fast(x, y)
    before = values(model)
    with pytest.raises(IndexError, match=r"expected class indices in \[0, 2\], got 7"):
        fast(x, tg.tensor([0, 7, 1, 2]))
    assert all((a == b).all() for a, b in zip(before, values(model), strict=True))
    fast(x, y)


def test_an_error_in_the_step_changes_nothing():
    model = network()
    optimizer = optim.Adam(model.parameters(), 0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)
    generator = tg.Generator(5)
    state = generator.get_state()

    @tg.compile
    def step(x, y):
        tg.rand(3, generator=generator)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()
        raise ZeroDivisionError

    before = values(model)
    with pytest.raises(ZeroDivisionError):
        step(*next(batches(1)))
    assert all((a == b).all() for a, b in zip(before, values(model), strict=True))
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert schedule.last_epoch == 0
    np.testing.assert_array_equal(generator.get_state(), state)


def test_arguments_changed_in_place_and_arguments_gradients():
    @tg.compile
    def step(x, w):
        x.mul_(2)
        (w * x).sum().backward()
        return x[1:]

    for k in range(3):
        x, w = tg.arange(4.0) + k, tg.ones(4, requires_grad=True)
        tail = step(x, w)
        np.testing.assert_array_equal(x, 2 * (np.arange(4) + k))
        np.testing.assert_array_equal(tail, x[1:])
        np.testing.assert_array_equal(w.grad, x)
    assert step.stats()["recordings"] == 1


def test_results_keep_their_structure_and_are_the_callers_own():
    model = network()

    @tg.compile
    def step(pair, *, flag):
        x, y = pair["x"], pair["y"]
        return {"sum": x + y, "both": (x, [y * 2, 3]), "weight": model[0].weight}

    kept = []
    for k in range(3):
        x, y = tg.full((2,), float(k)), tg.ones(2)
        result = step({"x": x, "y": y}, flag=True)
        kept.append(result["sum"])
        assert result["both"][0] is x
        assert result["both"][1][1] == 3
        assert result["weight"] is model[0].weight
    np.testing.assert_array_equal(np.stack([np.asarray(t) for t in kept])[:, 0], [1, 2, 3])


def test_each_call_looks_at_how_its_arguments_lie():
    twice = tg.compile(lambda x: x * 2)
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    frozen = x.copy()
    frozen.flags.writeable = False
    others = [x, x.T, x[::-1], x.astype(np.float64), np.arange(3.0), x.reshape(1, 9), frozen]
    for array in [x, *others, x, *reversed(others)]:
        tensor = tg.from_numpy(array) if array.flags.writeable else tg.Tensor._wrap(array)
        np.testing.assert_array_equal(twice(tensor).numpy(), array * 2)
    assert twice.stats()["recordings"] == 4


def test_numpy_arguments():
    fast = tg.compile(lambda x: tg.from_numpy(x).square().sum())
    for k in range(3):
        assert fast(np.full(3, float(k))).item() == 3 * k * k
    strided = np.arange(6.0).reshape(2, 3).T
    assert fast(strided).item() == 55


def test_threads_do_not_change_results():
    results = []
    for count in (1, 2, 3):
        before = tg.get_num_threads()
        tg.set_num_threads(count)
        try:
            model = network((64, 300, 40), dtype=tg.float32)
            fast = tg.compile(training_step(model, optim.Adam(model.parameters())))
            for x, y in batches(5, 50, 64, 40, tg.float32):
                fast(x, y)
            shared = fast.program.shared_launches
        finally:
            tg.set_num_threads(before)
        assert bool(shared) == (count > 1)
        results.append(values(model))
    for other in results[1:]:
        assert all((a == b).all() for a, b in zip(results[0], other, strict=True))


def test_two_python_threads_replay_at_once():
    model = network((64, 300, 40), dtype=tg.float32)
    x = next(batches(1, 50, 64, 40, tg.float32))[0]
    with tg.no_grad():
        expected = np.asarray(model(x))

    wrong = []

    def work():
        fast = tg.compile(lambda x: model(x).detach())
        for _ in range(200):
            if not np.array_equal(fast(x), expected):
                wrong.append(1)

    lock_free = tg.compile(lambda x: model(x).detach())
    lock_free(x)
    threads = [threading.Thread(target=lambda: [lock_free(x) for _ in range(200)])]
    threads[0].start()
    for _ in range(200):
        assert lock_free(x).shape == (50, 40)
    threads[0].join()
    work()
    assert not wrong


@pytest.mark.parametrize("bad", [0, -1, 1.5, True])
def test_numbers_of_threads(bad):
    with pytest.raises(ValueError, match="set_num_threads: expected an integer >= 1, got"):
        tg.set_num_threads(bad)


def test_memory_is_shared_by_temporaries_that_do_not_meet():
    model = network((32, 64, 64, 64, 8), dtype=tg.float32)
    fast = tg.compile(training_step(model, optim.SGD(model.parameters(), 0.1)))
    fast(*next(batches(1, 64, 32, 8, tg.float32)))
    stats = fast.stats()
    assert 0 < stats["block_bytes"] < 0.8 * stats["temporary_bytes"]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(0, 20), st.integers(0, 20)),
        min_size=1,
        max_size=30,
    )
)
def test_arranged_arrays_never_overlap_while_both_live(items):
    sizes = [n * 64 for n, _, _ in items]
    spans = [sorted((a, b)) for _, a, b in items]
    offsets, total = arrange(sizes, spans)
    for i in range(len(items)):
        assert 0 <= offsets[i] <= total - sizes[i]
        for j in range(i):
            apart = spans[i][1] < spans[j][0] or spans[j][1] < spans[i][0]
            clear = offsets[i] + sizes[i] <= offsets[j] or offsets[j] + sizes[j] <= offsets[i]
            assert apart or clear or not sizes[i] or not sizes[j]


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 70))
def test_edges_cut_all_into_at_most_that_many_parts(n, parts, grain):
    cuts = edges(n, parts, grain)
    assert cuts[0] == 0
    assert cuts[-1] == n
    assert len(cuts) - 1 <= parts
    assert all(low < high for low, high in itertools.pairwise(cuts))


def test_explain_and_the_program_as_data():
    model = network((64, 300, 40), dtype=tg.float32)
    fast = tg.compile(training_step(model, optim.Adam(model.parameters())))
    for x, y in batches(3, 50, 64, 40, tg.float32):
        fast(x, y)
    before = values(model)
    text = fast.explain(measure=True)
    assert all((a == b).all() for a, b in zip(before, values(model), strict=True))
    assert "gemm.gemm" in text
    assert "cross_entropy backward" in text
    assert f"{2 * 50 * 64 * 300:,}" in text
    assert "µs one by one" in text
    assert len(fast.program.launches) == fast.stats()["launches"]
    assert "µs" not in fast.explain()
    assert repr(fast).startswith("<compiled step")


def test_a_decorator_keeps_the_name_and_is_applied_once():
    @tg.compile
    def step(x):
        """Doc."""
        return x + 1

    assert step.__name__ == "step"
    assert step.__doc__ == "Doc."
    assert tg.compile(step) is step
    step(tg.ones(2))
    step.reset()
    step(tg.ones(2))
    assert step.stats()["recordings"] == 2


SCRIPT = """
import numpy as np, tinygrad_hw as tg
from tinygrad_hw.kernels.jit import stats
model = tg.nn.Linear(3, 2)
optimizer = tg.optim.SGD(model.parameters(), 0.1)
@tg.compile
def step(x):
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    optimizer.step()
    return loss
for _ in range(3):
    step(tg.ones(4, 3))
print(stats.compiled, stats.loaded)
"""


def test_kernels_come_from_the_cache_in_the_next_process(tmp_path):
    environment = {**os.environ, "TINYGRAD_HW_CACHE": str(tmp_path)}
    counts = [
        [
            int(n)
            for n in subprocess.run(
                [sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True
            ).stdout.split()
        ]
        for _ in range(2)
    ]
    assert counts[0][0] > 0
    assert counts[1][0] == 0
    assert counts[1][1] > 0


@pytest.mark.parametrize("optimizer", ["Nesterov", "Adam"])
def test_a_sweep_takes_the_steps_of_a_loop(optimizer):
    x, y = next(batches(1, 103, 6, 3))
    order = np.random.default_rng(2).permutation(103)
    models, looks = [], []
    for swept in (False, True):
        model = network()
        made = OPTIMIZERS[optimizer](model.parameters())
        schedule = optim.lr_scheduler.LinearLR(made, total_iters=20)
        total = tg.zeros(1, dtype=tg.float64)

        def step(x, y, model=model, made=made, schedule=schedule, total=total):
            value = F.cross_entropy(model(x), y)
            made.zero_grad()
            value.backward()
            made.step()
            schedule.step()
            total.add_(value.detach())

        fast = tg.compile(step)
        if swept:
            fast.sweep((x, y), order, 4, looks.append)
            assert fast.program.launches
        else:
            for start in range(0, 103, 4):
                rows = order[start : start + 4]
                fast(tg.from_numpy(x.numpy()[rows]), tg.from_numpy(y.numpy()[rows]))
        models.append((model, total.item(), made))
    assert sum(looks) == 26
    assert len(looks) < 26
    agree(models[0][0], models[1][0], 0.0)
    assert models[0][1] == models[1][1]
    counts = [[v.get("step") for v in made.state.values()] for _, _, made in models]
    assert counts[0] == counts[1]


def test_a_sweep_stops_at_what_is_wrong():
    x, y = next(batches(1, 60))
    model = network()
    fast = tg.compile(training_step(model, optim.SGD(model.parameters(), 0.1)))
    labels = y.numpy().copy()
    labels[41] = 9
    with pytest.raises(IndexError, match=r"expected class indices in \[0, 2\], got 9"):
        fast.sweep((x, tg.from_numpy(labels)), np.arange(60), 4)
    with pytest.raises(IndexError, match=r"sweep: expected rows in \[0, 59\], got 3 to 60"):
        fast.sweep((x, y), np.array([3, 60]), 2)


def test_memory_that_overlaps_is_moved_as_numpy_does():
    def shifted(x):
        y = x + 0
        y[1:] = y[:-1]
        z = x + 0
        z[2::2] = z[1:5]
        t = (x[:9] + 0).reshape((3, 3))
        t.copy_(t.T)
        f = (x * 1.0).reshape((1, -1))
        g = f.flip(0)
        g.add_(1)
        return y, z, t, f, g

    fast = tg.compile(shifted)
    for k in range(3):
        x = tg.tensor(np.arange(10.0) + k)
        for a, b in zip(fast(x), shifted(x), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_empty_and_single_operands_are_recorded():
    def step(x, e):
        return (
            e @ e.transpose(-1, -2),
            tg.where(True, 1.0, 2.0) + x,
            tg.where(x > 0, x, 0.5),
            tg.where(tg.tensor(True), x, -x),
            x.sum((0, 2)),
            e.sum(1),
        )

    fast = tg.compile(step)
    for k in range(3):
        x, e = tg.randn(2, 3, 4) + k, tg.zeros(2, 3, 0)
        for a, b in zip(fast(x, e), step(x, e), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-6)


def test_a_step_that_a_check_stops_is_not_counted():
    model = network()
    optimizer = optim.Adam(model.parameters(), 0.01)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1)
    weight = tg.ones(3)

    @tg.compile
    def step(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y, weight=weight).backward()
        optimizer.step()
        scheduler.step()

    x, y = next(batches(1, 4))
    for _ in range(3):
        step(x, y)
    with pytest.raises(IndexError, match="got 9"):
        step(x, tg.tensor([0, 1, 9, 2]))
    assert {v["step"] for v in optimizer.state.values()} == {3}
    assert scheduler.last_epoch == 3


@pytest.mark.parametrize("swept", [False, True])
def test_a_step_that_stops_is_not_counted(swept):
    """Neither by Adam nor by a schedule: then it goes on as if the step had not been tried."""
    x, y = next(batches(1, 60))
    wrong = y.numpy().copy()
    wrong[41] = 9
    wrong = tg.from_numpy(wrong)
    made = []
    for _ in range(2):
        tg.manual_seed(0)
        model = network()
        optimizer = optim.Adam(model.parameters(), 0.01)
        scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

        plain = training_step(model, optimizer)

        def step(x, y, plain=plain, scheduler=scheduler):
            loss = plain(x, y)
            scheduler.step()
            return loss

        made.append((model, optimizer, scheduler, tg.compile(step)))
    *_, undisturbed = made[0]
    for i in range(10):
        undisturbed(x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4])
    *_, fast = made[1]
    if swept:
        with pytest.raises(IndexError, match="got 9"):
            fast.sweep((x, wrong), np.arange(60), 4)
    else:
        for i in range(10):
            fast(x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4])
        for _ in range(2):
            with pytest.raises(IndexError, match="got 9"):
                fast(x[40:44], wrong[40:44])
    assert {v["step"] for v in made[1][1].state.values()} == {10}
    assert made[1][2].last_epoch == made[0][2].last_epoch == 10
    for *_, compiled in made:
        compiled(x[44:48], y[44:48])
    agree(made[1][0], made[0][0], 0.0)


def test_a_model_that_cannot_be_compiled_is_trained_all_the_same():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            return self.layer(x) if x.sum() > 0 else self.layer(-x)

    x, y = next(batches(1, 40, dtype=tg.float32))
    loader = tg.data.DataLoader(tg.data.TensorDataset(x, y), 8)
    model = Branching()
    history = tg.train.fit(
        model,
        optim.SGD(model.parameters(), 0.1),
        nn.CrossEntropyLoss(),
        loader,
        epochs=2,
        progress="none",
    )
    assert not history.compiled
    assert "a branch or number that depends on" in history.uncompiled
    assert history.epochs == 2


def test_a_module_itself():
    model = network()
    fast = tg.compile(model)
    with tg.no_grad():
        for x, _ in batches(2):
            np.testing.assert_allclose(fast(x), np.asarray(model(x)), rtol=1e-12)
    assert fast.__name__ == "Sequential"
    assert not hasattr(fast, "training")
