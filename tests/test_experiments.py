"""Experiments: every name has a module, results survive a stop, seeds give the same bits, and figures are written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tinygrad_hw import cli, experiments
from tinygrad_hw.errors import DataError
from tinygrad_hw.experiments import (
    batch_size,
    collapse,
    five_steps,
    lab,
    mnist_mlp,
    sequences,
    softmax,
)
from tinygrad_hw.experiments.lab import Lab
from tinygrad_hw.random import manual_seed


@pytest.fixture
def one(tmp_path):
    return Lab("softmax", tmp_path / "run", quick=True)


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_name_has_what_a_page_needs(name):
    module = experiments.module(name)
    assert callable(module.run)
    assert module.TITLE
    assert module.__doc__
    assert len(Path(module.__file__).read_text(encoding="utf-8").splitlines()) <= 240


def test_unknown_names():
    with pytest.raises(ValueError, match="experiment: expected one of activations, softmax"):
        experiments.module("activation")


CALLS = []


def square(x):
    CALLS.append(x)
    if x == 3:
        raise KeyboardInterrupt
    return {"value": np.array([x * x]), "text": "ok", "number": 1.5}


def test_a_sweep_goes_on_where_it_was_stopped(one, capsys):
    CALLS.clear()
    settings = {f"x = {x}": {"x": x} for x in (1, 2, 3)}
    with pytest.raises(KeyboardInterrupt):
        one.sweep(square, settings)
    assert CALLS == [1, 2, 3]
    settings["x = 3"] = {"x": 4}
    again = Lab("softmax", one.folder, quick=True)
    results = again.sweep(square, settings)
    assert CALLS == [1, 2, 3, 4]
    assert [r["value"].tolist() for r in results.values()] == [[1], [4], [16]]
    assert list(results) == list(settings)
    assert results["x = 1"]["text"] == "ok"
    assert "2 of 3 parts are there" in capsys.readouterr().out


def test_a_damaged_part_is_computed_again(one):
    CALLS.clear()
    one.sweep(square, {"a": {"x": 1}})
    one._part("a").write_bytes(b"damaged")
    assert one.sweep(square, {"a": {"x": 1}})["a"]["value"] == 1
    assert CALLS == [1, 1]


def test_jobs_give_what_one_process_gives(tmp_path):
    settings = {
        f"b {b}": {"batch": b, "lr": 0.05, "seed": 3, "epochs": 1, "quick": True, "root": None}
        for b in (16, 64)
    }
    labs = (Lab("batch-size", tmp_path / str(jobs), quick=True, jobs=jobs) for jobs in (1, 2))
    alone, together = (each.sweep(batch_size.part, settings) for each in labs)
    for name, result in alone.items():
        for key, value in result.items():
            np.testing.assert_array_equal(value, together[name][key])


def test_other_settings_need_another_folder(one):
    with pytest.raises(DataError, match="holds a run with another seed"):
        Lab("softmax", one.folder, seed=1, quick=True)
    with pytest.raises(DataError, match="another experiment and quick"):
        Lab("init", one.folder)
    (one.folder / lab.SETTINGS).write_text("{")
    with pytest.raises(DataError, match="not the settings of an experiment"):
        Lab("softmax", one.folder, quick=True)


def test_quick_runs_need_no_data_folder(one, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_HW_DATA", str(tmp_path))
    assert one.digits().source == "UCI handwritten digits (8 x 8)"
    assert one.sequences().source == "drawn bits"
    assert one.sources == ["UCI handwritten digits (8 x 8)", "drawn bits"]
    slow = Lab("softmax", tmp_path / "slow")
    assert slow.digits().source == "UCI handwritten digits (8 x 8)"  # nothing is in that folder


def test_drawn_bits_alternate_as_said():
    splits = lab._alternating()
    for x, y in (splits.train, splits.valid, splits.test):
        changes = (x[:, 1:] != x[:, :-1]).mean(axis=1)
        assert changes[y == 0].mean() == pytest.approx(0.5, abs=0.01)
        assert changes[y == 1].mean() == pytest.approx(0.58, abs=0.01)


def test_an_experiment_writes_figures_numbers_and_a_page(tmp_path):
    numbers = experiments.run("softmax", tmp_path / "a", quick=True)
    again = experiments.run("softmax", tmp_path / "b", quick=True)
    assert numbers == again
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"settings.json", "numbers.json", "report.html", "parts", "softmax.png"}
    record = json.loads((tmp_path / "a/numbers.json").read_text(encoding="utf-8"))
    assert record["numbers"] == numbers
    assert record["seed"] == 0
    page = (tmp_path / "a/report.html").read_text(encoding="utf-8")
    assert '<img src="softmax.png"' in page
    assert softmax.TITLE in page
    assert (tmp_path / "a/softmax.png").read_bytes() == (tmp_path / "b/softmax.png").read_bytes()


def test_the_commit_is_named_where_there_is_one(monkeypatch):
    assert lab.commit().split()[0] in ("commit", "version")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert lab.commit().startswith("version ")


def test_seeds_in_words():
    assert lab.seeds_text(range(3, 4)) == "seed 3"
    assert lab.seeds_text(range(3, 6)) == "seeds 3 to 5 (mean, extremes)"


# --- what single experiments compute


def test_shifts_move_by_one_pixel_and_bring_in_background():
    manual_seed(0)
    x = np.random.default_rng(0).random((200, 36)).astype(np.float32)
    images = x.reshape(-1, 6, 6)
    moved = mnist_mlp.shifted(x, 6).reshape(-1, 6, 6)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    found = np.zeros((3, 3), int)
    for image, original in zip(moved, padded, strict=True):
        at = [
            (dy, dx)
            for dy in range(3)
            for dx in range(3)
            if np.array_equal(image, original[dy : dy + 6, dx : dx + 6])
        ]
        assert len(at) == 1
        found[at[0]] += 1
    assert (found > 5).all()


def test_machines_bits_are_drawn_anew_and_peoples_turned():
    manual_seed(0)
    x = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (2000, 20))
    x[1000:] = np.r_[1, 1, 1, -np.ones(17)]
    y = np.repeat(np.arange(2), 1000)[:, None].astype(np.float32)
    first, second = (sequences.drawn(y)(x.copy()) for _ in range(2))
    assert first.dtype == np.float32
    assert set(np.unique(first)) == {-1, 1}
    assert (first[:1000] == second[:1000]).mean() == pytest.approx(0.5, abs=0.02)
    assert first[:1000].mean() == pytest.approx(0, abs=0.03)
    ways, counts = np.unique(first[1000:], axis=0, return_counts=True)
    person = x[-1]
    expected = np.unique([person, -person, person[::-1], -person[::-1]], axis=0)
    np.testing.assert_array_equal(ways, expected)
    assert counts.min() > 200


def test_the_collapsed_layer_is_the_network():
    from tinygrad_hw import nn

    manual_seed(0)
    x = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    deep = nn.Sequential(nn.Linear(7, 9), nn.Identity(), nn.Linear(9, 5), nn.Linear(5, 3))
    assert collapse.difference(deep, x) < 1e-6
    bent = nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3))
    assert collapse.difference(bent, x) > 1e-2


@pytest.mark.parametrize("case", five_steps.CASES)
def test_five_steps_by_hand_autograd_and_compiled_agree(case):
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s) for s in ((6, 5), (6, 2), (4, 5), (4,), (2, 4), (2,))]
    arrays[1] = (arrays[1] > 0).astype(float)
    hand, auto = five_steps.by_hand(case, *arrays), five_steps.by_autograd(case, *arrays)
    assert hand.keys() == auto.keys()
    for name, value in hand.items():
        other = np.asarray(auto[name])
        known = np.isfinite(other)
        assert known.any()
        np.testing.assert_allclose(np.asarray(value)[known], other[known], rtol=1e-9, atol=1e-12)
    runs = [five_steps.losses(case, how, 30, 0) for how in ("by hand", "autograd", "compiled")]
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-9)
    np.testing.assert_allclose(runs[2], runs[0], rtol=1e-9)
    assert runs[0][-1] < runs[0][0]


# --- the command


def run(capsys, *arguments):
    code = cli.main(["experiment", *map(str, arguments)])
    return code, capsys.readouterr()


def test_the_command(tmp_path, capsys):
    code, out = run(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.out.splitlines()] == list(experiments.NAMES)
    code, out = run(capsys, "softmax", "--quick", "--out", tmp_path / "s")
    assert code == 0
    assert str(tmp_path / "s" / "report.html") in out.out


def test_the_command_runs_all_of_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(experiments, "NAMES", ("softmax", "activations"))
    code, _ = run(capsys, "all", "--quick", "--out", tmp_path)
    assert code == 0
    assert (tmp_path / "softmax" / "report.html").is_file()
    assert (tmp_path / "activations" / "vanishing.png").is_file()


def test_the_command_complains(tmp_path, capsys):
    code, out = run(capsys, "nothing")
    assert code == 2
    assert "argument NAME: expected one of activations" in out.err
    code, out = run(capsys, "softmax", "--jobs", 0)
    assert code == 2
    assert "argument --jobs: expected at least 1, got 0" in out.err
    code, out = run(capsys, "softmax", "--data", tmp_path / "none")
    assert code == 2
    assert "argument --data: no such folder" in out.err


def test_jobs_without_joblib(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(DataError, match="pip install 'tinygrad_hw\\[jobs\\]'"):
        Lab("softmax", tmp_path, jobs=2).sweep(square, {"a": {"x": 1}, "b": {"x": 2}})
