"""The shell scripts: clean for shellcheck, and a TPU VM that is taken away comes back."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / ".ci" / "run", *sorted((ROOT / "launch").glob("*.sh"))]
# Stands for Google's program: does as told by $ENDS, one line "EXIT_CODE WORDS" for each training.
GCLOUD = """#!/usr/bin/env bash
cd "$CLOUD"
shift 3
echo "$1" "${@: -1}" | head -1 >> asked
case $1 in
  describe) cat state ;;
  create) echo READY > state ;;
  delete) rm state ;;
  ssh)
    [[ ${@: -1} == *launch/train.py* ]] || exit 0
    read -r code words < ends
    sed -i 1d ends
    echo "$words"
    [[ $words == stopped* ]] && echo PREEMPTED > state
    exit "$code" ;;
esac
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script):
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    done = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def on_tpu(tmp_path):
    """A function (how each training ends) -> (exit code, what was asked of the cloud)."""
    for name, text in {"gcloud": GCLOUD, "sleep": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(*ends):
        (tmp_path / "ends").write_text("\n".join(ends) + "\n")
        settings = {"NAME": "a", "ZONE": "b", "TYPE": "c", "REPOSITORY": "d"}
        done = subprocess.run(
            [ROOT / "launch" / "tpu_vm.sh", "--workdir=gs://b/a run"],
            cwd=ROOT,
            env=os.environ
            | settings
            | {"CLOUD": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        asked = (tmp_path / "asked").read_text().splitlines()
        return done.returncode, [line for line in asked if not line.startswith("describe")]

    return run


def test_a_preempted_vm_is_made_again_until_training_is_done(on_tpu):
    code, asked = on_tpu("0 stopped by SIGTERM at step 7: x", "0 trained at step 9: x")
    assert code == 0
    verbs = [line.split()[0] for line in asked]
    vm = ["create", "ssh", "ssh"]
    assert verbs == [*vm, "delete", *vm]
    assert r"launch/train.py --distributed --workdir=gs://b/a\ run" in asked[2]


def test_a_lost_connection_is_tried_again_on_the_same_vm(on_tpu):
    code, asked = on_tpu("255", "3 error: another process", "0 trained at step 9: x")
    assert code == 0
    assert [line.split()[0] for line in asked] == ["create", *["ssh", "ssh"] * 3]


def test_a_mistake_in_the_flags_ends_it(on_tpu):
    code, asked = on_tpu("2 error: --config")
    assert code == 2
    assert [line.split()[0] for line in asked] == ["create", "ssh", "ssh"]
