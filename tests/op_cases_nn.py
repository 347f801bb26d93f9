"""The table of operators, continued: convolution, pooling, normalization."""

from __future__ import annotations

import itertools

import numpy as np
from op_cases import case, ints, just, nonzero, positive, real
from scipy import signal, special

from tinygrad_hw import Generator


def correlate(x, w, bias=None):
    """Stride 1, no padding, by SciPy."""
    dims = x.ndim - 2
    out = np.stack([np.stack([signal.correlate(sample, v, "valid")[0] for v in w]) for sample in x])
    return out if bias is None else out + bias.reshape(-1, *(1,) * dims)


# Convolution

case("conv1d", real(2, 3, 7), real(4, 3, 3), oracle=correlate)
case("conv2d", real(2, 3, 6, 5), real(4, 3, 3, 2), real(4), oracle=correlate)
case("conv2d", real(2, 2, 12, 11), real(19, 2, 3, 3), real(19), oracle=correlate)
case("conv3d", real(1, 2, 3, 4, 5), real(3, 2, 2, 2, 3), real(3), oracle=correlate)
case("conv2d", real(2, 330, 1, 2), real(2, 330, 1, 1), oracle=correlate)
case("conv2d", real(1, 3, 5, 5), real(3, 1, 3, 3), padding=1, groups=3)
case("conv2d", real(2, 4, 7, 6), real(6, 2, 3, 2), real(6), stride=(2, 3), padding=(1, 2), groups=2)
case("conv2d", real(1, 2, 8, 9), real(2, 2, 2, 3), stride=2, padding=3, dilation=(3, 2))
case("conv2d", real(1, 1, 4, 4), real(2, 1, 1, 1), padding=2)
case("conv2d", real(1, 2, 5, 5), real(2, 2, 3, 4), padding="same", dilation=(1, 2))
case("conv2d", real(2, 5, 4), real(3, 2, 2, 2), real(3), padding="valid")
case("conv2d", real(0, 2, 5, 4), real(3, 2, 2, 2), real(3))
case("conv1d", real(2, 9), real(2, 2, 4), stride=5, padding=2)
case(
    "conv3d",
    real(1, 2, 3, 5, 4),
    real(2, 2, 2, 3, 2),
    stride=(1, 2, 3),
    padding=1,
    dilation=(2, 1, 1),
)
case(
    "conv_transpose1d", real(2, 3, 5), real(3, 2, 4), real(2), stride=3, padding=1, output_padding=2
)
case("conv_transpose2d", real(2, 2, 3, 4), real(2, 3, 3, 2), real(3))
case(
    "conv_transpose2d",
    real(1, 4, 3, 3),
    real(4, 1, 2, 3),
    stride=(2, 1),
    padding=1,
    groups=2,
    dilation=2,
)
case("conv_transpose2d", real(2, 3, 4), real(2, 3, 3, 2), stride=2)
case("conv_transpose3d", real(1, 2, 2, 3, 2), real(2, 2, 2, 2, 2), real(2), stride=(1, 2, 1))

# Pooling


def windows(x, size, reduce):
    """Windows of ``size`` side by side."""
    view = np.lib.stride_tricks.sliding_window_view(x, size, tuple(range(-len(size), 0)))
    step = tuple(slice(None, None, n) for n in size)
    return reduce(view[(..., *step, *(slice(None),) * len(size))], tuple(range(-len(size), 0)))


for _dims, _shape, _size in (
    (1, (2, 3, 7), (3,)),
    (2, (2, 2, 6, 5), (2, 2)),
    (3, (2, 2, 3, 4), (2, 1, 2)),
):
    for _name, _reduce in ("max", np.max), ("avg", np.mean):
        case(f"{_name}_pool{_dims}d", real(*_shape), kernel_size=_size,
             oracle=lambda x, s=_size, f=_reduce: windows(x, s, f))  # fmt: skip
case("max_pool2d", real(2, 8, 20), kernel_size=2, oracle=lambda x: windows(x, (2, 2), np.max))
case("max_pool1d", real(2, 9), kernel_size=3, stride=2, padding=1)
case("max_pool2d", real(1, 2, 7, 8), kernel_size=3, stride=(1, 2), padding=1, dilation=2)
case("max_pool2d", real(2, 5, 6), kernel_size=(2, 3), stride=2, ceil_mode=True)
case("max_pool2d", real(2, 2, 5, 6), kernel_size=2, padding=1, return_indices=True)
case("max_pool2d", real(1, 3, 3), kernel_size=(2, 3), stride=1, padding=1, dilation=(1, 2))
case("max_pool3d", real(1, 2, 3, 4, 4), kernel_size=2, stride=1, padding=1, return_indices=True)
case("avg_pool1d", real(2, 9), kernel_size=3, stride=2, padding=1, count_include_pad=False)
case("avg_pool2d", real(1, 2, 7, 8), kernel_size=3, stride=(1, 2), padding=1)
case("avg_pool2d", real(2, 5, 6), kernel_size=(2, 3), stride=2, ceil_mode=True)
case("avg_pool2d", real(2, 5, 7), kernel_size=2, padding=1, ceil_mode=True, count_include_pad=False)
case("avg_pool2d", real(2, 5, 7), kernel_size=2, divisor_override=3)
case("avg_pool3d", real(2, 3, 4, 4), kernel_size=2, stride=1, padding=1)

# Normalization


def batch_norm(x, weight, bias, eps=1e-5):
    dims = (0, *range(2, x.ndim))
    column = (-1, *(1,) * (x.ndim - 2))
    x = (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)
    return x * weight.reshape(column) + bias.reshape(column)


def batch(f, x, weight=None, bias=None, **kwargs):
    return f(x, None, None, weight, bias, training=True, **kwargs)


for _shape in (5, 3), (2, 3, 4), (3, 2, 2, 3), (2, 2, 3, 4, 3):
    case(
        "batch_norm", real(*_shape), real(_shape[1]), real(_shape[1]), call=batch, oracle=batch_norm
    )
case("batch_norm", real(4, 3), call=lambda f, x: batch(f, x, eps=0.1))
case("batch_norm", real(2, 3, 9), real(3), call=batch)
RUNNING = np.array([0.5, 0, -1]), np.array([0.5, 1, 2])
for _more in (), (real(3), real(3)):
    case("batch_norm", real(4, 3, 2), *_more, call=lambda f, x, *rest: f(x, *RUNNING, *rest))

for _dims, _name in enumerate(("dropout1d", "dropout2d", "dropout3d"), 1):
    case(
        _name, real(2, 3, *(2,) * _dims), torch=False,
        call=lambda f, x: f(x, 0.4, True, generator=Generator(2)),
    )  # fmt: skip
    case(_name, real(1, 3, *(2,) * _dims), p=0.4, training=False, oracle=np.copy)

# Normalization of samples


def standardize(x, dims, eps=1e-5):
    dims = tuple(dims)
    return (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)


case("layer_norm", real(4, 5), normalized_shape=(5,), oracle=lambda x: standardize(x, (1,)))
case("layer_norm", real(2, 3, 4), real(3, 4), real(3, 4), oracle=lambda x, w, b: standardize(x, (1, 2)) * w + b,
     call=lambda f, x, w, b: f(x, (3, 4), w, b))  # fmt: skip
case("layer_norm", real(2, 3), real(3), call=lambda f, x, w: f(x, [3], w, eps=0.1))
case("layer_norm", real(2, 20), real(20), call=lambda f, x, w: f(x, [20], w))
case("layer_norm", real(0, 3), normalized_shape=(3,))
case("rms_norm", real(2, 3, 4), real(4), call=lambda f, x, w: f(x, (4,), w, 0.1),
     oracle=lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + 0.1) * w)  # fmt: skip
case("rms_norm", real(2, 3), normalized_shape=(2, 3))
case("group_norm", real(2, 6, 4), real(6), real(6), call=lambda f, x, w, b: f(x, 3, w, b),
     oracle=lambda x, w, b: standardize(x.reshape(2, 3, 8), (2,)).reshape(2, 6, 4) * w[:, None] + b[:, None])  # fmt: skip
case("group_norm", real(2, 4, 3), num_groups=2)
case("instance_norm", real(2, 3, 5), oracle=lambda x: standardize(x, (2,)))
case(
    "instance_norm",
    real(2, 3, 2, 2),
    real(3),
    real(3),
    call=lambda f, x, w, b: f(x, None, None, w, b),
)
case("instance_norm", real(2, 3, 4), call=lambda f, x: f(x, *RUNNING, use_input_stats=False))
case("local_response_norm", real(2, 5, 3), size=3, alpha=0.5)
case("local_response_norm", real(1, 3, 2, 2), size=2, alpha=0.3, beta=0.5, k=2.0)
for _p in 2.0, 1.0, 3.0:
    case(
        "normalize",
        nonzero(3, 4),
        p=_p,
        oracle=lambda x, p=_p: x / np.linalg.norm(x, p, 1, keepdims=True),
    )
case("normalize", real(3, 4), dim=0, eps=10.0)

# Pooling to a size


def adaptive(x, sizes, reduce):
    out = np.empty(x.shape[: -len(sizes)] + sizes)
    for place in np.ndindex(sizes):
        window = [
            slice(i * n // o, -(-(i + 1) * n // o))
            for i, n, o in zip(place, x.shape[-len(sizes) :], sizes, strict=True)
        ]
        out[(..., *place)] = reduce(x[(..., *window)], tuple(range(-len(sizes), 0)))
    return out


for _dims, _shape, _size in (
    (1, (2, 3, 7), (3,)),
    (2, (2, 5, 6), (3, 4)),
    (3, (2, 2, 3, 4, 5), (2, 2, 3)),
    (2, (2, 4, 6), (2, 3)),
):
    for _name, _reduce in ("max", np.max), ("avg", np.mean):
        case(f"adaptive_{_name}_pool{_dims}d", real(*_shape), output_size=_size,
             oracle=lambda x, s=_size, f=_reduce: adaptive(x, s, f))  # fmt: skip
case("adaptive_max_pool2d", real(1, 2, 5, 7), output_size=(None, 3), return_indices=True)
case("adaptive_max_pool2d", real(2, 4, 6), output_size=2, return_indices=True)
case(
    "adaptive_avg_pool2d",
    real(2, 4, 6),
    output_size=1,
    oracle=lambda x: x.mean((1, 2), keepdims=True),
)

# Resampling

for _mode, _shape, _size in (
    ("nearest", (2, 1, 5), 8), ("nearest-exact", (1, 1, 4, 5), (3, 7)), ("linear", (2, 1, 5), 8),
    ("bilinear", (1, 2, 4, 5), (3, 9)),
    ("bicubic", (1, 1, 4, 5), (6, 3)), ("trilinear", (1, 1, 2, 3, 4), (3, 2, 5)), ("area", (1, 2, 5, 6), (3, 4)),
):  # fmt: skip
    case("interpolate", real(*_shape), size=_size, mode=_mode)
    if "linear" in _mode or "cubic" in _mode:
        case("interpolate", real(*_shape), scale_factor=1.7, mode=_mode, align_corners=True)
case("interpolate", real(1, 1, 4, 3), scale_factor=2, oracle=lambda x: x.repeat(2, 2).repeat(2, 3))
case(
    "interpolate",
    real(1, 1, 5, 4),
    scale_factor=(0.7, 1.5),
    mode="bilinear",
    recompute_scale_factor=True,
)
case("interpolate", real(1, 1, 7, 6), size=(3, 8), mode="bilinear", antialias=True)
case("interpolate", real(1, 1, 7, 6), size=(3, 8), mode="bicubic", antialias=True)
case("interpolate", real(1, 1, 3, 3), size=1, mode="bicubic", align_corners=True)
case("pixel_shuffle", real(2, 8, 2, 3), upscale_factor=2)
case("pixel_unshuffle", real(2, 2, 4, 6), downscale_factor=2)
case("unfold", real(2, 3, 4, 5), kernel_size=(2, 3))
case("unfold", real(3, 4, 5), kernel_size=2, dilation=2, padding=1, stride=(1, 2))
case("fold", real(2, 12, 12), output_size=(4, 5), kernel_size=(2, 2))
case("fold", real(4, 20), output_size=(4, 5), kernel_size=2, dilation=2, padding=1, stride=(1, 1))
case("fold", real(1, 8, 6), output_size=(4, 6), kernel_size=2, stride=2)

# Tables

case("embedding", ints(0, 4, 2, 3), real(4, 3), oracle=lambda i, w: w[i])
case("embedding", ints(0, 2, 5), real(3, 2), padding_idx=-1)
case("embedding", ints(0, 4), real(4, 3), oracle=lambda i, w: w[i])
case("bilinear", real(2, 3), real(2, 4), real(5, 3, 4), real(5),
     oracle=lambda a, b, w, c: np.einsum("ni,oij,nj->no", a, w, b) + c)  # fmt: skip
case("bilinear", real(3), real(4), real(2, 3, 4))

# Attention


def attention(q, k, v, mask=0.0):
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + mask
    return special.softmax(scores, -1) @ v


case("scaled_dot_product_attention", real(2, 3, 4), real(2, 5, 4), real(2, 5, 2), oracle=attention)
case(
    "scaled_dot_product_attention", real(3, 2), real(4, 2), real(4, 3), real(3, 4), oracle=attention
)
case("scaled_dot_product_attention", real(3, 2), real(3, 2), real(3, 3), is_causal=True, scale=0.3)
SIGHT = np.array([[True, False, True], [False, False, False]])
case(
    "scaled_dot_product_attention",
    real(2, 2),
    real(3, 2),
    real(3, 2),
    call=lambda f, q, k, v: f(q, k, v, SIGHT),
)
case("scaled_dot_product_attention", real(4, 2, 3), real(2, 2, 3), real(2, 2, 3), enable_gqa=True)


def heads(f, q, k, v, w, b, o, *more, **kwargs):
    return f(q, k, v, 4, 2, w, b, None, None, False, 0.0, o, None, True, *more, **kwargs)


case(
    "multi_head_attention_forward",
    real(3, 2, 4),
    real(2, 2, 4),
    real(2, 2, 4),
    real(12, 4),
    real(12),
    real(4, 4),
    call=heads,
)
case("multi_head_attention_forward", real(2, 4), real(2, 4), real(2, 4), real(12, 4), real(12), real(4, 4),
     call=lambda f, *xs: heads(f, *xs, need_weights=False)[0])  # fmt: skip

# Alignment


def aligned(x, blank=0):
    """ctc_loss of two samples, by the sum over all paths."""
    losses = []
    for sample, (time, target) in enumerate(zip(TIMES, LABELS, strict=True)):
        total = 0.0
        for path in itertools.product(range(x.shape[2]), repeat=time):
            read = [
                c
                for c, before in zip(path, (None, *path), strict=False)
                if c != before and c != blank
            ]
            if read == target:
                total += np.exp(sum(x[t, sample, c] for t, c in enumerate(path)))
        losses.append(-np.log(total) / max(1, len(target)))
    return np.mean(losses)


TIMES, LABELS = (4, 3), ([1, 1], [2])
case("ctc_loss", real(4, 2, 3), oracle=aligned, torch=False,
     call=lambda f, x: f(x, np.array([[1, 1], [2, 0]]), TIMES, (2, 1)))  # fmt: skip
case(
    "ctc_loss",
    real(3, 3),
    torch=False,
    call=lambda f, x: f(x, np.array([2, 1]), (3,), (2,), reduction="sum"),
)

# More pooling

for _dims, _shape in (1, (2, 3, 7)), (2, (2, 2, 5, 6)), (3, (1, 2, 3, 4, 4)):
    case(f"lp_pool{_dims}d", positive(*_shape), norm_type=2.0, kernel_size=2)
    case(
        f"lp_pool{_dims}d",
        positive(*_shape[1:]),
        norm_type=3,
        kernel_size=2,
        stride=1,
        ceil_mode=True,
    )
case(
    "lp_pool1d",
    positive(2, 6),
    norm_type=1,
    kernel_size=3,
    oracle=lambda x: windows(x, (3,), np.sum),
)
case("max_unpool1d", real(2, 3), just(np.array([[0, 3, 4], [1, 2, 5]])), kernel_size=2)
case("max_unpool1d", real(2, 3), just(np.array([[0, 3, 4], [1, 2, 5]])),
     call=lambda f, x, i: f(x, i, 2, output_size=(7,)))  # fmt: skip
case(
    "max_unpool2d",
    real(1, 1, 2, 2),
    just(np.array([[[[0, 3], [10, 13]]]])),
    kernel_size=2,
    stride=2,
)
case(
    "max_unpool2d",
    real(1, 2, 2),
    just(np.array([[[0, 2], [6, 8]]])),
    kernel_size=3,
    stride=2,
    padding=1,
)
case("max_unpool3d", real(1, 1, 1, 2), just(np.array([[[[0, 7]]]])), kernel_size=2)
