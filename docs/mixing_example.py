"""Draws docs/mixing.png: the first test people of the bundled model, mixed two by two.

python docs/mixing_example.py docs/mixing.png
"""

import sys

import numpy as np

from pnr_jax import box, figures
from pnr_jax.data.synthetic import draw_people
from pnr_jax.mixing import blend, dress
from pnr_jax.transfer import PoseTransfer

SHARES = np.linspace(0, 1, 5)

transfer = PoseTransfer.load(box.find("people"))
rows = []
for first in (1001, 1003, 1005):
    people = draw_people([first, first + 1], views=4)
    images, keypoints = (
        people.images.reshape(2, 4, 128, 64, 3),
        people.keypoints.reshape(2, 4, 18, 2),
    )
    pose = keypoints[0, 3]
    F = transfer.encode(images[:, :3], keypoints[:, :3])
    mixed = [
        blend(np.asarray(F), np.stack([1 - SHARES, SHARES], axis=1)),
        *(
            dress(transfer, images[i, :3], keypoints[i, :3], images[j, :3], keypoints[j, :3])
            for i, j in ((0, 1), (1, 0))
        ),
    ]
    drawn = transfer.render(np.concatenate(mixed), np.repeat(pose[None], 7, axis=0))
    rows.append(np.concatenate([images[:, 0], drawn]))
headings = ["source", "source", *(f"{share:.0%}" for share in SHARES), "one above", "other above"]
columns = [
    (heading, np.stack(column))
    for heading, column in zip(headings, zip(*rows, strict=True), strict=True)
]
figures.save_png(sys.argv[1], figures.sheet(columns))
