"""The container's files: linted, and of one mind with what uses them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_dockerfile_is_sound():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.is_file():
        pytest.skip("hadolint is not installed")
    command = [hadolint, "--no-color", ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_runs_as_root():
    for target in ("cpu", "cuda"):
        stage = DOCKERFILE.split(f" AS {target}\n")[1].split("\nFROM ")[0]
        assert re.findall("^USER (.*)", stage, re.M) == ["1000"]
        assert stage.index("USER") < stage.index("CMD")


def test_what_is_installed_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r"whl\)\[(.*?)\]", DOCKERFILE):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    for program in re.findall(r'CMD \["(.*?)"', DOCKERFILE):
        assert program in project["scripts"]


def test_compose_serves_the_studio_on_the_loopback():
    studio = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["studio"]
    assert f" AS {studio['build']['target']}\n" in DOCKERFILE
    assert studio["command"][:2] == ["pnr-studio", "--host=0.0.0.0"]
    assert studio["ports"] == ["127.0.0.1:8000:8000"]


def test_the_cluster_runs_what_the_image_has():
    text = (ROOT / "launch" / "jobset.yaml").read_text()
    (host,) = yaml.safe_load(text)["spec"]["replicatedJobs"]
    (container,) = host["template"]["spec"]["template"]["spec"]["containers"]
    assert f"--tag={container['image']} ." in DOCKERFILE
    program, config = re.search(r"(pnr-\S+) --config=(\S+)", container["command"][-1]).groups()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert program in scripts
    assert (ROOT / "configs" / f"{config}.py").is_file()
