"""Matrix products, in the three layouts that a linear layer and its gradients need.

    nn   C = A B      (g W)
    nt   C = A Bᵀ     (x Wᵀ)
    tn   C = Aᵀ B     (gᵀ x)

Products up to ``BLAS_FROM`` multiplications go to our own kernel, which adds a bias while the result is in registers.
Larger ones go to NumPy's BLAS, whose threads are awake when Python comes by, unless this process has used workers of its
own: two pools would be in each other's way.
"""

from __future__ import annotations

import numpy as np

from . import recording, threads
from .elementwise import native
from .gemm import NN, NT, TN, gemm
from .tile import BIAS

#: Multiplications m·n·k. Below, the kernel is 1.0 to 1.6 times as fast as BLAS on one thread
#: (``python -m benchmarks.matmul``), and does not leave threads behind that wait at full speed.
BLAS_FROM = 4_000_000

_NONE = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}


def _blas_may() -> bool:
    """Whether BLAS may be used at all: what is being recorded is replayed by threads of our own."""
    return (
        (recording.current and recording.here()) is None
        and threads.get_num_threads() > 1
        and not threads.pool.workers
    )


def nn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B of contiguous matrices."""
    m, n = a.shape[0], b.shape[1]
    if m * n * b.shape[0] >= BLAS_FROM and _blas_may():
        return np.matmul(a, b)
    out = np.empty((m, n), a.dtype)
    gemm(out, a, b, _NONE[a.dtype], NN, 0, 0, m, 0, n)
    return out


def nt(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """A Bᵀ + bias of contiguous matrices."""
    m, n = a.shape[0], b.shape[0]
    if m * n * a.shape[1] >= BLAS_FROM and _blas_may():
        out = np.matmul(a, b.T)
        if bias is not None:
            out += bias
        return out
    out = np.empty((m, n), a.dtype)
    if bias is None:
        gemm(out, a, b, _NONE[a.dtype], NT, 0, 0, m, 0, n)
    else:
        gemm(out, a, b, bias, NT, BIAS, 0, m, 0, n)
    return out


def tn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Aᵀ B of contiguous matrices."""
    m, n = a.shape[1], b.shape[1]
    if m * n * a.shape[0] >= BLAS_FROM and _blas_may():
        return np.matmul(a.T, b)
    out = np.empty((m, n), a.dtype)
    gemm(out, a, b, _NONE[a.dtype], TN, 0, 0, m, 0, n)
    return out


def stacked(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B for each pair of two stacks of contiguous matrices."""
    count, m, n = a.shape[0], a.shape[1], b.shape[2]
    out = np.empty((count, m, n), a.dtype)
    for i in range(count):
        gemm(out[i], a[i], b[i], _NONE[a.dtype], NN, 0, 0, m, 0, n)
    return out


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B of two matrices of the same float type, contiguous or transposed or neither."""
    if a.size * b.shape[1] >= BLAS_FROM and _blas_may():
        return np.matmul(a, b)
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        return tn(native(a.T), native(b))
    if b.flags.c_contiguous:
        return nn(native(a), native(b))
    return nt(native(a), native(b.T))
