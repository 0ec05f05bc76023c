"""The paper's unsupervised training with p = 1 on Market-1501 (Table 1, "pNR* (LAD)").

    python launch/train.py --config=configs/market1501_unsupervised_lad.py \
        --data_dir=DATA --workdir=runs/unsupervised_lad

As the paper states: rows of the regression kept with probability 0.5 (eq. 4), the source as the
target in all losses, λ3 = 0 and no D_I, N = 2; the rest as `market1501_supervised_lad.py`.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(supervised=False).replace(loss={"gan_image": 0.0}, model={"blocks": 2})
