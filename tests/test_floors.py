"""Which room may import which: the house's floors, and what loads with a room."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pnr_jax

# A room imports from floors below its own and from itself. What no floor names fails the test.
MAP = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
MAP = MAP.partition("## Map of the code\n")[2].partition("\n## ")[0]
FLOORS = [
    set(re.findall(r"`(\w+)(?:/|\.py)`", row.split("|")[1]))
    for row in reversed(MAP.splitlines())
    if row.startswith("| `")
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Heavy packages that some machines lack, and the modules that may import them when imported.
AT_USE = {
    "tensorflow": set(),
    "tensorflow_datasets": {"pnr_jax.data.market1501_builder"},
    "torch": set(),
    "gcsfs": set(),
    "h5py": set(),
    "huggingface_hub": set(),
    "mediapipe": set(),
    "onnxruntime": set(),
    "imageio_ffmpeg": set(),
    "wandb": set(),
}

ROOT = Path(pnr_jax.__file__).parent
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(ROOT)], "pnr_jax."))


def parse(name):
    path = ROOT.joinpath(*name.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes):
    """Full names of what import statements import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a room imports from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree):
    """The statements that run when a module is imported: all but functions' bodies."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def rooms(name):
    """Rooms that a module imports from, inside of functions too."""
    names = (found for found in imported(ast.walk(parse(name))) if found.startswith("pnr_jax."))
    return {found.split(".")[1] for found in names}


def test_the_map_has_every_room_once_and_no_other():
    listed = [room for floor in FLOORS for room in floor]
    found = [
        path.stem
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    ]
    assert sorted(listed) == sorted({*found, "launch", "configs"} - {"__init__"})


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_from_floors_below_alone(name):
    room = name.split(".")[1]
    for other in rooms(name) - {room}:
        assert FLOOR_OF[other] < FLOOR_OF[room], f"{name} imports from {other}"


def test_the_regression_imports_jax_and_nothing_else():
    allowed = {"jax", "numpy", "pnr_jax", *sys.stdlib_module_names}
    for name in MODULES:
        if name.startswith("pnr_jax.regression"):
            tops = {found.split(".")[0] for found in imported(ast.walk(parse(name)))}
            assert tops <= allowed, f"{name} imports {tops - allowed}"
            assert rooms(name) <= {"regression"}


@pytest.mark.parametrize("name", MODULES)
def test_heavy_packages_are_imported_at_use(name):
    tops = {found.split(".")[0] for found in imported(at_import(parse(name)))}
    for package, modules in AT_USE.items():
        assert package not in tops or name in modules, f"{name} imports {package}"


LOADED = """
import importlib, sys
for name in sys.argv[1].split(","):
    importlib.import_module(name)
print(" ".join({name.split(".")[0] for name in sys.modules}))
print(" ".join(name for name in sys.modules if name.startswith("pnr_jax")))
"""


def loaded_by(*names):
    """(top-level packages, modules of ours) in a fresh interpreter that imported `names`."""
    command = [sys.executable, "-c", LOADED, ",".join(names)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    packages, ours = output.stdout.splitlines()[-2:]
    return set(packages.split()), set(ours.split())


def test_importing_the_regression_loads_nothing_of_ours_nor_flax_nor_tensorflow():
    packages, ours = loaded_by("pnr_jax.regression")
    assert "jax" in packages
    assert not packages & {"flax", "optax", "chex", "orbax", "ml_collections", "tensorflow", "PIL"}
    assert {name for name in ours if not name.startswith("pnr_jax.regression")} == {"pnr_jax"}


def test_importing_everything_but_the_builder_loads_no_tensorflow():
    names = [name for name in MODULES if name not in AT_USE["tensorflow_datasets"]]
    packages, _ = loaded_by(*names)
    assert not packages & {"tensorflow", "tensorflow_datasets"}
