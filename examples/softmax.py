"""Softmax as it is written overflows; shifted by its largest input it does not, and means the same."""

import numpy as np

import tinygrad_hw as tg

x = np.array([1.0, 2.0, 3.0, 0.5], np.float32)

for shift in (0, 80, 100):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x + np.float32(shift))
        written = e / e.sum()
    framework = tg.softmax(tg.tensor(x + np.float32(shift)), 0).numpy()
    print(f"inputs + {shift:3}: as written {written.round(4)}, framework {framework.round(4)}")

for temperature in (10, 1, 0.1):
    print(
        f"T = {temperature}:",
        tg.softmax(tg.tensor(x / np.float32(temperature)), 0).numpy().round(4),
    )

# The Jacobian is diag(s) - s s^T: row by row from the graph, and by the formula.
t = tg.tensor(x, requires_grad=True)
rows = []
for i in range(len(x)):
    t.grad = None
    tg.softmax(t, 0)[i].backward()
    rows.append(t.grad.numpy())
s = tg.softmax(t.detach(), 0).numpy()
print("largest difference of the Jacobians:", np.abs(rows - (np.diag(s) - np.outer(s, s))).max())
