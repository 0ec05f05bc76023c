"""docs/extending.md to the letter: its files, in a copy of the project, train and are scored."""

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
        elif "behind its imports" in where:
            imports, rest = path.read_text().split("\nWORKDIR = ", 1)
            path.write_text(f"{imports}\n{code}\nWORKDIR = {rest}")
        else:
            assert not where
            path.write_text(code)
    return tmp_path


def test_what_the_page_adds_trains_and_is_scored(project):
    def launched(program, *flags):
        command = [sys.executable, str(project / "launch" / program), *flags]
        environment = os.environ | {"PYTHONPATH": str(project)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert len(BLOCKS) == 6
    run = f"--workdir={project / 'run'}"
    assert "trained at step 2" in launched("train.py", *SMALL, run)
    table = launched("evaluate.py", run, "--sources=1")
    head, row = (next(line for line in table.splitlines() if name in line)
                 for name in ("darkness", "one layer"))  # fmt: skip
    assert table.startswith("flat colours: 24 pairs")
    assert len(head.split("|")) == len(row.split("|"))
    column = head.split("|").index(next(x for x in head.split("|") if "darkness" in x))
    assert abs(float(row.split("|")[column])) < 255
