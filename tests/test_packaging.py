"""The order of the layers, what importing costs, and what a distribution contains."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest

import tinygrad_hw

PACKAGE = Path(tinygrad_hw.__file__).parent
ROOT = Path(__file__).parent.parent

# From the bottom to the top: a file imports from its own module and from the layers below only.
LAYERS = [
    {"errors", "names"},
    {"dtypes"},
    {"kernels"},
    {"random"},
    {"ops"},
    {"hooks"},
    {"graph", "linalg", "special", "printing", "numpy_functions"},
    {"inplace"},
    {"methods"},
    {"tensor"},
    {"func"},
    {"autograd", "creation"},
    {"utils", "drawing", "einops"},
    {"serialization"},
    {"nn", "optim"},
    {"compile"},
    {"data", "metrics", "plot"},
    {"train"},
    {"report", "reader"},
    {"experiments"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imported(source: str, package: tuple[str, ...]) -> set[str]:
    """The modules of the package that a file names in imports, anywhere in it; ``package`` is the file's."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            parts = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ["tinygrad_hw", *package[: len(package) + 1 - node.level]] if node.level else []
            base += node.module.split(".") if node.module else []
            parts = [base] if len(base) > 1 else [[*base, alias.name] for alias in node.names]
        else:
            continue
        names |= {part[1] for part in parts if part[0] == "tinygrad_hw" and len(part) > 1}
    return names - {"__version__"}


def test_the_parser_of_imports_sees_every_form():
    source = """
import tinygrad_hw.nn.init
from tinygrad_hw import optim
from .. import data, __version__
from ..ops import exp
from . import sibling
from .core import x
import numpy
def f():
    from ..cli import main
"""
    assert imported(source, ("train",)) == {"nn", "optim", "data", "ops", "train", "cli"}
    assert imported("from . import plot\nfrom .train import fit", ()) == {"plot", "train"}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_a_file_imports_only_from_below(path):
    place = path.relative_to(PACKAGE)
    if place == Path("__init__.py"):
        return
    module = place.parts[0].removesuffix(".py")
    assert module in LEVEL, f"{module} has no layer"
    above = {
        name
        for name in imported(path.read_text(encoding="utf-8"), place.parts[:-1])
        if name != module and LEVEL[name] >= LEVEL[module]
    }
    assert not above


def test_importing_the_package_imports_nothing_heavy():
    heavy = (
        "numba",
        "llvmlite",
        "matplotlib",
        "tqdm",
        "safetensors",
        "scipy",
        "pooch",
        "PIL",
        "joblib",
        "argparse",
    )
    code = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_hw;"
        f"print(sorted((set(sys.modules) - before) & {set(heavy)!r}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_computation_without_a_kernel_needs_no_numba():
    code = "import sys, tinygrad_hw as tg; tg.zeros(3).reshape(3, 1); print('numba' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_package_carries_its_data_and_types():
    for name in (
        "py.typed",
        "data/digits.npz",
        "data/digits.txt",
        "reader/model.safetensors",
        "reader/model.txt",
    ):
        assert (PACKAGE / name).is_file(), name


def test_the_version_is_stated_once():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in config["project"]
    assert config["project"]["dynamic"] == ["version"]
    assert f"version: {tinygrad_hw.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{tinygrad_hw.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_extras_cover_what_the_package_imports_beyond_its_dependencies():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = list(chain(config["dependencies"], *config["optional-dependencies"].values()))
    declared = {requirement.partition(">")[0] for requirement in requirements}
    declared.add("PIL")  # the module of pillow
    assert "pillow" in declared
    used = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                used.add(node.module.partition(".")[0])
    outside = used - set(sys.stdlib_module_names) - {"tinygrad_hw", "llvmlite"}
    assert outside <= declared


def test_the_installed_distribution_has_the_command():
    try:
        distribution = metadata.distribution("tinygrad_hw")
    except metadata.PackageNotFoundError:
        pytest.skip("tinygrad_hw is used from its source")
    assert distribution.version == tinygrad_hw.__version__
    commands = distribution.entry_points.select(group="console_scripts", name="tinygrad-hw")
    assert [command.value for command in commands] == ["tinygrad_hw.cli:main"]


def test_no_file_names_a_machine_s_folder():
    texts = [*PACKAGE.rglob("*.py"), *ROOT.glob("*.*"), *(ROOT / "tests").glob("*.py")]
    home = str(Path.home()) + os.sep
    for path in texts:
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".cff"}:
            assert home not in path.read_text(encoding="utf-8"), path
