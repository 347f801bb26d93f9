"""Convolution, pooling and batch normalization as modules: settings, state, running statistics, agreement with F."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_hw as tg
import tinygrad_hw.nn.functional as F
from tinygrad_hw import nn
from tinygrad_hw.errors import ShapeError

RNG = np.random.default_rng(8)


def real(*shape: int) -> tg.Tensor:
    return tg.tensor(RNG.normal(size=shape))


def equal(a, b) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolution_modules_are_the_functions(dims: int) -> None:
    x = real(2, 4, *(6,) * dims)
    settings = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
    layer = getattr(nn, f"Conv{dims}d")(4, 6, 3, dtype=tg.float64, **settings)
    equal(layer(x), getattr(F, f"conv{dims}d")(x, layer.weight, layer.bias, **settings))
    assert layer.weight.shape == (6, 2, *(3,) * dims)
    layer = getattr(nn, f"ConvTranspose{dims}d")(
        4, 6, 3, output_padding=1, dtype=tg.float64, **settings
    )
    function = getattr(F, f"conv_transpose{dims}d")
    equal(layer(x), function(x, layer.weight, layer.bias, output_padding=1, **settings))
    assert layer.weight.shape == (4, 3, *(3,) * dims)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("padding", "around"), [(2, (2, 2, 2, 2)), ("same", (1, 2, 1, 1)), ("valid", (0, 0, 0, 0))]
)
def test_padding_modes(mode: str, padding, around) -> None:
    layer = nn.Conv2d(2, 3, (3, 4), padding=padding, padding_mode=mode, dtype=tg.float64)
    x = real(1, 2, 5, 6)
    equal(layer(x), F.conv2d(F.pad(x, around, mode), layer.weight, layer.bias))


def test_output_size_of_a_transposed_convolution() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2, dtype=tg.float64)
    x = real(1, 1, 4, 4)
    assert layer(x, output_size=(10, 9)).shape == (1, 1, 10, 9)
    equal(layer(x, output_size=(9, 9)), layer(x))
    with pytest.raises(
        ValueError, match=r"expected output_size from \[9, 9\] to \[10, 10\], got \(11, 9\)"
    ):
        layer(x, output_size=(11, 9))


def test_convolution_starts_within_its_bound() -> None:
    layer = nn.Conv2d(3, 40, 5, groups=1)
    bound = 1 / np.sqrt(3 * 25)
    for p in layer.weight, layer.bias:
        values = np.abs(p.detach().numpy())
        assert 0.9 * bound < values.max() <= bound
    assert nn.Conv1d(1, 1, 1, bias=False).bias is None


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv1d(2, 3, 4), "Conv1d(2, 3, kernel_size=(4,), stride=(1,))"),
        (
            nn.Conv2d(2, 4, 3, 2, 1, (2, 1), 2, False, "reflect"),
            "Conv2d(2, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 1), groups=2, bias=False, "
            "padding_mode=reflect)",
        ),
        (
            nn.ConvTranspose2d(2, 4, 3, 2, output_padding=1),
            "ConvTranspose2d(2, 4, kernel_size=(3, 3), stride=(2, 2), output_padding=(1, 1))",
        ),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
        (nn.AvgPool1d(2, 3), "AvgPool1d(kernel_size=2, stride=3, padding=0)"),
        (
            nn.BatchNorm2d(3),
            "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        ),
        (nn.Dropout2d(0.3), "Dropout2d(p=0.3)"),
    ],
)  # fmt: skip
def test_repr(layer: nn.Module, text: str) -> None:
    assert repr(layer) == text


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_pooling_modules_are_the_functions(dims: int) -> None:
    x = real(2, 3, *(7,) * dims)
    layer = getattr(nn, f"MaxPool{dims}d")(3, 2, 1, 1, True, True)
    function = getattr(F, f"max_pool{dims}d")
    for a, b in zip(layer(x), function(x, 3, 2, 1, 1, True, True), strict=True):
        equal(a, b)
    layer = getattr(nn, f"AvgPool{dims}d")(3, 2, 1, True, False)
    equal(layer(x), getattr(F, f"avg_pool{dims}d")(x, 3, 2, 1, True, False))
    if dims > 1:
        layer = getattr(nn, f"AvgPool{dims}d")(3, divisor_override=5)
        equal(layer(x), getattr(F, f"avg_pool{dims}d")(x, 3, divisor_override=5))


def test_pooling_takes_nan_wherever_it_stands() -> None:
    for width in 2, 20:
        for position in range(4):
            x = np.ones((1, 2, width))
            x[0, position // 2, position % 2] = np.nan
            t = tg.tensor(x).requires_grad_()
            y = F.max_pool2d(t, 2)
            assert np.isnan(np.asarray(y)[0, 0, 0])
            y.backward(tg.ones_like(y))
            expected = np.zeros(4)
            expected[position] = 1
            equal(t.grad.numpy()[0, :, :2].ravel(), expected)


def test_pooling_gives_nothing_to_windows_in_the_padding() -> None:
    """Taps 2 apart around a plane of width 1 meet its two sides only."""
    x = real(1, 3, 1).requires_grad_()
    y, index = F.max_pool2d(x, (1, 2), 1, (0, 1), (1, 2), return_indices=True)
    assert (index.numpy() == -1).all()
    equal(y, np.full((1, 3, 1), -np.inf))
    (gradient,) = tg.autograd.grad(y, x, tg.ones_like(y), create_graph=True)
    equal(gradient, np.zeros((1, 3, 1)))
    y.backward(tg.ones_like(y))
    equal(x.grad, np.zeros((1, 3, 1)))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d, (6, 3)),
        (nn.BatchNorm1d, (4, 3, 12)),
        (nn.BatchNorm2d, (4, 3, 2, 2)),
        (nn.BatchNorm3d, (2, 3, 2, 2, 3)),
    ],
)
def test_running_statistics(layer: type, shape: tuple) -> None:
    dims = (0, *range(2, len(shape)))
    for momentum in 0.3, None:
        bn = layer(3, momentum=momentum, dtype=tg.float64)
        mean, var = np.zeros(3), np.ones(3)
        for n in 1, 2, 3:
            x = RNG.normal(size=shape)
            bn(tg.tensor(x))
            fresh = 1 / n if momentum is None else momentum
            mean += fresh * (x.mean(dims) - mean)
            var += fresh * (x.var(dims, ddof=1) - var)
        equal(bn.running_mean, mean)
        equal(bn.running_var, var)
        assert bn.num_batches_tracked.item() == 3
        bn.eval()
        column = (-1, *(1,) * (len(shape) - 2))
        expected = (x - mean.reshape(column)) / np.sqrt(var.reshape(column) + 1e-5)
        equal(bn(tg.tensor(x)), expected)
        equal(bn.running_mean, mean)
        bn.reset_running_stats()
        assert bn.num_batches_tracked.item() == 0
        equal(bn.running_var, np.ones(3))


def test_batch_norm_without_state() -> None:
    bn = nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    assert bn.state_dict() == {}
    x = tg.tensor(RNG.normal(size=(5, 3)))
    equal(bn(x), bn.eval()(x))
    assert list(nn.BatchNorm1d(3).state_dict()) == [
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    ]  # fmt: skip


def test_batch_norm_says_that_it_changed_the_statistics() -> None:
    bn = nn.BatchNorm1d(3)
    before = bn.running_mean._version[0]
    bn(tg.ones(2, 3))
    assert bn.running_mean._version[0] == before + 1


def test_dropout_of_channels() -> None:
    tg.manual_seed(3)
    for dims, layer in enumerate((nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), 1):
        x = tg.ones(50, 40, *(2,) * dims)
        y = layer(0.25)(x).numpy().reshape(2000, -1)
        assert (y == y[:, :1]).all()
        assert abs((y[:, 0] == 0).mean() - 0.25) < 0.04
        assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
        equal(layer(0.25).eval()(x), x)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "expected groups that divide in_channels and out_channels, got"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "expected padding_mode of zeros, reflect"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, "expected padding 'valid', 'same' or ints, got"),
        (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), ValueError, "expected stride 1 with padding='same'"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, "expected an int or 2 of them as kernel_size, got (3, 3, 3)"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), ValueError, "expected ints as padding, got 'same'"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, "expected padding_mode 'zeros'"),
        (lambda: nn.BatchNorm2d(3)(tg.ones(2, 3)), ShapeError, "BatchNorm2d: expected 4 dimensions, got shape (2, 3)"),
        (lambda: nn.BatchNorm1d(3)(tg.ones(3)), ShapeError, "BatchNorm1d: expected 2 or 3 dimensions, got shape (3,)"),
        (lambda: nn.Dropout2d(1.5), ValueError, "Dropout2d: expected a probability p in [0, 1], got 1.5"),
    ],
)  # fmt: skip
def test_errors(make, error: type, text: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert text in str(raised.value)


@pytest.mark.parametrize("norm", [True, False])
def test_a_network_learns(norm: bool) -> None:
    """Which of four quarters of an image is the brightest."""
    tg.manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 64)
    x = rng.random((64, 1, 12, 12)).astype(np.float32)
    for image, label in zip(x, y, strict=True):
        i, j = 6 * (label // 2), 6 * (label % 2)
        image[0, i : i + 6, j : j + 6] += 0.5
    layers = [
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
    ]
    if norm:
        layers.insert(1, nn.BatchNorm2d(6))
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 4))
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(tg.tensor(x)), tg.tensor(y))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_a_compiled_step_computes_what_the_step_computes() -> None:
    """All of it native, on one thread and on two: losses, parameters and running statistics to the last bit."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 2, 12, 12)).astype(np.float32)
    y = rng.integers(0, 3, 8)

    def run(compiled: bool, threads: int) -> list:
        tg.manual_seed(1)
        net = nn.Sequential(
            nn.Conv2d(2, 20, 3, padding=1), nn.BatchNorm2d(20, momentum=None), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(20, 5, 3, stride=2), nn.BatchNorm2d(5, affine=False), nn.ReLU(), nn.AvgPool2d(2),
            nn.Flatten(), nn.Linear(5, 3),
        )  # fmt: skip
        optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        before = tg.get_num_threads()
        tg.set_num_threads(threads)
        try:
            call = tg.compile(step) if compiled else step
            losses = [call(tg.tensor(x), tg.tensor(y)).item() for _ in range(4)]
        finally:
            tg.set_num_threads(before)
        if compiled:
            assert call.stats()["python_calls"] == 0
        return [*losses, *(v.detach().numpy() for v in net.state_dict().values())]

    expected = run(False, 1)
    for threads in 1, 2:
        for a, b in zip(run(True, threads), expected, strict=True):
            np.testing.assert_array_equal(a, b)
