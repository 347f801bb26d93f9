"""Large calls outside compiled steps, shared by threads: each is a program of one launch, made once for its shapes."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..kernels import jit, threads
from ..kernels.jit import Kernel
from ..kernels.recording import Launch, Recorder
from .launch import DONE
from .program import Program

#: Programs that are kept; the oldest goes first.
KEPT = 256

_lock = threading.Lock()
_programs: dict[tuple, Program | None] = {}


def share_out(kernel: Kernel, args: tuple) -> bool:
    """Do a call, the workers beside this thread.

    False, and nothing done, where it has no parts or another Python thread is at it.
    """
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    # 0.0 is not -0.0, and 1.0 not 1.
    kinds = [(a.shape, a.dtype) if isinstance(a, np.ndarray) else repr(a) for a in args]
    key = kernel, threads.get_num_threads(), *kinds
    if not _lock.acquire(False):
        return False
    try:
        if key not in _programs:
            if len(_programs) == KEPT:
                del _programs[next(iter(_programs))]
            _programs[key] = _program(kernel, args)
        program = _programs[key]
        if program is None:
            return False
        program.use(arrays)
        return program.replay() == DONE
    finally:
        _lock.release()


def _program(kernel: Kernel, args: tuple) -> Program | None:
    """The call for arguments like these; None where it cannot be shared."""
    recorder = Recorder()
    args = tuple([np.empty(a.shape, a.dtype) if isinstance(a, np.ndarray) else a for a in args])
    arrays: list[Any] = [a for a in args if isinstance(a, np.ndarray)]
    for a in arrays:
        recorder.know(a)
    recorder.items.append(Launch(kernel, args, kernel.name))
    program = Program(recorder, arrays, [], [])
    program.let_go()
    return program if program.shared_launches else None


jit.share_out = share_out
