"""PyTorch's own sample inputs of each operator: values, gradients and types against PyTorch's.

Skipped where PyTorch, or what its list of operators needs, is not installed. ``python -m tests.test_op_db_torch [name …]``
prints the agreement of each operator that differs, and of all.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tinygrad_hw as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    op_db = pytest.importorskip(
        "torch.testing._internal.common_methods_invocations",
        reason="PyTorch's list of operators needs packages that are not installed",
        exc_type=ImportError,
    ).op_db

DTYPE = torch.float64
VALUES, GRADIENTS = 1e-7, 1e-6
DTYPES = {
    getattr(torch, n): getattr(tg.dtypes, n + "_" * (n == "bool"))
    for n in "float32 float64 int8 int16 int32 int64 uint8 bool".split()
}
#: Operators whose results are random or uninitialized.
RANDOM = set(
    "bernoulli cauchy exponential geometric log_normal multinomial normal rand_like randint randint_like randn randn_like "
    "uniform nn.functional.dropout nn.functional.alpha_dropout nn.functional.dropout2d nn.functional.dropout3d "
    "nn.functional.rrelu nn.functional.feature_alpha_dropout empty empty_like new_empty empty_permuted empty_strided "
    "new_empty_strided".split()
)
#: What takes its arguments in another order or has no function of that name.
CALLS = {
    "einsum": lambda xs, equation: tg.einsum(equation, *xs),
    "where": lambda x, condition, y: tg.where(condition, x, y),
    "polygamma": lambda x, n: tg.polygamma(n, x),
    "special.polygamma": lambda x, n: tg.polygamma(n, x),
    "__getitem__": lambda x, index: x[index],
    "unfold": tg.Tensor.unfold,
    "repeat": tg.Tensor.repeat,
    "zero_": lambda x: x.clone().zero_(),
    "nn.functional.embedding": lambda weight, index, **k: tg.nn.functional.embedding(
        index, weight, **k
    ),
}
ATTENTION = (
    "nn.functional.scaled_dot_product_attention",
    "nn.functional.multi_head_attention_forward",
)
#: Operators of which some samples differ: why.
DIFFERENT = {
    "cholesky_inverse": "PyTorch gives the triangle that is not read a gradient too",
    "cholesky_solve": "as cholesky_inverse",
    "cov": "a gradient that cancels, of which rounding remains",
    "linalg.eigh": "vectors are unique but for their sign, which is LAPACK's",
    "linalg.svd": "as linalg.eigh",
    "linspace.tensor_overload": "PyTorch computes it in float32",
    "nn.functional.batch_norm": "an input without a dimension of channels, here an error",
    "nn.functional.ctc_loss": "PyTorch's gradient takes log_probs for a log_softmax's result",
}


class NotHere(Exception):
    """A sample of a type that the package does not have."""


def function(op) -> Any:
    """The package's function that stands for PyTorch's ``op``, or None."""
    if op.name in CALLS:
        return CALLS[op.name]
    if op.name == "linalg.pinv" and op.variant_test_name == "singular":
        return lambda a, b, **k: tg.linalg.pinv(a @ b.mT, **k)
    if op.variant_test_name == "grad_oriented":
        return lambda a, b, driver: tg.linalg.lstsq(a, b, driver=driver)[:2]
    found: Any = tg
    for part in op.name.split("."):
        found = getattr(found, part, None)
    if not callable(found) or isinstance(found, np.dtype):
        found = getattr(tg.Tensor, op.name, None)
    return found.fget if isinstance(found, property) else found


def ours(x: Any) -> Any:
    """PyTorch's arguments as the package's.  Raises: NotHere."""
    if isinstance(x, torch.Tensor):
        if x.dtype not in DTYPES or x.layout != torch.strided:
            raise NotHere
        return tg.tensor(x.detach().resolve_neg().numpy(), requires_grad=x.requires_grad)
    if isinstance(x, torch.dtype):
        if x not in DTYPES:
            raise NotHere
        return DTYPES[x]
    if isinstance(x, complex) or callable(x):  # a function of PyTorch's tensors
        raise NotHere
    if isinstance(x, dict):
        return {k: ours(v) for k, v in x.items()}
    return (
        tuple(map(ours, x))
        if isinstance(x, tuple)
        else list(map(ours, x))
        if isinstance(x, list)
        else x
    )


def leaves(x: Any) -> list:
    """The tensors in nested arguments, or all results."""
    parts = x.values() if isinstance(x, dict) else x
    return [y for z in parts for y in leaves(z)] if isinstance(x, tuple | list | dict) else [x]


def close(x: Any, y: Any, tolerance: float, what: str) -> None:
    if not isinstance(y, torch.Tensor):
        assert isinstance(y, torch.dtype) or x == y or (x != x and y != y), what
        return
    assert isinstance(x, tg.Tensor), f"{what}: {type(x).__name__} for a tensor"
    a, b = np.asarray(x), y.detach().resolve_neg().numpy(force=True)
    assert a.shape == b.shape, f"{what}: shape {a.shape} for {b.shape}"
    assert y.dtype not in DTYPES or a.dtype == DTYPES[y.dtype], f"{what}: {a.dtype} for {y.dtype}"
    if b.dtype.kind == "f":
        largest = np.abs(b[np.isfinite(b)]).max(initial=1e-3)
        np.testing.assert_allclose(a, b, tolerance, tolerance * min(largest, 1), err_msg=what)
    else:
        np.testing.assert_array_equal(a, b, what)


def gradients(mine: list, theirs: list, inputs: list, others: list) -> Iterator[tuple]:
    """Pairs of gradients against the same random cotangents."""
    pairs = [
        (x, y)
        for x, y in zip(mine, theirs, strict=True)
        if isinstance(y, torch.Tensor) and y.requires_grad
    ]
    if not pairs or not others:
        return
    torch.manual_seed(0)
    cotangents = [torch.randn_like(y) for _, y in pairs]
    try:
        expected = torch.autograd.grad([y for _, y in pairs], others, cotangents, allow_unused=True)
    except RuntimeError:
        return  # PyTorch has none
    kept = [
        (x, tg.tensor(c.numpy()))
        for (x, _), c in zip(pairs, cotangents, strict=True)
        if x.requires_grad
    ]
    found: Any = [None] * len(inputs)
    if kept:
        found = tg.autograd.grad(
            [x for x, _ in kept], inputs, [c for _, c in kept], materialize_grads=True
        )
    for x, g, y, h in zip(inputs, found, others, expected, strict=True):
        yield tg.zeros_like(x) if g is None else g, torch.zeros_like(y) if h is None else h


def compare(op, sample) -> None:
    """One sample.  Raises: NotHere, AssertionError where it differs, or what the package raises."""
    args = (sample.input, *sample.args)
    kwargs = {
        k: v
        for k, v in sample.kwargs.items()
        if k not in ("device", "layout", "memory_format", "generator")
    }
    rates = (kwargs.get("dropout_p"), *args[10:11])
    if op.name in ATTENTION and any(isinstance(p, float) and p > 0 for p in rates):
        raise NotHere  # random
    mine_args, mine_kwargs = ours(args), ours(kwargs)
    try:
        theirs = leaves(op(*args, **kwargs))
    except Exception as error:
        raise NotHere from error
    if any(isinstance(y, torch.Tensor) and y.is_complex() for y in theirs):
        raise NotHere
    mine = leaves(function(op)(*mine_args, **mine_kwargs))
    assert len(mine) == len(theirs), f"{len(mine)} results for {len(theirs)}"
    for i, (x, y) in enumerate(zip(mine, theirs, strict=True)):
        close(x, y, VALUES, f"result {i}")
    if op.supports_autograd:
        inputs = [
            x
            for x in leaves((mine_args, mine_kwargs))
            if isinstance(x, tg.Tensor) and x.requires_grad
        ]
        others = [
            x for x in leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.requires_grad
        ]
        for i, (g, h) in enumerate(gradients(mine, theirs, inputs, others)):
            close(g, h, GRADIENTS, f"gradient {i}")


@functools.cache
def agreement(name: str) -> tuple[int, list[str]]:
    """How many samples there are, and in what some of them differ."""
    op = OPERATORS[name]
    count, differences = 0, []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for sample in op.sample_inputs("cpu", DTYPE, requires_grad=op.supports_autograd):
            try:
                compare(op, sample)
            except NotHere:
                continue
            except Exception as error:  # whatever it is, it is a difference
                differences.append(f"{type(error).__name__}: {str(error).strip()[:300]}")
            count += 1
    return count, differences


def label(op) -> str:
    return op.name + f".{op.variant_test_name}" * bool(op.variant_test_name)


OPERATORS = {
    label(op): op
    for op in op_db
    if DTYPE in op.supported_dtypes("cpu") and op.name not in RANDOM and function(op) is not None
}


@pytest.mark.parametrize("name", OPERATORS)
def test_samples(name: str) -> None:
    _, differences = agreement(name)
    if name in DIFFERENT:
        assert differences, f"no sample differs any more: strike {name} off the list"
    else:
        assert not differences, differences[0]


def test_agreement_of_all_samples() -> None:
    """Differences that are explained count as differences here."""
    found = list(map(agreement, OPERATORS))
    total = sum(count for count, _ in found)
    assert total > 5000
    assert sum(len(differences) for _, differences in found) <= 0.02 * total


if __name__ == "__main__":
    total = differing = 0
    for name, op in OPERATORS.items():
        if not sys.argv[1:] or op.name in sys.argv[1:]:
            count, differences = agreement(name)
            total, differing = total + count, differing + len(differences)
            if differences:
                reason = DIFFERENT.get(name, "UNEXPLAINED")
                print(
                    f"{name}: {count - len(differences)} of {count} agree; {reason}\n    {differences[0]!r}"
                )
    print(
        f"{total - differing} of {total} samples of {len(OPERATORS)} operators agree: {1 - differing / total:.2%}"
    )
