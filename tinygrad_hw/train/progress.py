"""How ``fit`` tells what it is doing: a bar on a terminal, a line an epoch elsewhere, or nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping, Sized
from typing import Any


class Silent:
    """Says nothing; what the others say instead is in the methods they override."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch_begin(self, loader: Iterable[Any], epoch: int) -> None:
        """Epoch number ``epoch``, of all batches of ``loader``, begins."""

    def advance(self, batches: int) -> None:
        """So many more batches are done."""

    def epoch_end(self, row: Mapping[str, float]) -> None:
        """An epoch has ended with these measurements."""

    def close(self, remark: str = "") -> None:
        """The run has ended; ``remark`` says why where that is not plain."""


class Lines(Silent):
    """Prints one line an epoch."""

    def epoch_end(self, row: Mapping[str, float]) -> None:
        epoch = f"{row['epoch']:{len(str(self.epochs))}}/{self.epochs}"
        measured = "  ".join(filter(None, (_describe(row, s) for s in ("train", "valid"))))
        print(f"epoch {epoch}  {measured}  {row['seconds']:.2f} s", flush=True)

    def close(self, remark: str = "") -> None:
        if remark:
            print(remark, flush=True)


class Bar(Silent):
    """One tqdm bar over all batches of all epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__(epochs)
        self._bar: Any = None

    def epoch_begin(self, loader: Iterable[Any], epoch: int) -> None:
        name = f"epoch {epoch}/{self.epochs} "
        if self._bar is None:
            from tqdm import tqdm

            size = len(loader) if isinstance(loader, Sized) else None
            self._bar = tqdm(
                total=None if size is None else size * self.epochs,
                initial=0 if size is None else size * (epoch - 1),
                desc=name,
                unit="batch",
                # 80 where a terminal does not tell its width, or tells 0, for which tqdm draws nothing.
                ncols=shutil.get_terminal_size().columns,
                bar_format="{desc}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
                if size is not None
                else None,
            )
        self._bar.set_description_str(name, refresh=False)

    def advance(self, batches: int) -> None:
        self._bar.update(batches)

    def epoch_end(self, row: Mapping[str, float]) -> None:
        measured = _describe(row, "valid") or _describe(row, "train")
        self._bar.set_postfix_str(measured, refresh=False)

    def close(self, remark: str = "") -> None:
        if self._bar is not None:
            self._bar.close()
        if remark:
            print(remark, file=sys.stderr, flush=True)


def _describe(row: Mapping[str, float], split: str) -> str:
    """``valid loss 0.1234 acc 0.9650``, as far as that is known."""
    names = {f"{split}_loss": f"{split} loss", f"{split}_accuracy": "acc"}
    return " ".join(f"{text} {row[name]:.4f}" for name, text in names.items() if name in row)


def reporter(kind: str, epochs: int) -> Silent:
    """The reporter named ``kind``: "bar", "lines", "none", or "auto", a bar if stderr is a terminal."""
    if kind == "auto":
        kind = "bar" if sys.stderr is not None and sys.stderr.isatty() else "lines"
    kinds = {"bar": Bar, "lines": Lines, "none": Silent}
    if kind not in kinds:
        raise ValueError(f"fit: expected progress 'auto', 'bar', 'lines' or 'none', got {kind!r}")
    return kinds[kind](epochs)
