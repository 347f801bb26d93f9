"""Every operator against PyTorch: values, gradients, dtypes, and what is refused. Skipped where torch is not installed."""

from __future__ import annotations

import numpy as np
import pytest
from checker import is_float, leaves, random_like
from op_cases import CASES, Case
from test_stability import POINTS, Point

import tinygrad_hw as tg
from tinygrad_hw.errors import TinygradError

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
F = torch.nn.functional

#: What PyTorch has under another name, or as a method or syntax only.
NAMES = {
    "expand": lambda x, *sizes: x.expand(*sizes),
    "getitem": lambda x, i: x[to_torch(i)],
    "dropout": lambda x, p=0.5, training=True: F.dropout(x, p, training),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "expand_as": torch.Tensor.expand_as,
    "reshape_as": torch.Tensor.reshape_as,
    "view_as": torch.Tensor.view_as,
    "entr": torch.special.entr,
    "ndtr": torch.special.ndtr,
    "xlog1py": torch.special.xlog1py,
}
#: Found in torch.linalg; under some of these names torch has older functions.
LINALG = set(
    "cholesky cond det eigh eigvalsh inv lstsq matrix_norm matrix_power matrix_rank multi_dot pinv qr slogdet solve "
    "solve_triangular svd svdvals tensorinv tensorsolve vecdot vector_norm".split()
)
DTYPES = {np.dtype(n): getattr(torch, n) for n in ("float32", "float64", "int64", "int32", "bool")}


def function(name: str):
    """PyTorch's function of that name, taking NumPy's dtypes."""
    if name in LINALG or name.startswith("linalg_"):
        f = getattr(torch.linalg, name.removeprefix("linalg_"))
    else:
        f = NAMES.get(name) or getattr(F, name, None) or getattr(torch, name)

    def run(*args, **kwargs):
        args = map(to_torch, args)
        if "dtype" in kwargs:
            kwargs["dtype"] = DTYPES[kwargs["dtype"]]
        return f(*args, **kwargs)

    return run


def to_torch(x):
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x.copy())
    return tuple(map(to_torch, x)) if isinstance(x, tuple) else x


def torch_leaves(values: list, differentiable: int | None = None) -> list:
    """The first ``differentiable`` operands require a gradient (None: all)."""
    xs = [to_torch(x) for x in values]
    for x in xs[:differentiable]:
        if is_torch_float(x):
            x.requires_grad_()
    return xs


def is_torch_float(x) -> bool:
    return isinstance(x, torch.Tensor) and x.is_floating_point()


def outputs(result) -> list:
    return list(result) if isinstance(result, tuple | list) else [result]


def close(ours, theirs, rtol: float = 1e-9) -> None:
    if isinstance(theirs, bool):
        assert ours is theirs
        return
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    atol = (
        rtol * np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-3)
        if theirs.dtype.kind == "f"
        else 0
    )
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


#: Losses whose weights have no derivative in PyTorch: how many operands have one.
DIFFERENTIABLE = {
    "nll_loss": 1,
    "cross_entropy": 2,
    "binary_cross_entropy": 2,
    "binary_cross_entropy_with_logits": 2,
    "multi_margin_loss": 1,
    "multilabel_soft_margin_loss": 2,
}
every_case = pytest.mark.parametrize("case", [c for c in CASES if c.torch], ids=lambda c: c.name)


pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{message}:UserWarning")
    for message in (
        "reduction. 'mean' divides", "The reduce argument of torch.scatter", "torch.chain_matmul is deprecated",
        "Using torch.cross without", "index_reduce.. is in beta",
    )
]  # fmt: skip


def compare_values(case: Case, values: list, rtol: float = 1e-9) -> tuple:
    """Operands and outputs of both, after comparing the outputs."""
    ours, theirs = leaves(values), torch_leaves(values, DIFFERENTIABLE.get(case.op))
    try:
        other = outputs(case.call(function(case.op), *theirs))
    except (RuntimeError, ValueError, IndexError):  # what PyTorch refuses is refused
        with pytest.raises((TinygradError, ValueError, IndexError)):
            case(*ours)
        return ours, theirs, [], []
    mine = outputs(case(*ours))
    assert len(mine) == len(other)
    for a, b in zip(mine, other, strict=True):
        close(a, b, rtol)
    return ours, theirs, mine, other


def pulled(grad, pairs: list, inputs: list, **kwargs) -> list:
    """Gradients of the outputs that have a history; None if none has."""
    pairs = [(y, c) for y, c in pairs if y.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    return grad([y for y, _ in pairs], inputs, [c for _, c in pairs], **kwargs)


def compare(case: Case, values: list, rtol: float = 1e-9) -> None:
    """Outputs and gradients."""
    ours, theirs, mine, other = compare_values(case, values, rtol)
    cotangents = random_like(np.random.default_rng(0), mine)
    pairs = [p for p in zip(mine, other, cotangents, strict=True) if is_torch_float(p[1])]
    if not any(y.requires_grad for y, *_ in pairs):
        return
    xs = [x for x in theirs if is_torch_float(x) and x.requires_grad]
    try:
        other = pulled(
            torch.autograd.grad,
            [(y, torch.from_numpy(c)) for _, y, c in pairs],
            xs,
            allow_unused=True,
        )
    except RuntimeError as error:
        # PyTorch has none, or spoils it itself (vander's).
        assert "derivative" in str(error) or "modified by an inplace" in str(error)
        return
    inputs = [x for x in ours if is_float(x)][: len(xs)]
    mine = pulled(tg.autograd.grad, [(y, c) for y, _, c in pairs], inputs, materialize_grads=True)
    for x, g, h in zip(xs, mine, other, strict=True):
        close(g, torch.zeros_like(x) if h is None else h, rtol)


def replaced(case: Case, choices: list, sample: int = 0) -> list:
    """Operands whose float elements are drawn from ``choices``."""
    rng = np.random.default_rng(sample)
    values = case.draw(sample)
    return [np.asarray(rng.choice(choices, x.shape)) if is_float(x) else x for x in values]


@every_case
def test_values_and_gradients(case: Case) -> None:
    compare(case, case.draw(), 1e-7 if case.op == "hardsigmoid" else 1e-9)


#: Where the gradient at corners and ties is another: why.
OTHER_GRADIENTS = {
    "clamp": "between equal tensor bounds PyTorch drops the gradient",
    "kl_div": "the slope of t ln t at t = 0 is −∞, which PyTorch makes NaN",
    "binary_cross_entropy": "towards the target, PyTorch forgets that logarithms are cut at −100",
    "scaled_dot_product_attention": "of scores near 1e8, eight digits of a weight's gradient remain",
    "hardsigmoid": "PyTorch's 1/6 is rounded to float32",
    "scatter_reduce": "PyTorch counts self among the largest where it takes no part",
    "cdist": "PyTorch gives ties of the largest difference the whole gradient each",
    "poisson_nll_loss": "PyTorch's Stirling term makes NaN of targets that it does not meet",
    "digamma": "as polygamma",
    "ldexp": "0 · ∞ in another order",
}
#: Not compared at corners and ties, or infinities: why.
NO_CORNERS = {
    "topk": "which of equal elements come first is not said",
    "kthvalue": "as topk",
    "argsort": "as topk",
    "sort": "as topk",
    "median": "as topk",
    "nanmedian": "as topk",
    "bucketize": "boundaries must be in order",
    "searchsorted": "as bucketize",
    "soft_margin_loss": "PyTorch overflows",
    "matrix_exp": "e^1e4 overflows",
    "polygamma": "at poles PyTorch's rounding of πx gives 1e31 for ∞",
    **dict.fromkeys(
        "cholesky cholesky_inverse cholesky_solve cond cov corrcoef det eigh eigvalsh logdet lstsq matrix_norm "
        "matrix_power matrix_rank norm pinv qr slogdet solve solve_triangular svd svdvals".split(),
        "singular matrices, where what comes is rounding",
    ),
}


@every_case
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_corners_and_ties(case: Case) -> None:
    if case.op in NO_CORNERS:
        return
    within = case.op == "binary_cross_entropy"
    corners = [0.0, 1.0, 0.5] if within else [0.0, 1.0, -1.0, 2.0, 0.5, -3.0, 25.0, 1e4, -1e4]
    for choices in corners, corners[:3]:
        for sample in range(2):
            values = replaced(case, choices, sample)
            (compare_values if case.op in OTHER_GRADIENTS else compare)(case, values)


#: Where PyTorch's result type is an accident, or its integer arithmetic loses what it computes.
OTHER_TYPES = {
    "all": "uint8 for uint8",
    "any": "uint8 for uint8",
    "pow": "0 for integers to negative powers, here an error",
    "softmax": "integers for 0-d integers, here an error",
    "log_softmax": "as softmax",
    "softmin": "as softmax",
    "huber_loss": "the input's type, where the other losses promote",
    "einsum": "bool products that PyTorch has for some equations only",
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), "integers, here an error"),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), "as conv1d"),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), "means of integers, here an error"),
    **dict.fromkeys(
        "addmm addmv addr addbmm baddbmm addcmul".split(),
        "float factors of integers, cut to integers, here an error",
    ),
    **dict.fromkeys(("lp_pool1d", "lp_pool2d", "lp_pool3d"), "as avg_pool1d"),
    "hinge_embedding_loss": "the input's type, where the margin is a float",
    "alpha_dropout": "integers dropped to zeros of integers, here an error",
    "feature_alpha_dropout": "as alpha_dropout",
    "trapezoid": "integers where there is nothing to add, else floats",
    "matrix_power": "bools to the power of 0, where other powers give an error",
    "cdist": "of no rows the first operand's type",
    "solve_triangular": "float32 where it meets float64, here an error as in solve",
    "topk": "integers tie, and which of equal elements come first is not said",
    "kthvalue": "as topk",
    "lstsq": "of integers made floats, singular matrices come",
    "interpolate": "uint8 images, here an error",
    "rms_norm": "the input's type where a weight's meets it",
}
#: Not compared at infinities and NaN: why.
NO_INFINITIES = {
    "sign": "the sign of NaN is NaN here",
    **dict.fromkeys("gelu silu hardswish".split(), "at −∞ stands the limit, 0, not −∞ · 0"),
    **dict.fromkeys("multi_margin_loss multilabel_margin_loss".split(), "NaN is no margin met"),
    "trapezoid": "the mean of two heights where PyTorch adds differences",
    "mode": "PyTorch counts each NaN as an element of its own",
    **dict.fromkeys(("lp_pool1d", "lp_pool2d", "lp_pool3d"), "sums of ∞ and −∞"),
    "cumulative_trapezoid": "as trapezoid",
    **dict.fromkeys("std_mean var_mean".split(), "PyTorch's running mean makes NaN of ∞"),
    "cdist": "PyTorch compares past NaN",
    # In these it depends on the order of the arithmetic whether an infinity meets a 0:
    "batch_norm": "a weight of 0",
    "conv2d": "the zeros of the padding",
    "interpolate": "elements beyond the filter",
    **dict.fromkeys(
        "conv_transpose1d conv_transpose2d conv_transpose3d".split(), "places a tap does not reach"
    ),
    **dict.fromkeys(
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d".split(), "other windows"
    ),
}


@every_case
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_infinities_and_nan(case: Case) -> None:
    if "binary_cross_entropy" in case.op or case.op in NO_CORNERS:
        return  # targets beyond [0, 1] are refused, or mean nothing
    if case.op in NO_INFINITIES:
        return
    for sample in range(2):
        compare_values(case, replaced(case, [0.0, 1.0, -2.0, np.inf, -np.inf, np.nan], sample))


@pytest.mark.parametrize(
    "point", [p for p in POINTS if p.torch], ids=lambda p: f"{p.op}{p.operands}{p.attrs}"[:60]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_conventions(point: Point) -> None:
    """The table of undefined points says what PyTorch does."""
    xs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point.operands]
    result = function(point.op)(*xs, **point.attrs)
    result = result[0] if isinstance(result, tuple) else result
    close(np.asarray(point.value, float), result)
    expected = torch.autograd.grad(result, xs, torch.ones_like(result), materialize_grads=True)
    for a, b in zip(point.gradients, expected, strict=True):
        close(np.asarray(a, float), b)


def integers(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.trunc(np.abs(np.nan_to_num(x, posinf=2, neginf=2))))


@every_case
@pytest.mark.parametrize(
    "dtypes", ["int64", "int32", "uint8", "bool", "float32", "int64 float32", "float32 float64"]
)
def test_types(case: Case, dtypes: str) -> None:
    """What PyTorch computes is computed too, to the same type; what it has no kernel for may be."""
    names = iter(dtypes.split() * 9)
    values = [integers(x).astype(next(names)) if is_float(x) else x for x in case.draw()]
    if (case.op in OTHER_TYPES and dtypes != "float32") or case.op in NO_CORNERS:
        return
    try:
        case.call(function(case.op), *torch_leaves(values, DIFFERENTIABLE.get(case.op)))
    except (RuntimeError, NotImplementedError, IndexError):
        return
    compare_values(case, values, 1e-5)
