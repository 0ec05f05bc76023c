"""The smoothed problem that is solved in place of the p-norm's, in the coordinates of `Problem`.

For each column h of H with residual r = h − P x, u = r / s and s = mean |h|:

    minimise  Σ_j v_j ρ(u_j) s² + xᵀ penalty x / 2,    ρ(u) = (u² + ε²)^(p/2) / p,

so ρ(u) = |u|^p / p for |u| ≫ ε. Its derivative is ρ'(u) = w u with w = (u² + ε²)^(p/2 − 1), the
weights of eq. 3 with a clamp.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike


class Smoothing(NamedTuple):
    """The norm p and the last ε, relative to s."""

    p: float
    eps: float

    def final(self, dtype: DTypeLike) -> jax.Array:
        """The last ε: eps, but none that adds less than roundoff, ε^p of |u|^p."""
        return jnp.asarray(max(self.eps, (8 * float(jnp.finfo(dtype).eps)) ** (1 / self.p)), dtype)

    def scheduled(self, iteration: jax.Array | int, dtype: DTypeLike) -> jax.Array:
        """ε(k) = max(eps, 0.3 · 0.5ᵏ) of an iteration of eq. 3.

        A wide ε first keeps the weights of rows that merely happen to be near the present fit
        from freezing it: 5 iterations then come as near to the optimum as 10 with a constant ε.
        """
        return jnp.maximum(self.final(dtype), 0.3 * 0.5 ** jnp.asarray(iteration, dtype))

    def weights(self, u: jax.Array, epsilon: jax.Array) -> jax.Array:
        """The weights w = ρ'(u) / u of eq. 3."""
        base = u * u + epsilon**2
        return lax.rsqrt(base) if self.p == 1 else base ** (self.p / 2 - 1)

    def values(self, u: jax.Array, epsilon: jax.Array) -> jax.Array:
        """The smoothed powers ρ(u)."""
        return (u * u + epsilon**2) * self.weights(u, epsilon) / self.p

    def curvature(self, u: jax.Array, epsilon: jax.Array) -> jax.Array:
        """The curvature ρ''(u) = w ((p − 1) u² + ε²) / (u² + ε²)."""
        squares, e2 = u * u, epsilon**2
        return self.weights(u, epsilon) * ((self.p - 1) * squares + e2) / (squares + e2)
