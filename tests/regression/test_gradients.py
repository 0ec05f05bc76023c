"""Derivatives against float64 finite differences of oracles and of the solution itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import least_squares, pnorm_regression, solve_pnorm
from tests.regression import oracles


@pytest.fixture
def small():
    """P [12, 3], H [12, 2] and uneven row weights, one of them 0."""
    P, H = oracles.outlier_problem(n=12, d=3, D=2, seed=3)
    return P, H, np.array([0.0] + [1.0, 0.5, 2.0] * 3 + [1.0, 1.0])


def assert_jacobians(function, oracle, arguments, tolerance):
    """The derivative of function by P, H and v is that of the oracle by finite differences."""
    actual = jax.jit(jax.jacrev(function, (0, 1, 2)))(*arguments)
    for which, name in enumerate(("P", "H", "v")):

        def at(x, which=which):
            return oracle(*arguments[:which], x, *arguments[which + 1 :])

        expected = oracles.central_difference(at, arguments[which])
        if name == "v":
            expected[..., 0] = 0  # a row of weight 0 leaves no trace
        atol = tolerance * np.abs(expected).max()
        np.testing.assert_allclose(actual[which], expected, rtol=0, atol=atol, err_msg=name)


def test_least_squares(x64, small):
    def oracle(P, H, v):
        return oracles.weighted_solve(P, H, np.abs(v)[:, None] * np.ones_like(H))

    assert_jacobians(lambda P, H, v: least_squares(P, H, weights=v), oracle, small, 1e-7)


@pytest.mark.parametrize("p", [1.0, 1.5])
def test_last_step_freezes_the_weights(x64, small, p):
    # After many iterations the weights of the last are those of the solution itself.
    eps = 1e-2

    @jax.jit
    def ours(P, H, v):
        return pnorm_regression(P, H, weights=v, p=p, eps=eps, iterations=300)

    P, H, v = small
    F = ours(P, H, v)
    u = (H - P @ F) / (v @ np.abs(H) / v.sum())
    frozen = (u**2 + eps**2) ** (p / 2 - 1)

    def oracle(P, H, v):
        return oracles.weighted_solve(P, H, np.abs(v)[:, None] * frozen)

    np.testing.assert_allclose(F, oracle(P, H, v), atol=1e-7)
    assert_jacobians(ours, oracle, small, 1e-6)


@pytest.mark.parametrize(("p", "ridge"), [(1.0, 0.0), (1.0, 0.1), (1.5, 0.0)])
def test_implicit_is_the_derivative_of_the_solution(x64, small, p, ridge):
    @jax.jit
    def ours(P, H, v):
        options = {"eps": 0.02, "ridge": ridge, "iterations": 300, "gradient": "implicit"}
        return pnorm_regression(P, H, weights=v, p=p, **options)

    assert_jacobians(ours, ours, small, 1e-5)


def test_unrolled_is_the_derivative_of_the_iteration(x64, small):
    @jax.jit
    def ours(P, H, v):
        return pnorm_regression(P, H, weights=v, iterations=4, gradient="unrolled", ridge=0.01)

    assert_jacobians(ours, ours, small, 1e-6)


def test_unrolled_tends_to_implicit(x64, small):
    def of(gradient):
        options = {"iterations": 400, "eps": 0.02, "gradient": gradient}
        P, H, v = small
        return jax.jacrev(lambda H: pnorm_regression(P, H, weights=v, **options))(H)

    np.testing.assert_allclose(of("unrolled"), of("implicit"), atol=1e-6)


@pytest.mark.parametrize("gradient", ["last_step", "implicit", "unrolled"])
def test_forward_mode_reverse_mode_and_vmap_agree(x64, small, gradient):
    P, H, v = small
    stack = jnp.stack([H, 2 * H, H[::-1]])

    def ours(H):
        return pnorm_regression(P, H, weights=v, gradient=gradient)

    forward = jax.vmap(jax.jacfwd(ours))(stack)
    reverse = jnp.stack([jax.jacrev(ours)(H) for H in stack])
    np.testing.assert_allclose(forward, reverse, atol=1e-9)


def test_second_derivative_of_least_squares(x64, small):
    P, H, v = small

    def slope(t):
        return jax.grad(lambda t: jnp.sum(least_squares(P * (1 + t * P), H, weights=v) ** 2))(t)

    expected = (slope(1e-6) - slope(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(slope)(0.0), expected, rtol=1e-6)


@pytest.mark.parametrize("p", [1.0, 1.5])
def test_second_derivative_of_the_solution(x64, small, p):
    P, H, v = small

    @jax.jit
    @jax.grad
    def slope(t):
        options = {"p": p, "eps": 0.1, "iterations": 60, "gradient": "implicit"}
        return jnp.sum(
            pnorm_regression(P * (1 + t * P), H + t * P[:, :2], weights=v, **options) ** 2
        )

    expected = (slope(1e-5) - slope(-1e-5)) / 2e-5
    np.testing.assert_allclose(jax.jit(jax.grad(slope))(0.0), expected, rtol=1e-5)


def test_second_derivative_with_frozen_weights(x64, small):
    # F = A⁻¹ Pᵀ W H is linear in H, and a scaling of P by 1 + t divides it by that.
    P, H, v = small
    F = pnorm_regression(P, H, weights=v)

    def second(P_, H_):
        def fit(t):
            return pnorm_regression(P_(t), H_(t), weights=v)

        return jax.jit(jax.jacfwd(jax.jacfwd(fit)))(0.0)

    np.testing.assert_allclose(second(lambda t: P, lambda t: (1 + t) * H), 0 * F, atol=1e-9)
    np.testing.assert_allclose(second(lambda t: (1 + t) * P, lambda t: H), 2 * F, rtol=1e-8)


@pytest.mark.parametrize("gradient", ["last_step", "implicit"])
def test_gradient_of_a_solution(x64, small, gradient):
    P, H, v = small
    options = {"eps": 0.02, "gradient": gradient}

    def solved(H):
        options_ = options | {"tolerance": 1e-12, "max_iterations": 300}
        return solve_pnorm(P, H, weights=v, **options_).F

    def iterated(H):
        return pnorm_regression(P, H, weights=v, iterations=300, **options)

    np.testing.assert_allclose(jax.jacrev(solved)(H), jax.jacrev(iterated)(H), atol=1e-8)


def test_the_backward_pass_stores_nothing_for_each_iteration():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=256, d=8, D=64))

    def memory(iterations, gradient):
        def loss(P, H):
            return jnp.sum(pnorm_regression(P, H, iterations=iterations, gradient=gradient))

        program = jax.jit(jax.grad(loss, (0, 1))).lower(P, H).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert memory(60, "last_step") < 1.1 * memory(20, "last_step")
    assert memory(60, "unrolled") > 2 * memory(20, "unrolled")
