"""Times p-norm regression: every solver, forward and backward, beside PyTorch.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python -m benchmarks.regression   # minutes on a CPU
    python -m benchmarks.regression --implementation=pallas                 # on a GPU
    python -m benchmarks.regression --features=features.npz --rounds=1      # accuracy on real ones

Every time is the median of one run in which all contestants take turns, so that noise on the
machine affects all of them. The excess is that of the objective over the exact optimum by linear
programming (HiGHS), for 24 columns: mean, largest. Needs scipy, and PyTorch except with
``--peer=none``. The features are P and H of a trained model, [8, n, d] and [8, n, D], saved by
``np.savez("features.npz", P=P, H=H)``.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.regression_peers import Contestant, exact_objectives, torch_contestants, user_first
from pnr_jax.regression import (
    IRLS,
    InexactIRLS,
    PrimalDual,
    least_squares,
    pnorm_regression,
)

BATCH, POSE, APPEARANCE = 8, 20, 256
REFERENCE = "IRLS in PyTorch"

Fit = Callable[[jax.Array, jax.Array], jax.Array]


def problem(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns features with 2% noise, 10% gross outliers: P [8, rows, 20], H [8, rows, 256]."""
    rng = np.random.default_rng(seed)
    P = rng.standard_normal((BATCH, rows, POSE))
    H = P @ rng.standard_normal((BATCH, POSE, APPEARANCE))
    H += 0.1 * rng.standard_normal(H.shape)
    H += (rng.random(H.shape) < 0.1) * 30 * rng.standard_normal(H.shape)
    return P.astype(np.float32), H.astype(np.float32)


def library(iterations: int, implementation: str) -> dict[str, Fit]:
    """Returns our fits, by their names in the table."""

    def by(**options: Any) -> Fit:
        return lambda P, H: pnorm_regression(P, H, check=False, **options)

    irls, inexact = IRLS(iterations), InexactIRLS(iterations)
    fits = {
        "`least_squares`": lambda P, H: least_squares(P, H, check=False),
        f"`{irls}`": by(solver=irls),
        f"`{irls}`, rowwise": by(solver=irls, rowwise=True),
        f"`InexactIRLS({iterations})`": by(solver=inexact),
        "`PrimalDual()`": by(solver=PrimalDual()),
    }
    if implementation == "pallas":
        for solver in (irls, inexact):
            fits[f"Pallas, `{type(solver).__name__}`"] = by(solver=solver, implementation="pallas")
    return fits


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Contestant, float, int]:
    """Returns the compiled function, its compile time in s and temporary memory in bytes."""
    lowered = jax.jit(function).lower(*arguments)
    start = time.perf_counter()
    program = lowered.compile()
    seconds = time.perf_counter() - start
    return lambda: program(*arguments), seconds, program.memory_analysis().temp_size_in_bytes


def medians(contestants: dict[str, Contestant], rounds: int) -> dict[str, float]:
    """Measures the median milliseconds of each contestant, all taking turns."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, contestant in contestants.items():
            start = time.perf_counter()
            jax.block_until_ready(contestant())
            if turn >= 1:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(t)) for name, t in times.items()}


def table(P: np.ndarray, H: np.ndarray, rounds: int, iterations: int, arguments: Any) -> None:
    """Prints the table for one problem."""
    G = np.ones((len(P), P.shape[-1], H.shape[-1]), np.float32)
    forward: dict[str, Contestant] = {}
    both: dict[str, Contestant] = {}
    compile_seconds, memory = {}, {}
    for name, fit in library(iterations, arguments.implementation).items():

        def gradients(P: Any, H: Any, fit: Fit = fit) -> Any:
            return jax.value_and_grad(lambda P, H: jnp.sum(G * fit(P, H)), (0, 1))(P, H)

        forward[name] = compiled(fit, P, H)[0]
        both[name], compile_seconds[name], memory[name] = compiled(gradients, P, H)
    naive = "IRLS by `vmap(solve)`, what one writes first"
    forward[naive] = compiled(lambda P, H: user_first(P, H, iterations), P, H)[0]
    if arguments.peer == "torch":
        forward[REFERENCE], both[REFERENCE] = torch_contestants(P, H, G, iterations)
    turns = {("forward", name): f for name, f in forward.items()}
    turns |= {("both", name): f for name, f in both.items()}
    times = medians(turns, rounds)  # type: ignore[arg-type]
    best = exact_objectives(P, H)
    print(f"\n{len(P)} problems, n = {P.shape[1]}, d = {P.shape[2]}, D = {H.shape[2]}\n")
    print(
        "| | forward, ms | forward + backward, ms | times forward | PyTorch's IRLS / this, ", end=""
    )
    print("forward, both | compile, s | memory, MiB | excess |\n|" + " --- |" * 8)
    for name in forward:
        one, two = times["forward", name], times.get(("both", name))  # type: ignore[index, call-overload]
        ratios = [
            f"{times[kind, REFERENCE] / x:.2f}"  # type: ignore[index]
            for kind, x in (("forward", one), ("both", two))
            if x and ("forward", REFERENCE) in turns
        ]
        excess = np.abs(
            H[0, :, : len(best)] - P[0] @ np.asarray(forward[name]())[0, :, : len(best)]
        )
        excess = excess.sum(0) / best - 1
        cells = [
            f"{one:.1f}",
            f"{two:.1f}" if two else "",
            f"{two / one:.2f}" if two else "",
            ", ".join(ratios),
            f"{compile_seconds[name]:.1f}" if name in compile_seconds else "",
            f"{memory[name] / 2**20:.0f}" if name in memory else "",
            f"{excess.mean():.1e}, {excess.max():.1e}",
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    for solver in ("IRLS", "InexactIRLS") if arguments.implementation == "pallas" else ():
        pair = [both[name] for name in both if name.lstrip("`").startswith(f"{solver}(")][:1]
        pair.append(both[f"Pallas, `{solver}`"])
        for name, a, b in zip(
            ("loss", "dP", "dH"), *(jax.tree.leaves(f()) for f in pair), strict=True
        ):
            difference = float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(a)))
            print(f"{solver}, {name}: the kernel is {difference:.1e} of the largest entry from XLA")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 1536, 2560])
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peer", choices=["torch", "none"], default="torch")
    parser.add_argument("--implementation", choices=["xla", "pallas"], default="xla")
    parser.add_argument("--features", help="an .npz with P and H, in place of made ones")
    arguments = parser.parse_args()
    print(
        f"jax {jax.__version__}, {jax.devices()[0].device_kind}, "
        f"{len(os.sched_getaffinity(0))} CPU cores"
    )
    if arguments.features:
        with np.load(arguments.features) as saved:
            problems = [(saved["P"], saved["H"])]
    else:
        problems = [problem(rows) for rows in arguments.rows]
    for P, H in problems:
        table(P, H, arguments.rounds, arguments.iterations, arguments)


if __name__ == "__main__":
    main()
