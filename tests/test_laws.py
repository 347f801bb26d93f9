"""What must hold between operators, whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_hw as tg
from tinygrad_hw import ops
from tinygrad_hw.kernels import matmul as kernels
from tinygrad_hw.kernels import threads

numbers = st.floats(-20, 20, width=32)
sizes = st.integers(0, 20)
shapes = hnp.array_shapes(min_dims=1, max_dims=3, max_side=5)
arrays = hnp.arrays(np.float64, shapes, elements=numbers)
matrices = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=numbers
)
seeds = st.integers(0, 2**32 - 1)


def close(a, b, rtol: float = 1e-10, atol: float = 1e-10) -> None:
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def normal(seed: int, *shape: int, dtype=np.float64) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# Pointwise


@given(arrays)
def test_tanh_is_a_sigmoid(x: np.ndarray) -> None:
    close(ops.tanh(x), 2 * ops.sigmoid(2 * x) - 1)


@given(arrays)
def test_sigmoid_and_its_relatives(x: np.ndarray) -> None:
    close(ops.sigmoid(x) + ops.sigmoid(-x), 1)
    close(ops.logsigmoid(x), ops.log(ops.sigmoid(x)))
    close(ops.softplus(x, threshold=50), -ops.logsigmoid(-x))
    close(ops.silu(x), x * ops.sigmoid(x))


@given(arrays)
def test_relu_and_its_relatives(x: np.ndarray) -> None:
    close(ops.relu(x) - ops.relu(-x), x)
    close(ops.relu(x), ops.clamp(x, min=0))
    close(ops.relu(x), ops.leaky_relu(x, 0.0))
    close(ops.abs(x), ops.relu(x) + ops.relu(-x))


@given(arrays)
def test_gelu_splits_x(x: np.ndarray) -> None:
    close(ops.gelu(x) - ops.gelu(-x), x)


@given(arrays)
def test_inverses(x: np.ndarray) -> None:
    close(ops.log(ops.exp(x)), x)
    close(ops.log1p(ops.expm1(np.abs(x))), np.abs(x))
    close(ops.sqrt(ops.square(x)), np.abs(x))
    close(ops.sin(x) ** 2 + ops.cos(x) ** 2, 1)
    close(ops.neg(ops.neg(x)), x)
    assume((x != 0).all())
    close(ops.reciprocal(ops.reciprocal(x)), x)
    close(ops.rsqrt(np.abs(x)) ** 2, ops.reciprocal(np.abs(x)))


@given(matrices)
def test_extremes_order(x: np.ndarray) -> None:
    y = x[::-1]
    close(ops.maximum(x, y) + ops.minimum(x, y), x + y)
    close(ops.amax(x), -ops.amin(-x))
    values, indices = ops.max(x, 1)
    close(values, np.take_along_axis(x, indices[:, None], 1)[:, 0])
    assert (ops.argmin(-x, 1) == indices).all()


# Reductions


@given(arrays)
def test_reductions_compose(x: np.ndarray) -> None:
    for op in ops.sum, ops.amax, ops.amin, ops.prod:
        y = x
        for _ in range(x.ndim):
            y = op(y, dim=0)
        close(y, op(x), 1e-8)
    close(ops.mean(x) * x.size, ops.sum(x))
    close(ops.logsumexp(ops.logsumexp(x, -1), tuple(range(x.ndim - 1))) if x.ndim > 1 else 0,
          ops.logsumexp(x, tuple(range(x.ndim))) if x.ndim > 1 else 0)  # fmt: skip


@given(arrays)
def test_variance_and_norm(x: np.ndarray) -> None:
    close(ops.var(x, correction=0), ops.mean(x * x) - ops.mean(x) ** 2, 1e-8, 1e-8)
    close(ops.std(x, correction=0) ** 2, ops.var(x, correction=0))
    close(ops.norm(x) ** 2, ops.sum(x * x))
    assert ops.norm(x, float("inf")) <= ops.norm(x) * (1 + 1e-12) <= ops.norm(x, 1) * (1 + 1e-9)


@given(arrays, numbers)
def test_logsumexp(x: np.ndarray, shift: float) -> None:
    close(ops.logsumexp(x, 0), np.log(np.exp(x).sum(0)))
    close(ops.logsumexp(x + shift, 0), ops.logsumexp(x, 0) + shift)


@given(arrays, st.floats(-1e4, 1e4))
def test_softmax_does_not_see_a_shift(x: np.ndarray, shift: float) -> None:
    y = ops.softmax(x, -1)
    close(ops.softmax(x + shift, -1), y)
    close(y.sum(-1), 1)
    close(ops.log(y), ops.log_softmax(x, -1))
    close(ops.softmin(-x, -1), y)


@given(matrices)
def test_cumsum(x: np.ndarray) -> None:
    close(ops.cumsum(x, 1)[:, -1], ops.sum(x, 1))
    close(np.diff(ops.cumsum(x, 0), axis=0), x[1:])


# Products


@given(seeds, sizes, sizes, sizes, st.sampled_from([np.float32, np.float64]))
def test_matrix_product_in_all_layouts(seed: int, n: int, k: int, m: int, dtype) -> None:
    a, b = normal(seed, n, k, dtype=dtype), normal(seed + 1, k, m, dtype=dtype)
    expected = a.astype(np.float64) @ b
    for left in a, a.T.copy().T, np.repeat(a, 2, 1)[:, ::2]:
        for right in b, b.T.copy().T, np.repeat(b, 2, 1)[:, ::2]:
            got = ops.matmul(left, right)
            assert got.dtype == dtype
            close(
                got,
                expected,
                1e-5 if dtype == np.float32 else 1e-12,
                1e-5 if dtype == np.float32 else 1e-12,
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_product_by_blas_and_by_the_kernel(dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = normal(0, 17, 33, dtype=dtype), normal(1, 33, 9, dtype=dtype)
    for crossover, workers in (0, 0), (0, 1), (10**9, 0):
        monkeypatch.setattr(kernels, "BLAS_FROM", crossover)
        monkeypatch.setattr(threads.pool, "workers", workers)
        close(kernels.product(a, b), a @ b, 1e-4, 1e-5)
        close(kernels.product(b.T, a.T), (a @ b).T, 1e-4, 1e-5)


@given(seeds)
def test_linear_layers_compose(seed: int) -> None:
    x, v, w = normal(seed, 4, 3), normal(seed + 1, 5, 3), normal(seed + 2, 2, 5)
    a, b = normal(seed + 3, 5), normal(seed + 4, 2)
    close(ops.linear(ops.linear(x, v, a), w, b), ops.linear(x, w @ v, w @ a + b))
    close(ops.linear(x, v), ops.matmul(x, v.T))


@given(seeds)
def test_products_are_einsums(seed: int) -> None:
    a, b, x, y = (
        normal(seed, 3, 4),
        normal(seed + 1, 4, 2),
        normal(seed + 2, 4),
        normal(seed + 3, 3),
    )
    close(ops.einsum("ij,jk->ik", a, b), ops.mm(a, b))
    close(ops.einsum("ij,j->i", a, x), ops.mv(a, x))
    close(ops.einsum("i,j->ij", x, y), ops.outer(x, y))
    close(ops.einsum("i,i", x, x), ops.dot(x, x))
    close(ops.einsum("bij,bjk->bik", a[None], b[None]), ops.bmm(a[None], b[None]))
    close(ops.einsum("ij->ji", a), a.T)
    close(ops.einsum("ij,jk,k->i", a, b, normal(seed, 2)), a @ b @ normal(seed, 2))


# Shape and index


@given(arrays, st.data())
def test_cutting_and_joining(x: np.ndarray, data) -> None:
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = data.draw(st.integers(1, 6))
    assert (ops.cat(ops.split(x, size, dim), dim) == x).all()
    assert (ops.cat(ops.chunk(x, size, dim), dim) == x).all()
    assert len(ops.chunk(x, size, dim)) <= size
    assert (ops.stack([ops.select(x, dim, i) for i in range(x.shape[dim])], dim) == x).all()
    assert (ops.flip(ops.flip(x, dim), dim) == x).all()
    assert (ops.index_select(x, dim, np.arange(x.shape[dim])) == x).all()
    assert (ops.squeeze(ops.unsqueeze(x, dim), dim) == x).all()


@given(arrays, st.randoms(use_true_random=False))
def test_permutations_are_undone(x: np.ndarray, random) -> None:
    order = list(range(x.ndim))
    random.shuffle(order)
    assert (ops.permute(ops.permute(x, order), np.argsort(order).tolist()) == x).all()
    assert (ops.reshape(ops.flatten(x), x.shape) == x).all()


@given(matrices, st.integers(-6, 6))
def test_triangles_add_up(x: np.ndarray, k: int) -> None:
    close(ops.tril(x, k) + ops.triu(x, k + 1), x)


@given(matrices, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_padding_is_undone_by_cutting(x: np.ndarray, widths: list[int]) -> None:
    for mode in "constant", "replicate":
        wide = ops.pad(x if mode == "constant" else x[None, None], widths, mode)
        back = ops.pad(wide, [-w for w in widths])
        close(back.reshape(x.shape), x)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_one_hot(classes: list[int]) -> None:
    i = np.array(classes)
    hot = ops.one_hot(i, 6)
    assert (ops.argmax(hot, -1) == i).all()
    assert (ops.sum(hot, -1) == 1).all()
    assert (ops.gather(hot, 1, i[:, None]) == 1).all()


# Losses


@given(seeds)
def test_cross_entropy_is_nll_of_log_softmax(seed: int) -> None:
    x, t = normal(seed, 6, 4), np.random.default_rng(seed).integers(0, 4, 6)
    hot = ops.one_hot(t, 4).astype(np.float64)
    for reduction in "mean", "sum", "none":
        loss = ops.cross_entropy(x, t, reduction=reduction)
        close(loss, ops.nll_loss(ops.log_softmax(x, 1), t, reduction=reduction))
        close(loss, ops.cross_entropy(x, hot, reduction=reduction))
        close(loss, ops.cross_entropy(x, t, np.ones(4), reduction=reduction))
        smooth = ops.cross_entropy(x, t, reduction=reduction, label_smoothing=0.3)
        close(smooth, ops.cross_entropy(x, 0.7 * hot + 0.3 / 4, reduction=reduction))


@given(seeds)
def test_binary_losses_agree(seed: int) -> None:
    x, t = normal(seed, 5), np.random.default_rng(seed).random(5)
    loss = ops.binary_cross_entropy_with_logits(x, t)
    close(loss, ops.binary_cross_entropy(ops.sigmoid(x), t))
    two = np.stack([np.zeros(5), x], 1)
    close(loss, ops.cross_entropy(two, np.stack([1 - t, t], 1)))


@given(seeds)
def test_losses_of_differences(seed: int) -> None:
    x, t = normal(seed, 5), normal(seed + 1, 5)
    close(ops.smooth_l1_loss(x, t, beta=2.0) * 2, ops.huber_loss(x, t, delta=2.0))
    close(ops.huber_loss(x, t, delta=100.0) * 2, ops.mse_loss(x, t))
    close(ops.smooth_l1_loss(x, t, beta=0.0), ops.l1_loss(x, t))
    p = ops.softmax(x, 0)
    assert ops.kl_div(ops.log_softmax(t, 0), p, "sum") >= 0
    close(ops.kl_div(ops.log(p), p, "sum"), 0)


# Dropout


@given(seeds, st.floats(0, 0.9))
def test_dropout_keeps_the_mean(seed: int, p: float) -> None:
    x = np.ones(20_000, np.float32)
    y = ops.dropout(x, p, generator=tg.Generator().manual_seed(seed))
    assert set(np.unique(y)) <= {np.float32(0), np.float32(1 / (1 - p))}
    assert abs(y.mean() - 1) < 6 * (p / (1 - p) / x.size) ** 0.5 + 1e-6


@given(seeds)
def test_dropout_uses_one_mask_forward_and_backward(seed: int) -> None:
    x = tg.tensor(np.ones((3, 5)), requires_grad=True)
    y = ops.dropout(x, 0.5, generator=tg.Generator().manual_seed(seed))
    y.backward(tg.ones_like(y))
    assert (x.grad.numpy() == y.detach().numpy()).all()
    again = ops.dropout(x, 0.5, generator=tg.Generator().manual_seed(seed))
    assert (again.detach().numpy() == y.detach().numpy()).all()


def test_dropout_without_effect() -> None:
    x = tg.ones(4)
    assert (ops.dropout(x, 1.0).numpy() == 0).all()
    assert ops.dropout(x, 0.0) is x
    assert ops.dropout(x, 0.9, training=False) is x


# Gradients


@given(seeds)
def test_gradients_are_linear_in_the_cotangent(seed: int) -> None:
    x = tg.tensor(normal(seed, 3, 4), requires_grad=True)
    y = ops.softmax(ops.tanh(x) @ tg.tensor(normal(seed, 4, 2)), 1)
    a, b = tg.tensor(normal(seed + 1, 3, 2)), tg.tensor(normal(seed + 2, 3, 2))

    def pull(g):
        return tg.autograd.grad(y, x, g, retain_graph=True)[0].numpy()

    close(pull(a * 2 + b), 2 * pull(a) + pull(b))


@given(seeds)
def test_softmax_rows_have_gradients_that_sum_to_zero(seed: int) -> None:
    x = tg.tensor(normal(seed, 3, 4), requires_grad=True)
    ops.softmax(x, 1).backward(tg.tensor(normal(seed + 1, 3, 4)))
    close(x.grad.numpy().sum(1), 0)
    x.grad = None
    ops.cross_entropy(x, tg.tensor([0, 3, 1])).backward()
    close(x.grad.numpy().sum(1), 0)


def test_gumbel_softmax_draws_classes_by_their_probabilities() -> None:
    logits = tg.tensor([[0.0, 1.0, -1.0]] * 4000, requires_grad=True)
    drawn = ops.gumbel_softmax(logits, hard=True, generator=tg.Generator(0))
    assert set(np.unique(drawn.detach())) <= {0, 1}
    assert (drawn.sum(1) == 1).all()
    share = drawn.mean(0).detach().numpy()
    np.testing.assert_allclose(share, ops.softmax(logits[0], 0).detach().numpy(), atol=0.03)
    weights = tg.arange(3.0)
    (hard,) = tg.autograd.grad((drawn * weights).sum(), logits)
    soft = ops.gumbel_softmax(logits, generator=tg.Generator(0))
    (expected,) = tg.autograd.grad((soft * weights).sum(), logits)
    np.testing.assert_allclose(hard, expected, atol=1e-6)
