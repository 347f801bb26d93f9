"""Random numbers: one seedable generator, drawn from in NumPy and never inside a kernel.

So a seed governs everything, and a generator's state can be saved and restored exactly.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator

import numpy as np

from .kernels import recording


class Generator:
    """A source of random numbers with a state that can be saved: NumPy's PCG64 under PyTorch's names.

    ``numpy`` is the wrapped :class:`numpy.random.Generator`.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.numpy: np.random.Generator
        self._seed = 0
        self.manual_seed(secrets.randbits(63) if seed is None else seed)

    def manual_seed(self, seed: int) -> Generator:
        """Restart from ``seed`` (any integer of 64 bits) and return self."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"manual_seed: expected an integer, got {seed!r}")
        self._seed = int(seed)
        self.numpy = np.random.Generator(np.random.PCG64(self._seed % 2**64))
        return self

    def seed(self) -> int:
        """Restart from a seed drawn from the operating system, and return that seed."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the generator was last started from."""
        return self._seed

    def get_state(self) -> np.ndarray:
        """The state as 56 bytes (uint8): initial seed, PCG64 state and increment, spare half word."""
        state = self.numpy.bit_generator.state
        words = (
            (self._seed % 2**64, 8),
            (state["state"]["state"], 16),
            (state["state"]["inc"], 16),
            (state["has_uint32"], 8),
            (state["uinteger"], 8),
        )
        raw = b"".join(int(word).to_bytes(size, "little") for word, size in words)
        return np.frombuffer(raw, np.uint8).copy()

    def set_state(self, state) -> Generator:
        """Continue from ``state``, as ``get_state`` returned it, and return self."""
        raw = np.asarray(state)
        if raw.dtype != np.uint8 or raw.shape != (56,):
            raise ValueError(
                f"set_state: expected 56 bytes from get_state(), got {raw.dtype} of shape {raw.shape}"
            )
        data = raw.tobytes()
        seed, start, increment, has, spare = (
            int.from_bytes(data[low:high], "little")
            for low, high in ((0, 8), (8, 24), (24, 40), (40, 48), (48, 56))
        )
        self.manual_seed(seed)
        self.numpy.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": start, "inc": increment},
            "has_uint32": has,
            "uinteger": spare,
        }
        return self

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed})"


default_generator = Generator()


_guards: list[Callable[[], None]] = []


@contextlib.contextmanager
def guarded(look: Callable[[], None] | None) -> Iterator[None]:
    """Within it ``look`` is called before numbers are drawn, and may raise."""
    kept = list(_guards)
    if look is not None:
        _guards.append(look)
    try:
        yield
    finally:
        _guards[:] = kept


def draw(generator: Generator | None, method: str, *args) -> np.ndarray:
    """What that method of ``generator.numpy`` (default: the package's generator) returns; drawn anew at each replay."""
    for look in _guards:
        look()
    source = generator or default_generator
    recorder = recording.current and recording.here()
    if recorder is None:
        return getattr(source.numpy, method)(*args)
    state = source.get_state()
    recorder.undo_calls.append(lambda: source.set_state(state))
    return recorder.call(lambda: getattr(source.numpy, method)(*args), (), "random numbers")


def manual_seed(seed: int) -> Generator:
    """Restart the default generator from ``seed``; every unseeded draw of the package follows it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Restart the default generator from a seed of the operating system, and return that seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> np.ndarray:
    """The default generator's state (see ``Generator.get_state``)."""
    return default_generator.get_state()


def set_rng_state(state) -> None:
    """Put the default generator into ``state``."""
    default_generator.set_state(state)
