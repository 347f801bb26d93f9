"""Nested tuples, lists and dicts of tensors: taken apart, and put together again around others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def _is_nest(tree: Any) -> bool:
    return isinstance(tree, tuple | list | dict)


def _parts(tree: Any) -> list:
    return list(tree.values() if isinstance(tree, dict) else tree)


def leaves(tree: Any) -> list:
    """What is no tuple, list or dict, in order."""
    if not _is_nest(tree):
        return [tree]
    return [leaf for part in _parts(tree) for leaf in leaves(part)]


def build(tree: Any, new: Iterator) -> Any:
    """``tree`` with its leaves replaced by those of ``new``, in order."""
    if not _is_nest(tree):
        return next(new)
    parts = [build(part, new) for part in _parts(tree)]
    if isinstance(tree, dict):
        return type(tree)(zip(tree, parts, strict=True))
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def map_leaves(function: Callable, tree: Any) -> Any:
    """``tree`` with ``function`` of each leaf in its place."""
    return build(tree, map(function, leaves(tree)))


def spread(name: str, prefix: Any, tree: Any) -> list:
    """For each leaf of ``tree`` what ``prefix`` says of it: an int or None stands for everything below it."""
    if prefix is None or isinstance(prefix, int):
        return [prefix] * len(leaves(tree))
    if not _is_nest(tree) or len(prefix) != len(tree):
        raise ValueError(
            f"{name}: expected ints or None in the form of the tensors, got {prefix!r} for {type(tree).__name__}"
        )
    keys = tree if isinstance(tree, dict) else range(len(tree))
    return [x for key in keys for x in spread(name, prefix[key], tree[key])]
