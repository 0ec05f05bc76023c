"""A folder of images becomes rows, whatever lies in it, and again without doing them twice."""

import numpy as np
import pytest
from PIL import Image

from pnr_jax.errors import UserError
from pnr_jax.pose_estimation import Poses, annotate


class Finder:
    """Finds as many people as the first pixel's red says, their joints at its green."""

    def __init__(self):
        self.sizes = []

    def detect(self, images):
        self.sizes += [image.shape[:2] for image in images]
        people = np.array([image[0, 0, 0] for image in images], np.int32)
        joints = np.array([image[0, 0, 1] for image in images], np.int32)
        keypoints = np.where(people > 0, joints, -1)[:, None, None] * np.ones((18, 2), np.int32)
        return Poses(keypoints, (keypoints[..., 0] >= 0).astype(np.float32), people)


@pytest.fixture
def files(tmp_path):
    def write(people, joint=5, size=(20, 30)):
        pixels = np.full((*size, 3), (people, joint, 0), np.uint8)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        Image.fromarray(pixels).save(path)
        return path

    paths = [write(1, 3), write(0), write(2, 7, (40, 10))]
    return {path.name: path for path in paths}


def test_rows_and_what_there_is_to_say(files):
    annotations = {}
    noted = annotate.annotate(files, Finder(), annotations)
    assert [int(rows[0, 0]) for rows in annotations.values()] == [3, -1, 7]
    assert noted == (["1.png"], ["2.png"], [])


def test_rows_that_are_there_are_kept(files):
    finder = Finder()
    mine = np.full((18, 2), 9)
    annotations = {"0.png": mine}
    annotate.annotate(files, finder, annotations)
    assert annotations["0.png"] is mine
    assert finder.sizes == [(20, 30), (40, 10)]
    annotate.annotate(files, finder, annotations)
    assert len(finder.sizes) == 2


def test_damaged_images_are_counted_up_to_the_limit(files, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_text("this is a letter")
        files[name] = tmp_path / name
    annotations = {}
    noted = annotate.annotate(files, Finder(), annotations, max_damaged=2)
    assert len(noted.damaged) == 2 and "a.jpg" in noted.damaged[0]
    assert len(annotations) == 3
    with pytest.raises(UserError, match=r"b\.jpg: not a readable image.*`max_damaged=N`"):
        annotate.annotate(files, Finder(), {}, max_damaged=1)


def test_what_was_done_is_saved_when_it_stops(files, tmp_path, monkeypatch):
    monkeypatch.setattr(annotate, "BATCH", 1)
    files["z.jpg"] = tmp_path / "none.jpg"
    annotations, saved = {}, []
    with pytest.raises(UserError, match="image not found"):
        annotate.annotate(files, Finder(), annotations, lambda: saved.append(len(annotations)))
    assert saved[-1] == 3


def test_the_overlay_fits_and_shows_joints_where_they_are():
    image = np.full((50, 200, 3), 200, np.uint8)
    keypoints = np.full((18, 2), -1)
    nothing = annotate.overlay(image, keypoints, (100, 100))
    assert (nothing[:37] == 255).all() and (nothing[63:] == 255).all()
    assert (nothing[38:62] < 200).all()
    keypoints[0] = 25, 150
    changed = np.argwhere((annotate.overlay(image, keypoints, (100, 100)) != nothing).any(-1))
    assert np.abs(changed.mean(axis=0) - (37.5 + 12.5, 75)).max() < 1.5
