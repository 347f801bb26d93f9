"""The operators that layers and losses are made of, under the name PyTorch users look for them."""

from __future__ import annotations

from ..inplace import _in_place
from ..ops.activation import *
from ..ops.adaptive import *
from ..ops.arrange import channel_shuffle as channel_shuffle
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
from ..ops.statistics import pdist as pdist

celu_, elu_, hardtanh_, leaky_relu_ = map(_in_place, (celu, elu, hardtanh, leaky_relu))
relu_, rrelu_, selu_, threshold_ = map(_in_place, (relu, rrelu, selu, threshold))
