"""XingGAN on DeepFashion (In-shop) at 256×176, near to what its public code trains.

    python launch/prepare_deepfashion.py --source=IMAGES --annotations=CSVS --lists=LISTS \
        --data_dir=DATA
    python launch/train.py    --config=deepfashion_xinggan --data_dir=DATA --workdir=runs/xing
    python launch/evaluate.py --workdir=runs/xing --sources=1

1.2 million samples (300 epochs of 4,000 pairs), batch 32, instance norm, λ_GAN 5, λ_L1 50,
λ_perceptual 1, no pool of fakes. What differs from the code is what differs in `deepfashion_patn`:
the discriminators' loss, instance norm, heatmaps. The backward pass keeps an attention map of
2,816² places for each image, block and branch: 18 GB in float32 for these alone.

Hardware, time and score: not yet run.
"""

from pnr_jax.config import Config


def get_config() -> Config:
    """Returns the configuration."""
    return Config(
        image_size=(256, 176),
        input="auto",
        batch_size=32,
        steps=37_500,
        learning_rate=2e-4,
        decay_from=199 / 300,
        pool_size=0,
    ).replace(
        system={"name": "xinggan"},
        model={"norm": "instance"},
        discriminator={"norm": "instance"},
        loss={"l1": 50.0, "perceptual": 1.0, "gan_image": 2.5, "gan_pose": 2.5},
        data={"name": "deepfashion"},
    )
