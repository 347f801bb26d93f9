"""The errors that tinygrad_hw raises on purpose.

Each subclasses the built-in that a NumPy or PyTorch user would catch. Messages have one form: the
function, what it expected, what it got; a second line says what usually helps.
"""

from __future__ import annotations


class TinygradError(Exception):
    """Base of every error defined here."""


class ShapeError(TinygradError, ValueError):
    """Operands whose shapes do not go together."""


class DTypeError(TinygradError, TypeError):
    """An element type that the operation is not defined for."""


class GraphError(TinygradError, RuntimeError):
    """The computation graph was used in a way that would give wrong gradients."""


class CaptureError(TinygradError, RuntimeError):
    """Something in a step that ``compile`` cannot do again without Python."""


class KernelError(TinygradError, RuntimeError):
    """A native kernel could not be compiled."""


class DataError(TinygradError, ValueError):
    """A file that is missing, damaged, truncated or not what its name says."""
