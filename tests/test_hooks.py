"""Hooks on tensors and modules."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import hooks, nn
from tinygrad_hw.errors import GraphError


def leaf(*values: float) -> tg.Tensor:
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


def test_a_hook_sees_the_whole_gradient_once_and_may_replace_it():
    x, seen = leaf(1, 2), []
    y = x * 2
    handle = y.register_hook(lambda g: (seen.append(g.tolist()), g * 10)[1])
    y.retain_grad()
    z = y * 3 + y
    z.sum().backward(retain_graph=True)
    assert seen == [[4, 4]]
    assert y.grad.tolist() == [40, 40]  # after the hooks
    assert x.grad.tolist() == [80, 80]
    handle.remove()
    handle.remove()
    x.grad = None
    z.sum().backward()
    assert x.grad.tolist() == [8, 8]
    assert len(seen) == 1


def test_hooks_of_leaves():
    x, order = leaf(1, 2), []
    with x.register_hook(lambda g: order.append(("seen", g.tolist()))):
        x.register_hook(lambda g: g + 1)
        x.register_post_accumulate_grad_hook(lambda t: order.append(("after", t.grad.tolist())))
        (x * 2 + x).sum().backward()
    assert order == [("seen", [3, 3]), ("after", [4, 4])]
    (x * 5).sum().backward()
    assert order[2:] == [("after", [10, 10])]
    assert tg.autograd.grad((x * 5).sum(), x)[0].tolist() == [6, 6]
    y = x * 2
    y.register_hook(lambda g: 100 * g)
    assert tg.autograd.grad(y.sum(), y)[0].tolist() == [100, 100]
    found = tg.autograd.grad((y * x).sum(), [y, x], retain_graph=True)
    assert [g.tolist() for g in found] == [[100, 200], [203, 405]]


def test_an_optimizer_can_step_in_the_backward_pass():
    model = nn.Linear(2, 1)
    before = [p.detach().clone() for p in model.parameters()]
    optimizers = {p: tg.optim.SGD([p], lr=0.1) for p in model.parameters()}

    def step(p):
        optimizers[p].step()
        p.grad = None

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(step)
    model(tg.ones(1, 2)).sum().backward()
    for p, old in zip(model.parameters(), before, strict=True):
        assert p.grad is None
        assert np.allclose(p.detach(), old - 0.1)


def test_hooks_can_be_differentiated():
    x = leaf(1, 2)
    y = x**2
    y.register_hook(lambda g: g * g)
    z = (3 * y).sum()
    (g,) = tg.autograd.grad(z, x, create_graph=True)
    assert g.tolist() == [18, 36]
    assert tg.autograd.grad(g.sum(), x)[0].tolist() == [18, 18]


def test_hooks_go_with_their_leaf():
    gc.collect()
    count = len(hooks.leaves)
    x = leaf(1)
    x.register_hook(lambda g: None)
    assert len(hooks.leaves) == count + 1
    del x
    gc.collect()
    assert len(hooks.leaves) == count


def test_hooks_that_are_wrong():
    x = leaf(1, 2)
    with pytest.raises(GraphError, match="register_hook: expected a tensor that requires grad"):
        x.detach().register_hook(print)
    with pytest.raises(GraphError, match="post_accumulate_grad_hook: expected a leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(GraphError, match=r"or a Tensor of shape \(2,\), got \(\)"):
        x.sum().backward()


def test_forward_hooks_of_modules():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    order = []
    handles = [
        model[1].register_forward_hook(lambda m, a, out: order.append(("second", type(m)))),
        model[1].register_forward_hook(lambda m, a, out: out + 1, prepend=True),
        model[1].register_forward_pre_hook(lambda m, a: -a[0].abs()),
    ]
    assert model(tg.ones(3, 2)).tolist() == [[1, 1]] * 3
    assert order == [("second", nn.ReLU)]
    for handle in handles:
        handle.remove()
    assert model[1]._hooks == ()
    assert (model(tg.ones(3, 2)) <= 0).any() or order == [("second", nn.ReLU)]

    class Scaled(nn.Module):
        def forward(self, x, *, scale=1.0):
            if scale is None:
                raise ValueError("no scale")
            return x * scale

    scaled = Scaled()
    scaled.register_forward_pre_hook(lambda m, a, k: (a, {"scale": 3.0}), with_kwargs=True)
    scaled.register_forward_hook(lambda m, a, k, out: order.append(k), with_kwargs=True)
    assert scaled(tg.ones(1)).tolist() == [3]
    assert order[-1] == {"scale": 3.0}
    failing = Scaled()
    failing.register_forward_hook(lambda m, a, out: order.append(out), always_call=True)
    with pytest.raises(ValueError, match="no scale"):
        failing(tg.ones(1), scale=None)
    assert order[-1] is None


def test_backward_hooks_of_modules():
    layer, seen = nn.Linear(2, 1, bias=False).double(), []
    handle = layer.register_full_backward_hook(
        lambda m, gi, go: (seen.append((gi, go)), (gi[0] * 10,) if gi[0] is not None else None)[1]
    )
    x = leaf(1, 2)
    layer(x).backward()
    (grad_input,), (grad_output,) = seen[0]
    weight = layer.weight.detach().numpy()[0]
    assert np.allclose(grad_input, weight)
    assert grad_output.tolist() == [1]
    assert np.allclose(x.grad, 10 * weight)
    layer(x.detach()).backward()
    assert seen[1][0] == (None,)
    handle.remove()
    pre = layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    layer.weight.grad = None
    layer(x).backward()
    assert layer.weight.grad.tolist() == [[2, 4]]
    pre.remove()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="backward hook: expected 1 gradients, got 2"):
        layer(x).backward()


def test_backward_hooks_of_modules_with_several_results():
    class Pair(nn.Module):
        def forward(self, x, y):
            return x * y, [x]

    pair, seen = Pair(), []
    pair.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = leaf(2)
    product, _ = pair(x, 3.0)
    product.backward()
    (gx, gy), (g, other) = seen[0]
    assert (gx.item(), gy, g.item(), other) == (3, None, 1, None)


def test_hooks_in_a_compiled_step():
    x = leaf(1, 2)
    model = nn.Linear(2, 2, bias=False)

    @tg.compile
    def step(inputs):
        model.zero_grad()
        y = model(inputs).sum()
        y.backward()
        return y.detach()

    data = tg.ones(1, 2)
    step(data)
    step(data)
    handle = model.weight.register_hook(lambda g: g * 2)
    for _ in range(2):
        step(data)
        assert model.weight.grad.tolist() == [[2, 2]] * 2
    handle.remove()
    step(data)
    assert model.weight.grad.tolist() == [[1, 1]] * 2
    with model.register_forward_hook(lambda m, a, out: out * 3):
        step(data)
        assert model.weight.grad.tolist() == [[3, 3]] * 2
    step(data)
    assert model.weight.grad.tolist() == [[1, 1]] * 2
    assert x.grad is None
