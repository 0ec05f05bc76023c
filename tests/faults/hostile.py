"""What every hostile input must come to: a right result, or one clear line, soon and in little."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from pnr_jax.errors import UserError

EXAMPLES = int(os.environ.get("PNR_JAX_FUZZ", "50"))
SECONDS = 10.0  # Of the processor for one input of some kB, with what must be imported for it.
ROOT = Path(__file__).parents[2]

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,  # The limit is `outcome`'s.
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def outcome(read, *arguments):
    """The result of reading, or None after a `UserError` of one line; anything else fails."""
    began, result = time.process_time(), None  # Other programs may have the processor.
    try:
        result = read(*arguments)
    except UserError as error:
        message = str(error)
        assert message.strip() and message.splitlines() == [message], repr(message)
        assert len(message) < 2_000
    assert time.process_time() - began < SECONDS
    return result


@st.composite
def damaged(draw, whole: bytes, most: int = 8):
    """A sound file with bytes changed, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(("change", "cut", "double", "insert", "end")))
        length = draw(st.integers(1, 64))
        if kind == "change":
            data[at : at + 4] = draw(st.binary(max_size=4))
        elif kind == "cut":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        else:
            del data[at:]
    return bytes(data)


def limited(code, *arguments, memory_gb=2.0, seconds=120):
    """Runs Python under a limit of memory: (what it printed, peak of its resident memory in MB).

    `code` runs with `argv` = the arguments; a `UserError` is printed as one line.
    """
    program = f"""
import resource, sys
argv = sys.argv[1:]
{code[0]}
from pnr_jax.errors import UserError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit += int({memory_gb} * 2**30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    {code[1]}
    print("read")
except UserError as error:
    print(f"UserError: {{error}}")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    *said, peak = done.stdout.splitlines()
    assert len(said) == 1, said
    return said[0], int(peak)


@contextlib.contextmanager
def scratch_file(folder, name, data):
    """A file in `folder` for the length of the block."""
    path = folder / name
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink()
