"""Every field of a configuration, with the paper's values; `configs/` changes some of them."""

import json
import math
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from pnr_jax.errors import UserError
from pnr_jax.files import write_text

# What a run may change when it resumes; all else would make it another run.
CHANGEABLE = frozenset(
    {"steps", "log_every", "checkpoint_every", "sample_every", "keep_checkpoints"}
    | {"data_dir", "vgg19", "input", "steps_per_call", "shard_parameters", "max_skipped"}
)
NORMS = ("batch", "instance", "group")
DATA = ("people", "market1501", "folder")


def default_config() -> ConfigDict:
    """The paper's supervised training with p = 1; unstated choices are PATN's or marked."""
    return ConfigDict(
        {
            "seed": 0,
            "steps": 87_500,  # PATN's 2.8 million samples; the paper does not say.
            "batch_size": 32,  # PATN.
            "image_size": (128, 64),
            "supervised": True,
            "sources": 1,  # M in training.
            "compute_dtype": "float32",
            "learning_rate": 0.002,
            "decay_from": 1.0,  # Share of the steps after which it falls linearly to 0.
            "adam_b1": 0.5,
            "adam_b2": 0.999,
            "ema": 0.0,  # Decay of the generator's running average; 0 is off.
            "pool_size": 50,  # Past fakes that the discriminators still see (PATN); 0 is off.
            "loss": {
                "l1": 5.0,  # λ1
                "perceptual": 5.0,  # λ2
                "gan_image": 10.0,  # λ3
                "gan_pose": 10.0,  # λ4
                "perceptual_required": True,  # Refuse to start without --vgg19.
            },
            "model": {
                "p": 1.0,
                "iterations": 5,
                "ridge": 0.0,  # Relative to each column of P.
                "d": 20,
                "width": 64,  # D = 4 * width
                "blocks": 4,
                "norm": "batch",
                "dropout": 0.0,
                "sigma": 6.0,  # Pixels.
                "up_kernel": 3,
                "keep_rows": 0.5,  # p(v = 1) of eq. 4, unsupervised training.
            },
            "discriminator": {"width": 64, "blocks": 3, "norm": "batch", "dropout": 0.5},
            "data": {
                "name": "market1501",  # Or "people", the embedded data set; "folder", one's own.
                "seed": 0,
                "train_identities": 0,  # The rest describes the embedded people.
                "test_identities": 0,
                "views": 0,
                "test_tuples": 0,
            },
            "data_dir": "",  # Set by --data_dir.
            "vgg19": "",  # Set by --vgg19.
            "input": "device",  # The training set lies on every device; "host": fed by tf.data.
            "steps_per_call": 1,  # Steps that one call of the compiled program makes.
            "shard_parameters": False,  # Split parameters and optimiser over devices (ZeRO-3).
            "max_skipped": 20,  # Steps in a row with a gradient that is not finite; then stop.
            "log_every": 100,
            "checkpoint_every": 2_500,
            "sample_every": 2_500,
            "keep_checkpoints": 2,
        }
    )


def check(config: ConfigDict) -> None:
    """Raises a `UserError` for values that no run can have."""
    size = config.image_size
    rules = [
        ("image_size", len(size) == 2
         and all(type(side) is int and side % 4 == 0 and side >= 32 for side in size),
         "two multiples of 4, at least 32"),
        ("steps", config.steps >= 1, "at least 1"),
        ("batch_size", config.batch_size >= 1, "at least 1"),
        ("sources", config.sources >= 1, "at least 1"),
        ("compute_dtype", config.compute_dtype in ("float32", "bfloat16"), "float32 or bfloat16"),
        ("learning_rate", config.learning_rate > 0, "positive"),
        ("model.p", 1 <= config.model.p <= 2, "between 1 and 2"),
        ("model.iterations", config.model.iterations >= 1, "at least 1"),
        ("model.d", config.model.d >= 1, "at least 1"),
        ("model.width", config.model.width >= 1, "at least 1"),
        ("model.norm", config.model.norm in NORMS, " or ".join(NORMS)),
        ("discriminator.norm", config.discriminator.norm in NORMS, " or ".join(NORMS)),
        ("model.keep_rows", 0 < config.model.keep_rows <= 1, "in (0, 1]"),
        ("decay_from", 0 <= config.decay_from <= 1, "in [0, 1]"),
        ("ema", 0 <= config.ema < 1, "in [0, 1)"),
        ("data.name", config.data.name in DATA, " or ".join(DATA)),
        ("log_every", config.log_every >= 1, "at least 1"),
        ("checkpoint_every", config.checkpoint_every >= 1, "at least 1"),
        ("sample_every", config.sample_every >= 1, "at least 1"),
        ("keep_checkpoints", config.keep_checkpoints >= 1, "at least 1"),
        ("input", config.input in ("device", "host"), "device or host"),
        ("steps_per_call", config.steps_per_call >= 1, "at least 1"),
        ("steps_per_call", config.steps_per_call == 1 or config.input == "device",
         "1 with --config.input=host"),
        *((field, config[field] % max(1, config.steps_per_call) == 0,
           f"a multiple of steps_per_call = {config.steps_per_call}")
          for field in ("steps", "log_every", "checkpoint_every", "sample_every")),
        ("max_skipped", config.max_skipped >= 1, "at least 1"),
    ]  # fmt: skip
    for field, holds, rule in rules:
        if not holds:
            value: Any = config
            for part in field.split("."):
                value = value[part]
            raise UserError(f"--config.{field}={value}: must be {rule}")


def save(config: ConfigDict, workdir: Path) -> None:
    """Writes `config.json`."""
    write_text(workdir / "config.json", json.dumps(config.to_dict(), indent=2) + "\n")


def load(workdir: str | Path) -> ConfigDict:
    """The configuration of a workdir; fields that it lacks have their defaults.

    Raises:
      UserError: there is no run, or its config.json holds fields or types of another program.
    """
    path = Path(workdir) / "config.json"
    if not path.is_file():
        raise UserError(f"--workdir={workdir}: no run here (config.json is missing)")
    config = default_config().lock()  # So that a field which does not exist is refused.
    try:
        saved = json.loads(path.read_text())
        if not isinstance(saved, dict):
            raise TypeError(f"holds no fields, but {saved!r}")
        config.update(ConfigDict(saved))
        config.image_size = tuple(config.image_size)
        _check_types(config)
        check(config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a configuration of this program ({reason})") from None
    return config.unlock()


def _check_types(config: ConfigDict) -> None:
    """Raises a `TypeError` for what a `ConfigDict` takes from JSON but no field may have."""
    defaults = _flat(default_config())
    for field, value in _flat(config).items():
        is_number = not isinstance(value, float) or math.isfinite(value)
        sides = value if field == "image_size" else ()
        if (
            type(value) is not type(defaults[field])
            or not is_number
            or any(type(side) is not int for side in sides)
        ):
            raise TypeError(f"{field} is {value!r}")


def check_workdir(config: ConfigDict, workdir: Path) -> None:
    """Raises a `UserError` when `workdir` belongs to another configuration, naming a field."""
    if not (workdir / "config.json").exists():
        return
    here, there = _flat(config), _flat(load(workdir))
    for field in here:
        if here[field] != there.get(field) and field not in CHANGEABLE:
            raise UserError(
                f"--workdir={workdir} holds a run with {field}={there.get(field)}, not "
                f"{here[field]}; choose another --workdir or the same configuration"
            )


def _flat(tree: ConfigDict, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, ConfigDict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = tuple(value) if isinstance(value, list | tuple) else value
    return flat
