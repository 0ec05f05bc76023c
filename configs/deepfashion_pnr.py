"""pNR with p = 1 on DeepFashion (In-shop) at 256×176.

    python launch/prepare_deepfashion.py --source=IMAGES --annotations=CSVS --lists=LISTS \
        --data_dir=DATA
    python launch/train.py    --config=deepfashion_pnr --data_dir=DATA --workdir=runs/fashion_pnr
    python launch/evaluate.py --workdir=runs/fashion_pnr --sources=1,3

The paper has no number on this data set. Its networks, losses and rate are those of
`market1501_supervised_lad.py`; n is 64·44 = 2,816 rows a source in place of 512, an image 5.5 times
the work. Our choice: batch 8 and 350,000 steps, PATN's 2.8 million samples there.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(image_size=(256, 176), input="auto", batch_size=8, steps=350_000).replace(
        data={"name": "deepfashion"}
    )
