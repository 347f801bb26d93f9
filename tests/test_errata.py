"""The write-ups' slips, computed: what is written there beside what the engine finds; and the links of docs/derivations.md.

Each test is named in the table of docs/derivations.md, section "Errata".
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import data, nn
from tinygrad_hw.errors import DataError
from tinygrad_hw.nn import functional as F

ROOT = Path(__file__).parent.parent
RNG = np.random.default_rng(0)


def leaf(*shape):
    return tg.tensor(RNG.standard_normal(shape), requires_grad=True)


def jacobian(function, x):
    """∂function(x)_i / ∂x_j, row by row, from the engine."""
    rows = []
    for i in range(function(x).numel()):
        x.grad = None
        function(x)[i].backward()
        rows.append(x.grad.numpy().copy())
    return np.array(rows)


# --- softmax


def test_largest_exponential_is_one():
    x = np.array([1.0, 7.0, 7.0, -3.0], np.float32)
    e = np.exp(x - x.max())
    assert (x - x.max()).max() == 0  # not < 0
    assert e.max() == 1  # not in (0, 1)
    assert np.exp(np.float32(-200)) == 0
    np.testing.assert_allclose(tg.softmax(tg.tensor(x), 0).numpy(), e / e.sum(), rtol=1e-6)


def test_softmax_normalizes_the_exponentials():
    x = np.array([1.0, 2.0, -0.5])
    s = np.exp(x)
    engine = tg.softmax(tg.tensor(x), 0).numpy()
    np.testing.assert_allclose(engine, s / s.sum(), rtol=1e-12)
    written = x / s.sum()
    assert written.sum() != pytest.approx(1)
    assert written.min() < 0  # no probability


def test_softmax_of_one_input():
    for value in (-100.0, 0.0, 3.0):
        assert tg.softmax(tg.tensor([value]), 0).item() == 1


def test_corner_of_the_softmax_jacobian():
    s = leaf(4)
    engine = jacobian(lambda s: tg.softmax(s, 0), s)
    a = tg.softmax(s.detach(), 0).numpy()
    np.testing.assert_allclose(engine[0, -1], -a[0] * a[-1], rtol=1e-12)  # ∂a₁/∂s_n
    written = a[-1] * (1 - a[-1])  # ∂a_n/∂s_n
    assert abs(engine[0, -1] - written) > 0.01
    np.testing.assert_allclose(engine, np.diag(a) - np.outer(a, a), atol=1e-15)


# --- cross-entropy


def test_cost_is_of_the_labelled_class():
    s, k = leaf(5), 2
    cost = F.cross_entropy(s[None], tg.tensor([k]))
    cost.backward()
    a = tg.softmax(s.detach(), 0).numpy()
    assert cost.item() == pytest.approx(-np.log(a[k]))
    j = 4  # the index that the derivative is taken by
    assert -np.log(a[j]) != pytest.approx(cost.item())
    # eq. 8 follows from the cost of class k; the cost of class j has another slope by s_j.
    np.testing.assert_allclose(s.grad.numpy()[j], a[j], rtol=1e-12)
    assert a[j] - 1 != pytest.approx(a[j])


def test_slope_of_the_labelled_class():
    s, k = leaf(5), 3
    F.cross_entropy(s[None], tg.tensor([k])).backward()
    a, y = tg.softmax(s.detach(), 0).numpy(), np.eye(5)[k]
    share = np.exp(s.detach().numpy()[k]) / np.exp(s.detach().numpy()).sum()
    np.testing.assert_allclose(s.grad.numpy(), a - y, atol=1e-15)
    assert s.grad.numpy()[k] == pytest.approx(share - 1)
    assert share != pytest.approx(a[k] - y[k])  # the first equality of eq. 9


# --- linear layers


def layer(k=3, d=5):
    """A linear layer's operands, its output's cotangent δ, and the engine's gradients."""
    w, x, b = leaf(k, d), leaf(d), leaf(k)
    delta = RNG.standard_normal(k)
    F.linear(x, w, b).backward(tg.tensor(delta))
    return w, x, b, delta


def test_errors_are_summed_with_their_weights():
    w, x, _, delta = layer()
    weights = w.detach().numpy()
    np.testing.assert_allclose(x.grad.numpy(), (delta[:, None] * weights).sum(axis=0), rtol=1e-12)
    for i in range(3):
        written = delta[i] * weights.sum(axis=0)
        assert np.abs(written - x.grad.numpy()).max() > 0.01


def test_a_layer_of_k_outputs_has_k_errors():
    w, x, b, delta = layer(k=3)
    assert len(delta) == w.shape[0] == b.grad.shape[0] == 3
    terms = np.array([delta[i] * w.detach().numpy()[i] for i in range(3)])
    np.testing.assert_allclose(terms.sum(axis=0), x.grad.numpy(), rtol=1e-12)


def test_gradient_has_the_shape_of_the_weights():
    w, x, b, delta = layer(k=3, d=5)
    assert w.grad.shape == w.shape == (3, 5)
    np.testing.assert_allclose(w.grad.numpy(), np.outer(delta, x.detach().numpy()), rtol=1e-12)
    written = np.outer(x.detach().numpy(), delta)
    assert written.shape == (5, 3)
    np.testing.assert_array_equal(b.grad.numpy(), delta)


def test_errors_go_back_through_the_transpose():
    w, x, _, delta = layer(k=3, d=5)
    np.testing.assert_allclose(x.grad.numpy(), w.detach().numpy().T @ delta, rtol=1e-12)
    with pytest.raises(ValueError, match="mismatch"):
        _ = w.detach().numpy() @ delta  # Σ_j δ_j w_ij over j = 1 … d
    w, x, _, delta = layer(k=4, d=4)
    assert np.abs(w.detach().numpy() @ delta - x.grad.numpy()).max() > 0.01


def test_narrow_linear_networks_are_of_low_rank():
    deep = nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 6)).double()
    x = np.eye(6)
    images = (deep(tg.tensor(x)) - deep(tg.tensor(np.zeros((1, 6))))).detach().numpy()
    assert np.linalg.matrix_rank(images) == 2
    assert np.linalg.matrix_rank(nn.Linear(6, 6).double().weight.detach().numpy()) == 6


def test_each_layer_has_its_own_bias():
    w1, b1, w2, b2, x = leaf(4, 4), leaf(4), leaf(4, 4), leaf(4), leaf(4)
    right = F.linear(F.linear(x, w1, b1), w2, b2)
    one = F.linear(F.linear(x, w1, b2), w2, b2)
    difference = right.detach().numpy() - one.detach().numpy()
    np.testing.assert_allclose(
        difference, w2.detach().numpy() @ (b1 - b2).detach().numpy(), atol=1e-12
    )
    assert np.abs(difference).max() > 0.01


def test_linear_maps_do_not_translate():
    w, b = leaf(3, 3), leaf(3)
    zero = tg.tensor(np.zeros(3))
    np.testing.assert_array_equal(F.linear(zero, w).detach().numpy(), np.zeros(3))
    np.testing.assert_array_equal(F.linear(zero, w, b).detach().numpy(), b.detach().numpy())


# --- activations


def slope(function, x):
    t = tg.tensor(np.asarray(x, float), requires_grad=True)
    function(t).sum().backward()
    return t.grad.numpy()


def test_tanh_is_not_steeper_everywhere():
    x = np.linspace(0, 6, 6001)
    tanh, sigmoid = slope(tg.tanh, x), slope(tg.sigmoid, x)
    crossing = x[np.argmax(tanh < sigmoid)]
    assert crossing == pytest.approx(1.66, abs=0.01)
    assert (tanh[x < 1.65] > sigmoid[x < 1.65]).all()
    assert (tanh[x > 1.67] < sigmoid[x > 1.67]).all()
    np.testing.assert_allclose(tanh, 4 * slope(tg.sigmoid, 2 * x), rtol=1e-9, atol=1e-12)


def test_the_reciprocal_of_tanh():
    x = np.linspace(0.1, 3, 30)
    right = 2 * tg.sigmoid(tg.tensor(2 * x)).numpy() - 1
    np.testing.assert_allclose(right, tg.tanh(tg.tensor(x)).numpy(), rtol=1e-12)
    np.testing.assert_allclose(1 / right, np.cosh(x) / np.sinh(x), rtol=1e-12)
    assert (1 / right > 1).all()  # no value of tanh


def test_tanh_shrinks_everything():
    x = np.linspace(0.01, 8, 500)
    y = tg.tanh(tg.tensor(x)).numpy()
    assert (y < np.minimum(1, x)).all()


def test_slope_of_an_activation_is_diagonal():
    for function, derivative in (
        (tg.relu, lambda z: (z > 0).astype(float)),
        (tg.sigmoid, lambda z: 1 / (1 + np.exp(-z)) * (1 - 1 / (1 + np.exp(-z)))),
    ):
        z = leaf(4)
        engine = jacobian(function, z)
        assert engine.shape == (4, 4)
        np.testing.assert_allclose(engine, np.diag(derivative(z.detach().numpy())), atol=1e-15)


# --- networks


def two_layers(n=5, m=4, outputs=3):
    return leaf(n), leaf(m, n), leaf(m), leaf(outputs, m), leaf(outputs)


def test_relu_gates_hidden_units():
    x, w1, b1, w2, b2 = two_layers()
    engine = F.linear(F.relu(F.linear(x, w1, b1)), w2, b2).detach().numpy()
    x, w1, b1, w2, b2 = (t.detach().numpy() for t in (x, w1, b1, w2, b2))
    z1 = w1 @ x + b1
    assert (z1 > 0).any()
    assert (z1 < 0).any()
    np.testing.assert_allclose(engine, w2 @ np.maximum(z1, 0) + b2, rtol=1e-12)
    written = np.where(z1[:3] > 0, w2 @ z1 + b2, b2)  # output i under the gate of hidden unit i
    assert np.abs(written - engine).max() > 0.01


def test_the_input_enters_the_first_layer():
    x, w1, b1, *_ = two_layers()
    right = tg.sigmoid(F.linear(x, w1, b1))
    assert right.shape == (4,)
    written = tg.sigmoid(w1 + b1[:, None])
    assert written.shape == (4, 5)  # a matrix where hidden units are


def test_products_of_the_chain_rule_are_transposed():
    x, w1, b1, w2, b2 = two_layers()
    y = RNG.standard_normal(3)
    z1 = F.linear(x, w1, b1)
    z2 = F.relu(z1)
    out = F.linear(z2, w2, b2)
    ((out - tg.tensor(y)) ** 2).sum().backward()
    row = 2 * (out.detach().numpy() - y)[None, :]  # ∂l/∂ŷ, (1, K)
    written = z2.detach().numpy()[:, None] @ row @ np.eye(3)
    assert written.shape == (4, 3) != w2.shape
    np.testing.assert_allclose(w2.grad.numpy(), written.T, rtol=1e-12)
    gate = np.diag((z1.detach().numpy() > 0).astype(float))
    written = x.detach().numpy()[:, None] @ row @ w2.detach().numpy() @ gate
    assert written.shape == (5, 4) != w1.shape
    np.testing.assert_allclose(w1.grad.numpy(), written.T, rtol=1e-12, atol=1e-15)


def steps_from(start, activation, steps):
    """The gradients (W₁, b₁, W₂, b₂) of each of so many steps from weights that ``start`` fills."""
    tg.manual_seed(0)
    x, y = tg.randn(30, 6), tg.tensor(np.arange(30) % 3)
    model = nn.Sequential(nn.Linear(6, 5), activation(), nn.Linear(5, 3))
    for p in model.parameters():
        start(p)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.5)
    found = []
    y = tg.where(x[:, 0] > 0.5, tg.zeros_like(y), y)  # classes of unequal frequency
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        found.append([p.grad.numpy().copy() for p in model.parameters()])
        optimizer.step()
    return found, model


def test_zero_weights():
    for activation in (nn.Tanh, nn.ReLU):
        found, _ = steps_from(nn.init.zeros_, activation, 20)
        for w1, b1, w2, _ in found:
            assert not w1.any()  # exactly 0, not small
            assert not b1.any()
            assert not w2.any()
        assert np.abs(found[0][3]).max() > 0.05  # the last bias learns how frequent classes are
    found, model = steps_from(nn.init.zeros_, nn.Sigmoid, 20)
    w1, b1, w2, b2 = found[0]
    assert not w1.any()
    assert not b1.any()
    assert np.abs(w2).max() > 0.02  # as large as from any other start
    assert np.abs(b2).max() > 0.05
    assert found[1][0].any()
    weights = model[0].weight.detach().numpy()
    assert (weights == weights[0]).all()  # five copies of one unit
    assert weights.any()


def test_equal_units_stay_equal():
    for activation in (nn.Tanh, nn.ReLU, nn.Sigmoid):
        _, model = steps_from(lambda p: nn.init.constant_(p, 0.3), activation, 50)
        weights = model[0].weight.detach().numpy()
        np.testing.assert_allclose(weights, np.broadcast_to(weights[0], weights.shape), rtol=1e-5)
        assert np.abs(weights - 0.3).max() > 1e-3  # they learned, but all the same


def test_relu_halves_the_gradient_of_xavier_layers():
    tg.manual_seed(0)
    depth, width = 8, 256
    h = tg.randn(512, width)
    kept = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False)
        nn.init.xavier_normal_(linear.weight)
        h = F.relu(linear(h))
        h.retain_grad()
        kept.append(h)
    h.backward(tg.randn(512, width))
    sizes = np.array([float((t.grad.numpy() ** 2).mean()) for t in kept])
    ratio = (sizes[0] / sizes[-1]) ** (1 / (depth - 1))
    assert ratio == pytest.approx(0.5, abs=0.05)


def test_neighboring_bits_are_hardly_correlated():
    try:
        splits = data.load("sequences")
    except DataError:
        pytest.skip("the sequences are not in the data folder")
    x, y = splits.train
    bits = x * 2 - 1
    for kind, expected in ((1, -0.08), (0, 0.0)):
        rows = bits[y == kind]
        assert (rows[:, 1:] * rows[:, :-1]).mean() == pytest.approx(expected, abs=0.03)


# --- the document


def sections():
    """The text of docs/derivations.md by heading."""
    text = (ROOT / "docs" / "derivations.md").read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def defined(path, name):
    """Whether a file defines a function or class of this name at its top level, or imports it."""
    source = (ROOT / path).read_text(encoding="utf-8")
    return re.search(rf"^(def|class) {re.escape(name)}\b|^{re.escape(name)} = ", source, re.M)


def test_every_erratum_has_its_test_and_every_test_its_erratum():
    (table,) = (text for title, text in sections().items() if "Errata" in title)
    named = set(re.findall(r"`(test_\w+)`", table))
    source = Path(__file__).read_text(encoding="utf-8").partition("# --- the document")[0]
    assert named == set(re.findall(r"^def (test_\w+)", source, re.M))


def test_every_derivation_links_code_and_a_test_that_exist():
    found = sections()
    (table,) = (text for title, text in found.items() if "Where to find" in title)
    rows = re.findall(r"^\| (\d.*?) \| `(.+?)` `(.+?)` \| `(.+?)` `(.+?)` \|$", table, re.M)
    numbered = {t for t in found if re.match(r"\d", t)}
    leaves = {
        t for t in numbered if not any(o != t and o.startswith(t.split()[0]) for o in numbered)
    }
    linked = {title for title, *_ in rows}
    assert linked <= numbered
    without = {t for t in leaves - linked if "Errata" not in t and "Where to find" not in t}
    assert not without
    for title, code, name, test_file, test_name in rows:
        assert defined(code, name), (title, code, name)
        assert defined(test_file, test_name), (title, test_file, test_name)
