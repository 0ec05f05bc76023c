"""A trained model as a function: sources and poses in, images out."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from pnr_jax import config as config_lib
from pnr_jax import sharding
from pnr_jax.checkpoints import load_model
from pnr_jax.nn.model import build_model, to_uint8


class PoseTransfer:
    """Draws people in new poses.

    `encode` solves the regression once for a person; `render` draws F in any number of poses. Both
    divide a batch over all local devices; a batch that they do not divide is padded for the while.

    Attributes:
      image_size: (H, W) of all images, pixels.
    """

    def __init__(self, config: ConfigDict, variables: dict[str, Any]):
        """A transfer of the model that `config` describes, with `variables` of its `init`."""
        model = build_model(config)
        self.image_size: tuple[int, int] = tuple(config.image_size)
        self._mesh = sharding.make_mesh(jax.local_devices())
        self._variables = jax.device_put(variables, sharding.copied(self._mesh))

        @jax.jit
        def encode(variables: Any, images: Any, keypoints: Any, valid: Any) -> jax.Array:
            return jnp.asarray(model.apply(variables, images, keypoints, valid, method="encode"))

        @jax.jit
        def render(variables: Any, F: Any, keypoints: Any) -> jax.Array:
            return to_uint8(jnp.asarray(model.apply(variables, F, keypoints, method="render")))

        self._encode, self._render = encode, render

    @classmethod
    def load(cls, workdir: str | Path, model: str = "model") -> "PoseTransfer":
        """The trained model of a workdir: the latest, or the best by "model_best".

        Raises:
          UserError: there is no run, or no model yet.
        """
        config = config_lib.load(workdir)
        return cls(config, load_model(Path(workdir), model))

    def encode(
        self,
        source_images: np.ndarray,
        source_keypoints: np.ndarray,
        source_valid: np.ndarray | None = None,
    ) -> jax.Array:
        """Solves H ≈ P F for each person: all that is kept of the sources.

        Args:
          source_images: uint8 [B, M, H, W, 3].
          source_keypoints: int [B, M, 18, 2], (y, x) pixels, -1 where missing.
          source_valid: bool [B, M], False pads a person that has fewer sources.

        Returns:
          F: float32 [B, d, D].
        """
        source_images, source_keypoints = np.asarray(source_images), np.asarray(source_keypoints)
        expected = (*source_images.shape[:2], *self.image_size, 3)
        if source_images.shape != expected or source_images.dtype != np.uint8:
            raise ValueError(
                f"source_images must be uint8 [B, M, {self.image_size[0]}, {self.image_size[1]}, 3]"
                f", not {source_images.dtype} {source_images.shape}"
            )
        if source_keypoints.shape != (*expected[:2], 18, 2):
            raise ValueError(
                f"source_keypoints must be [B, M, 18, 2] = {(*expected[:2], 18, 2)} for "
                f"source_images {source_images.shape}, not {source_keypoints.shape}"
            )
        if source_valid is None:
            source_valid = np.ones(expected[:2])
        source_valid = np.asarray(source_valid, bool)
        if source_valid.shape != expected[:2]:
            raise ValueError(f"source_valid must be {expected[:2]}, not {source_valid.shape}")
        sources = (source_images, source_keypoints.astype(np.int32), source_valid)
        F = self._encode(self._variables, *sharding.pad_and_split(self._mesh, sources))
        return F[: len(source_images)]

    def render(self, F: jax.Array, target_keypoints: np.ndarray) -> np.ndarray:
        """Draws people in poses.

        Args:
          F: float32 [B, d, D] of `encode`.
          target_keypoints: int [B, 18, 2].

        Returns:
          uint8 [B, H, W, 3].
        """
        target_keypoints = np.asarray(target_keypoints)
        if target_keypoints.shape != (F.shape[0], 18, 2):
            raise ValueError(
                f"target_keypoints must be {(F.shape[0], 18, 2)} for F {F.shape}, "
                f"not {target_keypoints.shape}"
            )
        split = sharding.pad_and_split(self._mesh, (F, target_keypoints.astype(np.int32)))
        return np.asarray(self._render(self._variables, *split))[: len(target_keypoints)]

    def transfer(
        self,
        source_images: np.ndarray,
        source_keypoints: np.ndarray,
        target_keypoints: np.ndarray,
        source_valid: np.ndarray | None = None,
    ) -> np.ndarray:
        """`render(encode(sources), target_keypoints)`: uint8 [B, H, W, 3]."""
        F = self.encode(source_images, source_keypoints, source_valid)
        return self.render(F, target_keypoints)
