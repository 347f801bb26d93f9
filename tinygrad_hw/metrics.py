"""Measures of a classifier: each takes Tensors or arrays and gives NumPy numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError, ShapeError


def accuracy(output: Any, target: Any) -> float:
    """The fraction of samples whose class is right: mean(argmax(output) = target).

    Shapes: output (n, classes) scores, or (n,) predicted classes; target (n,) classes. Among equal scores the
    first counts as the prediction; a row with NaN is wrong.
    """
    output, target = np.asarray(output), _classes("accuracy", "target", target)
    if output.ndim == 2:
        return _top_k("accuracy", output, target, 1)
    predicted = _classes("accuracy", "output", output)
    _check_pair("accuracy", predicted, target)
    if not len(target):
        raise ValueError("accuracy: expected one sample or more, got none")
    return float((predicted == target).mean())


def top_k_accuracy(output: Any, target: Any, k: int = 5) -> float:
    """The fraction of samples whose class is among the k highest scores.

    Shapes: output (n, classes), target (n,). Among equal scores the first classes are taken; a row with NaN is wrong.
    """
    return _top_k(
        "top_k_accuracy", np.asarray(output), _classes("top_k_accuracy", "target", target), k
    )


def _top_k(name: str, scores: np.ndarray, target: np.ndarray, k: int) -> float:
    if scores.ndim != 2 or target.shape != scores.shape[:1]:
        raise ShapeError(
            f"{name}: expected output (n, classes) and target (n,), got {scores.shape} and {target.shape}"
        )
    n, classes = scores.shape
    if n == 0:
        raise ValueError(f"{name}: expected one sample or more, got none")
    if not 1 <= k <= classes:
        raise ValueError(f"{name}: expected k from 1 to the {classes} classes, got {k}")
    _check_range(name, "target", target, classes)
    own = np.take_along_axis(scores, target[:, None], axis=1)
    tied_behind = (scores == own) & (np.arange(classes) >= target[:, None])
    ahead = ~(scores < own) & ~tied_behind  # written so that NaN is ahead of everything
    return float((ahead.sum(axis=1) < k).mean())


def confusion_matrix(pred: Any, target: Any, num_classes: int | None = None) -> np.ndarray:
    """C[i, j] = number of samples of class i that were taken for class j.

    Shapes: pred (n,) predicted classes, or (n, classes) scores; target (n,); C (num_classes, num_classes), int64.
    num_classes is by default that of the scores, else one more than the highest class that occurs.
    """
    pred, target = np.asarray(pred), _classes("confusion_matrix", "target", target)
    if pred.ndim == 2:
        num_classes = pred.shape[1] if num_classes is None else num_classes
        pred = pred.argmax(axis=1)
    pred = _classes("confusion_matrix", "pred", pred)
    _check_pair("confusion_matrix", pred, target)
    if num_classes is None:
        num_classes = int(max(pred.max(initial=-1), target.max(initial=-1))) + 1
    _check_range("confusion_matrix", "pred", pred, num_classes)
    _check_range("confusion_matrix", "target", target, num_classes)
    counts = np.bincount(target * num_classes + pred, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def precision_recall_f1(
    pred: Any, target: Any, num_classes: int | None = None, average: str | None = None
) -> tuple[Any, Any, Any]:
    """Precision TP / (TP + FP), recall TP / (TP + FN) and F1 = 2 TP / (2 TP + FP + FN); 0 where the divisor is 0.

    ``average``: None gives the three for each class, (num_classes,) float64; 'macro' their means over the classes;
    'weighted' their means weighted by the number of samples of each class; 'micro' the formulas on the counts
    summed over the classes. All classes count, also those that do not occur.

    Shapes: as in ``confusion_matrix``.
    """
    counts = confusion_matrix(pred, target, num_classes)
    right, predicted, actual = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    if average == "micro":
        right, predicted, actual = (c.sum(keepdims=True) for c in (right, predicted, actual))
    three = (
        _ratio(right, predicted),
        _ratio(right, actual),
        _ratio(2 * right, predicted + actual),
    )
    if average is None:
        return three
    if average == "weighted":
        shares = _ratio(actual, actual.sum())
    elif average in ("macro", "micro"):
        shares = np.full(len(right), 1 / max(len(right), 1))
    else:
        raise ValueError(
            "precision_recall_f1: expected average None, 'micro', 'macro' or 'weighted', "
            f"got {average!r}"
        )
    precision, recall, f1 = (float(values @ shares) for values in three)
    return precision, recall, f1


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)


def _classes(name: str, argument: str, values: Any) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1:
        raise ShapeError(f"{name}: expected {argument} of shape (n,), got {values.shape}")
    if values.size and values.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected {argument} to be class indices, got {values.dtype}")
    return values.astype(np.int64)


def _check_pair(name: str, pred: np.ndarray, target: np.ndarray) -> None:
    if pred.shape != target.shape:
        raise ShapeError(
            f"{name}: expected as many predictions as targets, got {len(pred)} and {len(target)}"
        )


def _check_range(name: str, argument: str, values: np.ndarray, num_classes: int) -> None:
    if values.size and not 0 <= values.min() <= values.max() < num_classes:
        raise ValueError(
            f"{name}: expected {argument} from 0 to {num_classes - 1}, "
            f"got {values.min()} to {values.max()}"
        )
