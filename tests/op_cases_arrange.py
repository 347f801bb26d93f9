"""Cases of arrangements, and of writing to places and reading from them."""

from __future__ import annotations

import numpy as np
from op_cases import case, holes, ints, just, mask, real
from scipy import linalg

A, B = (2, 3), (4, 2, 3)

for _name, _other in ("expand_as", (4, 2, 3)), ("reshape_as", (3, 2)), ("view_as", (6, 1)):
    case(
        _name,
        real(2, 3),
        real(*_other),
        oracle=lambda x, y, n=_name: (
            np.broadcast_to(x, y.shape) if n == "expand_as" else x.reshape(y.shape)
        ),
    )
case("ravel", real(2, 3), oracle=np.ravel)
case("ravel", real(), oracle=np.ravel)
for _dim, _sizes, _new in (
    (1, (2, -1), (2, 2, 3)),
    (-1, (3, 2, 1), (2, 3, 2, 1)),
    (0, (1, 2), (1, 2, 6)),
):
    case("unflatten", real(2, 6), dim=_dim, sizes=_sizes, oracle=lambda x, s=_new: x.reshape(s))
for _from, _to in (0, 2), (-1, 0), ((0, 1), (2, 0)), ((2, 0), (-2, -1)), (1, 1):
    case(
        "movedim",
        real(*B),
        source=_from,
        destination=_to,
        oracle=lambda x, a=_from, b=_to: np.moveaxis(x, a, b),
    )
case("movedim", real(), source=0, destination=0, oracle=np.copy)
case(
    "broadcast_tensors",
    real(2, 1),
    real(3),
    real(),
    oracle=lambda *xs: tuple(np.broadcast_arrays(*xs)),
)
case(
    "repeat",
    real(2, 3),
    call=lambda f, x: f(x, 2, 1, 3),
    torch=False,
    oracle=lambda x: np.tile(x, (2, 1, 3)),
)
case(
    "repeat",
    real(2, 3),
    call=lambda f, x: f(x, (0, 2)),
    torch=False,
    oracle=lambda x: np.tile(x, (0, 2)),
)
case("repeat", real(), call=lambda f, x: f(x, 3), torch=False, oracle=lambda x: np.tile(x, 3))
for _dims in (2,), (2, 1), (2, 1, 3):
    case("tile", real(2, 3), dims=_dims, oracle=lambda x, d=_dims: np.tile(x, d))
case("repeat_interleave", real(2, 3), repeats=2, oracle=lambda x: np.repeat(x, 2))
case(
    "repeat_interleave",
    real(2, 3),
    repeats=2,
    dim=1,
    output_size=6,
    oracle=lambda x: np.repeat(x, 2, 1),
)
case(
    "repeat_interleave",
    real(2, 3),
    just(np.array([2, 0, 1])),
    dim=1,
    oracle=lambda x, r: np.repeat(x, r, 1),
)
case("repeat_interleave", just(np.array([2, 0, 3])), oracle=lambda r: np.repeat(np.arange(3), r))
for _shifts, _dims in (1, None), (-2, 1), ((1, 2), (0, 1)), (7, -1), ((1, 1), (1, 1)):
    case(
        "roll",
        real(2, 3),
        shifts=_shifts,
        dims=_dims,
        oracle=lambda x, s=_shifts, d=_dims: np.roll(x, s, d),
    )
case("roll", real(2, 0), shifts=1, dims=1)
case("roll", real(), shifts=1)
for _k in 0, 1, 2, 3, -1, 5:
    case("rot90", real(2, 3), k=_k, oracle=lambda x, k=_k: np.rot90(x, k))
case("rot90", real(*B), k=1, dims=(2, 0), oracle=lambda x: np.rot90(x, 1, (2, 0)))
case("fliplr", real(2, 3), oracle=np.fliplr)
case("flipud", real(2, 3), oracle=np.flipud)

for _dim in 0, -1:
    case("unbind", real(2, 3), dim=_dim, oracle=lambda x, d=_dim: tuple(np.moveaxis(x, d, 0)))
case("split_with_sizes", real(5, 2), split_sizes=[1, 0, 4], oracle=lambda x: (x[:1], x[1:1], x[1:]))
for _cuts in 3, [1, 3], [0, 9], (2,), 9:
    case(
        "tensor_split",
        real(5, 2),
        call=lambda f, x, c=_cuts: f(x, c),
        oracle=lambda x, c=_cuts: tuple(
            np.array_split(x, list(c) if not isinstance(c, int) else c)
        ),
    )
case(
    "tensor_split",
    real(2, 5),
    just(np.array([1, 4])),
    call=lambda f, x, i: f(x, i, dim=1),
    oracle=lambda x, i: tuple(np.split(x, i, 1)),
)
for _name, _f in ("hsplit", np.hsplit), ("vsplit", np.vsplit), ("dsplit", np.dsplit):
    for _cuts in 2, [1]:
        case(
            _name,
            real(2, 2, 4),
            call=lambda f, x, c=_cuts: f(x, c),
            oracle=lambda x, f=_f, c=_cuts: tuple(f(x, c)),
        )
case("hsplit", real(4), call=lambda f, x: f(x, 2), oracle=lambda x: tuple(np.hsplit(x, 2)))

for _name, _f in (
    ("atleast_1d", np.atleast_1d), ("atleast_2d", np.atleast_2d), ("atleast_3d", np.atleast_3d),
):  # fmt: skip
    for _shape in (), (3,), (2, 3), (1, 2, 3), (1, 2, 1, 2):
        case(_name, real(*_shape), oracle=_f)
    case(_name, real(), real(2), oracle=_f)
    case(_name, real(), real(2), call=lambda f, *xs: f(xs), oracle=_f)
for _name, _f in (
    ("hstack", np.hstack), ("vstack", np.vstack), ("dstack", np.dstack), ("column_stack", np.column_stack),
):  # fmt: skip
    for _shape in (3,), (2, 3), ():
        if _shape or _name != "column_stack":
            case(
                _name,
                real(*_shape),
                real(*_shape),
                call=lambda f, *xs: f(xs),
                oracle=lambda *xs, f=_f: f(xs),
            )
case(
    "column_stack",
    real(2, 3),
    real(2),
    call=lambda f, *xs: f(xs),
    oracle=lambda *xs: np.column_stack(xs),
)
case("column_stack", real(), real(), call=lambda f, *xs: f(xs), oracle=lambda *xs: np.column_stack(xs))  # fmt: skip
case("block_diag", real(2, 3), real(), real(2), oracle=linalg.block_diag)
case("block_diag", real(2, 0), real(1, 2))

for _how in "ij", "xy":
    case(
        "meshgrid",
        real(2),
        real(3),
        real(4),
        indexing=_how,
        oracle=lambda *xs, i=_how: tuple(np.meshgrid(*xs, indexing=i)),
    )
case("meshgrid", real(2), real(), indexing="ij")
case("meshgrid", real(2), real(3), call=lambda f, *xs: f(list(xs), indexing="ij"))
case(
    "cartesian_prod",
    real(2),
    real(3),
    oracle=lambda x, y: np.stack((np.repeat(x, 3), np.tile(y, 2)), 1),
)
case("cartesian_prod", real(3), oracle=np.copy)
for _shape, _kw in (
    ((3, 3), {}), ((3, 4), {"offset": 1}), ((3, 4), {"offset": -2}), ((2, 3, 4), {"dim1": 2, "dim2": 0}),
    ((2, 3, 4), {"offset": 1, "dim1": -2, "dim2": -1}), ((2, 3), {"offset": 3}), ((0, 3), {}),
):  # fmt: skip
    _renamed = {{"dim1": "axis1", "dim2": "axis2"}.get(k, k): v for k, v in _kw.items()}
    case("diagonal", real(*_shape), **_kw, oracle=lambda x, k=_renamed: np.diagonal(x, **k))
for _kw in {}, {"offset": 1}, {"offset": -2, "dim1": 0, "dim2": 2}, {"dim1": 1, "dim2": 0}:
    case("diag_embed", real(2, 3), **_kw)
case("diag_embed", real(3), oracle=np.diag)
for _k in 0, 1, -1:
    case("diag", real(3), diagonal=_k, oracle=lambda x, k=_k: np.diag(x, k))
    case("diag", real(3, 4), diagonal=_k, oracle=lambda x, k=_k: np.diag(x, k))
    case("diagflat", real(2, 2), offset=_k, oracle=lambda x, k=_k: np.diagflat(x, k))
case("diagflat", real(), oracle=np.diagflat)
case("trace", real(3, 3), oracle=np.trace)
case("trace", real(2, 3), oracle=np.trace)
for _dim, _size, _step in (0, 2, 1), (1, 3, 2), (1, 1, 1), (1, 5, 1):
    case(
        "_windows",
        real(3, 5),
        torch=False,
        call=lambda f, x, a=(_dim, _size, _step): f(x, *a),
        oracle=lambda x, d=_dim, n=_size, s=_step: np.lib.stride_tricks.sliding_window_view(
            x, n, d
        )[(slice(None),) * d + (slice(None, None, s),)],
    )
case("_from_windows", real(2, 3), torch=False, call=lambda f, x: f(x, (4,), 0, 3, 1))
case("_on_diagonal", real(2), torch=False, call=lambda f, x: f(x, (2, 3), 1, 0, 1))

# Places

case("argwhere", holes(3, 3), oracle=np.argwhere)
case("argwhere", real(), oracle=np.argwhere)
case("nonzero", holes(3, 3), oracle=np.argwhere)
case("nonzero", holes(3, 3), as_tuple=True, oracle=np.nonzero)
case("nonzero", real(), as_tuple=True, oracle=lambda x: (np.array([0]),))
case("masked_select", real(2, 3), mask(2, 3), oracle=lambda x, m: x[m])
case("masked_select", real(2, 3), mask(3), oracle=lambda x, m: x[:, m].ravel())
case("masked_select", real(3), mask(2, 1), oracle=lambda x, m: np.tile(x, int(m.sum())))
case("masked_select", real(), just(np.array(True)))
case("masked_scatter", real(2, 3), mask(2, 3), real(7))
case("masked_scatter", real(2, 3), just(np.array([True, False, True])), real(2, 2),
     oracle=lambda x, m, s: np.stack([s[:, 0], x[:, 1], s[:, 1]], 1))  # fmt: skip
case("take", real(2, 3), ints(-6, 6, 2, 2), oracle=np.take)
case("put", real(2, 3), just(np.array([0, 4, -1])), real(3))
case(
    "put", real(2, 3), just(np.array([0, 4, 0])), real(3), call=lambda f, x, i, s: f(x, i, s, True)
)
case(
    "index_put",
    real(3, 2),
    real(2, 2),
    call=lambda f, x, v: f(x, (np.array([0, 2]),), v),
    torch=False,
)
case(
    "index_put",
    real(3, 2),
    real(2),
    call=lambda f, x, v: f(x, (np.array([0, 0]), np.array([1, 1])), v, True),
    torch=False,
)
case(
    "index_put",
    real(3, 2),
    real(2),
    call=lambda f, x, v: f(x, (np.array([True, False, True]),), v, True),
    torch=False,
)
for _dim in 0, -1:
    case(
        "index_add",
        real(3, 3),
        real(3, 3),
        call=lambda f, x, s, d=_dim: f(x, d, np.array([0, 2, 0]), s),
        torch=False,
    )
    case(
        "index_copy",
        real(3, 3),
        real(3, 3),
        call=lambda f, x, s, d=_dim: f(x, d, np.array([1, 2, 0]), s),
        torch=False,
    )
    case(
        "index_fill",
        real(3, 3),
        call=lambda f, x, d=_dim: f(x, d, np.array([1, 1, 0]), 2.5),
        torch=False,
    )
case("index_add", real(3, 3), just(np.array([0, 2])), real(2, 3), call=lambda f, x, i, s: f(x, 0, i, s, alpha=2.0),
     oracle=lambda x, i, s: x + 2 * np.stack([s[0], 0 * s[0], s[1]]))  # fmt: skip
case("index_copy", real(3, 3), just(np.array([2, 0])), real(2, 3), call=lambda f, x, i, s: f(x, 0, i, s),
     oracle=lambda x, i, s: np.stack([s[1], x[1], s[0]]))  # fmt: skip
case("index_fill", real(3, 3), just(np.array([0, 2])), real(), call=lambda f, x, i, v: f(x, 0, i, v),
     oracle=lambda x, i, v: np.stack([x[0] * 0 + v, x[1], x[0] * 0 + v]))  # fmt: skip
case("index_add", real(), just(np.array([0])), real(), call=lambda f, x, i, s: f(x, 0, i, s))


def distinct(n: int, *shape: int):
    """Along the last dimension each of some indices below n once."""
    return lambda rng: np.stack(
        [rng.permutation(n)[: shape[-1]] for _ in range(int(np.prod(shape[:-1])))]
    ).reshape(shape)


def _scattered(x, i, s):
    out = x.copy()
    np.put_along_axis(out[: len(i)], i, s[: len(i), : i.shape[1]], 1)
    return out


case(
    "scatter",
    real(3, 4),
    distinct(4, 2, 3),
    real(3, 3),
    torch=False,  # its gradient has another shape than src
    call=lambda f, x, i, s: f(x, 1, i, s),
    oracle=_scattered,
)
case(
    "scatter",
    real(3, 4),
    distinct(4, 2, 3),
    call=lambda f, x, i: f(x, -1, i, 2.5),
    oracle=lambda x, i: _scattered(x, i, np.full((3, 3), 2.5)),
)
case("scatter", real(3, 4), distinct(4, 2, 3), call=lambda f, x, i: f(x, 1, i, value=2.5))
case(
    "scatter",
    real(3, 4),
    ints(0, 3, 2, 4),
    real(2, 4),
    call=lambda f, x, i, s: f(x, 0, i, s, reduce="add"),
)
case(
    "scatter", real(3, 4), ints(0, 3, 2, 4), call=lambda f, x, i: f(x, 0, i, 2.5, reduce="multiply")
)
case("scatter", real(), just(np.array(0)), real(), call=lambda f, x, i, s: f(x, 0, i, s))
case("scatter_add", real(3, 4), ints(0, 3, 5, 4), real(5, 4), call=lambda f, x, i, s: f(x, 0, i, s))
case(
    "scatter_add",
    real(3, 4),
    ints(0, 4, 2, 6),
    real(3, 6),
    torch=False,
    call=lambda f, x, i, s: f(x, 1, i, s),
)
case(
    "scatter_add",
    real(3),
    just(np.zeros(0, int)),
    real(2),
    torch=False,
    call=lambda f, x, i, s: f(x, 0, i, s),
    oracle=lambda x, i, s: x,
)
for _reduce in "sum", "prod", "mean", "amax", "amin":
    for _self in True, False:
        case(
            "scatter_reduce",
            real(3, 4),
            ints(0, 3, 5, 4),
            real(5, 4),
            call=lambda f, x, i, s, r=_reduce, k=_self: f(x, 0, i, s, r, include_self=k),
        )
    case(
        "scatter_reduce",
        ints(1, 9, 4),
        ints(0, 4, 6),
        ints(1, 9, 6),
        call=lambda f, x, i, s, r=_reduce: f(x, 0, i, s, r),
    )

case("t", real(2, 3), oracle=np.transpose)
case("t", real(3), oracle=np.copy)
case("t", real(), oracle=np.copy)
case("adjoint", real(*B), oracle=lambda x: x.swapaxes(-1, -2))
case("narrow_copy", real(4, 3), dim=0, start=1, length=2, oracle=lambda x: x[1:3].copy())
case("channel_shuffle", real(2, 6, 2, 1), groups=3,
     oracle=lambda x: x.reshape(2, 3, 2, 2, 1).swapaxes(1, 2).reshape(x.shape))  # fmt: skip
for _r, _again in (2, False), (2, True), (1, False), (5, False), (0, False):
    case("combinations", real(3), r=_r, with_replacement=_again)
for _n, _up in (None, False), (2, True), (0, False):
    case("vander", real(3), N=_n, increasing=_up,
         oracle=lambda x, n=_n, i=_up: np.vander(x, n, increasing=i))  # fmt: skip
case("vander", ints(-2, 3, 3), N=3)
case("linalg_vander", real(2, 3))
case("linalg_vander", real(), N=3, oracle=lambda x: x ** np.arange(3)[None])
case("linalg_vander", real(3), N=2, oracle=lambda x: np.vander(x, 2, increasing=True))
case(
    "unravel_index",
    ints(0, 24, 2, 3),
    shape=(4, 2, 3),
    oracle=lambda i: np.unravel_index(i, (4, 2, 3)),
)
for _dim, _i, _shape in (0, 1, (3, 4)), (-1, -2, (2, 3)):
    case("select_scatter", real(2, 3, 4), real(*_shape), dim=_dim, index=_i)
case("slice_scatter", real(5, 2), real(2, 2), start=1, end=4, step=2)
case("slice_scatter", real(2, 5), real(2, 3), dim=1, start=-3)
case("diagonal_scatter", real(3, 4), real(3), offset=1)
case("diagonal_scatter", real(2, 3, 3), real(2, 3), dim1=1, dim2=2)
for _reduce in "prod", "mean", "amax", "amin":
    for _self in True, False:
        case("index_reduce", real(3, 4), real(5, 4), torch=False,
             call=lambda f, x, s, r=_reduce, k=_self: f(x, 0, np.array([0, 2, 0, 0, 2]), s, r, include_self=k))  # fmt: skip
case("index_reduce", real(2, 3), just(np.array([1, 1])), real(2, 2),
     call=lambda f, x, i, s: f(x, 1, i, s, "amax"))  # fmt: skip
