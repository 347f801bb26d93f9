"""Matrix products, in the three layouts that a linear layer and its gradients need.

    nn   C = A B      rows of B are added up                (g W)
    nt   C = A Bᵀ     rows of A meet rows of B              (x Wᵀ)
    tn   C = Aᵀ B     rows of A and B meet in outer products (gᵀ x)

Small products go to the loops below, where the call costs more than the arithmetic; from ``BLAS_FROM``
multiplications on, NumPy's BLAS is faster.
"""

from __future__ import annotations

import numpy as np

from .elementwise import native
from .jit import kernel

#: Multiplications (n·k·m) from which BLAS wins over these loops on one AVX2 core; ``python -m benchmarks.matmul``.
BLAS_FROM = 20_000


@kernel
def nn(c, a, b):
    n, k = a.shape
    m = b.shape[1]
    zero = c.dtype.type(0)
    for i in range(n):
        for j in range(m):
            c[i, j] = zero
        for p in range(k):
            x = a[i, p]
            for j in range(m):
                c[i, j] += x * b[p, j]


@kernel
def nt(c, a, b):
    n, k = a.shape
    zero = c.dtype.type(0)
    for i in range(n):
        for j in range(b.shape[0]):
            total = zero
            for p in range(k):
                total += a[i, p] * b[j, p]
            c[i, j] = total


@kernel
def tn(c, a, b):
    k, n = a.shape
    m = b.shape[1]
    zero = c.dtype.type(0)
    for i in range(n):
        for j in range(m):
            c[i, j] = zero
    for p in range(k):
        for i in range(n):
            x = a[p, i]
            for j in range(m):
                c[i, j] += x * b[p, j]


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A B of two matrices of the same float type, contiguous or transposed or neither.

    Shapes: A (n, k), B (k, m) → (n, m).
    """
    n, k = a.shape
    m = b.shape[1]
    if n * k * m >= BLAS_FROM:
        return np.matmul(a, b)
    out = np.empty((n, m), a.dtype)
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        tn(out, native(a.T), native(b))
    elif b.flags.c_contiguous:
        nn(out, native(a), native(b))
    else:
        nt(out, native(a), native(b.T))
    return out
