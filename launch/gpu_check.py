"""Everything that only an accelerator can tell, by one command: checks, then tables.

    python launch/gpu_check.py --output=gpu_check.md
    python launch/gpu_check.py --output=rehearsal.md --rehearse     # tiny sizes, on a CPU

The fused regression kernel against XLA's path, the training step in float32 and bfloat16 at the
paper's size, the inputs, generation. Each part runs in a process of its own; one that fails is
written down, and the rest goes on. Needs neither TensorFlow nor data; not yet run on a GPU.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from absl import flags

from pnr_jax import cli
from pnr_jax.errors import UserError
from pnr_jax.files import write_text

OUTPUT = flags.DEFINE_string("output", "gpu_check.md", "Markdown file for the tables.")
REHEARSE = flags.DEFINE_bool("rehearse", False, "Tiny sizes, to see that every part runs.")

ROOT = Path(__file__).parents[1]
# (what, module, flags, what a rehearsal changes)
PARTS = [
    (
        "The regression: kernel against XLA",
        "benchmarks.regression",
        ["--implementation=pallas"],
        [],
    ),
    *(
        (
            f"A training step, {dtype}, batch {batch}, {steps} a call",
            "benchmarks.train_step",
            [f"--compute_dtype={dtype}", f"--batch_size={batch}", f"--steps_per_call={steps}"],
            ["--width=8", "--batch_size=2", "--turns=1"],
        )
        for dtype, batch, steps in (
            ("float32", 32, 1),
            ("bfloat16", 32, 1),
            ("bfloat16", 32, 10),
            ("bfloat16", 128, 1),
        )
    ),
    ("Input", "benchmarks.input_pipeline", ["--device_only"], ["--images=64", "--batches=20"]),
    ("Generation", "benchmarks.inference", ["--batch_size=128"], ["--width=8", "--batch_size=2"]),
]


def main() -> None:
    """Runs the parts."""
    if not (ROOT / "benchmarks").is_dir():
        raise UserError("the benchmarks are not installed: run this program from a checkout")
    report = []
    failed = []
    for what, module, arguments, rehearsal in PARTS:
        if REHEARSE.value and module == "benchmarks.regression":
            continue  # Its kernel needs a GPU; the tests run it interpreted.
        command = ["-m", module, *arguments, *(rehearsal if REHEARSE.value else [])]
        print(f"{what}: python {' '.join(command)}", flush=True)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        took = f"{time.monotonic() - began:.0f} s"
        text = done.stdout.strip()
        if done.returncode:
            failed.append(what)
            text = f"failed:\n{done.stderr[-2000:]}"
        report.append(f"## {what}\n\n`python {' '.join(command)}` ({took})\n\n{text}\n")
        print(f"{text}\n", flush=True)
        write_text(OUTPUT.value, "\n".join(report))
    if failed:
        raise UserError(f"failed: {'; '.join(failed)}; {OUTPUT.value} has the reasons")
    print(OUTPUT.value)


if __name__ == "__main__":
    cli.run(main)
