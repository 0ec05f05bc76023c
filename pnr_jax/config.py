"""The configuration of a run, in parts, with the paper's values as defaults."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import jax.numpy as jnp

from pnr_jax import box, pretrained
from pnr_jax.data import DATA_SETS, DataSet
from pnr_jax.data.market1501 import Market1501
from pnr_jax.data.warps import Augment
from pnr_jax.errors import UserError
from pnr_jax.files import read_text, write_text
from pnr_jax.settings import Rule, SettingError, Settings, require
from pnr_jax.systems import SYSTEMS, Parts, System

# Fields that may change when a run resumes; any other would make it another run.
# More or fewer steps also move the decay of the learning rate, if there is one.
CHANGEABLE = frozenset(
    {"steps", "log_every", "checkpoint_every", "sample_every", "keep_checkpoints"}
    | {"data_dir", "vgg19", "input", "steps_per_call", "shard_parameters", "max_skipped"}
)


@dataclass(frozen=True)
class SystemChoice(Settings):
    """Which method is trained: a name in `pnr_jax.systems.SYSTEMS`."""

    path: ClassVar[str] = "system."
    name: str = "pnr"

    def rules(self) -> Iterator[Rule]:
        """Checks that the method exists."""
        yield from self.one_of(tuple(SYSTEMS), "name")


@dataclass(frozen=True)
class Config(Settings):
    """A run: what is trained, on what, and how.

    The defaults are the paper's supervised training with p = 1 on Market-1501; where it states
    nothing, they are PATN's, or a comment says whose. `system.name` decides what `model`,
    `discriminator` and `loss` are, `data.name` what `data` is.
    """

    seed: int = 0
    steps: int = 87_500  # PATN's 2.8 million samples; the paper does not say.
    batch_size: int = 32  # PATN.
    image_size: tuple[int, int] = (128, 64)
    supervised: bool = True
    sources: int = 1  # M in training.
    vary_sources: bool = False  # An example has 1 to M sources, drawn for each.
    compute_dtype: str = "float32"
    learning_rate: float = 0.002
    decay_from: float = 1.0  # Share of the steps after which it falls linearly to 0.
    adam_b1: float = 0.5
    adam_b2: float = 0.999
    ema: float = 0.0  # Decay of the generator's running average; 0 is off.
    pool_size: int = 50  # Past fakes that the discriminators still see (PATN); 0 is off.
    system: SystemChoice = field(default_factory=SystemChoice)
    model: Settings = field(default_factory=SYSTEMS["pnr"].Model)
    discriminator: Settings = field(default_factory=SYSTEMS["pnr"].Discriminator)
    loss: Settings = field(default_factory=SYSTEMS["pnr"].Loss)
    data: DataSet = field(default_factory=Market1501)
    augment: Augment = field(default_factory=Augment)
    data_dir: str = ""  # Folder of the prepared data set.
    init_from: str = ""  # A run, or a model by its name, whose weights it starts from.
    vgg19: str = ""  # Weights of the perceptual loss; empty: those in the package.
    input: str = "device"  # The training set lies on every device; "host": fed; "auto": what fits.
    steps_per_call: int = 1  # Steps that one call of the compiled program makes.
    shard_parameters: bool = False  # Split parameters and optimiser over devices (ZeRO-3).
    max_skipped: int = 20  # The run stops after more steps in a row without a finite gradient.
    log_every: int = 100
    checkpoint_every: int = 2_500
    sample_every: int = 2_500
    keep_checkpoints: int = 2

    def rules(self) -> Iterator[Rule]:
        """Checks that the values are possible, alone and together."""
        system, size = SYSTEMS[self.system.name], self.image_size
        multiple = system.size_multiple
        every = ("log_every", "checkpoint_every", "sample_every")
        yield from self.at_least(
            1, "steps", "batch_size", "sources", "keep_checkpoints", "steps_per_call", *every
        )
        yield from self.at_least(1, "max_skipped")
        yield from self.at_least(0, "seed", "pool_size")
        yield from self.share("ema", "adam_b1", "adam_b2")
        yield from self.one_of(("float32", "bfloat16"), "compute_dtype")
        yield from self.one_of(("device", "host", "auto"), "input")
        yield Rule("seed", self.seed < 2**31, "below 2^31")
        yield Rule("steps", self.steps * self.batch_size < 2**32, "below 2^32 / batch_size")
        yield Rule("learning_rate", self.learning_rate > 0, "positive")
        yield Rule("decay_from", 0 <= self.decay_from <= 1, "in [0, 1]")
        yield Rule(
            "image_size",
            type(size) is tuple and len(size) == 2
            and all(type(side) is int and side % multiple == 0 and side >= 32 for side in size),
            f"two multiples of {multiple}, at least 32",
        )  # fmt: skip
        yield Rule(
            "sources",
            self.supervised or self.sources == 1,
            "1 in unsupervised training, whose only source is the image itself",
        )
        most = system.most_sources or math.inf
        yield Rule(
            "sources", self.sources <= most, f"at most {most}, all that {self.system.name} can see"
        )
        per_call = self.steps_per_call
        yield Rule(
            "steps_per_call",
            per_call == 1 or self.input == "device",
            f"1 with input={self.input}",
        )
        for name in ("steps", *every):
            wanted = f"a multiple of steps_per_call = {per_call}"
            yield Rule(name, getattr(self, name) % per_call == 0, wanted)
        for name in ("model", "discriminator", "loss"):
            kind = getattr(system, name.capitalize())
            yield Rule(name, type(getattr(self, name)) is kind, f"a {kind.__name__}")
        named = DATA_SETS.get(self.data.name)
        yield Rule("data", type(self.data) is named, f"one of {', '.join(DATA_SETS)}, by its name")

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with other values; a dict of values changes a part in its place.

        Another `system.name` or `data.name` brings the defaults of what it names.

        >>> config = Config().replace(steps=10, system={"name": "unet"}, model={"width": 16})
        >>> config.model
        UNetSettings(width=16, halvings=2, norm='batch', sigma=6.0)

        Raises:
          SettingError: there is no such field, or its value is impossible.
        """
        start: Self = self
        parts: dict[str, Settings] = {}
        name = _named(changes.get("system"))
        if name is not None and name != self.system.name:
            choice = SystemChoice(name)
            system = SYSTEMS[name]
            parts = {"system": choice, "model": system.Model(), "loss": system.Loss()}
            parts["discriminator"] = system.Discriminator()
        name = _named(changes.get("data"))
        if name is not None and name != self.data.name:
            parts["data"] = _data_set(name)
        if parts:
            start = super().replace(**parts)
        return Settings.replace(start, **changes)

    def build_system(self) -> System:
        """Returns the system that is trained, without parameters."""
        system = SYSTEMS[self.system.name](
            Parts(
                self.model,
                self.discriminator,
                self.loss,
                self.image_size,
                jnp.dtype(self.compute_dtype),
                self.supervised,
            )
        )
        require(system, "title", "label", "about")
        return system


def _named(changes: Any) -> str | None:
    return changes.get("name") if isinstance(changes, dict) else None


def _data_set(name: str) -> DataSet:
    if name not in DATA_SETS:
        raise SettingError(f"data.name={name}: must be {' or '.join(DATA_SETS)}")
    return DATA_SETS[name]()


def cpu_config() -> Config:
    """Returns narrow networks without discriminators, which CPUs train in less than an hour."""
    return Config(
        steps=3_600,
        batch_size=8,
        learning_rate=3e-3,
        decay_from=0.3,
        log_every=50,
        checkpoint_every=500,
        sample_every=500,
    ).replace(
        model={"width": 16, "blocks": 2, "ridge": 0.01, "up_kernel": 4},
        loss={"gan_image": 0.0, "gan_pose": 0.0},
    )


def write_config(config: Config, workdir: Path) -> None:
    """Writes `config.json`."""
    write_text(workdir / "config.json", json.dumps(config.to_dict(), indent=2) + "\n")


def read_config(workdir: str | Path) -> Config:
    """Reads the configuration of a run; missing fields get their defaults.

    Args:
      workdir: the run's folder, or the name of a model (`pnr_jax.box.find`).

    Raises:
      UserError: there is no run, or its config.json holds fields or types of another program.
    """
    path = box.find(workdir) / "config.json"
    if not path.is_file():
        raise UserError(f"{workdir}: no run here (config.json is missing)")
    text = read_text(path, "configuration")
    try:
        saved = json.loads(text)
        if not isinstance(saved, dict):
            raise TypeError(f"holds no fields, but {saved!r}")
        if isinstance(saved.get("image_size"), list):
            saved["image_size"] = tuple(saved["image_size"])
        return Config().replace(**_without_former_fields(saved))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a configuration of this program ({reason})") from None


def _without_former_fields(saved: dict[str, Any]) -> dict[str, Any]:
    """Drops the fields of runs of version 0.1 that exist no more."""
    data, loss = saved.get("data"), saved.get("loss")
    if "system" not in saved and isinstance(data, dict) and data.get("name") != "people":
        saved = saved | {"data": {"name": data["name"]} if "name" in data else {}}
    if isinstance(loss, dict):
        saved = saved | {"loss": {k: v for k, v in loss.items() if k != "perceptual_required"}}
    return saved


def check_workdir(config: Config, workdir: Path) -> None:
    """Raises a `UserError` when `workdir` belongs to another configuration, naming a field."""
    pretrained.check_own(workdir)
    if not (workdir / "config.json").exists():
        return
    here, there = config.flat(), read_config(workdir).flat()
    for name in here | there:
        if here.get(name) != there.get(name) and name not in CHANGEABLE:
            raise UserError(
                f"{workdir} holds a run with {name}={there.get(name)}, not {here.get(name)}; "
                "choose another workdir or the same configuration"
            )
