"""Settings for every test: CPU, quiet TensorFlow, and the small configuration that they share."""

import importlib.util
import os
import signal
from pathlib import Path

from tests import compilation_cache

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes most of the time: do little of it, and what several tests, the programs that they
# start, and earlier runs have in common once.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compilation_cache.folder()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import pytest

from pnr_jax.config import Config
from tests import object_store

# What starts programs or whole trainings: `make test` leaves it to `make test-all`.
SLOW = (
    "benchmarks",
    "data/test_deepfashion.py",
    "faults",
    "launch",
    "studio/test_browser.py",
    "systems/test_every_system.py",
    "test_extending.py",
    "test_wheel.py",
    "training/test_mesh.py",
)

# A shell starts what it runs in the background with Ctrl-C ignored, and programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests in the files and folders of `SLOW`."""
    folder = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(folder / name) for name in SLOW):
            item.add_marker("slow")


@pytest.fixture
def small_config() -> Config:
    """Every part of training switched on, at the smallest size."""
    return Config(
        steps=4, batch_size=2, image_size=(32, 32), pool_size=3, log_every=1
    ).replace(
        model={"width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "iterations": 2},
        discriminator={"width": 4, "blocks": 1},
        loss={"perceptual": 0.0},
        data={"name": "people", "train_identities": 3, "test_identities": 2, "views": 8,
              "test_tuples": 6},
    )  # fmt: skip


@pytest.fixture(scope="session")
def _store():
    if not importlib.util.find_spec("gcsfs"):
        pytest.skip("gcsfs is not installed: pip install 'pnr-jax[gcs]'")
    with object_store.serve() as store:
        yield store


@pytest.fixture
def bucket(_store, monkeypatch):
    """An empty bucket, `gs://pnr-test`, that this process and those it starts find."""
    _store.objects.clear()
    for name, value in _store.environment.items():
        monkeypatch.setenv(name, value)
    return _store


@pytest.fixture(scope="session")
def make_batch():
    """A function (B, M, size, seed) -> a random batch of the schema."""

    def make(B: int = 2, M: int = 1, size: tuple[int, int] = (32, 32), seed: int = 0):
        rng = np.random.default_rng(seed)
        keypoints = rng.integers(0, min(size), (B, M + 1, 18, 2)).astype(np.int32)
        images = rng.integers(0, 256, (B, M + 1, *size, 3)).astype(np.uint8)
        return {
            "source_images": images[:, :M],
            "source_keypoints": keypoints[:, :M],
            "source_valid": np.ones((B, M), bool),
            "target_image": images[:, M],
            "target_keypoints": keypoints[:, M],
        }

    return make


@pytest.fixture(scope="session")
def seeing_onnx(tmp_path_factory) -> Path:
    """An ONNX file of RTMPose's signature that finds discs: COCO's joint k in `disc_colour(k)`.

    It undoes ImageNet's normalisation, so it sees nothing where that, the order of the channels
    or the layout are wrong. Three such pixels are a likelihood of about 1.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "spread": np.reshape((58.395, 57.12, 57.375), (1, 3, 1, 1)),
        "mean": np.reshape((123.675, 116.28, 103.53), (1, 3, 1, 1)),
        "red": np.array([disc_colour(k)[0] for k in range(17)]).reshape(1, 17, 1, 1),
        "blue": np.array([disc_colour(k)[2] for k in range(17)]).reshape(1, 17, 1, 1),
        "tolerance": np.array(12.0),
        "share": np.array(2.0),
        # So that a disc's middle is highest, and not all of its columns alike.
        "tent": np.repeat((1 - np.abs(np.arange(-8, 9)) / 9)[None, None] / 5, 17, axis=0),
    }
    integers = {"rows": [2], "columns": [3], "last": [3], "twice": [0, 0, -1], "two": [1, 1, 1, 2]}
    nodes = [
        helper.make_node("Mul", ["image", "spread"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["pixels"]),
        helper.make_node("Split", ["pixels"], ["r", "g", "b"], axis=1, num_outputs=3),
    ]
    for channel, colour in (("r", "red"), ("b", "blue")):
        nodes.append(helper.make_node("Sub", [channel, colour], [f"{channel}-"]))
        nodes.append(helper.make_node("Abs", [f"{channel}-"], [f"{channel}|"]))
    nodes += [
        helper.make_node("Add", ["r|", "b|"], ["distance"]),
        helper.make_node("Less", ["distance", "tolerance"], ["alike"]),
        helper.make_node("Cast", ["alike"], ["is"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["is", "share"], ["votes"]),
    ]
    for axis, over in (("x", "rows"), ("y", "columns")):
        nodes += [
            helper.make_node("ReduceSum", ["votes", over], [f"{axis}1"], keepdims=0),
            helper.make_node("Unsqueeze", [f"{axis}1", "last"], [f"{axis}2"]),
            helper.make_node("Tile", [f"{axis}2", "two"], [f"{axis}3"]),
            helper.make_node("Reshape", [f"{axis}3", "twice"], [f"{axis}4"]),
            helper.make_node(
                "Conv", [f"{axis}4", "tent"], [f"simcc_{axis}"], group=17, pads=[8, 8]
            ),
        ]
    graph = helper.make_graph(
        nodes,
        "discs",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 256, 192])],
        [
            helper.make_tensor_value_info(f"simcc_{axis}", TensorProto.FLOAT, ["batch", 17, cells])
            for axis, cells in (("y", 512), ("x", 384))
        ],
        [
            *(numpy_helper.from_array(a.astype(np.float32), n) for n, a in constants.items()),
            *(numpy_helper.from_array(np.array(a, np.int64), n) for n, a in integers.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("onnx") / "discs.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def disc_colour(joint: int) -> tuple[int, int, int]:
    """What `seeing_onnx` takes for a joint; no mixture of it with black is another's."""
    return 15 * joint, 0, 255 - 15 * joint


@pytest.fixture
def draw_discs():
    """A function (places [17, 2] in COCO's order, size, radius) -> uint8 [H, W, 3]; -1 is none."""

    def draw(places, size, radius=4.0):
        image = np.zeros((*size, 3), np.uint8)
        grid = np.stack(np.mgrid[: size[0], : size[1]], axis=-1)
        for joint, place in enumerate(places):
            if place[0] >= 0:
                image[np.linalg.norm(grid - place, axis=-1) <= radius] = disc_colour(joint)
        return image

    return draw
