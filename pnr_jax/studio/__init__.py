"""The studio: a web page on this machine to pose people by hand.

The server keeps the photos and one F for each person; dragging the target skeleton only renders.
"""

from pnr_jax.studio.app import create_app
from pnr_jax.studio.models import StudioModel, load_models

__all__ = ["StudioModel", "create_app", "load_models"]
