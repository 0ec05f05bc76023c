"""Degenerate problems, rows that must not count, values that are not finite, wrong arguments."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import least_squares, pnorm_regression, predict, solve_pnorm
from tests.regression import oracles

ROWS, POSE, APPEARANCE = 12, 5, 3


def degenerate_problems():
    """Finite problems that break normal equations, powers of 0 and divisions: P, H, weights."""
    rng = np.random.default_rng(0)
    P, H = rng.standard_normal((ROWS, POSE)), rng.standard_normal((ROWS, APPEARANCE))
    F, ones = rng.standard_normal((POSE, APPEARANCE)), np.ones(ROWS)
    twice, dependent, gap = P.copy(), P.copy(), P.copy()
    twice[:, 3] = P[:, 1]
    dependent[:, 3] = P[:, 1] + P[:, 2]
    gap[:, 2] = 0
    few = np.where(np.arange(ROWS) < POSE - 2, 1.0, 0.0)
    spike = np.where(np.arange(ROWS)[:, None] == 3, 1e25, H)
    return {
        "zero design": (0 * P, H, ones),
        "zero responses": (P, 0 * H, ones),
        "all zero": (0 * P, 0 * H, ones),
        "constant design": (np.ones_like(P), H, ones),
        "duplicate columns": (twice, H, ones),
        "dependent columns": (dependent, H, ones),
        "a column of zeros": (gap, H, ones),
        "fewer rows than columns": (P, H, few),
        "one row": (P, H, np.eye(ROWS)[0]),
        "exact fit": (P, P @ F, ones),
        "exact fit, duplicate columns": (twice, twice @ F, ones),
        "all rows masked": (P, H, 0 * ones),
        "graded columns": (P * 10.0 ** np.linspace(-8, 8, POSE), H, ones),
        "graded weights": (P, H, 10.0 ** np.linspace(-12, 6, ROWS)),
        "large weights": (P, H, 1e37 * ones),
        "large against small": (1e15 * P, 1e-15 * H, ones),
        "an infinite outlier, nearly": (P, spike, ones),
    }


@pytest.mark.parametrize("gradient", ["last_step", "implicit", "unrolled"])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_finite_in_finite_out(p, gradient):
    problems = degenerate_problems()
    P, H, v = (np.float32(np.stack(x)) for x in zip(*problems.values(), strict=True))

    @jax.jit
    def value_and_gradients(P, H, v):
        def fit(P, H, v):
            options = {"p": p, "iterations": 10, "gradient": gradient}
            return pnorm_regression(P, H, weights=v, **options)

        F, pullback = jax.vjp(fit, P, H, v)
        return F, *pullback(jnp.ones_like(F))

    for name, result in zip(("F", "dP", "dH", "dv"), value_and_gradients(P, H, v), strict=True):
        finite = np.isfinite(result).reshape(len(problems), -1).all(axis=1)
        assert finite.all(), (
            name,
            [key for key, ok in zip(problems, finite, strict=True) if not ok],
        )
        if name == "F":
            fits = dict(zip(problems, P @ np.asarray(result), strict=True))
    for name in ("exact fit", "exact fit, duplicate columns", "zero responses"):
        np.testing.assert_allclose(fits[name], problems[name][1], atol=1e-5)


def test_more_rows_than_the_mask_keeps_and_fewer():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=3, d=5))
    np.testing.assert_allclose(P @ pnorm_regression(P, H), H, atol=1e-4)


@pytest.mark.parametrize("gradient", ["last_step", "implicit", "unrolled"])
@pytest.mark.parametrize("trash", [np.inf, np.nan, 1e30])
def test_rows_of_weight_zero_leave_no_trace(gradient, trash):
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30))
    v = np.float32(np.arange(30) % 3 > 0)
    P_trash, H_trash = (np.where(v[:, None] == 0, np.float32(trash), x) for x in (P, H))

    def loss(P, H, v):
        return jnp.sum(jnp.sin(pnorm_regression(P, H, weights=v, gradient=gradient)))

    gradients = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))
    clean, trashed = gradients(P * v[:, None], H * v[:, None], v), gradients(P_trash, H_trash, v)
    jax.tree.map(np.testing.assert_array_equal, clean, trashed)
    for gradient_ in trashed[1]:
        assert np.all(np.asarray(gradient_)[v == 0] == 0)
    pnorm_regression(P_trash, H_trash, weights=v)  # nor do they make the check at the door fail


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["P", "H", "weights"])
def test_not_finite(name, value):
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30))
    arguments = {"P": P, "H": H, "weights": np.ones(30, np.float32)}
    arguments[name] = arguments[name].copy()
    arguments[name].flat[7] = value
    for solve in (least_squares, pnorm_regression, solve_pnorm):
        with pytest.raises(ValueError, match=name):
            solve(**arguments)
    for solve in (least_squares, pnorm_regression):
        F = np.asarray(jax.jit(solve)(**arguments))
        column = 7 % H.shape[1]
        assert np.isnan(F[:, column] if name == "H" else F).all()
        if name == "H":
            np.testing.assert_array_equal(np.isnan(F).all(0), np.arange(H.shape[1]) == column)


def test_negative_weights():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30))
    v = np.ones(30, np.float32)
    v[3] = -1
    with pytest.raises(ValueError, match="weights must be finite and at least 0"):
        pnorm_regression(P, H, weights=v)
    assert np.isnan(jax.jit(pnorm_regression)(P, H, weights=v)).all()


P, H = np.zeros((8, 3), np.float32), np.zeros((8, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pnorm_regression(P[:7], H), r"\(7, 3\) and H \(8, 2\)"),
        (lambda: least_squares(P[0], H), r"P \(3,\) and H \(8, 2\)"),
        (lambda: least_squares(P[:, :0], H), r"P \(8, 0\) and H \(8, 2\)"),
        (lambda: pnorm_regression(P, H, weights=np.ones(7)), r"weights \(7,\) and P \(8, 3\)"),
        (lambda: least_squares(P, H, weights=1.0), r"weights \(\) and P \(8, 3\)"),
        (
            lambda: solve_pnorm(np.stack([P, P]), np.stack([H, H, H])),
            r"leading axes of P \(2, 8, 3\), H \(3, 8, 2\) do not broadcast",
        ),
        (lambda: pnorm_regression(P, H, p=0.9), r"p must lie in \[1, 2\]; got p = 0.9"),
        (lambda: pnorm_regression(P, H, p=2.1), r"p must lie in \[1, 2\]; got p = 2.1"),
        (lambda: pnorm_regression(P, H, p=float("nan")), "p must lie"),
        (lambda: pnorm_regression(P, H, iterations=0), "iterations must be at least 1; got 0"),
        (lambda: pnorm_regression(P, H, eps=0.0), "eps must be positive and finite; got eps = 0.0"),
        (lambda: least_squares(P, H, ridge=-1.0), "ridge must be at least 0 and finite"),
        (lambda: pnorm_regression(P, H, gradient="none"), "gradient must be one of .* got 'none'"),
        (lambda: pnorm_regression(P, H, implementation="cuda"), "implementation must be one of"),
        (lambda: solve_pnorm(P, H, gradient="unrolled"), "gradient must be one of"),
        (lambda: solve_pnorm(P, H, max_iterations=0), "max_iterations must be at least 1"),
        (lambda: solve_pnorm(P, H, tolerance=-1.0), "tolerance at least 0"),
        (lambda: least_squares(P, H * 1j), r"H \(8, 2\) must be real; got complex"),
        (lambda: predict(P, H), r"P \(8, 3\) and F \(8, 2\)"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_imports_jax_alone():
    program = (
        "import sys, pnr_jax.regression;"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & "
        "{'flax', 'tensorflow', 'optax', 'chex', 'orbax', 'absl'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.split() == []


def test_without_throw_bad_values_give_nan():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30))
    H[4, 1] = np.inf
    for F in (
        least_squares(P, H, throw=False),
        pnorm_regression(P, H, throw=False),
        solve_pnorm(P, H, throw=False, max_iterations=9).F,
    ):
        np.testing.assert_array_equal(np.isnan(F).all(0), [False, True, False])
    with pytest.raises(ValueError, match="same n"):  # shapes are looked at always
        least_squares(P[1:], H, throw=False)


def test_scales_at_the_ends_of_float32():
    # The derivative, of the order of H / P², is 1e30 here; where it fits, it is finite and right.
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=40, d=4))

    def slopes(P_scale, H_scale):
        def loss(P, H):
            return jnp.sum(pnorm_regression(P, H)) * np.float32(P_scale / H_scale)

        dP, dH = jax.grad(loss, (0, 1))(P * np.float32(P_scale), H * np.float32(H_scale))
        return dP * np.float32(P_scale), dH * np.float32(H_scale)

    for scales in ((1e-10, 1e10), (1e10, 1e-10), (1e-15, 1.0), (1e15, 1e15)):
        for actual, expected in zip(slopes(*scales), slopes(1, 1), strict=True):
            np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("iterations", [4, 10])
@pytest.mark.parametrize("implementation", ["xla", "pallas"])
def test_a_sharded_batch_needs_no_communication(implementation, iterations):
    program = f"""
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from pnr_jax.regression import pnorm_regression
mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
sharding = NamedSharding(mesh, PartitionSpec("data"))
rng = np.random.default_rng(0)
P, H = (np.float32(rng.standard_normal((8, 64, k))) for k in (4, 6))
def both(P, H):
    def fit(P, H):
        options = {{"implementation": "{implementation}", "eps": 1e-2}}
        return pnorm_regression(P, H, iterations={iterations}, **options)
    F, pullback = jax.vjp(fit, P, H)
    return F, *pullback(F)
expected = jax.jit(both)(P, H)
P, H = jax.device_put(P, sharding), jax.device_put(H, sharding)
compiled = jax.jit(both).lower(P, H).compile()
text = compiled.as_text()
for name in ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter"):
    assert name not in text, name
for a, e in zip(compiled(P, H), expected):
    assert a.sharding.is_equivalent_to(sharding, a.ndim), a.sharding
    np.testing.assert_allclose(a, e, rtol=1e-3, atol=1e-3 * np.abs(e).max())
"""
    environment = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": ":".join(sys.path),
    }
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300, env=environment)
