"""What experiments share: settings, data, results that survive a stop, figures of one look, a page of all."""

from __future__ import annotations

import contextlib
import html
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, data, random, serialization
from ..data import Splits
from ..data.rendered import rendered36
from ..errors import DataError

SETTINGS, NUMBERS, REPORT, PARTS = "settings.json", "numbers.json", "report.html", "parts"

#: Okabe and Ito's colors, which color-blind readers tell apart; with marks that differ too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), "-")


class Lab:
    """One run of one experiment, in a folder of its own.

    Results of single parts are kept as they come, so that a run that was stopped goes on where it was; the
    settings in the folder have to be the same. ``quick`` makes it a matter of seconds, on data that come with the
    packages. All randomness follows from ``seed``.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        seed: int = 0,
        quick: bool = False,
        jobs: int = 1,
        root: Path | None = None,
    ) -> None:
        self.name, self.folder, self.seed, self.quick = name, folder, seed, quick
        self.jobs, self.root = jobs, root
        self.numbers: dict[str, Any] = {}
        self.figures: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.sources: list[str] = []
        self.start = time.perf_counter()
        settings = {
            "experiment": name,
            "seed": seed,
            "quick": quick,
            "data": str(root) if root else None,
            "version": __version__,
        }
        path = folder / SETTINGS
        if path.exists():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: not the settings of an experiment ({error})") from None
            if kept != settings:
                changed = sorted(k for k in settings if kept.get(k) != settings[k])
                raise DataError(
                    f"experiment: {folder} holds a run with another {' and '.join(changed)}\n"
                    "Name another folder by --out."
                )
        else:
            (folder / PARTS).mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    # --- data

    @property
    def data_settings(self) -> dict[str, Any]:
        """What a part in another process needs to find the same data: arguments of ``data_of``."""
        return {"quick": self.quick, "root": str(self.root) if self.root else None}

    @staticmethod
    @cache
    def data_of(kind: str, quick: bool, root: str | None) -> Splits:
        """``characters``, ``digits`` or ``sequences``: the real ones where they are, else what comes with the packages.

        Quick runs look for real ones only where a folder is named.
        """
        name = {"characters": "nist36", "digits": "mnist", "sequences": "sequences"}[kind]
        if root or not quick:
            with contextlib.suppress(DataError):
                return data.load(name, root, download=False)
        match kind:
            case "characters":
                return rendered36()
            case "digits":
                return data.digits()
            case _:
                return _alternating()

    def characters(self) -> Splits:
        """36 classes of 32 × 32: NIST36 or its stand-in where that is, else rendered fonts."""
        return self._named("characters")

    def digits(self) -> Splits:
        """MNIST where that is, else the packaged digits of 8 × 8."""
        return self._named("digits")

    def sequences(self) -> Splits:
        """Human and machine bits where they are, else bits drawn here: people alternate too much."""
        return self._named("sequences")

    def _named(self, kind: str) -> Splits:
        splits = self.data_of(kind, **self.data_settings)
        if splits.source not in self.sources:
            self.sources.append(splits.source)
        return splits

    # --- results

    def sweep(
        self, run: Callable[..., dict[str, Any]], settings: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """``run(**settings[name])`` for each name, over ``jobs`` processes; each result is kept when it is there.

        ``run`` is a function of a module; it returns a dict of arrays, numbers and text.
        """
        results: dict[str, dict[str, Any]] = {}
        for name in settings:
            with contextlib.suppress(OSError, DataError):
                results[name] = serialization.load(self._part(name))
        missing = {name: s for name, s in settings.items() if name not in results}
        if results and missing:
            print(f"{self.name}: {len(results)} of {len(settings)} parts are there", flush=True)
        start = time.perf_counter()
        for name, result in self._computed(run, missing):
            serialization.save(result, self._part(name))
            results[name] = result
            seconds = time.perf_counter() - start
            print(
                f"{self.name}: {name} ({len(results)} of {len(settings)}, {seconds:.0f} s)",
                flush=True,
            )
        return {name: results[name] for name in settings}

    def _computed(self, run: Callable[..., dict[str, Any]], settings: dict[str, Any]) -> Any:
        if self.jobs == 1 or len(settings) < 2:
            for name, setting in settings.items():
                yield name, run(**setting)
            return
        try:
            import joblib
        except ImportError:
            raise DataError(
                "experiment: expected joblib for --jobs, got no such module\n"
                "  pip install 'tinygrad_hw[jobs]'"
            ) from None
        work = (joblib.delayed(_one)(run, name, setting) for name, setting in settings.items())
        # Each worker's BLAS and kernels on one core: more threads than cores take turns.
        with joblib.parallel_config("loky", inner_max_num_threads=1):
            yield from joblib.Parallel(self.jobs, return_as="generator_unordered")(work)

    def _part(self, name: str) -> Path:
        safe = "".join(c if c.isalnum() or c in "-.+" else "_" for c in name)
        return self.folder / PARTS / f"{safe}.safetensors"

    def number(self, name: str, value: Any) -> None:
        """Keep a result, a number or a table of such, for numbers.json and the page."""
        self.numbers[name] = _plain(value)

    def note(self, text: str) -> None:
        """A sentence for the page."""
        self.notes.append(text)

    # --- figures

    def axes(self, rows: int = 1, columns: int = 1, width: float = 5.2, height: float = 3.8) -> Any:
        """A new figure's Axes, (rows, columns), each ``width`` × ``height`` inches."""
        from matplotlib.figure import Figure

        figure = Figure(
            figsize=(width * columns, height * rows + 0.5), dpi=120, layout="constrained"
        )
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat:
            ax.grid(alpha=0.3)
        return axes

    def figure(self, axes: Any, name: str, caption: str, seeds: str = "") -> None:
        """Write a figure as NAME.png, titled with caption, data, seeds and commit."""
        from matplotlib.ticker import MaxNLocator

        figure = np.ravel(axes)[0].figure
        for ax in np.ravel(axes):
            if ax.get_xlabel() == "epoch":
                ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        origin = [*self.sources, seeds or f"seed {self.seed}", commit()]
        figure.suptitle(f"{caption}\n{', '.join(filter(None, origin))}", fontsize=10)
        figure.savefig(self.folder / f"{name}.png")
        self.figures.append((f"{name}.png", caption))

    # --- the page

    def finish(self, title: str, about: str) -> None:
        """Write numbers.json and report.html."""
        seconds = time.perf_counter() - self.start
        record = {
            "experiment": self.name,
            "data": self.sources,
            "seed": self.seed,
            "quick": self.quick,
            "commit": commit(),
            "numbers": self.numbers,
        }
        text = json.dumps(record, indent=1)
        (self.folder / NUMBERS).write_text(text + "\n", encoding="utf-8")
        origin = ", ".join([*self.sources, f"seed {self.seed}", commit(), f"{seconds:.0f} s"])
        images = "\n".join(
            f'<figure><img src="{name}" alt="{html.escape(caption)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for name, caption in self.figures
        )
        notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        rows = "\n".join(
            f"<tr><th>{html.escape(name)}</th><td>{_cell(value)}</td></tr>"
            for name, value in self.numbers.items()
        )
        page = _PAGE.format(
            title=html.escape(title),
            about=html.escape(about),
            origin=html.escape(origin),
            notes=notes,
            images=images,
            rows=rows,
        )
        (self.folder / REPORT).write_text(page, encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; }}
figure {{ margin: 1.5em 0; }} img {{ max-width: 100%; }} figcaption {{ color: #555; }}
table {{ border-collapse: collapse; }} th, td {{ border: 1px solid #ccc; padding: .2em .6em; text-align: left;
vertical-align: top; font-weight: normal; }}
.origin {{ color: #555; }}
</style></head><body>
<h1>{title}</h1>
<p>{about}</p>
<p class="origin">{origin}</p>
{notes}
{images}
<h2>Numbers</h2>
<table>
{rows}
</table>
</body></html>
"""


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        inside = "".join(
            f"<tr><th>{html.escape(str(k))}</th><td>{_cell(v)}</td></tr>" for k, v in value.items()
        )
        return f"<table>{inside}</table>"
    if isinstance(value, list):
        return ", ".join(_cell(v) for v in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return html.escape(str(value)).replace("\n", "<br>")


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's, for JSON."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _one(run: Callable[..., dict[str, Any]], name: str, setting: Mapping[str, Any]) -> Any:
    return name, run(**setting)


def commit() -> str:
    """The commit of the sources, where they are a checkout; else the version."""
    folder = Path(__file__).parent
    git = shutil.which("git")
    if git:
        command = [git, "-C", str(folder), "log", "-1", "--format=%h", "--", str(folder.parent)]
        with contextlib.suppress(OSError):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.strip():
                return f"commit {done.stdout.strip()}"
    return f"version {__version__}"


def _alternating() -> Splits:
    """Bits that change with probability 0.58 (class 1) or 0.5 (class 0): 2,000 distinct sequences of 20 in each part."""
    rng = random.Generator(0).numpy
    parts = []
    for _ in range(3):
        y = np.repeat(np.arange(2), 1000)
        change = rng.random((len(y), 20)) < np.where(y, 0.58, 0.5)[:, None]
        change[:, 0] = rng.random(len(y)) < 0.5
        parts.append(((np.cumsum(change, axis=1) % 2).astype(np.float32), y))
    train, valid, test = parts
    return Splits("bits", "drawn bits", ("even", "alternating"), None, train, valid, test)


def seeds_text(seeds: Sequence[int]) -> str:
    """Which seeds a figure shows, for its title."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"seeds {seeds[0]} to {seeds[-1]} (mean, extremes)"


def band(
    ax: Any, x: Any, runs: Any, label: str, i: int, dashed: bool = False, varied: bool = False
) -> None:
    """The mean over runs (runs, points) as a line, their smallest to largest as a band; the color by ``i``.

    ``varied`` gives each ``i`` its own dashes too, for lines that lie on each other.
    """
    runs = np.atleast_2d(np.asarray(runs, float))
    color = COLORS[i % len(COLORS)]
    style: Any = "--" if dashed else DASHES[i % len(DASHES)] if varied else "-"
    ax.plot(x, runs.mean(axis=0), linestyle=style, color=color, label=label, lw=1.6)
    if len(runs) > 1:
        ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.18, lw=0)
