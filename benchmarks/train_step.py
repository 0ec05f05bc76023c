"""Times a training step, its parts, and the same step in PyTorch.

    python -m benchmarks.train_step --batch_size=8 --peer
    python -m benchmarks.train_step --compute_dtype=bfloat16 --batch_size=64     # on a GPU

Random images are kept on the device, as in training; the perceptual loss is off. LAD against LSE
shows the cost of IRLS. --profile=DIR writes a trace for TensorBoard or Perfetto (ui.perfetto.dev).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import setting
from benchmarks.turns import machine, medians, table
from pnr_jax import sharding
from pnr_jax.config import Config
from pnr_jax.keypoints import heatmaps
from pnr_jax.nn.pixels import scale_images
from pnr_jax.systems.pnr import PNRSystem
from pnr_jax.training import inputs
from pnr_jax.training.state import init_state, state_shardings
from pnr_jax.training.step import count_flops, lower_step, make_step


def ours(config: Config) -> tuple[Callable[[], Any], float]:
    """Returns a call of the compiled step, which keeps its state, and XLA's FLOPs per step."""
    mesh, examples = sharding.make_mesh(), setting.made_examples(config)
    state = init_state(config, state_shardings(config, mesh))
    feed = next(inputs.feeds(config, examples, mesh, 0))
    step = inputs.with_input(make_step(config, None), config, examples, mesh)
    lowered = lower_step(step, state, feed, mesh)
    compiled, held = lowered.compile(), [state]

    def call() -> Any:
        held[0], metrics = compiled(held[0], feed)
        return metrics

    return call, count_flops(lowered)


def pnr(config: Config) -> PNRSystem:
    """Returns the system whose parts are timed."""
    system = config.build_system()
    assert isinstance(system, PNRSystem)
    return system


def peer(config: Config) -> Callable[[], Any]:
    """Returns a call of the PyTorch twin's step on the CPU."""
    import torch

    from benchmarks.peer import training_step

    examples, B = setting.made_examples(config), config.batch_size
    images = np.asarray(scale_images(examples.images.images[: 2 * B])).transpose(0, 3, 1, 2)
    sigma = pnr(config).sigma
    poses = heatmaps(examples.images.keypoints[: 2 * B], config.image_size, sigma)
    poses = np.asarray(poses).transpose(0, 3, 1, 2)
    arrays = {
        "source": images[:B],
        "target": images[B:],
        "source_pose": poses[:B],
        "target_pose": poses[B:],
    }
    return training_step(config, {k: torch.tensor(v.copy()) for k, v in arrays.items()})


def parts(config: Config) -> dict[str, Callable[[], Any]]:
    """Returns forward and backward calls of each part alone, on features of its real sizes."""
    system, state = pnr(config), init_state(config)
    examples = setting.made_examples(config, 2 * config.batch_size).images
    images, keypoints = examples.images, examples.keypoints
    B, M = config.batch_size, config.sources
    n, d, D = math.prod(system.regions or ()), system.model.d, 4 * system.model.width
    key = jax.random.key(0)
    P, H = (jax.random.normal(key, (B, M, n, columns)) for columns in (d, D))
    source, valid = jnp.asarray(images[:B, None]).repeat(M, 1), jnp.ones((B, M), bool)
    poses = jnp.asarray(keypoints[:B, None]).repeat(M + 1, 1)
    F = jax.random.normal(key, (B, d, D))

    def applied(method: str, *arguments: Any) -> Callable[[], Any]:
        def loss(variables: Any, arguments: Any) -> jax.Array:
            train = () if method == "estimate" else (True,)
            out, _ = system.network.apply(
                variables, *arguments, *train, method=method, mutable=["batch_stats"],
                rngs={"dropout": key},
            )  # fmt: skip
            return jnp.sum(jnp.asarray(out) ** 2)

        gradient = jax.jit(jax.grad(loss, (0, 1), allow_int=True))
        return partial(gradient, state.variables, arguments)

    def judged(name: str, channels: int) -> Callable[[], Any]:
        params = state.discriminators[name]
        shown = jax.random.normal(key, (3 * B, *config.image_size, 3))
        condition = jax.random.normal(key, (3 * B, *config.image_size, channels))

        def loss(params: Any, shown: jax.Array) -> jax.Array:
            variables = {"params": params}
            logits, _ = system.discriminator.apply(
                variables, shown, condition, rngs={"dropout": key}, mutable=["batch_stats"]
            )
            return jnp.sum(logits**2)

        return partial(jax.jit(jax.grad(loss, (0, 1))), params, shown)

    calls = {
        "f_a": applied("appearance_features", source, valid),
        "f_p, source and target": applied("pose_features", poses, jnp.ones((B, M + 1), bool)),
        "regression": applied("estimate", P, H, valid),
        "H_t and G": applied("draw", P[:, 0], F),
    }
    if "image" in system.discriminators:
        calls["D_I, three times"] = judged("image", 3)
    if "pose" in system.discriminators:
        calls["D_K, three times"] = judged("pose", 18)
    return calls


def main() -> None:
    parser = setting.parser(__doc__.splitlines()[0])
    parser.add_argument("--compute_dtype", default="float32")
    parser.add_argument("--steps_per_call", type=int, default=1)
    parser.add_argument("--profile", help="folder for a trace of three steps")
    flags = parser.parse_args()

    config = setting.configuration(flags)
    config = config.replace(
        compute_dtype=flags.compute_dtype,
        steps_per_call=flags.steps_per_call,
        loss={"perceptual": 0.0},
    )
    lse = config.replace(model={"p": 2.0})

    (lad_step, flops), (lse_step, _) = ours(config), ours(lse)
    calls = {"step, p = 1 (LAD)": lad_step, "step, p = 2 (LSE)": lse_step}
    if flags.peer:
        calls["step, p = 1, PyTorch"] = peer(config)
    if flags.profile:
        with jax.profiler.trace(flags.profile):
            jax.block_until_ready([lad_step() for _ in range(3)])
    seconds = medians(calls, flags.turns) | medians(parts(config), flags.turns)
    steps = {name: flags.steps_per_call if name in list(calls)[:2] else 1 for name in seconds}
    one = seconds["step, p = 1 (LAD)"] / flags.steps_per_call
    rows = [
        [name, f"{time / steps[name] * 1e3:,.1f}", f"{config.batch_size * steps[name] / time:,.1f}",
         f"{time / steps[name] / one:.2f}"]
        for name, time in seconds.items()
    ]  # fmt: skip
    print(f"{flags.config}, batch {config.batch_size}, {config.compute_dtype}; {machine()}")
    print(f"{flops / 1e9:,.0f} GFLOP a step (XLA's count), {flops / one / 1e12:,.2f} TFLOP/s\n")
    print(table(["forward and backward", "ms", "samples/s", "of a LAD step"], rows))


if __name__ == "__main__":
    main()
