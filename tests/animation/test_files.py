"""Animations' files as other programs read them."""

import importlib.util
import io
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pnr_jax import animation
from pnr_jax.errors import UserError


@pytest.fixture
def moving():
    """(images uint8 [6, 32, 16, 3], poses): a square that moves over a gradient."""
    images = np.zeros((6, 32, 16, 3), np.uint8)
    images[..., 0] = np.arange(0, 256, 8)[:, None]
    for i, image in enumerate(images):
        image[4 + 4 * i : 8 + 4 * i, 6:10] = (0, 200, 250)
    return images, np.full((6, 18, 2), 8)


def enlarged(image):
    return np.asarray(Image.fromarray(image).resize((96, 192), Image.Resampling.BICUBIC), float)


def test_a_gif_plays_the_frames_for_ever(tmp_path, moving):
    images, keypoints = moving
    animation.write_animation(tmp_path / "a.gif", images, keypoints, fps=5)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size) == (6, (96, 192))
        assert (gif.info["duration"], gif.info["loop"]) == (200, 0)
        for i, image in enumerate(images):
            gif.seek(i)
            shown = np.asarray(gif.convert("RGB"), float)
            assert np.abs(shown - enlarged(image)).mean() < 6
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_an_mp4_holds_the_frames(tmp_path, moving):
    images, keypoints = moving
    animation.write_animation(tmp_path / "a.mp4", images, keypoints, fps=5)
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "a.mp4"]
    played = subprocess.run(
        [*ffmpeg, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True
    )
    assert b"h264" in played.stderr
    assert b"5 fps" in played.stderr
    frames = np.frombuffer(played.stdout, np.uint8).reshape(-1, 192, 96, 3)
    assert len(frames) == 6
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame - enlarged(image)).mean() < 6


def test_a_strip_shows_frames_under_their_poses(tmp_path, moving):
    images, keypoints = moving
    animation.write_animation(
        tmp_path / "a.png", np.tile(images, (5, 1, 1, 1)), np.tile(keypoints, (5, 1, 1)), 5
    )
    with Image.open(tmp_path / "a.png") as strip:
        width, height = strip.size
    assert 12 * 96 < width < 13 * 110  # 12 of the 30 frames
    assert 2 * 192 < height < 2.3 * 192


def test_what_cannot_be_written_is_said_before(tmp_path, moving, monkeypatch):
    with pytest.raises(UserError, match=r"`output=a.avi`: the suffix must be .gif, .mp4 or .png"):
        animation.check_output("a.avi")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install imageio-ffmpeg"):
        animation.write_animation(tmp_path / "a.mp4", *moving, fps=5)
    assert not list(tmp_path.iterdir())


def test_what_ffmpeg_refuses_is_one_line(tmp_path):
    odd = np.zeros((2, 301, 201, 3), np.uint8)  # Its 4:2:0 colour asks for even sides.
    with pytest.raises(UserError) as caught:
        animation.write_animation(tmp_path / "a.mp4", odd, np.full((2, 18, 2), 8), fps=5)
    line = str(caught.value)
    assert line.startswith("FFmpeg could not write the .mp4 (") and line.endswith("a .gif instead")
    assert "divisible by 2" in line
    assert "\n" not in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [7, 15, 24, 30, 40])
def test_a_gif_takes_as_long_as_it_should(fps):
    frames = [np.full((8, 8, 3), 40 * i, np.uint8) for i in range(6)]
    gif = Image.open(io.BytesIO(animation.to_gif(frames, 1000 / fps)))
    total = 0
    for i in range(6):
        gif.seek(i)
        total += gif.info["duration"]
    assert abs(total - 6000 / fps) <= 5
