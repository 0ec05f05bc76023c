"""The paper's supervised training with p = 1 on Market-1501 (Table 1, "pNR (LAD)").

    python launch/train.py --config=configs/market1501_supervised_lad.py \
        --data_dir=DATA --workdir=runs/supervised_lad

As the paper states: N = 4, d = 20, D = 256, Adam at 0.002 with β = (0.5, 0.999), λ1 = λ2 = 5,
λ3 = λ4 = 10, M = 1. As PATN, where the paper is silent: batch 32, 87,500 steps, batch norm, a pool
of 50 past fakes. Our choice: 5 iterations of IRLS.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config()
