"""nn.Module: registration, the tree, modes, conversions, state; Sequential and ModuleList."""

from __future__ import annotations

import copy
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import nn
from tinygrad_hw.errors import DTypeError


@pytest.fixture(autouse=True)
def _seed():
    tg.manual_seed(4)


class Net(nn.Module):
    """Parameters, a persistent and a passing buffer, a child and a child's child."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(tg.ones(3))
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.register_buffer("count", tg.tensor(2))
        self.register_buffer("cache", tg.zeros(2), persistent=False)
        self.register_parameter("shift", None)
        self.head = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        return self.head(self.body(x * self.scale))


def names(pairs):
    return [name for name, _ in pairs]


# -- Parameter --------------------------------------------------------------------------------------------------


def test_parameter_is_a_leaf_that_shares_memory():
    data = tg.tensor([1.0, 2.0])
    parameter = nn.Parameter(data)
    assert isinstance(parameter, tg.Tensor)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert np.shares_memory(parameter.detach().numpy(), data.numpy())
    assert type(parameter * 2) is tg.Tensor
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert nn.Parameter(tg.tensor([1]), requires_grad=False).dtype == tg.int64
    assert repr(parameter) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"


def test_parameter_of_a_result_does_not_know_its_history():
    a = tg.tensor([1.0, 2.0], requires_grad=True)
    parameter = nn.Parameter(a * 3)
    parameter.sum().backward()
    assert parameter.is_leaf
    assert a.grad is None


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("again", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_parameter_copies_keep_class_and_flag(requires_grad, again):
    parameter = nn.Parameter(tg.tensor([1.0, 2.0]), requires_grad)
    other = again(parameter)
    assert type(other) is nn.Parameter
    assert other.requires_grad is requires_grad
    assert other.tolist() == [1.0, 2.0]
    assert not np.shares_memory(other.detach().numpy(), parameter.detach().numpy())


def test_parameter_errors():
    with pytest.raises(TypeError, match=r"expected data to be a Tensor, got list\nMake one with"):
        nn.Parameter([1.0])
    with pytest.raises((RuntimeError, TypeError), match="float"):
        nn.Parameter(tg.tensor([1, 2]))


# -- attributes -------------------------------------------------------------------------------------------------


def test_registered_attributes_are_plain_lookups():
    net = Net()
    assert net.__dict__["scale"] is net.scale
    assert "scale" in dir(net)
    assert "0" not in dir(net.body)


def test_assigning_again_keeps_the_order():
    net = nn.Linear(2, 3)
    net.weight = nn.Parameter(tg.zeros(3, 2))
    assert list(net.state_dict()) == ["weight", "bias"]
    assert net.weight.tolist() == [[0.0, 0.0]] * 3


def test_none_keeps_the_name_registered():
    net = nn.Linear(2, 3)
    net.bias = None
    assert names(net.named_parameters()) == ["weight"]
    assert net(tg.zeros(1, 2)).shape == (1, 3)
    with pytest.raises(TypeError, match=r"cannot assign 'float' as parameter 'bias'"):
        net.bias = 1.0
    net.bias = nn.Parameter(tg.ones(3))
    assert names(net.named_parameters()) == ["weight", "bias"]


def test_attribute_changes_its_kind():
    net = nn.Module()
    net.register_buffer("x", tg.zeros(1))
    net.x = nn.Parameter(tg.zeros(1))
    assert names(net.named_parameters()) == ["x"]
    assert names(net.named_buffers()) == []
    net.x = nn.ReLU()
    assert names(net.named_children()) == ["x"]
    assert names(net.named_parameters()) == []
    net.y = 3
    net.y = nn.ReLU()
    assert names(net.named_children()) == ["x", "y"]


def test_buffer_takes_tensors():
    net = Net()
    net.count = tg.tensor(5)
    assert net.state_dict()["count"].item() == 5
    net.count = None
    assert "count" not in net.state_dict()
    with pytest.raises(
        TypeError,
        match=re.escape("cannot assign 'int' as buffer 'count' (Tensor or None expected)"),
    ):
        net.count = 3


def test_a_tensor_is_a_plain_attribute():
    net = nn.Module()
    net.x = tg.zeros(1)
    assert net.state_dict() == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", 3, "cannot assign 'int' as parameter 'scale' (nn.Parameter or None expected)"),
        ("scale", tg.ones(3), "cannot assign 'Tensor' as parameter 'scale'"),
        ("head", 3, "cannot assign 'int' as child module 'head' (nn.Module or None expected)"),
    ],
)
def test_assignment_errors(name, value, message):
    net = Net()
    before = getattr(net, name)
    with pytest.raises(TypeError, match=re.escape(message)):
        setattr(net, name, value)
    assert getattr(net, name) is before


@pytest.mark.parametrize("value", [nn.ReLU(), nn.Parameter(tg.ones(1))])
def test_a_method_is_not_replaced(value):
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        nn.Module().forward = value


@pytest.mark.parametrize(
    ("value", "kind"), [(nn.ReLU(), "modules"), (nn.Parameter(tg.ones(1)), "parameters")]
)
def test_assignment_before_init(value, kind):
    class Late(nn.Module):
        def __init__(self):
            self.x = value

    with pytest.raises(
        AttributeError,
        match=rf"cannot assign {kind} before Module.__init__\(\) call\nCall super\(\).__init__\(\) first in Late",
    ):
        Late()


def test_use_without_init():
    class Never(nn.Module):
        def __init__(self):
            self.x = 3

    assert Never().x == 3
    with pytest.raises(AttributeError, match=r"no attribute .*\nCall super\(\).__init__\(\) first"):
        list(Never().parameters())


def test_deletion():
    net = Net()
    del net.scale, net.head, net.count
    assert names(net.named_parameters()) == ["body.0.weight", "body.0.bias"]
    assert names(net.named_buffers()) == ["cache"]
    assert not hasattr(net, "scale")
    net.scale = 3
    assert net.scale == 3
    with pytest.raises(AttributeError):
        del net.head


def test_missing_attribute_names_the_nearest():
    with pytest.raises(
        AttributeError,
        match=re.escape("'Linear' object has no attribute 'wieght' (nearest: 'weight')"),
    ):
        nn.Linear(1, 1).wieght  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no attribute '__array__'$"):
        nn.Linear(1, 1).__array__  # noqa: B018


def test_failing_property_shows_its_own_error():
    class Broken(nn.Module):
        @property
        def size(self):
            return self.weihgt.size

    with pytest.raises(AttributeError, match="no attribute 'weihgt'"):
        Broken().size  # noqa: B018


@pytest.mark.parametrize(
    ("register", "kind", "wrong"),
    [
        ("register_parameter", "parameter", "cannot assign 'int' as parameter 'x'"),
        ("register_buffer", "buffer", "cannot assign 'int' as buffer 'x'"),
        ("add_module", "module", "add_module: expected a Module, got int"),
    ],
)
def test_registration_errors(register, kind, wrong):
    net = nn.Module()
    net.taken = 1
    call = getattr(net, register)
    with pytest.raises(TypeError, match=f"{kind} name should be a string, got int"):
        call(3, None)
    with pytest.raises(KeyError, match=f"{kind} name 'a.b' contains a dot"):
        call("a.b", None)
    with pytest.raises(KeyError, match=f"{kind} name is empty"):
        call("", None)
    for taken in ("taken", "forward", "training"):
        with pytest.raises(KeyError, match=f"attribute '{taken}' already exists"):
            call(taken, None)
    with pytest.raises(TypeError, match=wrong):
        call("x", 3)
    call("x", None)
    assert net.x is None


def test_a_class_is_not_a_module():
    with pytest.raises(TypeError, match=re.escape("got the class ReLU; an instance is ReLU(...)")):
        nn.Sequential(nn.ReLU)


def test_a_tensor_is_not_a_parameter():
    with pytest.raises(TypeError, match="cannot assign 'Tensor' as parameter 'x'"):
        nn.Module().register_parameter("x", tg.ones(1))


# -- calls ------------------------------------------------------------------------------------------------------


def test_call_passes_everything_on():
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    echo = Echo()
    assert echo() == ((), {})
    assert echo(1) == ((1,), {})
    assert echo(1, 2) == ((1, 2), {})
    assert echo(1, a=2) == ((1,), {"a": 2})
    assert echo(a=2) == ((), {"a": 2})
    echo.forward = lambda x: -x
    assert echo(1) == -1


def test_forward_is_required():
    with pytest.raises(NotImplementedError, match=r"Module \[Module\] is missing the required"):
        nn.Module()(1)
    with pytest.raises(NotImplementedError, match=r"Module \[ModuleList\] is missing"):
        nn.ModuleList()(1)


# -- the tree ---------------------------------------------------------------------------------------------------


def test_named_tensors_and_modules():
    net = Net()
    assert names(net.named_parameters()) == [
        "scale",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
    ]
    assert names(net.named_parameters(recurse=False)) == ["scale"]
    assert names(net.named_parameters(prefix="net")) == [
        "net." + n for n in names(net.named_parameters())
    ]
    assert names(net.named_buffers()) == ["count", "cache"]
    assert names(net.named_modules()) == ["", "body", "body.0", "body.1", "head"]
    assert names(net.named_modules(prefix="net"))[:2] == ["net", "net.body"]
    assert names(net.named_children()) == ["body", "head"]
    assert list(net.children()) == [net.body, net.head]
    assert next(net.modules()) is net
    assert len(list(net.parameters())) == 4
    assert [b.ndim for b in net.buffers()] == [0, 1]
    outer = nn.Sequential(net, net)
    assert names(outer.named_buffers(prefix="a")) == ["a.0.count", "a.0.cache"]
    assert len(list(outer.buffers())) == 2
    assert list(outer.buffers(recurse=False)) == names(outer.named_buffers(recurse=False)) == []
    net.register_buffer("again", net.count)
    assert names(outer.named_buffers()) == ["0.count", "0.cache"]
    assert len(names(outer.named_buffers(remove_duplicate=False))) == 6


def test_shared_modules_and_parameters_count_once():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    assert names(net.named_parameters()) == ["0.weight", "0.bias"]
    assert names(net.named_parameters(remove_duplicate=False)) == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
    ]
    assert names(net.named_modules()) == ["", "0"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "0", "1"]
    assert names(net.named_children()) == ["0"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    assert names(tied.named_parameters()) == ["0.weight"]


def test_lookup_by_path():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_parameter("body.0.weight") is net.body[0].weight
    assert net.get_parameter("scale") is net.scale
    assert net.get_buffer("count") is net.count
    for call, target, message in [
        (net.get_submodule, "bdoy.0", "'Net' object has no submodule 'bdoy' (nearest: 'body')"),
        (net.get_submodule, "scale", "'Net' object has no submodule 'scale'"),
        (net.get_parameter, "body.0.wieght", "'Linear' object has no parameter 'wieght' (nearest:"),
        (net.get_parameter, "count", "'Net' object has no parameter 'count'"),
        (net.get_buffer, "scale", "'Net' object has no buffer 'scale'"),
    ]:
        with pytest.raises(AttributeError, match=re.escape(message)):
            call(target)


# -- modes and conversions --------------------------------------------------------------------------------------


def test_train_and_eval():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.body.train()
    assert [m.training for m in net.modules()] == [False, True, True, True, False]
    with pytest.raises(ValueError, match="train: expected mode to be True or False, got 1"):
        net.train(1)


def test_requires_grad():
    net = Net()
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    net.body.requires_grad_()
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, False]


def test_zero_grad():
    net = Net()
    net(tg.ones(2, 3)).sum().backward()
    grad = net.scale.grad
    assert grad.any()
    stale = (grad * net.scale).sum()
    net.zero_grad(set_to_none=False)
    assert net.scale.grad is grad
    assert not any(p.grad.any() for p in net.parameters())
    with pytest.raises(tg.errors.GraphError, match="zero_grad changed"):
        stale.backward()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(p.grad is None for p in net.parameters())


def test_zero_grad_of_a_gradient_with_history():
    net = nn.Linear(1, 1)
    (net(tg.ones(1, 1)) ** 2).sum().backward(create_graph=True)
    assert net.weight.grad.requires_grad
    net.zero_grad(set_to_none=False)
    assert not net.weight.grad.requires_grad
    assert net.weight.grad.tolist() == [[0.0]]


def test_apply_goes_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Linear", "Net"]


def test_conversion_keeps_the_tensors():
    net = Net()
    net(tg.ones(2, 3)).sum().backward()
    before = list(net.parameters())
    values = net.scale.tolist()
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert {p.dtype for p in net.parameters()} == {tg.float64}
    assert {p.grad.dtype for p in net.parameters()} == {tg.float64}
    assert net.cache.dtype == tg.float64
    assert net.count.dtype == tg.int64
    assert net.scale.tolist() == values
    assert net(tg.ones(2, 3, dtype=tg.float64)).dtype == tg.float64
    assert net.float().scale.dtype == tg.float32
    assert net.to(tg.float64).head.weight.dtype == tg.float64
    with pytest.raises(DTypeError, match=r"Module\.to: expected a floating point dtype, got int64"):
        net.to(tg.int64)
    with pytest.raises(DTypeError, match=r"Module\.to: expected"):
        net.to("no such type")


def test_conversion_after_forward_is_found_by_backward():
    net = nn.Linear(2, 2)
    out = net(tg.ones(1, 2, requires_grad=True)).sum()
    net.double()
    with pytest.raises(tg.errors.GraphError, match="to changed"):
        out.backward()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies(again):
    net = Net().eval()
    net.body.append(net.body[0])
    other = again(net)
    assert repr(other) == repr(net)
    assert other.body[0] is other.body[2]
    assert names(other.named_parameters()) == names(net.named_parameters())
    assert all(type(p) is nn.Parameter for p in other.parameters())
    assert not other.training
    other.scale.data[0] = 9.0
    assert net.scale.tolist() == [1.0, 1.0, 1.0]
    other.extra = nn.ReLU()
    assert not hasattr(net, "extra")


# -- state ------------------------------------------------------------------------------------------------------


def test_state_dict_has_pytorchs_names_and_shares_memory():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    state = net.state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [tuple(t.shape) for t in state.values()] == [(3, 2), (3,), (1, 3), (1,)]
    assert not any(t.requires_grad for t in state.values())
    assert np.shares_memory(state["0.bias"].numpy(), net[0].bias.detach().numpy())
    assert net.state_dict(keep_vars=True)["0.bias"] is net[0].bias
    assert list(Net().state_dict()) == [
        "scale",
        "count",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
    ]
    into = {"first": 1}
    assert net.state_dict(destination=into, prefix="net.") is into
    assert list(into) == ["first", "net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]


def test_load_state_dict_round_trip():
    a, b = Net(), Net()
    weight = b.head.weight
    result = b.load_state_dict(a.state_dict())
    assert result == ([], [])
    assert result.missing_keys == []
    assert result.unexpected_keys == []
    assert b.head.weight is weight
    x = tg.randn(4, 3)
    assert a(x).tolist() == b(x).tolist()
    a.scale.data[0] = 7.0
    assert b.scale.tolist()[0] == 1.0


def test_load_state_dict_takes_arrays_and_converts():
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": np.array([[1, 2]]), "bias": tg.tensor([0.5], dtype=tg.float64)})
    assert net.weight.tolist() == [[1.0, 2.0]]
    assert net.weight.dtype == net.bias.dtype == tg.float32


def test_load_state_dict_counts_as_an_in_place_change():
    net = nn.Linear(2, 2)
    out = net(tg.ones(1, 2, requires_grad=True)).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(tg.errors.GraphError, match="load_state_dict changed"):
        out.backward()


def test_load_state_dict_lists_every_misfit_and_changes_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: value.tolist() for name, value in net.state_dict().items()}
    state = {
        "0.weight": tg.zeros(3, 2),
        "0.bais": tg.zeros(3),
        "1.weight": tg.zeros(3, 1),
        "1.bias": "text",
    }
    for strict in (True, False):
        with pytest.raises(RuntimeError) as caught:
            net.load_state_dict(state, strict)
        lines = [
            "load_state_dict: the state does not fit Sequential, nothing was loaded:",
            "  missing key '0.bias' (nearest: '0.bais')",
            "  unexpected key '0.bais' (nearest: '0.bias')",
            "  shape of '1.weight': (1, 3) in the module, (3, 1) in the state",
            "  '1.bias': expected a Tensor or an array of numbers, got str",
        ]
        assert str(caught.value).split("\n") == (lines if strict else lines[:1] + lines[3:])
        assert {name: value.tolist() for name, value in net.state_dict().items()} == before
    with pytest.raises(RuntimeError, match="missing key"):
        net.load_state_dict({})
    with pytest.raises(TypeError, match=r"load_state_dict: expected a mapping .*, got list"):
        net.load_state_dict([1])
    with pytest.raises(RuntimeError, match=r"'1\.bias': expected .*, got object"):
        net.load_state_dict({"1.bias": np.array([None])}, strict=False)


def test_load_state_dict_not_strict():
    net = nn.Linear(2, 1)
    result = net.load_state_dict({"bias": tg.tensor([4.0]), "other": tg.ones(1)}, strict=False)
    assert result.missing_keys == ["weight"]
    assert result.unexpected_keys == ["other"]
    assert net.bias.tolist() == [4.0]


# -- text -------------------------------------------------------------------------------------------------------


def test_repr_is_pytorchs():
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (head): Linear(in_features=4, out_features=3, bias=False)\n"
        ")"
    )
    layer = nn.Linear(3, 2)
    layer.add_module("x", None)
    assert repr(layer) == ("Linear(\n  in_features=3, out_features=2, bias=True\n  (x): None\n)")
    assert list(layer.children()) == []
    assert list(layer.modules()) == [layer]
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert repr(nn.Sequential()) == "Sequential()"
    assert repr(nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.ReLU(), nn.ReLU()])) == (
        "ModuleList(\n  (0): ReLU()\n  (1): Tanh()\n  (2-3): 2 x ReLU()\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_repr_of_several_lines():
    class Two(nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"

    assert repr(Two()) == "Two(\n  a=1\n  b=2\n)"


# -- Sequential and ModuleList ----------------------------------------------------------------------------------


def test_sequential_composes():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x = tg.randn(5, 2)
    assert net(x).tolist() == net[2](net[1](net[0](x))).tolist()
    assert nn.Sequential()(x) is x


def test_sequential_names_slices_and_operators():
    net = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Tanh(), third=nn.Sigmoid()))
    assert net.first is net[0]
    assert net[-1] is net.third
    part = net[1:]
    assert type(part) is nn.Sequential
    assert list(part) == [net.second, net.third]
    assert names(part.named_children()) == ["second", "third"]
    assert list(net + part) == [*net, *part]
    assert len(net) == 3
    with pytest.raises(TypeError, match="unsupported operand"):
        net + 3


def test_append_to_a_slice_replaces_nothing():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())[1:]
    net.append(nn.Identity())
    assert [type(m).__name__ for m in net] == ["Tanh", "Sigmoid", "Identity"]
    assert names(net.named_children()) == ["1", "2", "3"]
    assert type(net.pop()) is nn.Identity


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_row_errors(kind):
    row = kind() + kind()
    row.append(nn.ReLU())
    for index in (1, -2):
        for call in (
            row.__getitem__,
            row.pop,
            row.__delitem__,
            lambda i: row.__setitem__(i, nn.ReLU()),
        ):
            with pytest.raises(IndexError, match=f"index {index} is out of range for 1 modules"):
                call(index)
    with pytest.raises(TypeError, match="'str' object cannot be interpreted as an integer"):
        row["a"]
    for call in (row.append, lambda m: row.insert(0, m), lambda m: row.extend([m])):
        with pytest.raises(TypeError, match="add_module: expected a Module, got int"):
            call(3)
    assert len(row) == 1
    with pytest.raises(TypeError, match="cannot assign 'int' as child module '0'"):
        row[0] = 3


@given(st.data())
@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_rows_behave_as_lists(kind, data):
    row, plain = kind(), []
    for _ in range(data.draw(st.integers(0, 12))):
        action = data.draw(st.sampled_from(["append", "extend", "insert", "pop", "set", "delete"]))
        index = data.draw(st.integers(-len(plain), len(plain) - 1)) if plain else None
        module = nn.ReLU()
        if action == "append":
            assert row.append(module) is row
            plain.append(module)
        elif action == "extend":
            row += [module, nn.Tanh()]
            plain += list(row)[-2:]
        elif action == "insert":
            place = data.draw(st.integers(-3, 5))
            row.insert(place, module)
            plain.insert(place, module)
        elif index is None:
            continue
        elif action == "pop":
            assert row.pop(index) is plain.pop(index)
        elif action == "set":
            row[index] = plain[index] = module
        else:
            stop = data.draw(st.integers(0, 5))
            where = data.draw(st.sampled_from([index, slice(index, stop)]))
            del row[where], plain[where]
        assert list(row) == plain
        assert len(row) == len(plain)
        assert names(row.named_children()) == [str(i) for i in range(len(plain))]
    cut = slice(*data.draw(st.tuples(*[st.none() | st.integers(-5, 5)] * 2)))
    assert list(row[cut]) == plain[cut]
    assert type(row[cut]) is kind
