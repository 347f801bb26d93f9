"""Kernels: compiled once, kept on disk, and never wrong or broken because of what is on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw.kernels import jit
from tinygrad_hw.kernels.jit import Kernel, cache_folder, cache_root, kernel

ROOT = Path(tg.__file__).parent.parent
SIZE = 3.0

# numba is imported at the first kernel; then print what was compiled and what was loaded, and a result.
SCRIPT = """
import sys
import tinygrad_hw as tg
assert "numba" not in sys.modules
y = tg.tensor([0.5, -1.0]).exp()
assert "numba" in sys.modules
from tinygrad_hw.kernels.jit import cache_folder, stats
print(stats.compiled, stats.loaded, stats.seconds > 0, round(y[0].item(), 4))
"""


@kernel
def twice(out, x):
    for i in range(x.size):
        out[i] = x[i] * 2


@kernel
def twice_and_more(out, x):
    twice(out, x)
    for i in range(x.size):
        out[i] += SIZE


def run(k: Kernel, *values: float) -> list:
    x = np.array(values)
    out = np.empty_like(x)
    k(out, x)
    return out.tolist()


def fresh(k: Kernel) -> Kernel:
    """The same kernel as a new process sees it."""
    return Kernel(k.function, k.name)


def from_text(text: str, **names) -> Kernel:
    """The function ``f`` of a program text, as a kernel."""
    scope = dict(names)
    exec(text, scope)
    return Kernel(scope["f"], "test.f")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache folder for this process."""
    monkeypatch.setenv("TINYGRAD_HW_CACHE", str(tmp_path))
    cache_folder.cache_clear()
    yield cache_folder()
    cache_folder.cache_clear()


@pytest.fixture
def counts(monkeypatch):
    """What is compiled and loaded from now on."""
    stats = jit.Stats()
    monkeypatch.setattr(jit, "stats", stats)
    return stats


def start(script: str, cache, **environment) -> subprocess.Popen:
    environment = {**os.environ, "TINYGRAD_HW_CACHE": str(cache), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def output(process: subprocess.Popen) -> list:
    out, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return out.split()


# Processes


def test_two_processes_at_once_then_one_that_only_loads(tmp_path):
    for process in [start(SCRIPT, tmp_path) for _ in range(2)]:
        compiled, loaded, timed, result = output(process)
        assert int(compiled) + int(loaded) > 0
        assert (timed, result) == ("True", "1.6487")
    assert not list(tmp_path.rglob("*.part"))
    compiled, loaded, _, result = output(start(SCRIPT, tmp_path))
    assert (compiled, result) == ("0", "1.6487")
    assert int(loaded) > 0


def test_without_numba_kernels_are_plain_python(tmp_path):
    script = SCRIPT.replace('assert "numba" in', 'True or "numba" in')
    assert output(start(script, tmp_path, NUMBA_DISABLE_JIT="1"))[3] == "1.6487"
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


# What is on disk


def test_compiled_then_loaded(folder, counts):
    assert run(fresh(twice), 1, 2) == [2, 4]
    assert (counts.compiled, counts.loaded) == (1, 0)
    (file,) = folder.iterdir()
    assert file.name.startswith("test_kernel_cache.twice-")
    assert run(fresh(twice), 3) == [6]
    assert (counts.compiled, counts.loaded) == (1, 1)
    out = np.empty(1, np.float32)
    fresh(twice)(out, np.ones(1, np.float32))  # another signature
    assert (counts.compiled, counts.loaded) == (2, 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:40],
        lambda raw: raw[:-1],
        lambda raw: raw[:100] + bytes([raw[100] ^ 1]) + raw[101:],
        lambda raw: b"rubbish" * 100,
        lambda raw: (
            __import__("hashlib").sha256(b"spam").digest() + b"spam"
        ),  # whole, but not a kernel
    ],
)
def test_damaged_files_are_ignored_and_rewritten(folder, counts, damage):
    run(fresh(twice), 1)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert run(fresh(twice), 4) == [8]
    assert (counts.compiled, counts.loaded) == (2, 0)
    assert len(file.read_bytes()) == pytest.approx(len(whole), rel=0.1)
    assert run(fresh(twice), 4) == [8]
    assert counts.loaded == 1


def test_functions_of_one_name_are_told_apart(folder, counts):
    text = "def f(out, x):\n for i in range(x.size):\n  out[i] = x[i] * {} + C + D[0]\n"
    assert run(from_text(text.format(2), C=0.0, D=(0,)), 1) == [2]
    assert run(from_text(text.format(3), C=0.0, D=(0,)), 1) == [3]
    assert run(from_text(text.format(3), C=5.0, D=(0,)), 1) == [8]
    assert run(from_text(text.format(3), C=5.0, D=(1,)), 1) == [9]
    assert (counts.compiled, counts.loaded) == (4, 0)
    assert run(from_text(text.format(3), C=5.0, D=(1,)), 1) == [9]
    assert (counts.compiled, counts.loaded) == (4, 1)


def test_a_kernel_follows_those_that_it_calls(folder, counts):
    text = "def f(out, x):\n g(out, x)\n"
    callee = "def f(out, x):\n for i in range(x.size):\n  out[i] = {}\n"
    for value in "1", "2", "1":
        assert run(from_text(text, g=from_text(callee.format(value))), 0) == [float(value)]
    assert counts.loaded > 0
    assert run(twice_and_more, 1, 2) == [5, 7]


def test_the_folder_is_named_by_the_sources(tmp_path, monkeypatch, folder):
    package = tmp_path / "package"
    for part in "kernels", "ops":
        shutil.copytree(ROOT / "tinygrad_hw" / part, package / part)
    monkeypatch.setattr(jit, "__file__", str(package / "kernels" / "jit.py"))

    def name():
        cache_folder.cache_clear()
        return cache_folder().name

    names = [name()]
    for edited in (
        package / "ops" / "pointwise.py",
        package / "kernels" / "scalar.py",
        package / "compile" / "new.py",
    ):
        edited.parent.mkdir(exist_ok=True)
        with edited.open("a") as file:
            file.write("# changed\n")
        names.append(name())
    import numba

    monkeypatch.setattr(numba, "__version__", "0.0")
    names.append(name())
    assert len(set(names)) == 5
    assert name() == names[-1]


def test_old_folders_are_dropped_and_nothing_else(folder):
    parent = folder.parent
    shutil.rmtree(folder)
    old = [parent / f"{i:020x}" for i in range(6)]
    strangers = [parent / "photos", parent / "0123456789", parent / ("g" * 20)]
    for i, path in enumerate([*old, *strangers]):
        path.mkdir()
        (path / "file").write_text("x")
        os.utime(path, (i, i))
    (parent / ("f" * 20)).write_text("a file")
    cache_folder.cache_clear()
    assert cache_folder() == folder
    kept = {p.name for p in parent.iterdir()}
    assert kept == {folder.name, *(p.name for p in old[3:] + strangers), "f" * 20}


# Where nothing can be written


def test_no_cache_is_asked_for(monkeypatch, counts):
    monkeypatch.setenv("TINYGRAD_HW_CACHE", "")
    cache_folder.cache_clear()
    try:
        assert cache_root() is None
        assert cache_folder() is None
        assert run(fresh(twice), 1) == [2]
        assert (counts.compiled, counts.loaded) == (1, 0)
    finally:
        cache_folder.cache_clear()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_the_folder_cannot_be_made(tmp_path, monkeypatch, counts, place):
    (tmp_path / "file").write_text("occupied")
    monkeypatch.setenv("TINYGRAD_HW_CACHE", str(tmp_path / place))
    cache_folder.cache_clear()
    try:
        assert cache_folder() is None
        assert run(fresh(twice), 1) == [2]
    finally:
        cache_folder.cache_clear()


@pytest.mark.parametrize("where", ["write_bytes", "replace"])
def test_files_cannot_be_written(folder, monkeypatch, counts, where):
    def refuse(*args, **kwargs):
        raise PermissionError("read-only")

    run(fresh(twice), 1)
    with monkeypatch.context() as patch:
        patch.setattr(*((Path, where) if where == "write_bytes" else (os, where)), refuse)
        patch.setattr(os, "utime", refuse)
        cache_folder.cache_clear()
        assert cache_folder() == folder
        assert run(fresh(twice_and_more), 1) == [5]  # compiled, not kept
        assert run(fresh(twice), 1) == [2]  # what is there is loaded
    assert counts.loaded > 0
    assert [p.name.partition("-")[0] for p in folder.iterdir()] == ["test_kernel_cache.twice"]


def test_the_folder_disappears(folder, counts):
    shutil.rmtree(folder)
    assert run(fresh(twice), 1) == [2]


def test_where_the_cache_is(monkeypatch):
    monkeypatch.delenv("TINYGRAD_HW_CACHE", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    for platform, want in (
        ("linux", "/cache"),
        ("darwin", "/home/me/Library/Caches"),
        ("win32", "/local"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_root() == Path(want) / "tinygrad_hw"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path("/home/me/.cache/tinygrad_hw")

    def homeless(self):
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert cache_root() is None


# Calls


def test_what_cannot_be_compiled():
    k = from_text("def f(out, x):\n out[0] = x.spam\n")
    message = r"kernel test.f: could not be compiled for \(float64\[1d\], int\): .*\nNUMBA_DISABLE_JIT=1 runs"
    for _ in range(2):
        with pytest.raises(tg.KernelError, match=message) as caught:
            k(np.ones(1), 3)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert "numba" not in str(caught.value).splitlines()[1].replace("NUMBA", "")
    with pytest.raises(TypeError, match="argument"):
        twice(np.ones(1))
    assert repr(twice) == "<kernel test_kernel_cache.twice>"


def test_nan_and_infinity_stay_themselves():
    k = from_text(
        "def f(out, x):\n for i in range(x.size):\n"
        "  out[i] = 1 if np.isnan(x[i]) else 2 if np.isinf(x[i]) else x[i] - x[i]\n",
        np=np,
    )
    assert run(k, np.nan, np.inf, -np.inf, 7) == [1, 2, 2, 0]


def test_division_by_zero_is_no_error():
    k = from_text("def f(out, x):\n for i in range(x.size):\n  out[i] = 1 / x[i]\n")
    assert run(k, 0.0, 2.0) == [np.inf, 0.5]


def test_the_first_compilation_is_announced_once(counts):
    calls = []
    counts.announce = lambda: calls.append(counts.seconds)
    run(fresh(twice), 1)
    run(fresh(twice), 1)
    assert calls == [0.0]
    assert counts.seconds > 0


def test_first_calls_in_several_threads(counts):
    k = from_text("def f(out, x):\n for i in range(x.size):\n  out[i] = x[i] * 7\n")
    results = []
    threads = [threading.Thread(target=lambda: results.append(run(k, 1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[7]] * 4


def test_plain_python_is_silent_like_compiled_code(monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    k = from_text("def f(out, x):\n for i in range(x.size):\n  out[i] = 1 / x[i]\n")
    assert run(k, 0.0) == [np.inf]
    assert isinstance(k.compiled, types.FunctionType)
