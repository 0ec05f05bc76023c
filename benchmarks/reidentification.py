"""Do drawn views help re-identification? Trains a small network with and without them.

    python launch/augment.py --workdir=runs/lad --views=10 \
        --originals=Market-1501-v15.09.15.zip --output=runs/reid
    python -m benchmarks.reidentification runs/reid --steps=2000 --seeds=2

A narrow residual network for 64×32 pixels, cross-entropy (labels smoothed by 0.1) and the triplet
loss of the hardest pairs (margin 0.3), AdamW, batches of 16 people with 4 images each, mirrored and
shifted by up to 4 pixels at random. With drawn views, a person's 4 images come from photos and
views alike; steps, batch size and rate are the same.

Scored by Market-1501's protocol: each of the 3,368 queries ranks bounding_box_test by the cosine of
the features. Junk (-1), and the query's person as seen by the query's camera, is taken out;
distractors (0000) stay. Rank-1 and mAP, the mean of the precisions at the right images.

References:
  Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015 (the protocol).
  Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017.
  Luo et al., Bag of Tricks and a Strong Baseline for Deep Person Re-identification, CVPRW 2019.
"""

import argparse
import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.turns import machine, table
from pnr_jax.augmentation import FOLDERS
from pnr_jax.data.images import Images, before_underscore, camera_in, read_image, resize
from pnr_jax.data.market1501_files import list_folder

SIZE = (64, 32)
PEOPLE, PHOTOS = 16, 4  # Of a batch.
SHIFT = 4  # Pixels.
MARGIN, SMOOTHING = 0.3, 0.1
RATE, WARM_UP = 1e-3, 0.1
JUNK = "-1"


class Shots(NamedTuple):
    """Images with who is on them.

    Attributes:
      images: uint8 [N, H, W, 3].
      identities: str [N].
      cameras: int [N].
      drawn: bool [N], False for photos.
    """

    images: np.ndarray
    identities: np.ndarray
    cameras: np.ndarray
    drawn: np.ndarray


def read_shots(folder: Path, part: str) -> Shots:
    """Reads one of Market-1501's folders, in which `launch/augment.py` may have drawn views."""
    views: set[str] = set()
    manifest = folder / "manifest.csv"
    if part == FOLDERS[0] and manifest.exists():
        with manifest.open(encoding="utf-8", newline="") as file:
            views = {row["file"] for row in csv.DictReader(file)}
    names = sorted(list_folder(folder, part))
    images = np.stack([read_image(folder / part / name) for name in names])
    small = resize(Images(images, np.full((len(names), 18, 2), -1), names), SIZE).images
    return Shots(
        small,
        np.array([before_underscore(name) for name in names]),
        np.array([camera_in(name)[0] for name in names]),
        np.array([name in views for name in names]),
    )


class Network(nn.Module):
    """A stem and four residual blocks: features [B, 256], the same normalised, logits.

    Attributes:
      classes: number of people in training.
    """

    classes: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Maps uint8 [B, 64, 32, 3] to features before and after a last batch norm, and logits."""
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        x = x.astype(jnp.float32) / 127.5 - 1
        x = nn.relu(norm()(nn.Conv(32, (3, 3), 2, use_bias=False)(x)))
        for width, stride in ((32, 1), (64, 2), (128, 2), (256, 1)):
            y = nn.relu(norm()(nn.Conv(width, (3, 3), stride, use_bias=False)(x)))
            y = norm()(nn.Conv(width, (3, 3), use_bias=False)(y))
            if x.shape != y.shape:
                x = norm()(nn.Conv(width, (1, 1), stride, use_bias=False)(x))
            x = nn.relu(x + y)
        before = x.mean(axis=(1, 2))
        after = norm(use_bias=False)(before)
        return before, after, nn.Dense(self.classes, use_bias=False)(after)


def loss_of(logits: jax.Array, features: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns cross-entropy plus the triplet loss of each image's hardest pairs in the batch."""
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), SMOOTHING)
    cross_entropy = optax.softmax_cross_entropy(logits, targets).mean()
    squares = jnp.sum((features[:, None] - features[None]) ** 2, axis=-1)
    distances = jnp.sqrt(squares + 1e-12)
    same = labels[:, None] == labels[None]
    farthest = jnp.where(same, distances, 0).max(axis=1)
    nearest = jnp.where(same, jnp.inf, distances).min(axis=1)
    return cross_entropy + nn.relu(MARGIN + farthest - nearest).mean()


def moved(images: jax.Array, key: jax.Array) -> jax.Array:
    """Mirrors half of the images, and shifts each; edges are repeated."""
    key_mirror, key_shift = jax.random.split(key)
    mirror = jax.random.bernoulli(key_mirror, 0.5, (len(images), 1, 1, 1))
    images = jnp.where(mirror, images[:, :, ::-1], images)
    padded = jnp.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    corners = jax.random.randint(key_shift, (len(images), 2), 0, 2 * SHIFT + 1)

    def cut(image: jax.Array, corner: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (*SIZE, 3))

    return jax.vmap(cut)(padded, corners)


def batches(labels: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Yields indices of `PEOPLE` people with `PHOTOS` images each, for ever."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    while True:
        people = rng.choice(len(rows), PEOPLE, replace=False)
        yield np.concatenate(
            [rng.choice(rows[i], PHOTOS, replace=len(rows[i]) < PHOTOS) for i in people]
        )


def trained(shots: Shots, steps: int, seed: int) -> tuple[Network, dict[str, Any]]:
    """Trains a network to tell the people of some images apart; returns its variables too."""
    _, labels = np.unique(shots.identities, return_inverse=True)
    network = Network(int(labels.max()) + 1)
    variables = network.init(jax.random.key(seed), jnp.zeros((1, *SIZE, 3), jnp.uint8), False)
    params, stats = variables["params"], variables["batch_stats"]
    rate = optax.warmup_cosine_decay_schedule(0, RATE, int(WARM_UP * steps), steps)
    optimizer = optax.adamw(rate, weight_decay=5e-4)

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, images: jax.Array, labels: jax.Array, number: int) -> Any:
        params, stats, opt_state = state
        key = jax.random.fold_in(jax.random.key(seed + 1), number)

        def objective(params: Any) -> tuple[jax.Array, Any]:
            (features, _, logits), updates = network.apply(
                {"params": params, "batch_stats": stats},
                moved(images, key),
                True,
                mutable=["batch_stats"],
            )
            return loss_of(logits, features, labels), updates["batch_stats"]

        (loss, stats), grads = jax.value_and_grad(objective, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), stats, opt_state), loss

    state = (params, stats, optimizer.init(params))
    for number, rows in zip(range(steps), batches(labels, seed), strict=False):
        state, loss = step(state, shots.images[rows], labels[rows], number)
        if (number + 1) % 200 == 0:
            print(f"step {number + 1:,}/{steps:,}  loss {float(loss):.3f}", flush=True)
    return network, {"params": state[0], "batch_stats": state[1]}


def features_of(network: Network, variables: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """Returns features of length 1, float32 [N, 256]."""
    apply = jax.jit(lambda x: network.apply(variables, x, False)[1])
    size = 256
    padded = np.concatenate([images, images[:1].repeat(-len(images) % size, axis=0)])
    parts = [np.asarray(apply(padded[i : i + size])) for i in range(0, len(padded), size)]
    found = np.concatenate(parts)[: len(images)]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def scores_of(similarity: np.ndarray, query: Shots, gallery: Shots) -> tuple[float, float]:
    """Returns rank-1 and mAP by Market-1501's protocol, over the queries that have an answer.

    Args:
      similarity: float [Q, G], higher for images that are more alike.
      query: the Q queries; who is on them and which camera saw them.
      gallery: the G images that are ranked.
    """
    first, precisions = [], []
    for row, identity, camera in zip(similarity, query.identities, query.cameras, strict=True):
        same = gallery.identities == identity
        counts = (gallery.identities != JUNK) & ~(same & (gallery.cameras == camera))
        order = np.argsort(-row[counts], kind="stable")
        hits = same[counts][order]
        if not hits.any():
            continue
        places = np.flatnonzero(hits)
        first.append(hits[0])
        precisions.append(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
    return float(np.mean(first)), float(np.mean(precisions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what launch/augment.py --originals wrote")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=2)
    flags = parser.parse_args()
    training, query, gallery = (
        read_shots(flags.folder, FOLDERS[0]),
        read_shots(flags.folder, FOLDERS[1]),
        read_shots(flags.folder, FOLDERS[2]),
    )
    photos = Shots(*(x[~training.drawn] for x in training))
    rows = []
    for seed in range(flags.seeds):
        for name, shots in (("photos", photos), ("photos and views", training)):
            print(f"{name}, seed {seed}: {len(shots.images):,} images", flush=True)
            network, variables = trained(shots, flags.steps, seed)
            of_query, of_gallery = (
                features_of(network, variables, x.images) for x in (query, gallery)
            )
            rank1, mean_ap = scores_of(of_query @ of_gallery.T, query, gallery)
            rows.append([name, f"{seed}", f"{rank1:.4f}", f"{mean_ap:.4f}"])
            print(" | ".join(rows[-1]), flush=True)
    print(table(["trained on", "seed", "rank-1", "mAP"], sorted(rows)))
    print(machine())


if __name__ == "__main__":
    main()
