"""Reading handwritten and printed capitals and digits from photographs (needs the extra ``reader``: scipy, Pillow)."""

from __future__ import annotations

from .image import load_image
from .model import Classifier, network
from .page import Character, Page, draw_boxes, edit_distance, read

__all__ = [
    "read",
    "Page",
    "Character",
    "Classifier",
    "network",
    "load_image",
    "draw_boxes",
    "edit_distance",
]
