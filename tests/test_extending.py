"""docs/extending.md to the letter: its files, in a copy of the project, do what the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```python\n# (\S+\.py)(.*?)\n(.*?)```", PAGE, re.DOTALL)

SMALL = [
    "--config=quickstart", "--config.system.name=onelayer", "--config.data.name=flat",
    "--config.steps=2", "--config.batch_size=2", "--config.image_size=(32, 32)",
    "--config.discriminator.width=4", "--config.discriminator.blocks=1", "--config.log_every=1",
]  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """A copy of the project with the page's files in it."""
    for folder in ("pnr_jax", "configs", "launch"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for name, where, code in BLOCKS:
        path = tmp_path / name
        if "at its end" in where:
            path.write_text(path.read_text() + "\n" + code)
        else:
            assert not where
            path.write_text(code)
    return tmp_path


@pytest.fixture
def launched(project):
    """A function (program, *flags) -> stdout of one of the copy's programs that ends well."""

    def launched(program, *flags):
        command = [sys.executable, str(project / "launch" / program), *flags]
        environment = os.environ | {"PYTHONPATH": str(project)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return launched


def test_the_page_has_the_files_that_are_tried_here():
    assert len(BLOCKS) == 8


def test_a_method_a_data_set_and_a_metric(project, launched):
    run = f"--workdir={project / 'run'}"
    assert "trained at step 2" in launched("train.py", *SMALL, run)
    resumed = launched("train.py", *SMALL, run, "--config.steps=3")
    assert "resuming at step 2" in resumed and "trained at step 3" in resumed
    table = launched("evaluate.py", run, "--sources=1")
    head, row = (next(line for line in table.splitlines() if name in line)
                 for name in ("darkness", "one layer"))  # fmt: skip
    assert table.startswith("flat colours: 24 pairs")
    assert len(head.split("|")) == len(row.split("|"))
    column = head.split("|").index(next(x for x in head.split("|") if "darkness" in x))
    assert abs(float(row.split("|")[column])) < 255
    assert "transfer.jax_export" in launched("export.py", run, f"--output={project / 'exported'}")


def test_a_loss(project, launched):
    workdir = project / "smooth"
    launched("train.py", *SMALL, "--config.system.name=smooth", f"--workdir={workdir}")
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    metrics = json.loads(lines[-1])
    weights = {"l1": 5, "perceptual": 5, "rough": 0.1}
    expected = sum(weight * metrics[name] for name, weight in weights.items())
    expected += sum(10 * metrics[name] for name in ("gan_image", "gan_pose") if name in metrics)
    assert metrics["loss"] == pytest.approx(expected, rel=1e-4)
    assert metrics["rough"] > 0


def test_its_code_is_typed(project):
    files = [name for name, where, _ in BLOCKS if not where]
    command = [sys.executable, "-m", "mypy", f"--config-file={ROOT / 'pyproject.toml'}"]
    done = subprocess.run(
        [*command, *files], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
