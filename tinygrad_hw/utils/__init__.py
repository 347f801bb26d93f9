"""Tools around training: ``checkpoint`` gives memory back for time."""

from . import checkpoint as checkpoint
