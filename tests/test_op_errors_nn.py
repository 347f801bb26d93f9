"""The text of every error of the operators that layers are made of."""
# ruff: noqa: E501 (a line a case)

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from tinygrad_hw import ops
from tinygrad_hw.errors import DTypeError, ShapeError


def x(*shape: int) -> np.ndarray:
    return np.ones(shape)


def heads(query=None, key=None) -> tuple:
    """Arguments of multi_head_attention_forward for two heads of two."""
    q, k, v = x(2, 4) if query is None else query, x(2, 4) if key is None else key, x(2, 4)
    return q, k, v, 4, 2, x(12, 4), None, None, None, False, 0.0, x(4, 4), None


INDEX = np.array([1, 2])
IMAGE, WEIGHT = x(1, 4, 5, 5), x(6, 4, 3, 3)
REFUSED = [
    ("max_unpool1d", (x(2, 3), np.zeros(3, int), 2), {}, ShapeError, "expected input and indices of one shape, got (2, 3) and"),
    ("max_unpool1d", (x(1, 3), np.zeros((1, 3), int), 2), {"output_size": (1, 9)}, ValueError, "expected output_size within (2,) of (6,), got (9,)"),
    ("max_unpool1d", (x(1, 1), np.array([[5]]), 2), {}, IndexError, "expected indices in [0, 1], got 5"),
    ("conv2d", (x(4, 5), WEIGHT), {}, ShapeError, "expected input (n, channels, height, width) or"),
    ("conv1d", (x(4, 5), x(6, 4)), {}, ShapeError, "expected input (n, channels, length) or one"),
    ("conv2d", (IMAGE, x(6, 3, 3, 3)), {}, ShapeError, "expected input channels and a weight that fit 1 groups"),
    ("conv2d", (IMAGE, x(5, 2, 3, 3)), {"groups": 2}, ShapeError, "expected input channels and a weight that fit 2 groups"),
    ("conv2d", (IMAGE, WEIGHT), {"groups": 0}, ValueError, "expected groups >= 1, got 0"),
    ("conv2d", (IMAGE, x(6, 4, 0, 3)), {}, ShapeError, "expected a window without zero sizes, got weight (6, 4, 0, 3)"),
    ("conv2d", (IMAGE, WEIGHT, x(5)), {}, ShapeError, "expected a bias of shape (6,), got (5,)"),
    ("conv2d", (IMAGE, WEIGHT.astype("f")), {}, DTypeError, "expected operands of one dtype, got float64 and float32"),
    ("conv2d", (IMAGE.astype(int), WEIGHT.astype(int)), {}, DTypeError, "expected floating point, got int64\n"),
    ("conv2d", (IMAGE, WEIGHT), {"stride": 0}, ValueError, "expected stride >= 1, got 0"),
    ("conv2d", (IMAGE, WEIGHT), {"padding": (1, -1)}, ValueError, "expected padding >= 0, got (1, -1)"),
    ("conv2d", (IMAGE, WEIGHT), {"dilation": (1, 1, 1)}, ValueError, "expected an int or 2 of them as dilation"),
    ("conv2d", (IMAGE, WEIGHT), {"padding": "full"}, ValueError, "expected padding 'valid', 'same' or ints, got"),
    ("conv2d", (IMAGE, WEIGHT), {"padding": "same", "stride": 2}, ValueError, "expected stride 1 with padding='same'"),
    ("conv2d", (IMAGE, WEIGHT), {"dilation": 3}, ShapeError, "expected a window of at most the padded input"),
    ("conv_transpose2d", (IMAGE, WEIGHT), {}, ShapeError, "expected input channels and a weight that fit 1 groups"),
    ("conv_transpose2d", (IMAGE, x(4, 2, 3, 3)), {"output_padding": 1}, ValueError, "expected output_padding below stride or dilation"),
    ("conv_transpose2d", (IMAGE, x(4, 2, 3, 3)), {"padding": 4}, ShapeError, "expected padding that leaves an output, got sizes"),
    ("max_pool2d", (x(5, 5), 2), {}, ShapeError, "expected 3 or 4 dimensions, the last 2 spatial, got (5, 5)"),
    ("max_pool2d", (IMAGE, 2), {"padding": 2}, ValueError, "expected padding of at most half the window"),
    ("max_pool2d", (IMAGE, 6), {}, ShapeError, "expected a window of at most the padded input, got window"),
    ("max_pool2d", (IMAGE, 0), {}, ValueError, "expected kernel_size >= 1, got 0"),
    ("avg_pool2d", (IMAGE, 2), {"divisor_override": 0}, ValueError, "expected a divisor_override other than 0"),
    ("avg_pool2d", (IMAGE.astype(int), 2), {}, DTypeError, "expected floating point, got int64"),
    ("avg_pool3d", (x(1, 1, 3, 3), 2), {"padding": 1}, ShapeError, "expected a window of at most the input, got (2, 2, 2)"),
    ("batch_norm", (x(3), None, None), {"training": True}, ShapeError, "expected input (n, channels, …), got (3,)"),
    ("batch_norm", (x(2, 3).astype(int), None, None), {"training": True}, DTypeError, "expected floating point, got int64"),
    ("batch_norm", (x(2, 3), None, None, x(2)), {"training": True}, ShapeError, "expected a weight of shape (3,), got (2,)"),
    ("batch_norm", (x(2, 3), x(2), x(3)), {}, ShapeError, "expected a running_mean of shape (3,), got (2,)"),
    ("batch_norm", (x(2, 3), None, None), {}, ValueError, "expected running_mean and running_var in evaluation"),
    ("batch_norm", (x(1, 3), None, None), {"training": True}, ValueError, "expected more than 1 value per channel when training"),
    ("dropout2d", (x(2, 3),), {}, ShapeError, "expected 3 or 4 dimensions, got (2, 3)"),
    ("dropout1d", (x(2, 3), 1.5), {}, ValueError, "expected a probability p in [0, 1], got 1.5"),
    # Normalization of samples
    ("layer_norm", (x(2, 3), (2,)), {}, ShapeError, "expected an input whose last dimensions are (2,), got (2, 3)"),
    ("layer_norm", (x(2, 3), (3,), x(2)), {}, ShapeError, "expected a weight of shape (3,), got (2,)"),
    ("layer_norm", (x(2, 3).astype(int), (3,)), {}, DTypeError, "expected floating point, got int64"),
    ("rms_norm", (x(2, 3), (2,)), {}, ShapeError, "expected an input whose last dimensions are (2,)"),
    ("group_norm", (x(2, 3), 2), {}, ShapeError, "expected input (n, channels, …) with channels divisible by 2, got (2, 3)"),
    ("group_norm", (x(2, 4), 2, x(3)), {}, ShapeError, "expected a weight of shape (4,), got (3,)"),
    ("instance_norm", (x(2, 3),), {}, ShapeError, "expected input (n, channels, …), got (2, 3)"),
    ("instance_norm", (x(2, 3, 1),), {}, ValueError, "expected more than 1 element of each channel, got input (2, 3, 1)"),
    ("local_response_norm", (x(2, 3), 2), {}, ShapeError, "expected input (n, channels, …), got (2, 3)"),
    ("local_response_norm", (x(2, 3, 1), 0), {}, ValueError, "expected size >= 1, got 0"),
    # Resampling
    ("adaptive_avg_pool2d", (x(3, 3), 2), {}, ShapeError, "expected 3 or 4 dimensions, the last 3 not empty, got (3, 3)"),
    ("adaptive_max_pool1d", (x(1, 3), (1, 2)), {}, ValueError, "expected 1 sizes >= 0, got (1, 2)"),
    ("interpolate", (IMAGE,), {}, ValueError, "expected one of size and scale_factor"),
    ("interpolate", (IMAGE, 3), {"recompute_scale_factor": True}, ValueError, "expected no recompute_scale_factor with size"),
    ("interpolate", (IMAGE,), {"scale_factor": (1, 2, 3)}, ValueError, "expected 2 scale factors, got (1, 2, 3)"),
    ("interpolate", (IMAGE, 3), {"mode": "cubic"}, ValueError, "expected mode of nearest, nearest-exact, area, bicubic, linear"),
    ("interpolate", (IMAGE, 3), {"mode": "linear"}, ShapeError, "expected input (n, channels, …) for mode 'linear', got (1, 4, 5, 5)"),
    ("interpolate", (IMAGE, 3), {"align_corners": True}, ValueError, "expected no align_corners with mode 'nearest'"),
    ("interpolate", (IMAGE, 3), {"antialias": True}, ValueError, "expected no antialias with mode 'nearest'"),
    ("interpolate", (IMAGE,), {"scale_factor": 0.1}, ShapeError, "expected sizes that are not empty, got (1, 4, 5, 5) and (0, 0)"),
    ("pixel_shuffle", (x(2, 2), 2), {}, ShapeError, "expected (…, channels, height, width), got (2, 2)"),
    ("pixel_shuffle", (IMAGE, 0), {}, ValueError, "expected a positive int as factor, got 0"),
    ("pixel_shuffle", (IMAGE, 3), {}, ShapeError, "expected channels divisible by 9, got (1, 4, 5, 5)"),
    ("pixel_unshuffle", (IMAGE, 2), {}, ShapeError, "expected height and width divisible by 2, got (1, 4, 5, 5)"),
    ("unfold", (x(3, 3), 2), {}, ShapeError, "expected (n, channels, height, width) or one sample of it, got (3, 3)"),
    ("unfold", (IMAGE, 6), {}, ShapeError, "expected windows of at most the padded image, got (6, 6) for (5, 5)"),
    ("fold", (x(4, 5), 3, 2), {}, ShapeError, "expected (n, channels · 4, 4) or one sample of it, got (4, 5)"),
    # Tables
    ("embedding", (INDEX, x(3)), {}, ShapeError, "expected a weight (rows, width), got (3,)"),
    ("embedding", (x(2), x(3, 2)), {}, DTypeError, "expected integers as input, got float64"),
    ("embedding", (INDEX, x(2, 2)), {}, IndexError, "expected indices in [0, 1], got 2"),
    ("embedding", (INDEX, x(3, 2)), {"sparse": True}, ValueError, "expected sparse=False, as gradients are dense"),
    ("embedding", (INDEX, x(3, 2)), {"padding_idx": 3}, ValueError, "expected padding_idx in [-3, 2], got 3"),
    ("bilinear", (x(2, 3), x(2, 4), x(1, 4, 3)), {}, ShapeError, "expected (…, i), (…, j) and a weight (o, i, j), got (2, 3), (2, 4)"),
    ("bilinear", (x(3), x(4), x(1, 3, 4), x(2)), {}, ShapeError, "expected a bias of shape (1,), got (2,)"),
    # Attention
    ("scaled_dot_product_attention", (x(2, 3), x(2, 4), x(2, 3)), {}, ShapeError, "expected (…, l, e), (…, s, e) and (…, s, v), got"),
    ("scaled_dot_product_attention", (x(2, 3),) * 3 + (x(2, 2),), {"is_causal": True}, ValueError, "expected no attn_mask with is_causal=True"),
    ("scaled_dot_product_attention", (x(3, 2, 2), x(2, 2, 2), x(2, 2, 2)), {"enable_gqa": True}, ShapeError, "expected heads of keys that divide those of queries"),
    ("multi_head_attention_forward", heads(query=x(4)), {}, ShapeError, "expected query, key and value of 2 or 3 dimensions each, got"),
    ("multi_head_attention_forward", heads(query=x(2, 3)), {}, ShapeError, "expected a width of 4 that 2 heads divide, got 3"),
    ("multi_head_attention_forward", heads(key=x(3, 4)), {}, ShapeError, "expected equal lengths and batches of key and value"),
    ("multi_head_attention_forward", heads(), {"is_causal": True}, ValueError, "expected an attn_mask with the hint is_causal=True"),
    ("multi_head_attention_forward", heads(), {"attn_mask": x(2)}, ShapeError, "expected attn_mask (l, s) or (n · heads, l, s), got (2,)"),
    ("multi_head_attention_forward", heads(), {"attn_mask": x(2, 3)}, ShapeError, "expected masks for 2 queries and 2 keys, got (1, 1, 2, 3)"),
    # Alignment
    ("ctc_loss", (x(3), INDEX, (3,), (2,)), {}, ShapeError, "expected log_probs (time, n, classes), got (3,)"),
    ("ctc_loss", (x(3, 1, 3), x(1, 2), (3,), (2,)), {}, DTypeError, "expected integers as targets, got float64"),
    ("ctc_loss", (x(3, 1, 3), INDEX[None], (3,), (2,), 3), {}, ValueError, "expected blank in [0, 2], got 3"),
    ("ctc_loss", (x(3, 1, 3), INDEX[None], (3, 3), (2,)), {}, ShapeError, "expected 1 integers as input_lengths, got [3, 3]"),
    ("ctc_loss", (x(3, 1, 3), INDEX[None], (4,), (2,)), {}, ValueError, "expected input_lengths of at most 3, got [4]"),
    ("ctc_loss", (x(3, 1, 3), INDEX[None], (3,), (4,)), {}, ShapeError, "expected targets of the lengths [4], got (1, 2)"),
    ("ctc_loss", (x(3, 1, 2), INDEX[None], (3,), (2,)), {}, IndexError, "expected labels in [0, 1], got 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "args", "kwargs", "error", "text"), REFUSED, ids=lambda v: str(v)[:40]
)
def test_refused(op: str, args: tuple, kwargs: dict, error: type, text: str) -> None:
    with pytest.raises(error) as raised:
        ops.REGISTRY[op](*args, **kwargs)
    assert str(raised.value).startswith(f"{op}: {text}")


@pytest.mark.parametrize(
    "module",
    [
        "adaptive",
        "attention",
        "convolution",
        "ctc",
        "dropout",
        "embedding",
        "normalization",
        "pooling",
        "resampling",
    ],
)
def test_every_raise_has_a_test(module: str) -> None:
    told = " ".join(text for *_, text in REFUSED)
    source = inspect.getsource(getattr(ops, module))
    for message in re.findall(r'raise \w+Error\(\s*f?"[^:]+: ([\w ]+)', source):
        assert message.strip() in told, message
