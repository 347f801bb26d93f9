"""fit, evaluate, predict, the history and the callbacks."""

from __future__ import annotations

import math
import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import nn, optim, train
from tinygrad_hw.data import DataLoader, TensorDataset
from tinygrad_hw.errors import DataError
from tinygrad_hw.optim import lr_scheduler
from tinygrad_hw.train import BestWeights, Callback, Checkpoint, EarlyStopping, History

LOSS = nn.CrossEntropyLoss()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=(5, 3))).argmax(1)


def network(dropout=0.2):
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 3))


def loader(rows=slice(None), generator=None, shuffle=True):
    return DataLoader(TensorDataset(X[rows], Y[rows]), 10, shuffle=shuffle, generator=generator)


def weights(model):
    return b"".join(value.numpy().tobytes() for value in model.state_dict().values())


class Setup:
    """A run that always starts out the same: model, optimizer, loaders, scheduler."""

    def __init__(self, optimizer="SGD", scheduler=None, every="epoch", **settings):
        tg.manual_seed(7)
        self.model = network()
        self.optimizer = getattr(optim, optimizer)(self.model.parameters(), **settings)
        self.scheduler = scheduler and scheduler(self.optimizer)
        self.every = every
        self.train = loader(slice(0, 36), tg.Generator(3))
        self.valid = loader(slice(36, 48), shuffle=False)

    def fit(self, epochs, *callbacks, **settings):
        settings = {"progress": "none", "callbacks": callbacks} | settings
        return train.fit(
            self.model,
            self.optimizer,
            LOSS,
            self.train,
            self.valid,
            epochs,
            scheduler=self.scheduler,
            schedule_every=self.every,
            **settings,
        )


class Script(Callback):
    """Overwrites a column of the history by the given values, to steer what follows."""

    def __init__(self, column, values):
        self.column, self.values = column, values

    def epoch_end(self, run):
        run.history[self.column][-1] = self.values[run.history.epochs - 1]


class At(Callback):
    """Does something at the end of one epoch."""

    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def epoch_end(self, run):
        if run.history.epochs == self.epoch:
            self.action()


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


# --- the loop


def test_fit_learns_and_tells_what_it_measured():
    setup = Setup(lr=0.1, momentum=0.9)
    history = setup.fit(30)
    assert list(history) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_accuracy",
        "lr",
        "seconds",
    ]
    assert history["epoch"] == list(range(1, 31))
    assert history["train_loss"][-1] < 0.5 * history["train_loss"][0]
    assert history["train_accuracy"][-1] > 0.9
    assert set(history["lr"]) == {0.1}
    assert not history.stopped
    assert not history.interrupted
    loss, accuracy = train.evaluate(setup.model, LOSS, setup.valid)
    assert (loss, accuracy) == (history["valid_loss"][-1], history["valid_accuracy"][-1])


def test_one_epoch_is_the_plain_loop():
    setup = Setup(lr=0.1)
    history = setup.fit(1)
    again = Setup(lr=0.1)
    total = hits = 0
    for x, y in again.train:
        again.optimizer.zero_grad()
        output = again.model(x)
        value = LOSS(output, y)
        value.backward()
        again.optimizer.step()
        total += value.item() * len(y)
        hits += int((output.argmax(1) == y).sum().item())
    assert weights(setup.model) == weights(again.model)
    assert history["train_loss"] == [total / 36]
    assert history["train_accuracy"] == [hits / 36]


def test_batches_may_be_a_list_of_arrays_and_validation_may_be_missing():
    tg.manual_seed(0)
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    batches = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    history = train.fit(model, optimizer, LOSS, batches, epochs=2, progress="none")
    assert list(history) == ["epoch", "train_loss", "train_accuracy", "lr", "seconds"]


def test_regression_has_no_accuracy_and_a_summed_loss_is_divided_by_the_rows():
    model = nn.Linear(5, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    batches = [(X[:30], X[:30, :1]), (X[30:], X[30:, :1])]
    columns = {}
    for reduction in ("mean", "sum"):
        loss = nn.MSELoss(reduction=reduction)
        history = train.fit(model, optimizer, loss, batches, batches, 1, progress="none")
        assert "train_accuracy" not in history
        columns[reduction] = history["train_loss"] + history["valid_loss"]
        mean, accuracy = train.evaluate(model, loss, batches)
        assert math.isnan(accuracy)
        assert mean == history["valid_loss"][0]
    assert columns["sum"] == pytest.approx(columns["mean"], rel=1e-5)


def test_evaluation_uses_no_dropout_no_graph_and_restores_each_modules_mode():
    model = network(dropout=0.9)
    model[2].eval()
    model[0].train()
    seen = []

    def loss(output, target):
        seen.append((model.training, output.requires_grad))
        return LOSS(output, target)

    first = train.evaluate(model, loss, loader(shuffle=False))
    assert first == train.evaluate(model, loss, loader(shuffle=False))
    assert set(seen) == {(False, False)}
    assert [module.training for module in model.modules()] == [True, True, True, False, True]
    assert tg.is_grad_enabled()


@pytest.mark.parametrize("batch_size", [1, 7, 48, 1000])
def test_predict_is_the_model_in_eval_mode_whatever_the_batches(batch_size):
    model = network()
    output = train.predict(model, X, batch_size)
    assert model.training
    assert not output.requires_grad
    model.eval()
    with tg.no_grad():
        expected = model(tg.tensor(X))
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)


def test_predict_of_no_rows_is_empty():
    assert train.predict(network(), X[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "fit: expected epochs >= 0, got -1"),
        ({"schedule_every": "step"}, ValueError, "fit: expected schedule_every 'epoch' or 'batch'"),
        (
            {"progress": "loud"},
            ValueError,
            "fit: expected progress 'auto', 'bar', 'lines' or 'none'",
        ),
        ({"train": iter([])}, TypeError, "fit: expected train to be iterable once an epoch"),
        ({"valid": iter([])}, TypeError, "fit: expected valid to be iterable once an epoch"),
        ({"train": []}, ValueError, "fit: expected train to give at least one batch, got none"),
        ({"valid": []}, ValueError, "fit: expected valid to give at least one batch, got none"),
    ],
)
def test_fit_refuses(arguments, error, message):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    arguments = {"train": loader(), "progress": "none"} | arguments
    with pytest.raises(error, match=message):
        train.fit(model, optimizer, LOSS, **arguments)


def test_plateau_cannot_step_each_batch():
    setup = Setup(scheduler=lr_scheduler.ReduceLROnPlateau, every="batch", lr=0.1)
    with pytest.raises(ValueError, match="expected schedule_every='epoch' with ReduceLROnPlateau"):
        setup.fit(1)


def test_predict_refuses_batches_of_nothing():
    with pytest.raises(ValueError, match="predict: expected batch_size >= 1, got 0"):
        train.predict(network(), X, 0)


def test_evaluate_refuses_an_empty_loader():
    with pytest.raises(ValueError, match="expected loader to give at least one batch"):
        train.evaluate(network(), LOSS, [])


def test_schedules_step_each_epoch_or_each_batch():
    def halve(optimizer):
        return lr_scheduler.ExponentialLR(optimizer, 0.5)

    assert Setup(scheduler=halve, lr=1.0).fit(3)["lr"] == [1, 0.5, 0.25]
    assert Setup(scheduler=halve, every="batch", lr=1.0).fit(3)["lr"] == [1, 0.5**4, 0.5**8]


def test_plateau_follows_the_validation_loss():
    def plateau(optimizer):
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)

    setup = Setup(scheduler=plateau, lr=0.0)  # nothing changes, so the loss never falls
    setup.optimizer.param_groups[0]["lr"] = 1e-7
    lr = setup.fit(4)["lr"]
    assert lr[0] == 1e-7
    assert lr[-1] < lr[0]


def test_a_loss_that_is_not_finite_ends_the_run():
    setup = Setup(lr=1e30)
    with np.errstate(all="ignore"):
        history = setup.fit(10)
    assert history.epochs < 10
    assert "the training loss became" in history.stopped


def test_a_model_in_eval_mode_is_trained_in_training_mode():
    learned = set()
    for training in (True, False):
        setup = Setup(lr=0.1)
        setup.model.train(training)
        setup.fit(1)
        learned.add(weights(setup.model))
    assert len(learned) == 1


# --- progress


def test_lines_are_printed_where_there_is_no_terminal(capsys):
    Setup(lr=0.1).fit(2, progress="auto")
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert not err
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2  train loss ")
    assert "  valid loss" in lines[1]


@pytest.mark.parametrize("columns", ["0", "100"])
def test_the_bar_shows_epoch_and_losses(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    Setup(lr=0.1).fit(2, progress="bar")
    out, err = capsys.readouterr()
    assert not out
    assert "epoch 1/2   0%" in err
    assert "epoch 2/2 100%" in err
    assert "valid loss " in err
    assert " acc " in err
    width = int(columns) or 80  # a terminal of unknown width tells 0
    assert max(map(len, err.replace("\n", "\r").split("\r"))) == width


def test_the_bar_needs_no_length(capsys):
    class Endless:
        def __iter__(self):
            return iter([(X, Y)])

    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    train.fit(model, optimizer, LOSS, Endless(), epochs=2, progress="bar")
    assert "epoch 2/2" in capsys.readouterr().err


def test_why_a_run_stopped_is_said(capsys):
    Setup(lr=0.0).fit(9, EarlyStopping("valid_loss", 2), progress="lines")
    assert "stopped: valid_loss has not improved for 2 epochs" in capsys.readouterr().out
    Setup(lr=0.0).fit(9, EarlyStopping("valid_loss", 2), progress="bar")
    assert "stopped: valid_loss has not improved for 2 epochs" in capsys.readouterr().err


# --- history


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6), st.floats(allow_nan=False), st.floats(width=32, allow_nan=False)
        )
    )
)
def test_history_survives_csv_to_the_last_bit(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("history") / "history.csv"
    history = History()
    for row in rows:
        history.append(dict(zip(("epoch", "train_loss", "lr"), row, strict=True)))
    history.save(path)
    assert History.load(path) == history


def test_history_fills_what_a_row_lacks_with_nan(tmp_path):
    history = History()
    history.append({"epoch": 1})
    history.append({"epoch": 2, "valid_loss": 0.5})
    history.append({"epoch": 3})
    history.save(tmp_path / "h.csv")
    back = History.load(tmp_path / "h.csv")
    assert back["epoch"] == [1, 2, 3]
    np.testing.assert_array_equal(back["valid_loss"], [np.nan, 0.5, np.nan])
    assert (history.epochs, History().epochs) == (3, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,lr\n1,two\n", "not a history file"),
        ("epoch,lr\n1\n", "not a history file"),
        ("epoch,epoch\n1,2\n", "a column name occurs twice"),
        ("epoch\n\xff\n".encode("latin-1"), "not a history file"),
        (None, "no such file"),
    ],
)
def test_history_refuses_damaged_files(tmp_path, text, message):
    path = tmp_path / "history.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message) as caught:
        History.load(path)
    assert str(path) in str(caught.value)


# --- callbacks


@pytest.mark.parametrize(
    ("monitor", "mode", "values", "epochs"),
    [
        ("valid_loss", None, [3, 2, 2, 2, 1, 0], 4),
        ("valid_accuracy", None, [0.1, 0.2, 0.2, 0.1, 0.9, 0.9], 4),
        ("valid_accuracy", "min", [0.3, 0.2, 0.2, 0.1, 0.0, 0.0], 6),
        ("valid_loss", None, [3, math.nan, math.nan, 0, 0, 0], 3),
        ("valid_loss", "max", [1, 2, 3, 4, 5, 6], 6),
    ],
)
def test_early_stopping_waits_for_patience(monitor, mode, values, epochs):
    script = Script(monitor, values)
    history = Setup(lr=0.1).fit(6, script, EarlyStopping(monitor, patience=2, mode=mode))
    assert history.epochs == epochs
    assert bool(history.stopped) == (epochs < 6)


def test_early_stopping_counts_only_gains_above_min_delta():
    script = Script("valid_loss", [1.0, 0.95, 0.85, 0.8, 0.78, 0.77])
    history = Setup(lr=0.1).fit(6, script, EarlyStopping("valid_loss", patience=2, min_delta=0.1))
    assert history.epochs == 5


def test_early_stopping_starts_afresh_with_each_run():
    stopping = EarlyStopping("valid_loss", patience=2)
    epochs = [
        Setup(lr=0.1).fit(6, Script("valid_loss", values), stopping).epochs
        for values in ([3, 2, 1, 1, 1, 1], [9, 8, 7, 6, 5, 4])
    ]
    assert epochs == [5, 6]


def test_best_weights_are_put_back_at_the_end():
    seen = []

    class Watch(Callback):
        def epoch_end(self, run):
            seen.append(weights(run.model))

    setup = Setup(lr=0.5)
    script = Script("valid_loss", [3, 1, 2, 1])
    setup.fit(4, script, Watch(), BestWeights("valid_loss"))
    assert weights(setup.model) == seen[1]
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarlyStopping(mode="best"), "EarlyStopping: expected mode 'min', 'max' or None"),
        (lambda: EarlyStopping(patience=0), "EarlyStopping: expected patience >= 1, got 0"),
        (lambda: EarlyStopping(min_delta=-1), "EarlyStopping: expected min_delta >= 0, got -1"),
        (
            lambda: BestWeights("valid_loss", "up"),
            "BestWeights: expected mode 'min', 'max' or None",
        ),
        (
            lambda: Setup(lr=0.1).fit(1, BestWeights("f1")),
            "BestWeights: expected monitor to be one of epoch, train_loss, .*, got 'f1'",
        ),
    ],
)
def test_callbacks_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- Ctrl-C and resume


def cosine(optimizer):
    return lr_scheduler.CosineAnnealingLR(optimizer, 24)


def onecycle(optimizer):
    return lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=25)


def plateau(optimizer):
    return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)


def sequence(optimizer):
    parts = [lr_scheduler.LinearLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    return lr_scheduler.SequentialLR(optimizer, parts, [2])


RUNS = [
    {"optimizer": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"optimizer": "SGD", "lr": 0.1, "momentum": 0.9, "scheduler": onecycle, "every": "batch"},
    {"optimizer": "Adam", "lr": 0.01, "amsgrad": True, "scheduler": cosine, "every": "batch"},
    {"optimizer": "AdamW", "lr": 0.01, "scheduler": plateau},
    {"optimizer": "RMSprop", "lr": 0.01, "scheduler": sequence},
    {"optimizer": "NAdam", "lr": 0.01},
    {"optimizer": "Rprop", "lr": 0.01},
]


def callbacks(folder):
    return EarlyStopping("valid_loss", 4), BestWeights("valid_accuracy"), Checkpoint(folder)


@pytest.mark.parametrize("settings", RUNS, ids=lambda run: run["optimizer"])
@pytest.mark.parametrize("interrupted", [False, True], ids=["ended", "interrupted"])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, settings, interrupted):
    whole = Setup(**settings)
    expected = whole.fit(6, *callbacks(tmp_path / "whole"))

    first = Setup(**settings)
    if interrupted:  # the signal is met after the third batch of the third epoch
        first.train = Interrupting(first.train, epoch=3, batch=3)
        history = first.fit(6, *callbacks(tmp_path / "run"))
        assert history.interrupted
        assert history.stopped == "interrupted after 2 of 6 epochs"
    else:
        first.fit(2, *callbacks(tmp_path / "run"))
    tg.manual_seed(99)  # what a new process would not share
    second = Setup(**settings)
    tg.manual_seed(100)
    history = second.fit(6, *callbacks(tmp_path / "run"), resume=tmp_path / "run")

    assert weights(second.model) == weights(whole.model)
    for name in set(expected) - {"seconds"}:
        assert history[name] == expected[name], name
    states = [Checkpoint.load(tmp_path / name) for name in ("run", "whole")]
    for state in states:
        del state["history"]["seconds"]
    assert_equal(*states)


class Interrupting:
    """A loader that sends Ctrl-C before one batch of one epoch."""

    def __init__(self, loader, epoch, batch):
        self.loader, self.epoch, self.batch = loader, epoch, batch
        self.generator = loader.generator

    def __iter__(self):
        self.epoch -= 1
        for i, batch in enumerate(self.loader, 1):
            if self.epoch == 0 and i == self.batch:
                interrupt()
            yield batch


def assert_equal(a, b):
    """Equality of nested states, down to bits."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for pair in zip(a, b, strict=True):
            assert_equal(*pair)
    elif isinstance(a, tg.Tensor | np.ndarray):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    else:
        assert a == b


def test_ctrl_c_ends_the_run_after_the_batch_and_leaves_the_handler_as_it_was(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    setup = Setup(lr=0.1)
    setup.train = Interrupting(setup.train, epoch=2, batch=2)
    history = setup.fit(5, Checkpoint(tmp_path), progress="lines")
    assert history.interrupted
    assert history.epochs == 1
    assert "stopped: interrupted after 1 of 5 epochs" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    assert weights(setup.model) != b"".join(
        value.numpy().tobytes() for value in Checkpoint.load(tmp_path)["model"].values()
    )  # the half epoch was learned, too


def test_ctrl_c_between_epochs_keeps_the_epoch():
    history = Setup(lr=0.1).fit(5, At(2, interrupt))
    assert history.interrupted
    assert history.epochs == 2


def test_a_second_ctrl_c_ends_the_run_at_once():
    def twice():
        interrupt()
        interrupt()
        raise AssertionError("the second signal raises")

    history = Setup(lr=0.1).fit(5, At(2, twice))
    assert history.interrupted
    assert history.epochs == 2


def test_a_callers_own_handler_of_ctrl_c_is_left_alone():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        history = Setup(lr=0.1).fit(3, At(1, interrupt))
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.epochs == 3
    assert calls == [1]


def test_fit_runs_in_any_thread():
    histories = []
    thread = threading.Thread(target=lambda: histories.append(Setup(lr=0.1).fit(2)))
    thread.start()
    thread.join()
    assert histories[0].epochs == 2


def test_a_run_that_had_stopped_early_stays_stopped(tmp_path):
    settings = {"lr": 0.0}
    Setup(**settings).fit(9, EarlyStopping("valid_loss", 2), Checkpoint(tmp_path))
    history = Setup(**settings).fit(9, EarlyStopping("valid_loss", 2), resume=tmp_path)
    assert history.epochs == 3
    assert history.stopped


def test_a_run_that_died_before_its_first_epoch_can_be_resumed(tmp_path):
    setup = Setup(lr=0.1)
    setup.train = Interrupting(setup.train, epoch=1, batch=2)
    assert setup.fit(2, Checkpoint(tmp_path)).epochs == 0
    resumed, whole = Setup(lr=0.1), Setup(lr=0.1)
    tg.manual_seed(5)
    resumed.fit(2, resume=tmp_path)
    tg.manual_seed(7)
    network()
    whole.fit(2)
    assert weights(resumed.model) == weights(whole.model)


def test_callbacks_remember_across_a_resume_what_came_before(tmp_path):
    script = Script("valid_loss", [1, 2, 2, 2, 2, 2, 2, 2])
    first = Setup(lr=0.1)
    first.fit(1)
    best = weights(first.model)
    for epochs, resume in ((2, None), (8, tmp_path)):
        setup = Setup(lr=0.1)
        callbacks = script, EarlyStopping(patience=4), BestWeights(), Checkpoint(tmp_path)
        history = setup.fit(epochs, *callbacks, resume=resume)
    assert history.epochs == 5
    assert weights(setup.model) == best


def test_a_checkpoint_has_what_callbacks_know_after_the_epoch(tmp_path):
    Setup(lr=0.1).fit(1, Checkpoint(tmp_path), EarlyStopping())
    assert Checkpoint.load(tmp_path)["callbacks"]["0.EarlyStopping"]["best_epoch"] == 1


def test_resume_refuses_another_kind_of_run(tmp_path):
    Setup(lr=0.1).fit(1, EarlyStopping(), Checkpoint(tmp_path))
    with pytest.raises(
        ValueError, match="the checkpoint has a scheduler: False, this call has: True"
    ):
        Setup(lr=0.1, scheduler=cosine).fit(2, EarlyStopping(), resume=tmp_path)
    with pytest.raises(DataError, match="the checkpoint has callbacks with a state"):
        Setup(lr=0.1).fit(2, resume=tmp_path)
    other = Setup(lr=0.1)
    other.model = nn.Linear(5, 3)
    with pytest.raises(DataError, match="not of this run: load_state_dict"):
        other.fit(2, EarlyStopping(), resume=tmp_path)
    plain = Setup(lr=0.1)
    plain.train = loader(slice(0, 36))
    with pytest.raises(DataError, match="the checkpoint has generators: 2, this call has: 1"):
        plain.fit(2, EarlyStopping(), resume=tmp_path)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage", "flipped", "other"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage):
    Setup(lr=0.1).fit(1, Checkpoint(tmp_path))
    file = Checkpoint.file(tmp_path)
    raw = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "other":
        tg.save({"model": 1}, file)
    else:
        file.write_bytes(
            {
                "empty": b"",
                "truncated": raw[:-9],
                "garbage": b"\xff" * 64,
                "flipped": bytes([raw[0] ^ 255]) + raw[1:],
            }[damage]
        )
    with pytest.raises(DataError) as caught:
        Setup(lr=0.1).fit(2, resume=tmp_path)
    assert str(file) in str(caught.value)


def test_a_checkpoint_leaves_no_other_file(tmp_path):
    Setup(lr=0.1).fit(3, Checkpoint(tmp_path / "new" / "run"))
    assert os.listdir(tmp_path / "new" / "run") == ["checkpoint.safetensors"]
