"""Linear algebra under PyTorch's names; the formulas stand in ``ops/linalg.py``."""

from __future__ import annotations

from .ops.linalg import *
