"""The paper's unsupervised training with p = 2 on Market-1501 (Table 1, "pNR* (LSE)").

    python launch/train.py --config=configs/market1501_unsupervised_lse.py \
        --data_dir=DATA --workdir=runs/unsupervised_lse

As `market1501_unsupervised_lad.py`, but F in closed form (eq. 2).

Hardware, time and score: not yet run.
"""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    """The configuration."""
    config = default_config()
    config.supervised = False
    config.loss.gan_image = 0.0
    config.model.update(blocks=2, p=2.0)
    return config
