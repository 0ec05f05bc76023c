"""Drawn people in a video, written by FFmpeg, and read, found, smoothed and framed."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pnr_jax import animation
from pnr_jax.animation import read_frames
from pnr_jax.data.synthetic import draw_people
from pnr_jax.errors import UserError
from pnr_jax.pose_estimation import Poses, video

T, SIZE = 24, (160, 200)  # Frames, and their (height, width).


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A drawn person who slides through the picture: path, frames, keypoints [T, 18, 2]."""
    people = draw_people([4], views=1)
    person, pose = people.images[0], people.keypoints[0]
    frames, poses = np.full((T, *SIZE, 3), 128, np.uint8), []
    for i in range(T):
        top, left = 10, 5 + 5 * i
        frames[i, top : top + 128, left : left + 64] = person
        poses.append(np.where(pose == -1, -1, pose + np.array([top, left])))
    path = tmp_path_factory.mktemp("films") / "walk.mp4"
    animation.write_animation(path, frames, np.stack(poses), fps=12)
    return path, frames, np.stack(poses)


class Standin:
    """Knows the poses of the frames that it is shown in order, and is wrong where it is told to."""

    def __init__(self, poses, scale=1):
        self.poses, self.scale, self.shown = list(poses), scale, []

    def detect(self, images):
        first = len(self.shown)
        self.shown += list(images)
        poses = np.stack(self.poses[first : len(self.shown)])
        pixels = np.where(poses == -1, -1, self.scale * poses)
        people = (poses != -1).any(axis=(1, 2)).astype(np.int32)
        people[3:4] *= 2  # The fourth of each batch of 16.
        return Poses(pixels, (poses[..., 0] != -1).astype(np.float32), people)


def scale_of(path):
    """How much larger the film is than what was drawn: small frames are enlarged."""
    return next(read_frames(path, 12)).shape[0] // SIZE[0]


def test_every_frame_is_read_in_order_with_its_colours(film):
    path, frames, _ = film
    read = list(read_frames(path, 12))
    assert len(read) == T
    scale = scale_of(path)
    for frame, original in zip(read, frames, strict=True):
        drawn = np.asarray(Image.fromarray(frame).reduce(scale), float)
        assert np.abs(drawn - original).mean() < 4  # MP4 loses some colour at edges.
    assert min(np.abs(a.astype(float) - b).mean() for a, b in pairwise(read)) > 4
    assert len(list(read_frames(path, 6))) == T // 2


def test_who_stops_reading_leaves_no_process(film):
    stream = read_frames(film[0], 12)
    next(stream)
    stream.close()  # A process left running is a ResourceWarning, and so an error.


def test_poses_are_those_of_the_person_framed(film):
    path, _, truth = film
    standin = Standin(truth, scale_of(path))
    found = video.estimate(path, standin, (128, 64), fps=12)
    assert len(standin.shown) == T
    assert found.poses.shape == (T, 18, 2) and found.poses.dtype == np.int32
    assert (found.nobody, found.several) == ([], [4, 20])
    # The box follows: every frame has the pose at one place, as high as Market-1501's.
    seen = (truth[0] != -1).all(axis=-1)
    middle = found.poses
    assert (middle[:, seen] != -1).all() and (middle[:, ~seen] == -1).all()
    assert np.abs(middle - middle[0]).max() <= 1
    expected = truth[0, seen] - truth[0, seen].mean(axis=0)
    framed = middle[0, seen] - middle[0, seen].mean(axis=0)
    ratio = np.ptp(framed[:, 0]) / np.ptp(expected[:, 0])
    np.testing.assert_allclose(framed, ratio * expected, atol=1.5)
    # A wide frame shows the same height, and more on either side.
    wide = video.estimate(path, Standin(truth, scale_of(path)), (128, 100), fps=12)
    np.testing.assert_allclose(wide.poses[12, seen], middle[12, seen] + (0, 18), atol=1)


def test_what_the_estimator_misses_is_bridged_and_what_it_mistakes_is_smoothed(film):
    path, _, truth = film
    exact = video.estimate(path, Standin(truth, scale_of(path)), (128, 64), fps=12)
    spoilt = truth.copy()
    spoilt[10] = -1  # Nobody at all.
    spoilt[5:8, 4] = -1
    spoilt[15, [4, 7]] = truth[15, [7, 4]]
    found = video.estimate(path, Standin(spoilt, scale_of(path)), (128, 64), fps=12)
    assert found.nobody == [11]
    assert np.abs(found.poses - exact.poses).max() <= 5  # What a frame moves.
    raw = video.estimate(path, Standin(spoilt, scale_of(path)), (128, 64), fps=12, sigma=0)
    assert np.abs(raw.poses - exact.poses)[15].max() > 20


def test_the_strip_shows_the_person_under_the_pose(film):
    path, frames, truth = film
    found = video.estimate(path, Standin(truth, scale_of(path)), (128, 64), fps=12)
    images, poses = video.strip(path, found, (128, 64), 12)
    assert images.shape == (12, 128, 64, 3)
    chosen = np.linspace(0, T - 1, 12).round().astype(int)
    np.testing.assert_array_equal(poses, found.poses[chosen])
    neck = (truth[12, 1] + 4).tolist()  # A patch of clothes below the neck.
    wanted = frames[12, neck[0] - 2 : neck[0] + 3, neck[1] - 2 : neck[1] + 3].mean(axis=(0, 1))
    (i,) = np.flatnonzero(chosen == 12) if 12 in chosen else [6]
    y, x = poses[i, 1] + 4
    shown = images[i, y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))
    assert np.abs(shown - wanted).max() < 40


def test_mistakes_are_named(film, tmp_path, monkeypatch):
    path, _, truth = film
    with pytest.raises(UserError, match=r"video not found: .*none\.mp4"):
        next(read_frames(tmp_path / "none.mp4", 10))
    (tmp_path / "letter.mp4").write_text("dear all")
    with pytest.raises(UserError, match=r"letter\.mp4: FFmpeg cannot read it as a video \(.+\)"):
        next(read_frames(tmp_path / "letter.mp4", 10))
    (tmp_path / "half.mp4").write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"half\.mp4: FFmpeg cannot read it"):
        list(read_frames(tmp_path / "half.mp4", 10))
    nobody = Standin(np.full_like(truth, -1))
    with pytest.raises(UserError, match=r"walk\.mp4: no frame shows a person's shoulders and hips"):
        video.estimate(path, nobody, (128, 64), fps=12)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"walk\.mp4: needs FFmpeg; pip install 'pnr-jax\[video\]'"):
        next(read_frames(path, 10))
