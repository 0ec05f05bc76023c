"""Robust fits inside a network that is trained through them: least absolute deviations or squares.

    python docs/regression_example.py    # a minute on 2 CPU cores; writes docs/regression.png

A task is a curve, a sum of two sines, seen at 60 noisy points of which 20% are grossly wrong. A
small network maps a time to 12 features; the curve is then a *linear* fit of the points by those
features, and the network is trained so that the fit predicts the true curve elsewhere. The
derivative passes through the fit: `least_squares` or `pnorm_regression`, the only difference
between the models. Needs jax, optax and, for the plot, matplotlib.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pnr_jax.regression import least_squares, pnorm_regression, predict

TASKS, POINTS, FEATURES, HIDDEN, STEPS = 32, 60, 12, 64, 2000
RIDGE = 1e-3  # keeps the fit from amplifying what the features hardly contain
Fit = Callable[[jax.Array, jax.Array], jax.Array]


def tasks(key: jax.Array, count: int) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Times and values seen, 20% of them wrong, and times and values of the truth: [count, 60]."""
    keys = jax.random.split(key, 6)
    frequency = jax.random.uniform(keys[0], (count, 2, 1), minval=1.0, maxval=7.0)
    phase = jax.random.uniform(keys[1], (count, 2, 1), maxval=2 * jnp.pi)

    def truth(t: jax.Array) -> jax.Array:
        return jnp.sin(frequency * t[:, None, :] + phase).sum(1)

    seen = jax.random.uniform(keys[2], (count, POINTS), minval=-1.0)
    noise = 0.05 * jax.random.normal(keys[3], seen.shape)
    wrong = jax.random.bernoulli(keys[4], 0.2, seen.shape)
    values = truth(seen) + noise + wrong * 10 * jax.random.uniform(keys[5], seen.shape)
    asked = jnp.broadcast_to(jnp.linspace(-1, 1, POINTS), seen.shape)
    return seen, values, asked, truth(asked)


def features(parameters: Any, t: jax.Array) -> jax.Array:
    """Two layers: times [..., n] to regressors P [..., n, 12]."""
    first, shift, second = parameters
    return jnp.sin(t[..., None] * first + shift) @ second


def prediction(parameters: Any, fit: Fit, seen: jax.Array, values: jax.Array, asked: jax.Array):
    """The curve at the times asked, from the points seen: F = fit(P, H), then P F."""
    F = fit(features(parameters, seen), values[..., None])
    return predict(features(parameters, asked), F)[..., 0]


def error(parameters: Any, fit: Fit, key: jax.Array, count: int) -> jax.Array:
    """Mean squared error against the true curves of new tasks."""
    seen, values, asked, truth = tasks(key, count)
    return jnp.mean((prediction(parameters, fit, seen, values, asked) - truth) ** 2)


def trained(fit: Fit, seed: int = 0) -> Any:
    """Parameters after training through the fit."""
    keys = jax.random.split(jax.random.key(seed), 3)
    parameters = (
        6 * jax.random.normal(keys[0], (HIDDEN,)),
        jax.random.uniform(keys[1], (HIDDEN,), maxval=2 * jnp.pi),
        jax.random.normal(keys[2], (HIDDEN, FEATURES)) / HIDDEN**0.5,
    )
    optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))

    @jax.jit
    def step(parameters: Any, state: Any, key: jax.Array) -> tuple[Any, Any]:
        gradient = jax.grad(error)(parameters, fit, key, TASKS)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(parameters, updates), state

    state = optimiser.init(parameters)
    for key in jax.random.split(jax.random.key(seed + 1), STEPS):
        parameters, state = step(parameters, state, key)
    return parameters


def main() -> None:
    """Trains one model through each fit, prints their errors, draws three tasks."""
    fits: dict[str, Fit] = {
        "least squares": functools.partial(least_squares, ridge=RIDGE),
        "least absolute deviations": functools.partial(pnorm_regression, ridge=RIDGE),
        "the same, unrolled": functools.partial(pnorm_regression, ridge=RIDGE, gradient="unrolled"),
    }
    models, key = {name: trained(fit) for name, fit in fits.items()}, jax.random.key(99)
    print("| trained and fitted by | error |\n| --- | --- |")
    for name, fit in fits.items():
        print(f"| {name} | {error(models[name], fit, key, 1000):.3f} |")
    plot(fits, models, key)


def plot(fits: dict[str, Fit], models: dict[str, Any], key: jax.Array) -> None:
    """Draws three tasks."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seen, values, asked, truth = tasks(key, 3)
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3), sharey=True)
    for i, axis in enumerate(axes):
        axis.plot(seen[i], values[i], ".", color="0.6", markersize=4, label="seen")
        axis.plot(asked[i], truth[i], color="0.2", linewidth=1, label="truth")
        for name, colour in (
            ("least squares", "tab:red"),
            ("least absolute deviations", "tab:blue"),
        ):
            curve = prediction(models[name], fits[name], seen, values, asked)[i]
            axis.plot(asked[i], np.asarray(curve), color=colour, label=name)
        axis.set_ylim(-4, 9)
        axis.set_xlabel("time")
    axes[0].legend(fontsize=7, loc="upper left")
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("regression.png"), dpi=90)


if __name__ == "__main__":
    main()
