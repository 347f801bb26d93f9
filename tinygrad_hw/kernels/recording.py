"""Recording: while a step runs, each computation on arrays is noted, so that it can be done again without Python.

A recorder knows every array that a step may read: what it was given, what it has computed, and state that lives
longer than the step (parameters, optimizer buffers). What the package computes comes by here as one of

    launch   a kernel with its arguments: replayed natively
    call     a Python function of arrays that computes otherwise: called again at each replay
    host     what Python has to do before the native part of each replay (a learning rate of the moment)

An array of any other origin would be frozen into the replay, so it is refused where it is first used.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import CaptureError


class Launch:
    """One call of a kernel. ``origin`` is the function and arguments in whose course it was made, for its errors."""

    __slots__ = ("args", "kernel", "name", "origin")

    def __init__(self, kernel: Any, args: tuple, name: str) -> None:
        self.kernel = kernel
        self.args = args
        self.name = name
        self.origin: tuple[Callable, tuple] | None = None


class Call:
    """One call of a Python function, whose result (an array, a tuple of arrays or None) is put where it was at first."""

    __slots__ = ("args", "function", "name", "result")

    def __init__(self, function: Callable, args: tuple, result: Any, name: str) -> None:
        self.function = function
        self.args = args
        self.result = result
        self.name = name


def root_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory that ``array`` shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def arrays_in(value: Any) -> Iterator[np.ndarray]:
    """The arrays in nested tuples and lists."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list):
        for v in value:
            yield from arrays_in(v)


#: What is done before a replay, given the program: it returns whether it has changed the numbers of launches. And, where it
#: counts, a function whose result gives things the counts that they have now: a replay that stops has not taken place.
Host = tuple[Callable[[Any], bool], Callable[[], Callable[[], Any]] | None]


class Recorder:
    """What one run of a step did, in order, and how to undo it.

    ``state`` are the arrays that outlive the step, by the id of the array that owns the memory; ``hosts`` what Python
    does before each replay. ``refused`` makes calls that are not native an error (``fullgraph``).
    """

    def __init__(self, fullgraph: bool = False) -> None:
        self.fullgraph = fullgraph
        self.thread = threading.get_ident()
        self.items: list[Launch | Call] = []
        self.hosts: list[Host] = []
        self.state: dict[int, np.ndarray] = {}
        self.made: dict[int, np.ndarray] = {}
        self.undo: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.undo_calls: list[Callable[[], Any]] = []
        self.grads: dict[
            int, tuple[Any, Any, bool]
        ] = {}  # tensor, its grad at first, whether that was read
        self.bumped: dict[int, tuple[Any, str]] = {}
        self.guards: dict[int, tuple[Callable[[], Any], Any]] = {}
        self.hosting = False
        self.passed: set = set()  # the nodes that backward passes went through
        self.tensors: dict[int, tuple[Any, np.ndarray]] = {}
        self.inside: str | None = None
        self.stranger = False

    # What is known

    def know(self, array: np.ndarray) -> None:
        """``array`` belongs to the step's arguments, or to state that outlives the step."""
        root = root_of(array)
        if id(root) not in self.made:
            self.state.setdefault(id(root), root)

    def knows(self, array: np.ndarray) -> bool:
        """Whether the step computed ``array``'s memory, or was given it."""
        key = id(root_of(array))
        return key in self.made or key in self.state or not array.size

    def adopt(self, tensor: Any) -> None:
        """A Tensor that the step uses: if the step did not make it, it is state."""
        array = tensor._array
        if not self.knows(array):
            self.know(array)
            self.tensors[id(tensor)] = (tensor, array)

    def _check(self, values: Any, name: str) -> None:
        for a in arrays_in(values):
            if not self.knows(a):
                raise CaptureError(
                    f"compile: {name} uses an array of shape {a.shape} that no recorded operation computed\n"
                    "Pass it to the step as an argument, or make it a Tensor before the step."
                )

    def remember(self, array: np.ndarray) -> None:
        """Keep the values of memory that outlives the step, before its first change: a refused step undoes itself."""
        root = root_of(array)
        if id(root) in self.state and id(root) not in self.undo:
            self.undo[id(root)] = root, root.copy()

    def roll_back(self) -> None:
        """Give everything that outlives the step the values that it had."""
        for root, before in self.undo.values():
            np.copyto(root, before)
        for tensor, grad, _ in self.grads.values():
            tensor._grad = grad
        for undo in reversed(self.undo_calls):
            undo()

    def guard(self, key: Any, look: Callable[[], Any]) -> None:
        """What ``look`` returns has to be the same at each replay."""
        self.guards.setdefault(id(key), (look, look()))

    def changes(self, tensor: Any, name: str) -> None:
        """The step changes ``tensor`` in place, in an operation ``name``."""
        self.bumped[id(tensor)] = tensor, name
        tensor._bump(name)

    # What is done

    def launch(self, kernel: Any, args: tuple) -> Any:
        """Run a kernel and note it.  Its first arguments, as many as it has outputs, are what it writes."""
        name = self.inside or kernel.name
        for position, a in enumerate(args):
            if not isinstance(a, np.ndarray):
                continue
            root = root_of(a)
            if position < kernel.outputs:
                if id(root) in self.state:
                    self.remember(root)
                else:
                    self.made.setdefault(id(root), root)
            elif not self.knows(a):
                if self.inside is None:
                    self._check(a, name)
                self.stranger = True
        result = kernel.run(args)
        self.items.append(Launch(kernel, args, name))
        return result

    def call(self, function: Callable, args: tuple, name: str) -> Any:
        """``function(*args)``, noted as the launches that it makes or, where it computes otherwise, as a call."""
        if self.inside is not None:
            return function(*args)
        self._check(args, name)
        mark = len(self.items)
        self.inside, self.stranger = name, False
        try:
            result = function(*args)
        finally:
            self.inside = None
        if isinstance(result, np.generic):
            result = np.asarray(result)
        launches = self.items[mark:]
        if not self.stranger and all(self.knows(a) for a in arrays_in(result)):
            for item in launches:
                item.origin = function, args  # type: ignore[union-attr]
            return result
        del self.items[mark:]
        self._note(function, args, result, name)
        return result

    def effect(self, function: Callable, args: tuple, name: str) -> Any:
        """``function(*args)``, called again at each replay for what it does to its first argument."""
        self._check(args, name)
        self.remember(args[0])
        result = function(*args)
        self._note(function, args, None, name)
        return result

    def checks(self, function: Callable, args: tuple) -> None:
        """``function(*args)`` is called again at each replay, as it may raise."""
        self._check(args, function.__name__)
        self.items.append(Call(function, args, None, "check"))

    def _note(self, function: Callable, args: tuple, result: Any, name: str) -> None:
        if self.fullgraph:
            raise CaptureError(
                f"compile: {name} has no native form for these operands\n"
                "Without fullgraph=True it is called from Python between the native parts."
            )
        self.items.append(Call(function, args, result, name))
        for a in arrays_in(result):
            root = root_of(a)
            self.made.setdefault(id(root), root)

    # Gradients: what they were when the step began, if it looked

    def read_grad(self, tensor: Any) -> None:
        if id(tensor) not in self.grads:
            grad = tensor._grad
            self.grads[id(tensor)] = tensor, grad, True
            if grad is not None:
                self.adopt(grad)

    def write_grad(self, tensor: Any) -> None:
        if id(tensor) not in self.grads:
            self.grads[id(tensor)] = tensor, tensor._grad, False


#: The recorder while a step is being recorded, else None. Whether this thread records it, ``here`` tells: nearly always
#: nobody does, which ``recording.current and recording.here()`` finds without a call.
current: Any = None
_one_at_a_time = threading.Lock()


def here() -> Any:
    """The recorder of the step that this thread is recording; None if it records none."""
    recorder = current
    return recorder if recorder is not None and recorder.thread == threading.get_ident() else None


#: Counts changes of what recorded steps take for granted: modules' attributes, which tensors require gradients,
#: which array a tensor holds, an optimizer's groups and state.
changes = 0


def changed() -> None:
    """Something that a recorded step takes for granted has changed: it will look before it runs again."""
    global changes
    changes += 1


class Busy(Exception):
    """Another thread is recording."""


@contextlib.contextmanager
def recording(recorder: Recorder, wait: bool = True) -> Iterator[Recorder]:
    """Within it, this thread's computations are noted by ``recorder``.

    Raises: Busy, unless told to ``wait``, while another thread is recording.
    """
    global current
    if current and here():
        raise CaptureError(
            "compile: a compiled step cannot be recorded within another one's recording"
        )
    if not _one_at_a_time.acquire(wait):
        raise Busy
    current = recorder
    try:
        yield recorder
    finally:
        current = None
        _one_at_a_time.release()


def refuse(what: str, remedy: str) -> None:
    """Raise CaptureError if a step is being recorded: ``what`` would be frozen into it."""
    if current and here():
        raise CaptureError(f"compile: {what} has no place inside a compiled step\n{remedy}")


def call(function: Callable, args: tuple, name: str) -> Any:
    """``function(*args)``, noted if a step is being recorded (see ``Recorder.call``)."""
    recorder = current and here()
    return function(*args) if recorder is None else recorder.call(function, args, name)


def constant(array: np.ndarray) -> np.ndarray:
    """``array``, whose values Python has made up: set to them again at each replay."""
    recorder = current and here()
    if recorder is not None:
        values = array.copy()
        recorder.know(values)
        recorder.know(array)
        recorder.effect(np.copyto, (array, values), "constant")
    return array


def check(function: Callable, *args: Any) -> None:
    """``function(*args)``, which raises where values are wrong, done at each replay too."""
    function(*args)
    recorder = current and here()
    if recorder is not None:
        recorder.checks(function, args)


def effect(function: Callable, args: tuple, name: str) -> Any:
    """``function(*args)`` for what it does to its first argument, noted if a step is being recorded."""
    recorder = current and here()
    return function(*args) if recorder is None else recorder.effect(function, args, name)
