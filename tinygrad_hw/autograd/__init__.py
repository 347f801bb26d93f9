"""Gradients: of graphs (``grad``, ``backward``), by one's own rules (``Function``), and their proof (``gradcheck``)."""

from ..graph import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from ..tensor import backward as _backward
from ..tensor import grad
from . import functional
from .anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from .function import Function
from .gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = [
    "Function",
    "GradcheckError",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False) -> None:
    """Add the gradients of Σ⟨grad_tensors, tensors⟩ to the leaves' ``grad``, in one pass."""
    tensors = tuple(tensors) if isinstance(tensors, tuple | list) else (tensors,)
    if grad_tensors is None:
        grad_tensors = (None,) * len(tensors)
    elif not isinstance(grad_tensors, tuple | list):
        grad_tensors = (grad_tensors,)
    if len(grad_tensors) != len(tensors):
        raise ValueError(f"backward: expected {len(tensors)} grad_tensors, got {len(grad_tensors)}")
    _backward(tensors, tuple(grad_tensors), retain_graph, create_graph)
