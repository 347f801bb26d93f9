"""Training steps as native programs: ``compile``."""

from .program import Program
from .step import CompiledStep, compile

__all__ = ["CompiledStep", "Program", "compile"]
