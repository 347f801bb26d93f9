"""Generators: seeds, states, and what draws from them."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_hw as tg

DRAWS = {
    "rand": lambda g: tg.rand(5, generator=g),
    "randn": lambda g: tg.randn(5, generator=g),
    "rand_like": lambda g: tg.rand_like(tg.zeros(5), generator=g),
    "randn_like": lambda g: tg.randn_like(tg.zeros(5), generator=g),
    "randint": lambda g: tg.randint(1000, (5,), generator=g),
    "randperm": lambda g: tg.randperm(50, generator=g),
    "uniform_": lambda g: tg.zeros(5).uniform_(generator=g),
    "normal_": lambda g: tg.zeros(5).normal_(generator=g),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_governs_every_draw(draw):
    first, again, other = (draw(tg.Generator(seed)).tolist() for seed in (3, 3, 4))
    assert first == again != other
    tg.manual_seed(3)
    assert draw(None).tolist() == first
    assert draw(None).tolist() != first


def test_the_state_is_saved_and_restored():
    g = tg.Generator(7)
    g.numpy.integers(0, 2, 3, dtype=np.int8)  # leaves part of a word behind, which is state too
    state = g.get_state()
    assert state.dtype == np.uint8
    first = [draw(g).tolist() for draw in DRAWS.values()]
    other = tg.Generator(0).set_state(tg.from_numpy(state))
    assert [draw(other).tolist() for draw in DRAWS.values()] == first
    assert other.initial_seed() == 7
    g.set_state(state)
    assert [draw(g).tolist() for draw in DRAWS.values()] == first


def test_the_default_generator():
    assert tg.manual_seed(-1) is tg.default_generator
    assert tg.initial_seed() == -1
    state = tg.get_rng_state()
    first = tg.rand(3).tolist()
    tg.set_rng_state(state)
    assert tg.rand(3).tolist() == first
    assert tg.seed() == tg.initial_seed() != tg.seed()
    assert tg.Generator().initial_seed() != tg.Generator().initial_seed()
    assert repr(tg.Generator(5)) == "Generator(seed=5)"


def test_refusals():
    for bad in (1.5, True, "a"):
        with pytest.raises(TypeError, match="manual_seed: expected an integer, got "):
            tg.manual_seed(bad)
    with pytest.raises(
        ValueError, match=r"set_state: expected 56 bytes .*, got float32 of shape \(56,\)"
    ):
        tg.set_rng_state(tg.zeros(56))
    with pytest.raises(
        ValueError, match=r"set_state: expected 56 bytes .*, got uint8 of shape \(3,\)"
    ):
        tg.set_rng_state(np.zeros(3, np.uint8))
