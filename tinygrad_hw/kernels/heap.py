"""Memory that large arrays leave behind is kept for the next ones.

A training step makes and drops the same arrays again and again. glibc gives large ones back to the system at once, which
then hands out zeroed pages anew: a quarter of an eager convolutional step. TINYGRAD_HW_KEEP=0 leaves its settings alone.
"""

from __future__ import annotations

import functools
import os
import sys

# <malloc.h>: arrays up to the first size come from the heap (glibc allows no more), whose free end is given back to the
# system where it is longer than the second.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_FROM_HEAP = 32 << 20
_KEPT = 256 << 20


@functools.cache
def keep() -> bool:
    """Have the C library keep up to 256 MB; whether it does."""
    if not sys.platform.startswith("linux") or os.environ.get("TINYGRAD_HW_KEEP") == "0":
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _FROM_HEAP) and mallopt(_TRIM_THRESHOLD, _KEPT))
