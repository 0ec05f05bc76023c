"""RTMPose's signature in a small ONNX graph: COCO's 17 joints found, and as the 18 joints."""

import sys

import numpy as np
import pytest

from pnr_jax import pose_estimation
from pnr_jax.errors import UserError
from pnr_jax.keypoints import JOINTS
from pnr_jax.pose_estimation.simcc import SimCC, SimCCNetwork, load_simcc, to_joints

# The order of the data set's own annotations, `categories[0]["keypoints"]` of COCO.
COCO = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
]


@pytest.fixture
def places(person):
    """A function (top middle, height) -> places [17, 2] of a figure's joints in COCO's order."""
    order = [JOINTS.index(name) for name in COCO]
    return lambda top, height: person(np.array(top), height)[order]


def expected(places):
    """The 18 joints of places [17, 2], by name."""
    joints = dict(zip(COCO, places, strict=True))
    joints["neck"] = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    return np.array([joints[name] for name in JOINTS])


# Wider than the network's input, narrower, and of a size that nothing divides.
@pytest.mark.parametrize("size", [(300, 400), (300, 150), (257, 191)])
def test_joints_are_found_where_they_are_in_photos_of_any_shape(
    seeing_onnx, draw_discs, places, size
):
    there = places((30, size[1] / 2), 200)
    poses = pose_estimation.load_estimator(seeing_onnx).detect([draw_discs(there, size)])
    # A cell of the maps is a pixel of the widest photo and 0.7 of the narrowest.
    assert np.abs(poses.keypoints[0] - expected(there)).max() <= 1.5
    assert np.abs((poses.keypoints[0] - expected(there)).mean(axis=0)).max() < 0.6  # No shift.
    assert poses.people.tolist() == [1]
    assert (poses.scores[0] > 0.5).all()


def test_sides_and_joints_that_are_not_there(seeing_onnx, draw_discs, places):
    there = places((30, 100), 200)
    hidden = [COCO.index(name) for name in ("left_shoulder", "right_knee", "nose")]
    there[hidden] = -1
    estimator = pose_estimation.load_estimator(seeing_onnx)
    keypoints, scores, _ = estimator.detect([draw_discs(there, (260, 200))])
    found = dict(zip(JOINTS, keypoints[0].tolist(), strict=True))
    for name in ("left_shoulder", "right_knee", "nose", "neck"):
        assert found[name] == [-1, -1]
        assert scores[0, JOINTS.index(name)] == 0
    assert found["right_wrist"][1] < 100 < found["left_wrist"][1]
    nobody = np.full((17, 2), -1)
    nobody[:3] = there[:3]
    both = [draw_discs(nobody, (60, 50)), draw_discs(there, (260, 200))]
    poses = estimator.detect(both)
    assert poses.people.tolist() == [0, 1]
    assert (poses.keypoints[0] == -1).all()
    np.testing.assert_array_equal(poses.keypoints[1], keypoints[0])
    np.testing.assert_array_equal(estimator.estimate(both), poses.keypoints)


def test_a_small_person_is_looked_at_again(seeing_onnx, draw_discs, places):
    network = load_simcc(seeing_onnx)._network
    shown = []
    counting = SimCC(SimCCNetwork(network.size, lambda x: shown.append(x) or network.run(x)))
    # In photo pixels: the first look's cells are 1.2 wide, the second's 0.3.
    there = np.rint(places((300, 130), 100))
    image = draw_discs(there, (480, 360), radius=3)
    error = np.abs(counting.estimate([image])[0] - expected(there))
    assert len(shown) == 2
    assert error.max() <= 1
    shown.clear()
    counting.estimate([draw_discs(places((30, 180), 400), (480, 360))])
    assert len(shown) == 1


def test_the_neck_is_the_middle_of_the_shoulders_and_as_likely_as_the_lesser():
    places, likely = np.arange(34.0).reshape(17, 2), np.full(17, 0.9)
    likely[COCO.index("right_shoulder")] = 0.4
    joints, scores = to_joints(places, likely)
    for joint, name in enumerate(JOINTS):
        if name != "neck":
            np.testing.assert_array_equal(joints[joint], places[COCO.index(name)])
    assert joints[JOINTS.index("neck")].tolist() == [11, 12]
    assert scores[JOINTS.index("neck")] == 0.4
    assert scores[JOINTS.index("left_shoulder")] == 0.9


def graph(path, shape, ends):
    """An ONNX file of an input and of outputs that are zeros, whatever the input."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, values = [], []
    for name, end in ends.items():
        values.append(numpy_helper.from_array(np.zeros(end, np.float32), f"{name}0"))
        nodes.append(helper.make_node("Identity", [f"{name}0"], [name]))
    made = helper.make_graph(
        nodes,
        "zeros",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, e) for n, e in ends.items()],
        values,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("shape", "ends", "message"),
    [
        ((1, 3, 64, 48), {"maps": (1, 17, 16, 12)}, "expected RTMPose's signature, .* two outputs"),
        ((1, 64, 48, 3), {"x": (1, 17, 96), "y": (1, 17, 128)}, r"an input \[N, 3, H, W\]"),
        ((1, 3, "h", "w"), {"x": (1, 17, 96), "y": (1, 17, 128)}, "of a fixed size"),
        ((1, 3, 64, 48), {"x": (1, 21, 96), "y": (1, 21, 128)}, r"has 21 joints, expected 17 \(CO"),
        ((1, 3, 64, 48), {"x": (1, 17, 128), "y": (1, 17, 96)}, "do not agree"),
    ],
)
def test_other_signatures_are_refused(tmp_path, shape, ends, message):
    with pytest.raises(UserError, match=rf"a\.onnx: .*{message}"):
        pose_estimation.load_estimator(graph(tmp_path / "a.onnx", shape, ends))


def test_outputs_of_other_names_are_columns_then_rows_and_joints_beyond_the_body_are_left(tmp_path):
    ends = {"cols": (1, 133, 96), "rows": (1, 133, 128)}
    estimator = pose_estimation.load_estimator(graph(tmp_path / "a.onnx", (1, 3, 64, 48), ends))
    assert estimator.detect(np.zeros((1, 50, 40, 3), np.uint8)).people.tolist() == [0]


def test_a_missing_package_or_model_is_named(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"pose model not found: .*none\.onnx"):
        pose_estimation.load_estimator(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"a\.onnx: not an ONNX file"):
        pose_estimation.load_estimator(tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"a\.onnx: needs the package onnxruntime .*pip install"):
        pose_estimation.load_estimator(tmp_path / "a.onnx")
