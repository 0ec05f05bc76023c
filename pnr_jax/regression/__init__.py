"""Batched, differentiable p-norm regression for JAX; imports only jax.

The notation is the paper's: appearance features ``H`` [..., n, D] are explained by pose features
``P`` [..., n, d] through a matrix ``F`` [..., d, D], so that ``H ≈ P F``. Read `_irls.py` first.
"""

from pnr_jax.regression._estimate import Gradient, Implementation, Solution, Solver
from pnr_jax.regression._inexact import InexactIRLS
from pnr_jax.regression._irls import IRLS
from pnr_jax.regression._pnorm import least_squares, pnorm_regression, predict, solve_pnorm
from pnr_jax.regression._primal_dual import PrimalDual

__all__ = [
    "IRLS",
    "Gradient",
    "Implementation",
    "InexactIRLS",
    "PrimalDual",
    "Solution",
    "Solver",
    "least_squares",
    "pnorm_regression",
    "predict",
    "solve_pnorm",
]
