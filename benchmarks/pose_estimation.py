"""Compares estimated keypoints with published ones, joint by joint.

    python launch/estimate_poses.py --images=FOLDER --model=openpose.pb --output=estimated.csv
    python -m benchmarks.pose_estimation --estimated=estimated.csv --annotations=ANNOTATIONS.csv

A joint counts as found if both files have it. Distances are in pixels of the images.
"""

import numpy as np
from absl import app, flags

from pnr_jax.data.annotations import read_annotations
from pnr_jax.keypoints import JOINTS

ESTIMATED = flags.DEFINE_string("estimated", None, "Of launch/estimate_poses.py.", required=True)
ANNOTATIONS = flags.DEFINE_string("annotations", None, "The published CSV.", required=True)
NEAR = 8


def main(argv):
    del argv
    estimated, annotations = (read_annotations(f.value) for f in (ESTIMATED, ANNOTATIONS))
    names = [name for name in estimated if name in annotations]
    ours, theirs = (np.stack([csv[name] for name in names]) for csv in (estimated, annotations))
    has_ours, has_theirs = ((k != -1).all(axis=-1) for k in (ours, theirs))
    distance = np.linalg.norm(ours - theirs, axis=-1)
    print(f"{len(names)} images, {has_theirs.sum():,} annotated joints")
    print(f"| joint | found | of these within {NEAR} px | median px | not annotated |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, joints in [*((n, [j]) for j, n in enumerate(JOINTS)), ("all", range(18))]:
        joints = list(joints)
        both = (has_ours & has_theirs)[:, joints]
        pixels = distance[:, joints][both]
        more = (has_ours & ~has_theirs)[:, joints].sum() / has_ours[:, joints].sum()
        print(
            f"| {name} | {both.sum() / has_theirs[:, joints].sum():.1%} "
            f"| {(pixels <= NEAR).mean():.1%} | {np.median(pixels):.2f} | {more:.1%} |"
        )


if __name__ == "__main__":
    app.run(main)
