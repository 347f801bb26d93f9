"""Sequences of different lengths: padded to one, or packed without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import ops
from ...creation import tensor
from ...tensor import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence(NamedTuple):
    """Sequences, the longest first, place by place: the first of all, then the second of those that have one …

    ``batch_sizes[t]`` is how many have a place t. ``sorted_indices`` is the order that sorts the batch by length,
    ``unsorted_indices`` the order that undoes it (None: it was sorted).
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The data converted."""
        return self._replace(data=self.data.to(*args, **kwargs))


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes ``permutation``."""
    return None if permutation is None else tensor(np.argsort(np.asarray(permutation)))


def _order(lengths: np.ndarray, enforce_sorted: bool) -> Any:
    """None for lengths that are sorted, as they must be where ``enforce_sorted``, else the order that sorts them."""
    if enforce_sorted:
        if (np.diff(lengths) > 0).any():
            raise RuntimeError(
                f"pack_padded_sequence: expected lengths in decreasing order, got {lengths.tolist()}\n"
                "Pass enforce_sorted=False."
            )
        return None
    return np.argsort(-lengths, kind="stable")


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first ``lengths[i]`` places of each sequence of (time, n, …), or (n, time, …) if ``batch_first``, packed."""
    sizes = np.asarray(lengths)
    x = ops.transpose(input, 0, 1) if batch_first else input
    if sizes.ndim != 1 or len(sizes) != x.shape[1]:
        raise ValueError(
            f"pack_padded_sequence: expected {x.shape[1]} lengths, got {sizes.tolist()}"
        )
    if not sizes.size or sizes.min() < 1 or sizes.max() > x.shape[0]:
        raise RuntimeError(
            f"pack_padded_sequence: expected lengths from 1 to {x.shape[0]}, got {sizes.tolist()}"
        )
    order = _order(sizes, enforce_sorted)
    if order is not None:
        sizes = sizes[order]
        x = ops.index_select(x, 1, order)
    counts = [int((sizes > t).sum()) for t in range(int(sizes[0]))]
    data = ops.cat([ops.getitem(x, (t, slice(0, n))) for t, n in enumerate(counts)])
    sorted_indices = None if order is None else tensor(order)
    return PackedSequence(data, tensor(np.array(counts)), sorted_indices, invert_permutation(order))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(time, n, …), or (n, time, …) if ``batch_first``, filled up with ``padding_value``, and the lengths."""
    data, batch_sizes, _, back = sequence
    counts = [int(n) for n in np.asarray(batch_sizes)]
    time = len(counts) if total_length is None else total_length
    if time < len(counts):
        raise ValueError(
            f"pad_packed_sequence: expected total_length of at least {len(counts)}, got {total_length}"
        )
    n = counts[0]
    rows = [
        ops.pad(part, (0, 0) * (data.ndim - 1) + (0, n - part.shape[0]), "constant", padding_value)
        for part in ops.split(data, counts)
    ]
    out = ops.stack(rows)
    if time > len(counts):
        out = ops.pad(out, (0, 0) * data.ndim + (0, time - len(counts)), "constant", padding_value)
    lengths = (np.array(counts)[:, None] > np.arange(n)).sum(0)
    if back is not None:
        out = ops.index_select(out, 1, back)
        lengths = lengths[np.asarray(back)]
    return (ops.transpose(out, 0, 1) if batch_first else out), tensor(lengths)


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:  # fmt: skip
    """Sequences (time_i, …) as one (longest, n, …), or (n, longest, …) if ``batch_first``."""
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"pad_sequence: expected padding_side 'left' or 'right', got {padding_side!r}"
        )
    longest = max(s.shape[0] for s in sequences)
    rows = []
    for s in sequences:
        missing = longest - s.shape[0]
        widths = (0, missing) if padding_side == "right" else (missing, 0)
        rows.append(ops.pad(s, (0, 0) * (s.ndim - 1) + widths, "constant", padding_value))
    return ops.stack(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The first ``lengths[i]`` places of each sequence."""
    x = padded_sequences if batch_first else ops.transpose(padded_sequences, 0, 1)
    return [ops.getitem(x, (i, slice(0, int(n)))) for i, n in enumerate(np.asarray(lengths))]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (time_i, …) packed."""
    lengths = np.array([s.shape[0] for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of which ``packed_sequences`` was packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
