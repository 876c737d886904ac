"""The package as a whole: what may import what, how long an import takes, what is documented."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

pytestmark = pytest.mark.host

PACKAGE = Path(minicnn.__file__).parent

# From the ground up: a module may import those on its own line and on the lines above it.
LAYERS = [
    ["errors", "_version", "deferred", "gpu"],
    ["backend", "threads"],
    ["kernels"],
    ["autograd", "promotion", "random"],
    ["tensor", "printing"],
    ["ops"],
    ["function", "gradcheck", "linalg", "backends"],
    ["nn"],
    ["optim"],
    ["replacement", "amp"],
    ["cuda"],
    ["data", "serialization"],
    ["utils"],
    ["models"],
    ["visualize"],
    ["training", "summary"],
    ["gradcases"],
    ["compare", "course"],
    ["cli"],
    ["__main__", "__init__"],
]
RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}
HEAVY = ["matplotlib", "PIL", "tqdm", "safetensors", "threadpoolctl", "multiprocessing", "cupy"]


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """The parts of minicnn that a file imports, at the top or inside its functions."""
    package = ["minicnn", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "minicnn" and len(parts) > 1:
                found.add(parts[1])
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_point_only_downwards(path):
    if path == PACKAGE / "__init__.py":
        return
    here = part_of(path)
    assert here in RANK, f"{here} has no place in LAYERS"
    above = {p for p in imported_parts(path) if RANK.get(p, 0) > RANK[here]}
    assert not above, f"{path.name} is in layer '{here}' and must not import {sorted(above)}"


def run(code: str) -> str:
    # Compiled files are kept between the runs: compiling is not importing.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout


def test_import_takes_at_most_a_quarter_of_a_second():
    # The processor's time: on a busy machine the clock also counts what others do.
    code = "import time; t = time.process_time(); import minicnn; print(time.process_time() - t)"
    best = min(float(run(code)) for _ in range(7))
    assert best <= 0.25, f"import minicnn took {best:.3f} s at best"


def test_import_loads_nothing_heavy():
    code = f"import minicnn, sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code).strip() == "[]"


def public_objects():
    for module in (minicnn, minicnn.nn, minicnn.nn.functional, minicnn.nn.init, minicnn.optim):
        for name in dir(module):
            value = getattr(module, name)
            ours = getattr(value, "__module__", "") or ""
            if not name.startswith("_") and callable(value) and ours.startswith("minicnn"):
                yield f"{module.__name__}.{name}", value


def test_everything_public_has_a_docstring():
    missing = [name for name, value in public_objects() if not inspect.getdoc(value)]
    assert not missing, f"without a docstring: {missing}"


def test_the_package_uses_no_pickle_to_load():
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "pickle" in {n.split(".")[0] for n in _plain_imports(path)}
    }
    # CIFAR-10 is distributed as pickles; its unpickler admits arrays and containers only.
    assert users <= {"data/datasets/safe_pickle.py"}, users


def _plain_imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names
