"""The CSV reader: right results, and one clear line for each mistake."""

import os

import numpy as np
import pytest

from pnr_jax.data.annotations import HEADER, read_annotations, write_annotations
from pnr_jax.errors import UserError

GOOD = "a.jpg: [{}]: [{}]".format(", ".join(map(str, range(18))), ", ".join(["-1"] + ["3"] * 17))


def write(tmp_path, *rows, header=HEADER):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_reads_y_first_and_marks_a_half_missing_joint(tmp_path):
    annotations = read_annotations(write(tmp_path, GOOD))
    assert list(annotations) == ["a.jpg"]
    keypoints = annotations["a.jpg"]
    assert keypoints.dtype == np.int32
    assert keypoints[0].tolist() == [-1, -1]
    assert keypoints[5].tolist() == [5, 3]


def test_writes_what_it_reads(tmp_path):
    rng = np.random.default_rng(0)
    written = {f"{i}.jpg": rng.integers(0, 60, (18, 2)) for i in range(3)}
    write_annotations(tmp_path / "b.csv", written)
    assert (tmp_path / "b.csv").read_text().splitlines()[1].startswith("0.jpg: [")
    read = read_annotations(tmp_path / "b.csv")
    assert list(read) == list(written)
    for name in written:
        np.testing.assert_array_equal(read[name], written[name])


def test_fractions_of_a_pixel_are_rounded(tmp_path):
    row = GOOD.replace("17]", "16.7]", 1).replace(" 3]", " 0.2]")
    assert read_annotations(write(tmp_path, row))["a.jpg"][17].tolist() == [17, 0]


def test_what_was_rounded_is_named_and_no_joint_is_lost_by_it(tmp_path):
    whole = GOOD.replace("17]", "17.0]", 1)
    below = GOOD.replace("a.jpg", "b.jpg").replace("17]", "-0.7]", 1)
    rounded = []
    rows = read_annotations(write(tmp_path, whole, below), rounded)
    assert rounded == ["b.jpg"]
    assert rows["a.jpg"][17].tolist() == [17, 3]
    assert rows["b.jpg"][17].tolist() == [0, 3]  # Not -1, which would be missing.


def test_a_joint_outside_of_its_image_is_kept_and_only_minus_one_is_missing(tmp_path):
    row = GOOD.replace("17]", "-31]", 1)
    assert read_annotations(write(tmp_path, row))["a.jpg"][17, 0] == -31


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg: [1, 2]: [1, 2]", "a.csv:2: keypoints_y has 2 numbers, expected 18 in OpenPose's"),
        (f"a.jpg: {[1] * 17}: {[1] * 17}", "has 17 numbers, expected 18 .* which has no neck"),
        (f"a.jpg: {[1] * 25}: {[1] * 25}", "has 25 numbers, expected 18 .* BODY_25"),
        (GOOD.replace("17]", "x]"), "a.csv:2: keypoints_y is not a list of numbers"),
        (GOOD.replace("17]", "NaN]"), "a.csv:2: keypoints_y is not a list of numbers"),
        (f"a.jpg: {[0.5] * 18}: {[3] * 18}", "keypoints_y lies between 0 and 1; .* height"),
        (GOOD.replace("17]", "true]"), "a.csv:2: keypoints_y is not a list of numbers"),
        (GOOD.replace("17]", f"{-(2**31)}]"), "a.csv:2: keypoints_y has a number of more than 31"),
        ("a.jpg: [1]", "a.csv:2: expected 'name: .18 y.: .18 x.', found 2 field"),
        (f"{GOOD}\n{GOOD}", "a.csv:3: a.jpg is annotated twice"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        read_annotations(write(tmp_path, row))


def test_a_wrong_header_and_an_absent_file_are_errors(tmp_path):
    with pytest.raises(UserError, match=r"a\.csv:1: expected the header"):
        read_annotations(write(tmp_path, GOOD, header="name,y,x"))
    with pytest.raises(UserError, match="not found"):
        read_annotations(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(UserError, match="not a text file"):
        read_annotations(tmp_path / "binary.csv")


@pytest.mark.parametrize(
    "name", ["a\u0085b", "a\u2028b", "a\x0bb", "a\x1cb", "müller/ü.jpg", "a,b"]
)
def test_every_name_that_is_written_is_read(tmp_path, name):
    annotations = {name: np.zeros((18, 2), np.int32), "b.jpg": np.ones((18, 2), np.int32)}
    write_annotations(tmp_path / "a.csv", annotations)
    assert list(read_annotations(tmp_path / "a.csv")) == list(annotations)


@pytest.mark.parametrize(
    "name", ["a:b", "a\nb", "a\rb", " a", "a\u2028", "", os.fsdecode(b"m\xfcller/1.jpg"), "a\0b"]
)
def test_a_name_that_the_csv_cannot_hold_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(UserError, match="rename it") as caught:
        write_annotations(tmp_path / "a.csv", {name: np.zeros((18, 2), np.int32)})
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
