"""Cases of products and linear algebra."""

from __future__ import annotations

import numpy as np
from op_cases import case, ints, just, real
from scipy import linalg


def well(*shape: int):
    """Square matrices far from singular."""
    return lambda rng: real(*shape)(rng) + 3 * np.eye(shape[-1])


def spread(*shape: int):
    """Matrices whose singular values are apart: U diag(k + noise) V."""

    def draw(rng):
        n, m = shape[-2:]
        u = np.linalg.qr(rng.normal(size=(*shape[:-2], n, n)))[0]
        v = np.linalg.qr(rng.normal(size=(*shape[:-2], m, m)))[0]
        k = min(n, m)
        s = np.arange(1.0, k + 1) + 0.3 * rng.random((*shape[:-2], k))
        out = (u[..., :k] * s[..., None, :]) @ v[..., :k, :]
        return out.astype(np.float32).astype(np.float64)

    return draw


def _mirrored(x):
    return (x + x.mT) * 0.5 if not isinstance(x, np.ndarray) else (x + x.swapaxes(-1, -2)) * 0.5


BETA = {"beta": 0.5, "alpha": 2.0}
case("addmm", real(2, 4), real(2, 3), real(3, 4), oracle=lambda c, a, b: c + a @ b)
case("addmm", real(4), real(2, 3), real(3, 4), **BETA, oracle=lambda c, a, b: 0.5 * c + 2 * a @ b)
case(
    "addmm",
    just(np.full((2, 4), np.nan)),
    real(2, 3),
    real(3, 4),
    beta=0,
    oracle=lambda c, a, b: a @ b,
)
case("addmv", real(2), real(2, 3), real(3), **BETA, oracle=lambda c, a, b: 0.5 * c + 2 * a @ b)
case(
    "addr",
    real(2, 3),
    real(2),
    real(3),
    **BETA,
    oracle=lambda c, a, b: 0.5 * c + 2 * np.outer(a, b),
)
case(
    "baddbmm",
    real(2, 2, 4),
    real(2, 2, 3),
    real(2, 3, 4),
    **BETA,
    oracle=lambda c, a, b: 0.5 * c + 2 * a @ b,
)
case(
    "addbmm",
    real(2, 4),
    real(2, 2, 3),
    real(2, 3, 4),
    **BETA,
    oracle=lambda c, a, b: 0.5 * c + 2 * (a @ b).sum(0),
)
case("addmm", ints(0, 5, 2, 2), ints(0, 5, 2, 3), ints(0, 5, 3, 2), beta=2, alpha=3)
case("vdot", real(3), real(3), oracle=np.vdot)
case("inner", real(2, 3), real(4, 3), oracle=np.inner)
case("inner", real(3), real(2, 2, 3), oracle=np.inner)
case("inner", real(), real(2), oracle=np.inner)
case("tensordot", real(2, 3, 4), real(3, 4, 2), oracle=lambda x, y: np.tensordot(x, y, 2))
case(
    "tensordot",
    real(2, 3, 4),
    real(4, 2),
    dims=([0, 2], [1, 0]),
    oracle=lambda x, y: np.tensordot(x, y, ([0, 2], [1, 0])),
)
case("tensordot", real(2), real(3), dims=0, oracle=np.multiply.outer)
case("tensordot", real(2, 1), real(3, 2), dims=([1], [0]))
case(
    "chain_matmul",
    real(2, 5),
    real(5, 1),
    real(1, 4),
    real(4, 3),
    oracle=lambda *xs: np.linalg.multi_dot(xs),
)
case("chain_matmul", real(2, 3), oracle=np.copy)
for _shapes in (
    ((2, 5), (5, 1), (1, 4)),
    ((5,), (5, 2), (2, 3)),
    ((2, 5), (5,)),
    ((3,), (3, 2), (2,)),
):
    case(
        "multi_dot",
        *[real(*s) for s in _shapes],
        call=lambda f, *xs: f(xs),
        oracle=lambda *xs: np.linalg.multi_dot(xs),
    )
for _n in 0, 1, 2, 3, 5, -1, -2:
    case("matrix_power", well(3, 3), n=_n, oracle=lambda x, n=_n: np.linalg.matrix_power(x, n))
case("matrix_power", well(2, 2, 2), n=3, oracle=lambda x: np.linalg.matrix_power(x, 3))
case("cross", real(2, 3), real(2, 3), oracle=np.cross)
case("cross", real(3, 2), real(3, 2), oracle=lambda x, y: np.cross(x, y, axis=0))
case("cross", real(2, 3), real(1, 3), dim=1, oracle=np.cross)
case("linalg_cross", real(2, 3), real(1, 3), oracle=np.cross)
case("linalg_cross", real(3, 2), real(3, 2), dim=0, oracle=lambda x, y: np.cross(x, y, axis=0))
for _a, _b in ((2, 3), (3, 2)), ((3,), (2, 2)), ((), (2,)), ((2, 1, 2), (2, 2)):
    case("kron", real(*_a), real(*_b), oracle=np.kron)

case("inv", well(3, 3), oracle=np.linalg.inv)
case("inv", well(2, 2, 2), oracle=np.linalg.inv)
case("inv", real(0, 0), oracle=np.copy)
case("det", well(3, 3), oracle=np.linalg.det)
case("det", well(2, 2, 2), oracle=np.linalg.det)
case("det", real(1, 1), oracle=np.linalg.det)
case("det", real(0, 0), oracle=np.linalg.det)
case("slogdet", well(3, 3), oracle=lambda x: tuple(np.linalg.slogdet(x)))
case("slogdet", just(np.array([[0.0, 2], [1, 0]])), oracle=lambda x: tuple(np.linalg.slogdet(x)))
case("slogdet", well(2, 2, 2))
case(
    "logdet",
    well(3, 3),
    oracle=lambda x: np.log(np.linalg.det(x)) if np.linalg.det(x) > 0 else np.array(np.nan),
)
case("solve", well(3, 3), real(3, 2), oracle=np.linalg.solve)
case("solve", well(3, 3), real(3), oracle=np.linalg.solve)
case(
    "solve", well(2, 3, 3), real(2, 3), oracle=lambda a, b: np.linalg.solve(a, b[..., None])[..., 0]
)
case("solve", well(2, 3, 3), real(3, 2), oracle=np.linalg.solve)
case("solve", well(3, 3), real(2, 3), left=False, oracle=lambda a, b: b @ np.linalg.inv(a))
for _upper in True, False:
    for _unit in True, False:
        case(
            "solve_triangular",
            well(3, 3),
            real(3, 2),
            upper=_upper,
            unitriangular=_unit,
            oracle=lambda a, b, u=_upper, d=_unit: linalg.solve_triangular(a, b, lower=not u, unit_diagonal=d),
        )  # fmt: skip
case("solve_triangular", well(3, 3), real(2, 3), upper=True, left=False)
for _n, _m in (4, 2), (2, 4), (3, 3):
    case("lstsq", spread(_n, _m), real(_n, 2), oracle=lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0])  # fmt: skip
    case("pinv", spread(_n, _m), oracle=np.linalg.pinv)
    case("qr", spread(_n, _m))
    case("svd", spread(_n, _m), full_matrices=False, torch=False)
    case("svdvals", spread(_n, _m), oracle=lambda x: np.linalg.svd(x, compute_uv=False))
    for _ord in "fro", "nuc", np.inf, -np.inf, 1, -1, 2, -2:
        case("matrix_norm", spread(_n, _m), ord=_ord, oracle=lambda x, p=_ord: np.linalg.norm(x, p))
case(
    "lstsq",
    spread(4, 2),
    real(4),
    torch=False,
    oracle=lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0],
)
for _driver in "gels", "gelsd", "gelss", "gelsy":
    case(
        "lstsq",
        spread(2, 4, 2),
        real(2, 4, 3),
        call=lambda f, a, b, d=_driver: f(a, b, driver=d)[:3],
    )
case("pinv", spread(2, 3, 2), rcond=1e-3)
case(
    "pinv",
    lambda rng: np.outer([1.0, 2], [1, 1]),
    atol=1e-3,
    oracle=lambda x: np.linalg.pinv(x, 1e-3),
)
case("qr", spread(3, 3), mode="complete", oracle=lambda x: tuple(np.linalg.qr(x)))
case("qr", spread(2, 2, 3))
case("qr", spread(3, 2), mode="r")
case(
    "cholesky",
    well(3, 3),
    call=lambda f, x: f(x @ x.swapaxes(-1, -2)),
    oracle=lambda x: np.linalg.cholesky(x @ x.T),
)
case("cholesky", well(2, 2, 2), call=lambda f, x: f(x @ x.swapaxes(-1, -2), upper=True), torch=True)
for _uplo in "L", "U":
    case("eigh", spread(3, 3), call=lambda f, x, u=_uplo: f(_mirrored(x), u), torch=False)
    case(
        "eigvalsh",
        spread(2, 3, 3),
        call=lambda f, x, u=_uplo: f(_mirrored(x), u),
        oracle=lambda x: np.linalg.eigvalsh(_mirrored(x)),
    )
case("svd", spread(2, 3, 2), full_matrices=False, torch=False)
case("svd", spread(3, 3), torch=False)
case("svd", spread(3, 2), torch=False, call=lambda f, x: (f(x).U[:, :2], f(x).S, f(x).Vh))
case("svd", spread(2, 3), torch=False, call=lambda f, x: (f(x).U, f(x).S, f(x).Vh[:2]))
case("eigh", spread(1, 2, 3, 3), torch=False, call=lambda f, x: f(_mirrored(x)))
case("matrix_norm", real(2, 3, 4), ord=1, dim=(0, -1), keepdim=True)
case("matrix_norm", spread(2, 3, 4), ord=2, keepdim=True)
case("vector_norm", real(2, 3), ord=3, oracle=lambda x: np.linalg.norm(x.ravel(), 3))
for _ord in 2, 1, 0.5, 0, np.inf, -np.inf:
    case(
        "vector_norm", real(2, 3), ord=_ord, dim=1, oracle=lambda x, p=_ord: np.linalg.norm(x, p, 1)
    )
    case("vector_norm", real(2, 3), ord=_ord, dim=(0, 1), keepdim=True)
    case("vector_norm", real(), ord=_ord)
case("linalg_norm", real(2, 3), oracle=np.linalg.norm)
case("linalg_norm", real(2, 3), ord=1, oracle=lambda x: np.linalg.norm(x, 1))
case("linalg_norm", real(3), ord=3, oracle=lambda x: np.linalg.norm(x, 3))
case(
    "linalg_norm",
    real(2, 3, 4),
    dim=(1, 2),
    ord="fro",
    oracle=lambda x: np.linalg.norm(x, "fro", (1, 2)),
)
case("linalg_norm", real(2, 3, 4), oracle=lambda x: np.linalg.norm(x.ravel()))
case("norm", spread(2, 3), p="nuc", oracle=lambda x: np.linalg.norm(x, "nuc"))
for _hermitian in False, True:
    case(
        "matrix_rank",
        lambda rng: np.diag([1.0, 0, 2]),
        hermitian=_hermitian,
        oracle=np.linalg.matrix_rank,
    )
case("matrix_rank", spread(2, 3, 2), oracle=np.linalg.matrix_rank)
case("matrix_rank", lambda rng: np.diag([1.0, 0.1, 2]), tol=0.5)
case("matrix_rank", lambda rng: np.diag([1.0, 0.1, 2]), rtol=0.5)
case("cond", spread(3, 2), oracle=np.linalg.cond)
for _p in -2, "fro", 1:
    case("cond", spread(3, 3), p=_p, torch=_p == -2, oracle=lambda x, p=_p: np.linalg.cond(x, p))
case("linalg_diagonal", real(2, 3, 4), oracle=lambda x: np.diagonal(x, 0, 1, 2))
case("linalg_diagonal", real(2, 3, 4), offset=1, dim1=0, dim2=1, oracle=lambda x: np.diagonal(x, 1))
case("vecdot", real(2, 3), real(2, 3), oracle=lambda x, y: (x * y).sum(-1))
case("vecdot", real(2, 3), real(2, 1), dim=0)
case("_cofactors", well(3, 3), torch=False, oracle=lambda x: np.linalg.det(x) * np.linalg.inv(x).T)


def half(upper: bool):
    """A triangle of it, for arrays and tensors."""
    return lambda x: (
        (np.triu if upper else np.tril)(x)
        if isinstance(x, np.ndarray)
        else (x.triu() if upper else x.tril())
    )


for _upper in False, True:
    case("cholesky_solve", real(3, 2), well(3, 3), call=lambda f, b, a, u=_upper: f(b, half(u)(a), u),
         oracle=lambda b, a, u=_upper: linalg.cho_solve((half(u)(a), not u), b))  # fmt: skip
    case("cholesky_inverse", well(3, 3), call=lambda f, a, u=_upper: f(half(u)(a), u),
         oracle=lambda a, u=_upper: linalg.cho_solve((half(u)(a), not u), np.eye(3)))  # fmt: skip
case("cholesky_inverse", well(2, 2, 2), call=lambda f, a: f(half(False)(a)))
case(
    "tensorsolve",
    lambda rng: spread(6, 6)(rng).reshape(2, 3, 6),
    real(2, 3),
    oracle=np.linalg.tensorsolve,
)
case("tensorsolve", lambda rng: spread(6, 6)(rng).reshape(2, 3, 6).transpose(2, 0, 1), real(2, 3), dims=(0,),
     oracle=lambda a, b: np.linalg.tensorsolve(a, b, (0,)))  # fmt: skip
case("tensorinv", lambda rng: spread(6, 6)(rng).reshape(2, 3, 3, 2), oracle=np.linalg.tensorinv)
case(
    "tensorinv",
    lambda rng: spread(6, 6)(rng).reshape(6, 3, 2),
    ind=1,
    oracle=lambda a: np.linalg.tensorinv(a, 1),
)
case("matrix_exp", real(3, 3), oracle=linalg.expm)
case("matrix_exp", lambda rng: 5 * real(2, 3, 3)(rng))
case("matrix_exp", real(0, 0))
case("matrix_exp", just(np.zeros((2, 2))), oracle=linalg.expm)
