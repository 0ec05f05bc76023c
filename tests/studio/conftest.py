"""A small untrained model behind the studio's server, and photos to give it."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra 'studio' is not installed")

from pnr_jax.config import default_config
from pnr_jax.nn.model import build_model
from pnr_jax.studio import Solver, create_app
from pnr_jax.studio.gallery import Gallery

SIZE = (32, 32)
BASE = "http://127.0.0.1:8000"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def small_model(p):
    config = default_config()
    config.image_size = SIZE
    config.model.update(width=4, blocks=1, d=4, sigma=2.0, iterations=2, ridge=1e-3, p=p)
    inputs = (
        np.zeros((1, 1, *SIZE, 3), np.uint8),
        np.zeros((1, 1, 18, 2), np.int32),
        np.ones((1, 1), bool),
        np.zeros((1, 18, 2), np.int32),
    )
    variables = jax.jit(build_model(config).init)(jax.random.key(1), *inputs)
    # Initial kernels are so small that every image is grey.
    return config, jax.tree.map(lambda x: 10 * x if x.ndim == 4 else x, variables)


@pytest.fixture(scope="session")
def solvers():
    return [Solver(*small_model(p), note) for p, note in ((1.0, "one"), (2.0, "two"))]


@pytest.fixture(scope="session")
def gallery():
    return Gallery([1, 2], SIZE)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def app(solvers, gallery, clock):
    return create_app(solvers, gallery, clock=clock)


@pytest.fixture
def client(app):
    from starlette.testclient import TestClient

    with TestClient(app, base_url=BASE, headers={"Origin": BASE}) as client:
        yield client


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def photo_file():
    """A PNG of 60x40 pixels (height x width)."""
    return encoded(np.random.default_rng(0).integers(0, 256, (60, 40, 3)).astype(np.uint8))
