"""Published methods, each in a file of its own, chosen by `config.system.name`.

A new method is a subclass of `System` (usually of `AdversarialSystem`, which has PATN's losses)
and a line in `SYSTEMS`; `docs/extending.md` walks through it.
"""

from pnr_jax.systems.defgan import DefGANSystem
from pnr_jax.systems.fusion import FusionSystem
from pnr_jax.systems.patn import PATNSystem
from pnr_jax.systems.pg2 import PG2System
from pnr_jax.systems.pnr import PNRSystem
from pnr_jax.systems.protocol import Drawn, Parts, Sources, System
from pnr_jax.systems.unet import UNetSystem
from pnr_jax.systems.xinggan import XingGANSystem

SYSTEMS: dict[str, type[System]] = {
    "pnr": PNRSystem,
    "patn": PATNSystem,
    "xinggan": XingGANSystem,
    "defgan": DefGANSystem,
    "fusion": FusionSystem,
    "pg2": PG2System,
    "unet": UNetSystem,
}
"""The methods by their names, `config.system.name`."""

__all__ = ["SYSTEMS", "Drawn", "Parts", "Sources", "System"]
