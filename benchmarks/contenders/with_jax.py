"""JAX: the whole step a pure function, jitted, with its old state given up for the new one."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..networks import Network
from . import Pairs


def _apply(layers, parameters, x):
    left = iter(parameters)
    for kind, *sizes in layers:
        match kind:
            case "linear":
                x = x @ next(left).T + next(left)
            case "conv":
                pad = ((sizes[3], sizes[3]),) * 2
                names = ("NCHW", "OIHW", "NCHW")
                x = jax.lax.conv_general_dilated(
                    x, next(left), (1, 1), pad, dimension_numbers=names
                )
                x = x + next(left)[:, None, None]
            case "norm":
                mean, var = (f(x, (0, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var))
                x = (x - mean) * jax.lax.rsqrt(var + 1e-5)
                x = x * next(left)[:, None, None] + next(left)[:, None, None]
            case "pool":
                window = (1, 1, sizes[0], sizes[0])
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
            case "flatten":
                x = x.reshape(len(x), -1)
            case "relu":
                x = jax.nn.relu(x)
            case "sigmoid":
                x = jax.nn.sigmoid(x)
    return x


class Jit:
    """``jax.jit`` of the step."""

    def __init__(self, network: Network) -> None:
        self.weights = network.weights()
        self.state: tuple[list, list] = ([], [])
        self.batches: Pairs = [(jnp.asarray(x), jnp.asarray(y)) for x, y in network.batches()]
        lr, momentum = network.lr, network.momentum

        def loss_of(parameters, x, y):
            scores = jax.nn.log_softmax(_apply(network.layers, parameters, x))
            return -jnp.take_along_axis(scores, y[:, None], 1).mean()

        def update(state, x, y):
            parameters, buffers = state
            loss, grads = jax.value_and_grad(loss_of)(parameters, x, y)
            buffers = [momentum * b + g for b, g in zip(buffers, grads, strict=True)]
            parameters = [
                p - lr * (g + momentum * b)
                for p, g, b in zip(parameters, grads, buffers, strict=True)
            ]
            return (parameters, buffers), loss

        jitted = jax.jit(update, donate_argnums=0)

        def step(x, y):
            self.state, loss = jitted(self.state, x, y)
            return loss

        self.step = step
        self.reset()

    def reset(self) -> None:
        self.state = [jnp.array(w) for w in self.weights], [jnp.zeros_like(w) for w in self.weights]

    def value(self, result) -> float:
        jax.block_until_ready(self.state)
        return float(result)
