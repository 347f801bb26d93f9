"""The table of operators: for each, what it is tried on and, where it is short, what it must give.

A case is an operator, the domains of its operands and its other arguments. ``oracle`` computes the value in NumPy or
SciPy, independently. Everything else that tests say about operators they say about every case of this table.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from tinygrad_hw import float64, int64, ops

Domain = Callable[[np.random.Generator], Any]


@dataclass(frozen=True)
class Case:
    """One operator on certain operands; ``call(f, *operands)`` where they are not simply the first arguments."""

    op: str
    operands: tuple[Domain, ...]
    call: Callable
    oracle: Callable | None
    name: str
    torch: bool  # whether PyTorch accepts it too

    def draw(self, sample: int = 0) -> list:
        """Operands, always the same for the same ``sample``."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), sample])
        return [domain(rng) for domain in self.operands]

    def __call__(self, *operands):
        return self.call(ops.REGISTRY.get(self.op) or ops.PRIMITIVES[self.op], *operands)


CASES: list[Case] = []


def case(op: str, *operands: Domain, oracle=None, call=None, torch=True, **kwargs) -> None:
    """Add a case; ``kwargs`` are the operator's other arguments."""
    if call is None:

        def call(f, *xs):
            return f(*xs, **kwargs)

    number = sum(c.op == op for c in CASES)
    CASES.append(Case(op, operands, call, oracle, f"{op}-{number}", torch))


# Domains. Values are exact in float32, so that both precisions start from the same point.


def _float(draw: Callable) -> Callable[..., Domain]:
    def on(*shape: int) -> Domain:
        return lambda rng: np.asarray(draw(rng, shape)).astype(np.float32).astype(np.float64)

    return on


def _signed(rng, shape):
    return rng.uniform(0.3, 2, shape) * rng.choice([-1, 1], shape)


real = _float(lambda rng, shape: rng.normal(size=shape))
wide = _float(lambda rng, shape: 6 * rng.normal(size=shape))
positive = _float(lambda rng, shape: rng.uniform(0.3, 3, shape))
unit = _float(lambda rng, shape: rng.uniform(0.05, 0.95, shape))
nonzero = _float(_signed)


def holes(*shape: int) -> Domain:
    """Numbers of which about a third are 0."""
    return lambda rng: np.where(rng.random(shape) < 0.7, real(*shape)(rng), 0.0)


def ints(low: int, high: int, *shape: int) -> Domain:
    return lambda rng: np.asarray(rng.integers(low, high, shape))


def mask(*shape: int) -> Domain:
    return lambda rng: np.asarray(rng.random(shape) < 0.5)


def just(value) -> Domain:
    return lambda rng: value


# Pointwise

UNARY = {
    "neg": (real, np.negative),
    "abs": (real, np.abs),
    "sign": (real, np.sign),
    "exp": (real, np.exp),
    "expm1": (real, np.expm1),
    "log": (positive, np.log),
    "log1p": (unit, np.log1p),
    "sqrt": (positive, np.sqrt),
    "rsqrt": (positive, lambda x: x**-0.5),
    "square": (real, np.square),
    "reciprocal": (nonzero, lambda x: 1 / x),
    "sin": (wide, np.sin),
    "cos": (wide, np.cos),
    "erf": (real, special.erf),
    "tanh": (real, np.tanh),
    "sigmoid": (wide, special.expit),
    "logsigmoid": (wide, special.log_expit),
    "softplus": (wide, lambda x: np.logaddexp(0, x)),
    "relu": (real, lambda x: x * (x > 0)),
    "leaky_relu": (real, lambda x: np.where(x > 0, x, 0.01 * x)),
    "elu": (real, lambda x: np.where(x > 0, x, np.expm1(x))),
    "gelu": (real, lambda x: x * special.ndtr(x)),
    "silu": (wide, lambda x: x * special.expit(x)),
    "clone": (real, np.copy),
    "isnan": (real, np.isnan),
    "isinf": (real, np.isinf),
    "isfinite": (real, np.isfinite),
    "logical_not": (holes, np.logical_not),
}
for _name, (_domain, _oracle) in UNARY.items():
    for _shape in (2, 3), (), (0, 3):
        case(_name, _domain(*_shape), oracle=_oracle)
case("softplus", wide(7), oracle=lambda x: np.logaddexp(0, 2 * x) / 2, beta=2.0)
case("softplus", wide(30), oracle=lambda x: np.where(x > 1, x, np.logaddexp(0, x)), threshold=1)
case(
    "softplus",
    positive(30),
    beta=2.0,
    threshold=2.0,
    oracle=lambda x: np.where(2 * x > 2, x, np.logaddexp(0, 2 * x) / 2),
)
case("leaky_relu", real(7), negative_slope=0.3, oracle=lambda x: np.where(x > 0, x, 0.3 * x))
case("elu", real(7), alpha=0.5, oracle=lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)))
case(
    "gelu",
    real(7),
    approximate="tanh",
    oracle=lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
)
case("isnan", just(np.array([np.nan, np.inf, 0])), oracle=np.isnan)
case("isinf", just(np.array([np.nan, np.inf, -np.inf, 0])), oracle=np.isinf)
case("isfinite", just(np.array([np.nan, np.inf, -np.inf, 0])), oracle=np.isfinite)

BINARY = {
    "add": (real, real, np.add),
    "sub": (real, real, np.subtract),
    "mul": (real, real, np.multiply),
    "div": (real, nonzero, np.divide),
    "pow": (positive, real, np.power),
    "maximum": (real, real, np.maximum),
    "minimum": (real, real, np.minimum),
    "eq": (real, real, np.equal),
    "ne": (real, real, np.not_equal),
    "lt": (real, real, np.less),
    "le": (real, real, np.less_equal),
    "gt": (real, real, np.greater),
    "ge": (real, real, np.greater_equal),
    "logical_and": (holes, holes, np.logical_and),
    "logical_or": (holes, holes, np.logical_or),
    "logical_xor": (holes, holes, np.logical_xor),
}
SHAPES = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2,)),
    ((2, 1, 3), (4, 1)),
    ((), ()),
    ((2, 0), (1,)),
]
for _name, (_left, _right, _oracle) in BINARY.items():
    for _a, _b in SHAPES:
        case(_name, _left(*_a), _right(*_b), oracle=_oracle)
for _a, _b in ((1, 3), (1, 4, 3)), ((1, 1), (2, 1, 4)), ((1, 1), (2, 4, 1)):
    case("mul", real(*_a), real(*_b), oracle=np.multiply)
for _alpha in 0, 2, -1:
    case("add", real(3), real(3), alpha=_alpha, oracle=lambda x, y, k=_alpha: x + k * y)
    case("sub", real(3), real(3), alpha=_alpha, oracle=lambda x, y, k=_alpha: x - k * y)
case("add", real(2, 3), real(3), alpha=2.5, oracle=lambda x, y: x + 2.5 * y)
case("sub", real(3), real(2, 3), alpha=2.5, oracle=lambda x, y: x - 2.5 * y)
for _name in "add", "sub", "mul", "div", "maximum", "minimum", "lt", "eq":
    case(_name, real(3), just(0.7), torch=_name not in ("maximum", "minimum"))
for _p in 2, 3, -1, 0.5, -1.5, 0, 1, 2.0:
    case("pow", positive(5), oracle=lambda x, p=_p: x**p, call=lambda f, x, p=_p: f(x, p))
for _p in 2, 3, -2, 1:
    case("pow", nonzero(5), oracle=lambda x, p=_p: x**p, call=lambda f, x, p=_p: f(x, p))
case("pow", real(4), oracle=lambda y: 2.5**y, call=lambda f, y: f(2.5, y))

for _limits in ({"min": -0.5, "max": 0.5}, {"min": -0.2}, {"max": 0.2}, {"min": 0.5, "max": -0.5}):
    case(
        "clamp",
        real(3, 3),
        **_limits,
        oracle=lambda x, k=_limits: np.clip(x, *map(k.get, ("min", "max"))),
    )
case("clamp", real(4, 3), real(3), real(4, 1), oracle=np.clip)
case("clamp", real(4, 3), real(4, 3), oracle=np.maximum)
case("clamp", real(4, 3), real(1, 3), call=lambda f, x, y: f(x, max=y), oracle=np.minimum)
case("where", mask(2, 3), real(2, 3), real(2, 3), oracle=np.where)
case("where", mask(3, 1), real(4), real(), oracle=np.where)
case("where", mask(4), real(4), just(0.5), oracle=np.where)
case("where", mask(4), just(0.5), real(3, 1), oracle=np.where)
case("where", mask(), real(2), real(2), oracle=np.where)
case("where", mask(0), real(0), real(), oracle=np.where)

# Reductions

REDUCE = {
    "sum": (real, np.sum),
    "mean": (real, np.mean),
    "amax": (real, np.max),
    "amin": (real, np.min),
    "all": (holes, np.all),
    "any": (holes, np.any),
    "logsumexp": (wide, special.logsumexp),
    "var": (real, lambda x, **k: np.var(x, ddof=1, **k)),
    "std": (real, lambda x, **k: np.std(x, ddof=1, **k)),
    "norm": (
        real,
        lambda x, axis=None, keepdims=False: np.sqrt(np.sum(x * x, axis, keepdims=keepdims)),
    ),
}
DIMS = [
    ((2, 3), None, False),
    ((2, 3), 0, False),
    ((2, 3), -1, True),
    ((2, 3, 2), (0, 2), False),
    ((2, 3, 2), (-1, 1), True),
    ((2, 3, 4), (0, 1, 2), False),
]
for _name, (_domain, _oracle) in REDUCE.items():
    for _shape, _dim, _keep in DIMS:
        _dims = tuple(range(len(_shape))) if _dim is None and _name == "logsumexp" else _dim
        case(
            _name,
            _domain(*_shape),
            dim=_dims,
            keepdim=_keep,
            torch=_name != "norm" or len(_shape) < 3 or len(_dim) < 3,
            oracle=lambda x, f=_oracle, d=_dims, k=_keep: f(x, axis=d, keepdims=k),
        )
for _name in "sum", "mean", "all", "any", "norm", "logsumexp":
    case(_name, real(2, 0), dim=0)
for _name in "sum", "all", "any", "norm", "logsumexp":
    case(_name, real(2, 0), dim=1)
for _name in "sum", "mean", "amax", "amin", "all", "any", "logsumexp":
    case(_name, real(), dim=0)
    case(_name, real(), dim=-1, keepdim=True)
for _name in "sum", "mean", "amax", "amin", "all", "any", "prod", "norm", "max", "min":
    case(_name, real())
case("amax", real(2, 0, 3), dim=0)
case("sum", real(2, 3), dim=())
case("sum", ints(0, 9, 4), dtype=float64, oracle=np.sum)
case("mean", ints(0, 9, 4), dtype=float64, oracle=np.mean)
case("prod", ints(1, 4, 4), dtype=float64, oracle=np.prod)
case("cumsum", ints(1, 4, 4), dim=0, dtype=float64, oracle=np.cumsum)
for _c in 0, 2:
    case("var", real(4, 3), dim=0, correction=_c, oracle=lambda x, c=_c: x.var(0, ddof=c))
    case("std", real(4, 3), dim=0, correction=_c, oracle=lambda x, c=_c: x.std(0, ddof=c))
for _n in 1, 2, 3, 5, 8:
    case("prod", nonzero(2, _n), dim=1, oracle=lambda x: x.prod(1))
case("prod", nonzero(2, 3), oracle=np.prod)
case("prod", nonzero(2, 3), dim=0, keepdim=True, oracle=lambda x: x.prod(0, keepdims=True))
case("prod", holes(5, 6), dim=-1, oracle=lambda x: x.prod(-1))
case("prod", real(0), oracle=np.prod)
case("prod", real(0, 2), dim=0, oracle=lambda x: x.prod(0))
case("prod", real(2, 0), dim=0, oracle=lambda x: x.prod(0))
for _p in "fro", 1, 2, 3, 0.5, -1, 0, float("inf"), float("-inf"):
    _q = 2 if _p == "fro" else _p
    case("norm", nonzero(6), p=_p, oracle=lambda x, q=_q: np.linalg.norm(x, q))
    case("norm", nonzero(3, 2), p=_p, dim=1, oracle=lambda x, q=_q: np.linalg.norm(x, q, axis=1))
case("norm", nonzero(2, 3), p=3, dim=(0, 1), keepdim=True)
for _name, _oracle in ("max", np.max), ("min", np.min):
    case(_name, real(2, 3), oracle=_oracle)
    case(_name, real(2, 3), real(3))
    for _dim, _keep in (0, False), (-1, False), (1, True):
        case(
            _name,
            real(2, 3),
            dim=_dim,
            keepdim=_keep,
            oracle=lambda x, f=_oracle, d=_dim, k=_keep: f(x, axis=d, keepdims=k),
        )
    case(_name, real(), dim=0)
for _name, _oracle in ("argmax", np.argmax), ("argmin", np.argmin):
    case(_name, real(2, 3), oracle=_oracle)
    case(_name, real(2, 3), dim=0, oracle=lambda x, f=_oracle: f(x, 0))
    case(
        _name, real(2, 3), dim=-1, keepdim=True, oracle=lambda x, f=_oracle: f(x, -1, keepdims=True)
    )
    case(_name, real(2, 3), keepdim=True)
    case(_name, real())
    case(_name, real(), dim=0)
for _shape, _dim in ((4,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 0), 1):
    case("cumsum", real(*_shape), dim=_dim, oracle=lambda x, d=_dim: np.cumsum(x, d))
case("cumsum", real(), dim=0)
for _name, _oracle in (
    ("softmax", special.softmax),
    ("log_softmax", special.log_softmax),
    ("softmin", lambda x, axis: special.softmax(-x, axis)),
):
    for _shape, _dim in ((4,), 0), ((2, 3), -1), ((2, 3), 0), ((2, 3, 4), 1), ((3, 1), 1):
        case(_name, wide(*_shape), dim=_dim, oracle=lambda x, f=_oracle, d=_dim: f(x, axis=d))
    case(_name, real(), dim=0)
    case(_name, real(0, 3), dim=1)
    case(_name, real(3, 0), dim=1)
    case(_name, ints(0, 5, 2, 3), dim=1, dtype=float64)

# Products

case("matmul", real(2, 3), real(3, 4), oracle=np.matmul)
case("matmul", real(3), real(3), oracle=np.matmul)
case("matmul", real(2, 3), real(3), oracle=np.matmul)
case("matmul", real(3), real(3, 2), oracle=np.matmul)
case("matmul", real(2, 1, 2, 3), real(4, 3, 2), oracle=np.matmul)
case("matmul", real(3), real(2, 3, 2), oracle=np.matmul)
case("matmul", real(2, 2, 3), real(3), oracle=np.matmul)
case("matmul", real(2, 0), real(0, 3), oracle=np.matmul)
case("matmul", real(0, 2), real(2, 3), oracle=np.matmul)
case("matmul", real(1, 1), real(1, 1), oracle=np.matmul)
case("matmul", real(40, 30), real(30, 20), oracle=np.matmul)
case("mm", real(2, 3), real(3, 2), oracle=np.matmul)
case("bmm", real(2, 2, 3), real(2, 3, 2), oracle=np.matmul)
case("mv", real(2, 3), real(3), oracle=np.matmul)
case("dot", real(3), real(3), oracle=np.dot)
case("dot", real(0), real(0), oracle=np.dot)
case("outer", real(3), real(2), oracle=np.outer)
case("linear", real(4, 3), real(2, 3), oracle=lambda x, w: x @ w.T)
case("linear", real(4, 3), real(2, 3), real(2), oracle=lambda x, w, b: x @ w.T + b)
case("linear", real(2, 2, 3), real(2, 3), oracle=lambda x, w: x @ w.T)
case("linear", real(2, 2, 3), real(2, 3), real(2), oracle=lambda x, w, b: x @ w.T + b)
case("linear", real(3), real(2, 3), real(2), oracle=lambda x, w, b: x @ w.T + b)
case("linear", real(0, 3), real(2, 3), real(2), oracle=lambda x, w, b: x @ w.T + b)
case("linear", real(2, 0), real(2, 0), real(2), oracle=lambda x, w, b: x @ w.T + b)
EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj", (2, 3), (4, 3)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (2, 2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    ("...i,i->...", (2, 1, 3), (3,)),
    ("i...->...", (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("ij,k->ij", (2, 3), (2,)),
    ("a b , b -> a", (2, 3), (3,)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("bhqd,bhkd->bhqk", (1, 2, 2, 3), (1, 2, 4, 3)),
    (",i->i", (), (3,)),
    ("ij,ij->", (1, 3), (2, 3)),
    ("i,i,i->i", (3,), (3,), (3,)),
]
for _equation, *_shapes in EINSUM:
    case(
        "einsum",
        *[real(*s) for s in _shapes],
        call=lambda f, *xs, e=_equation: f(e, *xs),
        oracle=lambda *xs, e=_equation: np.einsum(e, *xs),
    )
case("einsum", real(2, 3), real(3), call=lambda f, *xs: f("ij,j->i", list(xs)), oracle=np.matmul)

# Shape

for _new in (3, 2), (-1,), (2, -1), (1, 6, 1), 6:
    case(
        "reshape",
        real(2, 3),
        shape=_new if isinstance(_new, tuple) else (_new,),
        oracle=lambda x, s=_new: x.reshape(s),
    )
case("reshape", real(), shape=(1, 1), oracle=lambda x: x.reshape(1, 1))
case("reshape", real(1), shape=(), oracle=lambda x: x.reshape(()))
case("reshape", real(0, 3), shape=(3, 0), oracle=lambda x: x.reshape(3, 0))
case("flatten", real(2, 3, 2), oracle=np.ravel)
case("flatten", real(2, 3, 2), start_dim=1, oracle=lambda x: x.reshape(2, 6))
case("flatten", real(2, 3, 2), start_dim=0, end_dim=-2, oracle=lambda x: x.reshape(6, 2))
case("flatten", real(), oracle=np.ravel)
case("squeeze", real(1, 2, 1), oracle=np.squeeze)
case("squeeze", real(1, 2, 1), dim=0, oracle=lambda x: x[0])
case("squeeze", real(1, 2, 1), dim=1, oracle=np.copy)
case("squeeze", real(1, 2, 1), dim=(0, -1), oracle=np.squeeze)
case("squeeze", real(), oracle=np.copy)
for _dim in 0, 1, -1:
    case("unsqueeze", real(2, 3), dim=_dim, oracle=lambda x, d=_dim: np.expand_dims(x, d))
case("unsqueeze", real(), dim=0, oracle=np.atleast_1d)
case("permute", real(2, 3, 4), dims=(2, 0, 1), oracle=lambda x: x.transpose(2, 0, 1))
case("permute", real(2, 3), dims=(-1, 0), oracle=np.transpose)
case("permute", real(), dims=(), oracle=np.copy)
case("transpose", real(2, 3, 4), dim0=0, dim1=-1, oracle=lambda x: x.swapaxes(0, -1))
case("transpose", real(2, 3), dim0=1, dim1=1, oracle=np.copy)
case("transpose", real(), dim0=0, dim1=0, oracle=np.copy)
case("expand", real(1, 3), call=lambda f, x: f(x, 2, 3), oracle=lambda x: x.repeat(2, 0))
case(
    "expand",
    real(3, 1),
    call=lambda f, x: f(x, (2, -1, 4)),
    oracle=lambda x: np.broadcast_to(x, (2, 3, 4)),
)
case("expand", real(), call=lambda f, x: f(x, 2), oracle=lambda x: np.full(2, x))
case("expand", real(1, 2), call=lambda f, x: f(x, 0, 2), oracle=lambda x: x[:0])
case(
    "broadcast_to",
    real(2, 1),
    call=lambda f, x: f(x, (3, 2, 2)),
    oracle=lambda x: np.broadcast_to(x, (3, 2, 2)),
)
for _dim in 0, 1, -1:
    case(
        "cat",
        real(2, 3),
        real(2, 3),
        real(2, 3),
        call=lambda f, *xs, d=_dim: f(xs, d),
        oracle=lambda *xs, d=_dim: np.concatenate(xs, d),
    )
    case(
        "stack",
        real(2, 3),
        real(2, 3),
        call=lambda f, *xs, d=_dim: f(xs, dim=d),
        oracle=lambda *xs, d=_dim: np.stack(xs, d),
    )
case(
    "cat", real(1, 3), real(2, 3), call=lambda f, *xs: f(list(xs)), oracle=lambda *xs: np.vstack(xs)
)
case("cat", real(2, 3), real(0), real(0, 3), call=lambda f, *xs: f(xs), oracle=lambda x, y, z: x)
case("cat", real(0), real(0), call=lambda f, *xs: f(xs))
case("stack", real(), real(), call=lambda f, *xs: f(xs), oracle=lambda *xs: np.array(xs))
case("split", real(5, 2), call=lambda f, x: f(x, 2), oracle=lambda x: (x[:2], x[2:4], x[4:]))
case(
    "split",
    real(2, 5),
    call=lambda f, x: f(x, [1, 0, 4], dim=1),
    oracle=lambda x: (x[:, :1], x[:, 1:1], x[:, 1:]),
)
case("split", real(0, 5), call=lambda f, x: f(x, 2), oracle=lambda x: (x,))
case("chunk", real(5, 2), call=lambda f, x: f(x, 3), oracle=lambda x: (x[:2], x[2:4], x[4:]))
case(
    "chunk",
    real(2, 5),
    call=lambda f, x: f(x, 4, dim=-1),
    oracle=lambda x: (x[:, :2], x[:, 2:4], x[:, 4:]),
)
case("chunk", real(0), call=lambda f, x: f(x, 3))
case("flip", real(2, 3), dims=(0,), oracle=lambda x: x[::-1])
case("flip", real(2, 3), dims=(0, -1), oracle=lambda x: x[::-1, ::-1])
case("flip", real(), dims=(), oracle=np.copy)
for _widths in (1, 2), (0, 1, 2, 0), (-1, 1), (1, -2, -1, 1), ():
    case("pad", real(2, 3), pad=_widths)
case(
    "pad",
    real(2, 3),
    pad=(1, 1),
    value=2.5,
    oracle=lambda x: np.pad(x, ((0, 0), (1, 1)), constant_values=2.5),
)
for _mode, _numpy in ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"):
    case(
        "pad",
        real(2, 3, 4),
        pad=(2, 1),
        mode=_mode,
        oracle=lambda x, m=_numpy: np.pad(x, ((0, 0), (0, 0), (2, 1)), m),
    )
    case(
        "pad",
        real(1, 2, 3, 4),
        pad=(1, 1, 2, 0),
        mode=_mode,
        oracle=lambda x, m=_numpy: np.pad(x, ((0, 0), (0, 0), (2, 0), (1, 1)), m),
    )
for _name, _oracle in ("tril", np.tril), ("triu", np.triu):
    for _shape, _k in ((3, 3), 0), ((3, 4), 1), ((2, 4, 3), -1):
        case(_name, real(*_shape), diagonal=_k, oracle=lambda x, f=_oracle, k=_k: f(x, k))
case("one_hot", ints(0, 4, 5), num_classes=4, oracle=lambda i: np.eye(4, dtype=int)[i])
case("one_hot", ints(0, 4, 2, 3), oracle=lambda i: np.eye(i.max() + 1, dtype=int)[i])
case("one_hot", ints(0, 4), num_classes=5)
case("narrow", real(5, 2), dim=0, start=1, length=3, oracle=lambda x: x[1:4])
case("narrow", real(2, 5), dim=-1, start=-2, length=2, oracle=lambda x: x[:, -2:])
case("narrow", real(2, 5), dim=1, start=5, length=0, oracle=lambda x: x[:, :0])
case("select", real(2, 3), dim=1, index=-1, oracle=lambda x: x[:, -1])
case("select", real(3), dim=0, index=1, oracle=lambda x: x[1])

for _name, _arguments in (
    ("cat", ()), ("stack", ()), ("split", (2,)), ("chunk", (2,)), ("flip", ((0,),)), ("tril", ()),
    ("triu", ()), ("permute", ((1, 0),)), ("transpose", (0, 1)), ("flatten", ()), ("squeeze", ()),
    ("unsqueeze", (0,)), ("expand", (2, 0, 3)), ("pad", ((1, 1),)), ("narrow", (1, 0, 2)),
    ("select", (1, 0)), ("getitem", (slice(None),)), ("masked_fill", (np.zeros((0, 3), bool), 1.0)),
):  # fmt: skip
    case(
        _name,
        real(0, 3),
        call=lambda f, x, n=_name, a=_arguments: f((x, x) if n in ("cat", "stack") else x, *a),
    )

# Indexing

for _index in (
    1,
    -1,
    slice(1, None),
    slice(None, None, 2),
    (slice(None), 1),
    (..., 0),
    (None, 1),
    (0, None, ..., slice(0, 2)),
    (),
    ...,
    slice(3, 1),
):
    case(
        "getitem", real(3, 4), call=lambda f, x, i=_index: f(x, i), oracle=lambda x, i=_index: x[i]
    )
for _index in slice(None, None, -1), (slice(None, None, -2), slice(3, 0, -1)):
    case(
        "getitem",
        real(3, 4),
        torch=False,
        call=lambda f, x, i=_index: f(x, i),
        oracle=lambda x, i=_index: x[i],
    )
for _index in (
    np.array([0, 2, 2, -1]),
    [0, 0],
    (np.array([0, 1, 1]), np.array([2, 3, 3])),
    (slice(None), np.array([[0, 1], [1, 1]])),
    (np.array([True, False, True]),),
    (np.array([0, 1]), None, slice(1, 3)),
    (np.array([[True, False, True, True]] * 3),),
    (1, np.array([0, 0, 3])),
    np.array([], int),
    (np.array([0, 1]), slice(None), None),
    np.array(1),
    True,
):
    case(
        "getitem", real(3, 4), call=lambda f, x, i=_index: f(x, i), oracle=lambda x, i=_index: x[i]
    )
case("getitem", real(), call=lambda f, x: f(x, ()), oracle=lambda x: x[()])
case("getitem", real(), call=lambda f, x: f(x, None), oracle=lambda x: x[None])
for _dim, _shape in (0, (4, 3)), (1, (2, 5)), (-1, (1, 2)):
    case(
        "gather",
        real(3, 3),
        ints(0, 3, *_shape),
        call=lambda f, x, i, d=_dim: f(x, d, i),
        oracle=lambda x, i, d=_dim: np.take_along_axis(x if d == 0 else x[: len(i)], i, d),
    )
case("gather", real(), ints(0, 1), call=lambda f, x, i: f(x, 0, i))
case("gather", real(2, 3), ints(0, 1, 0, 3), call=lambda f, x, i: f(x, 0, i))
for _dim, _shape in (0, (4, 3)), (1, (3, 5)), (-1, (3, 1)), (1, (1, 2)), (0, (2, 1)):
    case(
        "take_along_dim",
        real(3, 3),
        ints(0, 3, *_shape),
        dim=_dim,
        oracle=lambda x, i, d=_dim: np.take_along_axis(x, i, d),
    )
case("take_along_dim", real(1, 3), ints(0, 3, 2, 2), dim=1)
case("take_along_dim", real(3, 3), ints(0, 9, 4), oracle=lambda x, i: x.ravel()[i])
case("take_along_dim", real(3, 3), ints(0, 9, 2, 2), oracle=lambda x, i: x.ravel()[i.ravel()])
for _dim in 0, -1:
    case(
        "index_select",
        real(3, 3),
        ints(0, 3, 5),
        call=lambda f, x, i, d=_dim: f(x, d, i),
        oracle=lambda x, i, d=_dim: x.take(i, d),
    )
case("index_select", real(3), ints(0, 3), call=lambda f, x, i: f(x, 0, i))
case("index_select", real(), ints(0, 1, 1), call=lambda f, x, i: f(x, 0, i))
case("masked_fill", real(2, 3), mask(2, 3), value=2.0, oracle=lambda x, m: np.where(m, 2.0, x))
case(
    "masked_fill",
    real(2, 3),
    mask(3),
    value=float("-inf"),
    oracle=lambda x, m: np.where(m, -np.inf, x),
)
case("masked_fill", real(2, 3), mask(2, 1), real(), oracle=lambda x, m, v: np.where(m, v, x))
case("masked_fill", real(3), mask(2, 3), value=1, oracle=lambda x, m: np.where(m, 1, x))

# Losses

PAIRS = {
    "mse_loss": (real, real, lambda x, t: (x - t) ** 2),
    "l1_loss": (real, real, lambda x, t: np.abs(x - t)),
    "smooth_l1_loss": (real, real, lambda x, t: special.huber(1, x - t)),
    "huber_loss": (real, real, lambda x, t: special.huber(1, x - t)),
    "binary_cross_entropy": (unit, unit, lambda p, t: -t * np.log(p) - (1 - t) * np.log1p(-p)),
    "binary_cross_entropy_with_logits": (wide, unit, lambda x, t: np.logaddexp(0, x) - t * x),
    "kl_div": (real, positive, lambda x, t: t * (np.log(t) - x)),
}
REDUCTIONS = {"mean": np.mean, "sum": np.sum, "none": np.asarray}
for _name, (_left, _right, _oracle) in PAIRS.items():
    for _r, _f in REDUCTIONS.items():
        case(
            _name,
            _left(3, 4),
            _right(3, 4),
            reduction=_r,
            oracle=lambda x, t, f=_f, o=_oracle: f(o(x, t)),
        )
    case(_name, _left(), _right(), oracle=_oracle)
    case(_name, _left(0, 2), _right(0, 2), reduction="sum")
for _d in 0.3, 2.5:
    case(
        "huber_loss",
        real(9),
        real(9),
        delta=_d,
        oracle=lambda x, t, d=_d: special.huber(d, x - t).mean(),
    )
    case(
        "smooth_l1_loss",
        real(9),
        real(9),
        beta=_d,
        oracle=lambda x, t, d=_d: special.huber(d, x - t).mean() / d,
    )
case("smooth_l1_loss", real(9), real(9), beta=0.0, oracle=lambda x, t: np.abs(x - t).mean())
case("binary_cross_entropy", unit(3, 4), unit(3, 4), positive(4))
case("binary_cross_entropy", unit(3, 4), unit(3, 4), positive(3, 1), reduction="sum")
_BCE = "binary_cross_entropy_with_logits"
case(_BCE, wide(3, 4), unit(3, 4), positive(4))
case(_BCE, wide(3, 4), unit(3, 4), positive(4), call=lambda f, x, t, w: f(x, t, pos_weight=w))
case(
    _BCE,
    wide(3, 4),
    unit(3, 4),
    positive(3, 1),
    positive(4),
    call=lambda f, x, t, w, p: f(x, t, w, pos_weight=p, reduction="none"),
    oracle=lambda x, t, w, p: w * (p * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)),
)
case(
    "kl_div",
    real(3, 4),
    positive(3, 4),
    reduction="batchmean",
    oracle=lambda x, t: (t * (np.log(t) - x)).sum() / 3,
)
case(
    "kl_div",
    real(3, 4),
    real(3, 4),
    log_target=True,
    oracle=lambda x, t: (np.exp(t) * (t - x)).mean(),
)
case("kl_div", real(3, 4), real(3, 4), log_target=True, reduction="none")


def _cross_entropy(
    x, t, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0, scores=None
):
    """By the definition, one target after the other; classes in dim 1."""
    scores = special.log_softmax(x, 1) if scores is None else scores
    classes = x.shape[1]
    weight = np.ones(classes) if weight is None else weight
    losses, weights = np.zeros(t.shape), np.zeros(t.shape)
    for at in np.ndindex(t.shape):
        label, row = t[at], scores[(at[0], slice(None), *at[1:])]
        if label != ignore_index:
            weights[at] = weight[label]
            smooth = -(weight * row).sum() * label_smoothing / classes
            losses[at] = -(1 - label_smoothing) * weight[label] * row[label] + smooth
    return {"mean": losses.sum() / weights.sum(), "sum": losses.sum(), "none": losses}[reduction]


for _kw in (
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"ignore_index": 1},
    {"ignore_index": 1, "reduction": "none"},
):
    case(
        "nll_loss",
        real(5, 3),
        ints(0, 3, 5),
        **_kw,
        oracle=lambda x, t, k=_kw: _cross_entropy(x, t, scores=x, **k),
    )
    case(
        "cross_entropy",
        wide(5, 3),
        ints(0, 3, 5),
        **_kw,
        oracle=lambda x, t, k=_kw: _cross_entropy(x, t, **k),
    )
    _smooth = {**_kw, "label_smoothing": 0.2}
    case(
        "cross_entropy",
        wide(5, 3),
        ints(0, 3, 5),
        **_smooth,
        oracle=lambda x, t, k=_smooth: _cross_entropy(x, t, **k),
    )
    _weight = np.array([0.5, 2, 1.5])
    for _name in "nll_loss", "cross_entropy":
        case(
            _name,
            real(5, 3),
            ints(0, 3, 5),
            just(_weight),
            **_kw,
            oracle=lambda x, t, w, k=_kw, n=_name: _cross_entropy(
                x, t, w, scores=x if n == "nll_loss" else None, **k
            ),
        )
    case(
        "cross_entropy",
        real(5, 3, 2),
        ints(0, 3, 5, 2),
        just(_weight),
        **_smooth,
        oracle=lambda x, t, w, k=_smooth: _cross_entropy(x, t, w, **k),
    )
# Beyond the block sizes of the row kernels
case("cross_entropy", real(1100, 2), ints(0, 2, 1100), oracle=_cross_entropy)
case("cross_entropy", real(3, 300), ints(0, 300, 3), reduction="sum")
for _name in "softmax", "log_softmax":
    _oracle = getattr(special, _name)
    for _shape in (1100, 2), (2, 300):
        case(_name, real(*_shape), dim=1, oracle=lambda x, f=_oracle: f(x, axis=1))
case("nll_loss", real(4), ints(0, 4), oracle=lambda x, t: -x[t])
case(
    "nll_loss",
    real(2, 3, 2, 2),
    ints(0, 3, 2, 2, 2),
    oracle=lambda x, t: _cross_entropy(x, t, scores=x),
)
case("cross_entropy", wide(4), ints(0, 4), oracle=lambda x, t: -special.log_softmax(x)[t])
case("cross_entropy", wide(4), ints(0, 4), label_smoothing=0.1)
case("cross_entropy", real(2, 3, 4), ints(0, 3, 2, 4), oracle=_cross_entropy)
for _kw in {}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.3}:
    case("cross_entropy", wide(5, 3), positive(5, 3), **_kw)
    case("cross_entropy", wide(5, 3, 2), positive(5, 3, 2), just(_weight), **_kw)
case(
    "cross_entropy",
    wide(5, 3),
    positive(5, 3),
    oracle=lambda x, t: -(t * special.log_softmax(x, 1)).sum(1).mean(),
)
case("cross_entropy", wide(3), positive(3), oracle=lambda x, t: -(t * special.log_softmax(x)).sum())
case("dropout", real(3), p=0.0, oracle=np.copy)
case("dropout", real(3), training=False, oracle=np.copy)
case("dropout", real(3), p=1.0, oracle=np.zeros_like)

# Operators that only derivatives, views and in-place changes use

_VIEW = ((ops.PRIMITIVES["_permute"], ((1, 0),)), (ops.PRIMITIVES["_slice"], ((1,),)))
case("_drop", real(3, 4), unit(3, 4), torch=False, p=0.5, scale=2.0)
case("_unslice", real(2), torch=False, call=lambda f, x: f(x, (3, 2), (1,)))
case("_put", real(3, 2), torch=False, call=lambda f, x: f(x, (3, 2), (np.array([0, 0, 2]),)))
case(
    "_index_put",
    real(3, 2),
    real(2, 2),
    torch=False,
    call=lambda f, x, v: f(x, v, (np.array([0, 2]),)),
)
case(
    "_index_put",
    real(3, 2),
    real(2),
    torch=False,
    call=lambda f, x, v: f(x, v, (np.array([0, 2]),)),
)
case("_show", real(2, 3), real(2), torch=False, call=lambda f, x, v: f(x, v, _VIEW))
case("_show", real(2, 3), real(), torch=False, call=lambda f, x, v: f(x, v, _VIEW))
case(
    "_gelu_slope",
    real(7),
    torch=False,
    oracle=lambda x: special.ndtr(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
)
case("_cast", real(3), torch=False, dtype=float64, oracle=np.copy)
case("_cast", real(3), torch=False, dtype=int64)

# The other families, a file each, add theirs.
import op_cases_arrange  # noqa: E402, F401
import op_cases_linalg  # noqa: E402, F401
import op_cases_losses  # noqa: E402, F401
import op_cases_nn  # noqa: E402, F401
import op_cases_pointwise  # noqa: E402, F401
import op_cases_reduce  # noqa: E402, F401
