"""The operators that layers and losses are made of, under the name PyTorch users look for them."""

from __future__ import annotations

from ..ops.activation import *
from ..ops.adaptive import *
from ..ops.attention import *
from ..ops.convolution import *
from ..ops.ctc import *
from ..ops.dropout import *
from ..ops.embedding import *
from ..ops.loss import *
from ..ops.margin import *
from ..ops.normalization import *
from ..ops.piecewise import *
from ..ops.pooling import *
from ..ops.product import linear as linear
from ..ops.reduce import log_softmax as log_softmax
from ..ops.reduce import softmax as softmax
from ..ops.reduce import softmin as softmin
from ..ops.resampling import *
from ..ops.shape import one_hot as one_hot
from ..ops.shape import pad as pad
