"""The command line: ``tinygrad-hw train | eval | read | experiment | info | warmup``."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import __version__, data, nn, random, report, serialization, train
from .data import DataLoader, TensorDataset
from .errors import DataError, TinygradError
from .kernels import jit, threads
from .train import recipe as recipes
from .train.recipe import Recipe

_INTERRUPTED = 130


class UsageError(Exception):
    """Arguments that do not make sense; the message is for the user."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (failed), 2 (arguments or data), 130 (Ctrl-C)."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (UsageError, DataError, OSError) as error:
        return _complain(arguments, error, 2)
    except TinygradError as error:
        return _complain(arguments, error, 1)
    except KeyboardInterrupt:
        return _complain(arguments, "interrupted", _INTERRUPTED)


def _complain(arguments: argparse.Namespace, error: object, code: int) -> int:
    lines = [line.strip() for line in str(error).splitlines()]
    message = "; ".join(line for line in lines if line)
    print(f"tinygrad-hw {arguments.command}: error: {message}", file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _width(text: str) -> int:
    return 0 if text == "none" else int(text)


_width.__name__ = "width"  # argparse says: invalid width value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tinygrad-hw", description="Train small neural networks on a CPU.")
    parser.add_argument("--version", action="version", version=f"tinygrad-hw {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(run=run)
        return added

    def add_data_root(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--data-root",
            type=Path,
            metavar="DIR",
            help="folder of the data sets (default: TINYGRAD_HW_DATA, else the cache folder)",
        )

    sub = command(
        "train", _train, "train a network, by default on digits that come with the package"
    )
    sub.add_argument(
        "--out", type=Path, metavar="DIR", help="run folder (default: runs/DATASET-TIME)"
    )
    sub.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in this folder")
    add_data_root(sub)
    group = sub.add_argument_group(
        "settings", "By default, what is known to work for the data set and optimizer."
    )

    def setting(flag: str, **options: Any) -> None:
        group.add_argument(flag, default=argparse.SUPPRESS, **options)

    setting("--dataset", choices=list(recipes.RECIPES))
    setting(
        "--hidden", type=_width, nargs="+", metavar="N", help="widths of hidden layers, or none"
    )
    setting("--activation", choices=list(recipes.ACTIVATIONS))
    setting("--init", choices=list(recipes.INITS), help="initial weights")
    setting("--dropout", type=float, metavar="P", help="after each hidden layer")
    setting("--optimizer", choices=list(recipes.OPTIMIZERS))
    setting("--lr", type=float, help="learning rate, the highest where it is scheduled")
    setting("--momentum", type=float, help="of sgd and rmsprop")
    setting("--weight-decay", type=float, metavar="L")
    setting("--scheduler", choices=list(recipes.SCHEDULES), help="of the learning rate")
    setting("--batch-size", type=int, metavar="N")
    setting("--epochs", type=int, metavar="N")
    setting("--seed", type=int, metavar="N", help="governs all randomness")
    setting(
        "--holdout", type=float, metavar="P", help="fraction of the training part that validates"
    )
    setting("--offset", type=float, metavar="X", help="subtracted from the inputs")

    sub = command("eval", _eval, "evaluate a run on the test part and draw its figures anew")
    sub.add_argument("folder", type=Path, metavar="RUN", help="the run's folder")
    add_data_root(sub)

    sub = command("read", _read, "read capitals and digits from photographs of pages")
    sub.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    sub.add_argument(
        "--model",
        type=Path,
        metavar="RUN",
        help="folder of a run on nist36 or rendered36 (default: the packaged model)",
    )
    sub.add_argument(
        "--boxes",
        type=Path,
        metavar="OUT.png",
        help="draw what was found; of several images, each into OUT-NAME.png",
    )
    sub.add_argument("--json", action="store_true", help="text, confidences and boxes as JSON")

    sub = command(
        "experiment", _experiment, "run an experiment: figures, numbers and a page in a folder"
    )
    sub.add_argument("name", metavar="NAME", help="one of them, or all; list says what they show")
    sub.add_argument(
        "--out", type=Path, metavar="DIR", help="folder (default: runs/NAME; a stopped run goes on)"
    )
    sub.add_argument("--seed", type=int, default=0, metavar="N")
    sub.add_argument(
        "--quick", action="store_true", help="seconds, on data that come with the packages"
    )
    sub.add_argument("--jobs", type=int, default=1, metavar="N", help="processes for sweeps")
    sub.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the data sets (default: TINYGRAD_HW_DATA, but not for quick runs)",
    )

    sub = command("info", _info, "show versions, the machine, folders, and the data sets found")
    add_data_root(sub)

    command("warmup", _warmup, "compile the kernels that training needs, ahead of time")
    return parser


# --- train


def _train(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    recipe, folder = _settings(arguments)
    splits = data.load(recipe.dataset, arguments.data_root)
    assert splits.train is not None
    random.manual_seed(recipe.seed)
    (x, y), valid = recipe.parts(splits.train, splits.valid)
    batches = DataLoader(TensorDataset(recipe.inputs(x), y), recipe.batch_size, shuffle=True)
    validation = valid and DataLoader(TensorDataset(recipe.inputs(valid[0]), valid[1]), 1024)
    model = recipe.network(x.shape[1], len(splits.classes))
    optimizer = recipe.optimizer_for(model)
    schedule = recipe.schedule_for(optimizer, len(batches))
    if arguments.resume is None:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(
                f"argument --out: {folder} is not empty; name another folder, or --resume {folder}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        serialization.save_file(model.state_dict(), folder / report.INITIAL)
    report.write_config(folder, recipe, splits)

    counts = {"to train": len(y), "to validate": len(valid[1]) if valid else 0}
    counts["to test"] = len(splits.test[1])
    sizes = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"data      {recipe.dataset}: {splits.source}; {sizes}")
    print(f"network   {report.describe(recipe, splits)}, {parameters:,} parameters")
    print(f"training  {recipe}", flush=True)
    _announce_kernels()
    history = train.fit(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        batches,
        validation,
        recipe.epochs,
        callbacks=[train.Checkpoint(folder)],
        resume=arguments.resume,
        **schedule,
    )
    report.write_weights(folder, model, history)
    if history.interrupted:
        print(f"in {folder}: {report.MODEL}, the weights learned so far; {report.HISTORY}")
        print(f"continue with: tinygrad-hw train --resume {folder}")
        return _INTERRUPTED
    names = report.judge(folder, recipe, splits, history, model)
    seconds = time.perf_counter() - start
    print(
        f"in {folder}: {', '.join([*names, report.HISTORY, report.MODEL])} ({seconds:.1f} s in all)"
    )
    return 0


def _settings(arguments: argparse.Namespace) -> tuple[Recipe, Path]:
    """The recipe and the folder that the arguments of ``train`` ask for."""
    known = {field.name for field in fields(Recipe)}
    given = {name: value for name, value in vars(arguments).items() if name in known}
    if "hidden" in given:
        given["hidden"] = () if given["hidden"] == [0] else given["hidden"]
    try:
        if arguments.resume is None:
            recipe = Recipe.of(**{"dataset": "digits"} | given)
            return recipe, arguments.out or _new_folder(recipe.dataset)
        recipe = Recipe.load(arguments.resume / report.CONFIG)
        others = sorted({*given, *(["out"] if arguments.out else [])} - {"epochs"})
        if others:
            raise UsageError(
                f"argument --{others[0].replace('_', '-')}: a resumed run keeps its settings; "
                "only --epochs may change"
            )
        if given and recipe.scheduler not in ("none", "plateau"):
            raise UsageError(
                f"argument --epochs: the {recipe.scheduler} schedule of this run ends after "
                f"{recipe.epochs} epochs"
            )
        return replace(recipe, **given), arguments.resume
    except DataError:
        raise
    except ValueError as error:
        setting, _, reason = str(error).partition(":")
        raise UsageError(f"argument --{setting.replace('_', '-')}:{reason}") from None


def _new_folder(dataset: str) -> Path:
    stem = f"{dataset}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    folder = Path("runs") / stem
    n = 1
    while folder.exists():
        n += 1
        folder = Path("runs") / f"{stem}-{n}"
    return folder


def _announce_kernels() -> None:
    """Say that compiling will take a while, where it will."""
    folder = jit.cache_folder()
    if folder is None:
        print("kernels   compiled for this run only: no cache folder can be written", flush=True)
    elif not any(folder.iterdir()):
        print(f"kernels   compiled on first use, some ten seconds; kept in {folder}", flush=True)


# --- eval


def _eval(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    recipe = Recipe.load(folder / report.CONFIG)
    weights = report.read_weights(folder / report.MODEL)
    history = train.History.load(folder / report.HISTORY)
    splits = data.load(recipe.dataset, arguments.data_root)
    model = recipe.network(splits.test[0].shape[1], len(splits.classes))
    try:
        model.load_state_dict(weights)
    except (RuntimeError, ValueError, KeyError) as error:
        raise DataError(f"{folder / report.MODEL}: not the weights of this run: {error}") from None
    print(f"run       {folder}, {history.epochs} of {recipe.epochs} epochs")
    print(f"data      {recipe.dataset}: {splits.source}")
    print(f"network   {report.describe(recipe, splits)}")
    _announce_kernels()
    names = report.judge(folder, recipe, splits, history, model)
    print(f"in {folder}: {', '.join(names)}")
    return 0


# --- read


def _read(arguments: argparse.Namespace) -> int:
    import json

    try:
        import PIL
        import scipy
    except ImportError as error:
        raise DataError(
            f"read: expected scipy and Pillow, got {error}\n  pip install 'tinygrad_hw[reader]'"
        ) from None
    del PIL, scipy
    from . import reader

    boxes, several = arguments.boxes, len(arguments.images) > 1
    if boxes is not None and boxes.suffix.lower() != ".png":
        raise UsageError(f"argument --boxes: expected a name that ends in .png, got {boxes}")
    model = reader.Classifier.load(arguments.model)
    found = {}
    for path in arguments.images:
        page = reader.read(path, model)
        found[str(path)] = page.as_dict()
        if not arguments.json:
            text = page.text or "(no characters found)"
            print(f"{path}\n{text}\n" if several else text, flush=True)
        if boxes is not None:
            out = boxes.with_stem(f"{boxes.stem}-{path.stem}") if several else boxes
            reader.draw_boxes(path, page).save(out)
    if arguments.json:
        print(json.dumps(found, indent=1))
    return 0


# --- experiment


def _experiment(arguments: argparse.Namespace) -> int:
    from . import experiments

    name, jobs = arguments.name, arguments.jobs
    if name == "list":
        for known in experiments.NAMES:
            about = (experiments.module(known).__doc__ or "").split("\n")[0]
            print(f"{known:15} {about}")
        return 0
    if name != "all" and name not in experiments.NAMES:
        raise UsageError(
            f"argument NAME: expected one of {', '.join(experiments.NAMES)}, or all, or list, "
            f"got {name!r}"
        )
    if jobs < 1:
        raise UsageError(f"argument --jobs: expected at least 1, got {jobs}")
    if arguments.data is not None and not arguments.data.is_dir():
        raise UsageError(f"argument --data: no such folder: {arguments.data}")
    out = arguments.out or Path("runs") / name
    for one in experiments.NAMES if name == "all" else (name,):
        folder = out / one if name == "all" else out
        start = time.perf_counter()
        experiments.run(one, folder, arguments.seed, arguments.quick, jobs, arguments.data)
        print(f"{one}: {folder / 'report.html'} ({time.perf_counter() - start:.1f} s)", flush=True)
    return 0


# --- info


def _info(arguments: argparse.Namespace) -> int:
    from importlib.metadata import version

    import numba

    packages = ("numpy", "numba", "matplotlib", "safetensors", "tqdm")
    try:
        root: Path | str = data.data_root(arguments.data_root)
    except DataError:
        root = "no folder: set TINYGRAD_HW_DATA"
    lines = {
        "tinygrad_hw": f"{__version__} in {Path(__file__).parent}",
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
        "cpu": f"{_cpu()}, {_cores()} cores for this process",
        "threads": f"{numba.config.NUMBA_NUM_THREADS} for kernels",
        "kernels": jit.cache_folder() or "no writable cache folder: compiled anew in each process",
        "data": root,
    }
    for name in data.NAMES:
        lines[f"  {name}"] = _found(name, arguments.data_root)
    for name, value in lines.items():
        print(f"{name:12} {value}")
    return 0


def _cpu() -> str:
    """The processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _found(name: str, root: Path | None) -> str:
    try:
        return data.load(name, root).source
    except DataError as error:
        return str(error).splitlines()[0].removeprefix("load: ")


# --- warmup


def _warmup(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from .kernels.launch import serve

    folder = jit.cache_folder()
    start = time.perf_counter()
    base = Recipe("digits", hidden=(4, 4), dropout=0.1, weight_decay=1e-4)
    variants = [replace(base, activation=name) for name in recipes.ACTIVATIONS]
    variants += [Recipe.of("digits", optimizer=name, hidden=(4,)) for name in recipes.OPTIMIZERS]
    for recipe in tqdm(variants, desc="kernels", unit="variant", disable=None):
        _one_step(recipe)
    serve()(threads.pool.address, 0)  # what a second thread runs
    print(
        f"{jit.stats.compiled} kernels compiled, {jit.stats.loaded} were there already "
        f"({time.perf_counter() - start:.1f} s)"
    )
    print(f"kept in {folder}" if folder else "not kept: no cache folder can be written")
    return 0


def _one_step(recipe: Recipe) -> None:
    """Train some batches and evaluate them, so that every kernel that this takes is there."""
    x, y = np.ones((6, 3), np.float32), np.arange(6) % 2
    batches = DataLoader(TensorDataset(x, y), 2)
    model = recipe.network(3, 2)
    optimizer = recipe.optimizer_for(model)
    loss = nn.CrossEntropyLoss()
    train.fit(model, optimizer, loss, batches, batches, epochs=1, progress="none")
    train.predict(model, x)
