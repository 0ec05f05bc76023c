"""What `pip install` of the wheel brings: every package, the programs, the configurations."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_in_the_wheel():
    found = {path.parent for path in (ROOT / "pnr_jax").rglob("*.py")}
    packages = {".".join(path.relative_to(ROOT).parts) for path in found}
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert set(listed) == packages | {"pnr_jax.configs", "pnr_jax.launch"}


def test_every_program_is_a_command():
    programs = {path.stem for path in (ROOT / "launch").glob("*.py")} - {"gpu_check"}
    commands = PROJECT["project"]["scripts"]
    assert set(commands.values()) == {f"pnr_jax.commands:{name}" for name in programs}
    assert {name.removeprefix("pnr-").replace("-", "_") for name in commands} == programs


def test_the_requirements_file_has_every_requirement_of_the_package():
    lines = (ROOT / "requirements.txt").read_text().replace('"', "'").splitlines()
    extras = PROJECT["project"]["optional-dependencies"]
    used = [*PROJECT["project"]["dependencies"]]
    used += [
        x
        for name in ("tensorflow", "tfds", "gcs", "hub", "onnx", "studio", "video")
        for x in extras[name]
    ]
    assert {x for x in used if not x.startswith("pnr-jax")} <= set(lines)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder outside of the checkout that the wheel is installed to.

    It is made, as in the Dockerfile, of what .dockerignore lets through.
    """
    folder = tmp_path_factory.mktemp("installed")
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    (folder / "source").mkdir()
    for name in [line.removeprefix("!") for line in lines if line.startswith("!")]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "source" / name)
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", folder / "wheel", folder / "source"], check=True
    )
    (wheel,) = (folder / "wheel").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def test_an_installed_wheel_has_the_model_in_the_box(installed):
    here, there = (root / "pnr_jax" / "models" for root in (ROOT, installed))
    files = {path.relative_to(here) for path in here.rglob("*") if path.is_file()}
    assert {Path("people/model.safetensors"), Path("people/README.md")} <= files
    assert files == {path.relative_to(there) for path in there.rglob("*") if path.is_file()}


def test_an_installed_wheel_trains(installed, tmp_path):
    command = [
        installed / "bin" / "pnr-train", "--config=quickstart", f"--workdir={tmp_path / 'run'}",
        "--config.steps=1", "--config.batch_size=2", "--config.image_size=(32, 32)",
        "--config.data.train_identities=3", "--config.data.test_identities=2",
        "--config.data.views=8", "--config.data.test_tuples=4", "--config.model.width=4",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "trained at step 1" in done.stdout
    config = (tmp_path / "run" / "config.json").read_text()
    assert '"width": 4' in config
