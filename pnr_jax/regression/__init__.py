"""Batched, differentiable p-norm regression for JAX; imports jax and nothing else.

The letters are the paper's: appearance features ``H`` [..., n, D] are explained by pose features
``P`` [..., n, d] through a matrix ``F`` [..., d, D], so that ``H ≈ P F``.
"""

from pnr_jax.regression._estimate import Gradient
from pnr_jax.regression._pnorm import least_squares, pnorm_regression, predict
from pnr_jax.regression._solve import Solution, solve_pnorm

__all__ = ["Gradient", "Solution", "least_squares", "pnorm_regression", "predict", "solve_pnorm"]
