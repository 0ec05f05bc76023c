"""A folder of one's own people, FOLDER/IDENTITY/*.jpg, with the L1 loss alone, for CPUs.

    python launch/estimate_poses.py --images=FOLDER --model=openpose.pb --output=annotations.csv
    python launch/prepare_folder.py --images=FOLDER --annotations=annotations.csv --data_dir=DATA
    python launch/train.py    --config=configs/folder.py --data_dir=DATA --workdir=runs/folder
    python launch/evaluate.py --workdir=runs/folder
    python launch/generate.py --workdir=runs/folder --annotations=DATA/folder/annotations.csv \
        --source=DATA/folder/images/ANNA_01.png --target=DATA/folder/images/BEN_07.png \
        --output=out.png

The networks and the rates are those of `market1501_small.py`, which takes 36 minutes on 2 CPU
cores. People whom nothing tells apart from each other need thousands of images of hundreds of
identities, as Market-1501 has; with less, the model learns those whom it has seen. On an
accelerator, `--config.model.width=64 --config.batch_size=32` is the paper's width.
"""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    """The configuration."""
    config = default_config()
    config.steps = 3_600
    config.batch_size = 8
    config.learning_rate = 3e-3
    config.decay_from = 0.3
    config.model.update(width=16, blocks=2, ridge=0.01, up_kernel=4)
    config.loss.update(l1=1.0, perceptual=0.0, gan_image=0.0, gan_pose=0.0)
    config.loss.perceptual_required = False
    config.data.name = "folder"
    config.log_every = 50
    config.checkpoint_every = 500
    config.sample_every = 500
    return config
