"""Imports point one way, third parties stay where they are used, and `import mxsnn` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mxsnn

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mxsnn"

# Each part of the package with those right below it: it may import them and all that they may. `errors` lies below all.
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "typing": {"errors"},
    "spec": {"errors"},
    "locks": set(),
    "surrogate": {"typing"},
    "reset": {"typing"},
    "discrete": {"typing"},
    "neurons": {"surrogate", "reset", "discrete"},
    "engine": {"neurons"},
    "testing": {"engine"},
    "nn": {"engine"},
    "losses": {"typing"},
    "metrics": {"typing"},
    "energy": {"typing"},
    "models": {"nn", "spec"},
    "interop": {"models"},
    "events": {"typing", "spec"},
    "sensors": {"events"},
    "faces": {"sensors"},
    "data": {"faces", "locks"},
    "training": {"models", "data", "losses", "metrics", "energy"},
    "prediction": {"models", "data"},
    "report": {"training", "prediction"},
    "audit": {"testing", "report"},
}
TOP = {"__init__", "cli"}  # these may import any part; no part may import them

# Libraries that are imported where they are used and nowhere else. Only JAX and NumPy are free.
HOMES: dict[str, set[str]] = {
    "tonic": {"events", "data"},
    "grain": {"data", "training"},
    "flax": {"nn", "models", "training", "interop", "report"},
    "optax": {"models", "training", "losses"},
    "orbax": {"training"},
    "wandb": {"training"},
    "tqdm": {"training", "data", "cli"},
    "numba": {"events"},
    "h5py": {"events", "data", "interop"},
    "hdf5plugin": {"events"},
    "aedat": {"events"},
    "av": {"events", "report"},
    "PIL": {"events", "report"},
    "matplotlib": {"report"},
    "cv2": set(),
    "nir": {"interop"},
    "torch": {"interop"},
    "snntorch": {"interop"},
    "spikingjelly": {"interop"},
    "experiments": set(),
    "benchmarks": set(),
    "tests": set(),
}

LIGHT = {
    "jax",
    "jaxlib",
    "numpy",
    "ml_dtypes",
    "scipy",
    "opt_einsum",
    "mxsnn",
}  # JAX, what JAX itself stands on, and mxsnn

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(name: str) -> str:
    """The part of the package that a module's dotted name lies in; `__init__` for the package itself."""
    return [*name.split("."), "__init__"][1]


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names of what a module in `package` imports, in functions too; `from mxsnn import nn` gives mxsnn.nn."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) + 1 - node.level] if node.level else []
            name = ".".join(base + ([node.module] if node.module else []))
            if name == "mxsnn":
                yield from (f"mxsnn.{alias.name}" for alias in node.names)
            else:
                yield name


def allowed(part: str) -> set[str]:
    """The parts that `part` may import: itself and all below it."""
    found, rest = {part, "errors"}, [part]
    while rest:
        new = BELOW[rest.pop()] - found
        found |= new
        rest += new
    return found


def faults(part: str, names: list[str]) -> list[str]:
    """What is wrong with a module of `part` that imports `names`."""
    wrong = []
    for name in names:
        root = name.split(".")[0]
        if root == "mxsnn":
            target = part_of(name)
            if part not in TOP and target not in allowed(part):
                wrong.append(f"{name} lies above")
            if part == "engine" and target == "neurons" and not name.startswith("mxsnn.neurons._"):
                wrong.append(f"{name}: the engine knows the protocol in mxsnn.neurons._base and its checks, not the neurons")
        elif root in HOMES and part not in HOMES[root]:
            wrong.append(f"{name} is imported by {', '.join(sorted(HOMES[root])) or 'nothing in the package'} only")
    return wrong


def test_the_order_of_the_parts_has_no_circle() -> None:
    assert set(TopologicalSorter(BELOW).static_order()) == set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_arrows(path: Path) -> None:
    module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    package = module.rpartition(".")[0]
    part = part_of(module)
    assert part in BELOW or part in TOP, f"say in BELOW where {module} stands"
    assert not faults(part, list(imports(ast.parse(path.read_text("utf-8")), package)))


@pytest.mark.parametrize(
    ("package", "code", "wrong"),
    [
        ("mxsnn.neurons", "from ..engine import unroll", True),
        ("mxsnn.neurons", "from mxsnn import nn", True),
        ("mxsnn.neurons", "def f():\n    import mxsnn.training.loop", True),
        (
            "mxsnn.neurons",
            "from ._base import neuron\nfrom mxsnn.reset import subtract\nfrom mxsnn import surrogate, errors",
            False,
        ),
        ("mxsnn.engine", "from mxsnn.neurons import LIF", True),
        ("mxsnn.engine", "from ..neurons._base import Neuron\nfrom .scan import scan", False),
        ("mxsnn.events", "import wandb", True),
        ("mxsnn.events", "from tonic.transforms import ToFrame", False),
        ("mxsnn.training", "from experiments.classify import main", True),
        ("mxsnn.training", "import torch", True),
        ("mxsnn.training", "from mxsnn.cli import main", True),
    ],
)
def test_the_check_sees_a_fault(package: str, code: str, wrong: bool) -> None:
    assert bool(faults(part_of(package), list(imports(ast.parse(code), package)))) == wrong


def loaded(statement: str) -> set[str]:
    """Top-level names of all that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(run.stdout.split())


def test_import_mxsnn_is_light() -> None:
    """JAX and NumPy are all that `import mxsnn` needs: nothing else of what is installed may come in with it."""
    new = loaded("import mxsnn") - loaded("import jax, numpy")
    assert "mxsnn" in new
    assert new - set(sys.stdlib_module_names) <= LIGHT


def test_recordings_do_not_wait_for_jax() -> None:
    """The command line and the readers load no more than NumPy until they need it."""
    assert not {"jax", "tonic", "h5py", "numba", "matplotlib", "PIL"} & loaded("import mxsnn.cli, mxsnn.events")


def test_the_package_gives_what_it_names() -> None:
    names = set(mxsnn.__all__)
    assert set(loaded("import mxsnn\nfor name in mxsnn.__all__: getattr(mxsnn, name)")) >= {"jax"}
    assert all(getattr(mxsnn, name) is not None for name in names)
    with pytest.raises(AttributeError, match="no attribute 'neuron'"):
        _ = mxsnn.neuron
