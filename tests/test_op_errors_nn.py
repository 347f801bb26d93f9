"""The text of every error of convolution, pooling and normalization."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from tinygrad_hw import ops
from tinygrad_hw.errors import DTypeError, ShapeError


def x(*shape: int) -> np.ndarray:
    return np.ones(shape)


IMAGE, WEIGHT = x(1, 4, 5, 5), x(6, 4, 3, 3)
REFUSED = [
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
    ("conv_transpose2d", (IMAGE, x(4, 2, 3, 3)), {"output_padding": 1}, ValueError, "expected output_padding below stride"),
    ("conv_transpose2d", (IMAGE, x(4, 2, 3, 3)), {"padding": 4}, ShapeError, "expected padding that leaves an output"),
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
    ("batch_norm", (x(1, 3), None, None), {"training": True}, ValueError, "expected more than 1 value per channel"),
    ("dropout2d", (x(2, 3),), {}, ShapeError, "expected 3 or 4 dimensions, got (2, 3)"),
    ("dropout1d", (x(2, 3), 1.5), {}, ValueError, "expected a probability p in [0, 1], got 1.5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "args", "kwargs", "error", "text"), REFUSED, ids=lambda v: str(v)[:40]
)
def test_refused(op: str, args: tuple, kwargs: dict, error: type, text: str) -> None:
    with pytest.raises(error) as raised:
        ops.REGISTRY[op](*args, **kwargs)
    assert str(raised.value).startswith(f"{op}: {text}")


@pytest.mark.parametrize("module", ["convolution", "dropout", "normalization", "pooling"])
def test_every_raise_has_a_test(module: str) -> None:
    told = " ".join(text for *_, text in REFUSED)
    source = inspect.getsource(getattr(ops, module))
    for message in re.findall(r'raise \w+Error\(\s*f?"[^:]+: ([\w ]+)', source):
        assert message.strip() in told, message
