"""Cases of similarities and of losses of margins, likelihoods and labels."""

from __future__ import annotations

import numpy as np
from op_cases import REDUCTIONS, case, ints, just, positive, real, unit, wide
from scipy.spatial import distance


def signs(*shape: int):
    """−1 or 1, as constants."""
    return lambda rng: np.asarray(rng.choice([-1, 1], shape))


PAIRS = {
    "poisson_nll_loss": (real, positive, lambda x, t: np.exp(x) - t * x),
    "soft_margin_loss": (wide, signs, lambda x, t: np.logaddexp(0, -t * x)),
    "hinge_embedding_loss": (real, signs, lambda x, t: np.where(t == 1, x, np.maximum(0, 1 - x))),
    "multilabel_soft_margin_loss": (wide, unit, lambda x, t: (np.logaddexp(0, x) - t * x).mean(-1)),
}
for _name, (_left, _right, _oracle) in PAIRS.items():
    for _r, _f in REDUCTIONS.items():
        case(
            _name,
            _left(3, 4),
            _right(3, 4),
            reduction=_r,
            oracle=lambda x, t, f=_f, o=_oracle: f(o(x, t)),
        )
case("hinge_embedding_loss", real(5), signs(5), margin=0.3)
case(
    "poisson_nll_loss",
    positive(5),
    positive(5),
    log_input=False,
    oracle=lambda x, t: (x - t * np.log(x + 1e-8)).mean(),
)
case("poisson_nll_loss", real(9), positive(9), full=True)
case("multilabel_soft_margin_loss", wide(3, 4), unit(3, 4), just(np.array([0.5, 1, 2, 3])))
for _r, _f in REDUCTIONS.items():
    case(
        "gaussian_nll_loss",
        real(3, 4),
        real(3, 4),
        positive(3, 4),
        reduction=_r,
        oracle=lambda x, t, v, f=_f: f((np.log(v) + (x - t) ** 2 / v) / 2),
    )
    case(
        "margin_ranking_loss",
        real(6),
        real(6),
        signs(6),
        margin=0.2,
        reduction=_r,
        oracle=lambda x, y, t, f=_f: f(np.maximum(0, 0.2 - t * (x - y))),
    )
    case(
        "triplet_margin_loss",
        real(4, 3),
        real(4, 3),
        real(4, 3),
        reduction=_r,
        oracle=lambda a, p, n, f=_f: f(
            np.maximum(
                0, 1 + np.linalg.norm(a - p + 1e-6, axis=1) - np.linalg.norm(a - n + 1e-6, axis=1)
            )
        ),
    )
    case("cosine_embedding_loss", real(4, 3), real(4, 3), signs(4), margin=-0.2, reduction=_r)
    for _p in 1, 2:
        case(
            "multi_margin_loss",
            real(4, 3),
            ints(0, 3, 4),
            p=_p,
            reduction=_r,
            oracle=lambda x, t, f=_f, p=_p: f([
                sum(max(0, 1 - row[k] + row[j]) ** p for j in range(3) if j != k) / 3
                for row, k in zip(x, t, strict=True)
            ]),
        )  # fmt: skip
    case(
        "multilabel_margin_loss",
        real(2, 4),
        just(np.array([[3, 0, -1, 1], [1, -1, -1, -1]])),
        reduction=_r,
    )
case("gaussian_nll_loss", real(3, 4), real(3, 4), positive(3, 1), full=True)
case("gaussian_nll_loss", real(3, 4), real(3, 4), positive(3), eps=1e-3)
case("gaussian_nll_loss", real(3), real(3), var=0.5)
case(
    "multi_margin_loss",
    real(4, 3),
    ints(0, 3, 4),
    just(np.array([0.5, 1, 2])),
    call=lambda f, x, t, w: f(x, t, weight=w, margin=0.5),
)
case("multi_margin_loss", real(3), ints(0, 3))
case("multilabel_margin_loss", real(4), just(np.array([3, 0, -1, 1])))
for _kw in {"swap": True}, {"p": 1.0, "margin": 0.5}, {"eps": 1e-3}:
    case("triplet_margin_loss", real(4, 3), real(4, 3), real(4, 3), **_kw)
case("triplet_margin_loss", real(3), real(3), real(3))
_NAME = "triplet_margin_with_distance_loss"
case(_NAME, real(4, 3), real(4, 3), real(4, 3), swap=True)
case(
    _NAME,
    real(4, 3),
    real(4, 3),
    real(4, 3),
    distance_function=lambda x, y: ((x - y) ** 2).sum(-1),
    margin=2.0,
)
case(
    "cosine_embedding_loss",
    real(3),
    real(3),
    just(np.array(1)),
    oracle=lambda x, y, t: distance.cosine(x, y),
)
for _dim in 1, 0, -1:
    case(
        "cosine_similarity",
        real(3, 4),
        real(3, 4),
        dim=_dim,
        oracle=lambda x, y, d=_dim: (
            (x * y).sum(d) / np.linalg.norm(x, axis=d) / np.linalg.norm(y, axis=d)
        ),
    )
case("cosine_similarity", real(3, 4), real(4), dim=-1)
for _p in 2.0, 1.0, 3.0:
    case(
        "pairwise_distance",
        real(3, 4),
        real(3, 4),
        p=_p,
        oracle=lambda x, y, p=_p: np.linalg.norm(x - y + 1e-6, p, 1),
    )
case("pairwise_distance", real(3, 4), real(4), eps=0.1, keepdim=True)
