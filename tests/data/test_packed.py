"""A split in one file: what goes in comes out, and what is damaged is named."""

import io

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data import packed
from pnr_jax.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 16, 8, 3)).astype(np.uint8)
KEYPOINTS = RNG.integers(-1, 8, (5, 18, 2))
NAMES = [f"0001_{letter}.png" for letter in "abcdé"]


def png(image):
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG")
    return data.getvalue()


@pytest.fixture
def split():
    return packed.pack(NAMES, KEYPOINTS, [png(image) for image in IMAGES])


def test_what_is_written_is_read(tmp_path, split):
    packed.write_packed(tmp_path / "a.npz", split)
    images = packed.unpack(packed.read_packed(tmp_path / "a.npz"), "here")
    np.testing.assert_array_equal(images.images, IMAGES)
    np.testing.assert_array_equal(images.keypoints, KEYPOINTS)
    assert (images.keypoints.dtype, images.names) == (np.int32, NAMES)


def test_a_selection_keeps_the_order_of_the_file(split):
    images = packed.unpack(packed.select(split, [NAMES[4], NAMES[1], NAMES[4]]), "here")
    np.testing.assert_array_equal(images.images, IMAGES[[1, 4]])
    np.testing.assert_array_equal(images.keypoints, KEYPOINTS[[1, 4]])
    assert images.names == [NAMES[1], NAMES[4]]
    with pytest.raises(UserError, match=r"no image none\.png"):
        packed.select(split, ["none.png", NAMES[0]])


def test_a_file_that_is_no_packed_split_is_named(tmp_path, split):
    path = tmp_path / "a.npz"
    packed.write_packed(path, split)
    whole = path.read_bytes()
    for data in (b"", b"text", whole[: len(whole) // 2], whole[:-40]):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"a\.npz: not a packed data set .*prepare it again"):
            packed.read_packed(path)
    np.savez(path, names=np.array(NAMES))
    with pytest.raises(UserError, match="not a packed data set"):
        packed.read_packed(path)
    np.savez(path, **split._asdict() | {"names": np.array([object()])})
    with pytest.raises(UserError, match="not a packed data set"):  # Objects are never unpickled.
        packed.read_packed(path)
    np.savez(path, **split._asdict() | {"names": np.array(NAMES[:3])})
    with pytest.raises(UserError, match="do not agree on the number of images"):
        packed.read_packed(path)


def test_a_damaged_image_is_named(split):
    files = [split.file(i) for i in range(5)]
    files[3] = files[3][:60]
    with pytest.raises(UserError, match=r"here: 0001_d\.png: not a readable image"):
        packed.unpack(packed.pack(NAMES, KEYPOINTS, files), "here")
    files[3] = png(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match=r"here: 0001_d\.png is \(4, 4, 3\), not \(16, 8, 3\)"):
        packed.unpack(packed.pack(NAMES, KEYPOINTS, files), "here")
    with pytest.raises(UserError, match="holds no image"):
        packed.unpack(packed.pack([], np.zeros((0, 18, 2)), []), "here")


def test_unequal_counts_are_refused():
    with pytest.raises(ValueError, match="5 names, 4 keypoints, 0 files"):
        packed.pack(NAMES, KEYPOINTS[:4], [])
