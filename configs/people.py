"""The drawn people at 128×64, the size of Market-1501: the bundled model.

    python launch/train.py --config=people --workdir=runs/people

L1 and perceptual loss, no discriminators; the norm of rows (`model.rowwise`), which the paper does
not have, because it is faster. The bundled model was first
meant to train for 4,000 steps, so its rate fell more slowly for the first 2,151; its card,
`pnr_jax/models/people/README.md`, has its scores.
"""

from pnr_jax.config import Config, cpu_config


def get_config() -> Config:
    """Returns the configuration."""
    return cpu_config().replace(
        steps=3_400,
        image_size=(128, 64),
        model={"width": 24, "rowwise": True},
        data={"name": "people", "train_identities": 1_000},
        checkpoint_every=200,
    )
