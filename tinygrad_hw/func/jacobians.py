"""Whole Jacobians: a pullback or pushforward for all directions of a basis at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops import reshape
from ..tensor import Tensor
from . import tree
from .transforms import _split, linearize, vjp
from .vectorize import vmap


def _basis(like: list) -> list[Tensor]:
    """For each tensor the directions of all elements of all of them: shape (directions, …)."""
    total = sum(math.prod(x.shape) for x in like)
    directions, start = [], 0
    for x in like:
        size = math.prod(x.shape)
        rows = np.zeros((total, size), x.dtype)
        rows[start : start + size] = np.eye(size, dtype=x.dtype)
        directions.append(Tensor._wrap(rows.reshape(total, *x.shape)))
        start += size
    return directions


def jacrev(
    func: Callable,
    argnums: int | tuple = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable:
    """x ↦ ∂f/∂x by backward passes: shape (*output, *input), in the form of the output, then of the inputs.

    ``chunk_size``: at most so many rows at a time (default: all).
    """

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        of_chosen, chosen = _split("jacrev", func, argnums, args, kwargs)
        output, pullback, *aux = vjp(of_chosen, chosen, has_aux=has_aux)
        outputs = tree.leaves(output)
        pull = vmap(lambda *c: pullback(tree.build(output, iter(c)))[0], chunk_size=chunk_size)
        rows = pull(*_basis(outputs))
        blocks, start = [], 0
        for y in outputs:
            stop = start + math.prod(y.shape)
            block = tree.map_leaves(_cut(start, stop, tuple(y.shape)), rows)
            blocks.append(block[0] if isinstance(argnums, int) else block)
            start = stop
        result = tree.build(output, iter(blocks))
        return (result, *aux) if has_aux else result

    return run


def _cut(start: int, stop: int, shape: tuple) -> Callable:
    return lambda rows: reshape(rows[start:stop], (*shape, *rows.shape[1:]))


def jacfwd(
    func: Callable,
    argnums: int | tuple = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable:
    """x ↦ ∂f/∂x by forward mode: the same values as ``jacrev``, a column at a time."""

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        of_chosen, chosen = _split("jacfwd", func, argnums, args, kwargs)
        _output, push, *aux = linearize(of_chosen, chosen, has_aux=has_aux)
        inputs = tree.leaves(chosen)
        columns = vmap(
            lambda *t: push(tree.build(chosen, iter(t))), out_dims=-1, chunk_size=chunk_size
        )(*_basis(inputs))

        def blocks(column: Tensor) -> Any:
            found, start = [], 0
            for x in inputs:
                stop = start + math.prod(x.shape)
                found.append(reshape(column[..., start:stop], (*column.shape[:-1], *x.shape)))
                start = stop
            block = tree.build(chosen, iter(found))
            return block[0] if isinstance(argnums, int) else block

        result = tree.map_leaves(blocks, columns)
        return (result, *aux) if has_aux else result

    return run


def hessian(func: Callable, argnums: int | tuple = 0) -> Callable:
    """x ↦ ∂²f/∂x²: ``jacfwd`` of ``jacrev``."""
    return jacfwd(jacrev(func, argnums), argnums)
