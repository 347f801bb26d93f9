"""Transforms, hooks and checkpoints beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_hw as tg

torch = pytest.importorskip("torch")
# its forward mode warns of its own
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

X = np.array([0.3, 0.7, -1.2])
W = np.random.default_rng(0).normal(size=(3, 3))


def ours(x):
    return tg.tensor(x)


def function(m, w):
    return lambda x: ((m.exp(x) @ w).cumsum(0) * m.tanh(x)).sum() ** 2


def vectors(m, w):
    return lambda x: m.sin(x @ w) / (1 + x[0] ** 2)


def same(a, b) -> None:
    b = b.detach().numpy()
    assert a.shape == b.shape
    np.testing.assert_allclose(a.detach().numpy(), b, rtol=1e-10, atol=1e-12)


PAIRS = {
    "grad": lambda f, m, w: f.grad(function(m, w)),
    "hessian": lambda f, m, w: f.hessian(function(m, w)),
    "jacrev": lambda f, m, w: f.jacrev(vectors(m, w)),
    "jacfwd": lambda f, m, w: f.jacfwd(vectors(m, w)),
    "third": lambda f, m, w: f.jacfwd(f.jacrev(f.grad(function(m, w)))),
    "vjp": lambda f, m, w: lambda x: f.vjp(vectors(m, w), x)[1](x)[0],
    "jvp": lambda f, m, w: lambda x: f.jvp(vectors(m, w), (x,), (x,))[1],
    "jvp of grad": lambda f, m, w: lambda x: f.jvp(f.grad(function(m, w)), (x,), (x,))[1],
    "grad of vjp": lambda f, m, w: f.grad(lambda x: f.vjp(vectors(m, w), x)[1](x)[0].sum()),
    "grad of vmap": lambda f, m, w: f.grad(
        lambda x: f.vmap(lambda r: (r * x).sum() ** 2)(w).sum()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_transforms(name):
    ours_, theirs = (
        PAIRS[name](m.func, m, make(W)) for m, make in ((tg, ours), (torch, torch.tensor))
    )
    same(ours_(ours(X)), theirs(torch.tensor(X)))
    same(tg.func.vmap(ours_)(ours(W)), torch.func.vmap(theirs)(torch.tensor(W)))


@pytest.mark.parametrize("name", ["jacobian", "hessian", "hvp", "vhp", "vjp", "jvp"])
def test_derivatives_at_once(name):
    results = []
    for m, make in ((tg, ours), (torch, torch.tensor)):
        v = () if name in ("jacobian", "hessian", "vjp") else (make(X[::-1].copy()),)
        f = getattr(m.autograd.functional, name)
        results.append(f(function(m, make(W)), make(X), *v))
    a, b = results
    for x, y in zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]:
        same(x, y)


def test_hooks_see_what_torch_s_see():
    seen = {}
    for m, make in ((tg, ours), (torch, torch.tensor)):
        x = make(X).requires_grad_()
        log = seen[m] = []
        y = x * 2
        y.register_hook(lambda g, log=log: log.append(g.tolist()))
        y.register_hook(lambda g: g * 3)
        x.register_hook(lambda g, log=log: log.append(g.tolist()))
        x.register_post_accumulate_grad_hook(lambda t, log=log: log.append(t.grad.tolist()))
        (y * y + x).sum().backward()
        layer = m.nn.Linear(3, 2).double()
        with m.no_grad():
            layer.weight.copy_(make(W[:2]))
            layer.bias.zero_()
        layer.register_full_backward_hook(
            lambda mod, gi, go, log=log: log.append(gi[0].tolist() + go[0].tolist())
        )
        layer.register_forward_hook(lambda mod, a, out: out * 2)
        layer(x).sum().backward()
        log.append(x.grad.tolist())
    for a, b in zip(seen[tg], seen[torch], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
