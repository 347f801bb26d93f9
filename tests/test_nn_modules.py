"""Modules that pass settings to a function: the same values, the repr, the state; containers and parametrizations."""
# ruff: noqa: E501 (a line a case)

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_hw as tg
import tinygrad_hw.nn.functional as F
from tinygrad_hw import nn
from tinygrad_hw.errors import ShapeError
from tinygrad_hw.nn.utils import parametrizations, parametrize

RNG = np.random.default_rng(9)
f8 = tg.float64


def real(*shape: int) -> tg.Tensor:
    return tg.tensor(RNG.normal(size=shape))


def equal(a, b) -> None:
    a, b = (x.detach() if isinstance(x, tg.Tensor) else x for x in (a, b))
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-14)


LINE, IMAGE, VOLUME = real(2, 4, 6), real(2, 4, 6, 8), real(2, 4, 4, 6, 6)
SAME = [
    (nn.LayerNorm((6,), dtype=f8), LINE, lambda x: F.layer_norm(x, (6,)), "LayerNorm((6,), eps=1e-05, elementwise_affine=True, bias=True)"),
    (nn.LayerNorm(6, 0.1, False), LINE, lambda x: F.layer_norm(x, 6, eps=0.1), "LayerNorm((6,), eps=0.1, elementwise_affine=False, bias=False)"),
    (nn.RMSNorm(6, dtype=f8), LINE, lambda x: F.rms_norm(x, (6,)), "RMSNorm((6,), eps=None, elementwise_affine=True)"),
    (nn.RMSNorm((4, 6), 0.1, False), LINE, lambda x: F.rms_norm(x, (4, 6), eps=0.1), "RMSNorm((4, 6), eps=0.1, elementwise_affine=False)"),
    (nn.GroupNorm(2, 4, dtype=f8), LINE, lambda x: F.group_norm(x, 2), "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"),
    (nn.GroupNorm(2, 4, affine=False), LINE, lambda x: F.group_norm(x, 2), "GroupNorm(2, 4, eps=1e-05, affine=False, bias=False)"),
    (nn.LocalResponseNorm(3, 0.1), LINE, lambda x: F.local_response_norm(x, 3, 0.1), "LocalResponseNorm(3, alpha=0.1, beta=0.75, k=1.0)"),
    (nn.InstanceNorm1d(4), LINE, F.instance_norm, "InstanceNorm1d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)"),
    (nn.InstanceNorm1d(4), LINE[0], lambda x: F.instance_norm(x[None])[0], None),
    (nn.InstanceNorm2d(4, affine=True, dtype=f8), IMAGE, F.instance_norm, None),
    (nn.InstanceNorm3d(4), VOLUME, F.instance_norm, None),
    (nn.AdaptiveAvgPool1d(4), LINE, lambda x: F.adaptive_avg_pool1d(x, 4), "AdaptiveAvgPool1d(output_size=4)"),
    (nn.AdaptiveAvgPool2d((None, 3)), IMAGE, lambda x: F.adaptive_avg_pool2d(x, (6, 3)), "AdaptiveAvgPool2d(output_size=(None, 3))"),
    (nn.AdaptiveAvgPool3d(2), VOLUME, lambda x: F.adaptive_avg_pool3d(x, 2), None),
    (nn.AdaptiveMaxPool1d(4), LINE, lambda x: F.adaptive_max_pool1d(x, 4), None),
    (nn.AdaptiveMaxPool2d(5), IMAGE, lambda x: F.adaptive_max_pool2d(x, 5), None),
    (nn.AdaptiveMaxPool3d(3), VOLUME, lambda x: F.adaptive_max_pool3d(x, 3), None),
    (nn.LPPool1d(2, 3), LINE, lambda x: F.lp_pool1d(x, 2, 3), "LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)"),
    (nn.LPPool2d(2, 2, 1), IMAGE, lambda x: F.lp_pool2d(x, 2, 2, 1), None),
    (nn.LPPool3d(2, 2), VOLUME, lambda x: F.lp_pool3d(x, 2, 2), None),
    (nn.Upsample(9), LINE, lambda x: F.interpolate(x, 9), "Upsample(size=9, mode='nearest')"),
    (nn.Upsample(scale_factor=2.0, mode="bicubic"), IMAGE, lambda x: F.interpolate(x, scale_factor=2.0, mode="bicubic"), "Upsample(scale_factor=2.0, mode='bicubic')"),
    (nn.UpsamplingNearest2d(scale_factor=2), IMAGE, lambda x: F.interpolate(x, scale_factor=2), None),
    (nn.UpsamplingBilinear2d(9), IMAGE, lambda x: F.interpolate(x, 9, mode="bilinear", align_corners=True), None),
    (nn.PixelShuffle(2), IMAGE, lambda x: F.pixel_shuffle(x, 2), "PixelShuffle(upscale_factor=2)"),
    (nn.PixelUnshuffle(2), IMAGE, lambda x: F.pixel_unshuffle(x, 2), "PixelUnshuffle(downscale_factor=2)"),
    (nn.Unfold(2, stride=2), IMAGE, lambda x: F.unfold(x, 2, stride=2), "Unfold(kernel_size=2, dilation=1, padding=0, stride=2)"),
    (nn.Fold((3, 4), (2, 2)), LINE, lambda x: F.fold(x, (3, 4), 2), "Fold(output_size=(3, 4), kernel_size=(2, 2), dilation=1, padding=0, stride=1)"),
    (nn.Unflatten(1, (2, -1)), LINE, lambda x: x.reshape(2, 2, 2, 6), "Unflatten(dim=1, unflattened_size=(2, -1))"),
    (nn.ConstantPad1d((1, 2), 3.0), LINE, lambda x: F.pad(x, (1, 2), value=3.0), "ConstantPad1d(padding=(1, 2), value=3.0)"),
    (nn.ZeroPad2d(1), IMAGE, lambda x: F.pad(x, (1, 1, 1, 1)), "ZeroPad2d((1, 1, 1, 1))"),
    (nn.ReflectionPad1d(2), LINE, lambda x: F.pad(x, (2, 2), "reflect"), None),
    (nn.ReplicationPad3d(1), VOLUME, lambda x: F.pad(x, (1,) * 6, "replicate"), None),
    (nn.CircularPad2d((1, 2, -1, 0)), IMAGE, lambda x: F.pad(x, (1, 2, -1, 0), "circular"), None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "x", "function", "text"),
    SAME,
    ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else "",
)
def test_modules_are_the_functions(layer: nn.Module, x, function, text) -> None:
    equal(layer(x), function(x))
    assert text is None or repr(layer) == text


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_what_max_pooling_took_is_put_back(dims: int) -> None:
    """The adjoint of choosing: pooled again it is the same, and everywhere else is 0."""
    x = (LINE, IMAGE, VOLUME)[dims - 1]
    pool = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)
    unpool = getattr(nn, f"MaxUnpool{dims}d")(2)
    assert repr(unpool) == f"MaxUnpool{dims}d(kernel_size=2, stride=2, padding=0)"
    values, indices = pool(x)
    back = unpool(values, indices)
    assert back.shape == x.shape
    equal(tg.where(back != 0, x, 0.0), back)
    assert back.count_nonzero() == values.numel()
    wider = unpool(values, indices, output_size=[n + 1 for n in x.shape[-dims:]])
    assert wider.shape[-1] == x.shape[-1] + 1


def test_settings_of_norms() -> None:
    for layer in (
        nn.LayerNorm(4, bias=False),
        nn.GroupNorm(2, 4, bias=False),
        nn.BatchNorm1d(4, bias=False),
    ):
        assert layer.bias is None
        assert layer.weight.shape == (4,)
    norm = nn.InstanceNorm1d(4, track_running_stats=True, dtype=f8)
    norm(LINE)
    x = LINE.numpy()
    equal(norm.running_mean, 0.1 * x.mean((0, 2)))
    equal(norm.running_var, 0.9 + 0.1 * x.var(2, ddof=1).mean(0))
    norm.eval()
    mean, var = norm.running_mean.numpy(), norm.running_var.numpy()
    equal(norm(LINE), (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5))


def test_embedding() -> None:
    tg.manual_seed(1)
    table = nn.Embedding(4, 3, padding_idx=-1, dtype=f8)
    assert repr(table) == "Embedding(4, 3, padding_idx=3)"
    assert (table.weight.detach().numpy()[3] == 0).all()
    table(tg.tensor([0, 3, 0])).sum().backward()
    assert table.weight.grad[:, 0].tolist() == [2, 0, 0, 0]
    assert table(tg.tensor([0, 3, 0])).grad_fn is not None
    frozen = nn.Embedding.from_pretrained(tg.eye(3))
    assert not frozen.weight.requires_grad
    assert frozen(tg.tensor([[2]])).tolist() == [[[0, 0, 1]]]
    counted = nn.Embedding(3, 1, scale_grad_by_freq=True)
    counted(tg.tensor([1, 1, 2])).sum().backward()
    assert counted.weight.grad.tolist() == [[0], [1], [1]]
    x = tg.ones(2, 1, requires_grad=True)
    (g,) = tg.autograd.grad(
        F.embedding(tg.tensor([1, 1]), x, scale_grad_by_freq=True).sum(), x, create_graph=True
    )
    assert g.tolist() == [[0], [1]]
    short = nn.Embedding.from_pretrained(tg.tensor([[3.0, 4.0], [6.0, 8.0]]), max_norm=1.0)
    np.testing.assert_allclose(short(tg.tensor([0])).numpy(), [[0.6, 0.8]], rtol=1e-6)
    assert short.weight.tolist()[1] == [6, 8]


def test_bilinear() -> None:
    layer = nn.Bilinear(3, 4, 2, dtype=f8)
    a, b = real(5, 3), real(5, 4)
    equal(layer(a, b), F.bilinear(a, b, layer.weight, layer.bias))
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=4, out_features=2, bias=True)"
    assert nn.Bilinear(1, 1, 1, bias=False).bias is None


def test_module_dict() -> None:
    modules = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.ReLU()})
    assert list(modules) == modules.keys() == ["a", "b"]
    assert "a" in modules
    assert len(modules) == 2
    assert list(modules.state_dict()) == ["a.weight", "a.bias"]
    assert [m for _, m in modules.items()] == modules.values()
    modules["c"] = nn.Tanh()
    assert repr(modules.pop("c")) == "Tanh()"
    del modules["b"]
    modules.update([("d", nn.ReLU())])
    assert modules.keys() == ["a", "d"]
    modules.clear()
    assert not len(modules)
    with pytest.raises(KeyError):
        modules["a"]


def test_parameter_list_and_dict() -> None:
    some = nn.ParameterList([tg.ones(2), tg.zeros(1)])
    some += [tg.ones(3)]
    assert [p.shape for p in some] == [(2,), (1,), (3,)]
    assert list(some.state_dict()) == ["0", "1", "2"]
    assert some[-1].requires_grad
    assert len(some[1:]) == 2
    some[0] = tg.zeros(4)
    assert next(some.parameters()).shape == (4,)
    with pytest.raises(IndexError, match="index 3 is out of range for 3 parameters"):
        some[3]
    named = nn.ParameterDict({"w": tg.ones(2)})
    named["b"] = tg.zeros(1)
    assert named.keys() == list(named) == ["w", "b"]
    assert "w" in named
    assert len(named) == 2
    assert named.get("x") is None
    assert named.get("w") is named["w"]
    assert [p.shape for p in named.values()] == [p.shape for _, p in named.items()] == [(2,), (1,)]
    assert named.pop("b").shape == (1,)
    named.clear()
    assert list(named.parameters()) == []
    with pytest.raises(KeyError):
        named["w"]


def test_weight_norm() -> None:
    for dim in 0, 1, None:
        layer = nn.Linear(3, 4, dtype=f8)
        before = layer.weight.detach().clone()
        assert parametrizations.weight_norm(layer, dim=dim) is layer
        equal(layer.weight, before)
        assert list(layer.state_dict()) == [
            "bias",
            "parametrizations.weight.original0",
            "parametrizations.weight.original1",
        ]
        layer.parametrizations.weight.original0.detach().copy_(
            layer.parametrizations.weight.original0.detach() * 2
        )
        equal(layer.weight, 2 * before.numpy())
        layer(real(2, 3)).sum().backward()
        assert layer.parametrizations["weight"].original1.grad.shape == (4, 3)


def test_spectral_norm() -> None:
    layer = parametrizations.spectral_norm(nn.Conv2d(2, 3, 2, dtype=f8), n_power_iterations=30)
    equal(np.linalg.svd(layer.weight.detach().numpy().reshape(3, 8))[1][0], 1.0)
    layer.eval()
    equal(layer.weight, layer.weight)
    copied = copy.deepcopy(layer)
    equal(copied.weight, layer.weight)
    vector = nn.Module()
    vector.weight = nn.Parameter(real(4))
    equal(np.linalg.norm(parametrizations.spectral_norm(vector).weight.detach().numpy()), 1.0)
    across = parametrizations.spectral_norm(
        nn.ConvTranspose1d(2, 3, 2, dtype=f8), n_power_iterations=30
    )
    equal(np.linalg.svd(across.weight.detach().numpy().swapaxes(0, 1).reshape(3, 4))[1][0], 1.0)


class Double(nn.Module):
    def forward(self, x):
        return x * 2


def test_parametrizations_come_and_go() -> None:
    layer = nn.Linear(2, 2, dtype=f8)
    original = layer.weight.detach().numpy().copy()
    parametrize.register_parametrization(layer, "weight", Double())
    parametrize.register_parametrization(layer, "weight", Double())
    parametrize.register_parametrization(layer, "bias", Double())
    assert len(layer.parametrizations.weight) == 2
    equal(layer.weight, 4 * original)
    assert parametrize.is_parametrized(layer, "weight")
    assert isinstance(layer, nn.Linear)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    equal(layer.weight, original)
    assert not parametrize.is_parametrized(layer, "weight")
    assert parametrize.is_parametrized(layer)
    parametrize.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert sorted(layer.state_dict()) == ["bias", "weight"]


WRONG = [
    (lambda: nn.InstanceNorm2d(3)(tg.ones(2, 3)), ShapeError, "InstanceNorm2d: expected 3 or 4 dimensions, got shape (2, 3)"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "GroupNorm: expected num_channels divisible by num_groups, got 3 and 2"),
    (lambda: nn.ZeroPad2d((1, 2)), ValueError, "ZeroPad2d: expected an int or 4 of them as padding, got (1, 2)"),
    (lambda: nn.Unflatten(1, (3, 2))(LINE), ValueError, "Unflatten: expected sizes whose product is 4, got (3, 2)"),
    (lambda: nn.Embedding(3, 2, 3), ValueError, "Embedding: expected padding_idx in [-3, 2], got 3"),
    (lambda: nn.Embedding(3, 2, _weight=tg.ones(2)), ValueError, "Embedding: expected a weight of shape (3, 2), got (2,)"),
    (lambda: nn.Embedding.from_pretrained(tg.ones(2)), ValueError, "Embedding: expected a table (rows, width), got (2,)"),
    (lambda: nn.Bilinear(0, 1, 1), ValueError, "Bilinear: expected in1_features >= 1, got 0"),
    (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0), ValueError, "n_power_iterations >= 1, got 0"),
    (lambda: parametrize.register_parametrization(nn.Linear(2, 2), "w", Double()), ValueError, "Linear has no parameter 'w'"),
    (lambda: parametrize.register_parametrization(nn.Linear(2, 4), "weight", nn.PixelShuffle(1)), ShapeError, "pixel_shuffle"),
    (lambda: parametrize.register_parametrization(nn.Linear(2, 4), "weight", nn.Flatten(0)), ValueError, "expected a value of shape (4, 2)"),
    (lambda: parametrize.remove_parametrizations(nn.Linear(2, 4), "weight"), ValueError, "Linear has no parametrized 'weight'"),
    (lambda: parametrize.remove_parametrizations(parametrizations.weight_norm(nn.Linear(2, 4)), "weight", False), ValueError, "one original"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), WRONG, ids=lambda v: str(v)[:30])
def test_errors(make, error: type, text: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert text in str(raised.value)
