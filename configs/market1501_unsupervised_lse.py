"""The paper's unsupervised training with p = 2 on Market-1501 (Table 1, "pNR* (LSE)").

    python launch/train.py --config=configs/market1501_unsupervised_lse.py \
        --data_dir=DATA --workdir=runs/unsupervised_lse

As `market1501_unsupervised_lad.py`, but F in closed form (eq. 2).

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(supervised=False).replace(loss={"gan_image": 0.0}, model={"blocks": 2, "p": 2.0})
