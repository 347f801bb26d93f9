"""Large calls shared by threads outside compiled steps, and memory kept between them."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw.compile import shared as compile_shared
from tinygrad_hw.kernels import heap, jit, threads


@pytest.fixture
def shared(monkeypatch):
    """Every call that has parts is shared by two threads; the calls that were."""
    monkeypatch.setattr(jit, "SHARED_AWAKE", (0, 0))
    monkeypatch.setattr(jit, "SHARED_ASLEEP", (0, 0))
    calls = []
    share_out = jit.share_out

    def counted(kernel, args):
        done = share_out(kernel, args)
        calls.append((kernel.name, done))
        return done

    monkeypatch.setattr(jit, "share_out", counted)
    before = tg.get_num_threads()
    tg.set_num_threads(2)
    yield calls
    tg.set_num_threads(before)


def gradients() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    x = tg.from_numpy(rng.standard_normal((4, 3, 40, 40), np.float32)).requires_grad_()
    w = tg.from_numpy(rng.standard_normal((8, 3, 3, 3), np.float32)).requires_grad_()
    v = tg.from_numpy(rng.standard_normal((50, 8 * 19 * 19), np.float32)).requires_grad_()
    h = tg.nn.functional.max_pool2d(tg.nn.functional.conv2d(x, w).tanh(), 2).flatten(1)
    (tg.nn.functional.linear(h, v).softmax(1) ** 2).sum().backward()
    return [t.grad.numpy() for t in (x, w, v)]


def test_shared_calls_give_the_same_bit_for_bit(shared):
    gradients()  # a kernel's first call is its own
    found = gradients()
    names = {name for name, done in shared if done}
    assert {"gemm.gemm", "loop.tanh.float32"} <= names
    assert any("convol" in name for name in names)
    tg.set_num_threads(1)
    shared.clear()
    for a, b in zip(found, gradients(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not shared


@pytest.mark.parametrize(
    "lock", [lambda: threads.pool.busy, lambda: compile_shared._lock], ids=["workers", "programs"]
)
def test_while_another_thread_is_at_it_a_call_is_done_alone(shared, lock):
    found = gradients()
    shared.clear()
    with lock():
        for a, b in zip(found, gradients(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert not lock().acquire(False)
    assert shared


def test_without_compiled_code_no_call_is_shared():
    code = (
        "import tinygrad_hw as tg; from tinygrad_hw.kernels import jit; tg.set_num_threads(2);"
        "jit.SHARED_AWAKE = jit.SHARED_ASLEEP = 0, 0;"
        "print([tg.nn.functional.relu(tg.ones(3, 4) - 2).sum().item() for _ in range(3)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env={"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == "[0.0, 0.0, 0.0]"


def test_memory_is_kept_unless_told_otherwise():
    code = "from tinygrad_hw.kernels import heap; print(heap.keep())"
    for value, expected in (
        ("0", "False"),
        ("1", str(sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"))),
    ):
        run = subprocess.run(
            [sys.executable, "-c", code], env={"TINYGRAD_HW_KEEP": value, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert run.stdout.strip() == expected


def test_where_there_is_no_mallopt_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert heap.keep.__wrapped__() is False
