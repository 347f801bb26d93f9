"""O or 0, I or 1, S or 5, Z or 2: what a character's neighbors say."""

from __future__ import annotations

import numpy as np

#: The chance that a digit follows a letter, or a letter a digit, within a word and across a space.
WITHIN, ACROSS = 0.02, 0.25
#: The chance that the first word of a line is a number when a full stop follows it.
NUMBERED = 0.97

LETTERS = 26


def settled(scores: np.ndarray, space: list[bool], numbered: bool = False) -> np.ndarray:
    """ln p(class | the whole line), (n, 36), of characters whose own ln p(class) are ``scores`` (n, 36).

    A hidden Markov chain: each character is a letter (classes 0 to 25) or a digit, and words seldom mix them. Each
    class gets what its kind gets from both sides (forward-backward); among letters, and among digits, the order of
    the classes stays. ``space`` says where a word begins; ``numbered``, that the first word has a full stop behind it.
    """
    n = len(scores)
    scores = scores - _log_sum(scores, 1)[:, None]
    kinds = np.stack([_log_sum(scores[:, :LETTERS], 1), _log_sum(scores[:, LETTERS:], 1)], axis=1)
    first = np.log([1 - NUMBERED, NUMBERED] if numbered else [0.5, 0.5])
    forward = np.zeros((n, 2))
    backward = np.zeros((n, 2))
    steps = [_change(ACROSS if s else WITHIN) for s in space]
    for i in range(n):
        before = first if i == 0 else _log_sum(forward[i - 1][:, None] + steps[i], 0)
        forward[i] = before + kinds[i]
    for i in range(n - 2, -1, -1):
        backward[i] = _log_sum(steps[i + 1] + (kinds[i + 1] + backward[i + 1])[None, :], 1)
    posterior = forward + backward
    posterior -= _log_sum(posterior, 1)[:, None]
    change = posterior - kinds
    return scores + np.repeat(change, [LETTERS, scores.shape[1] - LETTERS], axis=1)


def _change(chance: float) -> np.ndarray:
    return np.log([[1 - chance, chance], [chance, 1 - chance]])


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))).squeeze(axis)
