"""Training steps as native programs: ``compile``; and what plain steps do by programs: passes, large calls."""

from . import passes as passes  # which offers itself to the graph,
from . import shared as shared  # and to kernels
from .program import Program
from .step import CompiledStep, compile

__all__ = ["CompiledStep", "Program", "compile"]
