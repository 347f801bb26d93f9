"""The training loop in its five steps, by hand with NumPy, by autograd, and compiled: the same losses."""

import numpy as np

import tinygrad_hw as tg
from tinygrad_hw import nn

rng = np.random.default_rng(0)
x = rng.standard_normal((64, 5))
y = (x[:, :1] * x[:, 1:2] > 0).astype(float)


def network():
    tg.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid()).double()


def by_autograd(steps, compiled):
    model = network()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)

    def step(x, y):
        output = model(x)  # 1. forward
        loss = nn.functional.binary_cross_entropy(output, y)  # 2. the loss
        optimizer.zero_grad()  # 3. zeroed gradients
        loss.backward()  # 4. backward
        optimizer.step()  # 5. the update
        return loss

    if compiled:
        step = tg.compile(step)
    inputs, targets = tg.tensor(x), tg.tensor(y)
    return [step(inputs, targets).item() for _ in range(steps)]


def by_hand(steps):
    w1, b1, w2, b2 = (p.detach().numpy().copy() for p in network().parameters())
    losses = []
    for _ in range(steps):
        z1 = x @ w1.T + b1
        z2 = np.maximum(z1, 0)
        a = 1 / (1 + np.exp(-(z2 @ w2.T + b2)))
        losses.append(-(y * np.log(a) + (1 - y) * np.log(1 - a)).mean())
        d3 = (a - y) / len(x)  # BCE and sigmoid: a - y
        d1 = d3 @ w2 * (z1 > 0)  # through W2, then ReLU's gate
        for p, g in ((w1, d1.T @ x), (b1, d1.sum(0)), (w2, d3.T @ z2), (b2, d3.sum(0))):
            p -= 0.5 * g
    return losses


hand, autograd, compiled = by_hand(200), by_autograd(200, False), by_autograd(200, True)
print(f"loss {hand[0]:.4f} -> {hand[-1]:.4f}")
print("autograd differs by", np.abs(np.subtract(hand, autograd)).max())
print("compiled differs by", np.abs(np.subtract(hand, compiled)).max())
