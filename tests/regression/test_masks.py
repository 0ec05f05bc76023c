"""Rows of weight 0 leave no trace: any number of them, whatever they hold, for every solver."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import IRLS, InexactIRLS, PrimalDual, least_squares, solve_pnorm
from tests.regression import oracles


def padded(P, H, masked, trash):
    """P, H and v with rows of trash of weight 0 put at random places."""
    n = len(P)
    places = np.sort(np.random.default_rng(0).permutation(n + masked)[:n])
    P_, H_ = (np.full((n + masked, x.shape[1]), trash, x.dtype) for x in (P, H))
    v = np.zeros(n + masked, P.dtype)
    P_[places], H_[places], v[places] = P, H, 1
    return P_, H_, v


@pytest.mark.parametrize(
    ("solver", "rowwise"),
    [
        (IRLS(), False),
        (IRLS(), True),
        (InexactIRLS(), False),
        (InexactIRLS(), True),
        (PrimalDual(), False),
        (PrimalDual(), True),
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_any_number_of_masked_rows(solver, rowwise, dtype, tolerance):
    with jax.enable_x64(dtype == np.float64):
        fit = jax.jit(
            lambda P, H, v: P @ solve_pnorm(P, H, weights=v, solver=solver, rowwise=rowwise).F
        )
        for n, loose in ((100, 1), (25, 1 if rowwise else 500)):
            # 25 rows of weights up to 1e6 for 20 columns: float32 cannot do better, nor NumPy's.
            P, H = (x.astype(dtype) for x in oracles.outlier_problem(n=n, d=20, D=4))
            P_, H_, v = padded(P, H, 512 - n, np.inf)
            alone = np.asarray(fit(P, H, np.ones(n, dtype)))
            among = np.asarray(fit(np.where(v[:, None] > 0, P_, 0), H_, v))[v > 0]
            size = np.abs(H).max()
            chex.assert_trees_all_close(among / size, alone / size, rtol=0, atol=loose * tolerance)


@pytest.mark.parametrize("gradient", ["last_step", "implicit", "unrolled"])
@pytest.mark.parametrize("trash", [np.inf, np.nan, 1e30])
def test_what_masked_rows_hold_is_not_read(gradient, trash):
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30))
    v = np.float32(np.arange(30) % 3 > 0)
    P_trash, H_trash = (np.where(v[:, None] == 0, np.float32(trash), x) for x in (P, H))

    @jax.jit
    def gradients(P, H, v):
        def loss(P, H, v, rowwise):
            solution = solve_pnorm(
                P, H, weights=v, gradient=gradient, rowwise=rowwise, solver=IRLS(3, eps=1e-2)
            )
            return jnp.sum(jnp.sin(solution.F)) + jnp.sum(solution.objective)

        return [jax.value_and_grad(loss, (0, 1, 2))(P, H, v, rowwise) for rowwise in (False, True)]

    clean, trashed = gradients(P * v[:, None], H * v[:, None], v), gradients(P_trash, H_trash, v)
    chex.assert_tree_all_finite(clean)
    chex.assert_trees_all_equal(clean, trashed)
    for _, by_argument in trashed:
        for gradient_ in by_argument:
            assert np.all(np.asarray(gradient_)[v == 0] == 0)


def test_the_objective_has_a_derivative_where_a_row_fits_exactly(x64):
    """At the minimum F moves the objective by nothing, so its derivative is that of the norms."""
    P, H = oracles.outlier_problem(n=30)
    P[4], H[4] = 0, 0
    v, p = np.float64(np.arange(30) % 3 > 0), 1.5

    def objective(H):
        return solve_pnorm(P, H, weights=v, rowwise=True, p=p, solver=IRLS(200)).objective

    F = solve_pnorm(P, H, weights=v, rowwise=True, p=p, solver=IRLS(200)).F
    r = H - P @ np.asarray(F)
    norms = np.linalg.norm(r, axis=-1, keepdims=True)
    norms[4] = 1
    expected = v[:, None] * p * r * norms ** (p - 2)
    np.testing.assert_allclose(jax.grad(objective)(H), expected, atol=1e-4)


def test_a_weight_is_a_repetition(x64):
    P, H = oracles.outlier_problem(n=60, d=4)
    v = np.random.default_rng(1).integers(0, 4, 60)
    repeated = np.repeat(P, v, axis=0), np.repeat(H, v, axis=0)
    chex.assert_trees_all_close(least_squares(P, H, weights=v), least_squares(*repeated), rtol=1e-9)
    for rowwise in (False, True):
        one = solve_pnorm(P, H, weights=v, rowwise=rowwise, p=1.5, solver=IRLS())
        many = solve_pnorm(*repeated, rowwise=rowwise, p=1.5, solver=IRLS())
        chex.assert_trees_all_close((one.F, one.objective), (many.F, many.objective), rtol=1e-7)
