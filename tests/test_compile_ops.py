"""Every operator of the table within a compiled step: replayed on other values it gives what it gives without."""

from __future__ import annotations

import numpy as np
import pytest
from checker import floats, is_float
from hypothesis import settings
from op_cases import CASES, Case
from test_ops import close, cotangents

import tinygrad_hw as tg
from tinygrad_hw.errors import CaptureError

#: Results whose shape depends on values have no place in a compiled step, nor arrays of the caller's that are no arguments.
_STRANGE = "that no recorded operation computed"
_VALUES = "turning a tensor into an array"
REFUSED = {
    "getitem": ("mask", "0-d", _STRANGE),
    **dict.fromkeys(
        "_put _index_put put index_put index_add index_copy index_fill bincount".split(),
        (_STRANGE,),
    ),
    **dict.fromkeys(
        "argwhere nonzero unique unique_consecutive".split(),
        ("whose result's shape depends on values",),
    ),
    **dict.fromkeys("masked_select masked_scatter".split(), ("choosing by a mask",)),
    **dict.fromkeys("allclose equal tensor_split".split(), (_VALUES,)),
    **dict.fromkeys("scatter scatter_reduce".split(), ("scatter_reduce()",)),
    "index_reduce": ("scatter_reduce()", _STRANGE),
    "matrix_exp": ("matrix_exp()",),
    "quantile": ("quantile()",),
    "nanquantile": ("nanquantile()",),
    "repeat_interleave": ("repeating by a tensor's numbers", "now gives shape"),
    "multilabel_margin_loss": (_STRANGE,),
    "searchsorted": (_VALUES,),
    "batch_norm": (_STRANGE,),
    "ctc_loss": ("ctc_loss has no place",),
}


#: Cases that start a generator of their own in each call, where a replay goes on with the recorded one.
DRAWN = {f"dropout{d}d-0" for d in (1, 2, 3)} | {"gumbel_softmax-0", "feature_alpha_dropout-2"}
#: Cases of an operator: two, of which each compiles its kernels; in the profile deep all.
_FEW = 2 if settings.default.max_examples < 1000 else len(CASES)
_NUMBER = {c.name: sum(d.op == c.op for d in CASES[: i + 1]) for i, c in enumerate(CASES)}
SOME = [c for c in CASES if _NUMBER[c.name] <= _FEW and c.name not in DRAWN]


def run(case: Case, xs: list, cs: list) -> tuple[list, list]:
    """Outputs and the gradients of Σ⟨cotangent, output⟩."""
    result = case(*xs)
    inputs = [x for x in xs if is_float(x)]
    pairs = [(y, c) for y, c in zip(floats(result), cs, strict=True) if y.requires_grad]
    grads: tuple = ()
    if pairs:
        ys, gs = zip(*pairs, strict=True)
        grads = tg.autograd.grad(ys, inputs, gs, materialize_grads=True)
    many = isinstance(result, tuple | list)
    outputs = [y.detach() for y in (result if many else [result]) if isinstance(y, tg.Tensor)]
    return outputs, list(grads)


@pytest.mark.parametrize("case", SOME, ids=lambda c: c.name)
def test_an_operator_is_replayed(case: Case) -> None:
    samples = [case.draw(i) for i in range(2)]
    varying = [i for i, x in enumerate(samples[0]) if isinstance(x, np.ndarray)]
    shapes = [[np.shape(values[i]) for i in varying] for values in samples]
    if shapes[0] != shapes[1]:
        samples[1] = [x.copy() if isinstance(x, np.ndarray) else x for x in samples[0]]

    def arguments(values: list) -> tuple[list, list]:
        xs = [tg.tensor(values[i], requires_grad=is_float(values[i])) for i in varying]
        ys = floats(
            case(
                *[
                    values[i] if i not in varying else xs[varying.index(i)]
                    for i in range(len(values))
                ]
            )
        )
        return xs, [tg.tensor(c.astype(y.dtype)) for c, y in zip(cotangents(ys), ys, strict=True)]

    def step(xs, cs):
        values = list(samples[0])
        for i, x in zip(varying, xs, strict=True):
            values[i] = x
        return run(case, values, cs)

    fast = tg.compile(step)
    for values in samples:
        xs, cs = arguments(values)
        expected = step(xs, cs)
        try:
            found = fast(xs, cs)
        except CaptureError as error:
            assert any(word in str(error) for word in REFUSED.get(case.op, ())), error
            return
        for a, b in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            close(np.asarray(a), np.asarray(b), 1e-12, 1.0)
    assert fast.stats()["recordings"] == 1
