"""TensorDataset, Subset, random_split and DataLoader."""

from __future__ import annotations

import math
from itertools import chain
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw.data import DataLoader, Subset, TensorDataset, default_collate, random_split


def dataset(n=10):
    """Rows [i, -i] with class i."""
    x = np.stack([np.arange(n), -np.arange(n)], axis=1).astype(np.float32)
    return TensorDataset(tg.tensor(x), tg.tensor(np.arange(n)))


class Squares:
    """A data set that gives items by number only."""

    def __len__(self):
        return 7

    def __getitem__(self, i):
        if not 0 <= i < 7:
            raise IndexError(i)
        return {"root": np.array([i, 2 * i], np.float32), "square": i * i}


def labels(loader):
    return [batch[1].tolist() for batch in loader]


# --- TensorDataset and Subset -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [3, -1, slice(2, 8, 3), np.array([4, 4, -2]), [1, 0], np.arange(10) > 6, tg.tensor([5, 2])],
    ids=repr,
)
def test_tensor_dataset_indexes_each_tensor(index):
    data = dataset()
    x, y = data[index]
    assert isinstance(x, tg.Tensor)
    where = np.asarray(index) if isinstance(index, tg.Tensor) else index
    np.testing.assert_array_equal(y.numpy(), np.arange(10)[where])
    np.testing.assert_array_equal(x.numpy(), data.tensors[0].numpy()[where])


def test_tensor_dataset_shares_memory_and_takes_any_layout():
    x = np.arange(12, dtype=np.float32).reshape(3, 4).T  # not contiguous
    data = TensorDataset(x)
    assert np.shares_memory(data.tensors[0].numpy(), x)
    (rows,) = data[np.array([2, 0])]
    np.testing.assert_array_equal(rows.numpy(), x[[2, 0]])


def test_tensor_dataset_keeps_gradients():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (rows,) = TensorDataset(x)[np.array([2, 2, 0])]
    rows.sum().backward()
    assert x.grad.tolist() == [1, 0, 2]


@given(st.lists(st.integers(-6, 5), max_size=5), st.data())
def test_subset_is_an_index_into_its_data_set(indices, case):
    data = dataset(6)
    subset = Subset(Subset(data, list(range(5, -1, -1))), indices)
    expected = [5 - i % 6 for i in indices]
    assert len(subset) == len(indices)
    assert subset[:][1].tolist() == expected
    if indices:
        i = case.draw(st.integers(-len(indices), len(indices) - 1))
        assert subset[i][1].item() == expected[i]
        assert subset[tg.tensor([i, i])][1].tolist() == [expected[i]] * 2


def test_a_subset_of_a_list_gives_its_items():
    subset = Subset("abc", [2, 0])
    assert [subset[0], subset[1]] == ["c", "a"]
    with pytest.raises(IndexError):
        subset[2]


# --- random_split -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:random_split")  # [0, 1] are fractions too
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 3))
def test_random_split_deals_every_item_out_once(lengths, seed):
    data = range(sum(lengths))
    parts = random_split(data, lengths, tg.Generator(seed))
    assert [len(part) for part in parts] == lengths
    assert sorted(part[i] for part in parts for i in range(len(part))) == list(data)
    again = random_split(data, lengths, tg.Generator(seed))
    for part, other in zip(parts, again, strict=True):
        np.testing.assert_array_equal(part.indices, other.indices)


@pytest.mark.parametrize(
    ("n", "fractions", "lengths"),
    [(10, [0.3, 0.7], [3, 7]), (11, [0.5, 0.25, 0.25], [6, 3, 2]), (8, [1 / 3] * 3, [3, 3, 2])],
)
def test_random_split_by_fractions(n, fractions, lengths):
    assert [len(part) for part in random_split(range(n), fractions)] == lengths


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="random_split: subset 1 is empty"):
        random_split(range(3), [0.9, 0.1])


def test_random_split_follows_the_default_generator():
    first, again = ((tg.manual_seed(7), random_split(range(50), [20, 30]))[1] for _ in range(2))
    np.testing.assert_array_equal(first[0].indices, again[0].indices)


# --- DataLoader ---------------------------------------------------------------------------------------


@given(st.integers(0, 12), st.integers(1, 5), st.booleans(), st.booleans())
def test_batches_cover_the_data_in_order(n, size, drop_last, by_item):
    data = Subset(dataset(max(n, 1)), range(n))
    rows = [data[i] for i in range(n)] if by_item else data
    loader = DataLoader(rows, size, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader) == (n // size if drop_last else math.ceil(n / size))
    covered = n - n % size if drop_last else n
    assert [i for batch in labels(loader) for i in batch] == list(range(covered))
    for x, y in batches:
        np.testing.assert_array_equal(x.numpy(), np.stack([y.numpy(), -y.numpy()], axis=1))
        assert (x.dtype, y.dtype) == (np.float32, np.int64)


def test_each_pass_draws_a_new_permutation():
    loader = DataLoader(dataset(30), 7, shuffle=True, generator=tg.Generator(0))
    first, second = labels(loader), labels(loader)
    assert first != second
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(30))
    assert first == labels(DataLoader(dataset(30), 7, shuffle=True, generator=tg.Generator(0)))


def test_a_restored_generator_gives_the_same_passes_again():
    loader = DataLoader(dataset(20), 3, shuffle=True, generator=tg.Generator(1))
    labels(loader)
    state = loader.generator.get_state()
    went_on = [labels(loader), labels(loader)]
    loader.generator.set_state(state)
    assert [labels(loader), labels(loader)] == went_on


def test_a_pass_is_fixed_when_it_begins():
    generator = tg.Generator(2)
    one = iter(DataLoader(dataset(20), 20, shuffle=True, generator=generator))
    other = iter(DataLoader(dataset(20), 20, shuffle=True, generator=generator))
    late, early = next(other)[1].tolist(), next(one)[1].tolist()
    generator.manual_seed(2)
    assert [early, late] == [generator.numpy.permutation(20).tolist() for _ in range(2)]


def test_shuffling_follows_the_default_generator():
    loader = DataLoader(dataset(30), 30, shuffle=True)
    first, again = ((tg.manual_seed(3), labels(loader))[1] for _ in range(2))
    assert first == again


def test_a_data_set_that_takes_index_arrays_is_asked_once_a_batch():
    class Counting(TensorDataset):
        asked = 0

        def __getitem__(self, index):
            self.asked += 1
            return super().__getitem__(index)

    data = Counting(np.arange(10))
    assert len(list(DataLoader(data, 4))) == data.asked == 3
    assert len(list(DataLoader(Subset(data, range(8)), 4))) == data.asked - 3 == 2


def test_batches_are_copies():
    data = dataset()
    for x, _ in DataLoader(data, 5):
        x.numpy()[:] = 0
    assert data.tensors[0].numpy().any()


def test_items_of_other_data_sets_are_collated():
    first, last = DataLoader(Squares(), 4)
    assert first["root"].tolist() == [[0, 0], [1, 2], [2, 4], [3, 6]]
    assert first["root"].dtype == np.float32
    assert last["square"].tolist() == [16, 25, 36]


def test_collate_fn_gets_the_items():
    batches = list(DataLoader(Squares(), 3, collate_fn=lambda items: [d["square"] for d in items]))
    assert batches == [[0, 1, 4], [9, 16, 25], [36]]
    (batch,) = DataLoader(dataset(2), 2, collate_fn=lambda items: [y.item() for _, y in items])
    assert batch == [0, 1]


# --- default_collate ----------------------------------------------------------------------------------


class Point(NamedTuple):
    x: float
    name: str


def test_default_collate_follows_the_structure():
    batch = default_collate([(1, [True, Point(0.5, "a")]), (2, [False, Point(1.5, "b")])])
    number, (flag, point) = batch
    assert (number.tolist(), number.dtype) == ([1, 2], np.int64)
    assert (flag.tolist(), flag.dtype) == ([True, False], np.bool_)
    assert isinstance(point, Point)
    assert (point.x.tolist(), point.x.dtype, point.name) == ([0.5, 1.5], np.float64, ["a", "b"])
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32


def test_default_collate_keeps_gradients():
    x = tg.tensor(2.0, requires_grad=True)
    default_collate([x, x * x]).sum().backward()
    assert x.grad.item() == 5


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (TensorDataset, ValueError, "TensorDataset: expected one or more tensors .*, got none"),
        (
            lambda: TensorDataset(np.zeros((3, 2)), np.zeros(2)),
            ValueError,
            r"tensors of the same length, got \(3, 2\), \(2,\)",
        ),
        (lambda: TensorDataset(np.zeros(())), ValueError, r"same length, got \(\)"),
        (
            lambda: Subset("abc", [0.5]),
            TypeError,
            "indices to be a sequence of integers, got float",
        ),
        (lambda: Subset("abc", [True]), TypeError, "a sequence of integers, got bool"),
        (lambda: Subset("abc", [0, 3]), IndexError, "a data set of length 3, got 0 to 3"),
        (lambda: Subset("abc", [-4]), IndexError, "a data set of length 3, got -4 to -4"),
        (lambda: random_split("abc", [1, 1]), ValueError, r"add up to 3, .*got \[1, 1\]"),
        (lambda: random_split("abc", [4, -1]), ValueError, r"add up to 3, .*got \[4, -1\]"),
        (lambda: random_split("abc", [0.5, 0.6]), ValueError, r"got \[0.5, 0.6\]"),
        (lambda: random_split("abc", [1.5, 1.5]), ValueError, r"got \[1.5, 1.5\]"),
        (lambda: random_split("abc", [1.5, -0.5]), ValueError, r"fractions from 0 to 1, got \[1.5"),
        (lambda: DataLoader(iter("abc")), TypeError, "with __len__ and __getitem__, got str_"),
        (lambda: DataLoader("abc", 0), ValueError, "batch_size of 1 or more, got 0"),
        (lambda: DataLoader("abc", 2.0), TypeError, "an integer batch_size, got 2.0"),
        (lambda: DataLoader("abc", True), TypeError, "an integer batch_size, got True"),
        (
            lambda: default_collate([[1], [1, 2]]),
            ValueError,
            r"items of one length, got .* \[1, 2\]",
        ),
        (
            lambda: default_collate([object()]),
            TypeError,
            "got object\n  give DataLoader a collate_fn",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
