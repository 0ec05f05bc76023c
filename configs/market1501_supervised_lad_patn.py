"""The paper's supervised training with p = 1 and PATN's weights of the losses and rate.

    python launch/train.py --config=market1501_supervised_lad_patn \
        --data_dir=DATA --workdir=runs/supervised_lad_patn

The paper states Adam at 0.002 and λ = 5, 5, 10, 10, and compares itself with PATN; PATN's code, on
which the discriminators are built, has 2e-4, which falls linearly to 0 over the last 201 of 700
epochs, and λ = 10, 10, 2.5, 2.5. The rest as `market1501_supervised_lad.py`.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(learning_rate=2e-4, decay_from=499 / 700).replace(
        loss={"l1": 10.0, "perceptual": 10.0, "gan_image": 2.5, "gan_pose": 2.5}
    )
