"""The fused kernel, interpreted on the CPU, against the XLA path; it lowers elsewhere."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import (
    IRLS,
    InexactIRLS,
    _irls,
    _pallas,
    _pnorm,
    pnorm_regression,
    solve_pnorm,
)
from pnr_jax.regression._problem import normalise
from tests.regression import oracles
from tests.regression.test_jax import run

SOLVERS = (IRLS(5), InexactIRLS(5))
NORMS = (1, 1.5)


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def problem(**shape):
    """P with a column twice, H with outliers, v with zeros: float32."""
    P, H = (np.float32(x) for x in oracles.outlier_problem(**shape))
    P[..., -1] = P[..., 0]
    return P, H, np.float32(np.arange(P.shape[-2]) % 4)


def assert_close(actual, expected, tolerance):
    """Each to the tolerance of its largest entry."""
    sizes = jax.tree.map(lambda x: np.abs(x).max(initial=1e-30), expected)
    actual, expected = (
        jax.tree.map(lambda x, s: np.asarray(x) / s, t, sizes) for t in (actual, expected)
    )
    chex.assert_tree_all_finite(expected)
    chex.assert_trees_all_close(actual, expected, rtol=0, atol=tolerance)


def test_iterations_and_inverse_are_those_of_xla():
    """More than one block of rows and of columns, none of them full."""
    P, H, v = problem(n=130, d=7, D=131, batch=(2,))

    @jax.jit
    def both(P, H, v, eps):
        normal = normalise(P, H, v, 1e-3)
        x = _irls.least_squares_solution(normal)
        W = IRLS().weights(normal, normal.residual(x), 1, eps[0])
        values = {"inverse": [m.inverse_of(normal, W)(normal.H[:, :7]) for m in (_pallas, _irls)]}
        for solver in SOLVERS:
            for p in NORMS:
                expected = solver.approach(normal, p, x).x
                values[f"{solver}, {p}"] = _pallas.approach(solver, normal, p, x).x, expected

        def one(approach, normal, x, eps, p):
            return approach(InexactIRLS(3, eps), normal, p, x).x

        each = jax.tree.map(lambda a: jnp.broadcast_to(a, (2, *a.shape[1:])), normal)
        axes = (None, 0, 0, 0, 0)
        approaches = _pallas.approach, InexactIRLS.approach
        values["vmap"] = [jax.vmap(one, axes)(f, each, x, eps, 1 + eps) for f in approaches]
        return values

    for name, (actual, expected) in both(P, H, v, jnp.array([0.1, 0.5])).items():
        # With p = 1 and so small an eps weights span six digits, of the seven that there are.
        assert_close(actual, expected, 2e-3 if name == f"{IRLS(5)}, 1" else 1e-4)


@pytest.mark.parametrize(
    ("solver", "p", "gradient"),
    [(IRLS(5, eps=1e-3), 1, "last_step"), (InexactIRLS(5, eps=1e-2), 1.5, "implicit")],
)
def test_value_and_gradients_are_those_of_xla(solver, p, gradient):
    """Less than a block."""
    P, H, v = problem(n=51, d=5, D=3, batch=(2, 1))

    def value_and_gradients(implementation):
        def fit(P, H, v):
            return pnorm_regression(
                P, H, weights=v, p=p, solver=solver, gradient=gradient,
                implementation=implementation,
            )  # fmt: skip

        def both(P, H, v):
            F, pullback = jax.vjp(fit, P, H, v)
            return F, *pullback(jnp.sin(F))

        return jax.jit(both)(P, H, v)

    actual, expected = map(value_and_gradients, ("pallas", "xla"))
    assert_close(actual, expected, 5e-4)


def test_new_numbers_do_not_compile_anew():
    P, H, v = problem(n=40, d=4, D=2)

    def fit(eps, widest, p, implementation):
        solver = InexactIRLS(4, eps, widest)
        options = {"p": p, "solver": solver, "implementation": implementation}
        solution = solve_pnorm(P, H, weights=v, **options)
        return solution.F, solution.objective, solution.weights

    size = _pnorm._estimate._cache_size()
    numbers = (1e-3, 0.3, 1.1), (1e-1, 1.0, 1.5)
    actual, expected = ([fit(*x, how) for x in numbers] for how in ("pallas", "xla"))
    assert _pnorm._estimate._cache_size() <= size + 2
    assert_close(actual, expected, 1e-4)
    assert np.abs(actual[0][0] - actual[1][0]).max() > 1e-3


def test_a_sharded_batch_needs_no_communication():
    run(
        """
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from pnr_jax.regression import *
from tests.regression import oracles
rng = np.random.default_rng(0)
P, H = (np.float32(rng.random((4, 64, k))) for k in (4, 6))
def fit(P, H):
    return pnorm_regression(P, H, p=1.5, solver=IRLS(2), check=False, implementation="pallas")
problems = zip(P.astype(float), H.astype(float))
expected = [oracles.irls(*problem, np.ones(64), 1.5, 2, 1e-6)[0] for problem in problems]
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((2, 2), ("data", "columns"), axis_types=(kind,) * 2)
    with jax.set_mesh(mesh):
        specs = PartitionSpec("data"), PartitionSpec("data", None, "columns")
        placed = [jax.device_put(x, NamedSharding(mesh, s)) for x, s in zip((P, H), specs)]
        compiled = jax.jit(fit).lower(*placed).compile()
        for name in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
            assert name not in compiled.as_text(), (kind, name)
        F = compiled(*placed)
        assert F.sharding.is_equivalent_to(placed[1].sharding, 3), F.sharding
        np.testing.assert_allclose(F, expected, rtol=1e-4, atol=1e-5)
"""
    )


# jax 0.12 lowers for CUDA only where such a device is.
@pytest.mark.parametrize("platform", ["tpu", *["cuda"] * (jax.__version_info__ < (0, 12))])
def test_the_kernels_lower_for(platform):
    P, H, v = problem(n=100, d=20, D=140)
    target = {"cuda": "__gpu$xla.gpu.triton", "tpu": "tpu_custom_call"}[platform]

    def fits(P, H, v):
        normal = normalise(P, H, v, 0.0)
        x = _irls.least_squares_solution(normal)
        x = [_pallas.approach(solver, normal, p, x).x for solver in SOLVERS for p in NORMS]
        return x, _pallas.inverse_of(normal, normal.H)(x[0])

    export = jax.export.export(
        jax.jit(fits),
        platforms=[platform],
        disabled_checks=[jax.export.DisabledSafetyCheck.custom_call(target)],
    )
    assert export(P, H, v).mlir_module().count(f"@{target}") == 5
