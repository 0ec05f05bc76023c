"""Exports a trained run: weights, programs for any platform, and a model card.

    python launch/export.py --workdir=runs/quickstart --output=exported

EXPORTED/README.md is the card; it says how to call the programs, which takes ten lines and JAX, but
not this package.
"""

import jax
from absl import flags

from pnr_jax import cli, export
from pnr_jax.paths import to_path

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, 'people', hf://OWNER/REPO.")
OUTPUT = flags.DEFINE_string("output", None, "Folder to write; it must not exist.")
TENSORFLOW = flags.DEFINE_boolean("tensorflow", False, "Write a SavedModel of `render` too.")
SAFETENSORS = flags.DEFINE_boolean(
    "safetensors", False, "Write model.safetensors and a card for the Hugging Face Hub too."
)
MODEL = flags.DEFINE_enum(
    "model", "model", ["model", "model_best"], "The latest, or the one of the lowest training L1."
)
flags.mark_flags_as_required(["workdir", "output"])


def main() -> None:
    """Exports the run."""
    jax.config.update("jax_platforms", "cpu")  # Programs for all platforms are made on a CPU.
    for path in export.export_run(
        WORKDIR.value,
        to_path(OUTPUT.value),
        MODEL.value,
        TENSORFLOW.value,
        SAFETENSORS.value,
    ):
        print(path)


if __name__ == "__main__":
    cli.run(main)
