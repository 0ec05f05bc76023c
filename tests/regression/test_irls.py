"""Eq. 2 and eq. 3 against the same formulas in float64 NumPy: F, and dP and dH, weights frozen."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import IRLS, least_squares, pnorm_regression, solve_pnorm
from pnr_jax.regression._problem import normalise
from tests.regression import oracles

NORMS = (1.0, 1.25, 1.5, 2.0)
# n = M·h·w of 64×32 images with one and with five sources, of 128×64 ones, and small ones.
SIZES = ((9, 8), (128, 20), (512, 20), (640, 20), (600, 32))


def fit_and_gradients(P, H, v, G, p, *, iterations, eps, rowwise):
    def fit(P, H):
        solver = IRLS(iterations, eps)
        return pnorm_regression(P, H, p=p, weights=v, rowwise=rowwise, solver=solver)

    F, pullback = jax.vjp(fit, P, H)
    return F, *pullback(G)


def expected(P, H, v, G, p, T, eps, rowwise):
    """The same of a batch by the formulas; eps is [K, 1, D] or [K, 1, 1]."""
    results = []
    for P_, H_, v_, G_, eps_ in zip(P, H, v, G, eps, strict=True):
        F, W = oracles.irls(P_, H_, v_, p, T, eps_, rowwise)
        results.append((F, *oracles.frozen_gradients(P_, H_, v_, F, W, G_)))
    return tuple(np.stack(x) for x in zip(*results, strict=True))


def assert_close(actual, expected, tolerance):
    """Each to the tolerance of its largest entry, problem by problem."""
    for a, e in zip(actual, expected, strict=True):
        size = np.abs(e).max((-2, -1), keepdims=True)
        size = np.where(size == 0, 1, size)
        chex.assert_trees_all_close(np.asarray(a) / size, e / size, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("T", "rowwise"), [(1, False), (2, False), (3, True), (4, False), (5, True), (6, False)]
)
def test_eq_3_to_the_letter(x64, T, rowwise):
    P, H, v = oracles.stacked(oracles.families(40, 6, 3), np.float64)
    G = np.random.default_rng(1).standard_normal((len(P), 6, 3))
    eps = 1e-6 * np.asarray(normalise(P, H, v, 0.0, rowwise).scale)
    ours = functools.partial(fit_and_gradients, iterations=T, eps=1e-6, rowwise=rowwise)
    every_norm = jax.jit(jax.vmap(ours, (None, None, None, None, 0)))
    actual = every_norm(P, H, v, G, jnp.array(NORMS))
    for k, p in enumerate(NORMS):
        assert_close([x[k] for x in actual], expected(P, H, v, G, p, T, eps, rowwise), 1e-8)


@pytest.mark.parametrize(
    ("n", "d", "rowwise"), [(*size, False) for size in SIZES] + [(128, 20, True), (640, 20, True)]
)
def test_eq_3_at_the_sizes_that_users_run(x64, n, d, rowwise):
    P, H, v = oracles.stacked(oracles.families(n, d, 3), np.float64)
    G = np.random.default_rng(1).standard_normal((len(P), d, 3))
    eps = 1e-6 * np.asarray(normalise(P, H, v, 0.0, rowwise).scale)
    ours = functools.partial(fit_and_gradients, p=1, iterations=5, eps=1e-6, rowwise=rowwise)
    assert_close(jax.jit(ours)(P, H, v, G), expected(P, H, v, G, 1, 5, eps, rowwise), 1e-8)


@pytest.mark.parametrize("rowwise", [False, True])
def test_a_ridge_and_the_weights_at_the_sizes_that_users_run(x64, rowwise):
    P, H, v = oracles.stacked(oracles.families(512, 20, 3), np.float64)
    unit = np.asarray(normalise(P, H, v, 0.01, rowwise).scale)
    solution = solve_pnorm(P, H, weights=v, ridge=0.01, rowwise=rowwise, solver=IRLS())
    for k, (P_, H_, v_) in enumerate(zip(P, H, v, strict=True)):
        options = {"rowwise": rowwise, "ridge": 0.01, "unit": unit[k]}
        F, W = oracles.irls(P_, H_, v_, 1, 5, 1e-6 * unit[k], **options)
        weights = np.zeros((512, 3))
        weights[v_ > 0] = v_[v_ > 0, None] * W
        assert_close((solution.F[k], solution.weights[k] * np.ones(3)), (F, weights), 1e-6)


@pytest.mark.parametrize("rowwise", [False, True])
def test_eq_3_in_float32(rowwise):
    """What training uses. `pytest -s` prints the errors that docs/regression.md has."""
    problems = oracles.families(512, 20, 3)
    P, H, v = oracles.stacked(problems, np.float32)
    G = np.float32(np.random.default_rng(1).standard_normal((len(P), 20, 3)))
    eps = 1e-6 * np.float64(normalise(P, H, v, 0.0, rowwise).scale)
    ours = functools.partial(fit_and_gradients, p=1, iterations=5, eps=1e-6, rowwise=rowwise)
    actual = jax.jit(ours)(P, H, v, G)
    exact = expected(*(np.float64(x) for x in (P, H, v, G)), 1, 5, eps, rowwise)
    gross = ("outliers", "outlying rows", "t(1)")  # There rounding sets weights of entries.
    for k, name in enumerate(problems):
        errors = [
            np.abs(a[k] - e[k]).max() / max(np.abs(e[k]).max(), 1e-30)
            for a, e in zip(actual, exact, strict=True)
        ]
        print(f"rowwise {rowwise}, {name}:", *(f"{error:.1e}" for error in errors))
        assert errors[0] < 5e-3, name
        if rowwise or name not in gross:
            assert max(errors) < (1e-4 if rowwise else 2e-3), (name, errors)


def test_eps_is_the_least_residual_in_the_weights(x64):
    P, H, v = (x[1] for x in oracles.stacked(oracles.families(128, 20, 3), np.float64))
    scale = np.asarray(normalise(P, H, v, 0.0).scale)
    for eps in (1e-6, 1e-2, 0.3):
        F = pnorm_regression(P, H, solver=IRLS(5, eps))
        chex.assert_trees_all_close(F, oracles.irls(P, H, v, 1, 5, eps * scale)[0], rtol=1e-9)


def test_the_scale_is_a_median_that_neither_outliers_nor_masked_rows_set():
    rng = np.random.default_rng(0)
    H, v = rng.laplace(size=(300, 4)), rng.uniform(0.5, 2, 300)
    P = rng.standard_normal((300, 2))
    spoiled, mask = H.copy(), v.copy()
    spoiled[:30] = 1e25
    mask[:30] = 0

    def scale(H, v):
        return np.asarray(normalise(P, np.float32(H), np.float32(v), 0.0).scale)[0]

    for H_, v_ in ((H, v), (spoiled, v), (spoiled, mask)):
        order = np.argsort(np.abs(H_), axis=0)
        shares = np.cumsum(v_[order], axis=0) / v_.sum()
        low, high = (
            np.array([np.abs(H_)[o, c][np.argmax(s >= share)] for c, (o, s) in
                      enumerate(zip(order.T, shares.T, strict=True))])
            for share in (0.4, 0.6)
        )  # fmt: skip
        assert np.all((low <= scale(H_, v_)) & (scale(H_, v_) <= high))
    chex.assert_trees_all_equal(scale(np.zeros_like(H), v), np.ones(4, np.float32))


@pytest.mark.parametrize(("n", "d"), [(9, 8), (640, 20)])
def test_least_squares(n, d):
    for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-11)):
        with jax.enable_x64(dtype == np.float64):
            P, H, v = oracles.stacked(oracles.families(n, d, 3), dtype)
            F = np.asarray(least_squares(P, H, weights=v), np.float64)
        for P_, H_, v_, F_ in zip(
            *oracles.stacked(oracles.families(n, d, 3), float), F, strict=True
        ):
            best = oracles.weighted_solve(P_[v_ > 0], H_[v_ > 0], np.outer(v_[v_ > 0], np.ones(3)))
            size = np.abs(H_[v_ > 0]).max(initial=1)
            chex.assert_trees_all_close(P_ @ F_, P_ @ best, rtol=0, atol=tolerance * size)


def test_p_2_is_least_squares_however_it_is_said():
    P, H, v = oracles.stacked(oracles.families(40, 6, 3), np.float32)
    expected = least_squares(P, H, weights=v)
    size = np.abs(np.asarray(expected)).max((-2, -1), keepdims=True) + 1e-9
    for rowwise in (False, True):
        for p in (2, 2.0, jnp.float32(2)):
            F = pnorm_regression(P, H, p=p, weights=v, rowwise=rowwise)
            chex.assert_trees_all_close(F / size, expected / size, rtol=0, atol=1e-4)
