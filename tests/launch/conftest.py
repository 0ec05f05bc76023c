"""The programs of `launch/` as a user starts them, from the repository's root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pnr_jax.data.annotations import write_annotations
from pnr_jax.data.synthetic import draw_people

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def start():
    """A function (program, *flags) -> its process, which does not outlive the tests."""
    processes = []

    def start(program, *flags, stderr=subprocess.PIPE, **environment):
        process = subprocess.Popen(
            [sys.executable, ROOT / "launch" / program, *map(str, flags)],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            process.kill()


@pytest.fixture(scope="session")
def run(start):
    """A function (program, *flags) -> (exit code, stdout, stderr)."""

    def run(program, *flags):
        process = start(program, *flags)
        out, err = process.communicate(timeout=600)
        return process.returncode, out, err

    return run


@pytest.fixture(scope="session")
def mistake(run):
    """A function (program, *flags) -> the one line of a run that ends with exit code 2."""

    def mistake(program, *flags):
        code, _, err = run(program, *flags)
        assert code == 2, err
        assert err.startswith("error: ") and err.count("\n") == 1, err
        return err

    return mistake


@pytest.fixture(scope="session")
def person(tmp_path_factory):
    """A folder of four views of one person with their keypoints."""
    folder = tmp_path_factory.mktemp("person")
    people = draw_people([9], views=4)
    for name, image in zip(people.names, people.images, strict=True):
        Image.fromarray(image).save(folder / name)
    write_annotations(folder / "a.csv", dict(zip(people.names, people.keypoints, strict=True)))
    return folder
