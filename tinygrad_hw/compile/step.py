"""``compile``: a training step as one native program.

The first call with arguments of new shapes runs the step as it stands while every computation on arrays is noted;
further calls do the same computations on the new arguments. Operators, rules and optimizers are the eager ones:
nothing is defined a second time, so a compiled step computes what the step computes.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import graph
from ..errors import CaptureError
from ..kernels import recording
from ..kernels.recording import Recorder, root_of
from ..tensor import Tensor
from .launch import DONE, UNLIKE
from .program import Program, address

#: Programs that one compiled step keeps; the one used longest ago goes first.
KEPT = 64
#: What the short way of a call returns where it is not open: nothing has been done then.
MISSED = object()
#: Seconds that a sweep runs before it is looked at.
LOOK = 0.1


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """``function`` of every leaf of nested tuples, lists and dicts."""
    if isinstance(value, dict):
        return {k: _map(function, v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_map(function, v) for v in value])
    if isinstance(value, tuple | list):
        return type(value)([_map(function, v) for v in value])
    return function(value)


def _leaves(value: Any, found: list) -> list:
    _map(found.append, value)
    return found


class _Recorded:
    """A program with what it returns, which gradients it leaves, and what has to be as it was."""

    def __init__(self, recorder: Recorder, places: list, flat: bool, result: Any) -> None:
        place = {id(p): i for i, p in enumerate(places)}
        gradients = [(t, t._grad) for t, _, _ in recorder.grads.values()]
        self.gradients = [(t, g) for t, g in gradients if id(t) not in place]
        self.argument_gradients = [(place[id(t)], g) for t, g in gradients if id(t) in place]
        self.entry = [
            (t, g, None if g is None else g._array)
            for t, g, read in recorder.grads.values()
            if read and id(t) not in place
        ]
        self.changed = [
            (t._version, n) for key, (t, n) in recorder.bumped.items() if key not in place
        ]
        self.changed_arguments = [
            (place[key], n) for key, (_, n) in recorder.bumped.items() if key in place
        ]
        self.tensors = [
            (t, a, t._requires_grad) for t, a in recorder.tensors.values() if id(t) not in place
        ]
        self.guards = list(recorder.guards.values())
        self.seen = recording.changes
        self.enabled = graph.mode.enabled
        #: Steps of a sweep between two looks at the clock: twice as many as the last time, but not too long.
        self.together = 1
        #: Where all arguments are Tensors: their shapes and dtypes, and whether they require a gradient.
        self.signature: list | None = None
        if flat:
            self.signature = [(p._array.shape, p._array.dtype, p._requires_grad) for p in places]
        self.result = result
        tensors = [t for t in _leaves(result, []) if isinstance(t, Tensor)]
        kept = [g._array for _, g in gradients if g is not None]
        inputs = [p._array if isinstance(p, Tensor) else p for p in places]
        self.program = Program(recorder, inputs, kept, [t._array for t in tensors])
        self.outputs = {
            id(t): self.program.moved(t._array)
            for t in tensors
            if id(root_of(t._array)) in recorder.made
        }
        roots = {id(root_of(a)): i for i, a in enumerate(inputs)}
        #: Results that show an argument's memory: which argument, and where in it.
        self.views = {
            id(t): (roots[id(root_of(t._array))], t._array, inputs[roots[id(root_of(t._array))]])
            for t in tensors
            if id(root_of(t._array)) in roots
        }
        shown = isinstance(result, Tensor) and id(result) not in self.views
        self.simple = self.outputs.get(id(result)) if shown else None
        self.place = place
        self.shortcut = self._shortcut()

    def _shortcut(self) -> Callable[[tuple], Any]:
        """``shortcut(args)``: the step, for Tensors like the recording's while nothing else has changed; else MISSED.

        What it needs are local variables: to look them up takes as long as the kernels of a small step.
        """
        program, simple, entry, enabled = self.program, self.simple, self.entry, self.enabled
        ids, hosts, replay = program.ids, program.hosts, program.replay
        prepare = program.prepare if program.undos else None
        mode, leave, count = graph.mode, self._leave, len(self.signature or ())
        copy = None if simple is None else simple.copy
        if (
            self.signature is None
            or not program.native
            or self.argument_gradients
            or self.changed_arguments
            or any(requires_grad for *_, requires_grad in self.signature)
        ):
            return lambda args: MISSED

        def shortcut(args: tuple) -> Any:
            if recording.changes != self.seen or mode.enabled is not enabled or len(args) != count:
                return MISSED
            try:
                for i, a in enumerate(args):
                    if a._requires_grad:
                        return MISSED
                    ids[i] = id(a._array)
            except AttributeError:  # no Tensor
                return MISSED
            if entry and not self._finds():
                return MISSED
            before: Any = ()
            if prepare is not None:
                before = prepare()
            else:
                for host in hosts:
                    host(program)
            stopped = replay()
            if stopped != DONE:
                if stopped == UNLIKE:
                    for restore in before:
                        restore()
                    return MISSED
                program.fail(stopped, [a._array for a in args], before)
            leave()
            if copy is not None:
                return Tensor._wrap(copy())
            return self._results(args, [a._array for a in args])

        return shortcut

    def holds(self) -> bool:
        """Whether parameters, modes and gradients are those that were recorded."""
        if self.seen != recording.changes:
            if not all(look() == was for look, was in self.guards):
                return False
            if not all(t._array is a and t._requires_grad == r for t, a, r in self.tensors):
                return False
            self.seen = recording.changes
        return self._finds()

    def _finds(self) -> bool:
        """Whether the gradients that the step looks at when it begins are those that were recorded."""
        for t, grad, array in self.entry:
            if t._grad is not grad or (grad is not None and grad._array is not array):
                return False
        return True

    def _leave(self) -> None:
        """What a step leaves behind: gradients, and the news that it has changed tensors."""
        for tensor, grad in self.gradients:
            tensor._grad = grad
        for version, name in self.changed:
            version[0] += 1
            version[1] = name

    def takes_rows(self, sources: list[np.ndarray], batch: int) -> bool:
        """Whether many steps on ``batch`` rows of ``sources`` each can be run at once."""
        if (
            not self.program.native
            or self.signature is None
            or len(sources) != len(self.signature)
            or self.argument_gradients
        ):
            return False
        if graph.mode.enabled is not self.enabled:
            return False
        return all(
            shape[:1] == (batch,)
            and shape[1:] == a.shape[1:]
            and dtype == a.dtype
            and not requires_grad
            and a.flags.c_contiguous
            for a, (shape, dtype, requires_grad) in zip(sources, self.signature, strict=True)
        )

    def sweep(self, sources: list[np.ndarray], order: np.ndarray, steps: int) -> None:
        """That many steps; one that stops is done again by itself, for its error."""
        done = self.program.sweep(sources, order, steps)
        self._leave()
        if done < steps:
            batch = len(self.program.inputs[0])
            rows = order[done * batch : (done + 1) * batch]
            self.run([np.take(a, rows, axis=0) for a in sources], [None] * len(sources))

    def run(self, arguments: list[np.ndarray], originals: list | tuple) -> Any:
        self.program.run(arguments)
        self._leave()
        for i, grad in self.argument_gradients:
            originals[i]._grad = None if grad is None else Tensor._wrap(grad._array.copy())
        for i, name in self.changed_arguments:
            if isinstance(originals[i], Tensor):
                originals[i]._bump(name)
        return self._results(originals, arguments)

    def _results(self, originals: list | tuple, arguments: list[np.ndarray]) -> Any:
        """What the step returns, in memory of its own."""
        return _map(lambda v: self._returned(v, originals, arguments), self.result)

    def first_result(self, value: Any, originals: list) -> Any:
        """What the recording's call returns for a ``value`` that the step returned."""
        if id(value) in self.place:
            return originals[self.place[id(value)]]
        if id(value) in self.outputs or id(value) in self.views:
            return Tensor._wrap(value._array.copy())
        return value

    def _returned(self, value: Any, originals: list | tuple, arguments: list[np.ndarray]) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in self.place:
            return originals[self.place[id(value)]]
        if id(value) in self.views:
            i, seen, whole = self.views[id(value)]
            offset = address(seen) - address(whole)
            argument = arguments[i]
            shown = np.ndarray(seen.shape, seen.dtype, argument, offset, seen.strides)
            return Tensor._wrap(shown.copy())
        array = self.outputs.get(id(value))
        return value if array is None else Tensor._wrap(array.copy())


class CompiledStep:
    """What ``compile`` returns: call it as the step itself."""

    def __init__(self, step: Callable[..., Any], fullgraph: bool = False) -> None:
        self.step = step
        self.fullgraph = fullgraph
        self._programs: dict[tuple, list[_Recorded]] = {}
        self._last: _Recorded | None = None
        self._recordings = 0
        self._seconds = 0.0
        self.__name__: str = getattr(step, "__name__", type(step).__name__)
        self.__doc__ = step.__doc__
        self.__wrapped__ = step

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        last = self._last
        if last is not None and not kwargs:
            result = last.shortcut(args)
            if result is not MISSED:
                return result
        key: list[Any] = [graph.mode.enabled]
        arrays = []
        originals: list[Any] = []

        def note(a: Any) -> None:
            if isinstance(a, Tensor):
                array = a._array
                key.append((array.shape, array.dtype, a._requires_grad))
            elif isinstance(a, np.ndarray):
                array = a
                key.append((array.shape, array.dtype))
            else:
                key.append((type(a), a))
                return
            arrays.append(array if array.flags.carray else np.array(array, order="C"))
            originals.append(a)

        for a in args:
            if a.__class__ is Tensor:
                array = a._array
                key.append((array.shape, array.dtype, a._requires_grad))
                arrays.append(array if array.flags.carray else np.array(array, order="C"))
                originals.append(a)
            elif isinstance(a, tuple | list | dict):
                key.append((type(a), len(a), *(a if isinstance(a, dict) else ())))
                _map(note, a)
            else:
                note(a)
        if kwargs:
            key.append(tuple(kwargs))
            _map(note, kwargs)
        try:
            found = self._programs.get(tuple(key), ())
        except TypeError:
            raise CaptureError(
                f"compile: expected tensors, arrays and hashable values as arguments of {self.__name__}"
            ) from None
        for recorded in found:
            if recorded.holds():
                self._last = recorded
                return recorded.run(arrays, originals)
        return self._record(tuple(key), originals, args, kwargs)

    def sweep(
        self,
        tensors: Sequence[Tensor],
        order: np.ndarray,
        batch_size: int,
        look: Callable[[int], Any] | None = None,
    ) -> None:
        """``step(*[t[rows] for t in tensors])`` for each ``batch_size`` rows of ``order``, one batch after the other.

        Batches are gathered natively and many steps are run in one call, but none takes longer than some 0.1 s (or one
        step); after each ``look`` is called with the number of batches done since the last look. What the step returns is
        dropped: let it add up what it measures in tensors. Raises: IndexError for rows that are not there.
        """
        count = len(tensors[0])
        order = np.ascontiguousarray(order, np.int64)
        if len(order) and not 0 <= order.min() <= order.max() < count:
            raise IndexError(
                f"sweep: expected rows in [0, {count - 1}], got {order.min()} to {order.max()}"
            )
        arrays = [t._array for t in tensors]
        whole = len(order) // batch_size
        done = 0
        while done * batch_size < len(order):
            rows = order[done * batch_size : (done + 1) * batch_size]
            last = self._last
            if (
                done < whole
                and last is not None
                and last.takes_rows(arrays, batch_size)
                and last.holds()
            ):
                steps = min(last.together, whole - done)
                start = time.perf_counter()
                last.sweep(arrays, order[done * batch_size :], steps)
                spent = time.perf_counter() - start
                last.together = max(1, min(2 * last.together, int(steps * LOOK / max(spent, 1e-6))))
            else:
                steps = 1
                self(*[Tensor._wrap(np.take(a, rows, axis=0)) for a in arrays])
            done += steps
            if look is not None:
                look(steps)

    def _record(self, key: tuple, originals: list, args: tuple, kwargs: dict) -> Any:
        if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return self.step(*args, **kwargs)
        start = time.perf_counter()
        recorder = Recorder(self.fullgraph)
        places: list[Any] = []

        def stand_in(a: Any) -> Any:
            """A copy for the recording, so that what reaches an argument's memory reaches it as the argument."""
            if isinstance(a, Tensor):
                if a._node is not None:
                    raise CaptureError(
                        "compile: expected arguments without history, got the result of an operation\n"
                        "Detach it, or compute it within the step."
                    )
                b: Any = Tensor._wrap(np.array(a._array, order="C"))
                b._requires_grad = a._requires_grad
                b._grad = a._grad
                recorder.know(b._array)
            elif isinstance(a, np.ndarray):
                b = np.array(a, order="C")
                recorder.know(b)
            else:
                return a
            places.append(b)
            return b

        args, kwargs = _map(stand_in, args), _map(stand_in, kwargs)
        try:
            with recording.recording(recorder):
                result = self.step(*args, **kwargs)
            for t in _leaves(result, []):
                self._check_result(recorder, t)
            flat = (
                not kwargs and len(args) == len(places) and all(p.__class__ is Tensor for p in args)
            )
            recorded = _Recorded(recorder, places, flat, result)
        except BaseException:
            recorder.roll_back()
            recording.changed()
            raise
        self._give_back(recorder, places, originals)
        programs = self._programs.setdefault(key, [])
        programs.insert(0, recorded)
        while sum(map(len, self._programs.values())) > KEPT:
            oldest = next(iter(self._programs))
            self._programs[oldest].pop()
            if not self._programs[oldest]:
                del self._programs[oldest]
        self._last = recorded
        self._recordings += 1
        self._seconds += time.perf_counter() - start
        for i, grad in recorded.argument_gradients:
            originals[i]._grad = None if grad is None else Tensor._wrap(grad._array.copy())
        return _map(lambda v: recorded.first_result(v, originals), result)

    def _check_result(self, recorder: Recorder, value: Any) -> None:
        if not isinstance(value, Tensor):
            if isinstance(value, np.ndarray):
                raise CaptureError(
                    "compile: expected the step to return Tensors, got an array\nReturn the Tensor."
                )
            return
        if value._node is not None and value._node not in recorder.passed:
            raise CaptureError(
                "compile: the step returns a tensor that requires a gradient, but no backward pass went through it\n"
                "Call backward() within the step, or return it detached."
            )

    @staticmethod
    def _give_back(recorder: Recorder, places: list, originals: list) -> None:
        """What the step changed in its arguments' stand-ins happens to the arguments."""
        for stand_in, original in zip(places, originals, strict=True):
            array = stand_in._array if isinstance(stand_in, Tensor) else stand_in
            if id(array) in recorder.undo:
                if isinstance(original, Tensor):
                    np.copyto(original._array, array)
                    original._bump("compile")
                else:
                    np.copyto(original, array)

    def reset(self) -> None:
        """Forget all recordings."""
        self._programs.clear()
        self._last = None

    @property
    def program(self) -> Program:
        """The program used last."""
        if self._last is None:
            raise CaptureError(
                "program: expected a step that has been called, got none recorded yet"
            )
        return self._last.program

    def stats(self) -> dict[str, Any]:
        """How often and how long the step was recorded, and the size of the program used last.

        ``temporary_bytes`` is what its temporaries would take side by side, ``block_bytes`` what they share.
        """
        program = None if self._last is None else self._last.program
        return {
            "recordings": self._recordings,
            "programs": sum(map(len, self._programs.values())),
            "record_seconds": self._seconds,
            "launches": len(program.launches) if program else 0,
            "python_calls": sum(not isinstance(p, tuple) for p in program.parts) if program else 0,
            "temporary_bytes": program.temporary_bytes if program else 0,
            "block_bytes": program.block_bytes if program else 0,
        }

    def explain(self, measure: bool = False) -> str:
        """The program used last as text: its launches in order, their work and their memory.

        With ``measure`` each launch is timed on whatever is in the program's memory, parameters restored afterwards.
        """
        from .explain import explain

        return explain(self, measure)

    def __repr__(self) -> str:
        return (
            f"<compiled {getattr(self.step, '__name__', self.step)}: {self._recordings} recordings>"
        )


def compile(step: Callable[..., Any] | None = None, *, fullgraph: bool = False) -> Any:
    """``step`` as a native program, recorded when it is first called with arguments of new shapes or types.

    ``step`` is a whole training or evaluation step: forward, ``backward``, ``optimizer.step``, ``zero_grad``. Use as a
    function or a decorator. Tensors and arrays among the arguments may differ in value at each call; everything else
    is taken as constant and recorded anew when it differs, and so are modes, parameters and gradients that
    the step finds. With ``fullgraph`` an operator without native form is an error, else it is called from Python.

    Python's own side effects happen only while recording. Raises: CaptureError, before anything has changed, for
    what would be frozen: ``item()``, printing, branching on values, arrays that no recorded operation computed.
    """
    if step is None:
        return functools.partial(compile, fullgraph=fullgraph)
    if isinstance(step, CompiledStep):
        return step
    if not callable(step):
        raise TypeError(f"compile: expected a function, got {type(step).__name__}")
    return CompiledStep(step, fullgraph)
