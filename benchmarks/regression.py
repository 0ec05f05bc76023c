"""Time of p-norm regression: forward, backward, peers, floor, compilation, memory, accuracy.

    python -m benchmarks.regression                         # all of it on a CPU, in minutes
    python -m benchmarks.regression --peer=torch            # with PyTorch beside it
    python -m benchmarks.regression --implementation=pallas # on a GPU: check and time the kernel

Every number is a median of one run in which all contestants take turns, so that a noisy machine
is noisy to all. ``--peer=torch`` needs PyTorch, ``--peer=exact`` scipy and, for one of
its lines, scikit-learn. Real features: save P and H
of a trained model, [8, n, d] and [8, n, D], by ``np.savez("features.npz", P=P, H=H)`` and add
``--features=features.npz`` to see the accuracy and the time on those.
"""

import argparse
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.regression_peers import Contestant, exact, torch_contestants, user_first
from pnr_jax.regression import least_squares, pnorm_regression

BATCH, POSE, APPEARANCE = 8, 20, 256
PRODUCT = 2048  # of two square matrices of this size: the machine's rate


def problem(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features with 2% noise and 10% gross outliers: P [8, rows, 20], H [8, rows, 256]."""
    rng = np.random.default_rng(seed)
    P = rng.standard_normal((BATCH, rows, POSE))
    H = P @ rng.standard_normal((BATCH, POSE, APPEARANCE))
    H += 0.1 * rng.standard_normal(H.shape)
    H += (rng.random(H.shape) < 0.1) * 30 * rng.standard_normal(H.shape)
    return P.astype(np.float32), H.astype(np.float32)


def medians(contestants: dict[str, Contestant], rounds: int) -> dict[str, float]:
    """Median milliseconds of each, all taking turns."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 2):
        for name, contestant in contestants.items():
            start = time.perf_counter()
            jax.block_until_ready(contestant())
            if turn >= 2:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(t)) for name, t in times.items()}


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Contestant, float, int]:
    """The compiled function, seconds to compile it, and its temporary memory in bytes."""
    lowered = jax.jit(function).lower(*arguments)
    start = time.perf_counter()
    program = lowered.compile()
    seconds = time.perf_counter() - start
    memory = program.memory_analysis()
    return lambda: program(*arguments), seconds, memory.temp_size_in_bytes


def loss(P: jax.Array, H: jax.Array, G: jax.Array, **options: Any) -> jax.Array:
    """A scalar whose derivative reaches every entry of F."""
    return jnp.sum(G * pnorm_regression(P, H, **options))


def speed(P: np.ndarray, H: np.ndarray, rounds: int, peer: str | None, options: Any) -> float:
    """Prints the table of one problem; returns the milliseconds of a forward pass."""
    (batch, n, d), D, iterations = P.shape, H.shape[-1], options["iterations"]
    G, square = np.ones((batch, d, D), np.float32), jnp.ones((PRODUCT, PRODUCT))
    forward, seconds, memory = compiled(lambda P, H: pnorm_regression(P, H, **options), P, H)

    def gradients(P: jax.Array, H: jax.Array, **changes: Any) -> Any:
        return jax.grad(lambda P, H: loss(P, H, G, **options | changes), (0, 1))(P, H)

    both, seconds_both, memory_both = compiled(gradients, P, H)
    memory_50 = compiled(functools.partial(gradients, iterations=50), P, H)[2]
    contestants = {"this library, forward": forward, "forward + backward": both}
    for name, function in {
        "least squares": least_squares,
        "vmap(solve), IRLS": functools.partial(user_first, iterations=iterations),
    }.items():
        contestants[name] = compiled(function, P, H)[0]
    if options["implementation"] == "pallas":
        xla = {"implementation": "xla"}
        contestants["XLA, forward"] = compiled(
            lambda P, H: pnorm_regression(P, H, **options | xla), P, H
        )[0]
        contestants["XLA, forward + backward"] = compiled(
            functools.partial(gradients, **xla), P, H
        )[0]
        contestants["reading H once"] = compiled(lambda P, H: H.sum(), P, H)[0]
    if peer == "torch":
        contestants |= torch_contestants(P, H, iterations)
    product = compiled(lambda a: jnp.matmul(a, a, precision="highest"), square)[0]
    times = medians(contestants | {"product": product}, rounds)
    rate = 2 * PRODUCT**3 / times.pop("product")
    floor = iterations * batch * n * d * (d + 1) * D / rate
    print(f"\n{batch} problems, n = {n}, d = {d}, D = {D}, {options}; compile {seconds:.1f} s, ")
    print(f"with backward {seconds_both:.1f} s; temporary memory {memory / 2**20:.0f} MiB, with ")
    print(f"backward {memory_both / 2**20:.0f}, that at 50 iterations {memory_50 / 2**20:.0f}; ")
    print(f"matrix products run at {rate / 1e6:.0f} GFLOP/s\n")
    print("| | ms | × forward | mean of abs(H − P F) |\n| --- | --- | --- | --- |")
    for name, milliseconds in times.items():
        F = contestants[name]()
        fits = getattr(F, "shape", None) == (batch, d, D)
        error = f"{np.abs(H - P @ np.asarray(F)).mean():.5f}" if fits else ""
        ratio = milliseconds / times["this library, forward"]
        print(f"| {name} | {milliseconds:.1f} | {ratio:.2f} | {error} |")
    ratio = floor / times["this library, forward"]
    print(f"| floor of IRLS: its Gram products at that rate | {floor:.1f} | {ratio:.2f} | |")
    if options["implementation"] == "pallas":
        check(forward(), contestants["XLA, forward"](), "F")
        for name, a, b in zip("PH", both(), contestants["XLA, forward + backward"](), strict=True):
            check(a, b, f"d{name}")
    return times["this library, forward"]


def check(kernel: jax.Array, xla: jax.Array, name: str) -> None:
    """Prints how far the kernel is from XLA."""
    difference = float(jnp.max(jnp.abs(kernel - xla)) / jnp.max(jnp.abs(xla)))
    print(f"\n{name}: largest difference from XLA, relative to the largest entry: {difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 1536, 2560])
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--peer", choices=["torch", "exact"])
    parser.add_argument("--implementation", choices=["xla", "pallas"])
    parser.add_argument("--features", help="an .npz with P and H, in place of made ones")
    arguments = parser.parse_args()
    print(
        f"jax {jax.__version__}, {jax.devices()[0].device_kind}, "
        f"{len(os.sched_getaffinity(0))} CPU cores"
    )
    options = {"iterations": arguments.iterations, "implementation": arguments.implementation}
    if arguments.features:
        with np.load(arguments.features) as saved:
            problems = [(saved["P"], saved["H"])]
    else:
        problems = [problem(rows) for rows in arguments.rows]
    for P, H in problems:
        milliseconds = speed(P, H, arguments.rounds, arguments.peer, options)
        if arguments.peer == "exact":
            exact(P, H, milliseconds / (len(H) * H.shape[-1]))


if __name__ == "__main__":
    main()
