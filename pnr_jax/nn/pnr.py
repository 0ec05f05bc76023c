"""The whole model: F from the sources, H_t = P_t F, the image from H_t (Fig. 1).

Letters are the paper's: H appearance features [B, M·n, D], P pose features [B, M·n, d], F the
pose-invariant features of the identity [B, d, D]; n = h·w regions, M sources.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from pnr_jax.keypoints import heatmap_factors
from pnr_jax.nn.extractors import AppearanceExtractor, PoseExtractor
from pnr_jax.nn.generator import Generator
from pnr_jax.nn.pixels import scale_images
from pnr_jax.regression import (
    IRLS,
    Gradient,
    Solver,
    pnorm_regression,
    predict,
)


class PNR(nn.Module):
    """Pose guided generation by p-norm regression.

    Attributes:
      image_size: (H, W), multiples of 4.
      p: exponent of the norm, 1 (LAD) to 2 (LSE, closed form).
      rowwise: whether the norm is of rows of H, not of entries.
      solver: how the regression is solved where p < 2, `IRLS` (the paper's) or another.
      gradient: the regression's derivative, "last_step" (the paper's), "implicit" or "unrolled".
      ridge: weight of the regression's ridge, relative to each column of P.
      d: columns of P.
      width: channels of the stems; D = 4·width.
      blocks: N residual blocks in f_a, f_p and G.
      norm: "batch", "instance" or "group".
      dropout: in the residual blocks.
      sigma: width of the pose heatmaps' peaks, pixels.
      up_kernel: size of G's transposed convolutions' kernels.
      dtype: type that the networks compute in; parameters and regression are float32.
    """

    image_size: tuple[int, int] = (128, 64)
    p: float = 1.0
    rowwise: bool = False
    solver: Solver = IRLS()
    gradient: Gradient = "last_step"
    ridge: float = 0.0
    d: int = 20
    width: int = 64
    blocks: int = 4
    norm: str = "batch"
    dropout: float = 0.0
    sigma: float = 6.0
    up_kernel: int = 3
    dtype: DTypeLike = jnp.float32

    def setup(self) -> None:
        """Builds f_a, f_p and G."""
        common: dict[str, Any] = {
            "width": self.width,
            "blocks": self.blocks,
            "norm": self.norm,
            "dropout": self.dropout,
            "dtype": self.dtype,
        }
        self.appearance = AppearanceExtractor(**common)
        self.pose = PoseExtractor(d=self.d, **common)
        self.generator = Generator(up_kernel=self.up_kernel, **common)

    def __call__(
        self,
        source_images: jax.Array,
        source_keypoints: jax.Array,
        source_valid: jax.Array,
        target_keypoints: jax.Array | None,
        row_weights: jax.Array | None = None,
        train: bool = False,
    ) -> jax.Array:
        """Draws the person of the sources in the target's pose.

        Args:
          source_images: uint8 [B, M, H, W, 3].
          source_keypoints: int [B, M, 18, 2].
          source_valid: bool [B, M], False pads.
          target_keypoints: int [B, 18, 2]; None reconstructs the first source, Ĥ = P_s F.
          row_weights: [B, M·n], v of eq. 4: rows of H and P that the regression may see.
          train: batch statistics and dropout.

        Returns:
          float32 [B, H, W, 3] in [-1, 1].
        """
        # Source and target poses go through f_p as one batch.
        poses, valid = source_keypoints, source_valid
        if target_keypoints is not None:
            poses = jnp.concatenate([poses, target_keypoints[:, None]], axis=1)
            valid = jnp.concatenate([valid, jnp.ones_like(valid[:, :1])], axis=1)
        P = self.pose_features(poses, valid, train)
        P_t = P[:, 0] if target_keypoints is None else P[:, -1]
        H = self.appearance_features(source_images, source_valid, train)
        F = self.estimate(P[:, : H.shape[1]], H, source_valid, row_weights)
        return self.draw(P_t, F, train)

    def encode(
        self,
        source_images: jax.Array,
        source_keypoints: jax.Array,
        source_valid: jax.Array,
        row_weights: jax.Array | None = None,
    ) -> jax.Array:
        """Returns F [B, d, D], all that is kept of the sources (shapes as in `__call__`)."""
        P = self.pose_features(source_keypoints, source_valid)
        H = self.appearance_features(source_images, source_valid)
        return self.estimate(P, H, source_valid, row_weights)

    def render(self, F: jax.Array, target_keypoints: jax.Array) -> jax.Array:
        """Draws float32 [B, H, W, 3] of the people F [B, d, D] in the poses int [B, 18, 2]."""
        valid = jnp.ones((target_keypoints.shape[0], 1), bool)
        return self.draw(self.pose_features(target_keypoints[:, None], valid)[:, 0], F)

    def pose_features(
        self, keypoints: jax.Array, valid: jax.Array, train: bool = False
    ) -> jax.Array:
        """Returns P [B, M, n, d] of poses int [B, M, 18, 2]."""
        B, M = keypoints.shape[:2]
        flat = keypoints.reshape(B * M, 18, 2)
        rows, columns = heatmap_factors(flat, self.image_size, self.sigma)
        P = self.pose(rows, columns, train, valid.reshape(B * M)).astype(jnp.float32)
        return P.reshape(B, M, -1, self.d)

    def appearance_features(
        self, images: jax.Array, valid: jax.Array, train: bool = False
    ) -> jax.Array:
        """Returns H [B, M, n, D] of images uint8 [B, M, H, W, 3]."""
        B, M = valid.shape
        flat = scale_images(images).reshape(B * M, *images.shape[2:])
        H = self.appearance(flat, train, valid.reshape(B * M)).astype(jnp.float32)
        return H.reshape(B, M, *H.shape[1:])

    def estimate(
        self,
        P: jax.Array,
        H: jax.Array,
        source_valid: jax.Array,
        row_weights: jax.Array | None = None,
    ) -> jax.Array:
        """Solves for F [B, d, D]: one regression over the rows of all M sources (eqs. 1-4).

        Args:
          P: float32 [B, M, n, d].
          H: float32 [B, M, n, D].
          source_valid: bool [B, M], False pads.
          row_weights: [B, M·n], v of eq. 4.
        """
        B, M, n, _ = P.shape
        weights = jnp.repeat(source_valid.astype(jnp.float32), n, axis=1)
        if row_weights is not None:
            weights = weights * row_weights
        P, H = P.reshape(B, M * n, -1), H.reshape(B, M * n, -1)
        return pnorm_regression(
            P,
            H,
            p=self.p,
            weights=weights,
            ridge=self.ridge,
            rowwise=self.rowwise,
            solver=self.solver,
            gradient=self.gradient,
        )

    def draw(self, P_t: jax.Array, F: jax.Array, train: bool = False) -> jax.Array:
        """Draws H_t = P_t F: P_t [B, n, d], F [B, d, D] -> float32 [B, H, W, 3]."""
        H_t = predict(P_t, F)
        h, w = self.image_size[0] // 4, self.image_size[1] // 4
        return self.generator(H_t.reshape(H_t.shape[0], h, w, -1), train)
