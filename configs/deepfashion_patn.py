"""PATN on DeepFashion (In-shop) at 256×176, near to what its public code trains.

    python launch/prepare_deepfashion.py --source=IMAGES --annotations=CSVS --lists=LISTS \
        --data_dir=DATA
    python launch/train.py    --config=deepfashion_patn --data_dir=DATA --workdir=runs/fashion_patn
    python launch/evaluate.py --workdir=runs/fashion_patn --sources=1

2.8 million samples, batch 7, instance norm, λ_GAN 5, λ_L1 = λ_perceptual = 1, no pool of fakes. Its
script judges by least squares without a sigmoid; here it is the cross-entropy of Market-1501.
Instance norm has a scale and an offset and the convolutions before it no bias, where the code has
it the other way round; so the numbers of parameters differ. Heatmaps are Gaussians; the code writes
them into integers, which leaves one pixel a joint.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(
        image_size=(256, 176),
        input="auto",
        batch_size=7,
        steps=400_000,
        learning_rate=2e-4,
        decay_from=499 / 700,
        pool_size=0,
    ).replace(
        system={"name": "patn"},
        model={"norm": "instance"},
        discriminator={"norm": "instance"},
        loss={"l1": 1.0, "perceptual": 1.0, "gan_image": 2.5, "gan_pose": 2.5},
        data={"name": "deepfashion"},
    )
