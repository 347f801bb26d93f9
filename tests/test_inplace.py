"""In-place operations and views: against a rewrite without them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from op_cases import CASES

import tinygrad_hw as tg
from tinygrad_hw import nn

BASE = (3, 4)


# Random programs. The rewrite keeps for each memory its present values, as the result of ordinary operations, and
# for each tensor the places that it shows; a change in place is a gather from old and new values.


class Place:
    """A tensor of the rewrite: the places (flat numbers) of memory number ``memory`` that it shows."""

    def __init__(self, memory: int, places: np.ndarray) -> None:
        self.memory, self.places = memory, places


class Rewrite:
    def __init__(self) -> None:
        self.memories: list[tg.Tensor] = []

    def new(self, values: tg.Tensor) -> Place:
        self.memories.append(values.reshape(-1))
        return Place(len(self.memories) - 1, np.arange(values.numel()).reshape(values.shape))

    def read(self, p: Place) -> tg.Tensor:
        return self.memories[p.memory][p.places]

    def write(self, p: Place, values: tg.Tensor) -> None:
        old = self.memories[p.memory]
        source = np.arange(old.numel())
        source[p.places.reshape(-1)] = old.numel() + np.arange(p.places.size)
        self.memories[p.memory] = tg.cat([old, values.reshape(-1)])[source]


VIEWS = {
    "row": lambda t: t[0],
    "last": lambda t: t[-1:],
    "reversed": lambda t: t[::-1],
    "tail": lambda t: t[..., 1:],
    "T": lambda t: t.T,
    "new axis": lambda t: t[None],
}
CHANGES = {
    "add_": (lambda t, v: t.add_(v), lambda x, v: x + v),
    "+=": (lambda t, v: t.__iadd__(v), lambda x, v: x + v),
    "-=": (lambda t, v: t.__isub__(v), lambda x, v: x - v),
    "*=": (lambda t, v: t.__imul__(v), lambda x, v: x * v),
    "/=": (lambda t, v: t.__itruediv__(v * v + 1), lambda x, v: x / (v * v + 1)),
    "tanh_": (lambda t, v: t.tanh_(), lambda x, v: x.tanh()),
    "copy_": (lambda t, v: t.copy_(v), lambda x, v: v + x * 0),
    "zero_": (lambda t, v: t.zero_(), lambda x, v: x * 0),
    "mask": (lambda t, v: t.masked_fill_(t > 0.5, -1.0), lambda x, v: tg.where(x > 0.5, -1.0, x)),
    "set all": (lambda t, v: t.__setitem__(..., v), lambda x, v: v + x * 0),
    "set mask": (
        lambda t, v: t.__setitem__(t < 0, 0.3),
        lambda x, v: tg.where(x < 0, 0.3, x),
    ),
}
OPERANDS = {
    "number": lambda tensors, i: 0.7,
    "array": lambda tensors, i: np.float64(-1.3),
    "leaf": lambda tensors, i: tensors[0].sum() * 0.1,
    "other": lambda tensors, i: tensors[i].mean(),
}
STEPS = st.one_of(
    st.tuples(st.just("view"), st.integers(0, 9), st.sampled_from(list(VIEWS))),
    st.tuples(st.just("compute"), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(
        st.just("change"),
        st.integers(0, 9),
        st.tuples(
            st.sampled_from(list(CHANGES)), st.sampled_from(list(OPERANDS)), st.integers(0, 9)
        ),
    ),
)


@given(st.lists(STEPS, min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_programs_equal_their_rewrite(program, seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=BASE)
    leaf, twin = (tg.tensor(data, requires_grad=True) for _ in range(2))
    constant = rng.normal(size=BASE)
    rewrite = Rewrite()
    # The leaf itself is read only; its copy and a constant may be changed.
    real = [leaf, leaf * 1.5, tg.tensor(constant)]
    places = [rewrite.new(twin), rewrite.new(twin * 1.5), rewrite.new(tg.tensor(constant))]

    def pick(number: int, first: int = 0) -> int:
        return first + number % (len(real) - first)

    for kind, i, detail in program:
        if kind == "view":
            i = pick(i, 1)
            view = VIEWS[detail]
            if real[i].ndim and np.size(shown := view(places[i].places)):
                real.append(view(real[i]))
                places.append(Place(places[i].memory, np.asarray(shown)))
        elif kind == "compute":
            i, j = pick(i), pick(detail)
            real.append((real[i] * 0.5 + real[j].sum()).sin())
            places.append(
                rewrite.new((rewrite.read(places[i]) * 0.5 + rewrite.read(places[j]).sum()).sin())
            )
        else:
            i = pick(i, 1)
            name, operand, j = detail
            change, rewritten = CHANGES[name]
            now = [rewrite.read(p) for p in places]
            change(real[i], OPERANDS[operand](real, pick(j)))
            rewrite.write(places[i], rewritten(now[i], OPERANDS[operand](now, pick(j))))
        for t, p in zip(real, places, strict=True):
            assert np.array_equal(np.asarray(t), np.asarray(rewrite.read(p)))
    weights = [rng.normal(size=t.shape) for t in real]
    total = sum((t * w).sum() for t, w in zip(real, weights, strict=True))
    want = sum((rewrite.read(p) * w).sum() for p, w in zip(places, weights, strict=True))
    total.backward()
    want.backward()
    assert np.allclose(leaf.grad, twin.grad, rtol=1e-9, atol=1e-9)


# Each form


def test_every_in_place_form_is_its_operator_in_place():
    x = np.array([[0.4, 1.5], [2.5, 0.3]])
    one, y, at = (2.0,), (x + 1,), np.array([0, 1])
    arguments = {
        "pow": (3,), "clamp": (0.5, 2.0), "clip": (0.5, 2.0), "masked_fill": (x > 1, 9.0), "lerp": (x.T, 0.3),
        "addcmul": (x, x), "addcdiv": (x, x), "renorm": (2, 0, 1.0), "cumsum": (0,), "cumprod": (0,),
        "masked_scatter": (x > 1, x), "put": (at, x[0]), "index_add": (0, at, x), "index_copy": (1, at, x),
        "index_fill": (0, at, 2.0), "index_put": ((at, at), x[0]), "scatter": (0, at[None], x),
        "scatter_add": (0, at[None], x), "scatter_reduce": (0, at[None], x, "prod"), "addmm": (x, x),
        "addmv": (x, x[0]), "addr": (x[0], x[0]), "baddbmm": (x[None], x[None]), "addbmm": (x[None], x[None]),
        **dict.fromkeys("add sub subtract mul multiply div divide true_divide floor_divide remainder fmod".split(), one),
        **dict.fromkeys("float_power atan2 arctan2 hypot xlogy copysign clamp_min clamp_max".split(), y),
        **dict.fromkeys("ldexp nextafter".split(), y),
        "mvlgamma": (1,), "index_reduce": (0, at, x, "prod"),
        **dict.fromkeys("eq ne lt le gt ge logical_and logical_or logical_xor heaviside".split(), y),
        **dict.fromkeys("not_equal less less_equal greater greater_equal".split(), y),
    }  # fmt: skip
    leaves = {"addmv": x[0], "baddbmm": x[None]}
    domain = {"acosh": x + 1, "arccosh": x + 1}
    domain |= dict.fromkeys("asin arcsin acos arccos atanh arctanh erfinv logit".split(), x / 3)
    names = [
        name[:-1]
        for name in dir(tg.Tensor)
        if name.endswith("_") and not name.startswith("_") and hasattr(tg.Tensor, name[:-1])
    ]
    assert len(names) > 25
    for name in names:
        if name in ("requires_grad", "gcd", "lcm") or name.startswith("bitwise"):
            continue  # the last three are of integers
        leaf = tg.tensor(leaves.get(name, domain.get(name, x)), requires_grad=True)
        want = getattr(tg.Tensor, name)(leaf, *arguments.get(name, ()))
        t = leaf * 1
        memory = np.asarray(t)
        assert getattr(t, f"{name}_")(*arguments.get(name, ())) is t
        assert np.asarray(t) is memory
        assert np.array_equal(memory, want.detach()), name
        assert getattr(tg.Tensor, f"{name}_").__name__ == f"{getattr(tg.Tensor, name).__name__}_"
        if want.requires_grad:
            (g,) = tg.autograd.grad(want.sum(), leaf)
            t.sum().backward()
            assert np.allclose(leaf.grad, g), name
    assert tg.ones(2).add_(tg.ones(2), alpha=3).tolist() == [4, 4]
    assert tg.tensor([4, 6]).gcd_(tg.tensor(6)).lcm_(tg.tensor(4)).tolist() == [4, 12]
    assert tg.tensor([6, 5]).bitwise_and_(3).bitwise_not_().tolist() == [-3, -2]
    assert tg.tensor([6, 5]).bitwise_or_(1).bitwise_xor_(2).tolist() == [5, 7]
    assert tg.tensor([6, 5]).bitwise_left_shift_(2).bitwise_right_shift_(1).tolist() == [12, 10]


def test_augmented_assignment_works_in_place():
    t = alias = tg.ones(2)
    t += 1
    t *= np.array([2.0, 3.0])
    t -= tg.ones(2)
    t /= 2
    t **= 2
    assert t is alias
    assert t.dtype == tg.float32
    assert t.tolist() == [2.25, 6.25]
    m = alias = tg.tensor([True, False])
    m |= tg.tensor([False, True])
    m &= True
    m ^= True
    assert m is alias
    assert m.tolist() == [False, False]


def test_filling():
    t = tg.zeros(2, 2, dtype=tg.int64)
    assert t.fill_(2.5) is t
    assert t.tolist() == [[2, 2], [2, 2]]
    assert t.fill_(tg.tensor(3)).tolist() == [[3, 3], [3, 3]]
    assert t.copy_(tg.tensor([4.9, 5.1])).tolist() == [[4, 5], [4, 5]]
    assert t.zero_().tolist() == [[0, 0], [0, 0]]
    u = tg.zeros(1000).uniform_(2, 3)
    assert ((u >= 2) & (u < 3)).all()
    n = tg.zeros(10_000).normal_(5, 2)
    assert n.mean().item() == pytest.approx(5, abs=0.2)
    assert n.std().item() == pytest.approx(2, abs=0.2)
    x = tg.ones(2, requires_grad=True)
    for change in ("zero_", "uniform_", "normal_"):
        y = x * 2
        getattr(y, change)()
        assert y.requires_grad
        (g,) = tg.autograd.grad(y.sum(), x)
        assert g.tolist() == [0, 0]


# Gradients


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_results_that_share_memory_are_known_as_views(case):
    operands = [tg.tensor(x) if isinstance(x, np.ndarray) else x for x in case.draw()]
    results = case(*operands)
    for y in results if isinstance(results, tuple | list) else (results,):
        for x in operands:
            if isinstance(x, tg.Tensor) and np.shares_memory(x.numpy(), np.asarray(y)):
                if y is x:  # dropout of nothing gives its operand
                    continue
                assert y._version is x._version
                y.requires_grad  # noqa: B018 (follows the history)
                assert y._view[0] is x


def test_a_view_made_before_the_change_follows_it():
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 2
    row = y[0]
    element = row[1]
    y *= 5
    assert row.tolist() == [10, 10]
    assert row.grad_fn is not None
    element.backward()
    assert x.grad.tolist() == [[0, 10], [0, 0]]


def test_a_change_of_a_view_reaches_the_base_and_other_views():
    x = tg.ones(2, 2, requires_grad=True)
    y = x * 2
    column = y[:, 0]
    y[0] *= tg.tensor([3.0, 4.0])
    (column.sum() + y.sum()).backward()
    assert x.grad.tolist() == [[12, 8], [4, 2]]


def test_a_constant_begins_to_need_gradients():
    v = tg.tensor([2.0, 3.0], requires_grad=True)
    t = tg.zeros(2, 2)
    row = t[1]
    t[1] = v * v
    assert t.requires_grad
    assert row.requires_grad
    assert not row.is_leaf
    row.sum().backward()
    assert v.grad.tolist() == [4, 6]
    z = tg.zeros(2)
    z.copy_(v)
    z.sum().backward()
    assert v.grad.tolist() == [5, 7]
    z = tg.tensor([10.0, 20.0])
    z *= v  # its derivative needs the values from before
    z.sum().backward()
    assert v.grad.tolist() == [15, 27]


def test_double_derivative_through_a_change():
    def function(x):
        y = x * 2
        y[0] *= x[1]
        y[1].tanh_()
        y += x * x
        return y * y

    x = tg.tensor([0.3, -0.7], dtype=tg.float64, requires_grad=True)
    assert tg.autograd.gradcheck(function, x)
    assert tg.autograd.gradgradcheck(function, x)


def test_retain_grad_is_of_the_latest_values():
    x = tg.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y *= 3
    (y * y).sum().backward()
    assert y.grad.tolist() == [12, 12, 12]
    y = x * 2
    y.retain_grad()
    view = y[:2]
    view.retain_grad()
    view *= 3
    (y.sum() + view.sum() * 4).backward()
    assert y.grad.tolist() == [5, 5, 1]
    assert view.grad.tolist() == [4, 4]


def test_copying_from_itself():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1:] = y[:-1]
    assert y.tolist() == [1, 1, 2]
    (y * tg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [11, 100, 0]
    m = tg.arange(4).reshape(2, 2)
    m.copy_(m.T)
    assert m.tolist() == [[0, 2], [1, 3]]


def test_without_recording_a_leaf_may_be_changed():
    x = tg.ones(2, requires_grad=True)
    with tg.no_grad():
        x += 1
        x[0] = 5
        x[:1].mul_(2)
    x.detach().sub_(1)
    x.data.sub_(1)
    assert x.tolist() == [8, 0]
    assert (x.is_leaf, x.requires_grad) == (True, True)


# What is refused


def test_leaves_and_their_views():
    def changes(t):
        return [
            lambda: t.add_(1), lambda: t.__iadd__(1), lambda: t.zero_(), lambda: t.copy_(tg.ones(3)),
            lambda: t.__setitem__(0, 1.0), lambda: t.__setitem__([0], 1.0), lambda: t.normal_(), lambda: t.relu_(),
        ]  # fmt: skip

    x = tg.ones(3, requires_grad=True)
    for change in changes(x):
        with pytest.raises(
            tg.GraphError, match=r"\w+_: expected no (view of a )?leaf that requires grad"
        ):
            change()
    for change in changes(x[:]):
        with pytest.raises(tg.GraphError, match="expected no view of a leaf that requires grad"):
            change()
    with tg.no_grad():
        view = x[:]
    with pytest.raises(tg.GraphError, match="expected no view of a leaf that requires grad"):
        view.add_(1)
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("saves", "what"),
    [
        (lambda y: y.exp(), "exp saved its output"),
        (lambda y: y * y, "mul saved its other"),
        (lambda y: y.sin(), "sin saved its input"),
    ],
)
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        (lambda t: t.add_(1), "add_"),
        (lambda t: t[0].mul_(2), "mul_"),
        (lambda t: t.detach().zero_(), "zero_"),
        (lambda t: t.__setitem__(0, 1.0), "__setitem__"),
        (lambda t: t.__setitem__([0], 1.0), "__setitem__"),
    ],
)
def test_a_change_of_what_was_saved_is_found(saves, what, changes, name):
    x = tg.ones(3, requires_grad=True)
    y = x * 1
    z = saves(y)
    changes(z if "output" in what else y)
    message = rf"backward: {what} of shape \(3,\), which {name} changed in place afterwards \(version 1, expected 0\)"
    with pytest.raises(tg.GraphError, match=message):
        z.sum().backward()


def test_a_change_between_first_and_second_derivative_is_found():
    x = tg.ones(3, requires_grad=True)
    y = x.exp()
    (g,) = tg.autograd.grad((y * y * y).sum(), x, create_graph=True)
    with tg.no_grad():
        y += 1
    with pytest.raises(tg.GraphError, match="which add_ changed in place afterwards"):
        g.sum().backward()


def test_parameters_changed_between_forward_and_backward():
    w = tg.ones(2, requires_grad=True)
    loss = (w * w).sum()
    optimizer = tg.optim.SGD([w], lr=0.1)
    w.grad = tg.ones(2)
    optimizer.step()
    with pytest.raises(tg.GraphError, match="which SGD.step changed in place"):
        loss.backward()


def test_shapes_types_and_memory():
    t = tg.ones(2)
    with pytest.raises(
        tg.ShapeError, match=r"add_: expected a result of shape \(2,\), got \(3, 2\)"
    ):
        t += tg.ones(3, 2)
    with pytest.raises(
        tg.ShapeError, match=r"copy_: expected values that can be repeated to \(2,\), got \(3,\)"
    ):
        t.copy_(tg.ones(3))
    with pytest.raises(
        tg.ShapeError, match=r"fill_: expected a number or a 0-d tensor, got shape \(2,\)"
    ):
        t.fill_(tg.ones(2))
    i = tg.ones(2, dtype=tg.int64)
    with pytest.raises(tg.DTypeError, match="add_: expected a result of int64, got float32"):
        i += 1.5
    with pytest.raises(tg.DTypeError, match="div_: expected a result of int64, got float32"):
        i /= 2
    for name in ("uniform_", "normal_"):
        with pytest.raises(tg.DTypeError, match=f"{name}: expected floating point, got int64"):
            getattr(i, name)()
    for closed in tg.ones(1).expand(3), tg.from_numpy(np.broadcast_to(np.ones(1), 3)):
        for change in (lambda t: t.add_(1), lambda t: t.zero_(), lambda t: t.__setitem__(0, 1)):
            with pytest.raises(
                ValueError,
                match="expected memory that can be written, got an expanded or read-only",
            ):
                change(closed)
    assert i.tolist() == [1, 1]
    assert t.tolist() == [1, 1]
    t += np.ones(2)  # float64 into float32
    assert t.dtype == tg.float32


def test_functions_with_an_underscore_change_their_operand() -> None:
    for name in "celu elu hardtanh leaky_relu relu rrelu selu".split():
        x = tg.tensor([-2.0, 0.5, 3.0])
        expected = getattr(nn.functional, name)(x).tolist()
        assert getattr(nn.functional, name + "_")(x) is x
        assert x.tolist() == expected
    x = tg.tensor([1.0, 3.0])
    assert nn.functional.threshold_(x, 2.0, 0.0).tolist() == x.tolist() == [0, 3]
