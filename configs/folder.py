"""A folder of one's own people, FOLDER/IDENTITY/*.jpg, without discriminators, for CPUs.

    python launch/estimate_poses.py --images=FOLDER --model=openpose.pb --output=annotations.csv
    python launch/prepare_folder.py --images=FOLDER --annotations=annotations.csv --data_dir=DATA
    python launch/train.py    --config=configs/folder.py --data_dir=DATA --workdir=runs/folder
    python launch/evaluate.py --workdir=runs/folder
    python launch/generate.py --workdir=runs/folder --annotations=DATA/folder/annotations.csv \
        --source=DATA/folder/images/ANNA_01.png --target=DATA/folder/images/BEN_07.png \
        --output=out.png

The networks, the rates and so the time are those of `market1501_small.py`. People whom nothing
tells apart from each other need thousands of images of hundreds of identities, as Market-1501 has;
with less, the model learns those whom it has seen. On an accelerator, `--config.model.width=64
--config.batch_size=32` is the paper's width.
"""

from pnr_jax.config import Config, cpu_config


def get_config() -> Config:
    """Returns the configuration."""
    return cpu_config().replace(data={"name": "folder"})
