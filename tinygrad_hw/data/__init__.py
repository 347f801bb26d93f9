"""Data sets by name, and batches out of them."""

from __future__ import annotations

from .files import data_root
from .loader import DataLoader, Dataset, Subset, TensorDataset, default_collate, random_split
from .rendered import rendered36
from .sets import NAMES, Splits, digits, load, mnist, nist26, nist36, sequences

__all__ = [
    "load",
    "data_root",
    "NAMES",
    "Splits",
    "digits",
    "rendered36",
    "mnist",
    "nist36",
    "nist26",
    "sequences",
    "Dataset",
    "TensorDataset",
    "Subset",
    "random_split",
    "DataLoader",
    "default_collate",
]
