"""One pass over all batches of a split: a step for each, and what it measures, added up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..compile import CompiledStep
from ..creation import as_tensor
from ..data import DataLoader
from ..errors import CaptureError
from ..kernels import recording, rows
from ..kernels.elementwise import native
from ..tensor import Tensor

Batches = Iterable[tuple[Any, Any]]
Loss = Callable[[Tensor, Tensor], Tensor]
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Tally:
    """Adds up losses and hits over the batches of a split.

    ``totals`` are the sum of losses over rows, the rows, the hits and the elements judged; a native step adds to them
    without Python.
    """

    def __init__(self, loss: Loss, split: str) -> None:
        self.split = split
        self.summed = getattr(loss, "reduction", "mean") == "sum"
        self.totals = np.zeros(4)
        self.judged = False

    def add(self, output: Tensor, target: Tensor, value: Tensor) -> None:
        """Take in a batch."""
        scores, truth, lost = output._array, target._array, value._array
        weight = 1.0 if self.summed else float(len(truth))
        self.judged = truth.dtype.kind in "iu" and scores.ndim == truth.ndim + 1
        if (recording.current and recording.here()) is not None:
            for tensor in (output, target, value):
                recording.current.adopt(tensor)
            recording.current.know(self.totals)
        args = (self.totals, scores, truth, lost.reshape(-1), weight)
        if (
            self.judged
            and scores.ndim == 2
            and scores.dtype.kind == "f"
            and truth.dtype == np.int64
        ):
            rows.tally(self.totals, native(scores), native(truth), args[3], np.float64(weight))
        else:
            recording.effect(_tally, (*args, self.judged), "tally")

    def row(self) -> dict[str, float]:
        """Mean loss, and accuracy where targets are classes."""
        lost, count, hits, judged = self.totals
        if not count:
            raise ValueError(f"fit: expected {self.split} to give at least one batch, got none")
        row = {f"{self.split}_loss": float(lost / count)}
        if self.judged:
            row[f"{self.split}_accuracy"] = float(hits / (judged or count))
        return row


def _tally(totals, scores, truth, lost, weight, judged) -> None:
    """``rows.tally`` for scores of any shape, and for none."""
    totals[0] += weight * float(lost[0])
    totals[1] += len(truth)
    if judged:
        totals[2] += np.count_nonzero(scores.argmax(1) == truth)
        totals[3] += truth.size


class Pass:
    """``step(x, y)``, which returns output and loss, over all batches; compiled where that can be.

    ``compiled`` is whether it is, ``uncompiled`` why it is not.
    """

    def __init__(self, step: Step, loss: Loss, split: str, compile: bool) -> None:
        self.tally = Tally(loss, split)
        self.uncompiled = "" if compile else "compile=False"
        self._plain = self._counted(step)
        self._fast = CompiledStep(self._plain) if compile else None

    def _counted(self, step: Step) -> Callable[[Tensor, Tensor], None]:
        def counted(x: Tensor, y: Tensor) -> None:
            output, value = step(x, y)
            self.tally.add(output, y, value)

        return counted

    @property
    def compiled(self) -> bool:
        return self._fast is not None

    def go(self, batches: Batches, look: Callable[[int], Any] = lambda batches: None) -> Tally:
        """Do them all, with a ``look(number of batches done since the last)`` at least every 0.2 s, and tell the totals."""
        self.tally.totals[:] = 0
        rows = batches.rows() if self.compiled and isinstance(batches, DataLoader) else None
        if rows is not None:
            tensors, order = rows
            size = batches.batch_size  # type: ignore[attr-defined]
            batches = _gathered(tensors, order, size)
        for x, y in batches:
            self._call(as_tensor(x), as_tensor(y))
            look(1)
            if rows is not None and self._fast is not None:
                self._fast.sweep(tensors, order[size:], size, look)
                break
        return self.tally

    def _call(self, x: Tensor, y: Tensor) -> None:
        if self._fast is not None:
            try:
                self._fast(x, y)
                return
            except CaptureError as error:
                self._fast, self.uncompiled = None, str(error)
        self._plain(x, y)


def _gathered(tensors: tuple[Tensor, ...], order: np.ndarray, size: int) -> Iterator[Any]:
    """Batches of ``size`` rows in that order."""
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield [Tensor._wrap(np.take(t._array, rows, axis=0)) for t in tensors]
