"""Characters rendered from fonts, and distorted copies of images."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_hw import data
from tinygrad_hw.data import rendered
from tinygrad_hw.data.augment import Distortion, sampled
from tinygrad_hw.errors import DataError
from tinygrad_hw.random import Generator

NOTHING = dict.fromkeys(("shift", "rotate", "shear", "scale", "squeeze", "elastic", "stroke"), 0.0)


def distorted(images, seed=0, **bounds):
    return Distortion(**NOTHING | bounds)(images, Generator(seed))


@pytest.fixture(scope="module")
def letters():
    return np.stack([rendered.glyph(c, "DejaVuSans") for c in "AFJLQR2457"] * 20)


def middle(images):
    """The center of ink of each image, (n, 2): row, column."""
    total = images.sum(axis=(1, 2))
    rows, columns = (np.arange(n) for n in images.shape[1:])
    y = (images.sum(axis=2) * rows).sum(axis=1) / total
    x = (images.sum(axis=1) * columns).sum(axis=1) / total
    return np.stack([y, x], axis=1)


def moments(images):
    """The covariance of ink of each image, (n, 2, 2)."""
    y, x = np.indices(images.shape[1:])
    m = middle(images)
    out = np.empty((len(images), 2, 2))
    for k, image in enumerate(images):
        d = np.stack([y - m[k, 0], x - m[k, 1]]).reshape(2, -1)
        out[k] = (d * image.ravel()) @ d.T / image.sum()
    return out


def test_nothing_changes_where_nothing_is_asked(letters):
    np.testing.assert_allclose(distorted(letters), letters, atol=1e-5)


def test_shifts_are_within_their_bound_and_spread(letters):
    moved = middle(distorted(letters, shift=2.0)) - middle(letters)
    assert np.abs(moved).max() < 2.3
    assert moved.std(axis=0) == pytest.approx([2 / np.sqrt(3)] * 2, abs=0.25)


def test_scales_change_both_sides_alike(letters):
    before, after = (
        np.linalg.det(moments(i)) ** 0.25 for i in (letters, distorted(letters, scale=0.15))
    )
    factor = np.log(after / before)
    assert np.abs(factor).max() < 0.2
    assert factor.std() == pytest.approx(0.15 / np.sqrt(3), abs=0.03)


def test_squeezing_changes_the_ratio_of_the_sides(letters):
    def ratio(images):
        m = moments(images)
        return 0.5 * np.log(m[:, 1, 1] / m[:, 0, 0])

    change = ratio(distorted(letters, squeeze=0.2)) - ratio(letters)
    assert change.std() == pytest.approx(0.2 / np.sqrt(3), abs=0.03)


def test_rotation_turns_by_as_many_degrees():
    bar = np.zeros((200, 33, 33), np.float32)
    bar[:, 4:29, 15:18] = 1
    m = moments(distorted(bar, rotate=20.0))
    angle = np.degrees(0.5 * np.arctan2(2 * m[:, 0, 1], m[:, 0, 0] - m[:, 1, 1]))
    assert np.abs(angle).max() < 21
    assert angle.std() == pytest.approx(20 / np.sqrt(3), abs=1.5)


def test_shear_slants_and_keeps_the_height():
    bar = np.zeros((200, 33, 33), np.float32)
    bar[:, 4:29, 15:18] = 1
    after = distorted(bar, shear=0.3)
    m = moments(after)
    slant = m[:, 0, 1] / m[:, 0, 0]
    assert slant.std() == pytest.approx(0.3 / np.sqrt(3), abs=0.03)
    heights = (after.max(axis=2) > 0.3).sum(axis=1)
    assert np.abs(heights - 25).max() <= 1


def test_strokes_grow_and_shrink(letters):
    change = distorted(letters, stroke=0.8).sum(axis=(1, 2)) / letters.sum(axis=(1, 2))
    assert change.max() > 1.2
    assert change.min() < 0.8
    after = distorted(letters, stroke=0.8)
    assert after.min() >= 0
    assert after.max() <= 1


def test_elastic_bends_differently_from_place_to_place(letters):
    after = distorted(letters, elastic=1.0)
    assert np.abs(after - letters).mean() > 0.01
    assert np.abs(middle(after) - middle(letters)).max() < 3


def test_a_seed_gives_the_same_and_float32(letters):
    a, b = (Distortion()(letters, Generator(7)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert a.dtype == np.float32
    assert (Distortion()(letters, Generator(8)) != a).any()


def test_sampling_is_bilinear_and_zero_outside():
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    rows = np.array([[[0.5, 1.0, -5.0, 2.0]]], np.float32)
    columns = np.array([[[0.25, 2.0, 0.0, 9.0]]], np.float32)
    np.testing.assert_allclose(sampled(image, rows, columns), [[[2.25, 6.0, 0.0, 0.0]]])


# --- rendered characters


def test_a_glyph_has_the_asked_size_in_the_middle():
    for character in "AI1W":
        image = rendered.glyph(character, "DejaVuSerif")
        rows, columns = np.flatnonzero(image.max(axis=1)), np.flatnonzero(image.max(axis=0))
        assert max(len(rows), len(columns)) == 25
        assert abs(rows[0] + rows[-1] - 31) <= 1
        assert abs(columns[0] + columns[-1] - 31) <= 2


def test_fonts_that_are_missing_are_named():
    with pytest.raises(DataError, match="load: expected the font .*Nothing.ttf of matplotlib"):
        rendered.font("Nothing", 20)


def test_rendered36_is_in_the_format_of_nist36_and_always_the_same():
    splits = data.load("rendered36")
    assert splits.source == "rendered fonts"
    assert splits.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    for (x, y), n in ((splits.train, 120), (splits.valid, 40), (splits.test, 40)):
        assert x.shape == (36 * n, 1024)
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        np.testing.assert_array_equal(np.bincount(y), np.full(36, n))
        assert 0.75 < x.mean() < 0.9  # paper is 1
        np.testing.assert_allclose(255 * x, np.rint(255 * x), atol=1e-4)
    again = data.rendered36()
    np.testing.assert_array_equal(again.test[0], splits.test[0])
    # Upright, the vertical stroke of an L is on the left and its foot below.
    x, y = splits.test
    ell = 1 - splits.upright(x[y == 11]).mean(axis=0)
    assert ell[:16, :16].sum() > 3 * ell[:16, 16:].sum()
    assert ell[22:, 16:].sum() > 2 * ell[:8, 16:].sum()


def test_parts_have_fonts_of_their_own():
    assert set(rendered.TEST_FONTS) < set(rendered.FONTS)
    assert set(rendered.VALID_FONTS) < set(rendered.FONTS)
    assert not set(rendered.TEST_FONTS) & set(rendered.VALID_FONTS)
