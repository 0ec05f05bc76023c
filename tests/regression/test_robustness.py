"""Degenerate problems, far outliers, values that are not finite, extreme units."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import (
    IRLS,
    InexactIRLS,
    PrimalDual,
    least_squares,
    pnorm_regression,
    solve_pnorm,
)
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
    spike = np.where(np.arange(ROWS)[:, None] == 3, 1e8, H)
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
        "the largest weights": (P, H, 3e38 * ones),
        "large against small": (1e15 * P, 1e-15 * H, ones),
        "a very far outlier": (P, spike, ones),
    }


@pytest.mark.parametrize(
    ("solver", "gradient", "rowwise"),
    [
        (IRLS(10), "last_step", False),
        (IRLS(10), "implicit", True),
        (IRLS(10), "unrolled", False),
        (InexactIRLS(), "last_step", True),
        (PrimalDual(), "last_step", True),
        (PrimalDual(), "implicit", False),
    ],
)
def test_finite_in_finite_out(solver, gradient, rowwise):
    problems = degenerate_problems()
    P, H, v = (np.float32(np.stack(x)) for x in zip(*problems.values(), strict=True))

    @jax.jit
    def value_and_gradients(P, H, v, p):
        def fit(P, H, v):
            options = {"p": p, "solver": solver, "gradient": gradient, "rowwise": rowwise}
            return pnorm_regression(P, H, weights=v, **options)

        F, pullback = jax.vjp(fit, P, H, v)
        return F, *pullback(jnp.ones_like(F))

    for p in (1.0, 1.5, 2.0):
        results = value_and_gradients(P, H, v, p)
        for name, result in zip(("F", "dP", "dH", "dv"), results, strict=True):
            finite = np.isfinite(result).reshape(len(problems), -1).all(axis=1)
            assert finite.all(), (name, p, [k for k, ok in zip(problems, finite) if not ok])  # noqa: B905
        fits = dict(zip(problems, P @ np.asarray(results[0]), strict=True))
        for name in ("exact fit", "exact fit, duplicate columns", "zero responses"):
            chex.assert_trees_all_close(fits[name], np.float32(problems[name][1]), atol=1e-5)
        chex.assert_trees_all_close(fits["the largest weights"], fits["large weights"], atol=1e-2)


def test_columns_lost_to_nan_do_not_keep_the_others_waiting():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=60))
    wanted = solve_pnorm(P, H)
    H[3, 1] = np.nan
    found = solve_pnorm(P, H, check=False)
    assert found.iterations <= wanted.iterations < 50
    assert found.converged.tolist() == [i != 1 for i in range(H.shape[1])]


@pytest.mark.parametrize("rowwise", [False, True])
def test_far_outliers_do_not_move_the_minimiser(rowwise):
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 300)
    P = np.stack([np.ones(300), x], axis=1)
    clean = (1 + 2 * x)[:, None] + 0.1 * rng.standard_normal((300, 3))
    far = (rng.random(300) < 0.05)[:, None] * [1.0, 0.3, -2.0]
    # Nothing but the directions of the outliers' residuals counts.
    H = clean + 1e4 * far
    best = oracles.irls(P, H, np.ones(300), 1, 300, 1e-9, rowwise)[0]
    if not rowwise:
        lad = [oracles.lad_objective(P, h) for h in H.T]
        np.testing.assert_allclose(oracles.objective(P, H, np.ones(300), best), lad, rtol=1e-9)
    for size in (1e4, 1e5, 1e6, 1e8, 1e10, 1e12):
        H = clean + size * far
        solution = solve_pnorm(np.float32(P), np.float32(H), rowwise=rowwise)
        if size <= 1e5:
            assert solution.converged.all(), size
        if solution.converged.all():
            chex.assert_trees_all_close(solution.F, np.float32(best), rtol=0, atol=1e-3)
        with jax.enable_x64(True):
            solution = solve_pnorm(P, H, rowwise=rowwise)
            if size <= 1e10:
                assert solution.converged.all(), size
            if solution.converged.all():
                chex.assert_trees_all_close(solution.F, best, rtol=0, atol=1e-4)


def test_a_few_iterations_are_no_worse_than_the_formula_with_far_outliers():
    P, H = oracles.outlier_problem(n=128, d=5, outliers=0)
    far = np.random.default_rng(0).random(H.shape) < 0.05
    for size in (1e2, 1e4, 1e5):
        H_ = H + size * far
        best = np.array([oracles.lad_objective(P, h) for h in H_.T])
        for T in (5, 20):
            F = pnorm_regression(np.float32(P), np.float32(H_), solver=IRLS(T))
            eps = 1e-6 * np.median(np.abs(H_))
            literal, _ = oracles.irls(P, H_, np.ones(128), 1, T, eps)
            ours, formula = (
                oracles.objective(P, H_, np.ones(128), F_) - best for F_ in (np.float64(F), literal)
            )
            assert np.all(ours < 1.05 * formula + 1e-5 * best)


def test_fewer_rows_than_columns_fit_exactly():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=3, d=5))
    np.testing.assert_allclose(P @ pnorm_regression(P, H), H, atol=1e-4)


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


def test_without_check_bad_values_give_nan():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30))
    H[4, 1] = np.inf
    for F in (
        least_squares(P, H, check=False),
        pnorm_regression(P, H, check=False),
        solve_pnorm(P, H, check=False).F,
    ):
        np.testing.assert_array_equal(np.isnan(F).all(0), [False, True, False])
    with pytest.raises(ValueError, match="same n"):  # shapes are looked at always
        least_squares(P[1:], H, check=False)


def test_scales_at_the_ends_of_float32():
    # The derivative, of the order of H / P², is 1e30 here; where it fits, it is finite and right.
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=40, d=4))

    def slopes(P_scale, H_scale):
        def loss(P, H):
            return jnp.sum(pnorm_regression(P, H, p=1.5)) * np.float32(P_scale / H_scale)

        dP, dH = jax.grad(loss, (0, 1))(P * np.float32(P_scale), H * np.float32(H_scale))
        return dP * np.float32(P_scale), dH * np.float32(H_scale)

    for scales in ((1e-10, 1e10), (1e10, 1e-10), (1e-15, 1.0), (1e15, 1e15)):
        for actual, expected in zip(slopes(*scales), slopes(1, 1), strict=True):
            np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())
