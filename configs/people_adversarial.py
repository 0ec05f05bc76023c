"""A bundled model, trained further with all four losses, one to three sources an example.

    python launch/train.py --config=people_adversarial --workdir=runs/people_adversarial

It begins with the weights of `people` (`init_from`). The discriminators are narrow, and their
weights, λ3 = λ4 = 1, a tenth of the paper's: what two CPU cores train in an hour. From the bundled
model as it was after 27,200 samples, they did not pay: the pictures are no sharper
(docs/results.md has the scores).
"""

from pnr_jax import config_files
from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return config_files.find_config("people").replace(
        steps=1_600,
        batch_size=4,
        learning_rate=5e-4,
        decay_from=0.5,
        ema=0.995,
        sources=3,
        vary_sources=True,
        init_from="people",
        loss={"gan_image": 1.0, "gan_pose": 1.0},
        discriminator={"width": 16, "blocks": 1},
    )
