"""The line search of L-BFGS: a step length that fulfils the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A point on the search line: step length, value, gradient and slope there."""

    t: float
    value: float
    gradient: np.ndarray
    slope: float


def strong_wolfe(
    at: Callable[[float], Point],
    origin: Point,
    t: float,
    trials: int,
    shortest: float,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """A point with f(t) <= f(0) + c1 t f'(0) and |f'(t)| <= c2 |f'(0)|, and the evaluations spent.

    The best found when that would take more than about ``trials`` evaluations or a bracket shorter
    than ``shortest``.

    Source: Nocedal and Wright, Numerical optimization (2nd ed., 2006), Algorithms 3.5 and 3.6.
    """

    def too_high(x: Point) -> bool:  # or not a number
        return not x.value <= origin.value + c1 * x.t * origin.slope

    def flat(x: Point) -> bool:
        return abs(x.slope) <= -c2 * origin.slope

    # Extrapolate until two points have a minimum between them.
    last, new = origin, at(t)
    spent, rounds = 1, 0
    while rounds < trials:
        if too_high(new) or (rounds > 1 and new.value >= last.value):
            break
        if flat(new):
            return new, spent
        if new.slope >= 0:
            break
        t = _cubic_minimum(last, new, new.t + 0.01 * (new.t - last.t), 10 * new.t)
        last, new = new, at(t)
        spent += 1
        rounds += 1
    else:
        last = origin

    # Shrink the bracket around it.
    bracket = [last, new]
    low = int(new.value < last.value)
    stuck = False
    while rounds < trials:
        left, right = sorted(x.t for x in bracket)
        if right - left < shortest:
            break
        t = _cubic_minimum(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            stuck = False
        elif stuck or t >= right or t <= left:
            # Close to an end for the second time: keep a tenth of the bracket away from it.
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stuck = False
        else:
            stuck = True
        new = at(t)
        spent += 1
        rounds += 1
        if too_high(new) or new.value >= bracket[low].value:
            bracket[1 - low] = new
            low = int(bracket[1].value < bracket[0].value)
            continue
        if flat(new):
            return new, spent
        if new.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = new
    return bracket[low], spent


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points is least in [low, high] (eq. 3.59), else the middle."""
    if b.t < a.t:
        a, b = b, a
    middle = (low + high) / 2
    width = b.t - a.t
    if not width > 0:
        return middle
    d1 = a.slope + b.slope - 3 * (b.value - a.value) / width
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return middle
    d2 = math.sqrt(square)
    curvature = b.slope - a.slope + 2 * d2
    if curvature == 0:
        return middle
    return min(max(b.t - width * ((b.slope + d2 - d1) / curvature), low), high)
