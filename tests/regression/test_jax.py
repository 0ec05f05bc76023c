"""Transformations, devices, types and strictness: a citizen of JAX."""

import dataclasses
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from pnr_jax.regression import (
    IRLS,
    InexactIRLS,
    PrimalDual,
    _pnorm,
    least_squares,
    pnorm_regression,
    solve_pnorm,
)
from tests.regression import oracles

SOLVERS = (IRLS(3), InexactIRLS(3), PrimalDual(max_iterations=5))


class VariantsTest(chex.TestCase):
    """The same with and without jit."""

    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.parameters((IRLS(3), False), (InexactIRLS(3), True))
    def test_a_batch_is_its_problems(self, solver, rowwise):
        P, H = (np.float32(x) for x in oracles.outlier_problem(n=30, d=4, batch=(2, 3)))
        v = np.float32(np.arange(30) % 5 > 0)

        @self.variant
        def fit(P, H, v):
            options = {"solver": solver, "rowwise": rowwise, "p": 1.5}
            return pnorm_regression(P, H, weights=v, **options)

        F = fit(P, H, v)
        chex.assert_shape(F, (2, 3, 4, 3))
        chex.assert_tree_all_finite(F)
        chex.assert_trees_all_close(F[1, 2], fit(P[1, 2], H[1, 2], v), rtol=1e-3, atol=1e-4)
        mapped = jax.vmap(fit, (0, 0, None))(P, H, v)
        chex.assert_trees_all_close(F, mapped, rtol=1e-3, atol=1e-4)
        shared = fit(P[:, :1], H, np.stack([v, v])[:, None])
        one = fit(P[1, 0], H[1, 2], v)
        chex.assert_trees_all_close(shared[1, 2], one, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_new_numbers_do_not_compile_anew(solver):
    P, H = (jnp.float32(x) for x in oracles.outlier_problem(n=30, d=4))

    @jax.jit
    @chex.assert_max_traces(n=1)
    def traced(p, ridge, eps):
        return solve_pnorm(P, H, p=p, ridge=ridge, solver=dataclasses.replace(solver, eps=eps))

    chex.clear_trace_counter()
    traced(1.5, 0.1, 1e-6)
    expected = traced(1.2, 0.3, 1e-3)
    programs = _pnorm._estimate._cache_size()
    for p, ridge, eps in ((1.2, 0.3, 1e-3), (1.5, 0.1, 1e-6)):
        options = {"ridge": ridge, "solver": dataclasses.replace(solver, eps=eps)}
        plain = solve_pnorm(P, H, p=p, **options)
        if p == 1.2:
            chex.assert_trees_all_close(plain.F, expected.F, rtol=1e-4)
    assert _pnorm._estimate._cache_size() == programs + 1


def test_types():
    rng = np.random.default_rng(0)
    P, H = rng.integers(-5, 6, (30, 3)), rng.integers(-5, 6, (30, 2))
    expected = pnorm_regression(np.float32(P), np.float32(H))
    assert expected.dtype == jnp.float32
    for cast in (np.int8, ">f4", ">f8", jnp.bfloat16):
        F = pnorm_regression(P.astype(cast), H.astype(cast), weights=np.ones(30).astype(cast))
        assert F.dtype == jnp.float32, cast
        chex.assert_trees_all_equal(F, expected)
    F = pnorm_regression(jnp.bfloat16(P), np.float32(H), weights=np.ones(30, bool))
    chex.assert_trees_all_equal(F, expected)
    with jax.enable_x64(True):
        assert pnorm_regression(P.astype(np.float32), H.astype(np.float64)).dtype == jnp.float64
        assert least_squares(P, H).dtype == jnp.float64
        assert least_squares(jnp.float32(P), jnp.int32(H)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("solver", "rowwise"), [(SOLVERS[0], False), (SOLVERS[1], True), (SOLVERS[2], False)]
)
def test_strict(solver, rowwise):
    P, H = (np.float32(x) for x in oracles.outlier_problem(n=30, d=4, batch=(2,)))
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for gradient, p in (("last_step", 1), ("implicit", 1.5)):

            def loss(P, H, v, p=p, gradient=gradient):
                options = {"solver": solver, "rowwise": rowwise, "gradient": gradient}
                return jnp.sum(pnorm_regression(P, H, p=p, weights=v, ridge=0.01, **options))

            v = np.ones((2, 30), np.float32)
            chex.assert_tree_all_finite(jax.jit(jax.grad(loss, (0, 1, 2)))(P, H, v))
        solve_pnorm(P[0], H, solver=solver, rowwise=rowwise, start=np.zeros((4, 3), np.float32))
        least_squares(P[0], H)


def test_float64_that_float32_cannot_hold_is_warned_of():
    x = 1.7e12 + np.arange(50.0)
    P, h = np.stack([np.ones(50), x], axis=1), 0.002 * x[:, None]
    with pytest.warns(UserWarning, match="P is float64 and jax cuts it") as caught:
        pnorm_regression(P, h)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    whole = np.stack([np.ones(50, np.int64), np.int64(x)], axis=1)
    with pytest.warns(UserWarning, match="P is int64 and jax cuts it") as caught:
        least_squares(whole, h)
    assert caught[0].filename == __file__
    with jax.enable_x64(True):
        F = least_squares(P, h)
        np.testing.assert_allclose(F[1], 0.002, rtol=1e-3)
    pnorm_regression(P - P.mean(0), h - h.mean(0))  # Does as it is told, and is not warned.


def run(program):
    environment = {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "PYTHONPATH": ":".join(sys.path),
    }
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300, env=environment)


PREAMBLE = """
import functools, jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from pnr_jax.regression import *
rng = np.random.default_rng(0)
P, H, v = (np.float32(rng.random((4, 64, k))) for k in (4, 6, 1))
arguments = P, H, v[..., 0]
def both(P, H, *v, **options):
    def fit(P, H, *v):
        return pnorm_regression(P, H, weights=v[0] if v else None, check=False, **options)
    F, pullback = jax.vjp(fit, P, H, *v)
    return F, *pullback(jnp.cos(F))
def check(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-2, atol=1e-2 * np.abs(e).max())
cases = [
    dict(solver=IRLS(3), rowwise=False, gradient="last_step", p=1, weighted=True),
    dict(solver=IRLS(3), rowwise=True, gradient="unrolled", p=1.5, weighted=False),
    dict(solver=InexactIRLS(3), rowwise=False, gradient="last_step", p=1.5, weighted=False),
    dict(solver=PrimalDual(), rowwise=True, gradient="implicit", p=1.5, weighted=True),
]
"""


def test_shard_map_and_explicit_sharding():
    run(
        PREAMBLE
        + """
kinds = {kind: jax.make_mesh((4,), ("data",), axis_types=(kind,))
         for kind in (AxisType.Auto, AxisType.Explicit)}
spec = PartitionSpec("data")
for case in cases:
    fit = functools.partial(both, **{k: x for k, x in case.items() if k != "weighted"})
    given = arguments if case["weighted"] else arguments[:2]
    expected = jax.jit(fit)(*given)
    mapped = jax.shard_map(fit, mesh=kinds[AxisType.Auto], in_specs=spec, out_specs=spec)
    check(jax.jit(mapped)(*given), expected)
    mesh = kinds[AxisType.Explicit]
    with jax.set_mesh(mesh):
        placed = [jax.device_put(x, NamedSharding(mesh, spec)) for x in given]
        results = jax.jit(fit)(*placed)
        assert all(jax.typeof(x).sharding.spec[0] == "data" for x in results)
        check(results, expected)
"""
    )


def test_a_sharded_batch_needs_no_communication():
    run(
        PREAMBLE
        + """
mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
sharding = NamedSharding(mesh, PartitionSpec("data"))
for case in cases[:3]:
    fit = functools.partial(both, **{k: x for k, x in case.items() if k != "weighted"})
    placed = jax.device_put(arguments, sharding)
    compiled = jax.jit(fit).lower(*placed).compile()
    text = compiled.as_text()
    for name in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert name not in text, (case, name)
    assert all(x.sharding.is_equivalent_to(sharding, x.ndim) for x in compiled(*placed))
"""
    )


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
