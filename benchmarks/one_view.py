"""Measures whether what only one source shows reaches the image.

    python -m benchmarks.one_view people runs/quickstart
    python -m benchmarks.one_view runs/lad --data_dir=DATA

The target shows a person from the front, and so does one source at most: the others show the back,
where a print, a zip or a shirt under a jacket cannot be seen. Joints tell the sides apart: a front
has both eyes and the nose, a back has none of them. Each image is scored inside the target's mask.
The second number is the difference from one back alone, on the same targets; the 95% intervals are
a bootstrap over people.
"""

import argparse

import numpy as np

from benchmarks.turns import table
from pnr_jax import config as config_lib
from pnr_jax import metrics
from pnr_jax.data.images import Images, resize
from pnr_jax.data.pairs import usable_names
from pnr_jax.data.pipeline import gather
from pnr_jax.errors import UserError
from pnr_jax.evaluation.results import bootstrap
from pnr_jax.keypoints import JOINTS, body_mask
from pnr_jax.transfer import PoseTransfer

BATCH = 20
FACE = [JOINTS.index(name) for name in ("nose", "right_eye", "left_eye")]
# The sources that a model sees, as columns of [front, back, back, target front].
SETS = {
    "one back": (1, 3),
    "two backs": (1, 2, 3),
    "one front among two backs": (1, 0, 2, 3),
    "one front": (0, 3),
}


def tuples_of(images: Images, limit: int | None) -> np.ndarray:
    """Returns a tuple for each front of a person with another front and two backs.

    Args:
      images: the images of the test split.
      limit: the largest number of tuples, the first ones.

    Returns:
      int [T, 4], indices of a front, two backs and the target, drawn by a fixed seed.
    """
    rng = np.random.default_rng(0)
    usable = set(usable_names(images.annotations, images.identity_of))
    seen = (images.keypoints[:, FACE] >= 0).all(-1)
    kept = np.array([name in usable for name in images.names])
    people = np.array([images.identity_of(name) for name in images.names])
    rows = []
    for person in np.unique(people[kept]):
        own = kept & (people == person)
        fronts, backs = np.flatnonzero(own & seen.all(1)), np.flatnonzero(own & ~seen.any(1))
        if len(fronts) >= 2 and len(backs) >= 2:
            for target in fronts:
                source = rng.choice(fronts[fronts != target])
                rows.append([source, *rng.choice(backs, 2, replace=False), target])
    if not rows:
        raise UserError("nobody has two pictures from the front and two from behind")
    return np.array(rows[:limit])


def scored(transfer: PoseTransfer, images: Images, tuples: np.ndarray) -> np.ndarray:
    """Returns SSIM inside the target's mask, float [T]."""
    scores = []
    for start in range(0, len(tuples), BATCH):
        batch = gather(images, tuples[start : start + BATCH])
        target, pose = batch["target_image"], batch["target_keypoints"]
        drawn = transfer.transfer(batch["source_images"], batch["source_keypoints"], pose)
        mask = body_mask(pose, transfer.image_size)
        scores.append(metrics.ssim_inside_mask(target, drawn, mask))
    return np.concatenate(scores)


def with_interval(values: np.ndarray, people: np.ndarray, form: str) -> str:
    """Formats a mean with its 95% interval."""
    low, high = bootstrap(values[:, None], np.ones((len(values), 1)), people)
    return f"{values.mean():{form}} [{low[0]:{form}}, {high[0]:{form}}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdirs", nargs="+")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--limit", type=int, help="the number of targets")
    flags = parser.parse_args()
    rows = []
    for workdir in flags.workdirs:
        config = config_lib.read_config(workdir)
        transfer = PoseTransfer.load(workdir)
        images = config.data.load(flags.data_dir or config.data_dir, "test")
        images = resize(images, config.image_size)
        tuples = tuples_of(images, flags.limit)
        people = np.array([images.identity_of(images.names[i]) for i in tuples[:, -1]])
        base = None
        for name, columns in SETS.items():
            found = scored(transfer, images, tuples[:, columns])
            base = found if base is None else base
            row = [workdir, name, with_interval(found, people, ".4f")]
            rows.append([*row, with_interval(found - base, people, "+.4f")])
        print(f"{workdir}: {len(tuples)} targets of {len(np.unique(people))} people")
    print("\n" + table(["run", "sources", "SSIM inside mask", "over one back"], rows))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
