"""Ctrl-C, held back until a batch is complete."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """Within it a first Ctrl-C only sets ``pressed``; a second one raises KeyboardInterrupt at once.

    So no update, file or compilation is cut in two. Where Ctrl-C is not Python's to handle (another thread,
    or a handler of the caller's), nothing is changed.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._ours = False

    def __enter__(self) -> Interrupt:
        self._ours = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self._ours:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
