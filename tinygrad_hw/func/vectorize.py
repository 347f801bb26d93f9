"""vmap: a function of one example as a function of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import ops
from .. import random as _random
from ..ops.shape import _permute, normalize_dim
from ..tensor import Tensor, ValuesNeeded
from . import batching, rules, tree  # noqa: F401 (rules states what batching looks up)
from .batching import expose, hide


def _to_front(x: Tensor, dim: int) -> Tensor:
    dim = normalize_dim("vmap", dim, x.ndim)
    return x if not dim else _permute(x, (dim, *(d for d in range(x.ndim) if d != dim)))


def _from_front(x: Tensor, dim: int) -> Tensor:
    dim = normalize_dim("vmap", dim, x.ndim)
    order = list(range(1, x.ndim))
    order.insert(dim, 0)
    return _permute(x, tuple(order)) if dim else x


class _Vmap:
    """What ``vmap`` returns."""

    def __init__(self, func: Callable, in_dims: Any, out_dims: Any, randomness: str, chunk: Any):
        functools.update_wrapper(self, func)
        self.func = func
        self.in_dims = in_dims
        self.out_dims = out_dims
        self.randomness = randomness
        self.chunk = chunk
        #: What the last call did one example at a time: names of operators, or {"function"} for all of it.
        self.looped: set[str] = set()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = tree.leaves(args)
        dims = tree.spread("vmap", self.in_dims, args)
        for x, dim in zip(values, dims, strict=True):
            if dim is not None and not isinstance(x, Tensor):
                raise TypeError(
                    f"vmap: expected a Tensor where in_dims is {dim}, got {type(x).__name__}"
                )
        fronts = [x if d is None else _to_front(x, d) for x, d in zip(values, dims, strict=True)]
        counts = {x.shape[0] for x, d in zip(fronts, dims, strict=True) if d is not None}
        if len(counts) != 1:
            raise ValueError(
                f"vmap: expected one number of examples, got {sorted(counts) or 'no in_dims'}"
            )
        count = counts.pop()
        mapped = [d is not None for d in dims]
        size = self.chunk or count or 1
        self.looped = set()
        parts = []
        for start in range(0, max(count, 1), size):
            some = [
                x[start : start + size] if m else x for x, m in zip(fronts, mapped, strict=True)
            ]
            stop = min(start + size, count)
            parts.append(self._run(args, some, mapped, stop - start, kwargs))
        flat = [tree.leaves(p) for p in parts]
        joined = [ys[0] if len(ys) == 1 else ops.cat(ys) for ys in zip(*flat, strict=True)]
        out_dims = tree.spread("vmap", self.out_dims, parts[0])
        if None in out_dims:
            raise ValueError("vmap: expected an int in out_dims for each output, got None")
        placed = (_from_front(y, d) for y, d in zip(joined, out_dims, strict=True))
        return tree.build(parts[0], placed)

    def _run(self, args: tuple, fronts: list, mapped: list, count: int, kwargs: dict) -> Any:
        """The function of all examples, which are along the tensors' first dimension, as that of the results."""
        before = _random.get_rng_state()
        try:
            return self._together(args, fronts, mapped, count, kwargs)
        except ValuesNeeded:
            if not count:
                raise ValueError("vmap: expected at least 1 example for this function") from None
        self.looped = {"function"}
        _random.set_rng_state(before)
        results = []
        for i in range(count):
            if self.randomness == "same":
                _random.set_rng_state(before)
            one = (x[i] if m else x for x, m in zip(fronts, mapped, strict=True))
            with _random.guarded(self._draws if self.randomness == "error" else None):
                results.append(self._result(self.func(*tree.build(args, one), **kwargs)))
        flat = zip(*map(tree.leaves, results), strict=True)
        return tree.build(results[0], (ops.stack(ys) for ys in flat))

    def _together(self, args: tuple, fronts: list, mapped: list, count: int, kwargs: dict) -> Any:
        sizes, looped = batching.state.sizes, batching.state.looped
        level = max(sizes, default=-1) + 1
        batching.state.sizes = {**sizes, level: count}
        batching.state.looped = set()
        try:
            examples = (hide(x, (level,)) if m else x for x, m in zip(fronts, mapped, strict=True))
            with _random.guarded(self._draws):
                result = self._result(self.func(*tree.build(args, examples), **kwargs))
            found = tree.map_leaves(lambda y: expose(y, (level,)), result)
            self.looped |= batching.state.looped
            looped |= self.looped
            return found
        finally:
            batching.state.sizes, batching.state.looped = sizes, looped

    def _draws(self) -> None:
        if self.randomness == "different":
            raise ValuesNeeded
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: the function draws random numbers\n"
                "randomness='different' draws for each example, 'same' the same for all."
            )

    def _result(self, result: Any) -> Any:
        for y in tree.leaves(result):
            if not isinstance(y, Tensor):
                raise TypeError(f"vmap: expected Tensors from the function, got {type(y).__name__}")
        return result


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """xs ↦ the results of ``func`` for each x, stacked; as one run of func on all of them wherever that is possible.

    ``in_dims``: along which dimension the examples of each argument lie, None where it is the same for all; an int,
    or a nest in the form of the arguments. ``out_dims``: where they are to lie in the results. ``randomness``: error,
    different (numbers drawn for each example) or same. ``chunk_size``: at most so many examples at a time.
    Operators without a rule run example by example, and so does a function that looks at values (``if x > 0``): the
    returned function's attribute ``looped`` names those of its last call.
    """
    if randomness not in ("error", "different", "same"):
        raise ValueError(
            f"vmap: expected error, different or same as randomness, got {randomness!r}"
        )
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: expected chunk_size >= 1, got {chunk_size}")
    return _Vmap(func, in_dims, out_dims, randomness, chunk_size)
