"""The training loop: ``fit``, ``evaluate``, ``predict``."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from ..autograd import no_grad
from ..creation import as_tensor
from ..errors import DataError
from ..nn import Module
from ..ops import cat
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from ..random import default_generator
from ..tensor import Tensor
from .callbacks import Checkpoint
from .history import History
from .interrupt import Interrupt
from .passes import Batches, Loss, Pass
from .progress import Silent, reporter
from .run import Callback, Run


def fit(
    model: Module,
    optimizer: Optimizer,
    loss: Loss,
    train: Batches,
    valid: Batches | None = None,
    epochs: int = 10,
    *,
    scheduler: LRScheduler | ReduceLROnPlateau | None = None,
    schedule_every: Literal["epoch", "batch"] = "epoch",
    callbacks: Sequence[Callback] = (),
    resume: str | os.PathLike[str] | None = None,
    progress: Literal["auto", "bar", "lines", "none"] = "auto",
    compile: bool = True,
) -> History:
    """Train ``model`` until ``epochs`` epochs are done, and return what was measured.

    ``train`` and ``valid`` are DataLoaders, or anything that can be iterated once an epoch and gives (x, y). A
    batch's loss is taken to be the mean over its rows (its sum where ``loss.reduction`` is "sum"). ``scheduler``
    steps after each epoch or each batch; ReduceLROnPlateau is given the validation loss, else the training
    loss. ``progress`` is a tqdm bar on a terminal and a line an epoch elsewhere, unless said otherwise.

    With ``compile`` the step is compiled, and many steps of a DataLoader over tensors run in one native call. A model
    that cannot be compiled is trained step by step; ``History.compiled`` tells which, ``History.uncompiled`` why.

    The run ends early when a callback says so, when the training loss is no longer finite, or on Ctrl-C; see
    ``History.stopped``. With ``resume``, the folder of a ``Checkpoint``, it goes on from there: model, optimizer,
    scheduler, callbacks and the generators (the default one and the loader's) get the state they had, so that
    the weights come out equal to the last bit to those of a run that was never interrupted.
    """
    if epochs < 0:
        raise ValueError(f"fit: expected epochs >= 0, got {epochs!r}")
    if schedule_every not in ("epoch", "batch"):
        raise ValueError(f"fit: expected schedule_every 'epoch' or 'batch', got {schedule_every!r}")
    if schedule_every == "batch" and isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("fit: expected schedule_every='epoch' with ReduceLROnPlateau, got 'batch'")
    for name, batches in (("train", train), ("valid", valid)):
        if isinstance(batches, Iterator):
            raise TypeError(
                f"fit: expected {name} to be iterable once an epoch, got a one-time iterator "
                f"{type(batches).__name__}\nPass a DataLoader or a list of batches."
            )
    generators = [default_generator]
    own = getattr(train, "generator", None)
    if own is not None and own is not default_generator:
        generators.append(own)
    # Checkpoints come last: they keep what the other callbacks know after the epoch.
    callbacks = sorted(callbacks, key=lambda callback: isinstance(callback, Checkpoint))
    run = Run(model, optimizer, scheduler, generators, callbacks, epochs)
    if resume is not None:
        _restore(run, resume)
    history = run.history
    report = reporter(progress, epochs)
    each_batch = scheduler if schedule_every == "batch" else None

    def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        output = model(x)
        value = loss(output, y)
        value.backward()
        optimizer.step()
        if each_batch is not None:
            each_batch.step()
        return output, value

    learn = Pass(step, loss, "train", compile)
    judge = Pass(_forward(model, loss), loss, "valid", compile)
    with Interrupt() as interrupt:
        try:
            for callback in callbacks:
                callback.start(run)
            model.train()
            while history.epochs < epochs and not run.stop:
                row = _epoch(run, learn, train, judge, valid, report, each_batch, interrupt)
                history.compiled = learn.compiled
                history.uncompiled = learn.uncompiled
                history.append(row)
                if not math.isfinite(row["train_loss"]):
                    run.stop = f"the training loss became {row['train_loss']}\nTry a smaller lr."
                for callback in callbacks:
                    callback.epoch_end(run)
                report.epoch_end(row)
        except KeyboardInterrupt:
            history.interrupted = True
            run.stop = f"interrupted after {history.epochs} of {epochs} epochs"
        finally:
            report.close(f"stopped: {run.stop}" if run.stop else "")
        history.stopped = run.stop
        for callback in callbacks:
            callback.finish(run)
    return history


def _restore(run: Run, folder: str | os.PathLike[str]) -> None:
    state = Checkpoint.load(folder)
    try:
        run.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        reason = error.args[0] if error.args else error
        raise DataError(f"resume: {Checkpoint.file(folder)}: not of this run: {reason}") from None


def _epoch(
    run: Run,
    learn: Pass,
    train: Batches,
    judge: Pass,
    valid: Batches | None,
    report: Silent,
    each_batch: Any,
    interrupt: Interrupt,
) -> dict[str, float]:
    """Learn from every batch once, validate, step the scheduler; the epoch's row of the history."""
    epoch = run.history.epochs + 1
    lr = run.optimizer.param_groups[0]["lr"]
    start = time.perf_counter()

    def look(batches: int) -> None:
        report.advance(batches)
        if interrupt.pressed:
            raise KeyboardInterrupt

    report.epoch_begin(train, epoch)
    tally = learn.go(train, look)
    row: dict[str, float] = {"epoch": epoch, **tally.row()}
    if valid is not None:
        with _evaluating(run.model):
            row |= judge.go(valid, lambda batches: None).row()
    scheduler = run.scheduler
    if scheduler is not None and each_batch is None:
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(row.get("valid_loss", row["train_loss"]))
        else:
            scheduler.step()
    row |= {"lr": lr, "seconds": time.perf_counter() - start}
    return row


@contextlib.contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """No gradients, and the model in eval mode; each of its modules gets its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _forward(model: Module, loss: Loss) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        output = model(x)
        return output, loss(output, y)

    return step


def evaluate(model: Module, loss: Loss, loader: Batches) -> tuple[float, float]:
    """Mean loss and accuracy over ``loader``, in eval mode and without gradients.

    Accuracy is the fraction of targets whose class has the largest output, NaN where targets are not class
    indices.
    """
    with _evaluating(model):
        row = Pass(_forward(model, loss), loss, "loader", False).go(loader).row()
    return row["loader_loss"], row.get("loader_accuracy", math.nan)


def predict(model: Module, x: Any, batch_size: int = 1024) -> Tensor:
    """The model's outputs for all rows of ``x``, in eval mode, without gradients, ``batch_size`` rows at a time."""
    if batch_size < 1:
        raise ValueError(f"predict: expected batch_size >= 1, got {batch_size!r}")
    x = as_tensor(x)
    with _evaluating(model):
        starts = range(0, max(len(x), 1), batch_size)
        return cat([model(x[start : start + batch_size]) for start in starts])
