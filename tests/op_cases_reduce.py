"""Cases of scans, order and statistics."""

from __future__ import annotations

import numpy as np
from op_cases import DIMS, case, holes, ints, just, nonzero, positive, real, wide
from scipy.spatial import distance

from tinygrad_hw import float64


def missing(*shape: int):
    """Numbers of which some are NaN."""
    return lambda rng: np.where(rng.random(shape) < 0.3, np.nan, real(*shape)(rng))


VECTORS = [((5,), 0), ((2, 3), 0), ((2, 3), -1), ((3, 1), 1), ((2, 0), 1)]
for _shape, _dim in VECTORS:
    case("cumprod", nonzero(*_shape), dim=_dim, oracle=lambda x, d=_dim: np.cumprod(x, d))
    case(
        "logcumsumexp",
        wide(*_shape),
        dim=_dim,
        oracle=lambda x, d=_dim: np.logaddexp.accumulate(x, d),
    )
    case("cummax", real(*_shape), dim=_dim, oracle=lambda x, d=_dim: np.maximum.accumulate(x, d))
    case("cummin", real(*_shape), dim=_dim, oracle=lambda x, d=_dim: np.minimum.accumulate(x, d))
    for _more in {}, {"descending": True}:
        _sign = -1 if _more else 1
        case(
            "sort",
            real(*_shape),
            dim=_dim,
            **_more,
            oracle=lambda x, d=_dim, s=_sign: s * np.sort(s * x, d),
        )
        case(
            "argsort",
            real(*_shape),
            dim=_dim,
            **_more,
            oracle=lambda x, d=_dim, s=_sign: np.argsort(s * x, d),
        )
    case("diff", real(*_shape), dim=_dim, oracle=lambda x, d=_dim: np.diff(x, axis=d))
for _name in "cumprod", "logcumsumexp", "cummax", "cummin", "sort", "argsort":
    case(_name, real(), dim=0)
case("cumprod", holes(7), dim=0, oracle=np.cumprod)
case("cumprod", just(np.array([[2.0, 0, 3, 0, 5]])), dim=1, oracle=lambda x: np.cumprod(x, 1))
case("cumprod", ints(1, 4, 4), dim=0, dtype=float64, oracle=np.cumprod)
case("sort", real(3, 4), oracle=np.sort)
case(
    "sort",
    ints(0, 3, 30),
    dim=0,
    stable=True,
    oracle=lambda x: (np.sort(x), np.argsort(x, kind="stable")),
)
case(
    "argsort",
    ints(0, 3, 30),
    dim=0,
    descending=True,
    stable=True,
    oracle=lambda x: np.argsort(-x, kind="stable"),
)
case("msort", real(3, 4), oracle=lambda x: np.sort(x, 0))
case("diff", real(5), n=2, oracle=lambda x: np.diff(x, 2))
case("diff", real(3), n=0, oracle=np.copy)
case("diff", real(3), n=9, oracle=lambda x: np.diff(x, 9))
case(
    "diff",
    real(2, 3),
    real(2, 1),
    real(2, 2),
    call=lambda f, x, a, b: f(x, prepend=a, append=b),
    oracle=lambda x, a, b: np.diff(np.hstack((a, x, b))),
)
for _k, _largest in (2, True), (2, False), (0, True), (3, False):
    case(
        "topk",
        real(4, 3),
        k=_k,
        largest=_largest,
        oracle=lambda x, k=_k, s=-1 if _largest else 1: s * np.sort(s * x)[:, :k],
    )
case("topk", real(4, 3), k=2, dim=0, oracle=lambda x: -np.sort(-x, 0)[:2])
case("topk", real(), k=1)
for _dim, _keep in (0, False), (-1, True):
    case(
        "kthvalue",
        real(4, 3),
        k=2,
        dim=_dim,
        keepdim=_keep,
        oracle=lambda x, d=_dim, s=_keep: np.sort(x, d).take([1] if s else 1, d),
    )
case("kthvalue", real(), k=1)

for _name, _oracle in ("trapezoid", np.trapezoid), ("cumulative_trapezoid", None):
    case(_name, real(4), oracle=_oracle)
    case(
        _name,
        real(3, 4),
        dx=0.5,
        dim=0,
        oracle=_oracle and (lambda y: np.trapezoid(y, dx=0.5, axis=0)),
    )
    case(_name, real(3, 4), real(4), oracle=_oracle)
    case(_name, real(3, 4), real(3), call=lambda f, y, x: f(y, x, dim=0),
         oracle=_oracle and (lambda y, x: np.trapezoid(y, x[:, None], axis=0)))  # fmt: skip
    case(_name, real(3, 4), real(3, 4), oracle=_oracle)
    case(_name, real(2, 1))
    case(_name, real(2, 0))

# Places

_sorted = lambda *shape: lambda rng: np.sort(real(*shape)(rng))  # noqa: E731
for _right in False, True:
    _side = "right" if _right else "left"
    case(
        "searchsorted",
        _sorted(9),
        real(2, 3),
        right=_right,
        oracle=lambda s, v, k=_side: np.searchsorted(s, v, k),
    )
    case(
        "bucketize",
        real(2, 3),
        _sorted(9),
        right=_right,
        oracle=lambda v, s, k=_side: np.searchsorted(s, v, k),
    )
case("searchsorted", _sorted(2, 5), real(2, 3), side="right", out_int32=True)
case("searchsorted", _sorted(5), just(0.3))
case(
    "searchsorted",
    real(5),
    real(3),
    call=lambda f, s, v: f(s, v, sorter=np.argsort(np.asarray(s), kind="stable")),
    torch=False,
    oracle=lambda s, v: np.searchsorted(np.sort(s), v),
)
case("bucketize", just(np.array([1, 5])), just(np.array([1, 3, 5])), out_int32=True)
case("bincount", ints(0, 5, 20), oracle=np.bincount)
case("bincount", ints(0, 5, 20), minlength=9, oracle=lambda x: np.bincount(x, minlength=9))
case("bincount", ints(0, 5, 3), call=lambda f, x: f(x, weights=np.array([0.5, 1, 2])), torch=False,
     oracle=lambda x: np.bincount(x, [0.5, 1, 2]))  # fmt: skip
case("unique", ints(0, 4, 3, 3), oracle=np.unique)
case(
    "unique",
    ints(0, 4, 3, 3),
    return_inverse=True,
    return_counts=True,
    oracle=lambda x: np.unique(x, return_inverse=True, return_counts=True),
)
case("unique", ints(0, 2, 6, 2), dim=0, return_inverse=True, oracle=lambda x: np.unique(x, axis=0))
case("unique_consecutive", just(np.array([1, 1, 2, 2, 1])), return_inverse=True, return_counts=True,
     oracle=lambda x: (np.array([1, 2, 1]), np.array([0, 0, 1, 1, 2]), np.array([2, 2, 1])))  # fmt: skip
case("unique_consecutive", just(np.array([[1, 1, 2], [3, 3, 3]])), dim=1, return_inverse=True,
     oracle=lambda x: (x[:, 1:], np.array([0, 0, 1])))  # fmt: skip
case("unique_consecutive", just(np.array([], int)))

# Statistics

for _name, _oracle in (
    ("nansum", np.nansum), ("nanmean", np.nanmean), ("count_nonzero", None), ("aminmax", None),
    ("std_mean", None), ("var_mean", None),
):  # fmt: skip
    for _shape, _dim, _keep in DIMS:
        if _name == "count_nonzero":
            case(_name, holes(*_shape), dim=_dim, oracle=lambda x, d=_dim: np.count_nonzero(x, d))
        elif _name == "aminmax":
            if not isinstance(_dim, tuple):
                case(_name, real(*_shape), dim=_dim, keepdim=_keep,
                     oracle=lambda x, d=_dim, k=_keep: (x.min(d, keepdims=k), x.max(d, keepdims=k)))  # fmt: skip
        elif _oracle:
            case(_name, real(*_shape), dim=_dim, keepdim=_keep,
                 oracle=lambda x, f=_oracle, d=_dim, k=_keep: f(x, axis=d, keepdims=k))  # fmt: skip
        else:
            case(_name, real(*_shape), dim=_dim, keepdim=_keep)
for _name, _oracle in ("nansum", np.nansum), ("nanmean", np.nanmean):
    case(_name, lambda rng: np.array([[np.nan, 1.0, 2], [0.5, np.nan, 1]]), dim=1,
         oracle=lambda x, f=_oracle: f(x, 1))  # fmt: skip
case("nansum", ints(0, 5, 3), dtype=float64, oracle=np.sum)
for _name in "std", "var", "std_mean", "var_mean":
    for _arguments in ((True,), (False,), (0, False), ((0, 1), True, True)):
        case(_name, real(3, 4), call=lambda f, x, a=_arguments: f(x, *a))
    case(_name, real(3, 4), dim=1, correction=2)
    case(_name, real(1), correction=0)
case("aminmax", real(), dim=0)
for _name, _oracle in ("median", np.median), ("nanmedian", np.nanmedian):
    case(_name, real(3, 3), oracle=_oracle)
    case(_name, real(2, 4), oracle=lambda x: np.sort(x.ravel())[3])
    case(_name, real(2, 3), dim=-1, oracle=lambda x, f=_oracle: f(x, 1))
    case(_name, real(3, 2), dim=0, keepdim=True, oracle=lambda x, f=_oracle: f(x, 0, keepdims=True))
    case(_name, real(), dim=0)
    case(_name, real())
case("nanmedian", just(np.array([[np.nan, 1, 2, 3], [4, 5, 6, 7]])), dim=1)
case("nanmedian", just(np.array([np.nan, 1, 2, 3])))
for _name, _oracle in ("quantile", np.quantile), ("nanquantile", np.nanquantile):
    for _how in "linear", "lower", "higher", "midpoint", "nearest":
        case(
            _name,
            real(7),
            q=0.3,
            interpolation=_how,
            oracle=lambda x, f=_oracle, h=_how: f(x, 0.3, method=h),
        )
    case(_name, real(3, 4), q=0.6, dim=0, oracle=lambda x, f=_oracle: f(x, 0.6, axis=0))
    case(
        _name,
        real(3, 4),
        q=0.6,
        dim=1,
        keepdim=True,
        oracle=lambda x, f=_oracle: f(x, 0.6, axis=1, keepdims=True),
    )
    case(
        _name,
        real(3, 4),
        lambda rng: np.array([0.1, 0.55, 0.9]),
        call=lambda f, x, q: f(x, q, dim=1),
        oracle=lambda x, q, f=_oracle: f(x, q, axis=1),
    )
    case(_name, real(3, 4), q=0.25, keepdim=True, oracle=lambda x, f=_oracle: f(x, 0.25, keepdims=True))  # fmt: skip
    case(_name, real(), q=0.5, dim=0)
case("nanquantile", just(np.array([[np.nan, 1, 2, 3], [4, 5, 6, 7]])), q=0.4, dim=1,
     oracle=lambda x: np.nanquantile(x, 0.4, 1))  # fmt: skip

case("cov", real(3, 5), oracle=np.cov)
case("cov", real(5), correction=0, oracle=lambda x: np.cov(x, ddof=0))
case(
    "cov",
    real(3, 5),
    ints(1, 4, 5),
    call=lambda f, x, w: f(x, fweights=w),
    oracle=lambda x, w: np.cov(x, fweights=w),
)
case(
    "cov",
    real(3, 5),
    ints(1, 4, 5),
    positive(5),
    call=lambda f, x, w, a: f(x, fweights=w, aweights=a),
    oracle=lambda x, w, a: np.cov(x, fweights=w, aweights=a),
)
case("corrcoef", real(3, 5), oracle=np.corrcoef)
case("corrcoef", real(5))
for _p in 2.0, 1.0, 3.0, float("inf"), 0.0:
    case(
        "cdist",
        real(4, 3),
        real(5, 3),
        p=_p,
        oracle=lambda x, y, p=_p: np.linalg.norm(x[:, None] - y, p, -1),
    )
case("cdist", real(2, 4, 3), real(5, 3))
case("cdist", real(0, 3), real(5, 3))
for _p in 2, 1, 3:
    case(
        "dist",
        real(2, 3),
        real(3),
        p=_p,
        oracle=lambda x, y, p=_p: np.linalg.norm((x - y).ravel(), p),
    )
for _dim in 0, 1, -1:
    case("renorm", real(3, 4, 2), p=2, dim=_dim, maxnorm=1.5)
case(
    "renorm",
    real(3, 4),
    p=1,
    dim=0,
    maxnorm=9.0,
    oracle=lambda x: x * np.minimum(1, 9 / (np.abs(x).sum(1, keepdims=True) + 1e-7)),
)

case("_record_holders", real(4), torch=False, call=lambda f, x: f(x, 0, True))

for _size in (3,), (2, 1), (1, 1), (2, 3), ():
    case(
        "sum_to_size",
        real(2, 3),
        torch=False,
        call=lambda f, x, s=_size: f(x, *s) if s else f(x, s),
    )
for _dim, _keep in (0, False), (-1, True):
    case("mode", ints(0, 3, 5, 7), dim=_dim, keepdim=_keep)
    case("mode", real(3, 4), dim=_dim, keepdim=_keep)
case("mode", real())
case("mode", just(np.array([[2, 1, 2, 1, 3]])), oracle=lambda x: (np.array([1]), np.array([3])))
case("histc", real(9), bins=4, oracle=lambda x: np.histogram(x, 4)[0].astype(float))
case(
    "histc",
    real(3, 9),
    bins=5,
    min=-1,
    max=1,
    oracle=lambda x: np.histogram(x, 5, (-1, 1))[0].astype(float),
)
case("histc", just(np.ones(3)), bins=3)
case("pdist", real(4, 3), oracle=lambda x: distance.pdist(x))
case("pdist", real(4, 3), p=1.0, oracle=lambda x: distance.pdist(x, "cityblock"))
case("pdist", real(1, 3))
