"""What a training run has measured, epoch by epoch."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError


class History(dict[str, list[float]]):
    """Columns with one entry an epoch: ``history["valid_loss"][-1]``.

    ``fit`` fills ``epoch``, ``train_loss``, ``train_accuracy``, ``valid_loss``, ``valid_accuracy`` (fractions of
    1), ``lr`` (at the epoch's start) and ``seconds``; accuracies only where targets are class indices, and the
    two of validation only where there are validation data.

    ``stopped`` tells why a run ended before its last epoch, and is empty when it did not;
    ``interrupted`` is True when that was Ctrl-C. ``compiled`` tells whether the training step was compiled, and
    ``uncompiled`` why it was not.
    """

    stopped: str = ""
    interrupted: bool = False
    compiled: bool = False
    uncompiled: str = ""

    @property
    def epochs(self) -> int:
        """The number of rows."""
        return len(next(iter(self.values()), ()))

    def append(self, row: Mapping[str, float]) -> None:
        """Add one epoch; an entry that the row or the earlier epochs lack is NaN."""
        epochs = self.epochs
        for name in row:
            if name not in self:
                self[name] = [math.nan] * epochs
        for name, column in self.items():
            column.append(row.get(name, math.nan))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a CSV file with a header line; numbers read back are the same to the last bit."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self)
            writer.writerows(zip(*self.values(), strict=True))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what ``save`` wrote.

        Raises: DataError for a file that is missing, or whose rows are not numbers under unique names.
        """
        history = cls()
        try:
            with Path(path).open(newline="", encoding="utf-8") as file:
                rows = csv.reader(file)
                header = next(rows, [])
                if len(set(header)) < len(header):
                    raise DataError(f"History.load: {path}: a column name occurs twice")
                for row in rows:
                    history.append(dict(zip(header, map(_number, row), strict=True)))
        except FileNotFoundError:
            raise DataError(f"History.load: {path}: no such file") from None
        except (OSError, ValueError, csv.Error) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"History.load: {path}: not a history file ({error})") from None
        return history


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)
