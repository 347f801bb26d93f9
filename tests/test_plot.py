"""Figures: what is drawn, on which Axes, and that no screen is touched."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinygrad_hw import plot

HISTORY = {
    "epoch": [1, 2, 3],
    "lr": [0.1, 0.1, 0.01],
    "train_loss": [3.0, 2.0, 1.0],
    "valid_loss": [3.5, 2.5, 2.0],
    "train_accuracy": [0.1, 0.5, 0.9],
    "valid_accuracy": [0.1, None, 0.7],
}
CLASSES = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def subplot():
    return Figure().add_subplot()


def lines(ax):
    """Every line of the figure by its name."""
    return {line.get_label(): line for axis in ax.figure.axes for line in axis.lines}


DRAW = {
    "curves": lambda ax=None: plot.curves(HISTORY, ax=ax),
    "weight_grid": lambda ax=None: plot.weight_grid(np.ones((5, 12)), (3, 4), ax=ax),
    "confusion": lambda ax=None: plot.confusion(np.eye(36), CLASSES, ax=ax),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_figure_is_drawn_into_the_axes_given_or_into_a_new_one(draw, tmp_path):
    given = subplot()
    assert draw(given) is given
    new = draw()
    assert new.get_xlabel()
    assert new.get_ylabel()
    new.figure.savefig(tmp_path / "figure.png")
    box, page = new.figure.get_tightbbox(), new.figure.bbox_inches
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= page.x1
    assert box.y1 <= page.y1


def test_neither_matplotlib_at_import_nor_pyplot_ever():
    code = (
        "import sys; from tinygrad_hw import plot; assert 'matplotlib' not in sys.modules;"
        "plot.curves({'train_loss': [1]}).figure.savefig(sys.stdout.buffer, format='svg');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"</svg>" in run.stdout


def test_curves_have_two_scales():
    ax = plot.curves(HISTORY)
    drawn = lines(ax)
    assert list(drawn) == [
        f"{what}, {part}" for what in ("loss", "accuracy") for part in ("training", "validation")
    ]
    assert drawn["loss, validation"].get_ydata().tolist() == [3.5, 2.5, 2.0]
    np.testing.assert_array_equal(drawn["accuracy, validation"].get_ydata(), [10, np.nan, 70])
    assert drawn["loss, training"].get_linestyle() != drawn["loss, validation"].get_linestyle()
    right = ax.figure.axes[1]
    assert (ax.get_ylabel(), right.get_ylabel()) == ("loss (mean over samples)", "accuracy (%)")
    legend = [text.get_text() for text in right.get_legend().get_texts()]
    assert legend == list(drawn)


def test_curves_leave_out_what_is_missing():
    ax = plot.curves({"train_accuracy": [0.25, 0.5]})
    assert len(ax.figure.axes) == 1
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 25], [2, 50]])
    assert ax.get_ylabel() == "accuracy (%)"


def test_weight_grid_lays_units_out_row_by_row():
    weight = np.arange(5 * 6, dtype=float).reshape(5, 6) - 20
    ax = plot.weight_grid(weight, (2, 3), columns=3)
    (image,) = ax.images
    grid = image.get_array()
    assert grid.shape == (5, 11)
    for unit in range(5):
        top, left = unit // 3 * 3, unit % 3 * 4
        np.testing.assert_array_equal(grid[top : top + 2, left : left + 3].ravel(), weight[unit])
    assert grid.mask.sum() == 5 * 11 - 30
    assert image.get_clim() == (-20, 20)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "3"]
    assert ax.figure.axes[1].get_ylabel() == "weight"
    upright = plot.weight_grid(weight.reshape(5, 2, 3), columns=3).images[0].get_array()
    np.testing.assert_array_equal(upright, grid)


@pytest.mark.parametrize(
    ("weight", "limit", "expected"),
    [
        ([[0.0, 0.0]], None, 1),
        ([[np.nan, -3.0]], None, 3),
        ([[np.inf, 1.0]], None, 1),
        ([[9.0, 1.0]], 2, 2),
    ],
)
def test_weight_grid_scale_is_symmetric(weight, limit, expected):
    image = plot.weight_grid(weight, (1, 2), limit=limit).images[0]
    assert image.get_clim() == (-expected, expected)


def test_confusion_writes_what_is_in_the_cells():
    ax = plot.confusion([[30, 0], [5, 15]], ["machine", "human"])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {
        (0, 0): "30",
        (0, 1): "5",
        (1, 1): "15",
    }
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["machine", "human"]
    assert (ax.get_ylabel(), ax.figure.axes[1].get_ylabel()) == ("true class", "number of samples")


def test_confusion_by_row():
    ax = plot.confusion([[30, 10, 0], [0, 0, 0], [0, 0, 2]], "ABC", normalize="true")
    np.testing.assert_array_equal(ax.images[0].get_array(), [[75, 25, 0], [0, 0, 0], [0, 0, 100]])
    assert [text.get_text() for text in ax.texts] == ["75", "25", "100"]
    assert ax.figure.axes[1].get_ylabel() == "share of the true class (%)"


def test_36_classes_are_legible():
    ax = plot.confusion(np.full((36, 36), 50), CLASSES)
    ax.figure.draw_without_rendering()
    cell = ax.get_window_extent().width / 36
    assert len(ax.texts) == 36 * 36
    assert all(text.get_window_extent().width < cell for text in ax.texts)
    assert min(tick.get_fontsize() for tick in ax.get_xticklabels()) >= 8
    assert ax.texts[0].get_fontsize() >= 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.curves({"lr": [1]}), "curves: expected a column train_loss, .*, got lr"),
        (
            lambda: plot.curves({"epoch": [1], "train_loss": [1, 2]}),
            r"curves: expected columns of one length, got lengths \[1, 2\]",
        ),
        (
            lambda: plot.weight_grid(np.ones((2, 5)), (2, 3)),
            r"weight_grid: .*got \(2, 5\) with .* \(2, 3\)",
        ),
        (lambda: plot.weight_grid(np.ones((0, 2, 2))), r"weight_grid: .*got \(0, 2, 2\)"),
        (lambda: plot.weight_grid(np.ones((2, 2, 2)), columns=0), "columns of 1 or more, got 0"),
        (
            lambda: plot.confusion(np.eye(2), "ABC"),
            r"a matrix \(3, 3\) for 3 classes, got \(2, 2\)",
        ),
        (lambda: plot.confusion(np.eye(2), "AB", normalize="all"), "None or 'true', got 'all'"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
