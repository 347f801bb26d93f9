"""Linear algebra: LAPACK's values through NumPy, gradients of our own.

Matrices are the last two dimensions. A decomposition is one operator whose factors lie flat, side by side, in its
output: so LAPACK runs once and one rule sees the cotangents of all factors. The rules follow Giles (2008), "Collected
matrix derivative results for forward and reverse mode algorithmic differentiation", and, where vectors of a basis
count, Townsend (2016) for the SVD, Seeger et al. (2017) for QR and Murray (2016) for Cholesky. Where singular or
eigenvalues coincide, bases are not unique and their gradients not finite, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from .arrange import _diagonal, _on_diagonal, movedim, powers
from .core import composite, primitive
from .index import array_of
from .matrix import chain, cross_along
from .pointwise import _cast, abs, add, div, eq, ge, logical_and, mul, square, sub, where
from .product import _check_dtypes, _matmul, _swap, matmul
from .reduce import _expand, _sum, amax, amin, require_float, sum
from .reduce import norm as _norm

from .shape import (  # isort: skip
    _reshape, _slice, cat, normalize_dim, normalize_dims, reshape, tril, triu, unsqueeze,
)  # fmt: skip

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv",
    "lstsq", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


def _matrices(name: str, *operands, square: bool = False) -> None:
    for x in operands:
        require_float(name, x)
        shape = tuple(x.shape)
        if len(shape) < 2 or (square and shape[-1] != shape[-2]):
            kind = "square matrices" if square else "matrices"
            raise ShapeError(
                f"{name}: expected {kind} (…, n, {'n' if square else 'm'}), got {shape}"
            )


def _lapack(name: str, function, *args, **kwargs):
    """Raises: LinAlgError, naming the operator, where LAPACK gives up."""
    try:
        return function(*args, **kwargs)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"{name}: expected another matrix, got: {error}") from None


def _flat(*factors) -> np.ndarray:
    """Factors with the same leading dimensions, each as one row, side by side."""
    batch = factors[0].shape[:-2]
    return np.concatenate(
        [f.reshape(*batch, math.prod(f.shape[len(batch) :])) for f in factors], -1
    )


def _factors(flat, *shapes: tuple[int, ...]):
    """The factors of ``shapes`` in what ``_flat`` made, for arrays and Tensors."""
    batch, start, parts = tuple(flat.shape[:-1]), 0, []
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(_reshape(_slice(flat, (..., slice(start, stop))), batch + shape))
        start = stop
    return parts


def _column(x):
    return unsqueeze(x, -1)


def _row(x):
    return unsqueeze(x, -2)


def _eye(x) -> np.ndarray:
    return recording.constant(np.eye(x.shape[-1], dtype=x.dtype))


def _over(x, y):
    """x/y, and 0/0 = 0: where nothing depends on a basis, coinciding singular values do no harm."""
    none = logical_and(eq(x, 0), eq(y, 0))
    return where(none, 0.0, div(x, where(none, 1.0, y)))


# Inverses and determinants


@composite
def inv(A):
    """A⁻¹.  Derivation: d(A A⁻¹) = 0 makes dA⁻¹ = −A⁻¹ dA A⁻¹, so the gradient is −A⁻ᵀ G A⁻ᵀ."""
    _matrices("inv", A, square=True)
    return _inv(A)


@primitive
def _inv(input):
    return _lapack("inv", np.linalg.inv, input)


_inv.vjp(lambda g, out: -_matmul(_matmul(_swap(out), g), _swap(out)))


@composite
def det(A):
    """The determinant.  Derivation: the cofactors, det A · A⁻ᵀ where that exists."""
    _matrices("det", A, square=True)
    return _det(A)


@primitive
def _det(input):
    return np.asarray(np.linalg.det(input))


@_det.vjp
def _(g, input):
    return _column(_column(g)) * _cofactors(input)


@primitive
def _cofactors(input):
    """det A · A⁻ᵀ by way of A = U S Vᵀ, as U diag(Π_{k≠i} s_k) Vᵀ · det U det V: singular matrices have cofactors too.

    Derivation: with C = det A · A⁻ᵀ, dC = (⟨C, dA⟩ C − C dAᵀ C)/det A; not finite where det A is 0.
    """
    u, s, v = np.linalg.svd(input)
    others = (
        np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(s.shape[-1])], -1)
        if s.shape[-1]
        else s
    )
    return np.linalg.det(u @ v)[..., None, None] * ((u * others[..., None, :]) @ v)


@_cofactors.vjp
def _(g, input, out):
    total = _column(_column(_sum(g * out, (len(out.shape) - 2, len(out.shape) - 1), False)))
    return div(total * out - _matmul(_matmul(out, _swap(g)), out), _column(_column(_det(input))))


class SignLogabsdet(NamedTuple):
    """What slogdet returns."""

    sign: object
    logabsdet: object


@composite
def slogdet(A):
    """The sign of the determinant, and ln |det A|.  Derivation: d ln |det A| = tr(A⁻¹ dA), so g A⁻ᵀ."""
    _matrices("slogdet", A, square=True)
    return SignLogabsdet(_detsign(A), _logabsdet(A))


@primitive
def _detsign(input):
    return np.asarray(np.linalg.slogdet(input)[0])


_detsign.differentiable = False


@primitive
def _logabsdet(input):
    return np.asarray(np.linalg.slogdet(input)[1])


_logabsdet.vjp(lambda g, input: _column(_column(g)) * _swap(_inv(input)))


@composite
def logdet(input):
    """ln det A, −∞ where that is 0 and NaN where it is negative.  Derivation: as slogdet."""
    sign, value = slogdet(input)
    return where(ge(sign, 0), value, np.nan)


@composite
def matrix_power(A, n):
    """Aⁿ by repeated squaring; of the inverse where n < 0."""
    if not isinstance(n, int):
        raise TypeError(f"matrix_power: expected an int n, got {n!r}")
    if len(A.shape) < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"matrix_power: expected square matrices (…, n, n), got {tuple(A.shape)}")
    if n == 0:
        return A * 0 + _eye(A)
    base, out = (inv(A) if n < 0 else A), None
    n = -n if n < 0 else n
    while n:
        if n % 2:
            out = base if out is None else matmul(out, base)
        n //= 2
        base = matmul(base, base) if n else base
    return out


# Systems of equations


@primitive
def _solve(input, other):
    """A⁻¹ B.  Derivation: dX = A⁻¹(dB − dA X), so ∂B = A⁻ᵀ G and ∂A = −∂B Xᵀ."""
    return _lapack("solve", np.linalg.solve, input, other)


_solve.broadcasts = True


_solve.vjp("input")(lambda g, input, out: -_matmul(_solve(_swap(input), g), _swap(out)))
_solve.vjp("other")(lambda g, input: _solve(_swap(input), g))


@composite
def solve(A, B, *, left=True):
    """X with A X = B, or X A = B unless ``left``.

    Shapes: A (…, n, n), B (…, n, k), or (…, n) with A's leading dimensions.
    """
    _matrices("solve", A, square=True)
    require_float("solve", B)
    _check_dtypes("solve", A, B)
    vector = len(B.shape) == 1 or (
        len(B.shape) == len(A.shape) - 1 and tuple(B.shape) == tuple(A.shape[:-1])
    )
    right = _column(B) if vector else B
    if (vector and not left) or right.shape[-2 if left else -1] != A.shape[-1]:
        raise ShapeError(
            f"solve: expected A (…, n, n) and B (…, n, k), got {tuple(A.shape)} and {tuple(B.shape)}"
        )
    if left:
        out = _solve(A, right)
        return _reshape(out, tuple(out.shape[:-1])) if vector else out
    return _swap(_solve(_swap(A), _swap(right)))


@composite
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """solve with the upper or lower triangle of A only; with ``unitriangular``, ones on its diagonal."""
    _matrices("solve_triangular", A, square=True)
    triangle = triu if upper else tril
    if unitriangular:
        A = triangle(A, 1 if upper else -1) + _eye(A)
    else:
        A = triangle(A)
    return solve(A, B, left=left)


@primitive
def _singular_values(input):
    return np.linalg.svd(input, compute_uv=False)


_singular_values.differentiable = False


class LeastSquares(NamedTuple):
    """What lstsq returns."""

    solution: object
    residuals: object
    rank: object
    singular_values: object


@composite
def lstsq(A, B, rcond=None, *, driver=None):
    """X that minimizes |A X − B|², of those the smallest, by way of the pseudo-inverse.

    As in PyTorch, residuals Σ|A X − B|² are empty unless n > m, A has full rank and the driver is not gelsy (None),
    singular values unless it is gelsd or gelss, and the rank under gels, which takes full rank for granted.

    Shapes: A (…, n, m), B (…, n, k) or (…, n) → X (…, m, k) or (…, m).
    """
    _matrices("lstsq", A)
    n, m = A.shape[-2:]
    vector = len(B.shape) == len(A.shape) - 1
    right = _column(B) if vector else B
    if right.shape[-2] != n:
        raise ShapeError(
            f"lstsq: expected A (…, n, m) and B (…, n, k), got {tuple(A.shape)} and {tuple(B.shape)}"
        )
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ValueError(f"lstsq: expected driver gels, gelsy, gelsd or gelss, got {driver!r}")
    rcond = float(np.finfo(A.dtype).eps * max(n, m)) if rcond is None else rcond
    solution = matmul(pinv(A, rtol=rcond), right)
    rank = matrix_rank(A, rtol=rcond)
    values = (
        _singular_values(A)
        if driver in ("gelsd", "gelss")
        else _slice(reshape(A, (-1,)), (slice(0),))
    )
    if driver == "gels":
        rank = _slice(reshape(rank, (-1,)), (slice(0),))
    full = (
        n > m
        and driver not in (None, "gelsy")
        and (driver == "gels" or bool((array_of(rank) == m).all()))
    )
    residuals = (
        sum(square(sub(matmul(A, solution), right)), -2)
        if full
        else _slice(reshape(A, (-1,)), (slice(0),))
    )
    return LeastSquares(
        _reshape(solution, tuple(solution.shape[:-1])) if vector else solution,
        residuals,
        rank,
        values,
    )


@composite
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The pseudo-inverse: singular values at most max(atol, rtol s₀) count as 0; ``hermitian``: of its lower triangle.

    Derivation: dX = −X dA X + X Xᵀ dAᵀ (I − A X) + (I − X A) dAᵀ Xᵀ X (Golub & Pereyra 1973).
    """
    _matrices("pinv", A)
    rtol = rcond if rtol is None else rtol
    return _pinv(A, *_tolerances(A, atol, rtol), bool(hermitian))


def _tolerances(x, atol, rtol) -> tuple:
    """Both as numbers, or arrays that stand beside singular values; rtol is max(n, m) ε unless either is given."""
    if rtol is None:
        none = atol is None or not np.any(array_of(atol) > 0)
        rtol = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps) if none else 0.0
    atol, rtol = (
        t if t is None else array_of(t) if hasattr(t, "shape") else t for t in (atol, rtol)
    )
    return tuple(t[..., None] if hasattr(t, "shape") else float(t or 0) for t in (atol, rtol))


@primitive
def _pinv(input, *, atol, rtol, hermitian):
    if hermitian:
        input = np.tril(input) + np.tril(input, -1).swapaxes(-1, -2)
    u, s, v = _lapack("pinv", np.linalg.svd, input, full_matrices=False)
    kept = s > np.maximum(atol, rtol * s.max(-1, initial=0, keepdims=True))
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0).astype(s.dtype)
    return v.swapaxes(-1, -2) @ (inverse[..., None] * u.swapaxes(-1, -2))


@_pinv.vjp
def _(g, input, out):
    a, x, gt, xt = input, out, _swap(g), _swap(out)
    left = _matmul(gt, _matmul(x, xt))
    right = _matmul(_matmul(xt, x), gt)
    return (
        left
        - _matmul(a, _matmul(x, left))
        + right
        - _matmul(_matmul(right, x), a)
        - _matmul(_matmul(xt, g), xt)
    )


@composite
def cholesky_solve(input, L, upper=False):
    """X with A X = input, A = L Lᵀ (``upper``: LᵀL), by two triangular systems.  Derivation: that of solve."""
    L = _swap(L) if upper else L
    return solve_triangular(_swap(L), solve_triangular(L, input, upper=False), upper=True)


@composite
def cholesky_inverse(L, upper=False):
    """(L Lᵀ)⁻¹, or with ``upper`` (LᵀL)⁻¹ (see cholesky_solve)."""
    _matrices("cholesky_inverse", L, square=True)
    return cholesky_solve(_expand(_eye(L), tuple(L.shape)), L, upper)


@composite
def tensorsolve(A, B, dims=None):
    """X with tensordot(A, X, X's number of dimensions) = B; A's ``dims`` are first moved to its end."""
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(len(A.shape) - len(dims), len(A.shape))))
    shape, n = tuple(A.shape[len(B.shape) :]), math.prod(B.shape)
    if math.prod(shape) != n or math.prod(A.shape) != n * n:
        raise ShapeError(f"tensorsolve: expected A (*B, …) of {n} columns, got {tuple(A.shape)}")
    return _reshape(solve(_reshape(A, (n, n)), _reshape(B, (n,))), shape)


@composite
def tensorinv(A, ind=2):
    """X with tensordot(X, A, ind) the identity: A as a matrix of its first ``ind`` dimensions by the others, inverted."""
    rows, columns = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n = math.prod(rows)
    if ind < 1 or math.prod(columns) != n:
        raise ShapeError(f"tensorinv: expected as many rows as columns, got {rows} and {columns}")
    return _reshape(inv(_reshape(A, (n, n))), columns + rows)


@composite
def matrix_exp(A):
    """Σ Aⁱ/i!: the series of A/2ˢ, where its norm is below ½, to the 14th power, squared s times (Moler & Van Loan 2003).

    Derivation: that of the products.
    """
    _matrices("matrix_exp", A, square=True)
    recording.refuse("matrix_exp()", "How often it squares depends on values: leave it outside.")
    norms = np.abs(array_of(A)).sum(-2).max(initial=0.0)
    s = max(0, math.frexp(norms)[1] + 1) if math.isfinite(norms) else 0
    x, eye = mul(A, 0.5**s), _expand(_eye(A), tuple(A.shape))
    out = eye
    for i in range(14, 0, -1):
        out = add(eye, _matmul(mul(x, 1 / i), out))
    for _ in range(s):
        out = _matmul(out, out)
    return out


# Decompositions


@composite
def cholesky(A, *, upper=False):
    """The lower triangular L with L Lᵀ = A, symmetric and positive definite (only its lower triangle is read); or Lᵀ.

    Derivation: L⁻¹ dA L⁻ᵀ = L⁻¹ dL + (L⁻¹ dL)ᵀ, whose lower triangle, the diagonal halved, is L⁻¹ dL.
    """
    _matrices("cholesky", A, square=True)
    factor = _cholesky(A)
    return _swap(factor) if upper else factor


@primitive
def _cholesky(input):
    return _lapack("cholesky", np.linalg.cholesky, input)


@_cholesky.vjp
def _(g, out):
    lower = _matmul(_swap(out), g)
    symmetric = (tril(lower) + _swap(tril(lower, -1))) * 0.5
    return _solve(_swap(out), _swap(_solve(_swap(out), symmetric)))


class QR(NamedTuple):
    """What qr returns."""

    Q: object
    R: object


@composite
def qr(A, mode="reduced"):
    """A = Q R, Q with orthonormal columns and R upper triangular; ``mode`` "complete": Q square; "r": R alone.

    Derivation: gradients for R of full rank, and for more columns than rows through the square part (see ``_qr``).
    """
    _matrices("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: expected mode 'reduced', 'complete' or 'r', got {mode!r}")
    n, m = A.shape[-2:]
    k = n if mode == "complete" else min(n, m)
    q, r = _factors(_qr(A, mode == "complete"), (n, k), (k, m))
    return QR(_slice(reshape(A, (-1,)), (slice(0),)) if mode == "r" else q, r)


@primitive
def _qr(input, *, complete):
    """Q and R, flat.

    Derivation: with M = R GRᵀ − GQᵀ Q and its lower triangle mirrored to the upper, the gradient is (GQ + Q M) R⁻ᵀ.
    Of a wide A = (X, Y), X square: Y = Q (R's rest) adds Y GYᵀ to GQ, and Q GY is Y's own.
    """
    return _flat(*np.linalg.qr(input, "complete" if complete else "reduced"))


@_qr.vjp
def _(g, input, out, complete):
    n, m = input.shape[-2:]
    if complete and n > m:
        raise DTypeError(
            "qr: expected mode 'reduced' for a gradient, got 'complete' with more rows than columns"
        )
    k = min(n, m)
    q, r = _factors(out, (n, k), (k, m))
    gq, gr = _factors(g, (n, k), (k, m))
    first, rest = (..., slice(n)), (..., slice(n, None))
    if m > n:
        gq = gq + _matmul(_slice(input, rest), _swap(_slice(gr, rest)))
        own = _matmul(q, _slice(gr, rest))
        r, gr = _slice(r, first), _slice(gr, first)
    lower = _matmul(r, _swap(gr)) - _matmul(_swap(gq), q)
    mirrored = tril(lower) + _swap(tril(lower, -1))
    grad = _swap(_solve(r, _swap(gq + _matmul(q, mirrored))))
    return cat((grad, own), -1) if m > n else grad


class Eigh(NamedTuple):
    """What eigh returns."""

    eigenvalues: object
    eigenvectors: object


@composite
def eigh(A, UPLO="L"):
    """A = V diag(λ) Vᵀ of symmetric A, of which the lower (or "U": upper) triangle is read; λ ascends.

    Derivation: dλ = diag(Vᵀ dA V), and (Vᵀ dV)ᵢⱼ = (Vᵀ dA V)ᵢⱼ/(λⱼ − λᵢ), 0 on the diagonal.
    """
    _matrices("eigh", A, square=True)
    if UPLO not in ("L", "U", "l", "u"):
        raise ValueError(f"eigh: expected UPLO 'L' or 'U', got {UPLO!r}")
    n = A.shape[-1]
    return Eigh(*_factors(_eigh(A, UPLO), (n,), (n, n)))


@primitive
def _eigh(input, *, uplo):
    values, vectors = _lapack("eigh", np.linalg.eigh, input, uplo)
    return _flat(values[..., None], vectors)


@_eigh.vjp
def _(g, out, input_shape):
    n = input_shape[-1]
    values, v = _factors(out, (n,), (n, n))
    gvalues, gv = _factors(g, (n,), (n, n))
    gaps = _row(values) - _column(values)
    inner = _over(_matmul(_swap(v), gv), gaps + _eye(v))
    off = inner - _diag(_diagonal(inner, 0, len(inner.shape) - 2, len(inner.shape) - 1))
    return _matmul(_matmul(v, off + _diag(gvalues)), _swap(v))


def _diag(x):
    """Vectors as the diagonals of matrices."""
    ndim = len(x.shape)
    return _on_diagonal(x, (*x.shape, x.shape[-1]), 0, ndim - 1, ndim)


@composite
def eigvalsh(A, UPLO="L"):
    """The eigenvalues of symmetric A, ascending (see eigh)."""
    return eigh(A, UPLO).eigenvalues


class SVD(NamedTuple):
    """What svd returns."""

    U: object
    S: object
    Vh: object


@composite
def svd(A, full_matrices=True, *, driver=None):
    """A = U diag(S) Vh, S descending; U and Vh square with ``full_matrices``, else with as many vectors as S.

    Derivation: see ``_svd``; vectors beyond those of S take no part in it.
    """
    _matrices("svd", A)
    if driver not in (None, "gesvd", "gesvdj", "gesvda"):
        raise ValueError(f"svd: expected no driver on a CPU, got {driver!r}")
    n, m = A.shape[-2:]
    k = min(n, m)
    shapes = ((n, n), (k,), (m, m)) if full_matrices else ((n, k), (k,), (k, m))
    return SVD(*_factors(_svd(A, bool(full_matrices)), *shapes))


@primitive
def _svd(input, *, full):
    """U, S, Vh, flat.

    Derivation: with E_ij = sⱼ² − sᵢ² and [X] = (X − Xᵀ)/E off the diagonal, the gradient is
    U ([Uᵀ GU] S + S [Vᵀ GV] + diag GS) Vᵀ, and what of GU and GV lies outside the spaces of U and V, over S.
    """
    u, s, v = _lapack("svd", np.linalg.svd, input, full_matrices=full)
    return _flat(u, s[..., None], v)


@_svd.vjp
def _(g, out, input_shape, full):
    n, m = input_shape[-2:]
    k = min(n, m)
    shapes = ((n, n), (k,), (m, m)) if full else ((n, k), (k,), (k, m))
    (u, s, vh), (gu, gs, gvh) = _factors(out, *shapes), _factors(g, *shapes)
    u, gu = _slice(u, (..., slice(k))), _slice(gu, (..., slice(k)))
    vh, gvh = _slice(vh, (..., slice(k), slice(None))), _slice(gvh, (..., slice(k), slice(None)))
    gaps = (_row(s) - _column(s)) * (_row(s) + _column(s))
    ugu, vgv = _matmul(_swap(u), gu), _matmul(vh, _swap(gvh))
    inner = (
        _over(ugu - _swap(ugu), gaps) * _row(s)
        + _column(s) * _over(vgv - _swap(vgv), gaps)
        + _diag(gs)
    )
    grad = _matmul(_matmul(u, inner), vh)
    if n > k:
        grad = grad + _matmul(_over(gu - _matmul(u, ugu), _row(s)), vh)
    if m > k:
        grad = grad + _matmul(u, _over(gvh - _matmul(_swap(vgv), vh), _column(s)))
    return grad


@composite
def svdvals(A, *, driver=None):
    """The singular values, descending (see svd)."""
    return svd(A, False, driver=driver).S


# Norms and ranks


@primitive
def _rank(input, *, atol, rtol, hermitian):
    values = (
        np.abs(np.linalg.eigvalsh(input)) if hermitian else np.linalg.svd(input, compute_uv=False)
    )
    return np.asarray(
        (values > np.maximum(atol, rtol * values.max(-1, initial=0, keepdims=True))).sum(-1),
        np.int64,
    )


_rank.differentiable = False


@composite
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values exceed max(atol, rtol s₀); rtol is max(n, m) ε unless either is given."""
    _matrices("matrix_rank", A)
    atol = tol if atol is None else atol
    if tol is not None:
        rtol = 0.0 if rtol is None else rtol
    return _rank(A, *_tolerances(A, atol, rtol), bool(hermitian))


@composite
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(Σ|x|ᵖ)^(1/p) over ``dim``, p = ord, which may be 0 or ±inf.  Derivation: as norm."""
    if dtype is not None:
        x = _cast(x, dtypes.check(dtype, "vector_norm"))
    require_float("vector_norm", x)
    dims = normalize_dims("vector_norm", dim, len(x.shape))
    if math.prod(x.shape[d] for d in dims) == 0 and ord in (math.inf, -math.inf) and dims:
        raise ShapeError(
            f"vector_norm: expected elements for ord {ord}, got shape {tuple(x.shape)}"
        )
    return _norm(x, ord, dims, keepdim) if x.shape else (abs(x) if ord else _norm(x, ord))


_ORDS = ("fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2)


@composite
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of matrices: "fro" (Σa²)^½, "nuc" Σs, 2 and −2 the largest and smallest singular value, 1 and −1 (inf
    and −inf) the largest and smallest sum of |a| over a column (row)."""
    if dtype is not None:
        A = _cast(A, dtypes.check(dtype, "matrix_norm"))
    _matrices("matrix_norm", A)
    if ord not in _ORDS:
        raise ValueError(
            f"matrix_norm: expected ord fro, nuc, inf, -inf, 1, -1, 2 or -2, got {ord!r}"
        )
    ndim = len(A.shape)
    a, b = (normalize_dim("matrix_norm", d, ndim) for d in dim)
    if a == b:
        raise ValueError(f"matrix_norm: expected two different dims, got {tuple(dim)}")
    if ord == "fro":
        return _norm(A, 2, (a, b), keepdim)
    A = movedim(A, (a, b), (-2, -1))
    if ord in ("nuc", 2, -2):
        s = svdvals(A)
        out = sum(s, -1) if ord == "nuc" else (amax if ord == 2 else amin)(s, dim=-1)
    else:
        totals = sum(abs(A), -2 if ord in (1, -1) else -1)
        out = (amax if ord > 0 else amin)(totals, dim=-1)
    if keepdim:
        for d in sorted((a, b)):
            out = unsqueeze(out, d)
    return out


@composite
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """vector_norm of all elements without ``ord``; else matrix_norm of a matrix or two dims, or vector_norm."""
    if ord is not None and (isinstance(ord, str) or _is_matrix(A, dim)):
        dim = (-2, -1) if dim is None else dim
        return matrix_norm(A, ord, dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def _is_matrix(x, dim) -> bool:
    if dim is None and len(x.shape) > 2:
        raise ShapeError(
            f"norm: expected a vector or a matrix with ord and no dim, got {tuple(x.shape)}"
        )
    return len(x.shape) == 2 if dim is None else not isinstance(dim, int) and len(dim) == 2


norm: Any = linalg_norm


@composite
def cond(A, p=None):
    """|A| |A⁻¹| in the norm p; by default the ratio of the largest and the smallest singular value."""
    if p in (None, 2, -2):
        s = svdvals(A)
        first, last = _slice(s, (..., 0)), _slice(s, (..., -1))
        return div(last, first) if p == -2 else div(first, last)
    return mul(matrix_norm(A, p), matrix_norm(inv(A), p))


# Under other arguments than elsewhere


@composite
def multi_dot(tensors):
    """The product of several matrices, in the order that takes the fewest multiplications; vectors at the ends."""
    return chain("multi_dot", tensors)


@composite
def linalg_cross(input, other, *, dim=-1):
    """x × y of vectors of 3 along ``dim`` (see cross)."""
    return cross_along("cross", input, other, dim)


@composite
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of matrices in a new last dimension; share memory."""
    ndim = len(A.shape)
    a, b = (normalize_dim("diagonal", d, ndim) for d in (dim1, dim2))
    if a == b:
        raise ShapeError(f"diagonal: expected two different dims, got {dim1} and {dim2}")
    return _diagonal(A, offset, a, b)


@composite
def vecdot(x, y, *, dim=-1):
    """Σ xᵢ yᵢ along ``dim`` of broadcast operands."""
    return sum(mul(x, y), dim)


@composite
def linalg_vander(x, *, N=None):
    """The powers 0, …, N − 1 of each element in a new last dimension (see vander)."""
    if not x.shape and N is None:
        raise ShapeError("vander: expected at least 1 dimension without N, got a 0-d tensor")
    return powers(x if x.shape else reshape(x, (1,)), "vander", N)


cross, diagonal, vander = linalg_cross, linalg_diagonal, linalg_vander
inverse, pinverse = inv, pinv
