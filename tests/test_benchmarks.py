"""The benchmarks work and say what they promise; how fast anything is, is nobody's test."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

import tinygrad_hw as tg
from benchmarks import __main__ as command
from benchmarks import harness, matmul, plots, report, startup, steps
from benchmarks.contenders import CONTENDERS, Seat, Unsuited
from benchmarks.contenders.ours import Compiled, Eager
from benchmarks.contenders.with_numpy import ByHand, Products
from benchmarks.machine import environment, peak_memory, versions
from benchmarks.networks import NETWORKS, Network, perceptron
from benchmarks.worker import Missing, Worker, WorkerError

TINY = perceptron("tiny", 4, (3, 5, 2), "relu")


# --- the harness


def test_calls_fill_the_span_and_are_at_least_one():
    clock = [0.0]

    def run(times):
        clock[0] += times * 0.001

    assert harness.calls_within(run, 0.5, lambda: clock[0]) == 500
    assert harness.calls_within(run, 0.0001, lambda: clock[0]) == 1


def test_contestants_take_turns_and_the_time_is_a_call_s():
    clock, order = [0.0], []

    def runs(name, seconds):
        def run(times):
            order.append(name)
            clock[0] += times * seconds

        return run

    taken = harness.contest({"a": runs("a", 1.0), "b": runs("b", 3.0)}, 3, 1.0, lambda: clock[0])
    assert taken == {"a": [1.0] * 3, "b": [3.0] * 3}
    assert order[-6:] == ["a", "b"] * 3
    assert harness.times_faster(taken["a"], taken["b"]) == 3


def test_a_turn_s_first_calls_do_not_count():
    clock, calls = [0.0], []

    def run(times):
        calls.append(times)
        clock[0] += times * (9.0 if len(calls) == 1 else 1.0)

    assert harness.seconds_a_call(run, 3.0, lambda: clock[0]) == 1.0
    assert calls == [1, 1, 3]


def test_ratios_are_medians_within_rounds():
    assert harness.times_faster([1, 1, 10], [2, 3, 10]) == 2


def test_a_spread_has_median_and_quartiles():
    assert harness.spread([4.0, 1.0, 2.0, 3.0, 5.0]) == {
        "median": 3.0,
        "q1": 2.0,
        "q3": 4.0,
        "rounds": 5,
    }
    assert harness.spread([7.0]) == {"median": 7.0, "q1": 7.0, "q3": 7.0, "rounds": 1}


@pytest.mark.parametrize("value", [1.0002, 0.9, math.nan, math.inf])
def test_another_loss_is_refused(value):
    with pytest.raises(harness.Disagreement, match="new: expected the loss 1 that the others have"):
        harness.agree("new", value, 1.0, 1e-4)


def test_who_differs_from_most_is_refused_and_who_has_no_loss_is_not():
    refused = steps.same_losses({"a": 0.5, "b": 0.50001, "c": 0.7, "d": math.nan, "products": None})
    assert list(refused) == ["c", "d"]
    assert "got 0.7" in refused["c"]
    assert "got nan" in refused["d"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.001234, "0.00123"), (1.234, "1.23"), (12.34, "12.3"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits(number, text):
    assert harness.number(number) == text


def test_a_table_is_aligned_or_markdown():
    rows = [["seq", 12.0], ["wide", None]]
    assert harness.table(["name", "µs"], rows) == "name    µs\nseq   12.0\nwide"
    assert harness.table(["name", "µs"], rows, markdown=True) == (
        "| name | µs |\n| --- | ---: |\n| seq | 12.0 |\n| wide |  |"
    )


# --- machine and workers


def test_the_machine_knows_versions_memory_and_threads():
    assert versions()["numpy"] == np.__version__
    peak = peak_memory()
    assert peak is None or peak > 1e7
    assert environment(1)["OPENBLAS_NUM_THREADS"] == "1"
    assert "intra_op_parallelism_threads=1" in environment(1)["XLA_FLAGS"]
    assert environment(None)["PYTHONPATH"].startswith(str(Path(command.__file__).parent.parent))


class Echo:
    """What the workers below serve."""

    def __init__(self, word):
        if word == "absent":
            import a_library_that_is_not_installed  # noqa: F401
        self.word = word

    def say(self, times):
        print("a library's chatter")
        return self.word * times

    def leave(self):
        sys.exit("gone")


def worker(word):
    path = os.pathsep.join([environment(None)["PYTHONPATH"], str(Path(__file__).parent)])
    return Worker("test_benchmarks:Echo", word, variables={"PYTHONPATH": path})


def test_a_worker_answers_and_chatter_does_not_get_between():
    with worker("ab") as echo:
        assert echo.answer() is None
        assert echo.call("say", 2) == "abab"
        with pytest.raises(WorkerError, match="test_benchmarks:Echo: TypeError: .*'x'|'str'"):
            echo.call("say", "x")
        with pytest.raises(WorkerError, match="process ended with 1: gone"):
            echo.call("leave")


def test_a_worker_says_what_is_not_installed():
    with (
        worker("absent") as echo,
        pytest.raises(Missing, match="a_library_that_is_not_installed is not installed"),
    ):
        echo.answer()


# --- networks and contenders


@pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda n: n.name)
def test_a_network_survives_json_and_fits_its_data(network):
    assert Network.of(json.loads(json.dumps(asdict(network)))) == network
    x, y = network.batches(1)[0]
    assert x.shape == (network.batch, *network.input)
    assert y.max() < network.classes
    assert all(w.dtype == np.float32 for w in network.weights())


def test_networks_describe_themselves():
    assert NETWORKS["mnist"].describe() == "784-200-100-10 relu (100)"
    assert NETWORKS["lenet"].describe() == ("1 × 28 × 28-conv6-conv16-120-84-10 relu pool (64)")


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_the_contenders_that_are_always_there_agree(activation):
    network = perceptron("tiny", 4, (3, 5, 2), activation)
    losses = []
    for kind in (ByHand, Eager, Compiled):
        contender = kind(network)
        for _ in range(2):  # reset goes back to the start, momentum included
            contender.reset()
            for x, y in contender.batches:
                loss = contender.value(contender.step(x, y))
            losses.append(loss)
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_products_are_those_of_the_step():
    products = Products(TINY)
    assert [(a.shape, b.shape) for a, b, _ in products.calls] == [
        ((4, 3), (3, 5)),
        ((5, 4), (4, 3)),
        ((4, 5), (5, 2)),
        ((2, 4), (4, 5)),
        ((4, 2), (2, 5)),
    ]
    assert products.value(products.step(*products.batches[0])) is None


def test_who_is_not_written_for_a_network_says_so():
    with pytest.raises(Unsuited, match="lenet is not written for this contender"):
        ByHand(NETWORKS["lenet"])


def test_a_seat_reports_times_loss_and_memory():
    seat = Seat("numpy")
    assert seat.build(asdict(NETWORKS["lenet"])) is None
    built = seat.build(asdict(TINY))
    assert built is not None
    assert set(built) == {"import", "build", "first step", "memory"}
    turn = seat.turn(0.001, 20)
    assert turn["seconds"] > 0
    assert 1 <= turn["steps"] <= 20
    assert turn["loss"] == seat.turn(0.001, 20)["loss"]
    assert seat.facts() == {}


# --- a run


class Stranger(ByHand):
    """Learns something else."""

    def __init__(self, network):
        super().__init__(network)
        self.lr *= 2


class Here:
    """A worker without a process."""

    def __init__(self, name):
        self.seat = Seat("numpy")
        self.seat.kind = {"stranger": Stranger, "products": Products}.get(name, ByHand)
        self.result = None

    def ask(self, method, *arguments):
        self.result = self.call(method, *arguments)

    def answer(self):
        return self.result

    def call(self, method, *arguments):
        return getattr(self.seat, method)(*arguments)

    def close(self):
        pass


def test_a_stranger_s_times_are_not_shown(monkeypatch):
    entry = replace(CONTENDERS["numpy"], title="Stranger")
    monkeypatch.setitem(CONTENDERS, "stranger", entry)
    monkeypatch.setattr(steps.Effort, "start", lambda self, name: Here(name))
    heard: list[str] = []
    names = ("numpy", "mygrad", "products", "stranger")
    [row] = steps.run([TINY], steps.Effort(2, 0.001, contenders=names, say=heard.append))
    assert list(row["times"]) == ["numpy", "mygrad", "products"]
    assert list(row["refused"]) == ["stranger"]
    assert heard[0].startswith("tiny: stranger: expected the loss")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    path = folder / "found.json"
    assert command.main(["--quick", "--json", str(path)]) == 0
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_quick_run_needs_no_peer_and_keeps_its_promises(found):
    assert set(found["machine"]) >= {"cpu", "cores", "system", "date", "load", "versions", "commit"}
    assert found["settings"] == {"threads": None, "rounds": 2, "span": 0.005}
    [row] = found["steps"]
    assert set(row["times"]) == {"compiled", "eager", "numpy", "products"}
    assert row["refused"] == row["absent"] == {}
    assert row["losses"]["products"] is None
    for times in row["times"].values():
        assert set(times) == {"median", "q1", "q3", "rounds"}
        assert 0 < times["q1"] <= times["median"] <= times["q3"]
    assert row["ratios"]["compiled / products"] > 0
    assert {row["by"] for row in found["growth"]} == {"width", "batch"}
    assert found["products"][0]["layout"] == "nt"
    assert {row["threads"] for row in found["products"]} == set(matmul.thread_counts())
    assert found["ceilings"]["float32"] > found["ceilings"]["float64"] > 0
    assert {row["name"] for row in found["operators"]} >= {"add", "softmax", "SGD.step"}


def test_results_become_text_pages_and_figures(found, tmp_path, capsys):
    text = report.text(found)
    assert "Microseconds a training step, medians" in text
    assert "GFLOP/s" in text
    (tmp_path / "README.md").write_text(
        f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nEnd\n", encoding="utf-8"
    )
    page, readme, figure = report.write(found, tmp_path)
    assert "| ---: |" in page.read_text(encoding="utf-8")
    document = readme.read_text(encoding="utf-8")
    assert "old" not in document
    assert document.startswith("# Title\n")
    assert document.endswith("\n\nEnd\n")
    assert "20-20-2 relu" in document
    assert figure.read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in plots.draw(found, tmp_path / "figures")}
    assert names == {"steps.png", "roofline.png", "width.png", "batch.png"}


def test_stored_results_are_taken_up_again(found, tmp_path):
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    assert command.main(["--from", str(path), "--plot", str(tmp_path / "all.png")]) == 0
    assert (tmp_path / "all.png").exists()


def test_a_report_needs_training_steps(found, tmp_path, capsys):
    path = tmp_path / "found.json"
    path.write_text(json.dumps({**found, "steps": []}), encoding="utf-8")
    for arguments in (["--from", str(path)], ["--only", "products"]):
        with pytest.raises(SystemExit):
            command.main([*arguments, "--report"])
        assert "--report: expected " in capsys.readouterr().err


def test_a_readme_without_markers_is_left_alone():
    with pytest.raises(ValueError, match=r"README\.md: expected the lines <!-- benchmarks: begin"):
        report.between_markers("text", "table")


def test_the_readme_has_the_markers():
    document = (report.ROOT / "README.md").read_text(encoding="utf-8")
    assert report.between_markers(document, "x").count(report.BEGIN) == 1


# --- products


def test_the_threshold_is_where_blas_begins_to_win():
    seen = [(10.0**e, 0.5 if e >= 6 else 2.0) for e in range(2, 9)]
    assert matmul.threshold(seen) == {"BLAS from": 1_000_000, "loss": 1.0}
    assert matmul.threshold([(1e6, 2.0)])["BLAS from"] is None


def test_shapes_cover_the_steps_and_three_layouts():
    shapes = matmul.shapes()
    assert ("mnist", 100, 200, 784, "nt") in shapes
    assert len([s for s in shapes if not s[0]]) == 3 * len(matmul.SHAPES) == 30
    assert median(len(s) for s in shapes) == 5


@pytest.fixture
def two_threads():
    before = tg.get_num_threads()
    tg.set_num_threads(2)
    yield
    tg.set_num_threads(before)


def test_threads_share_what_is_replayed_and_is_large_enough(two_threads):
    for m, shared in ((4, 0), (100, 1)):
        product = matmul.Product(m, 64, 100, "nt", np.dtype("f4"))
        assert product.program.shared_launches == shared
        product.check()
        product.ours[...] = np.nan
        product.replayed(3)
        np.testing.assert_allclose(product.ours, product.theirs, rtol=1e-4, atol=1e-4)


def test_each_library_makes_all_products_in_its_turn(two_threads, monkeypatch):
    monkeypatch.setattr(matmul, "PAUSE", 0)
    chosen = [("tiny", 4, 5, 3, "nt"), ("", 30, 40, 50, "tn")]
    rows = matmul.Bench().together(chosen, "float32", 2, 0.0001)
    assert len(rows) == 2
    for row in rows:
        assert set(row["times"]) == {"blas", "replayed"}
        assert row["ratios"]["blas / replayed"] > 0


def test_products_have_a_table_for_each_number_of_threads():
    def row(threads, m, **ratios):
        times = {way: {"median": 1e-6} for way in ("blas", *ratios)}
        return {
            "network": "tiny", "m": m, "n": 5, "k": 3, "layout": "nt", "dtype": "float32",
            "threads": threads, "times": times,
            "ratios": {f"blas / {way}": ratio for way, ratio in ratios.items()},
        }  # fmt: skip

    one, two = matmul.tables(
        [row(1, 4, called=1.0, replayed=2.0), row(2, 4, replayed=1.0), row(2, 8, replayed=4.0)]
    )
    assert one[0] == "Matrix products, GFLOP/s of one thread"
    assert one[1][-2:] == ["ratio", "ratio replayed"]
    assert two[0] == "Matrix products, GFLOP/s of 2 threads"
    assert two[1][4:] == ["OpenBLAS", "replayed", "ratio replayed"]
    assert [(line[2], line[-1]) for line in two[2][2:]] == [("geometric mean", 2.0), ("least", 1.0)]


def test_threads_are_one_and_all_that_may_be_used(two_threads):
    assert matmul.thread_counts() == [1, 2]
    assert matmul.thread_counts(1) == [1]
    assert matmul.thread_counts(4) == [1, 4]


def test_the_crossover_has_a_row_for_each_type_and_layout(monkeypatch):
    class Here:
        def __init__(self, target, threads):
            self.bench = matmul.Bench()

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def answer(self):
            pass

        def call(self, method, sizes, layout, dtype, rounds):
            if (layout, dtype) == ("nn", "float32"):
                assert min(self.bench.ratios(sizes, layout, dtype, rounds)) > 0
            return [0.5 if m > 8 else 2.0 for m, _, _ in sizes]

    monkeypatch.setattr(matmul, "Worker", Here)
    rows = matmul.crossover(1, [2], (2, 30))
    assert [(r["threads"], r["dtype"], r["layout"]) for r in rows] == [
        *((2, d, layout) for d in ("float32", "float64") for layout in ("nn", "nt", "tn")),
        (2, "all", "all"),
    ]
    # Of (2, 30)³ the product of 30 · 30 · 30 alone is beyond the least threshold.
    assert {r["BLAS from"] for r in rows} == {20_000}


def test_caches_are_moved_as_one():
    moved = startup.caches(Path("folder"))
    assert moved["TINYGRAD_HW_CACHE"].startswith("folder")
    assert "folder" in moved["PYTENSOR_FLAGS"]
