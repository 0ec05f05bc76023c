"""Measures images per second of the whole model, sources to image, here and in PyTorch.

python -m benchmarks.inference --batch_size=8 --peer
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import setting
from benchmarks.turns import machine, medians, table
from pnr_jax.config import Config
from pnr_jax.data.pipeline import gather
from pnr_jax.keypoints import heatmaps
from pnr_jax.nn.pixels import scale_images, to_uint8
from pnr_jax.systems.pnr import PNRSystem
from pnr_jax.training.state import init_state


def ours(config: Config, batch: dict[str, Any]) -> Callable[[], Any]:
    variables = init_state(config).variables
    system = config.build_system()
    assert isinstance(system, PNRSystem)
    seen = ("source_images", "source_keypoints", "source_valid", "target_keypoints")

    @jax.jit
    def draw(variables: Any, *arrays: Any) -> jax.Array:
        return to_uint8(jnp.asarray(system.network.apply(variables, *arrays)))

    return partial(draw, variables, *(batch[name] for name in seen))


def peer(config: Config, batch: dict[str, Any]) -> Callable[[], Any]:
    import torch

    from benchmarks.peer import Twin

    model = Twin(config.model).eval()

    def channels_first(x: Any) -> Any:
        return torch.tensor(np.asarray(x).transpose(0, 3, 1, 2).copy())

    maps = partial(heatmaps, image_size=config.image_size, sigma=config.build_system().sigma)
    image = channels_first(scale_images(batch["source_images"][:, 0]))
    source = channels_first(maps(batch["source_keypoints"][:, 0]))
    target = channels_first(maps(batch["target_keypoints"]))

    def call() -> Any:
        with torch.inference_mode():
            return model(image, source, target).numpy()

    return call


def main() -> None:
    flags = setting.parser(__doc__.splitlines()[0]).parse_args()
    config = setting.configuration(flags)
    config = config.replace(loss={"gan_image": 0.0, "gan_pose": 0.0})
    half = config.replace(compute_dtype="bfloat16")
    examples = setting.made_examples(config)
    batch = gather(examples.images, examples.tuples[: flags.batch_size])
    calls = {"float32": ours(config, batch), "bfloat16": ours(half, batch)}
    if flags.peer:
        calls["float32, PyTorch"] = peer(config, batch)
    seconds = medians(calls, flags.turns)
    rows = [
        [name, f"{time * 1e3:,.1f}", f"{flags.batch_size / time:,.1f}",
         f"{time / seconds['float32']:.2f}"]
        for name, time in seconds.items()
    ]  # fmt: skip
    print(f"{flags.config}, one source, batch {flags.batch_size}; {machine()}\n")
    print(table(["sources to image", "ms", "images/s", "of float32"], rows))


if __name__ == "__main__":
    main()
