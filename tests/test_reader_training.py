"""How the reader's model is made: what it learns from, and the command on a few characters."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_hw import data, load_file
from tinygrad_hw.data import Splits
from tinygrad_hw.data.rendered import CLASSES, characters
from tinygrad_hw.random import Generator
from tinygrad_hw.reader import network, training


@pytest.fixture(scope="module")
def few():
    """A data set like NIST36 with four images a class."""
    images, y = characters(4, Generator(0))
    x = (1 - images.swapaxes(1, 2).reshape(len(y), -1)).astype(np.float32)
    part = (x, y.astype(np.int64))
    return Splits("nist36", "a few", CLASSES, (32, 32), part, part, part, transposed=True)


def test_images_are_upright_ink(few):
    x, y = training.handwritten(few, ("train", "valid"))
    assert x.shape == (2 * 4 * 36, 32, 32)
    assert x.mean() < 0.3
    ell = x[y == CLASSES.index("L")].mean(axis=0)
    assert ell[:16, :16].sum() > 3 * ell[:16, 16:].sum()


def test_touching_characters_touch():
    rng = np.random.default_rng(0)
    from scipy import ndimage

    joined = 0
    for pair in ("AB", "HE", "OX", "IL"):
        pieces = [training.printed(c, "DejaVuSans") for c in pair]
        whole, starts = training.touching(pieces, rng)
        assert len(starts) == 1
        assert whole.width < pieces[0].width + pieces[1].width + 4
        assert whole.height == max(p.height for p in pieces)
        joined += ndimage.label(whole.ink, np.ones((3, 3)))[1] == 1
    assert joined >= 1


def test_misfits_are_crops():
    source = [training.printed(c, "DejaVuSans") for c in "ABCDEH"]
    found = training.misfits(20, source, np.random.default_rng(0))
    assert found.shape == (20, 32, 32)
    assert found.min() >= 0
    assert found.max() <= 1
    with pytest.raises(ValueError, match="tight: expected ink, got none"):
        training.tight(np.zeros((3, 3), bool))


def test_the_command_writes_a_model(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "load", lambda name, root: few)
    monkeypatch.setattr(training, "_LEARNED_FONTS", ("DejaVuSerif",))
    out = tmp_path / "model.safetensors"
    training.main(["--out", str(out), "--epochs", "2", "--limit", "200"])
    text = capsys.readouterr().out
    assert "epoch  2  loss" in text
    assert "a few, test part as they are: 0." in text
    network().load_state_dict(load_file(out))
