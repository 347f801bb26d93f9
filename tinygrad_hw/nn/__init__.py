"""Layers, losses, initial values: what networks are made of, under PyTorch's names."""

from __future__ import annotations

from . import convolution, functional, init, normalization, padding, pooling, resampling, utils
from .activations import (
    ELU,
    GELU,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Tanh,
)
from .containers import ModuleList, Sequential
from .convolution import *
from .layers import Dropout, Dropout1d, Dropout2d, Dropout3d, Flatten, Identity, Linear
from .losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from .module import Module
from .normalization import *
from .padding import *
from .parameter import Parameter
from .pooling import *
from .resampling import *

__all__ = [
    "Module",
    "Parameter",
    "Sequential",
    "ModuleList",
    "Linear",
    "Flatten",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Identity",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "GELU",
    "SiLU",
    "Sigmoid",
    "LogSigmoid",
    "Softplus",
    "Tanh",
    "Softmax",
    "LogSoftmax",
    "Softmin",
    "CrossEntropyLoss",
    "NLLLoss",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "KLDivLoss",
    "functional",
    "init",
    "utils",
]
__all__ += convolution.__all__
__all__ += normalization.__all__
__all__ += padding.__all__
__all__ += pooling.__all__
__all__ += resampling.__all__
