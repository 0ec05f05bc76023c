"""Draws docs/animation.png: the first person of the quickstart's test set, animated.

python docs/animation_example.py runs/quickstart docs/animation.png
"""

import sys
from pathlib import Path

import numpy as np

from pnr_jax import animation
from pnr_jax.data.images import Images, resize
from pnr_jax.data.synthetic import draw_people
from pnr_jax.transfer import PoseTransfer

workdir, *outputs = map(Path, sys.argv[1:])
transfer = PoseTransfer.load(workdir)
person = resize(Images(*draw_people([401], views=8)), transfer.image_size)
F = transfer.encode(person.images[None, :3], person.keypoints[None, :3])  # 3 sources, once
poses = animation.interpolate(person.keypoints[3:7], 8, transfer.image_size, loop=True)
images = transfer.render(np.repeat(F, len(poses), axis=0), poses)
for path in outputs:
    animation.write_animation(path, images, poses, fps=10)
