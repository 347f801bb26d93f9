"""Moving memory by launches: what NumPy does as well for one array, but cannot do again in a replay."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .launch import address
from .recording import root_of
from .split import flat

#: Loops of ``move``.
_LOOPS = 4


@kernel(split=flat)
def copy(out, source):
    """out = source in out's type; both 1-d."""
    for i in range(out.size):
        out[i] = source[i]


@kernel
def fill(out, value):
    """out = value; 1-d."""
    for i in range(out.size):
        out[i] = value


@kernel(split=flat)
def choose(out, mask, a, b):
    """out = a where mask holds, else b; all 1-d."""
    for i in range(out.size):
        out[i] = a[i] if mask[i] else b[i]


@kernel
def move(out, source, to, start, n0, n1, n2, n3, t0, t1, t2, t3, s0, s1, s2, s3):
    """out[to + …] = source[start + …], both 1-d, in four loops with steps t through out and s through source."""
    for i in range(n0):
        for j in range(n1):
            for k in range(n2):
                t = to + i * t0 + j * t1 + k * t2
                s = start + i * s0 + j * s1 + k * s2
                if t3 == 1 and s3 == 1:
                    for m in range(n3):
                        out[t + m] = source[s + m]
                else:
                    for m in range(n3):
                        out[t + m * t3] = source[s + m * s3]


def assign(target: np.ndarray, values: np.ndarray) -> bool:
    """target[...] = values by a kernel; False, and nothing done, where it takes NumPy."""
    exact = values.dtype == target.dtype
    if not exact and not (target.dtype.kind == "f" and values.dtype.kind in "fiub"):
        return False
    if np.may_share_memory(target, values):  # which NumPy looks after, but no kernel
        apart = gather(values)
        if apart is None:
            return False
        values = apart
    contiguous = target.flags.c_contiguous and values.flags.c_contiguous
    if exact and contiguous and values.shape == target.shape:
        copy(target.reshape(-1), values.reshape(-1))
        return True
    try:
        values = np.broadcast_to(values, target.shape)
    except ValueError:
        return False
    to, start, loops = _line(target), _line(values), _loops(target, values)
    if to is None or start is None or loops is None:
        return False
    if target.size:
        move(to[0], start[0], to[1], start[1], *loops)
    return True


def gather(a: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray | None:
    """A contiguous copy by a kernel, in ``dtype``; None where it takes NumPy."""
    out = np.empty(a.shape, a.dtype if dtype is None else dtype)
    return out if assign(out, a) else None


def _line(a: np.ndarray) -> tuple[np.ndarray, int] | None:
    """All the memory that ``a`` shows a part of, as a 1-d array, and the place of its first element there."""
    root = root_of(a)
    if root.dtype != a.dtype or not root.flags.writeable or not root.flags.aligned:
        return None
    if not root.flags.c_contiguous:
        root = root.T
    if not root.flags.c_contiguous or any(step % a.itemsize for step in a.strides):
        return None
    return root.reshape(-1), (address(a) - address(root)) // a.itemsize


def _loops(target: np.ndarray, values: np.ndarray) -> list[int] | None:
    """Sizes of the loops, steps through target, steps through values; dimensions that go on evenly are one loop."""
    loops: list[list[int]] = []
    for n, t, s in zip(target.shape, target.strides, values.strides, strict=True):
        if n == 1:
            continue
        t, s = t // target.itemsize, s // values.itemsize
        if loops and loops[-1][1] == n * t and loops[-1][2] == n * s:
            loops[-1] = [loops[-1][0] * n, t, s]
        else:
            loops.append([n, t, s])
    if len(loops) > _LOOPS:
        return None
    loops = [[1, 0, 0]] * (_LOOPS - len(loops)) + loops
    return [loop[part] for part in range(3) for loop in loops]
