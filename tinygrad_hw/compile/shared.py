"""Large calls outside compiled steps, shared by threads: each is a program of one launch, made once for its shapes."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from ..kernels import jit, threads
from ..kernels.jit import Kernel
from ..kernels.recording import Launch, Recorder
from .launch import DONE
from .program import Program

_lock = threading.Lock()


def share_out(kernel: Kernel, args: tuple) -> bool:
    """Do a call, the workers beside this thread.

    False, and nothing done, where it has no parts or another Python thread is at it.
    """
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    key = tuple([(a.shape, a.dtype.char) if isinstance(a, np.ndarray) else a for a in args])
    if not _lock.acquire(False):
        return False
    try:
        program = _program(kernel, key, threads.get_num_threads())
        if program is None:
            return False
        program.use(arrays)
        return program.replay() == DONE
    finally:
        _lock.release()


@functools.lru_cache(512)
def _program(kernel: Kernel, key: tuple, count: int) -> Program | None:
    """The call for arguments like these by ``count`` threads; None where it cannot be shared."""
    recorder = Recorder()
    args = tuple([np.empty(*k) if isinstance(k, tuple) else k for k in key])
    arrays: list[Any] = [a for a in args if isinstance(a, np.ndarray)]
    for a in arrays:
        recorder.know(a)
    recorder.items.append(Launch(kernel, args, kernel.name))
    program = Program(recorder, arrays, [], [])
    program.let_go()
    return program if program.shared_launches else None


jit.share_out = share_out
