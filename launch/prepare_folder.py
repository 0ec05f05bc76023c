"""Makes a data set of one's own people: crops, splits by identity, pairs and tuples.

    python launch/prepare_folder.py --images=FOLDER --annotations=annotations.csv --data_dir=DATA

FOLDER/IDENTITY/*.jpg has a folder for each person, images of any size. The annotations are those of
launch/estimate_poses.py, or OpenPose's JSON; with --model they are made on the way, and kept in
--annotations. Images without both shoulders and hips are left out, as the field does.
configs/folder.py trains on it.

With --unlabelled nobody need know who is in which image: FOLDER/*.jpg will do, one image a person,
for unsupervised training (--config=configs/folder.py --config.supervised=False).
"""

from pathlib import Path

import numpy as np
from absl import flags

from pnr_jax import cli, pose_estimation
from pnr_jax.data import folder, folder_builder
from pnr_jax.data.annotations import write_annotations
from pnr_jax.data.openpose_json import is_json
from pnr_jax.errors import UserError
from pnr_jax.paths import to_path
from pnr_jax.pose_estimation import annotate
from pnr_jax.walk import list_files

IMAGES = flags.DEFINE_string("images", None, "FOLDER/IDENTITY/*.jpg.")
ANNOTATIONS = flags.DEFINE_string(
    "annotations", None, "Keypoints: a CSV, made where absent; OpenPose's JSON, or a folder of it."
)
MODEL = flags.DEFINE_string("model", None, "Pose model, for images without annotations.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where the data set is written.")
HEIGHT = flags.DEFINE_integer(
    "height", 128, "Of the cropped people, pixels; half as wide.", lower_bound=32
)
TEST_SHARE = flags.DEFINE_float(
    "test_share", 0.2, "Share of the identities for the test.", lower_bound=0, upper_bound=1
)
UNLABELLED = flags.DEFINE_bool("unlabelled", False, "Nobody knows who is in which image.")
SEED = flags.DEFINE_integer("seed", 0, "Of the split.")
MAX_DAMAGED = flags.DEFINE_integer("max_damaged", 0, "Leave out up to N unreadable images.")
flags.mark_flags_as_required(["images", "annotations", "data_dir"])


def main() -> None:
    """Prepares the data set."""
    if Path(IMAGES.value).is_dir():
        cli.print_passed_over(list_files(IMAGES.value).passed_over)
    annotations = _annotations(Path(ANNOTATIONS.value))
    with cli.preparing(DATA_DIR.value, "folder") as path:
        prepared = folder_builder.prepare(
            IMAGES.value,
            annotations,
            path,
            height=HEIGHT.value,
            test_share=TEST_SHARE.value,
            seed=SEED.value,
            max_damaged=MAX_DAMAGED.value,
            labelled=not UNLABELLED.value,
        )
    cli.print_names("image(s) left out, unreadable", prepared.damaged)
    cli.print_names("image(s) left out, without both shoulders and hips", prepared.bodiless)
    cli.print_names("identity(ies) left out, with a single image", prepared.lonely)
    who = "images of nobody known" if UNLABELLED.value else "identities"
    print(f"{len(prepared.train)} {who} to train on, {len(prepared.test)} for the test")
    print(", ".join(f"{count:,} {what}" for what, count in prepared.counts.items()))
    prepared_folder = to_path(DATA_DIR.value) / prepared.folder.relative_to(path)
    print(f"prepared {prepared_folder}; train with --data_dir={DATA_DIR.value}")


def _annotations(path: Path) -> dict[str, np.ndarray]:
    annotations = cli.read_keypoints(str(path)) if path.exists() or not MODEL.value else {}
    if MODEL.value:
        files = folder.list_images(IMAGES.value)
        rows = folder.match_rows(files, annotations)
        files = {name: file for name, file in files.items() if name not in rows}
        if files and is_json(path):
            raise UserError(
                f"--annotations={path}: has no pose of {min(files)}, and --model adds rows to a "
                "CSV alone; name a CSV, or leave --model out"
            )
        if files:
            estimator = pose_estimation.load_estimator(MODEL.value)
            remarks = annotate.annotate(
                files,
                estimator,
                annotations,
                lambda: write_annotations(path, annotations),
                MAX_DAMAGED.value,
            )
            cli.print_names("image(s) without a person", remarks.nobody)
            cli.print_names("image(s) with several people, the largest taken", remarks.several)
    return annotations


if __name__ == "__main__":
    cli.run(main)
