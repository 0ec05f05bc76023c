"""A trained system as a function from sources and poses to images."""

from pathlib import Path

import jax
import numpy as np

from pnr_jax import box, sharding
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.errors import UserError
from pnr_jax.nn.pixels import to_uint8
from pnr_jax.systems import Sources, System
from pnr_jax.typing import Code, Variables


class PoseTransfer:
    """Draws people in new poses.

    `encode` takes the sources; `render` draws a person in any number of poses. Where
    `system.encodes`, as in pNR, the regression is solved by `encode`, once for a person; other
    systems keep the sources and process them again for each pose. Both methods split a batch over
    all local devices, padded to a multiple of them.

    Attributes:
      system: the method that draws.
      image_size: (H, W) of all images, pixels.
    """

    def __init__(self, system: System, variables: Variables):
        """Wraps a system with its trained `variables`."""
        self.system = system
        self.image_size: tuple[int, int] = system.image_size
        self._mesh = sharding.make_mesh(jax.local_devices())
        self._variables = jax.device_put(variables, sharding.copied(self._mesh))

        def render(variables: Variables, code: Code, keypoints: jax.Array) -> jax.Array:
            return to_uint8(system.render(variables, code, keypoints))

        self._encode, self._render = jax.jit(system.encode), jax.jit(render)

    @classmethod
    def load(cls, workdir: str | Path, model: str = "model") -> "PoseTransfer":
        """Loads a trained model.

        Args:
          workdir: the run's folder, the name of a bundled model ("people"), or an address of the
            Hub ("hf://OWNER/REPO"); "@SHA256" behind it pins the weights' file.
          model: "model" (the latest) or "model_best".

        Raises:
          UserError: there is no run, or no model yet.
        """
        folder = box.find(workdir)
        return cls(config_lib.read_config(folder).build_system(), load_model(folder, model))

    def encode(
        self,
        source_images: np.ndarray,
        source_keypoints: np.ndarray,
        source_valid: np.ndarray | None = None,
        row_weights: np.ndarray | None = None,
    ) -> Code:
        """Encodes sources: with pNR, solves H ≈ P F for F.

        Args:
          source_images: uint8 [B, M, H, W, 3].
          source_keypoints: [B, M, 18, 2], (y, x) pixels, -1 or NaN where missing; floats keep
            fractions.
          source_valid: bool [B, M], False where a person has fewer than M sources.
          row_weights: float [B, M, h, w], v of eq. 4, for a system that has `regions` (h, w).

        Returns:
          A tree of arrays [B, ...]: with pNR, F, float32 [B, d, D].

        Raises:
          UserError: there are more sources than the system can take.
          ValueError: shapes do not agree, or the system has no regions.
        """
        source_images, source_keypoints = np.asarray(source_images), np.asarray(source_keypoints)
        expected = (*source_images.shape[:2], *self.image_size, 3)
        if source_images.shape != expected or source_images.dtype != np.uint8:
            raise ValueError(
                f"source_images must be uint8 [B, M, {self.image_size[0]}, {self.image_size[1]}, 3]"
                f", not {source_images.dtype} {source_images.shape}"
            )
        B, M = expected[:2]
        if not B or not M:
            raise ValueError(f"there must be a person and a source of it, not B = {B}, M = {M}")
        if source_keypoints.shape != (B, M, 18, 2):
            raise ValueError(
                f"source_keypoints must be [B, M, 18, 2] = {(B, M, 18, 2)} for "
                f"source_images {source_images.shape}, not {source_keypoints.shape}"
            )
        valid = np.ones((B, M), bool) if source_valid is None else np.asarray(source_valid, bool)
        if valid.shape != (B, M):
            raise ValueError(f"source_valid must be {(B, M)}, not {valid.shape}")
        most = self.system.most_sources
        if most is not None and most < M:
            raise UserError(f"{self.system.title} sees {most} source(s) of a person, not {M}")
        sources = Sources(source_images, _pixels(source_keypoints), valid)  # type: ignore[arg-type]
        weights = None if row_weights is None else self._row_weights(row_weights, B, M)
        split = sharding.pad_and_split(self._mesh, (sources, weights))
        return jax.tree.map(lambda x: x[:B], self._encode(self._variables, *split))

    def render(self, code: Code, target_keypoints: np.ndarray) -> np.ndarray:
        """Draws people in poses.

        Args:
          code: what `encode` returned for B people.
          target_keypoints: [B, 18, 2], (y, x) pixels, -1 or NaN where missing; floats keep
            fractions.

        Returns:
          uint8 [B, H, W, 3].
        """
        target_keypoints = np.asarray(target_keypoints)
        B = jax.tree.leaves(code)[0].shape[0]
        if not B:
            raise ValueError("there must be a person to draw, not B = 0")
        if target_keypoints.shape != (B, 18, 2):
            raise ValueError(
                f"target_keypoints must be {(B, 18, 2)} for {B} people, "
                f"not {target_keypoints.shape}"
            )
        split = sharding.pad_and_split(self._mesh, (code, _pixels(target_keypoints)))
        return np.asarray(self._render(self._variables, *split))[:B]

    def transfer(
        self,
        source_images: np.ndarray,
        source_keypoints: np.ndarray,
        target_keypoints: np.ndarray,
        source_valid: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns `render(encode(sources), target_keypoints)`: uint8 [B, H, W, 3]."""
        code = self.encode(source_images, source_keypoints, source_valid)
        return self.render(code, target_keypoints)

    def _row_weights(self, weights: np.ndarray, B: int, M: int) -> np.ndarray:
        if self.system.regions is None:
            raise ValueError(f"row_weights: {self.system.title} has no regions to be weighed")
        expected = (B, M, *self.system.regions)
        if np.shape(weights) != expected:
            raise ValueError(f"row_weights must be {expected}, not {np.shape(weights)}")
        return np.asarray(weights, np.float32).reshape(B, -1)


def repeated(code: Code, times: int) -> Code:
    """Repeats the code of one person [1, ...], to draw that person in `times` poses."""
    return jax.tree.map(lambda x: np.repeat(x, times, axis=0), code)


def _pixels(keypoints: np.ndarray) -> np.ndarray:
    """Converts keypoints to one of the two types that programs are compiled for.

    Raises:
      ValueError: a pose has shares of the image in place of pixels.
    """
    keypoints = np.where(np.isfinite(keypoints).all(axis=-1, keepdims=True), keypoints, -1)
    found = (keypoints != -1).all(axis=-1)
    within = ((keypoints >= 0) & (keypoints <= 1)).all(axis=-1) | ~found
    between = found & (keypoints % 1 != 0).any(axis=-1)
    if (within.all(axis=-1) & between.any(axis=-1) & (found.sum(axis=-1) > 1)).any():
        raise ValueError(
            "keypoints lie between 0 and 1; expected pixels, (y, x), so multiply by image_size"
        )
    kind = np.float32 if np.issubdtype(keypoints.dtype, np.floating) else np.int32
    return keypoints.astype(kind)
