"""The five steps of training: Linear-f-Linear-g by hand, by autograd and compiled, with MSE and BCE, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..compile import compile
from ..creation import from_numpy
from ..nn import functional
from .lab import COLORS, Lab

TITLE = "The five steps of training"

CASES = {
    "ReLU, identity, MSE": ("relu", "identity", "mse"),
    "sigmoid, sigmoid, MSE": ("sigmoid", "sigmoid", "mse"),
    "ReLU, sigmoid, BCE": ("relu", "sigmoid", "bce"),
}
VALUES: dict[str, Any] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}
SLOPES: dict[str, Any] = {
    "relu": lambda z, a: (z > 0).astype(z.dtype),
    "sigmoid": lambda z, a: a * (1 - a),
    "identity": lambda z, a: np.ones_like(z),
}


def by_hand(case: str, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> dict[str, Any]:
    """Every quantity of the derivation, for rows x (n, inputs) and y (n, K); the loss is the mean over all n K.

    z₁ = x W₁ᵀ + b₁, z₂ = f(z₁), z₃ = z₂ W₂ᵀ + b₂, ŷ = g(z₃). ∂z₂/∂z₁ and ∂ŷ/∂z₃ are diagonal: their diagonals.
    """
    f, g, loss = CASES[case]
    z1 = x @ w1.T + b1
    z2 = VALUES[f](z1)
    z3 = z2 @ w2.T + b2
    out = VALUES[g](z3)
    if loss == "mse":
        value, d_out = ((out - y) ** 2).mean(), 2 * (out - y) / y.size
    else:
        value = -(y * np.log(out) + (1 - y) * np.log(1 - out)).mean()
        d_out = (out - y) / (out * (1 - out)) / y.size
    d_g, d_f = SLOPES[g](z3, out), SLOPES[f](z1, z2)
    d3 = d_out * d_g
    d1 = d3 @ w2 * d_f
    return {
        "loss": value,
        "∂l/∂ŷ": d_out,
        "∂ŷ/∂z₃": d_g,
        "∂l/∂z₃": d3,
        "∂l/∂W₂": d3.T @ z2,
        "∂l/∂b₂": d3.sum(axis=0),
        "∂z₂/∂z₁": d_f,
        "∂l/∂z₁": d1,
        "∂l/∂W₁": d1.T @ x,
        "∂l/∂b₁": d1.sum(axis=0),
    }


def by_autograd(case: str, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> dict[str, Any]:
    """The same quantities, asked of the graph."""
    f, g, loss = CASES[case]
    functions: dict[str, Any] = {
        "relu": functional.relu,
        "sigmoid": functional.sigmoid,
        "identity": lambda z: z * 1,
    }
    leaves = [from_numpy(v).requires_grad_() for v in (w1, b1, w2, b2)]
    z1 = functional.linear(from_numpy(x), leaves[0], leaves[1])
    z2 = functions[f](z1)
    z3 = functional.linear(z2, leaves[2], leaves[3])
    out = functions[g](z3)
    for t in (z1, z2, z3, out):
        t.retain_grad()
    measure: Any = functional.mse_loss if loss == "mse" else functional.binary_cross_entropy
    value = measure(out, from_numpy(y))
    value.backward()
    grad = [t.grad.numpy() for t in (*leaves, z1, z2, z3, out)]
    dw1, db1, dw2, db2, dz1, dz2, dz3, dout = grad
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = {"∂ŷ/∂z₃": dz3 / dout, "∂z₂/∂z₁": dz1 / dz2}
    return {
        "loss": value.item(),
        "∂l/∂ŷ": dout,
        "∂l/∂z₃": dz3,
        "∂l/∂W₂": dw2,
        "∂l/∂b₂": db2,
        "∂l/∂z₁": dz1,
        "∂l/∂W₁": dw1,
        "∂l/∂b₁": db1,
    } | slopes


def losses(case: str, how: str, steps: int, seed: int) -> np.ndarray:
    """The loss at each of so many steps of gradient descent, ``how``: by hand, autograd or compiled."""
    rng = random.Generator(seed).numpy
    x, y = rng.standard_normal((64, 5)), rng.integers(0, 2, (64, 2)).astype(float)
    random.manual_seed(seed)
    f, g, loss = CASES[case]
    kinds = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
    model = nn.Sequential(nn.Linear(5, 8), kinds[f](), nn.Linear(8, 2), kinds[g]()).double()
    values = []
    if how == "by hand":
        parameters = [p.detach().numpy().copy() for p in model.parameters()]
        for _ in range(steps):
            found = by_hand(case, x, y, *parameters)
            values.append(found["loss"])
            for p, name in zip(parameters, ("W₁", "b₁", "W₂", "b₂"), strict=True):
                p -= 0.5 * found[f"∂l/∂{name}"]
        return np.array(values)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    measure = nn.MSELoss() if loss == "mse" else nn.BCELoss()

    def step(x: Any, y: Any) -> Any:
        output = model(x)  # 1. forward
        value = measure(output, y)  # 2. the loss
        optimizer.zero_grad()  # 3. zeroed gradients
        value.backward()  # 4. backward
        optimizer.step()  # 5. the update
        return value

    if how == "compiled":
        step = compile(step)
    inputs, targets = from_numpy(x), from_numpy(y)
    return np.array([step(inputs, targets).item() for _ in range(steps)])


def run(lab: Lab) -> None:
    """Compare gradients row by row, and whole training runs."""
    rng = random.Generator(lab.seed).numpy
    lab.sources.append("drawn numbers, float64")
    steps = 100 if lab.quick else 400
    axes = lab.axes(1, len(CASES), 4.4)
    for ax, case in zip(axes[0], CASES, strict=True):
        arrays = [rng.standard_normal(s) for s in ((6, 5), (6, 2), (4, 5), (4,), (2, 4), (2,))]
        arrays[1] = (arrays[1] > 0).astype(float)
        hand, auto = by_hand(case, *arrays), by_autograd(case, *arrays)
        for name, value in hand.items():
            other = np.asarray(auto[name])
            # A quotient of gradients says nothing where the gradient behind a dead unit is 0.
            known = np.isfinite(other)
            difference = float(np.abs(np.asarray(value)[known] - other[known]).max())
            entry = {"shape": list(np.shape(value)), "one element by hand": np.ravel(value)[0]}
            entry |= {"by autograd": np.ravel(other)[0], "largest difference": difference}
            lab.number(f"{case}: {name}", entry)
        runs = {
            how: losses(case, how, steps, lab.seed) for how in ("by hand", "autograd", "compiled")
        }
        for i, (how, values) in enumerate(runs.items()):
            ax.plot(values, ("-", "--", ":")[i], color=COLORS[i], lw=6 - 2 * i, label=how)
        worst = max(float(np.abs(v - runs["by hand"]).max()) for v in runs.values())
        lab.number(f"{case}: largest difference of losses in {steps} steps", worst)
        ax.set(xlabel="step", ylabel="loss")
        ax.set_title(f"{case}; they differ by {worst:.0e}", fontsize=10)
        ax.legend()
    lab.figure(axes, "five-steps", "The same training run by hand, by autograd, and compiled")
