"""Functions made of functions: derivatives of every order, and one example's function for many."""

from .functional_call import functional_call, stack_module_state
from .jacobians import hessian, jacfwd, jacrev
from .transforms import grad, grad_and_value, hvp, jvp, linearize, value_and_grad, vjp
from .vectorize import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "hvp",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]
