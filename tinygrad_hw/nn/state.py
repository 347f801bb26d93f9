"""Which entries of a saved state belong to which tensors of a module, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..names import nearest
from ..tensor import Tensor


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict(strict=False)`` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def match_state(
    targets: Mapping[str, Tensor], state: Any, strict: bool, owner: str
) -> tuple[dict[str, np.ndarray], IncompatibleKeys]:
    """The array in ``state`` for each of the ``targets`` that has one, and the keys without a partner.

    Raises: RuntimeError that lists every misfit: keys without a partner where ``strict``, shapes and types always.
    """
    if not isinstance(state, Mapping):
        raise TypeError(
            f"load_state_dict: expected a mapping of names to Tensors, got {type(state).__name__}"
        )
    skipped = IncompatibleKeys(
        [name for name in targets if name not in state],
        [name for name in state if name not in targets],
    )
    misfits = []
    if strict:
        for name in skipped.missing_keys:
            misfits.append(f"missing key {name!r}{nearest(name, skipped.unexpected_keys)}")
        for name in skipped.unexpected_keys:
            misfits.append(f"unexpected key {name!r}{nearest(name, targets)}")
    sources = {}
    for name, target in targets.items():
        if name not in state:
            continue
        value = state[name]
        source = value._array if isinstance(value, Tensor) else value
        if not isinstance(source, np.ndarray) or source.dtype.kind not in "fiub":
            got = getattr(source, "dtype", type(source).__name__)
            misfits.append(f"{name!r}: expected a Tensor or an array of numbers, got {got}")
        elif source.shape != target.shape:
            misfits.append(
                f"shape of {name!r}: {target.shape} in the module, {source.shape} in the state"
            )
        else:
            sources[name] = source
    if misfits:
        raise RuntimeError(
            f"load_state_dict: the state does not fit {owner}, nothing was loaded:\n  "
            + "\n  ".join(misfits)
        )
    return sources, skipped
