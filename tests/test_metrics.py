"""Metrics against their definitions, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import metrics


@st.composite
def predictions(draw):
    """Predicted and true classes, and how many classes there are."""
    classes, n = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    column = st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)
    return draw(column), draw(column), classes


@st.composite
def scored(draw):
    """Scores with many ties, and true classes."""
    classes, n = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    row = st.lists(st.integers(-2, 2), min_size=classes, max_size=classes)
    scores = draw(st.lists(row, min_size=n, max_size=n))
    target = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return np.array(scores, float), np.array(target)


def naive_three(pred, target, label):
    tp = sum(p == label and t == label for p, t in zip(pred, target, strict=True))
    fp = sum(p == label and t != label for p, t in zip(pred, target, strict=True))
    fn = sum(p != label and t == label for p, t in zip(pred, target, strict=True))
    precision = tp / (tp + fp) if tp + fp else 0
    recall = tp / (tp + fn) if tp + fn else 0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
    return precision, recall, f1


@given(scored(), st.integers(1, 5))
def test_top_k_accuracy_is_the_share_of_rows_with_the_class_among_the_k_best(case, k):
    scores, target = case
    k = min(k, scores.shape[1])
    right = [
        label in sorted(range(len(row)), key=lambda c: (-row[c], c))[:k]
        for row, label in zip(scores.tolist(), target, strict=True)
    ]
    assert metrics.top_k_accuracy(scores, target, k) == pytest.approx(np.mean(right))


@given(scored())
def test_accuracy_is_the_same_of_scores_and_of_predictions(case):
    scores, target = case
    expected = (scores.argmax(axis=1) == target).mean()
    assert metrics.accuracy(scores, target) == expected
    assert metrics.accuracy(scores.argmax(axis=1), target) == expected
    assert metrics.accuracy(tg.tensor(scores, requires_grad=True), tg.tensor(target)) == expected


@given(predictions())
def test_confusion_matrix_counts_true_rows_and_predicted_columns(case):
    pred, target, classes = case
    expected = np.zeros((classes, classes), int)
    for p, t in zip(pred, target, strict=True):
        expected[t, p] += 1
    got = metrics.confusion_matrix(tg.tensor(pred), target, classes)
    np.testing.assert_array_equal(got, expected)
    highest = max(pred + target) + 1
    np.testing.assert_array_equal(
        metrics.confusion_matrix(pred, target), expected[:highest, :highest]
    )
    np.testing.assert_array_equal(metrics.confusion_matrix(np.eye(classes)[pred], target), expected)
    assert metrics.accuracy(pred, target) == pytest.approx(np.trace(got) / got.sum())


@given(predictions())
def test_precision_recall_f1_and_their_averages(case):
    pred, target, classes = case
    each = np.array([naive_three(pred, target, label) for label in range(classes)])
    got = metrics.precision_recall_f1(pred, target, classes)
    np.testing.assert_allclose(np.transpose(got), each)
    macro = metrics.precision_recall_f1(pred, target, classes, average="macro")
    assert macro == pytest.approx(each.mean(axis=0))
    support = np.bincount(target, minlength=classes)
    weighted = metrics.precision_recall_f1(pred, target, classes, average="weighted")
    assert weighted == pytest.approx(support @ each / len(target))
    # Over all classes, each wrong prediction is one false positive and one false negative.
    micro = metrics.precision_recall_f1(pred, target, classes, average="micro")
    assert micro == pytest.approx([metrics.accuracy(pred, target)] * 3)


def test_precision_recall_f1_by_hand():
    precision, recall, f1 = metrics.precision_recall_f1([0, 0, 1, 1, 1], [0, 1, 1, 1, 2], 4)
    np.testing.assert_allclose(precision, [1 / 2, 2 / 3, 0, 0])
    np.testing.assert_allclose(recall, [1, 2 / 3, 0, 0])
    np.testing.assert_allclose(f1, [2 / 3, 2 / 3, 0, 0])


def test_a_row_with_nan_is_wrong():
    scores = np.array([[np.nan, 0.0], [0.0, np.nan], [np.nan, np.nan], [1.0, 0.0]])
    assert metrics.accuracy(scores, [1, 0, 0, 0]) == 0.25
    assert metrics.accuracy(scores[:1], [0]) == 0


def test_nothing_at_all():
    none = np.empty(0, int)
    np.testing.assert_array_equal(metrics.confusion_matrix(none, none, 2), np.zeros((2, 2)))
    for average in (None, "micro", "macro", "weighted"):
        assert np.all(np.array(metrics.precision_recall_f1(none, none, 2, average)) == 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([], []), "accuracy: expected one sample or more, got none"),
        (lambda: metrics.accuracy([0, 1], [0]), "as many predictions as targets, got 2 and 1"),
        (lambda: metrics.accuracy([0.5, 1], [0, 1]), "output to be class indices, got float64"),
        (lambda: metrics.accuracy([0, 1], [0.0, 1]), "target to be class indices, got float64"),
        (lambda: metrics.accuracy([0, 1], [[0], [1]]), r"target of shape \(n,\), got \(2, 1\)"),
        (lambda: metrics.accuracy(np.eye(2), [0, 2]), "target from 0 to 1, got 0 to 2"),
        (lambda: metrics.accuracy(np.eye(2), [0]), r"got \(2, 2\) and \(1,\)"),
        (lambda: metrics.top_k_accuracy(np.empty((0, 2)), []), "one sample or more, got none"),
        (lambda: metrics.top_k_accuracy(np.eye(2), [0, 1], 3), "k from 1 to the 2 classes, got 3"),
        (lambda: metrics.top_k_accuracy([0, 1], [0, 1], 1), r"output \(n, classes\) and target"),
        (lambda: metrics.confusion_matrix([0, 2], [0, 1], 2), "pred from 0 to 1, got 0 to 2"),
        (lambda: metrics.confusion_matrix([0, 1], [-1, 1], 2), "target from 0 to 1, got -1 to 1"),
        (
            lambda: metrics.precision_recall_f1([0], [0], average="samples"),
            "average None, 'micro', 'macro' or 'weighted', got 'samples'",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
