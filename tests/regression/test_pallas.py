"""The fused kernel, interpreted on the CPU, against the XLA path; it lowers elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import _choice, _pallas, pnorm_regression
from pnr_jax.regression._problem import normalise
from pnr_jax.regression._smoothing import Smoothing
from tests.regression import oracles


@pytest.mark.parametrize("gradient", ["last_step", "implicit", "unrolled"])
@pytest.mark.parametrize(
    ("shape", "iterations", "p"),
    [
        ({"n": 50, "d": 5, "D": 3}, 11, 1.0),  # less than a block, more than inexact iterations
        ({"n": 130, "d": 20, "D": 131, "batch": (2,)}, 3, 1.5),  # ragged, more than one block
    ],
)
def test_value_and_gradients_are_those_of_xla(shape, iterations, p, gradient):
    P, H = (np.float32(x) for x in oracles.outlier_problem(**shape))
    v = np.float32(np.arange(shape["n"]) % 4)

    def value_and_gradients(implementation):
        def fit(P, H, v):
            return pnorm_regression(
                P, H, weights=v, p=p, iterations=iterations, eps=1e-2, ridge=1e-3,
                gradient=gradient, implementation=implementation,
            )  # fmt: skip

        def both(P, H, v):
            F, pullback = jax.vjp(fit, P, H, v)
            return F, *pullback(jnp.sin(F))

        return jax.jit(both)(P, H, v)

    for xla, pallas in zip(*map(value_and_gradients, ("xla", "pallas")), strict=True):
        np.testing.assert_allclose(pallas, xla, rtol=0, atol=2e-4 * np.abs(xla).max())


def test_vmap_of_the_kernel():
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30, d=4, batch=(3,)))

    def fit(P, H):
        return pnorm_regression(P, H, implementation="pallas")

    np.testing.assert_allclose(jax.vmap(fit)(P, H), fit(P, H), rtol=1e-4, atol=1e-5)


# jax 0.12 lowers for CUDA only where such a device is.
@pytest.mark.parametrize("platform", ["tpu", *["cuda"] * (jax.__version_info__ < (0, 12))])
@pytest.mark.parametrize("iterations", [1, 8])
def test_the_kernels_lower_for(platform, iterations):
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=100, d=20, D=140))

    def both(P, H):
        problem, smoothing = normalise(P, H, None, 0.0), Smoothing(1.0, 1e-5)
        x = _pallas.pallas_iterations(problem, smoothing, iterations)
        return _pallas.pallas_inverse(
            problem, smoothing.weights(problem.H, smoothing.final(x.dtype))
        )(x)

    lowered = jax.jit(both).trace(P, H).lower(lowering_platforms=(platform,))
    target = {"cuda": "triton", "tpu": "tpu_custom_call"}[platform]
    assert lowered.as_text().count(target) == 2


def test_choice_of_implementation(monkeypatch):
    P = H = jnp.ones((4, 2))
    assert _choice.choose("pallas", P, H) == ("pallas", "asked for")
    assert _choice.choose(None, P, H) == ("xla", "the platform is cpu; the kernel is for GPUs")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    _choice._trial.cache_clear()
    assert jax.jit(lambda P: _choice.choose(None, P, H)[0] == "pallas")(P)  # while tracing too
    _choice._trial.cache_clear()
    assert "at most 32 columns" in _choice.choose(None, jnp.ones((4, 33)), H)[1]
    with jax.enable_x64(True):
        assert "float32" in _choice.choose(None, jnp.ones((4, 2), jnp.float64), H)[1]


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (lambda *_: 1 / 0, "does not run here: ZeroDivisionError"),
        (lambda H: H[:5, :5] * 0, "something else"),
    ],
)
def test_a_kernel_that_fails_here_is_not_chosen(monkeypatch, kernel, reason):
    P = H = jnp.ones((4, 2))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(_pallas, "pallas_iterations", lambda problem, *_: kernel(problem.H))
    _choice._trial.cache_clear()
    name, why = _choice.choose(None, P, H)
    _choice._trial.cache_clear()
    assert name == "xla" and reason in why
