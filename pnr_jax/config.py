"""Every field of a configuration, with the paper's values; `configs/` changes some of them."""

import json
import math
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from pnr_jax.errors import UserError
from pnr_jax.files import write_text

# What a run may change when it resumes; all else would make it another run.
# More or fewer steps also move the decay of the learning rate, where there is one.
CHANGEABLE = frozenset(
    {"steps", "log_every", "checkpoint_every", "sample_every", "keep_checkpoints"}
    | {"data_dir", "vgg19", "input", "steps_per_call", "shard_parameters", "max_skipped"}
)
NORMS = ("batch", "instance", "group")
CHOICES = {
    "compute_dtype": ("float32", "bfloat16"),
    "model.norm": NORMS,
    "discriminator.norm": NORMS,
    "model.solver": ("irls", "inexact_irls", "primal_dual"),
    "model.gradient": ("last_step", "implicit", "unrolled"),
    "data.name": ("people", "market1501", "folder"),
    "input": ("device", "host"),
}
# What the embedded people need at least; a view for each of 5 sources and the target.
PEOPLE = {
    "data.train_identities": 1,
    "data.test_identities": 1,
    "data.views": 6,
    "data.test_tuples": 1,
}


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
            "vary_sources": False,  # An example has 1 to M sources, drawn for each.
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
            },
            "model": {
                "p": 1.0,
                "rowwise": False,  # The norm of rows of H - P F (L2,p), not of entries.
                "solver": "irls",  # Eq. 3; "inexact_irls" and "primal_dual" to compare.
                "iterations": 5,  # T, ours; the most that primal_dual does (give it 100).
                "eps": 1e-6,  # Least abs(r) in the weights, relative to H's typical entry.
                "gradient": "last_step",  # The paper's; "implicit" and "unrolled" to compare.
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
            "vgg19": "",  # Set by --vgg19; empty: the weights in the package.
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


def cpu_config() -> ConfigDict:
    """Narrow networks and the L1 loss alone: what CPUs train in less than an hour."""
    config = default_config()
    config.update(steps=3_600, batch_size=8, learning_rate=3e-3, decay_from=0.3)
    config.update(log_every=50, checkpoint_every=500, sample_every=500)
    config.model.update(width=16, blocks=2, ridge=0.01, up_kernel=4)
    config.loss.update(l1=1.0, perceptual=0.0, gan_image=0.0, gan_pose=0.0)
    return config


def check(config: ConfigDict) -> None:
    """Raises a `UserError` for values that no run can have."""
    values = _flat(config)
    size, per_call = values["image_size"], config.steps_per_call
    least = dict.fromkeys(
        ("steps", "batch_size", "sources", "model.iterations", "model.d", "model.width",
         "discriminator.width", "log_every", "checkpoint_every", "sample_every",
         "keep_checkpoints", "steps_per_call", "max_skipped"), 1
    ) | dict.fromkeys(
        ("seed", "data.seed", "pool_size", "model.blocks", "discriminator.blocks", "model.ridge",
         "loss.l1", "loss.perceptual", "loss.gan_image", "loss.gan_pose", *PEOPLE), 0
    )  # fmt: skip
    if config.data.name == "people":
        least |= PEOPLE
    rules = [
        *((field, math.isfinite(value), "finite")
          for field, value in values.items() if type(value) is float),
        ("sources", config.supervised or config.sources == 1,
         "1 in unsupervised training, whose only source is the image itself"),
        ("image_size", len(size) == 2
         and all(type(side) is int and side % 4 == 0 and side >= 32 for side in size),
         "two multiples of 4, at least 32"),
        *((field, values[field] >= bound, f"at least {bound}") for field, bound in least.items()),
        *((field, values[field] < 2**31, "below 2^31") for field in ("seed", "data.seed")),
        *((field, 0 <= values[field] < 1, "in [0, 1)")
          for field in ("ema", "adam_b1", "adam_b2", "model.dropout", "discriminator.dropout")),
        *((field, values[field] in names, " or ".join(names)) for field, names in CHOICES.items()),
        ("steps", config.steps * config.batch_size < 2**32, "below 2^32 / batch_size"),
        ("learning_rate", config.learning_rate > 0, "positive"),
        ("decay_from", 0 <= config.decay_from <= 1, "in [0, 1]"),
        ("model.p", 1 <= config.model.p <= 2, "between 1 and 2"),
        ("model.eps", config.model.eps > 0, "positive"),
        ("model.gradient",
         (config.model.solver, config.model.gradient) != ("primal_dual", "unrolled"),
         "last_step or implicit with model.solver = primal_dual"),
        ("model.sigma", config.model.sigma > 0, "positive"),
        ("model.up_kernel", 1 <= config.model.up_kernel <= 4, "between 1 and 4"),
        ("model.keep_rows", 0 < config.model.keep_rows <= 1, "in (0, 1]"),
        ("steps_per_call", per_call == 1 or config.input == "device", "1 with --config.input=host"),
        *((field, values[field] % max(1, per_call) == 0,
           f"a multiple of steps_per_call = {per_call}")
          for field in ("steps", "log_every", "checkpoint_every", "sample_every")),
    ]  # fmt: skip
    for field, holds, rule in rules:
        if not holds:
            raise UserError(f"--config.{field}={values[field]}: must be {rule}")


def norm_name(config: ConfigDict) -> str:
    """The name of the regression's norm: "LAD" (p = 1), "LSE" (p = 2), "p = ...", or of rows."""
    p = config.model.p
    name = {1: "LAD", 2: "LSE"}.get(p, f"p = {p}")
    return f"{name} of rows" if config.model.rowwise and p != 2 else name


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
        sides = value if field == "image_size" else ()
        if type(value) is not type(defaults[field]) or any(type(side) is not int for side in sides):
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


def _flat(config: ConfigDict) -> dict[str, Any]:
    return flatten_dict(config.to_dict(), sep=".")
