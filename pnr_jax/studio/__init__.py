"""The studio: a web page on this machine to pose people by hand.

The server keeps photos and, of each person, F alone; a drag of the target skeleton only renders.
"""

from pnr_jax.studio.app import create_app
from pnr_jax.studio.solvers import Solver, load_solvers

__all__ = ["Solver", "create_app", "load_solvers"]
