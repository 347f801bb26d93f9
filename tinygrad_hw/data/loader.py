"""Batches out of data sets: by one index array where the data set takes one, else item by item."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import ShapeError
from ..ops import stack
from ..random import Generator, default_generator
from ..tensor import Tensor


class Dataset(Protocol):
    """Anything with a length whose items are had by number, a list included.

    One whose items may also be had by an index array, as a batch in one go, says so by the attribute
    ``takes_index_arrays = True``.
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: Any, /) -> Any: ...


class TensorDataset:
    """Rows of tensors of equal length: ``dataset[index]`` is ``(tensors[0][index], tensors[1][index], ...)``.

    ``index`` is whatever a Tensor takes: a number, a slice, an index array. Arrays are taken too, and their memory
    is shared.
    """

    takes_index_arrays = True

    def __init__(self, *tensors: Tensor | np.ndarray) -> None:
        self.tensors = tuple(
            t if isinstance(t, Tensor) else Tensor._wrap(np.asarray(t)) for t in tensors
        )
        shapes = [t.shape for t in self.tensors]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                "TensorDataset: expected one or more tensors of the same length, got "
                f"{', '.join(map(str, map(tuple, shapes))) or 'none'}"
            )

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(_rows(tensor, index) for tensor in self.tensors)


def _rows(tensor: Tensor, index: Any) -> Tensor:
    # np.take gathers rows faster than array[index], but copies the whole of an array that is not contiguous.
    plain = isinstance(index, np.ndarray) and index.dtype.kind == "i" and not tensor.requires_grad
    if plain and tensor._array.flags.c_contiguous:
        return Tensor._wrap(np.take(tensor._array, index, axis=0))
    return tensor[index]


class Subset:
    """The items of ``dataset`` at ``indices``: ``subset[i]`` is ``dataset[indices[i]]``."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices) if len(indices) else np.empty(0, np.int64)
        if self.indices.ndim != 1 or self.indices.dtype.kind not in "iu":
            raise TypeError(
                "Subset: expected indices to be a sequence of integers, got "
                f"{self.indices.dtype} of shape {self.indices.shape}"
            )
        self.indices = self.indices.astype(np.int64)
        n = len(dataset)
        if len(self.indices) and not -n <= self.indices.min() <= self.indices.max() < n:
            raise IndexError(
                f"Subset: expected indices of a data set of length {n}, got "
                f"{self.indices.min()} to {self.indices.max()}"
            )

    @property
    def takes_index_arrays(self) -> bool:
        return getattr(self.dataset, "takes_index_arrays", False)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        chosen = self.indices[np.asarray(index) if isinstance(index, Tensor) else index]
        return self.dataset[int(chosen) if np.ndim(chosen) == 0 else chosen]


def random_split(
    dataset: Dataset, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """Random, non-overlapping subsets of the given lengths, or fractions that add up to 1.

    A fraction f gets floor(f len(dataset)) items; those left over go one each to the first subsets.
    """
    n = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if min(lengths) < 0:
            raise ValueError(f"random_split: expected fractions from 0 to 1, got {list(lengths)}")
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        for i, size in enumerate(sizes):
            if size == 0:
                warnings.warn(f"random_split: subset {i} is empty", stacklevel=2)
    else:
        sizes = [int(length) for length in lengths]
        if sizes != list(lengths) or min(sizes, default=0) < 0 or sum(sizes) != n:
            raise ValueError(
                f"random_split: expected lengths that add up to {n}, or fractions that add up to 1, "
                f"got {list(lengths)}"
            )
    order = (generator or default_generator).numpy.permutation(n)
    ends = np.cumsum(sizes)
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


class DataLoader:
    """The batches of a data set; each pass over a shuffled one draws a new permutation from ``generator``.

    The permutation is drawn when the pass begins (``iter``) and in one draw, so a generator whose state was saved
    between two passes and restored gives the same batches again. ``generator`` is the default generator unless given.

    A batch of a data set that takes index arrays is the list of what ``dataset[index array]`` gives; of
    another data set, or where ``collate_fn`` is given, it is ``collate_fn([dataset[i], ...])``.

    Raises: TypeError, ValueError for a data set without length or items, or a batch size that is not 1 or more.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                "DataLoader: expected a dataset with __len__ and __getitem__, got "
                f"{type(dataset).__name__}"
            )
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(f"DataLoader: expected an integer batch_size, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"DataLoader: expected batch_size of 1 or more, got {batch_size}")
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator or default_generator
        self.collate_fn = collate_fn

    def __len__(self) -> int:
        n = len(self.dataset)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        n = len(self.dataset)
        order = self.generator.numpy.permutation(n) if self.shuffle else np.arange(n)
        return self._batches(order)

    def rows(self) -> tuple[tuple[Tensor, ...], np.ndarray] | None:
        """Tensors and the numbers of the rows of one pass over them, in order; None for other data sets.

        As ``iter``, it draws the pass's permutation.
        """
        dataset: Any = self.dataset
        chosen = None
        if isinstance(dataset, Subset):
            dataset, chosen = dataset.dataset, dataset.indices
        if self.collate_fn is not None or type(dataset) is not TensorDataset:
            return None
        n = len(self.dataset)
        order = self.generator.numpy.permutation(n) if self.shuffle else np.arange(n)
        order = order[: len(self) * self.batch_size]
        return dataset.tensors, order if chosen is None else chosen[order] % len(dataset)

    def _batches(self, order: np.ndarray) -> Iterator[Any]:
        at_once = self.collate_fn is None and getattr(self.dataset, "takes_index_arrays", False)
        collate = self.collate_fn or default_collate
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            index = order[start : start + self.batch_size]
            if at_once:
                batch = self.dataset[index]
                yield list(batch) if isinstance(batch, tuple) else batch
            else:
                yield collate([self.dataset[i] for i in index.tolist()])


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch out of a list of items: Tensors, arrays and numbers are stacked along a new first axis.

    Items that are tuples, lists or mappings are collated entry by entry (to a list, a list, a dict); text
    stays a list. Python floats become float64 and integers int64, as in PyTorch.

    Raises: ShapeError for items of different lengths; TypeError for what cannot be collated.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, np.ndarray | np.generic | int | float):
        return Tensor._wrap(np.stack([np.asarray(item) for item in batch]))
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, tuple | list):
        lengths = sorted({len(item) for item in batch})
        if len(lengths) > 1:
            raise ShapeError(
                f"default_collate: expected items of one length, got lengths {lengths}"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        "default_collate: expected Tensors, arrays, numbers, text, or tuples, lists and mappings of them, "
        f"got {type(first).__name__}\n  give DataLoader a collate_fn for other items"
    )
