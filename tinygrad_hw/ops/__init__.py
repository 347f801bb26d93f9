"""Operators: forward and derivative, each stated once, one file per family.

An operator given arrays computes an array; given a Tensor it is recorded. Adding one touches one file here and one
entry of the test table.
"""

from .core import PRIMITIVES as PRIMITIVES
from .core import REGISTRY as REGISTRY
from .core import Primitive as Primitive
from .core import Recorded as Recorded
from .index import getitem as getitem
from .public import *
