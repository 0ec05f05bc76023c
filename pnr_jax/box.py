"""Models by name: trained runs that come with the package, or lie on the Hugging Face Hub.

A bundled one is a folder of `pnr_jax/models/`, laid out as any other run's but that its weights are
a single file, rounded to bfloat16.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import DTypeLike
from safetensors import SafetensorError
from safetensors.flax import load_file, save_file

from pnr_jax import pretrained
from pnr_jax.errors import UserError, first_line
from pnr_jax.files import replacing
from pnr_jax.paths import local_copy, to_path
from pnr_jax.typing import Variables

MODELS = Path(__file__).parent / "models"
WEIGHTS = "model.safetensors"


def names() -> list[str]:
    """Returns the names of the bundled models."""
    return sorted(path.parent.name for path in MODELS.glob("*/config.json"))


def find(workdir: str | Path) -> Path:
    """Returns the folder of a run, of the bundled model of that name, or of one of the Hub.

    A folder that exists comes before a bundled model's name.

    Raises:
      UserError: it cannot be downloaded, or the hash in its name is not that of its weights.
    """
    place, digest = pretrained.split_hash(workdir)
    if pretrained.is_address(place):
        folder = pretrained.find_model(place, (WEIGHTS, "config.json"))
    else:
        folder = to_path(place)
        if not folder.exists() and str(folder) in names():
            folder = MODELS / folder
    if digest:
        pretrained.check_hash(folder / WEIGHTS, digest)
    return folder


def is_shared(folder: Path) -> bool:
    """Returns whether a folder that `find` returned is the package's or of the Hub's cache."""
    in_cache = folder.parent.name == "snapshots" and folder.parents[1].name.startswith("models--")
    return folder.is_relative_to(MODELS) or in_cache


def save_weights(path: Path, variables: Variables, dtype: DTypeLike = jnp.bfloat16) -> None:
    """Writes a nested dict of arrays as one safetensors file, rounded to `dtype`."""
    flat = {name: jnp.asarray(x, dtype) for name, x in flatten_dict(variables, sep="/").items()}
    with replacing(path) as temporary:
        save_file(flat, temporary, metadata={"format": "flax"})


def load_weights(path: Path) -> Variables:
    """Reads what `save_weights` wrote: a nested dict of float32 NumPy arrays.

    Raises:
      UserError: the file is damaged.
    """
    try:
        with local_copy(path) as file:
            flat = {name: np.asarray(x, np.float32) for name, x in load_file(file).items()}
    except SafetensorError as error:
        raise UserError(f"{path}: cannot be read ({first_line(error)})") from None
    return dict(unflatten_dict(flat, sep="/"))
