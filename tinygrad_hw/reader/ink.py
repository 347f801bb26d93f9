"""Where the ink is: light evened out, light ink on dark paper inverted, strokes found by two thresholds."""

from __future__ import annotations

import numpy as np

#: The page is looked at in blocks of 1/64 of its longer side to learn how bright the paper is.
BLOCKS = 64
#: Marks whose darkness, against the paper around them, is below this are shadows and print showing through.
FAINTEST = 0.04


def darkness(grey: np.ndarray) -> np.ndarray:
    """1 − brightness / brightness of the paper around it: 0 on paper, towards 1 in ink, float32 (height, width).

    The paper's brightness is a high percentile of each block of the page, closed over neighboring blocks (so that a
    block full of ink does not pass for paper) and interpolated. Light ink on dark paper is inverted first.
    """
    from scipy import ndimage

    height, width = grey.shape
    size = max(4, -(-max(height, width) // BLOCKS))
    # Judged in larger squares, of which ink is the smaller part even where letters are bold.
    if _light_on_dark(_blocks(grey, 8 * size)):
        grey = 1 - grey
    paper = np.percentile(_blocks(grey, size), 90, axis=2)
    # What closing would do at the edges to light that falls off steadily, it does not do to the rest.
    slope = _plane(paper)
    paper = ndimage.grey_closing(paper - slope, (7, 7), mode="nearest")
    paper = ndimage.gaussian_filter(paper, 1.0, mode="nearest") + slope
    # Block (i, j) is about its center, at pixel ((i + 1/2) size, (j + 1/2) size).
    rows = (np.arange(height) + 0.5) / size - 0.5
    columns = (np.arange(width) + 0.5) / size - 0.5
    background = _interpolated(_interpolated(paper, rows).T, columns).T
    return (1 - grey / np.maximum(background, 1e-3)).astype(np.float32)


def _blocks(grey: np.ndarray, size: int) -> np.ndarray:
    """The page cut into squares: (rows, columns, size²), the last ones filled up with the page's edge."""
    rows, columns = (-(-n // size) for n in grey.shape)
    pad = [(0, n * size - m) for n, m in zip((rows, columns), grey.shape, strict=True)]
    squares = np.pad(grey, pad, mode="edge").reshape(rows, size, columns, size)
    return squares.swapaxes(1, 2).reshape(rows, columns, size * size)


def _light_on_dark(blocks: np.ndarray) -> bool:
    """Whether pixels that stand out from their surroundings are lighter than these, rather than darker."""
    deviation = blocks - np.median(blocks, axis=2, keepdims=True)
    return float((deviation.astype(np.float64) ** 3).mean()) > 0


def _plane(values: np.ndarray) -> np.ndarray:
    """The plane nearest to most of the values (rows, columns): fitted again without those far below it."""
    i, j = np.indices(values.shape).reshape(2, -1)
    design = np.stack([np.ones(i.size), i, j], axis=1)
    flat = values.ravel()
    plane = np.full(flat.size, np.median(flat))
    for _ in range(4):
        kept = flat > plane - 0.1
        plane = design @ np.linalg.lstsq(design[kept], flat[kept], rcond=None)[0]
    return plane.reshape(values.shape)


def _interpolated(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows of ``values`` at fractional positions, linear between them and beyond."""
    low = np.clip(np.floor(at).astype(int), 0, max(len(values) - 2, 0))
    high = np.minimum(low + 1, len(values) - 1)
    part = (at - low)[:, None]
    return values[low] * (1 - part) + values[high] * part


def strokes(dark: np.ndarray) -> np.ndarray:
    """The pixels that are ink, bool (height, width): dark ones, and less dark ones that touch them.

    The thresholds are halves and quarters of the darkness of the page's ink, but always well above its noise.
    """
    from scipy import ndimage

    # What counts for paper above is its brightest tenth; the rest of its noise is no ink.
    level = float(np.median(dark))
    noise = 1.4826 * float(np.median(np.abs(dark - level)))
    smooth = ndimage.gaussian_filter(dark - level, max(dark.shape) / 2400)
    visible = smooth[smooth > max(5 * noise, FAINTEST)]
    # A page without ink has a few such pixels at most: dust, or the tail of its noise.
    if len(visible) < 10:
        return np.zeros(dark.shape, bool)
    ink = float(np.percentile(visible, 90))
    high = max(0.5 * ink, 5 * noise, FAINTEST)
    low = max(0.25 * ink, 2.5 * noise, 0.6 * FAINTEST)
    labels, _ = ndimage.label(smooth > low, np.ones((3, 3)))
    kept = np.zeros(labels.max() + 1, bool)
    kept[labels[smooth > high]] = True
    kept[0] = False
    return kept[labels]
