"""Photos and poses from files, at the model's size."""

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data.photos import read_photos, read_poses
from pnr_jax.errors import UserError

SIZE = (32, 16)


@pytest.fixture
def folder(tmp_path):
    """A red image of the model's size and a blue one four times as large."""
    Image.new("RGB", (16, 32), (255, 0, 0)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 128), (0, 0, 255)).save(tmp_path / "b.png")
    return tmp_path


def pose(y, x):
    keypoints = np.full((18, 2), -1, np.int32)
    keypoints[3] = y, x
    return keypoints


def test_images_and_keypoints_are_brought_to_one_size(folder):
    annotations = {"a.png": pose(31, 5), "b.png": pose(127, 20)}
    paths = [folder / "a.png", folder / "b.png"]
    images, keypoints, sizes = read_photos(paths, annotations, SIZE, "a.csv")
    assert images.shape == (2, *SIZE, 3)
    assert images.dtype == np.uint8
    assert images[0, 0, 0].tolist() == [255, 0, 0]
    assert images[1, 0, 0].tolist() == [0, 0, 255]
    assert sizes == [(32, 16), (128, 64)]
    # Pixel 127 of 128 is the last of 32 too; 20 of 64 has its centre at 20.5 / 4.
    assert keypoints[:, 3].tolist() == [[31, 5], [31, 5]]
    assert (np.delete(keypoints, 3, axis=1) == -1).all()


def test_a_pose_needs_no_image(folder):
    annotations = {"b.png": pose(127, 20), "none.png": pose(63, 10)}
    names = [folder / "b.png", "none.png"]
    poses = read_poses(names, annotations, (64, 32), SIZE, "a.csv")
    assert poses[:, 3].tolist() == [[31, 5], [31, 5]]


def test_an_image_has_the_row_of_the_longest_name_with_which_its_path_ends(tmp_path, monkeypatch):
    rows = {"1.png": 1, "anna/1.png": 2, "town/anna/1.png": 3, "nna/2.png": 4, "2.png": 5}
    annotations = {name: pose(0, x) for name, x in rows.items()}
    paths = ["ben/1.png", "anna/1.png", "town/anna/1.png", "anna/2.png"]
    monkeypatch.chdir(tmp_path)
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 32)).save(path)
    _, keypoints, _ = read_photos(paths, annotations, SIZE, "a.csv")
    assert keypoints[:, 3, 1].tolist() == [1, 2, 3, 5]
    monkeypatch.chdir(tmp_path / "anna")
    assert read_poses(["1.png"], annotations, SIZE, SIZE, "a.csv")[0, 3, 1] == 2


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({}, "a.csv: has no row for a.png; add its 18 keypoints"),
        ({"a.png": np.full((18, 2), -1)}, "a.csv: a.png has no visible joint, so no pose"),
        ({"a.png": pose(32, 0)}, r"a.csv: a.png: right_elbow at \(y=32, x=0\) lies outside"),
    ],
)
def test_an_image_without_a_pose_is_named(folder, annotations, message):
    with pytest.raises(UserError, match=message):
        read_photos([folder / "a.png"], annotations, SIZE, "a.csv")
    with pytest.raises(UserError, match=message):
        read_poses([folder / "a.png"], annotations, SIZE, SIZE, "a.csv")


def test_an_absent_image_is_named(folder):
    with pytest.raises(UserError, match=r"image not found: .*c.png"):
        read_photos([folder / "c.png"], {"c.png": pose(1, 1)}, SIZE, "a.csv")


def test_no_image_at_all_is_named():
    with pytest.raises(UserError, match="no photo is named as a source"):
        read_photos([], {}, SIZE, "a.csv")
    with pytest.raises(UserError, match="no image is named as a target"):
        read_poses([], {}, SIZE, SIZE, "a.csv")
