"""The bundled models: trained runs that come with the package and are called by name.

Such a run is a folder of `pnr_jax/models/`, laid out as any other run's but that its weights are a
single file, rounded to bfloat16.
"""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import DTypeLike
from safetensors.flax import load_file, save

from pnr_jax.paths import local_copy, to_path

MODELS = Path(__file__).parent / "models"
WEIGHTS = "model.safetensors"


def names() -> list[str]:
    """Returns the names of the bundled models."""
    return sorted(path.parent.name for path in MODELS.glob("*/config.json"))


def find(workdir: str | Path) -> Path:
    """Returns the folder of a run, or of the bundled model of that name.

    A folder that exists comes before a name.
    """
    path = to_path(workdir)
    if not path.exists() and str(path) in names():
        return MODELS / path
    return path


def save_weights(path: Path, variables: dict[str, Any], dtype: DTypeLike = jnp.bfloat16) -> None:
    """Writes a nested dict of arrays as one safetensors file, rounded to `dtype`."""
    flat = {name: jnp.asarray(x, dtype) for name, x in flatten_dict(variables, sep="/").items()}
    path.write_bytes(save(flat, metadata={"format": "flax"}))


def load_weights(path: Path) -> dict[str, Any]:
    """Reads what `save_weights` wrote: a nested dict of float32 NumPy arrays."""
    with local_copy(path) as file:
        flat = {name: np.asarray(x, np.float32) for name, x in load_file(file).items()}
    return dict(unflatten_dict(flat, sep="/"))
