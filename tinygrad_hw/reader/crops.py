"""A mark on the page as an image like those that the network learned from."""

from __future__ import annotations

import numpy as np

from .boxes import Mark

SIDE, LONGEST, STROKE = 32, 25.0, 3.0


def crop(mark: Mark) -> np.ndarray:
    """The mark as ink 1 on paper 0, float32 (32, 32): its longer side 25 pixels, its strokes about 3, in the middle.

    Strokes are brought to their width where the pixels are still many, by distance from the edge of the ink.
    """
    from PIL import Image
    from scipy import ndimage

    scale = LONGEST / max(mark.width, mark.height)
    wanted = STROKE / scale
    margin = int(np.ceil(wanted)) + 1
    ink = np.pad(mark.ink, margin)
    width = stroke_width(ink)
    change = (wanted - width) / 2
    if change > 0.5:
        ink = ndimage.distance_transform_edt(~ink) <= change
    elif change < -0.5:
        # A stroke that is thinner than the others has to survive.
        inside = ndimage.distance_transform_edt(ink)
        ink = inside > min(-change, 0.35 * width)
    grown = mark.part(ink)
    assert grown is not None
    ink = grown.ink
    scale = LONGEST / max(ink.shape)
    height, width_ = (max(1, round(n * scale)) for n in ink.shape)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    small = Image.fromarray(ink.astype(np.float32)).resize((width_, height), method)
    out = np.zeros((SIDE, SIDE), np.float32)
    y, x = (SIDE - height) // 2, (SIDE - width_) // 2
    out[y : y + height, x : x + width_] = np.asarray(small)
    return out


def stroke_width(ink: np.ndarray) -> float:
    """The width of the strokes of a mark, in pixels: twice the distance of their middle from the paper."""
    from scipy import ndimage

    inside = ndimage.distance_transform_edt(np.pad(ink, 1))
    ridge = inside[(inside == ndimage.maximum_filter(inside, 3)) & (inside > 0)]
    return 2 * float(np.median(ridge)) - 0.5
