"""Products with something added, of chains and powers of matrices, and of tensors over chosen dimensions."""

from __future__ import annotations

import math

import numpy as np

from ..errors import DTypeError, ShapeError
from .arrange import roll
from .core import composite
from .pointwise import add, mul, sub
from .product import _check_dtypes, bmm, dot, matmul, mm, mv, outer
from .reduce import _expand, sum
from .shape import _permute, _reshape, _sizes, normalize_dim

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "chain_matmul", "cross", "ger", "inner", "kron", "tensordot", "vdot",
]  # fmt: skip


def _added(name: str, input, product, beta, alpha):
    """beta · input + alpha · product; with beta 0 what input holds, NaN too, does not matter."""
    if name != "addr":
        _check_dtypes(name, input, product)
    if input.dtype.kind != "f" and not (isinstance(beta, int) and isinstance(alpha, int)):
        raise DTypeError(
            f"{name}: expected ints as beta and alpha for integers, got {beta}, {alpha}"
        )
    try:
        fits = np.broadcast_shapes(tuple(input.shape), tuple(product.shape)) == tuple(product.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{name}: expected an input that broadcasts to {tuple(product.shape)}, got {tuple(input.shape)}"
        )
    product = product if alpha == 1 else mul(product, alpha)
    if beta == 0:
        return product
    return add(input if beta == 1 else mul(input, beta), product)


@composite
def addmm(input, mat1, mat2, *, beta=1, alpha=1):
    """beta · input + alpha · mat1 mat2, (n, k) (k, m) → (n, m)."""
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


@composite
def addmv(input, mat, vec, *, beta=1, alpha=1):
    """beta · input + alpha · mat vec, (n, k) (k) → (n)."""
    return _added("addmv", input, mv(mat, vec), beta, alpha)


@composite
def addr(input, vec1, vec2, *, beta=1, alpha=1):
    """beta · input + alpha · vec1 vec2ᵀ, (n) (m) → (n, m)."""
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


@composite
def baddbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta · input + alpha · batch1 batch2, (b, n, k) (b, k, m) → (b, n, m)."""
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@composite
def addbmm(input, batch1, batch2, *, beta=1, alpha=1):
    """beta · input + alpha · Σ over the batch of batch1 batch2, (b, n, k) (b, k, m) → (n, m)."""
    product = bmm(batch1, batch2)
    product = sum(product, 0, dtype=product.dtype)
    return _added("addbmm", input, product, beta, alpha)


@composite
def vdot(input, other):
    """Σ xᵢ yᵢ of two vectors, as dot: numbers here are real."""
    return dot(input, other)


@composite
def inner(input, other):
    """Sums of products over the last dimension of both; of numbers, the product."""
    if not input.shape or not other.shape:
        return mul(input, other)
    return tensordot(input, other, ([-1], [-1]))


@composite
def tensordot(a, b, dims=2):
    """Sums of products over the last ``dims`` dimensions of a and the first of b, or over two lists of them."""
    na, nb = len(a.shape), len(b.shape)
    if isinstance(dims, int):
        if not 0 <= dims <= min(na, nb):
            raise ShapeError(f"tensordot: expected dims in [0, {min(na, nb)}], got {dims}")
        dims = list(range(na - dims, na)), list(range(dims))
    left = [normalize_dim("tensordot", d, na) for d in _sizes("tensordot", dims[0])]
    right = [normalize_dim("tensordot", d, nb) for d in _sizes("tensordot", dims[1])]
    for d, e in zip(left, right, strict=False):
        if a.shape[d] != b.shape[e] and 1 in (a.shape[d], b.shape[e]):
            a, b = (
                sum(x, k, True, dtype=x.dtype) if x.shape[k] != 1 else x
                for x, k in ((a, d), (b, e))
            )
    if len(left) != len(right) or any(
        a.shape[d] != b.shape[e] for d, e in zip(left, right, strict=True)
    ):
        raise ShapeError(
            f"tensordot: expected dims of equal sizes, got {dims} of {tuple(a.shape)} and {tuple(b.shape)}"
        )
    free = [d for d in range(na) if d not in left], [d for d in range(nb) if d not in right]
    rows, columns = [a.shape[d] for d in free[0]], [b.shape[d] for d in free[1]]
    k = math.prod(a.shape[d] for d in left)
    x = _reshape(_permute(a, tuple(free[0] + left)), (math.prod(rows), k))
    y = _reshape(_permute(b, tuple(right + free[1])), (k, math.prod(columns)))
    return _reshape(matmul(x, y), (*rows, *columns))


def chain(name: str, tensors):
    """The product of several matrices, in the order that takes the fewest multiplications; vectors at the ends."""
    parts = list(tensors)
    if len(parts) < 2:
        raise ShapeError(f"{name}: expected at least 2 matrices, got {len(parts)}")
    first, last = len(parts[0].shape) == 1, len(parts[-1].shape) == 1
    if first:
        parts[0] = _reshape(parts[0], (1, *parts[0].shape))
    if last:
        parts[-1] = _reshape(parts[-1], (*parts[-1].shape, 1))
    if any(len(p.shape) != 2 for p in parts):
        raise ShapeError(f"{name}: expected matrices, got {[tuple(t.shape) for t in tensors]}")
    sizes = [p.shape[0] for p in parts] + [parts[-1].shape[1]]
    # cost[i, j] and cut[i, j] of the cheapest product of parts i … j (Cormen et al., Introduction to Algorithms, 15.2)
    cost: dict = {(i, i): 0 for i in range(len(parts))}
    cut: dict = {}
    for span in range(1, len(parts)):
        for i in range(len(parts) - span):
            j = i + span
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int):
        return parts[i] if i == j else mm(product(i, cut[i, j]), product(cut[i, j] + 1, j))

    out = product(0, len(parts) - 1)
    return _reshape(out, tuple(out.shape[int(first) : 2 - int(last)]))


@composite
def chain_matmul(*matrices):
    """The product of several matrices, in the order that takes the fewest multiplications."""
    if len(matrices) == 1:
        return matrices[0]
    return chain("chain_matmul", matrices)


def cross_along(name: str, input, other, dim):
    """x × y of the vectors of 3 along ``dim``, in broadcast operands."""
    try:
        shape = np.broadcast_shapes(tuple(input.shape), tuple(other.shape))
    except ValueError:
        shape = ()
    if len(input.shape) != len(other.shape) or not shape:
        raise ShapeError(
            f"{name}: expected shapes that broadcast, got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    dim = (
        shape.index(3)
        if dim is None and 3 in shape
        else normalize_dim(name, -1 if dim is None else dim, len(shape))
    )
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise ShapeError(
            f"{name}: expected 3 elements along dim {dim}, got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    x, y = _expand(input, shape), _expand(other, shape)
    return sub(mul(roll(x, -1, dim), roll(y, 1, dim)), mul(roll(x, 1, dim), roll(y, -1, dim)))


@composite
def cross(input, other, dim=None):
    """x × y of vectors of 3 along ``dim`` (None: the first of size 3), xᵢ₊₁yᵢ₊₂ − xᵢ₊₂yᵢ₊₁ with indices modulo 3."""
    return cross_along("cross", input, other, dim)


@composite
def kron(input, other):
    """Kronecker's product: out[i·m + k, …] = input[i, …] other[k, …]."""
    ndim = max(len(input.shape), len(other.shape))
    a, b = ((1,) * (ndim - len(x.shape)) + tuple(x.shape) for x in (input, other))
    x = _reshape(input, tuple(n for m in a for n in (m, 1)))
    y = _reshape(other, tuple(n for m in b for n in (1, m)))
    return _reshape(mul(x, y), tuple(m * n for m, n in zip(a, b, strict=True)))


ger = outer
