"""Tensors with a dynamic computation graph, Numba kernels under them, and networks and optimizers on top.

    import tinygrad_hw as tg

    model = tg.nn.Sequential(tg.nn.Linear(64, 32), tg.nn.ReLU(), tg.nn.Linear(32, 10))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = tg.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()

Names, defaults and shapes are PyTorch's.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from . import autograd as autograd
from . import dtypes as dtypes
from . import errors as errors
from . import func as func
from . import linalg as linalg
from . import nn as nn
from . import ops as ops
from . import optim as optim
from . import special as special
from . import utils as utils
from .autograd import enable_grad as enable_grad
from .autograd import inference_mode as inference_mode
from .autograd import is_grad_enabled as is_grad_enabled
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled
from .compile import CompiledStep as CompiledStep
from .compile import compile as compile
from .creation import *
from .drawing import graph as graph  # after all modules that name the module of that name
from .dtypes import float32 as float32
from .dtypes import float64 as float64
from .dtypes import get_default_dtype as get_default_dtype
from .dtypes import int8 as int8
from .dtypes import int16 as int16
from .dtypes import int32 as int32
from .dtypes import int64 as int64
from .dtypes import result_type as result_type
from .dtypes import set_default_dtype as set_default_dtype
from .dtypes import uint8 as uint8
from .errors import CaptureError as CaptureError
from .errors import DataError as DataError
from .errors import DTypeError as DTypeError
from .errors import GraphError as GraphError
from .errors import KernelError as KernelError
from .errors import ShapeError as ShapeError
from .errors import TinygradError as TinygradError
from .kernels.threads import get_num_threads as get_num_threads
from .kernels.threads import set_num_threads as set_num_threads
from .names import missing as _missing
from .ops.public import *
from .random import Generator as Generator
from .random import default_generator as default_generator
from .random import get_rng_state as get_rng_state
from .random import initial_seed as initial_seed
from .random import manual_seed as manual_seed
from .random import seed as seed
from .random import set_rng_state as set_rng_state
from .serialization import load as load
from .serialization import load_file as load_file
from .serialization import save as save
from .serialization import save_file as save_file
from .tensor import Tensor as Tensor

if TYPE_CHECKING:
    from . import data, metrics, plot, train

__version__ = "0.1.0"

bool, int, long, float, double = dtypes.bool_, int32, int64, float32, float64

# Loaded when first named: with them, importing the package would take twice as long.
_LAZY = {"data", "metrics", "plot", "train"}


def __getattr__(name: str):
    if name in _LAZY:
        return _import_module(f".{name}", __name__)
    raise _missing(f"module {__name__!r}", name, __dir__())


def __dir__() -> list[str]:
    return sorted(_LAZY.union(name for name in globals() if not name.startswith("_")))
