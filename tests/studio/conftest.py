"""A small untrained model behind the studio's server, and a photo to give it."""

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra 'studio' is not installed")

from pnr_jax.studio import StudioModel, create_app
from pnr_jax.studio.gallery import Gallery
from tests.studio.helpers import SIZE, encoded, small_config, variables

BASE = "http://127.0.0.1:8000"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="session")
def models():
    return [
        StudioModel(small_config(p).build_system(), variables(), note)
        for p, note in ((1.0, "one"), (2.0, "two"))
    ]


@pytest.fixture(scope="session")
def gallery():
    return Gallery([1, 2], SIZE)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def app(models, gallery, clock):
    return create_app(models, gallery, clock=clock)


@pytest.fixture
def client(app):
    from starlette.testclient import TestClient

    with TestClient(app, base_url=BASE, headers={"Origin": BASE}) as client:
        yield client


@pytest.fixture
def photo_file():
    """A PNG of 60x40 pixels (height x width)."""
    return encoded(np.random.default_rng(0).integers(0, 256, (60, 40, 3)).astype(np.uint8))
