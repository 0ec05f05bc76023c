"""The paper's supervised training with p = 2 on Market-1501 (Table 1, "pNR (LSE)").

    python launch/train.py --config=configs/market1501_supervised_lse.py \
        --data_dir=DATA --workdir=runs/supervised_lse

As `market1501_supervised_lad.py`, but F in closed form (eq. 2).

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config().replace(model={"p": 2.0})
