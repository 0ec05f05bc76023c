"""Derivatives against float64 finite differences of oracles and of the solution itself."""

import dataclasses

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
from pnr_jax.regression._problem import normalise
from tests.regression import oracles

EXACT = PrimalDual(tolerance=1e-13, max_iterations=200, eps=0.05)


@pytest.fixture
def small():
    """P [12, 3], H [12, 2], uneven row weights, one of them 0, and a ridge."""
    P, H = oracles.outlier_problem(n=12, d=3, D=2, seed=3)
    return P, H, np.array([0.0] + [1.0, 0.5, 2.0] * 3 + [1.0, 1.0]), np.float64(0.05)


def assert_jacobians(function, oracle, arguments, tolerance):
    """The derivative of function by P, H, v and ridge is that of the oracle, by differences."""
    actual = jax.jit(jax.jacrev(function, (0, 1, 2, 3)))(*arguments)
    for which, name in enumerate(("P", "H", "v", "ridge")):

        def at(x, which=which):
            return oracle(*arguments[:which], x, *arguments[which + 1 :])

        expected = oracles.central_difference(at, np.asarray(arguments[which]))
        if name == "v":
            expected[..., 0] = 0  # A row of weight 0 leaves no trace.
        atol = tolerance * np.abs(expected).max()
        np.testing.assert_allclose(actual[which], expected, rtol=0, atol=atol, err_msg=name)


def typical(P, H, v, rowwise):
    return np.asarray(normalise(P, H, v, 0.0, rowwise).scale)


def ridge_regression(P, H, v, ridge, W):
    """(Pᵀ v W P + ridge S)⁻¹ Pᵀ v W H, S = Σ v P², by stacking √ridge rows below P."""
    v = np.abs(v)
    S = np.diag(np.sqrt(np.abs(ridge) * (v @ P**2)))
    below = np.concatenate([P, S]), np.concatenate([H, np.zeros((len(S), H.shape[1]))])
    weights = np.concatenate([v[:, None] * W, np.ones((len(S), H.shape[1]))])
    return oracles.weighted_solve(*below, weights)


def test_least_squares(x64, small):
    def oracle(P, H, v, ridge):
        return ridge_regression(P, H, v, ridge, np.ones_like(H))

    def ours(P, H, v, ridge):
        return least_squares(P, H, weights=v, ridge=ridge)

    assert_jacobians(ours, oracle, small, 1e-7)


@pytest.mark.parametrize(
    ("solver", "rowwise"),
    [(IRLS(4, 1e-2), False), (IRLS(4, 1e-2), True), (InexactIRLS(4), False), (PrimalDual(), True)],
)
def test_last_step_freezes_the_weights(x64, small, solver, rowwise):
    P, H, v, ridge = small
    options = {"rowwise": rowwise, "solver": solver, "p": 1.25}
    # ridge is relative to weights in units of the typical entry.
    solution = solve_pnorm(P, H, weights=v, ridge=ridge, **options)
    kept = v > 0
    W = np.zeros(H.shape)
    W[kept] = np.asarray(solution.weights)[kept] / v[kept, None]
    plain = np.asarray(solve_pnorm(P, H, weights=v, ridge=0.0, **options).F)
    W = W * typical(P, H, v, rowwise) ** 0.75

    def oracle(P, H, v, ridge):
        return ridge_regression(P, H, v, ridge, W)

    def ours(P, H, v, ridge):
        return pnorm_regression(P, H, weights=v, ridge=ridge, **options)

    assert np.abs(plain - solution.F).max() > 1e-3
    np.testing.assert_allclose(solution.F, oracle(*small), rtol=1e-6)
    assert_jacobians(ours, oracle, small, 1e-6)


def assert_derivative_of_itself(small, p, rowwise, gradient, solver):
    """By differences of the solution, the unit of eps and ridge held as it is at `small`.

    The typical entry of H, which eps and ridge are relative to, is a constant to the derivative.
    It depends on v.
    """

    @jax.jit
    def ours(P, H, v, ridge, eps=solver.eps):
        options = {"gradient": gradient, "rowwise": rowwise, "p": p}
        return pnorm_regression(
            P, H, weights=v, ridge=ridge, solver=dataclasses.replace(solver, eps=eps), **options
        )

    unit = typical(*small[:3], rowwise)

    def oracle(P, H, v, ridge):
        ratio = typical(P, H, v, rowwise)[0] / unit[0]
        columns = [H] if rowwise else np.split(H, H.shape[1], axis=1)
        F = [
            ours(P, h, v, ridge * x ** (2 - p), solver.eps / x)
            for h, x in zip(columns, ratio, strict=True)
        ]
        return np.concatenate(F, axis=1)

    assert_jacobians(ours, oracle, small, 1e-5)


@pytest.mark.parametrize(("p", "rowwise"), [(1.0, False), (1.5, True)])
def test_implicit_is_the_derivative_of_the_solution(x64, small, p, rowwise):
    assert_derivative_of_itself(small, p, rowwise, "implicit", EXACT)


@pytest.mark.parametrize(
    ("solver", "rowwise"), [(IRLS(4), True), (InexactIRLS(4, widest=1e-6), False)]
)
def test_unrolled_is_the_derivative_of_the_iteration(x64, small, solver, rowwise):
    # Least squares, the start, has a ridge of its own unit: one too small to tell them apart.
    small = *small[:3], np.float64(1e-5)
    assert_derivative_of_itself(small, 1.0, rowwise, "unrolled", solver)


def test_implicit_is_finite_where_no_residual_is_within_eps():
    # The curvature of |r| is 0 there, and roundoff of 0 must not be taken for a negative one.
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=70, d=5, D=19))
    for solver in (IRLS(), PrimalDual()):

        def loss(P, H, solver=solver):
            return jnp.sum(pnorm_regression(P, H, solver=solver, gradient="implicit"))

        chex.assert_tree_all_finite(jax.jit(jax.grad(loss, (0, 1)))(P, H))


def test_many_iterations_tend_to_implicit(x64, small):
    P, H, v, _ = small

    def jacobian(solver, gradient):
        def fit(H):
            return pnorm_regression(P, H, weights=v, p=1.5, solver=solver, gradient=gradient)

        return jax.jit(jax.jacrev(fit))(H)

    implicit = jacobian(IRLS(100), "implicit")
    chex.assert_trees_all_close(jacobian(IRLS(100), "unrolled"), implicit, atol=1e-6)
    # Its smoothing of |r| is another, which the smallest residuals tell.
    chex.assert_trees_all_close(jacobian(PrimalDual(1e-12), "implicit"), implicit, atol=1e-3)


@pytest.mark.parametrize(
    ("gradient", "rowwise"), [("last_step", False), ("implicit", True), ("unrolled", False)]
)
def test_forward_mode_reverse_mode_and_vmap_agree(x64, small, gradient, rowwise):
    P, H, v, ridge = small
    stack = jnp.stack([H, 2 * H, H[::-1]])

    @jax.jit
    def both(H):
        def ours(H):
            options = {"gradient": gradient, "rowwise": rowwise, "solver": IRLS(3, 1e-2)}
            return pnorm_regression(P, H, weights=v, ridge=ridge, **options)

        return jax.jacfwd(ours)(H), jax.jacrev(ours)(H)

    forward, reverse = jax.vmap(both)(stack)
    chex.assert_trees_all_close(forward, reverse, atol=1e-9)
    chex.assert_trees_all_close(reverse[1], both(stack[1])[1], atol=1e-9)


def test_second_derivatives(x64, small):
    P, H, v, _ = small

    def check(fit, rtol):
        @jax.jit
        @jax.grad
        def slope(t):
            return jnp.sum(fit(P * (1 + t * P), H + t * P[:, :2]) ** 2)

        expected = (slope(1e-5) - slope(-1e-5)) / 2e-5
        np.testing.assert_allclose(jax.jit(jax.grad(slope))(0.0), expected, rtol=rtol)

    check(lambda P, H: least_squares(P, H, weights=v), 1e-6)
    options = {"p": 1.5, "solver": IRLS(60, 0.05), "gradient": "implicit"}
    check(lambda P, H: pnorm_regression(P, H, weights=v, **options), 1e-5)


def test_second_derivative_with_frozen_weights(x64, small):
    # F = A⁻¹ Pᵀ W H is linear in H, and a scaling of P by 1 + t divides it by that.
    P, H, v, _ = small
    F = pnorm_regression(P, H, weights=v)

    def second(P_, H_):
        return jax.jit(jax.jacfwd(jax.jacfwd(lambda t: pnorm_regression(P_(t), H_(t), weights=v))))(
            0.0
        )

    np.testing.assert_allclose(second(lambda t: P, lambda t: (1 + t) * H), 0 * F, atol=1e-9)
    np.testing.assert_allclose(second(lambda t: (1 + t) * P, lambda t: H), 2 * F, rtol=1e-8)


def test_the_backward_pass_stores_nothing_for_each_iteration():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=256, d=8, D=64))

    def memory(iterations, gradient):
        def loss(P, H):
            solver = IRLS(iterations)
            return jnp.sum(pnorm_regression(P, H, solver=solver, gradient=gradient))

        program = jax.jit(jax.grad(loss, (0, 1))).lower(P, H).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert memory(60, "last_step") < 1.1 * memory(20, "last_step")
    assert memory(60, "unrolled") > 2 * memory(20, "unrolled")
