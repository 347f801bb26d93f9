"""Matrix and vector products, and einsum on top of them.

The one derivation behind all of them: with C = A B and the cotangent G of C, dC = dA B + A dB, so
⟨G, dC⟩ = ⟨G Bᵀ, dA⟩ + ⟨Aᵀ G, dB⟩: the gradients are G Bᵀ and Aᵀ G.
"""

from __future__ import annotations

import math
from itertools import chain

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording
from ..kernels.elementwise import native
from ..kernels.matmul import nn, nt, product, stacked, tn
from ..kernels.rows import column_sums
from .core import composite, primitive
from .index import _take
from .pointwise import _cast, mul
from .reduce import _sum, expand
from .shape import _permute, _reshape

__all__ = [
    "bmm", "dot", "einsum", "linear", "matmul", "mm", "mv", "outer",
]  # fmt: skip


#: Matrices of a stack up to which each is a launch of its own in a recorded step.
_UNROLLED = 256


def _swap(x):
    """The last two dimensions exchanged."""
    n = len(x.shape)
    return _permute(x, (*range(n - 2), n - 1, n - 2))


def _check_dtypes(name: str, *operands) -> None:
    kinds = {x.dtype for x in operands}
    if len(kinds) > 1:
        got = " and ".join(str(x.dtype) for x in operands)
        raise DTypeError(
            f"{name}: expected operands of one dtype, got {got}\nConvert one of them with .to(dtype)."
        )


@primitive
def _matmul(input, other):
    if input.ndim == 2 and other.ndim == 2 and input.dtype.kind == "f":
        return product(input, other)
    return np.matmul(input, other)


@_matmul.native
def _(input, other):
    batch = np.broadcast_shapes(input.shape[:-2], other.shape[:-2])
    if input.dtype.kind != "f" or not 0 < math.prod(batch) <= _UNROLLED or not batch:
        return _matmul.forward(input, other)
    parts = []
    for x in input, other:
        full = (*batch, *x.shape[-2:])
        x = native(x if x.shape == full else np.broadcast_to(x, full))
        parts.append(x.reshape(math.prod(batch), *full[-2:]))
    return stacked(*parts).reshape(*batch, input.shape[-2], other.shape[-1])


_matmul.broadcasts = True


_matmul.vjp("input")(lambda g, other: _matmul(g, _swap(other)))
_matmul.vjp("other")(lambda g, input: _matmul(_swap(input), g))


@composite
def matmul(input, other):
    """input other: vectors, matrices, or stacks of matrices that broadcast.

    Shapes: (…, n, k), (…, k, m) → (…, n, m); a 1-d operand is a row on the left, a column on the right, and its
    dimension is dropped from the result. Derivation: G Bᵀ and Aᵀ G (see above).
    """
    a, b = tuple(input.shape), tuple(other.shape)
    inner = b[-2] if len(b) > 1 else b[0] if b else None
    if not a or not b or a[-1] != inner:
        raise ShapeError(
            f"matmul: expected A (…, n, k) and B (…, k, m), got A {a} and B {b}\n"
            "A linear layer stores its weight as (out, in): use x @ weight.T."
        )
    _check_dtypes("matmul", input, other)
    left = _reshape(input, (1, *a)) if len(a) == 1 else input
    right = _reshape(other, (*b, 1)) if len(b) == 1 else other
    if len(a) > 2 or len(b) > 2:
        try:
            np.broadcast_shapes(tuple(left.shape[:-2]), tuple(right.shape[:-2]))
        except ValueError:
            raise ShapeError(
                f"matmul: expected batches that broadcast, got A {a} and B {b}"
            ) from None
    out = _matmul(left, right)
    if len(a) == 1 or len(b) == 1:
        shape = tuple(out.shape)
        shape = shape[:-1] if len(b) == 1 else shape
        if len(a) == 1:
            shape = shape[:-2] + shape[-1:] if len(b) > 1 else shape[:-1]
        out = _reshape(out, shape)
    return out


def _fixed(name: str, dims: tuple[int, int]):
    """matmul for operands of exactly ``dims`` dimensions."""

    def check(a, b) -> None:
        if (len(a.shape), len(b.shape)) != dims or a.shape[-1] != b.shape[-min(2, dims[1])]:
            kinds = {1: "(k)", 2: "(n, k)", 3: "(b, n, k)"}, {1: "(k)", 2: "(k, m)", 3: "(b, k, m)"}
            raise ShapeError(
                f"{name}: expected A {kinds[0][dims[0]]} and B {kinds[1][dims[1]]}, "
                f"got A {tuple(a.shape)} and B {tuple(b.shape)}"
            )

    return check


_check_mm, _check_mv, _check_dot, _check_bmm = (
    _fixed("mm", (2, 2)), _fixed("mv", (2, 1)), _fixed("dot", (1, 1)), _fixed("bmm", (3, 3)),
)  # fmt: skip


@composite
def mm(input, mat2):
    """The product of two matrices, (n, k) (k, m) → (n, m).  Derivation: as matmul."""
    _check_mm(input, mat2)
    return matmul(input, mat2)


@composite
def bmm(input, mat2):
    """Products of two stacks of matrices, (b, n, k) (b, k, m) → (b, n, m).  Derivation: as matmul."""
    _check_bmm(input, mat2)
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: expected equal batches, got {input.shape[0]} and {mat2.shape[0]}")
    return matmul(input, mat2)


@composite
def mv(input, vec):
    """A matrix times a vector, (n, k) (k) → (n).  Derivation: as matmul."""
    _check_mv(input, vec)
    return matmul(input, vec)


@composite
def dot(input, tensor):
    """Σ xᵢ yᵢ of two vectors.  Derivation: g y and g x."""
    _check_dot(input, tensor)
    return matmul(input, tensor)


@composite
def outer(input, vec2):
    """out[i, j] = input[i] vec2[j] of two vectors.  Derivation: as mul, summed over the broadcast dimension."""
    if len(input.shape) != 1 or len(vec2.shape) != 1:
        raise ShapeError(
            f"outer: expected two vectors, got {tuple(input.shape)} and {tuple(vec2.shape)}"
        )
    return mul(_reshape(input, (input.shape[0], 1)), vec2)


@composite
def linear(input, weight, bias=None):
    """input weightᵀ + bias, the linear layer.

    Shapes: input (…, in), weight (out, in), bias (out) → (…, out).
    Derivation: with the error δ of the output, ∂J/∂x = δ W, ∂J/∂W = δᵀ x, ∂J/∂b = Σ δ over the batch.
    """
    return _linear(input, weight) if bias is None else _affine(input, weight, bias)


def _check_linear(input, weight, bias=None) -> None:
    x, w = input.shape, weight.shape
    if len(w) != 2 or not x or x[-1] != w[1]:
        raise ShapeError(
            f"linear: expected input (…, in) and weight (out, in), got {x} and {w}\n"
            "Flatten the input, or give the layer the input's last size as in_features."
        )
    if bias is None:
        _check_dtypes("linear", input, weight)
        return
    if bias.shape != w[:1]:
        raise ShapeError(f"linear: expected a bias of shape {w[:1]}, got {bias.shape}")
    _check_dtypes("linear", input, weight, bias)


def _apply_weight(input, weight, bias=None):
    rows = input if input.ndim == 2 else _as_rows(input)
    if input.dtype.kind == "f":
        out = nt(native(rows), native(weight), None if bias is None else native(bias))
    else:
        out = rows @ weight.T if bias is None else rows @ weight.T + bias
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], weight.shape[0])


@primitive
def _linear(input, weight):
    _check_linear(input, weight)
    return _apply_weight(input, weight)


@primitive
def _affine(input, weight, bias):
    dtype = input.dtype
    if (
        input.ndim != 2
        or input.shape[1:] != weight.shape[1:]
        or weight.shape[:1] != bias.shape
        or not dtype == weight.dtype == bias.dtype
    ):
        _check_linear(input, weight, bias)
    return _apply_weight(input, weight, bias)


def _input_kernel(g, weight):
    out = nn(native(_as_rows(g)), native(weight))
    return out if g.ndim == 2 else out.reshape(*g.shape[:-1], weight.shape[1])


@_linear.vjp("input", kernel=_input_kernel)
@_affine.vjp("input", kernel=_input_kernel)
def _(g, weight):
    return _matmul(g, weight) if len(g.shape) == 2 else matmul(g, weight)


def _weight_kernel(g, input):
    return tn(native(_as_rows(g)), native(_as_rows(input)))


@_linear.vjp("weight", kernel=_weight_kernel)
@_affine.vjp("weight", kernel=_weight_kernel)
def _(g, input):
    return _matmul(_permute(_as_rows(g), (1, 0)), _as_rows(input))


def _bias_kernel(g):
    out = np.empty(g.shape[-1], g.dtype)
    column_sums(out, native(_as_rows(g)), 0, g.shape[-1])
    return out


_affine.vjp("bias", kernel=_bias_kernel)(lambda g: _sum(_as_rows(g), (0,), False))


def _as_rows(x):
    """(…, n) as a matrix (rows, n)."""
    if len(x.shape) == 2:
        return x
    shape = tuple(x.shape)
    return _reshape(x, (math.prod(shape[:-1]), shape[-1]))


@composite
def einsum(equation, *operands):
    """Sums of products by Einstein's convention, as NumPy's and PyTorch's einsum: repeated labels are summed.

    Contracted from left to right, each pair as one (batched) matrix product. Derivation: that of its parts.
    """
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    terms, output = _parse(equation, operands)
    dtype = dtypes.result_type(*operands)
    operands = tuple(x if x.dtype == dtype else _cast(x, dtype) for x in operands)
    sizes: dict = {}
    for labels, x in zip(terms, operands, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, n) != n:
                if 1 not in (n, sizes[label]):
                    raise ShapeError(
                        f"einsum: expected one size for {label!r} in {equation!r}, got {sizes[label]} and {n}"
                    )
                sizes[label] = max(n, sizes[label]) if 0 not in (n, sizes[label]) else 0
    parts = [_diagonals(*part) for part in zip(operands, terms, strict=True)]
    x, labels = parts[0]
    for i, (y, other) in enumerate(parts[1:], start=1):
        later = set(output).union(*[t for _, t in parts[i + 1 :]])
        x, labels = _contract(x, labels, y, other, later, sizes)
    x, labels = _sum_out(x, labels, set(output))
    return _permute(x, tuple(labels.index(label) for label in output)) if len(output) > 1 else x


def _parse(equation: str, operands: tuple) -> tuple[list[list], list]:
    """The labels of each operand and of the result; an ellipsis stands for labels −1, −2, … from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        raise ValueError(
            f"einsum: expected {len(texts)} operands for {equation!r}, got {len(operands)}"
        )
    terms, widest = [], 0
    for text, x in zip(texts, operands, strict=True):
        ndim = len(x.shape)
        before, dots, after = text.partition("...")
        if not all(c.isalpha() for c in before + after):
            raise ValueError(f"einsum: expected letters, ',', '...' and '->', got {equation!r}")
        more = ndim - len(before) - len(after)
        if more < 0 or (more and not dots):
            raise ShapeError(
                f"einsum: expected {len(before + after)} dimensions for {text!r}, got {ndim}"
            )
        widest = max(widest, more)
        terms.append([*before, *range(-more, 0), *after])
    free = list(range(-widest, 0))
    if not arrow:
        letters = [c for c in chain(*terms) if isinstance(c, str)]
        return terms, free + sorted(c for c in set(letters) if letters.count(c) == 1)
    before, dots, after = right.partition("...")
    output = [*before, *(free if dots else []), *after]
    known = set(chain(*terms))
    if len(set(output)) < len(output) or not set(output) <= known:
        raise ValueError(
            f"einsum: expected output labels from the operands, each once, got {right!r}"
        )
    return terms, output


def _diagonals(x, labels: list) -> tuple:
    """Dimensions with the same label replaced by their diagonal."""
    for label in set(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            rest = [d for d in range(len(labels)) if d not in (i, j)]
            along = recording.constant(np.arange(x.shape[i]))
            x = _take(_permute(x, (i, j, *rest)), (along, along))
            labels = [label] + [labels[d] for d in rest]
    return x, labels


def _sum_out(x, labels: list, keep: set) -> tuple:
    dims = tuple(i for i, label in enumerate(labels) if label not in keep)
    if dims:
        x = _sum(x, dims, False)
    return x, [label for label in labels if label in keep]


def _contract(x, labels: list, y, other: list, later: set, sizes: dict) -> tuple:
    """One pair of operands as a stack of matrix products; labels not needed ``later`` are summed."""
    x, labels = _sum_out(x, labels, later | set(other))
    y, other = _sum_out(y, other, later | set(labels))
    both = [label for label in labels if label in other]
    batch = [label for label in both if label in later]
    inner = [label for label in both if label not in later]
    rows = [label for label in labels if label not in other]
    columns = [label for label in other if label not in labels]

    def matrix(t, have: list, first: list, second: list):
        order = batch + first + second
        t = _permute(t, tuple(have.index(label) for label in order))
        t = expand(t, tuple(sizes[label] for label in order))
        size = [math.prod(sizes[label] for label in group) for group in (batch, first, second)]
        return _reshape(t, tuple(size))

    product = _matmul(matrix(x, labels, rows, inner), matrix(y, other, inner, columns))
    result = batch + rows + columns
    return _reshape(product, tuple(sizes[label] for label in result)), result
