"""Wrong arguments are named, with their shapes or values."""

import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.regression import (
    IRLS,
    InexactIRLS,
    PrimalDual,
    least_squares,
    pnorm_regression,
    predict,
    solve_pnorm,
)

P, H = np.zeros((8, 3), np.float32), np.zeros((8, 2), np.float32)


def fit(*arguments, **options):
    return lambda: pnorm_regression(*(arguments or (P, H)), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (fit(P[:7], H), r"\(7, 3\) and H \(8, 2\)"),
        (lambda: least_squares(P[0], H), r"P \(3,\) and H \(8, 2\)"),
        (lambda: least_squares(P[:, :0], H), r"P \(8, 0\) and H \(8, 2\)"),
        (fit(weights=np.ones(7)), r"weights \(7,\) and P \(8, 3\)"),
        (lambda: least_squares(P, H, weights=1.0), r"weights \(\) and P \(8, 3\)"),
        (
            lambda: solve_pnorm(np.stack([P, P]), np.stack([H, H, H])),
            r"leading axes of P \(2, 8, 3\), H \(3, 8, 2\) do not broadcast",
        ),
        (fit(p=0.9), r"p must lie in \[1, 2\]; got p = 0.9"),
        (fit(p=2.1), r"p must lie in \[1, 2\]; got p = 2.1"),
        (fit(p=float("nan")), "p must lie"),
        (fit(p=np.ones(2)), r"p must be one number; got an array \(2,\)"),
        (fit(solver=IRLS(0)), "iterations must be at least 1; got iterations = 0"),
        (fit(solver=IRLS(eps=0.0)), "eps must be positive and finite; got eps = 0.0"),
        (fit(solver=InexactIRLS(widest=-1.0)), "widest must be positive and finite"),
        (fit(solver=InexactIRLS(decay=1.5)), r"decay must lie in \(0, 1\]; got decay = 1.5"),
        (fit(solver=InexactIRLS(cg_steps=0)), "cg_steps must be at least 1"),
        (fit(solver="irls"), r"solver must be IRLS\(\), InexactIRLS\(\) or PrimalDual"),
        (lambda: least_squares(P, H, ridge=-1.0), "ridge must be at least 0 and finite"),
        (fit(gradient="none"), "gradient must be one of .* got 'none'"),
        (fit(implementation="cuda"), "implementation must be one of"),
        (lambda: solve_pnorm(P, H, gradient="unrolled"), "PrimalDual has no unrolled gradient"),
        (fit(implementation="pallas", rowwise=True), "pallas.* entrywise"),
        (fit(implementation="pallas", solver=PrimalDual()), "pallas.* has IRLS and InexactIRLS"),
        (fit(implementation="pallas", gradient="unrolled"), "pallas.* no unrolled gradient"),
        (fit(solver=PrimalDual(max_iterations=0)), "max_iterations must be at least 1"),
        (fit(solver=PrimalDual(tolerance=-1.0)), "tolerance must be at least 0"),
        (fit(start=np.zeros((2, 2))), r"start must be .* here \(3, 2\) .* got float32 \(2, 2\)"),
        (fit(start=np.zeros((2, 3, 2))), r"start must be .* here \(3, 2\) .* \(2, 3, 2\)"),
        (
            fit(P[None], H[None], start=np.zeros((2, 3, 2))),
            r"start must be .* here \(1, 3, 2\) .* \(2, 3, 2\)",
        ),
        (fit(start=np.zeros((3, 2)) * 1j), "start must be a real .* got complex64"),
        (fit(solver=IRLS(jnp.int32(2))), "iterations must be a Python int"),
        (fit(solver=IRLS(2.5)), "iterations must be a Python int; got 2.5"),
        (lambda: least_squares(P, H * 1j), r"H \(8, 2\) must be real; got complex"),
        (lambda: predict(P, H), r"P \(8, 3\) and F \(8, 2\)"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_solvers_are_values():
    assert IRLS(5) == IRLS() and hash(IRLS()) == hash(IRLS(5)) and IRLS(4) != IRLS(5)
    assert repr(IRLS()) == "IRLS(iterations=5, eps=1e-06)"
    with pytest.raises(AttributeError):
        PrimalDual().tolerance = 1.0
