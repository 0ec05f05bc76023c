"""The drawn people at 128×64, the size of Market-1501: the bundled model.

    python launch/train.py --config=people --workdir=runs/people

L1 and perceptual loss, no discriminators; the norm of rows (`model.rowwise`) in place of the
paper's LAD of entries, because it is faster. The bundled model was then trained on for as long in
batches of 4:

    python launch/train.py --config=people --config.init_from=runs/people --config.batch_size=4 \
        --config.steps=6400 --config.learning_rate=2e-3 --workdir=runs/people2

Its card, `pnr_jax/models/people/README.md`, has the details and its scores.
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
