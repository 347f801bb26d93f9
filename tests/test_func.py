"""Function transforms: against formulas, against each other, and example by example."""

from __future__ import annotations

import numpy as np
import pytest
from op_cases import CASES, Case

import tinygrad_hw as tg
from tinygrad_hw import func, nn
from tinygrad_hw.errors import DTypeError, ShapeError

# One case of each operator: the batch in every array, and in the first alone.
SOME = list({c.op: c for c in reversed(CASES)}.values())


def vector(*values: float) -> tg.Tensor:
    return tg.tensor(values, dtype=tg.float64)


def close(a, b, tolerance: float = 1e-12) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def cubes(x):
    return (x**3).sum() * x[0]


X = vector(0.3, 0.7, -1.2)
# d/dx of (Σ x³) x₀
GRAD = np.array([3 * 0.3**2 * 0.3, 3 * 0.7**2 * 0.3, 3 * 1.2**2 * 0.3]) + np.array(
    [0.3**3 + 0.7**3 - 1.2**3, 0, 0]
)


def test_grad_and_its_relatives():
    close(func.grad(cubes)(X), GRAD)
    value, gradient = func.value_and_grad(cubes)(X)
    close(gradient, GRAD)
    close(value, cubes(X))
    gradient, (value, aux) = func.grad_and_value(
        lambda x: (cubes(x), {"twice": 2 * x}), has_aux=True
    )(X)
    close(gradient, GRAD)
    close(aux["twice"], 2 * X)
    assert not (value.requires_grad)
    assert not (gradient.requires_grad)
    assert not (aux["twice"].requires_grad)
    assert X.grad is None
    assert not X.requires_grad


def test_argnums_choose_arguments_and_nests_are_kept():
    def f(a, b, *, scale=1.0):
        return (a["w"] * b[0] * scale).sum() + b[1].sum()

    a, b = {"w": vector(1, 2)}, (vector(3, 4), vector(5))
    close(func.grad(f)(a, b)["w"], b[0])
    first, second = func.grad(f, argnums=(-1, 0))(a, b, scale=2.0)
    assert isinstance(first, tuple)
    close(first[0], 2 * a["w"])
    close(first[1], vector(1))
    close(second["w"], 2 * b[0])


def test_pullbacks_can_be_called_again_and_differentiated():
    outputs, pullback = func.vjp(lambda x, y: (x * y, x.exp()), X, 2 * X)
    zeros, ones = tg.zeros_like(X), tg.ones_like(X)
    for _ in range(2):
        close(pullback((ones, zeros))[0], 2 * X)
        close(pullback((zeros, ones))[0], X.exp())
    close(outputs[1], X.exp())
    # v ↦ vᵀ J is linear: its derivative is J, whatever v
    close(func.jacrev(lambda v: pullback((zeros, v))[0])(ones), tg.tensor(np.diag(np.exp(X))))
    value, pullback, aux = func.vjp(lambda x: (x.sin(), x.cos()), X, has_aux=True)
    close(aux, X.cos())
    close(pullback(ones)[0], aux)
    assert not value.requires_grad


def test_forward_mode_is_exact():
    value, tangent = func.jvp(lambda x: x.sin(), (X,), (tg.ones_like(X),))
    close(value, X.sin())
    close(tangent, X.cos(), 1e-15)
    output, push, aux = func.linearize(lambda x, y: ({"p": x * y}, x), X, X.exp(), has_aux=True)
    close(push(X, X)["p"], X * X.exp() + X * X)
    close(push(2 * X, X)["p"], 2 * X * X.exp() + X * X)
    close(output["p"], X * X.exp())
    close(aux, X)
    assert func.jvp(lambda x: (x, x), (X,), (X,), has_aux=True)[2] is not None


@pytest.mark.parametrize("outer", [func.jacrev, func.jacfwd])
@pytest.mark.parametrize("inner", [func.jacrev, func.jacfwd, func.grad])
def test_transforms_nest_in_any_order(outer, inner):
    want = func.hessian(cubes)(X)
    close(outer(inner(cubes))(X), want)
    v = vector(1, -1, 2)
    close(func.hvp(cubes, (X,), (v,))[0], want @ v)
    close(func.jvp(func.grad(cubes), (X,), (v,))[1], want @ v)
    rows = tg.stack([X, v])
    mapped = func.vmap(outer(inner(cubes)))
    close(mapped(rows), tg.stack([outer(inner(cubes))(r) for r in rows]))
    assert mapped.looped == set()


def test_jacobians_have_the_form_of_outputs_then_inputs():
    def f(x, y):
        return {"sum": x.sum() + y.sum(), "outer": tg.outer(x, y)}

    y = vector(5, 6)
    for transform in (func.jacrev, func.jacfwd):
        found = transform(f, argnums=(0, 1))(X, y)
        assert found["sum"][0].shape == (3,)
        assert found["outer"][1].shape == (3, 2, 2)
        close(found["outer"][0], tg.tensor(np.einsum("ik,j->ijk", np.eye(3), y)))
        jacobian, aux = transform(lambda x: (x * x, x), has_aux=True, chunk_size=2)(X)
        close(jacobian, tg.tensor(np.diag(2 * np.asarray(X))))
        close(aux, X)


def test_perturbations_are_not_confused():
    one = tg.tensor(1.0)
    assert func.grad(lambda x: x * func.grad(lambda y: x + y)(one))(one).item() == 1
    assert (
        func.jvp(lambda x: x * func.jvp(lambda y: x * y, (one,), (one,))[1], (one,), (one,))[1] == 2
    )


@pytest.mark.parametrize("transform", [func.jacrev, func.jacfwd])
def test_a_constant_output_gives_zeros(transform):
    assert not np.any(transform(lambda x: tg.ones(2, dtype=tg.float64))(X).numpy())
    assert transform(lambda x: x.detach())(X).numpy().shape == (3, 3)
    assert not np.any(func.grad(lambda x: tg.tensor(2.0))(X).numpy())


def test_detached_values_can_be_looked_at_inside():
    def f(x):
        weight = float(x.detach().numpy().max())
        return (x * weight).sum()

    close(func.grad(f)(X), tg.full((3,), 0.7, dtype=tg.float64))
    rows = tg.stack([X, 2 * X])
    close(func.vmap(func.grad(f))(rows), tg.stack([func.grad(f)(r) for r in rows]))


def test_what_is_around_can_differentiate_again():
    w = vector(2.0).requires_grad_()
    x = X.clone().requires_grad_()
    g = func.grad(lambda x: (w * x**3).sum())(x)
    g.sum().backward()
    close(w.grad, (3 * X**2).sum(0, keepdim=True))
    close(x.grad, 12 * X)
    with tg.no_grad():
        assert not func.grad(lambda x: (w * x).sum())(x).requires_grad
        value, _ = func.vjp(lambda x: w * x, x)
    assert not value.requires_grad


@pytest.mark.parametrize("x", [0.0, 1.0, 2.0])
def test_second_derivatives_at_edge_points_are_zero(x):
    y = tg.tensor(x, dtype=tg.float64)
    power = func.grad(func.grad(lambda e: tg.tensor(0.0, dtype=tg.float64) ** e))(y)
    assert power.item() == 0
    one = vector(x)
    assert func.hessian(lambda v: v.std(correction=0))(one).item() == 0


# vmap


@pytest.mark.parametrize("case", SOME, ids=lambda c: c.name)
def test_vmap_is_a_loop(case: Case):
    draws = [case.draw(s) for s in range(2)]
    arrays = [isinstance(x, np.ndarray) for x in draws[0]]
    columns = list(zip(*draws, strict=True))
    same = all(a.shape == b.shape for (a, b), array in zip(columns, arrays, strict=True) if array)
    if not any(arrays) or not same:
        pytest.skip("its samples are of several shapes, or no arrays")

    def results(*operands):
        out = case(*operands)
        out = out if isinstance(out, tuple | list) else (out,)
        return tuple(y for y in out if isinstance(y, tg.Tensor))

    for every in (True, False):
        batched = [a and (every or not any(arrays[:i])) for i, a in enumerate(arrays)]
        single = [tg.tensor(x) if a else x for x, a in zip(draws[0], arrays, strict=True)]
        operands = [
            tg.tensor(np.stack(c)) if b else x
            for c, x, b in zip(columns, single, batched, strict=True)
        ]
        try:
            want = [
                results(*[x[s] if b else x for x, b in zip(operands, batched, strict=True)])
                for s in range(2)
            ]
        except (ValueError, IndexError, TypeError):
            continue  # a sample's operands do not go with another's
        if any(len({w[k].shape for w in want}) > 1 for k in range(len(want[0]))):
            with pytest.raises(ShapeError, match="shape"):
                func.vmap(results, tuple(0 if b else None for b in batched))(*operands)
            continue
        mapped = func.vmap(results, tuple(0 if b else None for b in batched), randomness="same")
        if any(a.shape != b.shape for a, b in zip(*want, strict=True)):
            with pytest.raises(ShapeError):  # the shape depends on the values
                mapped(*operands)
            continue
        for k, y in enumerate(mapped(*operands)):
            close(y, tg.stack([w[k] for w in want]), 1e-9)


def test_examples_lie_where_in_dims_and_out_dims_say():
    a = tg.randn(2, 4, 3, dtype=tg.float64)
    mapped = func.vmap(lambda x, y: (x.sum(0), x * y), in_dims=(1, None), out_dims=(0, -1))
    total, product = mapped(a, vector(1, 2, 3))
    close(total, a.sum(0))
    assert product.shape == (2, 3, 4)
    nested = func.vmap(lambda d: d["x"] + d["c"], in_dims=({"x": -1, "c": None},))
    close(nested({"x": a, "c": vector(1)}), a.permute(2, 0, 1) + 1)
    close(func.vmap(func.vmap(lambda x: x.sum()))(a), a.sum(-1))
    close(func.vmap(lambda x: func.vmap(lambda y: x @ y)(a[0]))(a[1]), a[1] @ a[0].T)
    close(func.vmap(lambda x: x * 2, chunk_size=3)(a.reshape(8, 3)), 2 * a.reshape(8, 3))
    close(func.vmap(lambda x: tg.ones(2))(a), tg.ones(2, 2))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_of_each_example_of_a_network_are_one_run(reduction):
    """Convolution, pooling, normalization, embedding and cross entropy, whose labels are among the examples."""
    tg.manual_seed(0)
    table = tg.randn(5, 3, dtype=tg.float64)
    weights = {
        "conv": tg.randn(4, 3, 2, dtype=tg.float64), "bias": tg.randn(4, dtype=tg.float64),
        "back": tg.randn(4, 2, 2, dtype=tg.float64), "gain": tg.randn(6, dtype=tg.float64),
        "out": tg.randn(3, 6, dtype=tg.float64),
    }  # fmt: skip

    def loss(w, words, label):
        x = nn.functional.embedding(words, table).T
        x = nn.functional.conv1d(x.unsqueeze(0), w["conv"], w["bias"], padding=1)
        x = nn.functional.conv_transpose1d(
            nn.functional.avg_pool1d(nn.functional.gelu(x), 2), w["back"]
        )
        x = nn.functional.layer_norm(
            nn.functional.group_norm(x, 2).flatten(1)[:, :6], (6,), w["gain"]
        )
        return nn.functional.cross_entropy(x @ w["out"].T, label.unsqueeze(0), reduction=reduction)

    words, labels = tg.randint(0, 5, (3, 5)), tg.tensor([2, 0, 1])
    mapped = func.vmap(func.grad(loss), in_dims=(None, 0, 0))
    found = mapped(weights, words, labels)
    assert mapped.looped == set()
    for i in range(3):
        for name, g in func.grad(loss)(weights, words[i], labels[i]).items():
            close(found[name][i], g, 1e-9)


def test_functions_that_look_at_values_run_one_by_one_and_say_so():
    rows = tg.stack([X, -X])
    mapped = func.vmap(lambda x: 2 * x if x.sum() > 0 else x)
    close(mapped(rows), tg.stack([X, -2 * X]))
    assert mapped.looped == {"function"}
    mapped = func.vmap(lambda x: x[x.argmax()])
    close(mapped(rows), vector(0.7, 1.2))
    mapped = func.vmap(lambda x: x + 1)
    close(mapped(rows), rows + 1)
    assert mapped.looped == set()

    def changes(x):
        y = x.clone()
        y[0] = 5.0
        return y.add_(1)

    assert func.vmap(changes)(rows)[:, 0].tolist() == [6, 6]


def test_per_sample_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    state = {name: p.detach() for name, p in model.named_parameters()}
    x, y = tg.randn(5, 3, dtype=tg.float64), tg.tensor([0, 1, 1, 0, 1])

    def loss(state, x, y):
        return nn.functional.cross_entropy(func.functional_call(model, state, (x,)), y)

    def square(state, x):
        return func.functional_call(model, state, x).square().sum()

    mapped = func.vmap(func.grad(square), in_dims=(None, 0))
    found, want = mapped(state, x), [func.grad(square)(state, r) for r in x]
    assert mapped.looped == set()
    classes = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(state, x, y)
    for name in state:
        close(found[name], tg.stack([w[name] for w in want]))
        whole = func.grad(loss)(state, x, y)[name]
        close(classes[name].mean(0), whole, 1e-10)


def test_randomness_of_vmap():
    rows = tg.zeros(3, 4)
    draw = lambda x: x + tg.rand(4)  # noqa: E731
    with pytest.raises(RuntimeError, match="vmap: the function draws random numbers"):
        func.vmap(draw)(rows)
    same = func.vmap(draw, randomness="same")(rows)
    assert (same[0] == same[1]).all()
    different = func.vmap(draw, randomness="different")(rows)
    assert not (different[0] == different[1]).any()
    look = lambda x: x + tg.rand(4) * float(x.sum())  # noqa: E731
    with pytest.raises(RuntimeError, match="draws random numbers"):
        func.vmap(look)(rows)
    assert func.vmap(look, randomness="same")(rows).shape == (3, 4)


def test_modules_as_functions_of_their_parameters():
    model = nn.Linear(3, 2)
    model.register_buffer("scale", tg.ones(1))
    before = model.weight
    new = {"weight": tg.zeros(2, 3), "bias": tg.ones(2)}
    assert func.functional_call(model, new, tg.ones(3)).tolist() == [1, 1]
    assert func.functional_call(model, [new, {"bias": tg.zeros(2)}], (tg.ones(3),)).tolist() == [
        0,
        0,
    ]
    assert model.weight is before
    with pytest.raises(KeyError, match="missing names"):
        func.functional_call(model, new, tg.ones(3), strict=True)
    with pytest.raises(KeyError, match="unexpected names"):
        func.functional_call(model, {"wait": before}, tg.ones(3))
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    eye = tg.eye(2) * 2
    assert func.functional_call(tied, {"0.weight": eye}, tg.ones(2)).tolist() == [4, 4]


def test_ensembles():
    models = [nn.Linear(3, 2) for _ in range(4)]
    state, buffers = func.stack_module_state(models)
    assert state["weight"].requires_grad
    assert buffers == {}
    x = tg.randn(5, 3)
    mapped = func.vmap(lambda s, x: func.functional_call(models[0], s, x), in_dims=(0, None))
    close(mapped(state, x), tg.stack([m(x) for m in models]), 1e-6)
    assert mapped.looped == set()
    with pytest.raises(ValueError, match="at least 1 module"):
        func.stack_module_state([])
    with pytest.raises(ValueError, match="modules of one class"):
        func.stack_module_state([nn.Linear(1, 1), nn.ReLU()])


def test_wrong_uses_are_named():
    with pytest.raises(TypeError, match="grad: expected Tensors as inputs, got float"):
        func.grad(lambda x: x)(1.0)
    with pytest.raises(DTypeError, match="grad: expected inputs of floating point, got int64"):
        func.grad(lambda x: x)(tg.tensor(1))
    with pytest.raises(ShapeError, match="expected a 0-d output"):
        func.grad(lambda x: x)(X)
    with pytest.raises(TypeError, match="expected a Tensor from the function, got int"):
        func.grad(lambda x: 1)(X)
    with pytest.raises(ValueError, match="expected argnums below 1 arguments, got 1"):
        func.grad(cubes, argnums=1)(X)
    with pytest.raises(TypeError, match=r"expected \(output, aux\)"):
        func.grad(cubes, has_aux=True)(X)
    with pytest.raises(TypeError, match="vjp: expected Tensors as outputs, got str"):
        func.vjp(lambda x: "x", X)
    with pytest.raises(ShapeError, match="vjp: expected cotangents of shapes"):
        func.vjp(cubes, X)[1](X)
    with pytest.raises(TypeError, match="jvp: expected tangents as a tuple"):
        func.jvp(cubes, (X,), X)
    with pytest.raises(ShapeError, match="jvp: expected tangents of shapes"):
        func.jvp(cubes, (X,), (X[:2],))
    with pytest.raises(TypeError, match="expected a Tensor where in_dims is 0, got float"):
        func.vmap(lambda x: x)(1.0)
    with pytest.raises(ValueError, match="expected one number of examples, got"):
        func.vmap(lambda x, y: x)(tg.ones(2), tg.ones(3))
    with pytest.raises(ValueError, match="expected one number of examples, got no in_dims"):
        func.vmap(lambda x: x, in_dims=None)(X)
    with pytest.raises(ValueError, match="expected ints or None in the form"):
        func.vmap(lambda x: x, in_dims=(0, 0))(X)
    with pytest.raises(ValueError, match="an int in out_dims"):
        func.vmap(lambda x: x, out_dims=None)(X)
    with pytest.raises(TypeError, match="expected Tensors from the function, got int"):
        func.vmap(lambda x: 1)(X)
    with pytest.raises(ValueError, match="as randomness, got 'some'"):
        func.vmap(cubes, randomness="some")
    with pytest.raises(ValueError, match="expected chunk_size >= 1, got 0"):
        func.vmap(cubes, chunk_size=0)
    with pytest.raises(ValueError, match="expected at least 1 example"):
        func.vmap(lambda x: x if x > 0 else -x)(tg.ones(0))
    with pytest.raises(ShapeError, match="vmap: argwhere gives results of another shape for each"):
        func.vmap(lambda x: tg.nonzero(x))(tg.eye(2) + tg.tensor([[1.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="has no rule for a batch without examples"):
        func.vmap(lambda x: tg.one_hot(x, num_classes=3))(tg.ones(0, 2, dtype=tg.int64))
    assert "Batched(levels=(0,)" in _shown()


def _shown() -> str:
    seen = []
    func.vmap(lambda x: (seen.append(repr(x)), x)[1])(X)
    return seen[0]


# autograd.functional


def test_derivatives_at_once():
    functional = tg.autograd.functional
    y = vector(2.0)

    def f(x, y):
        return (x**3).sum() * y.sum()

    close(functional.jacobian(lambda x: x**2, X), tg.tensor(np.diag(2 * np.asarray(X))))
    forward = functional.jacobian(f, (X, y), strategy="forward-mode")
    for a, b in zip(functional.jacobian(f, (X, y)), forward, strict=True):
        close(a, b)
    blocks = functional.hessian(f, (X, y))
    close(blocks[0][0], tg.tensor(np.diag(12 * np.asarray(X))))
    close(blocks[1][0], (3 * X**2).reshape(1, 3))
    close(functional.hessian(cubes, X), func.hessian(cubes)(X))
    value, (gx, _gy) = functional.vjp(f, (X, y))
    close(value, f(X, y))
    close(gx, 6 * X**2)
    close(functional.vjp(lambda x: x**2, X, X)[1], 2 * X**2)
    close(functional.jvp(lambda x: x**2, X, X)[1], 2 * X**2)
    for product in (functional.hvp, functional.vhp):
        value, found = product(cubes, X, X)
        close(found, func.hessian(cubes)(X) @ X)
        close(value, cubes(X))
    x = X.clone().requires_grad_()
    assert not functional.jacobian(cubes, x).requires_grad
    again = functional.jacobian(cubes, x, create_graph=True)
    close(tg.autograd.grad(again.sum(), x)[0], func.hessian(cubes)(X).sum(0))


def test_what_derivatives_at_once_refuse():
    functional = tg.autograd.functional
    for name in ("vjp", "jvp", "jacobian", "hessian", "hvp", "vhp"):
        with pytest.raises(tg.GraphError, match=f"{name}: output 0 does not depend on input 0"):
            getattr(functional, name)(lambda x: tg.ones((), dtype=tg.float64), X, strict=True)
    with pytest.raises(ShapeError, match="vjp: expected v, which is optional for one element"):
        functional.vjp(lambda x: x, X)
    with pytest.raises(ShapeError, match="hessian: expected a function with one element"):
        functional.hessian(lambda x: x, X)
    with pytest.raises(ValueError, match="expected reverse-mode or forward-mode as strategy"):
        functional.jacobian(cubes, X, strategy="central")
