"""The training loop, its history and its callbacks."""

from __future__ import annotations

from .callbacks import BestWeights, Checkpoint, EarlyStopping
from .history import History
from .loop import evaluate, fit, predict
from .run import Callback, Run

__all__ = [
    "fit",
    "evaluate",
    "predict",
    "History",
    "Callback",
    "Run",
    "EarlyStopping",
    "BestWeights",
    "Checkpoint",
]
