"""The slopes of activations, and what is left of a gradient after many layers."""

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import nn

x = np.linspace(-6, 6, 1201)
for name in ("sigmoid", "tanh", "relu", "leaky_relu", "softplus", "elu"):
    t = tg.tensor(x, requires_grad=True)
    y = getattr(tg, name)(t)
    y.sum().backward()
    slope = t.grad.numpy()
    at = getattr(tg, name)(tg.tensor(-1.0)).item()
    print(f"{name:10} f(-1) = {at:7.4f}, largest slope {slope.max():.3f}, at -6 {slope[0]:.4f}")

t = tg.tensor(x)
difference = tg.tanh(t) - (2 * tg.sigmoid(2 * t) - 1)
print("largest |tanh x - (2 sigmoid(2x) - 1)|:", np.abs(difference.numpy()).max())

tg.manual_seed(0)
for activation in (nn.Sigmoid, nn.Tanh, nn.ReLU):
    h = first = tg.randn(100, 64, requires_grad=True)
    for _ in range(20):
        layer = nn.Linear(64, 64)
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        h = activation()(layer(h))
    h.backward(tg.ones_like(h) / h.numel())
    print(f"{activation.__name__:8} gradient behind 20 layers: {first.grad.numpy().std():.1e}")
