"""The command line: runs, resumes, evaluations, and every complaint."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

import tinygrad_hw
from tinygrad_hw import cli, data, report
from tinygrad_hw.train import History
from tinygrad_hw.train.recipe import ACTIVATIONS, INITS, OPTIMIZERS, SCHEDULES, Recipe

FIGURES = ["curves.png", "weights.png", "confusion.png"]
FILES = {
    *FIGURES,
    "checkpoint.safetensors",
    "config.json",
    "history.csv",
    "initial.safetensors",
    "model.safetensors",
    "result.json",
}


def process(*arguments, cwd, **environment):
    """Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=cwd,
        env=process_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def command(*arguments, **options):
    """``python -m tinygrad_hw`` in a process of its own."""
    return process("-m", "tinygrad_hw", *arguments, **options)


def process_environment():
    # The package is to be found from any working folder, be it installed or not.
    return os.environ | {"PYTHONPATH": str(Path(tinygrad_hw.__file__).parent.parent)}


def called(*arguments):
    """``main`` in this process; a parser's exit counts as its code."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a short run that ended, and what it printed; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    done = command("train", "--epochs", 3, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", done.stdout


@pytest.fixture
def sketches(monkeypatch):
    """Empty files in place of figures, which take most of a short run's time."""

    def touch(folder, *_):
        for name in FIGURES:
            (folder / name).touch()
        return FIGURES

    monkeypatch.setattr(report, "figures", touch)


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A copy of that folder, in the working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished[0], "run")
    return Path("run")


# --- train


def test_train_says_what_it_does_and_leaves_a_whole_run_folder(finished):
    folder, out = finished
    assert {path.name for path in folder.iterdir()} == FILES
    lines = out.splitlines()
    assert lines[0].startswith(
        "data      digits: UCI handwritten digits (8 x 8); 1,293 to train, 144 to validate, 360 to test"
    )
    assert lines[1] == "network   64-64-10 relu, 4,810 parameters"
    assert lines[2].startswith("training  sgd, lr 0.1 (onecycle), momentum 0.9")
    assert sum(line.startswith("epoch ") for line in lines) == 3
    assert any(line.startswith("test accuracy 0.") for line in lines)
    assert f"in run: {', '.join(FIGURES)}" in lines[-1]
    config = json.loads((folder / "config.json").read_text())
    assert config["hidden"] == [64]
    assert config["source"] == "UCI handwritten digits (8 x 8)"
    result = json.loads((folder / "result.json").read_text())
    assert f"test accuracy {result['test_accuracy']:.4f}" in out
    assert History.load(folder / "history.csv").epochs == 3
    for name in FIGURES:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_train_needs_no_arguments_and_reads_the_digits(sketches, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert called("train") == 0
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("digits-2")
    assert json.loads((folder / "result.json").read_text())["test_accuracy"] >= 0.97
    assert "epoch 60/60" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_weights(sketches, run):
    assert called("train", "--epochs", 3, "--out", "again") == 0
    assert called("train", "--epochs", 3, "--seed", 1, "--out", "other") == 0
    files = [Path(name, "model.safetensors").read_bytes() for name in ("run", "again", "other")]
    assert files[0] == files[1] != files[2]


def test_a_run_never_takes_the_folder_of_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    moment = cli.datetime.datetime(2026, 1, 2, 3, 4, 5)
    monkeypatch.setattr(cli, "datetime", Mock(**{"datetime.now.return_value": moment}))
    names = []
    for _ in range(3):
        folder = cli._new_folder("digits")
        folder.mkdir(parents=True)
        names.append(folder.name)
    assert names == [f"digits-20260102-030405{suffix}" for suffix in ("", "-2", "-3")]


@pytest.mark.parametrize(
    "arguments",
    [
        "--hidden none --init xavier_normal",
        "--hidden 5 4 3 --activation tanh --dropout 0.1 --init orthogonal",
        "--optimizer adam --scheduler cosine --holdout 0",
        "--optimizer rmsprop --momentum 0.5 --scheduler step --init kaiming_uniform",
        "--optimizer rprop --batch-size 5000 --scheduler plateau",
        "--scheduler linear --weight-decay 0 --momentum 0 --offset 0.5 --init kaiming_normal",
        "--scheduler exponential --activation leaky_relu --init xavier_uniform",
    ],
)
def test_odd_settings_work(sketches, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert called("train", "--epochs", 2, "--out", "run", *arguments.split()) == 0
    assert set(os.listdir("run")) == FILES
    result = Path("run", "result.json").read_text()
    assert called("eval", "run") == 0
    assert Path("run", "result.json").read_text() == result


def test_every_choice_of_the_command_line_is_a_recipe():
    for name, choices in {
        "activation": ACTIVATIONS,
        "init": INITS,
        "optimizer": OPTIMIZERS,
        "scheduler": SCHEDULES,
    }.items():
        for choice in choices:
            recipe = Recipe.of("digits", **{name: choice})
            optimizer = recipe.optimizer_for(recipe.network(3, 2))
            recipe.schedule_for(optimizer, 7)


def test_another_optimizer_brings_its_own_learning_rate():
    assert Recipe.of("mnist").momentum == 0.9
    adam = Recipe.of("mnist", optimizer="adam", dropout=0.5)
    assert (adam.lr, adam.momentum, adam.weight_decay, adam.dropout) == (0.003, 0, 0, 0.5)
    assert Recipe.of("mnist", optimizer="adam", lr=1.0).lr == 1.0


# --- Ctrl-C and resume


def test_ctrl_c_saves_and_resume_ends_with_the_same_bits(sketches, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--scheduler", "none", "--dropout", "0.3", "--optimizer", "adam"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tinygrad_hw",
            "train",
            "--epochs",
            "100000",
            *options,
            "--out",
            "run",
        ],
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch      2/100000"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert not err
    assert "stopped: interrupted after" in out
    assert "continue with: tinygrad-hw train --resume run" in out
    history = History.load("run/history.csv")
    assert history.epochs >= 2
    assert set(os.listdir("run")) == FILES - {*FIGURES, "result.json"}

    assert called("eval", "run") == 0
    assert f"run       run, {history.epochs} of 100000 epochs" in capsys.readouterr().out
    epochs = history.epochs + 2
    assert called("train", "--resume", "run", "--epochs", epochs) == 0
    assert called("train", "--epochs", epochs, *options, "--out", "whole") == 0
    for name in ("model.safetensors", "initial.safetensors"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()
    assert set(os.listdir("run")) == FILES


def test_a_run_that_has_ended_may_be_resumed(sketches, run, capsys):
    before = (run / "model.safetensors").read_bytes()
    assert called("train", "--resume", "run") == 0
    assert (run / "model.safetensors").read_bytes() == before
    assert "test accuracy" in capsys.readouterr().out


def test_ctrl_c_outside_the_training_loop(run, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "judge", interrupt)
    assert called("eval", "run") == 130
    assert capsys.readouterr().err == "tinygrad-hw eval: error: interrupted\n"


# --- eval


def test_eval_repeats_the_result_and_redraws(run, finished, capsys):
    for name in FIGURES:
        (run / name).unlink()
    assert called("eval", "run") == 0
    out = capsys.readouterr().out
    assert (
        next(line for line in finished[1].splitlines() if line.startswith("test accuracy")) in out
    )
    assert "run       run, 3 of 3 epochs" in out
    assert all((run / name).exists() for name in FIGURES)


# --- complaints


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "tinygrad-hw: error: the following arguments are required: COMMAND"),
        ("learn", "tinygrad-hw: error: argument COMMAND: invalid choice: 'learn'"),
        ("train --dataset cats", "argument --dataset: invalid choice: 'cats'"),
        ("train --hidden x", "argument --hidden: invalid width value: 'x'"),
        ("train --hidden 64 none", "argument --hidden: expected widths of at least 1"),
        ("train --hidden -1", "argument --hidden: expected"),
        ("train --dropout 1", "argument --dropout: expected a fraction from 0 up to"),
        ("train --lr 0", "argument --lr: expected a number above 0, got 0.0"),
        ("train --lr nan", "argument --lr: expected a number above 0, got nan"),
        ("train --momentum 1", "argument --momentum: expected a number from 0 up to"),
        ("train --weight-decay -1", "argument --weight-decay: expected a number of at least 0"),
        ("train --batch-size 0", "argument --batch-size: expected at least 1, got 0"),
        ("train --epochs 0", "argument --epochs: expected at least 1, got 0"),
        ("train --epochs 1.5", "argument --epochs: invalid int value: '1.5'"),
        ("train --seed -1", "argument --seed: expected at least 0, got -1"),
        ("train --holdout 1", "argument --holdout: expected a fraction from 0 up to"),
        ("train --offset inf", "argument --offset: expected a finite number, got inf"),
        (
            "train --optimizer adam --momentum 0.5",
            "argument --momentum: adam has none; sgd and rmsprop do",
        ),
        ("train --optimizer rprop --weight-decay 0.5", "argument --weight-decay: rprop has none"),
        (
            "train --out run",
            "argument --out: run is not empty; name another folder, or --resume run",
        ),
        ("train --resume run --lr 0.1", "argument --lr: a resumed run keeps its settings"),
        ("train --resume run --dataset digits", "argument --dataset: a resumed run keeps its"),
        ("train --resume run --out new", "argument --out: a resumed run keeps its settings"),
        (
            "train --resume run --epochs 9",
            "argument --epochs: the onecycle schedule of this run ends after 3",
        ),
        (
            "train --resume nothing",
            "nothing/config.json: no such file; is this the folder of a run?",
        ),
        ("eval nothing", "nothing/config.json: no such file; is this the folder of a run?"),
        ("train --dataset mnist --data-root nothing", "expected MNIST in nothing/mnist"),
        ("train --dataset nist36 --data-root nothing", "expected NIST36 in nothing/nist36"),
        ("train --dataset sequences --data-root nothing", "binary_sequences.npz, got no such file"),
    ],
)
def test_bad_arguments_and_missing_data_are_one_line(
    run, monkeypatch, capsys, arguments, complaint
):
    monkeypatch.setitem(sys.modules, "pooch", None)  # nothing may be downloaded
    assert called(*arguments.split()) == 2
    out, err = capsys.readouterr()
    assert not out
    assert complaint in err
    assert err.startswith("tinygrad-hw")
    assert err.count("\n") == 1
    assert sorted(os.listdir()) == ["run"]


def test_a_process_complains_without_a_traceback(tmp_path):
    done = command("eval", "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("tinygrad-hw eval: error: nothing/config.json: no such file")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{}"),
        ("config.json", b"\xff\xfe"),
        ("config.json", b'{"dataset": "digits"}'),
        ("history.csv", b"epoch\nmany\n"),
        ("history.csv", None),
        ("model.safetensors", b"garbage"),
        ("model.safetensors", None),
        ("initial.safetensors", None),
    ],
)
def test_eval_refuses_damaged_files_by_name(run, capsys, name, content):
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_bytes(content)
    assert called("eval", "run") == 2
    err = capsys.readouterr().err
    assert str(run / name) in err
    assert err.count("\n") == 1


def test_eval_refuses_the_weights_of_another_network(sketches, run, capsys):
    assert called("train", "--epochs", 1, "--hidden", 7, "--out", "other") == 0
    shutil.copy("other/model.safetensors", run)
    assert called("eval", "run") == 2
    err = capsys.readouterr().err
    assert "run/model.safetensors: not the weights of this run" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: b"", None])
def test_resume_refuses_a_damaged_checkpoint_by_name(run, capsys, damage):
    file = run / "checkpoint.safetensors"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(file.read_bytes()))
    assert called("train", "--resume", "run") == 2
    err = capsys.readouterr().err
    assert str(file) in err
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written(run, capsys):
    Path("file").write_text("in the way")
    assert called("train", "--out", "file/run") == 2
    err = capsys.readouterr().err
    assert "file" in err
    assert err.count("\n") == 1


def test_our_own_errors_are_one_line_too(run, monkeypatch, capsys):
    def fail(*_):
        raise tinygrad_hw.errors.KernelError("kernel x: could not be compiled\nremedy")

    monkeypatch.setattr(report, "judge", fail)
    assert called("eval", "run") == 1
    expected = "tinygrad-hw eval: error: kernel x: could not be compiled; remedy\n"
    assert capsys.readouterr().err == expected


# --- kernels, info, warmup, version


def test_the_first_use_says_that_kernels_are_compiled(tmp_path, capsys, monkeypatch):
    folders = [tmp_path, None]
    monkeypatch.setattr(cli.jit, "cache_folder", lambda: folders[0])
    cli._announce_kernels()
    assert f"compiled on first use, some ten seconds; kept in {tmp_path}" in capsys.readouterr().out
    (tmp_path / "kernel").touch()
    cli._announce_kernels()
    assert not capsys.readouterr().out
    folders.pop(0)
    cli._announce_kernels()
    assert "for this run only: no cache folder can be written" in capsys.readouterr().out


def test_without_a_cache_folder_training_works(tmp_path):
    (tmp_path / "file").touch()
    done = command(
        "train", "--epochs", 1, "--hidden", "none", "--out", "run", cwd=tmp_path,
        TINYGRAD_HW_CACHE=str(tmp_path / "file" / "cache"), NUMBA_DISABLE_JIT="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "for this run only: no cache folder can be written" in done.stdout


def test_info_names_versions_machine_folders_and_data(tmp_path, capsys):
    assert called("info", "--data-root", tmp_path) == 0
    out = capsys.readouterr().out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["tinygrad_hw"].startswith(tinygrad_hw.__version__)
    assert f"numpy {np.__version__}" in lines["packages"]
    assert "cores for this process" in lines["cpu"]
    assert lines["data"] == str(tmp_path)
    assert lines["digits"] == "UCI handwritten digits (8 x 8)"
    for name in ("mnist", "nist36", "nist26", "sequences"):
        assert "got no" in lines[name]


def test_info_without_any_folder_for_data(monkeypatch, capsys):
    monkeypatch.setenv("TINYGRAD_HW_CACHE", "")
    monkeypatch.delenv("TINYGRAD_HW_DATA", raising=False)
    assert called("info") == 0
    assert "no folder: set TINYGRAD_HW_DATA" in capsys.readouterr().out


def test_warmup_compiles_what_train_needs(tmp_path):
    code = (
        "from tinygrad_hw import cli; from tinygrad_hw.kernels.jit import stats;"
        "cli.main(['warmup']); before = stats.compiled;"
        "cli.main(['train', '--epochs', '1', '--out', 'run']); print(stats.compiled - before)"
    )
    cache = tmp_path / "cache"
    done = process("-c", code, cwd=tmp_path, TINYGRAD_HW_CACHE=str(cache))
    assert "kernels compiled, 0 were there already" in done.stdout
    assert f"kept in {cache}" in done.stdout
    assert done.stdout.splitlines()[-1] == "0"


def test_version(capsys):
    assert called("--version") == 0
    assert capsys.readouterr().out == f"tinygrad-hw {tinygrad_hw.__version__}\n"


# --- other data than the digits


def made_up(name, image_shape, features, classes):
    """Splits with random pixels; the parts are one and the same."""
    rng = np.random.default_rng(0)
    part = (rng.random((40, features), np.float32), np.arange(40) % classes)
    names = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[:classes])
    return data.Splits(name, "made up", names, image_shape, part, part, part, transposed=True)


def test_train_and_eval_on_transposed_images_with_a_validation_part(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda name, root: made_up(name, (4, 3), 12, 36))
    drawn = []
    draw = report.plot.weight_grid
    monkeypatch.setattr(
        report.plot, "weight_grid", lambda images, ax: drawn.append(images) or draw(images, ax=ax)
    )
    assert called("train", "--dataset", "nist36", "--epochs", 2, "--hidden", 5, "--out", "run") == 0
    out = capsys.readouterr().out
    assert "data      nist36: made up; 40 to train, 40 to validate, 40 to test" in out
    assert "12-5-36 relu" in out
    for images, name in zip(drawn, ("initial", "model"), strict=True):
        weight = tinygrad_hw.load_file(f"run/{name}.safetensors")["0.weight"].numpy()
        # Pixels lie column by column.
        np.testing.assert_array_equal(images, weight.reshape(5, 3, 4).swapaxes(1, 2))
    assert called("eval", "run") == 0
    assert set(os.listdir("run")) == FILES


def test_figures_of_what_is_no_image_and_of_a_run_without_an_epoch(tmp_path):
    splits = made_up("sequences", None, 20, 2)
    before, after = np.random.default_rng(0).normal(size=(2, 6, 20))
    recipe = Recipe("sequences", hidden=(6,))
    counts = np.eye(2, dtype=int)
    written = report.figures(tmp_path, recipe, splits, History(), before, after, counts)
    assert written == ["weights.png", "confusion.png"]
    assert sorted(os.listdir(tmp_path)) == ["confusion.png", "weights.png"]


def test_inputs_are_moved_so_that_the_background_is_zero():
    x = np.array([[0.0, 1.0]], np.float32)
    np.testing.assert_array_equal(Recipe.of("nist36").inputs(x), [[-1, 0]])
    assert Recipe.of("nist36").inputs(x).dtype == np.float32
    assert Recipe.of("digits").inputs(x) is x
