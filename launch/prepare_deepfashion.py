"""Builds DeepFashion (In-shop) with keypoints, pairs and tuples for training, at 256×176.

    python launch/prepare_deepfashion.py --source=img_highres --annotations=FOLDER \
        --lists=FOLDER --data_dir=data

The archive, img.zip or img_highres.zip, comes from the data set's authors (research use only); both
are encrypted, so --source is mostly the folder that one unpacks to. A part of it will do: what is
missing is counted, and named in DATA_DIR/deepfashion/missing.txt. Lists and CSVs are PATN's split,
which the field's repositories share.
"""

from pathlib import Path

from absl import flags

from pnr_jax import cli
from pnr_jax.data import deepfashion_preparation
from pnr_jax.data.raw_files import list_raw_files
from pnr_jax.paths import to_path

SOURCE = flags.DEFINE_string("source", None, "img.zip or img_highres.zip, or what it unpacks to.")
ANNOTATIONS = flags.DEFINE_string("annotations", None, "Folder of fasion-*annotation-*.csv.")
LISTS = flags.DEFINE_string("lists", None, "Folder of train.lst, test.lst.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data set is built.")
MAX_DAMAGED = flags.DEFINE_integer("max_damaged", 0, "Leave out up to N unreadable images.")
flags.mark_flags_as_required(["source", "annotations", "lists", "data_dir"])


def main() -> None:
    """Prepares the data set."""
    cli.print_passed_over(list_raw_files(Path(SOURCE.value)).passed_over)
    with cli.preparing(DATA_DIR.value, "deepfashion") as path:
        prepared = deepfashion_preparation.prepare(
            SOURCE.value, ANNOTATIONS.value, LISTS.value, path, MAX_DAMAGED.value
        )
    cli.print_names("listed image(s) missing in the source", prepared.missing)
    cli.print_names("listed image(s) without keypoints", prepared.poseless)
    cli.print_names("row(s) of keypoints with fractions of a pixel, rounded", prepared.rounded)
    cli.print_names("image(s) left out, unreadable", prepared.damaged)
    for what, count in prepared.counts.items():
        print(f"{what}: {count:,}")
    folder = to_path(DATA_DIR.value) / prepared.folder.relative_to(path)
    print(f"prepared {folder}; train with --data_dir={DATA_DIR.value}")


if __name__ == "__main__":
    cli.run(main)
