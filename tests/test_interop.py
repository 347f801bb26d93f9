"""NumPy's functions, DLPack, einops, and names that are missing."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import names


def leaf(*shape: int) -> tg.Tensor:
    rng = np.random.default_rng(0)
    return tg.tensor(rng.uniform(0.1, 0.9, shape), requires_grad=True)


# NumPy


@pytest.mark.parametrize(
    "function",
    [
        np.ravel,
        np.copy,
        np.flip,
        lambda a: np.flip(a, 1),
        lambda a: np.swapaxes(a, 0, 2),
        lambda a: np.moveaxis(a, 0, -1),
        lambda a: np.moveaxis(a, (0, 1), (2, 0)),
        lambda a: np.split(a, 2, axis=1)[1],
        lambda a: np.split(a, [1, -1], axis=2)[1],
        lambda a: np.dot(a, 2.0),
        lambda a: np.dot(a[0], a[1].T),
        lambda a: np.inner(a[0], a[1]),
        lambda a: np.inner(a[0, 0], a[0, 1]),
        lambda a: np.dot(np.ones((2, 4)), a[0]),
        lambda a: np.atleast_1d(a[0, 0, 0]),
        lambda a: np.atleast_1d(a),
        lambda a: np.ones(3) * a[0, 0],
        lambda a: np.float64(2) ** a,
        lambda a: np.ones((3, 4)) @ a,
    ],
)
def test_numpy_functions_give_tensors_with_gradients(function):
    x = leaf(2, 4, 3)
    found, want = function(x), function(x.detach().numpy())
    assert isinstance(found, tg.Tensor)
    np.testing.assert_allclose(found.detach(), want, rtol=1e-12)
    assert tg.autograd.gradcheck(function, (x,))


def test_numpy_calls_that_make_no_sense_say_so():
    with pytest.raises(ValueError, match="numpy.split: expected 3 to be a multiple of 2"):
        np.split(leaf(3), 2)
    with pytest.raises(TypeError, match="numpy.dot: expected at most 2 dimensions"):
        np.dot(leaf(2, 2, 2), leaf(2, 2))
    with pytest.raises(tg.GraphError, match="numpy.cbrt: expected no tensor that requires grad"):
        np.cbrt(leaf(2))


def test_memory_is_shared_with_arrays():
    array = np.arange(3.0)
    t = tg.from_numpy(array)
    array[0] = 5
    assert t.tolist() == [5, 1, 2]
    t += 1
    assert array.tolist() == [6, 2, 3]
    assert np.shares_memory(np.asarray(t), array)
    assert np.shares_memory(t.numpy(), array)
    assert np.shares_memory(t[1:].numpy(), array)
    assert not np.shares_memory(tg.tensor(array).numpy(), array)


# DLPack


def test_dlpack_with_numpy_copies_nothing():
    t = tg.arange(6.0).reshape(2, 3)
    assert t.__dlpack_device__() == (1, 0)
    array = np.from_dlpack(t)
    assert np.shares_memory(array, t.numpy())
    t[0, 0] = 7
    assert array[0, 0] == 7
    source = np.arange(4, dtype=np.int64)
    made = tg.from_dlpack(source)
    source[0] = 9
    assert made.tolist() == [9, 1, 2, 3]
    assert tg.from_dlpack(t.T).shape == (3, 2)
    with pytest.raises(BufferError, match="__dlpack__: expected a tensor that does not require"):
        np.from_dlpack(leaf(2))
    with pytest.raises(
        TypeError, match="from_dlpack: expected an object with __dlpack__, got list"
    ):
        tg.from_dlpack([1])


def test_dlpack_with_torch_copies_nothing():
    torch = pytest.importorskip("torch")
    t = tg.zeros(2, 3)
    theirs = torch.from_dlpack(t)
    theirs[0, 0] = 4
    assert t[0, 0].item() == 4
    back = tg.from_dlpack(theirs)
    t[1, 1] = 5
    assert back[1, 1].item() == 5


def test_dlpack_with_jax():
    jax = pytest.importorskip("jax")
    t = tg.arange(4.0)
    assert jax.numpy.from_dlpack(t).tolist() == [0, 1, 2, 3]
    assert tg.from_dlpack(jax.numpy.ones(2)).tolist() == [1, 1]


# einops


def test_einops_works_on_tensors():
    einops = pytest.importorskip("einops")
    import tinygrad_hw.einops

    assert tinygrad_hw.einops.TinygradHwBackend().framework_name == "tinygrad_hw"
    x = leaf(2, 4, 6)
    plain = x.detach().numpy()
    calls = [
        lambda t: einops.rearrange(t, "b (h k) w -> (b w) k h", k=2),
        lambda t: einops.repeat(t, "b h w -> b (h 2) n w", n=3),
        lambda t: einops.einsum(t, t, "b h w, b k w -> b h k"),
        lambda t: einops.rearrange([t, t], "n b h w -> b n h w"),
        lambda t: einops.pack([t, t], "b * w")[0],
        *(
            lambda t, how=how: einops.reduce(t, "b (h 2) (w 3) -> b h w", how)
            for how in ("mean", "sum", "max", "min", "prod")
        ),
    ]
    for call in calls:
        found = call(x)
        np.testing.assert_allclose(found.detach(), call(plain), rtol=1e-6)
        assert tg.autograd.grad(found.sum(), x)[0].shape == x.shape


# Names


def test_missing_names_get_help():
    with pytest.raises(AttributeError, match=r"no attribute 'sofmax' \(nearest: 'softmax'\)"):
        tg.sofmax  # noqa: B018
    with pytest.raises(
        AttributeError, match="'Tensor' object has no attribute 'reshap' .*'reshape'"
    ):
        tg.ones(1).reshap  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'cuda'\nThere is one device, the CPU"):
        tg.ones(1).cuda()
    with pytest.raises(AttributeError, match="no attribute 'jit'\nCompile\\(\\) records"):
        tg.jit  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute '_priv'$"):
        tg.ones(1)._priv  # noqa: B018
    assert not hasattr(tg.ones(1), "__array_interface__")
    parameter = tg.nn.Parameter(tg.ones(1))
    with pytest.raises(AttributeError, match="'Parameter' object has no attribute 'half'\nFloat32"):
        parameter.half()


def test_reasons_are_given_for_missing_names_only():
    t = tg.ones(1)
    for name in names.REASONS:
        assert not any(hasattr(owner, name) for owner in (tg, t)), name
