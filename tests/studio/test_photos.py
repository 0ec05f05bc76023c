"""From a file's bytes to a source."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pnr_jax.pose_estimation import Poses
from pnr_jax.studio.photos import open_photo
from pnr_jax.studio.refusals import Refusal
from tests.studio.helpers import encoded

SIZE = (64, 32)
RAMP = np.indices((90, 90, 3)).sum(axis=0).astype(np.uint8)


class Fake:
    """An estimator that finds people where it is told, in shares of the image."""

    def __init__(self, *box, people=1):
        self.box, self.people = box, people

    def detect(self, images):
        assert images.dtype == np.uint8 and images.shape[0] == 1
        assert max(images.shape[1:3]) <= 512
        keypoints = np.full((1, 18, 2), -1, np.int32)
        if self.box:
            height, width = images.shape[1:3]
            top, left, bottom, right = self.box
            keypoints[0, [1, 2, 5]] = np.array([top * height, left * width])
            keypoints[0, [8, 11]] = np.array([(top + bottom) / 2 * height, left * width])
            keypoints[0, [10, 13]] = np.array([bottom * height, right * width])
        return Poses(keypoints, (keypoints[..., 0] != -1).astype(np.float32), [self.people])


def png_header(width, height):
    """A PNG that promises pixels and has none."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_middle_is_taken_where_nobody_looks_for_a_person(kind):
    image = np.zeros((128, 100, 3), np.uint8)
    image[:, 18:82] = (200, 100, 50)  # The crop is 128x64.
    photo = open_photo(encoded(image, kind), SIZE, None)
    assert photo.image.shape == (*SIZE, 3)
    assert np.abs(photo.image - np.array((200.0, 100, 50))).mean() < 3
    assert photo.keypoints is None
    assert photo.note == ""
    assert Image.open(io.BytesIO(photo.view)).size == (64, 128)


def test_the_crop_follows_the_person_and_so_do_the_joints():
    image = np.zeros((400, 600, 3), np.uint8)
    image[100:300, 400:420] = 255  # Joints at the middle of its top and bottom.
    photo = open_photo(encoded(image), SIZE, Fake(0.25, 410 / 600, 0.75, 410 / 600))
    neck, ankle = photo.keypoints[1], photo.keypoints[10]
    assert (photo.keypoints[0] == -1).all()
    assert neck[1] == ankle[1] == pytest.approx(SIZE[1] / 2, abs=1)
    assert 40 < ankle[0] - neck[0] < 60
    assert photo.image[(neck[0] + ankle[0]) // 2, neck[1]].min() > 200
    assert photo.image[2].max() < 50


def test_several_people_are_said():
    photo = open_photo(encoded(RAMP), SIZE, Fake(0.2, 0.5, 0.8, 0.5, people=2))
    assert photo.keypoints is not None
    assert photo.note == "Several people were found: the largest was taken."
    assert open_photo(encoded(RAMP), SIZE, Fake(0.2, 0.5, 0.8, 0.5)).note == ""


def test_nobody_found_is_said():
    photo = open_photo(encoded(np.zeros((64, 32, 3), np.uint8)), SIZE, Fake())
    assert photo.keypoints is None
    assert "No shoulders and hips were found" in photo.note


def test_a_photo_is_turned_upright():
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by a quarter, clockwise.
    photo = open_photo(encoded(image, "PNG", exif=exif.tobytes()), SIZE, None)
    assert photo.image[:30].min() > 200 and photo.image[34:].max() < 50


@pytest.mark.parametrize(
    ("data", "status", "part"),
    [
        (b"hello, I am a text", 415, "not a readable photo"),
        (b"", 415, "not a readable photo"),
        (b"GIF89a" + bytes(100), 415, "not a readable photo"),
        (png_header(10_000, 10_000), 413, "more than 50 megapixels"),
        (png_header(60_000, 60_000), 413, "more than 50 megapixels"),
        (png_header(100, 100), 415, "damaged"),
        (
            encoded(np.indices((90, 90, 3)).sum(axis=0).astype(np.uint8), "JPEG")[:-300],
            415,
            "damaged",
        ),
    ],
    ids=["text", "empty", "another format", "100 megapixels", "a bomb", "no pixels", "cut off"],
)
def test_a_bad_file_is_one_sentence(data, status, part):
    with pytest.raises(Refusal, match=part) as caught:
        open_photo(data, SIZE, None)
    assert caught.value.status == status
    assert "\n" not in str(caught.value)


def test_a_motion_photo_is_a_photo_and_an_odd_one_says_why():
    video = np.random.default_rng(0).bytes(8 << 20)
    assert video.count(b"\xff\xda") > 100
    assert open_photo(encoded(RAMP, "JPEG") + video, SIZE, None).note == ""
    film = io.BytesIO()
    frames = [Image.fromarray(RAMP[::step]) for step in (1, -1)]
    frames[0].save(film, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(Refusal, match="holds several pictures; save one of them"):
        open_photo(film.getvalue(), SIZE, None)
