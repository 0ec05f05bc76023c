"""Builds Market-1501 with keypoints, pairs and tuples for training.

    python launch/prepare_market1501.py --source=Market-1501-v15.09.15.zip \
        --annotations=FOLDER_OF_THE_CSVS --data_dir=data

The archive comes from the data set's authors (research use only); the annotation CSVs are those
that the field's repositories share. Missing pair files are made by the published rule. One packed
file a split is written; --tfds writes TensorFlow Datasets records too (the extra [tfds]).
"""

from collections.abc import Callable
from pathlib import Path

from absl import flags

from pnr_jax import cli
from pnr_jax.data import market1501_files, market1501_preparation
from pnr_jax.errors import UserError
from pnr_jax.paths import to_path

SOURCE = flags.DEFINE_string("source", None, "Market-1501 zip, or the folder that it unpacks to.")
ANNOTATIONS = flags.DEFINE_string("annotations", None, "Folder of market-annotation-*.csv.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data set is built.")
MAX_DAMAGED = flags.DEFINE_integer("max_damaged", 0, "Leave out up to N unreadable images.")
TFDS = flags.DEFINE_bool("tfds", False, "Write TensorFlow Datasets records too.")
flags.mark_flags_as_required(["source", "annotations", "data_dir"])


def main() -> None:
    """Prepares the data set."""
    cli.print_passed_over(market1501_files.passed_over(Path(SOURCE.value)))
    prepare = _with_records() if TFDS.value else market1501_preparation.prepare
    with cli.preparing(DATA_DIR.value, "market1501") as path:
        prepared = prepare(SOURCE.value, ANNOTATIONS.value, path, max_damaged=MAX_DAMAGED.value)
    cli.print_names("image(s) left out, unreadable", prepared.damaged)
    cli.print_names("image(s) resized", prepared.resized)
    cli.print_names("row(s) of keypoints with fractions of a pixel, rounded", prepared.rounded)
    for split, count in prepared.counts.items():
        print(f"{split}: {count:,} images")
    folder = to_path(DATA_DIR.value) / prepared.folder.relative_to(path)
    print(f"prepared {folder}; train with --data_dir={DATA_DIR.value}")


def _with_records() -> Callable[..., market1501_preparation.Prepared]:
    try:
        from pnr_jax.data import market1501_builder
    except ImportError as error:
        raise UserError(f"--tfds: {error}; pip install 'pnr-jax[tfds]'") from None
    return market1501_builder.prepare_records


if __name__ == "__main__":
    cli.run(main)
