"""Values against linear programming, general optimisers and numpy, none of them this code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import least_squares, pnorm_regression, predict, solve_pnorm
from tests.regression import oracles


@pytest.mark.parametrize(("iterations", "bound"), [(5, 2e-2), (50, 1e-4)])
@pytest.mark.parametrize("outliers", [0.0, 0.1, 0.3])
def test_objective_of_lad_is_near_that_of_linear_programming(iterations, bound, outliers):
    P, H = oracles.outlier_problem(outliers=outliers)
    F = pnorm_regression(np.float32(P), np.float32(H), iterations=iterations)
    best = np.array([oracles.lad_objective(P, h) for h in H.T])
    gap = np.abs(H - P @ np.asarray(F, np.float64)).sum(0) / best - 1
    assert np.all(gap < bound), gap
    assert np.all(gap > -1e-5), "no fit is better than the best"


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(("n", "d"), [(9, 8), (13, 8), (25, 20), (64, 20), (120, 20), (60, 3)])
def test_lad_of_any_noise_where_rows_hardly_outnumber_columns(n, d, double):
    rng = np.random.default_rng(n)
    P, noise = rng.standard_normal((n, d)), rng.standard_normal((n, 12))
    noise[:, 2:4] = rng.uniform(-1, 1, (n, 2))
    noise[:, 4:6] = rng.laplace(size=(n, 2))
    noise[:, 6:9] = rng.standard_t(2, (n, 3))
    noise[:, 9:12] = rng.standard_t(1, (n, 3))
    H = P @ rng.standard_normal((d, 12)) + noise
    best = np.array([oracles.lad_objective(P, h) for h in H.T])
    with jax.enable_x64(double):
        dtype = np.float64 if double else np.float32
        for iterations, bound in ((5, 2e-2), (50, 1e-4)):
            F = pnorm_regression(P.astype(dtype), H.astype(dtype), iterations=iterations)
            gap = np.abs(H - P @ np.asarray(F, np.float64)).sum(0) / best - 1
            assert np.all(gap < bound), gap


def test_row_weights_of_lad(x64):
    P, H = oracles.outlier_problem(n=60, d=4)
    v = np.random.default_rng(1).integers(0, 4, 60).astype(float)
    F = pnorm_regression(P, H, weights=v, iterations=50)
    best = np.array([oracles.lad_objective(P, h, v) for h in H.T])
    np.testing.assert_array_less((v @ np.abs(H - P @ F)) / best - 1, 1e-4)


@pytest.mark.parametrize("p", [1.05, 1.2, 1.5, 1.9])
def test_objective_between_the_norms_is_that_of_a_general_optimiser(x64, p):
    P, H = oracles.outlier_problem(n=60, d=4)
    F = pnorm_regression(P, H, p=p, iterations=15, eps=1e-7)
    best = [oracles.pnorm_objective(P, h, p) for h in H.T]
    np.testing.assert_allclose((np.abs(H - P @ F) ** p).sum(0), best, rtol=1e-6)


@pytest.mark.parametrize("condition", [1, 1e2, 1e4])
def test_least_squares_is_that_of_numpy(x64, condition):
    P, H = oracles.outlier_problem(condition=condition)
    expected = np.linalg.lstsq(P, H, rcond=None)[0]
    for F in (least_squares(P, H), pnorm_regression(P, H, p=2.0)):
        assert F.dtype == jnp.float64
        np.testing.assert_allclose(F, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def test_ridge_is_relative_to_each_column(x64):
    P, H = oracles.outlier_problem()
    v = np.random.default_rng(0).random(len(P))
    A = P.T @ (v[:, None] * P)
    expected = np.linalg.solve(A + 0.1 * np.diag(np.diag(A)), P.T @ (v[:, None] * H))
    np.testing.assert_allclose(least_squares(P, H, weights=v, ridge=0.1), expected, rtol=1e-10)
    F = pnorm_regression(P, H, weights=v, ridge=0.1, p=1.999999, iterations=9)
    np.testing.assert_allclose(F, expected, rtol=1e-4)


def test_of_many_minimisers_the_shortest(x64):
    P, H = oracles.outlier_problem()
    P[:, 3] = P[:, 1]
    P /= np.abs(P).max(0)
    np.testing.assert_allclose(least_squares(P, H), np.linalg.pinv(P) @ H, atol=1e-10)


@pytest.mark.parametrize("condition", [1e2, 1e4])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_float32_against_float64(condition, p):
    P, _ = oracles.outlier_problem(condition=condition)
    F = np.random.default_rng(0).standard_normal((P.shape[1], 3))
    P, noise = (
        np.float32(P),
        1e-3 / condition * np.random.default_rng(1).standard_normal((len(P), 3)),
    )
    H = np.float32(P @ F + noise)
    with jax.enable_x64(True):
        double = np.asarray(pnorm_regression(np.float64(P), np.float64(H), p=p, iterations=12))
    single = np.asarray(pnorm_regression(P, H, p=p, iterations=12))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=0, atol=2e-6 * condition * np.abs(double).max())
    np.testing.assert_allclose(P @ single, P @ double, rtol=0, atol=1e-5 * np.abs(H).max())


@pytest.mark.parametrize("P_scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("H_scale", [1e-4, 1e4])
def test_units_do_not_matter(P_scale, H_scale):
    P, H = (np.float32(x) for x in oracles.outlier_problem())
    options = {"ridge": 0.01, "eps": 1e-3, "iterations": 6}
    F = pnorm_regression(P, H, **options) * (H_scale / P_scale)
    scaled = pnorm_regression(P * np.float32(P_scale), H * np.float32(H_scale), **options)
    np.testing.assert_allclose(scaled, F, rtol=0, atol=1e-4 * np.abs(F).max())


def test_bfloat16_is_solved_in_float32():
    P, H = (jnp.bfloat16(x) for x in oracles.outlier_problem())
    F = pnorm_regression(P, H)
    assert F.dtype == jnp.float32
    np.testing.assert_array_equal(F, pnorm_regression(jnp.float32(P), jnp.float32(H)))


def test_batches_vmap_and_broadcasting():
    P, H = (np.float32(x) for x in oracles.outlier_problem(batch=(2, 3), n=40, d=5))
    v = np.float32(np.random.default_rng(0).random((3, 40)) < 0.7)
    F = pnorm_regression(P, H, weights=v)
    assert F.shape == (2, 3, 5, 3)
    one = [[pnorm_regression(P[i, j], H[i, j], weights=v[j]) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(F, np.array(one), rtol=2e-3, atol=2e-4)
    mapped = jax.vmap(lambda P, H: pnorm_regression(P, H, weights=v))(P, H)
    np.testing.assert_allclose(mapped, F, rtol=2e-3, atol=2e-4)


def test_solution_object(x64):
    P, H = oracles.outlier_problem()
    solution = solve_pnorm(P, H, tolerance=1e-4)
    best = np.array([oracles.lad_objective(P, h) for h in H.T])
    assert solution.converged.all() and 5 < solution.iterations < 25
    np.testing.assert_allclose(solution.objective, best, rtol=1e-4)
    np.testing.assert_allclose(solution.objective, np.abs(H - P @ solution.F).sum(0), rtol=1e-12)
    hurried = solve_pnorm(P, H, max_iterations=4)
    assert hurried.iterations == 4 and not hurried.converged.any()
    F = pnorm_regression(P, H, iterations=int(solution.iterations))
    np.testing.assert_allclose(solution.F, F, rtol=1e-9)


def test_predict_is_the_product():
    P, F = np.ones((2, 3, 4), np.float32), np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_array_equal(predict(P, F), P @ F)
