"""The paper's supervised training with p = 2 on Market-1501 (Table 1, "pNR (LSE)").

    python launch/train.py --config=configs/market1501_supervised_lse.py \
        --data_dir=DATA --workdir=runs/supervised_lse

As `market1501_supervised_lad.py`, but F in closed form (eq. 2).

Hardware, time and score: not yet run.
"""

from ml_collections import ConfigDict

from pnr_jax.config import default_config


def get_config() -> ConfigDict:
    """The configuration."""
    config = default_config()
    config.model.p = 2.0
    return config
