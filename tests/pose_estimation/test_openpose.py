"""OpenPose's way from images of any size to joints, around a network that sees what it is shown.

The images are ramps that tell each pixel's place, so the network of the test knows which part of
the image it looks at, how large and whether mirrored, and draws the maps of the people there.
"""

import sys

import numpy as np
import pytest

from pnr_jax import pose_estimation
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation import graph, openpose

# The published order of the fields' maps: (x, y) of each limb.
# fmt: off
FIELD_MAPS = [
    (12, 13), (20, 21), (14, 15), (16, 17), (22, 23), (24, 25), (0, 1), (2, 3), (4, 5), (6, 7),
    (8, 9), (10, 11), (28, 29), (30, 31), (34, 35), (32, 33), (36, 37), (18, 19), (26, 27),
]
# fmt: on
SWAP = {"left": "right", "right": "left"}


def other_side(name):
    side, *part = name.split("_")
    return "_".join([SWAP[side], *part]) if part else name


MIRRORED = [JOINTS.index(other_side(name)) for name in JOINTS]
SMALLEST = 90  # Pixels of the network's input: smaller people are not seen.


def ramp(height, width):
    """uint8 [H, W, 3]: red tells the column, green the row, blue that it is the image."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[..., 0] = (np.arange(width) + 0.5) / width * 255
    image[..., 1] = ((np.arange(height) + 0.5) / height * 255)[:, None]
    return image


def seen_as(pixels, size):
    """The affine maps (a, b) of crop pixels to image pixels, rows and columns."""
    inside = np.argwhere(pixels[..., 2] > 250)
    low, high = inside.min(axis=0) + 3, inside.max(axis=0) - 3
    part = pixels[low[0] : high[0], low[1] : high[1]]
    rows = (part[..., 1].mean(axis=1) + 0.5) / 255 * size[0] - 0.5
    columns = (part[..., 0].mean(axis=0) + 0.5) / 255 * size[1] - 0.5
    return (
        np.polyfit(np.arange(low[0], high[0]), rows, 1),
        np.polyfit(np.arange(low[1], high[1]), columns, 1),
    )


def as_output(heatmaps, fields):
    """The network's 57 maps [h, w, 57]."""
    flat = np.zeros((*heatmaps.shape[:2], 38))
    for limb, (x, y) in enumerate(FIELD_MAPS):
        flat[..., y], flat[..., x] = fields[..., limb, 0], fields[..., limb, 1]
    background = 1 - heatmaps.max(axis=-1, keepdims=True)
    return np.concatenate([heatmaps, background, flat], axis=-1)


@pytest.fixture
def estimator(draw_maps):
    """A function (people, size) -> the estimator around a network that sees those people."""

    def make(people, size):
        calls = []

        def network(batch):
            calls.append(batch.shape)
            maps = []
            for pixels in batch:
                (ay, by), (ax, bx) = seen_as(pixels, size)
                shown = []
                for joints in people:
                    view = np.stack([(joints[:, 0] - by) / ay, (joints[:, 1] - bx) / ax], axis=-1)
                    if ax < 0:  # A mirror shows the left hand as a right one.
                        view = view[MIRRORED]
                    if np.ptp(view[:, 0]) >= SMALLEST:
                        shown.append((view - openpose.CENTRE) / 8)
                heatmaps, fields = draw_maps(shown, (batch.shape[1] // 8, batch.shape[2] // 8))
                maps.append(as_output(heatmaps, fields))
            return np.array(maps, np.float32)

        return openpose.OpenPose(network), calls

    return make


def test_the_joints_of_a_crop(estimator, person):
    joints = person((8, 30), 110)
    openpose_, calls = estimator([joints], (128, 64))
    poses = openpose_.detect(ramp(128, 64)[None])
    assert poses.people.tolist() == [1]
    assert poses.keypoints.dtype == np.int32
    assert np.abs(poses.keypoints[0] - joints).max() <= 1.5
    assert (poses.scores > 0.5).all()
    assert calls == [(2, 256, 160, 3)]  # Once, with its mirror image.
    np.testing.assert_array_equal(openpose_.estimate(ramp(128, 64)[None]), poses.keypoints)


def test_a_mirror_image_says_the_same(draw_maps, person):
    size = (40, 24)
    joints = person((5, 9.3), 28)
    drawn = draw_maps([joints], size)
    mirrored = np.stack([joints[:, 0], size[1] - 1 - joints[:, 1]], axis=-1)[MIRRORED]
    output, reflection = as_output(*drawn), as_output(*draw_maps([mirrored], size))
    for mean, expected in zip(openpose.average(output[None], reflection[None]), drawn, strict=True):
        np.testing.assert_allclose(mean[0], expected, atol=1e-9)


def test_images_of_one_size_are_one_batch(estimator, person):
    openpose_, calls = estimator([person((8, 30), 110)], (128, 64))
    poses = openpose_.detect([ramp(128, 64)] * 3)
    assert [shape[0] for shape in calls] == [6]
    assert (poses.keypoints == poses.keypoints[:1]).all()


def test_a_small_person_in_a_photo_is_enlarged(estimator, person):
    joints = person((300, 800), 200)
    openpose_, calls = estimator([joints], (900, 1200))
    poses = openpose_.detect([ramp(900, 1200)])
    assert poses.people.tolist() == [1]
    assert np.abs(poses.keypoints[0] - joints).max() <= 2.5
    heights = [shape[1] for shape in calls]
    assert heights[0] < heights[1] > heights[-1]  # Whole, larger, then the part.


def test_of_several_people_the_largest_is_taken(estimator, person):
    small, large = person((40, 60), 150), person((40, 200), 220)
    openpose_, _ = estimator([small, large], (300, 300))
    poses = openpose_.detect([ramp(300, 300)])
    assert poses.people.tolist() == [2]
    assert np.abs(poses.keypoints[0] - large).max() <= 2.5


def test_nobody_is_all_missing(estimator):
    openpose_, calls = estimator([], (300, 200))
    poses = openpose_.detect([ramp(300, 200), ramp(300, 200)])
    assert (poses.keypoints == -1).all() and not poses.scores.any()
    assert poses.people.tolist() == [0, 0]
    assert max(shape[1] for shape in calls) <= 2 * 300


def test_a_joint_outside_of_the_image_is_missing(estimator, person):
    joints = person((8, 30), 110)
    joints[JOINTS.index("left_wrist")] = 60, 75
    joints[JOINTS.index("right_wrist")] = 60, -1.5
    openpose_, _ = estimator([joints], (128, 64))
    found = openpose_.estimate([ramp(128, 64)])[0]
    assert found[JOINTS.index("left_wrist")].tolist() == [-1, -1]
    assert found[JOINTS.index("right_wrist"), 1] == 0


def write_graph(path, channels=57, placeholders=1, name="Openpose/concat_stage7"):
    """A frozen graph: means of 8×8 pixels, times 1, 2, ... for the channels."""
    import tensorflow as tf

    with tf.Graph().as_default() as frozen:
        inputs = [
            tf.compat.v1.placeholder(tf.float32, (None, None, None, 3), f"image{i}")
            for i in range(placeholders)
        ]
        grey = tf.reduce_mean(sum(inputs), axis=-1, keepdims=True)
        pooled = tf.nn.avg_pool2d(grey, 8, 8, "VALID")
        tf.multiply(pooled, tf.range(1.0, channels + 1), name=name)
    path.write_bytes(frozen.as_graph_def().SerializeToString())
    return path


@pytest.mark.parametrize("name", ["Openpose/concat_stage7", "other/output"])
def test_a_frozen_graph_is_run_whatever_its_nodes_are_called(tmp_path, name):
    network = graph.load_network(write_graph(tmp_path / "graph.pb", name=name))
    images = np.random.default_rng(0).random((2, 24, 16, 3)).astype(np.float32)
    means = images.reshape(2, 3, 8, 2, 8, 3).mean(axis=(2, 4, 5))
    np.testing.assert_allclose(network(images), means[..., None] * np.arange(1, 58), rtol=1e-5)
    assert isinstance(pose_estimation.load_estimator(tmp_path / "graph.pb"), openpose.OpenPose)


def test_a_machine_without_tensorflow_is_told(tmp_path, monkeypatch):
    (tmp_path / "graph.pb").touch()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(
        UserError, match=r"graph\.pb: needs TensorFlow .*pip install 'pnr-jax\[tensorflow\]'"
    ):
        pose_estimation.load_estimator(tmp_path / "graph.pb")


def test_what_is_no_such_graph_is_named(tmp_path):
    with pytest.raises(UserError, match=r"pose model not found: .*none\.pb"):
        pose_estimation.load_estimator(tmp_path / "none.pb")
    with pytest.raises(UserError, match=r"expected OpenPose's frozen graph \(\.pb\), RTMPose"):
        pose_estimation.load_estimator(tmp_path / "model.h5")
    (tmp_path / "text.pb").write_text("hello, this is no graph")
    with pytest.raises(UserError, match=r"text\.pb: not a frozen TensorFlow graph"):
        pose_estimation.load_estimator(tmp_path / "text.pb")
    write_graph(tmp_path / "body25.pb", channels=78)
    with pytest.raises(UserError, match=r"expected one image input .* 57 maps .* found 1 and 0"):
        pose_estimation.load_estimator(tmp_path / "body25.pb")
    write_graph(tmp_path / "two.pb", placeholders=2)
    with pytest.raises(UserError, match="found 2 and 1"):
        pose_estimation.load_estimator(tmp_path / "two.pb")
