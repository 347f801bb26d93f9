"""Matrix products, in the three layouts that a linear layer and its gradients need.

    nn   C = A B      (g W)
    nt   C = A Bᵀ     (x Wᵀ)
    tn   C = Aᵀ B     (gᵀ x)

Products up to ``BLAS_FROM`` multiplications go to our own kernel, which needs no packing there and adds a bias while
the result is in registers; beyond, NumPy's BLAS uses all cores where the kernel uses one.
"""

from __future__ import annotations

import numpy as np

from .elementwise import native
from .gemm import NN, NT, TN, gemm
from .tile import BIAS

#: Multiplications m·n·k. Below, the kernel is 1.0 to 1.6 times as fast as BLAS on one thread
#: (``python -m benchmarks.matmul``), and is not slowed by other programs as BLAS's waiting threads are.
BLAS_FROM = 4_000_000


def product(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """A B + bias of two matrices of the same float type, contiguous or transposed or neither.

    Shapes: A (m, k), B (k, n), bias (n) → (m, n).
    """
    m, k = a.shape
    n = b.shape[1]
    if m * n * k >= BLAS_FROM:
        out = np.matmul(a, b)
        if bias is not None:
            out += bias
        return out
    out = np.empty((m, n), a.dtype)
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        layout, left, right = TN, native(a.T), native(b)
    elif b.flags.c_contiguous:
        layout, left, right = NN, native(a), native(b)
    else:
        layout, left, right = NT, native(a), native(b.T)
    if bias is None:
        gemm(out, left, right, right.reshape(-1), layout, 0, 0, m, 0, n)
    else:
        gemm(out, left, right, native(bias), layout, BIAS, 0, m, 0, n)
    return out
