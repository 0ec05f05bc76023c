"""Builds Market-1501 with keypoints, pairs and tuples for training.

    python launch/prepare_market1501.py --source=Market-1501-v15.09.15.zip \
        --annotations=FOLDER_OF_THE_CSVS --data_dir=data

The archive comes from the data set's authors (research use only); the annotation CSVs are those
that the field's repositories share. Missing pair files are made by the published rule. Beside the
TensorFlow Datasets records lies one packed file a split, which is read without TensorFlow.
"""

from absl import flags

from pnr_jax import cli

SOURCE = flags.DEFINE_string("source", None, "Market-1501 zip, or the folder that it unpacks to.")
ANNOTATIONS = flags.DEFINE_string("annotations", None, "Folder of market-annotation-*.csv.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data set is built.")
MAX_DAMAGED = flags.DEFINE_integer("max_damaged", 0, "Leave out up to N unreadable images.")
flags.mark_flags_as_required(["source", "annotations", "data_dir"])


def main() -> None:
    """Prepares."""
    from pnr_jax.data import market1501_builder  # Imports TensorFlow.

    builder = market1501_builder.prepare(
        SOURCE.value, ANNOTATIONS.value, DATA_DIR.value, max_damaged=MAX_DAMAGED.value
    )
    cli.tell("image(s) left out, unreadable", builder.damaged)
    cli.tell("image(s) resized", builder.resized)
    for split, info in builder.info.splits.items():
        print(f"{split}: {info.num_examples:,} images")
    print(f"prepared {builder.data_dir}; train with --data_dir={DATA_DIR.value}")


if __name__ == "__main__":
    cli.run(main)
