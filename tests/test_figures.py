"""Sheets hold every image, in its row and column, at a whole factor of its size."""

import numpy as np
import pytest
from PIL import Image

from pnr_jax.errors import UserError
from pnr_jax.figures import CELL_HEIGHT, GROUND, INK, save_image, save_png, sheet


def flat_images(count, size, first):
    """`count` images of one colour each, all colours different."""
    colours = np.arange(first, first + count)[:, None] * np.array([7, 3, 1]) % 200
    return np.broadcast_to(colours[:, None, None], (count, *size, 3)).astype(np.uint8)


def box(canvas, colour):
    """(top, bottom, left, right) of the pixels of a colour, all of which must be a full box."""
    found = (canvas == colour).all(-1)
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


@pytest.mark.parametrize(("size", "zoom"), [((128, 64), 2), ((64, 32), 3), ((32, 32), 6)])
@pytest.mark.parametrize("blocks", [1, 2])
def test_an_image_lies_in_its_row_and_column(size, zoom, blocks):
    columns = [("one", flat_images(3, size, 1)), ("two", flat_images(3, size, 11))]
    canvas = sheet(columns, blocks)
    assert canvas.dtype == np.uint8
    boxes = np.array([[box(canvas, image[0, 0]) for image in images] for _, images in columns])
    heights, widths = boxes[..., 1] - boxes[..., 0], boxes[..., 3] - boxes[..., 2]
    assert (heights == size[0] * zoom).all() and (widths == size[1] * zoom).all()
    tops, lefts = boxes[..., 0], boxes[..., 2]
    np.testing.assert_array_equal(tops[0], tops[1])  # An example is a row.
    assert (lefts[0] < lefts[1]).all()
    if blocks == 1:
        assert tops[0, 0] < tops[0, 1] < tops[0, 2]
        assert (lefts == lefts[:, :1]).all()
    else:  # Two rows in the first block, the third example beside them.
        assert tops[0, 0] == tops[0, 2] < tops[0, 1]
        assert lefts[1, 0] < lefts[0, 2]


def test_small_images_are_enlarged_and_large_ones_kept():
    for height in (16, 32, 64, 128, 256, 512):
        top, bottom, *_ = box(sheet([("a", flat_images(1, (height, 24), 5))]), (35, 15, 5))
        assert (bottom - top) % height == 0
        assert bottom - top >= max(height, 0.6 * CELL_HEIGHT)


def test_each_column_has_its_heading_above_it():
    images = flat_images(2, (64, 32), 1)
    canvas = sheet([("source", images), ("", images), ("a heading of many words", images)])
    head = np.flatnonzero((canvas == images[0, 0, 0]).all(-1).any(1))[0]
    thirds = np.array_split((canvas[:head] == INK).all(-1), 3, axis=1)
    inked = [int(third.sum()) for third in thirds]
    assert inked[1] == 0
    assert 0 < inked[0] < inked[2]
    rows = [np.flatnonzero(third.any(1)) for third in thirds]
    assert np.ptp(rows[2]) > 2 * np.ptp(rows[0])  # Words that do not fit are wrapped.


def test_the_ground_is_white():
    canvas = sheet([("", flat_images(1, (128, 64), 1))])
    image = (canvas == canvas[len(canvas) // 2, canvas.shape[1] // 2]).all(-1)
    assert (canvas[~image] == GROUND).all()


def test_a_png_holds_the_pixels(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 5, 3)).astype(np.uint8)
    save_png(tmp_path / "samples" / "a.png", image)
    with Image.open(tmp_path / "samples" / "a.png") as read:
        assert read.format == "PNG"
        np.testing.assert_array_equal(np.asarray(read), image)


@pytest.mark.parametrize(
    ("suffix", "form"), [(".png", "PNG"), (".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP")]
)
def test_a_file_is_what_its_suffix_says(tmp_path, suffix, form):
    path = tmp_path / f"a{suffix}"
    save_image(path, np.zeros((8, 8, 3), np.uint8))
    with Image.open(path) as image:
        assert image.format == form


def test_a_suffix_of_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"the suffix must be \.png"):
        save_image(tmp_path / "a.xyz", np.zeros((8, 8, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
