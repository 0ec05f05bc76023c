"""Every solver's objective against linear programming and a general convex optimiser."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import IRLS, InexactIRLS, PrimalDual, pnorm_regression, predict, solve_pnorm
from tests.regression import oracles

SIZES = ((5, 2), (9, 8), (128, 20), (512, 20), (600, 32))


def excess(problem, F, best, p=1.0, rowwise=False):
    """How much larger the objective of F is than the best, beyond float32's roundoff of H."""
    P, H, v = problem
    roundoff = 3e-7 * oracles.objective(P, H, v, np.zeros_like(F), p, rowwise)
    over = np.maximum(oracles.objective(P, H, v, F, p, rowwise) - best - roundoff, 0)
    return np.max(over / np.maximum(best, 1e-30))


def padded(problems, n, d):
    """Stacks problems of several sizes: rows of weight 0 and columns of zeros are added."""
    arrays = [], [], []
    for P, H, v in problems:
        more = n - len(P)
        arrays[0].append(np.pad(P, ((0, more), (0, d - P.shape[1]))))
        arrays[1].append(np.pad(H, ((0, more), (0, 0))))
        arrays[2].append(np.pad(v, (0, more)))
    return tuple(np.stack(x).astype(np.float32) for x in arrays)


@pytest.fixture(scope="module")
def lad():
    """Problems of all families and sizes in one batch: names, P, H, v, least objectives."""
    named = {(n, d, k): x for n, d in SIZES for k, x in oracles.families(n, d, 2).items()}
    P, H, v = padded(named.values(), 600, 32)
    best = [
        np.array([oracles.lad_objective(np.float64(P_), h, v_) for h in np.float64(H_).T])
        for P_, H_, v_ in zip(P, H, np.float64(v), strict=True)
    ]
    return list(named), P, H, v, best


@pytest.mark.parametrize("solver", [PrimalDual(), IRLS(5), IRLS(50), InexactIRLS(5)])
def test_lad_against_linear_programming(lad, solver):
    names, P, H, v, bests = lad
    solution = solve_pnorm(P, H, weights=v, solver=solver)
    for k, (name, best) in enumerate(zip(names, bests, strict=True)):
        problem = tuple(np.float64(x[k]) for x in (P, H, v))
        F = np.float64(solution.F[k])
        gap = excess(problem, F, best)
        if isinstance(solver, IRLS):
            bound = {5: 2e-2, 50: 1e-4}[solver.iterations]
            if gap > bound:  # Then the formula itself is so far.
                eps = 1e-6 * np.median(np.abs(problem[1][problem[2] > 0]))
                literal = oracles.irls(*problem, 1, solver.iterations, eps)[0]
                bound = 1.1 * excess(problem, literal, best)
        elif isinstance(solver, PrimalDual):
            bound = 1e-5
            assert solution.converged[k].all(), name
        elif name[0] > 4 * name[1]:
            bound = 2e-2
        else:  # There it is far from the best, but no farther than where it began.
            v_ = problem[2][:, None] * np.ones(2)
            bound = excess(problem, oracles.weighted_solve(*problem[:2], v_), best) + 1e-4
        assert gap < bound, (name, gap, bound)
        mine = oracles.objective(*problem, F)
        scale = oracles.objective(*problem, np.zeros((32, 2)))
        assert np.all(mine >= best - 1e-6 * scale), "no fit is better than the best"
        np.testing.assert_allclose(solution.objective[k], mine, rtol=1e-3, atol=3e-7 * scale.max())


@pytest.mark.parametrize("rowwise", [False, True])
def test_every_norm_against_convex_optimisation(rowwise):
    kept = {(n, k): x for n, d in ((40, 4), (128, 20)) for k, x in oracles.families(n, d, 2).items()
            if k not in ("exact fit", "all rows masked")}  # fmt: skip
    P, H, v = padded(kept.values(), 128, 20)

    @jax.jit
    def solve(p):
        return solve_pnorm(P, H, weights=v, p=p, rowwise=rowwise)

    @jax.jit
    def many(p):
        return pnorm_regression(P, H, weights=v, p=p, rowwise=rowwise, solver=IRLS(50))

    for p in (1.0, 1.25, 1.75):
        solution, F_many = solve(p), many(p)
        assert solution.converged.shape == ((len(P),) if rowwise else (len(P), 2))
        assert solution.converged.all()
        for k, name in enumerate(kept):
            problem = tuple(np.float64(x[k]) for x in (P, H, v))
            best = oracles.pnorm_objective(*problem, p, rowwise)
            for F, bound in ((solution.F[k], 1e-5), (F_many[k], 2e-3)):
                mine = oracles.objective(*problem, np.float64(F), p, rowwise).sum()
                assert mine < (1 + bound) * best, (name, p, mine / best - 1)
                assert mine > (1 - 1e-5) * best, (name, p, mine / best - 1)


def test_float64_to_many_digits(x64):
    P, H = oracles.outlier_problem()
    best = np.array([oracles.lad_objective(P, h) for h in H.T])
    solution = solve_pnorm(P, H, solver=PrimalDual(tolerance=1e-9, eps=1e-10))
    assert solution.converged.all() and 5 < solution.iterations < 40
    np.testing.assert_allclose(solution.objective, best, rtol=1e-9)


def test_the_parts_of_a_solution(x64):
    P, H = oracles.outlier_problem()
    v = np.where(np.arange(96) % 4 > 0, 2.0, 0.0)
    for rowwise in (False, True):
        for solver in (IRLS(4), InexactIRLS(4)) if rowwise else (IRLS(4), PrimalDual()):
            solution = solve_pnorm(P, H, p=1.5, weights=v, rowwise=rowwise, solver=solver)
            R = oracles.lengths(H - P @ solution.F, rowwise)
            assert solution.F.shape == (6, 3)
            assert solution.weights.shape == R.shape
            value = (v[:, None] * R**1.5).sum() if rowwise else v @ R**1.5
            np.testing.assert_allclose(solution.objective, value, rtol=1e-12)
            assert solution.converged.shape == value.shape
            assert solution.converged.all() == isinstance(solver, PrimalDual)
            if not isinstance(solver, PrimalDual):
                assert solution.iterations == 4
            # F is the weighted least squares solution with the weights that come with it.
            W = np.asarray(solution.weights) * np.ones_like(H)
            kept = v > 0
            expected = oracles.weighted_solve(P[kept], H[kept], W[kept])
            np.testing.assert_allclose(solution.F, expected, rtol=1e-8)
            assert not W[~kept].any()
    long = solve_pnorm(P, H, p=1.5, weights=v, solver=IRLS(200))
    R = np.abs(H - P @ long.F)
    np.testing.assert_allclose(long.weights[v > 0], 2 * R[v > 0] ** -0.5, rtol=1e-6)


def test_a_hurried_loop_has_not_converged():
    P, H = (np.float32(x) for x in oracles.outlier_problem())
    hurried = solve_pnorm(P, H, solver=PrimalDual(max_iterations=4))
    assert hurried.iterations == 4 and not hurried.converged.any()


def test_the_schedule_of_inexact_irls_ends_at_eps(x64):
    P, H = oracles.outlier_problem()
    # Both are below what the schedule would come to by itself, 0.3 / 2⁴.
    fits = [pnorm_regression(P, H, solver=InexactIRLS(5, eps=eps)) for eps in (1e-6, 1e-2)]
    assert np.abs(fits[0] - fits[1]).max() > 1e-3
    # With steps enough to solve, and no schedule, it is IRLS.
    exact = InexactIRLS(4, eps=1e-3, widest=1e-3, cg_steps=30)
    expected = pnorm_regression(P, H, solver=IRLS(4, eps=1e-3))
    np.testing.assert_allclose(pnorm_regression(P, H, solver=exact), expected, rtol=1e-6)


@pytest.mark.parametrize("solver", [IRLS(3), InexactIRLS(3), PrimalDual(max_iterations=3)])
def test_a_start_is_continued_from(x64, solver):
    P, H = oracles.outlier_problem()
    best = solve_pnorm(P, H)
    cold = solve_pnorm(P, H, solver=solver)
    warm = solve_pnorm(P, H, solver=solver, start=best.F)
    assert np.all(warm.objective < cold.objective)
    if isinstance(solver, IRLS):
        np.testing.assert_allclose(warm.objective, best.objective, rtol=1e-4)
        one = pnorm_regression(P, H, solver=IRLS(1))
        chained = pnorm_regression(P, H, solver=IRLS(2), start=one)
        np.testing.assert_allclose(chained, cold.F, rtol=1e-8)


def test_a_norm_of_rows_resists_wrong_rows_better():
    rng = np.random.default_rng(0)
    P, F = rng.standard_normal((200, 4)), rng.standard_normal((4, 16))
    H = P @ F + 0.1 * rng.standard_normal((200, 16))
    H[:70] += 3
    P, H = np.float32(P), np.float32(H)
    entries, rows = (solve_pnorm(P, H, rowwise=rowwise) for rowwise in (False, True))
    assert np.abs(rows.F - F).mean() < 0.9 * np.abs(entries.F - F).mean()
    assert set(np.argsort(rows.weights[:, 0])[:70]) == set(range(70))


def test_predict_is_the_product():
    P, F = np.ones((2, 3, 4), np.float32), np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_array_equal(predict(P, F), P @ F)
    assert jax.eval_shape(predict, jnp.ones((5, 1, 3, 4)), F).shape == (5, 1, 3, 2)
