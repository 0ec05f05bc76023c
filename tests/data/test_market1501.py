"""Market-1501 is prepared whole or not at all; a tiny archive of its layout stands for it."""

import io
import subprocess
import sys
import zipfile
from functools import partial

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from pnr_jax.data import (
    market1501,
    market1501_builder,
    market1501_files,
    market1501_preparation,
    packed,
    read_annotations,
    read_pairs,
    write_annotations,
    write_tuples,
)
from pnr_jax.data.pairs import make_pairs, sample_pairs, sample_tuples
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints

ROOT = "Market-1501-v15.09.15"
NAMES = {
    "train": [f"{i:04d}_c{c}s1_{c:06d}_01.jpg" for i in (2, 7) for c in (1, 2, 3)],
    "test": [f"0001_c{c}s1_{c:06d}_00.jpg" for c in range(1, 7)] + ["-1_c1s1_000001_00.jpg"],
}


def jpeg(seed, size=(128, 64)):
    colours = np.random.default_rng(seed).integers(0, 256, (8, 4, 3)).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(colours).resize(size[::-1]).save(data, format="JPEG", quality=90)
    return data.getvalue()


class Archive:
    """A tiny Market-1501 in `folder`: files to change, then to write as a folder or a zip."""

    def __init__(self, folder):
        self.folder = folder
        self.csvs = folder / "csvs"
        self.data_dir = folder / "data"
        self.way = market1501_preparation.prepare
        self.files, self.annotations = {}, {}
        rng = np.random.default_rng(0)
        for split, names in NAMES.items():
            self.annotations[split] = {
                name: rng.integers(0, (128, 64), (18, 2)).astype(np.int32) for name in names
            }
            for name in names:
                self.files[f"bounding_box_{split}/{name}"] = jpeg(len(self.files))
        # What else lies in the archive: images without a row, files that are no images.
        self.files["bounding_box_test/0000_c1s1_000001_00.jpg"] = jpeg(99)
        self.files["bounding_box_train/Thumbs.db"] = b"\0"
        self.files["query/0001_c1s1_000001_00.jpg"] = b"another image of a test image's name"

    def write_csvs(self):
        for split, annotations in self.annotations.items():
            write_annotations(self.csvs / f"market-annotation-{split}.csv", annotations)

    def as_folder(self):
        self.write_csvs()
        for name, data in self.files.items():
            path = self.folder / ROOT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return self.folder / ROOT

    def as_zip(self, compression=zipfile.ZIP_STORED):
        self.write_csvs()
        path = self.folder / f"{ROOT}.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in self.files.items():
                archive.writestr(f"{ROOT}/{name}", data)
        return path

    def prepare(self, source, **settings):
        return self.way(source, self.csvs, self.data_dir, **settings)

    def refusal(self, source, **settings):
        """The message of the `UserError`, after which nothing is left behind."""
        with pytest.raises(UserError) as caught:
            self.prepare(source, **settings)
        left = [path for path in self.data_dir.rglob("*") if path.is_file()]
        assert left == []
        assert not (self.data_dir / "market1501" / "1.0.0").exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path)


def tuples(archive, split, kind):
    return market1501.load_tuples(archive.data_dir, split, kind)[1]


@pytest.mark.parametrize(
    "way", [market1501_preparation.prepare, market1501_builder.prepare_records]
)
@pytest.mark.parametrize("form", ["as_folder", "as_zip"])
def test_prepares_images_keypoints_pairs_and_tuples(archive, form, way):
    archive.way = way
    made = archive.prepare(getattr(archive, form)())
    assert (made.damaged, made.resized) == ([], [])
    for split, names in NAMES.items():
        assert made.counts[split] == len(names)
        loaded = market1501.load_images(archive.data_dir, split)
        assert list(loaded.names) == sorted(names)
        assert loaded.images.dtype == np.uint8
        assert loaded.keypoints.dtype == np.int32
        for name, image, keypoints in zip(
            loaded.names, loaded.images, loaded.keypoints, strict=True
        ):
            with Image.open(io.BytesIO(archive.files[f"bounding_box_{split}/{name}"])) as decoded:
                np.testing.assert_array_equal(image, np.asarray(decoded))
            np.testing.assert_array_equal(keypoints, archive.annotations[split][name])
    made = make_pairs(archive.annotations["train"])
    assert len(made) == 2 * 3 * 2
    assert tuples(archive, "train", "pairs") == made
    assert len(tuples(archive, "test", "pairs")) == 6 * 5
    drawn = tuples(archive, "test", "tuples")
    assert len(drawn) == len(set(drawn)) == 720  # 6!: every order of the one identity's images.
    assert all(sorted(row) == NAMES["test"][:6] for row in drawn)


@pytest.mark.parametrize(
    "way", [market1501_preparation.prepare, market1501_builder.prepare_records]
)
def test_keypoints_of_an_earlier_preparation_are_not_kept_silently(archive, way):
    archive.way = way
    archive.prepare(archive.as_folder())
    folder = archive.data_dir / "market1501" / "1.0.0"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    train = archive.annotations["train"]
    name = NAMES["train"][1]
    for other in ({name: train[name][::-1]}, {}):  # Another row, none.
        archive.annotations["train"] = {n: k for n, k in train.items() if n != name} | other
        archive.write_csvs()
        with pytest.raises(UserError, match=rf"{name} has other keypoints .*; remove {folder} to"):
            archive.prepare(archive.folder / ROOT)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_records_are_not_added_to_a_preparation_without_them(archive):
    source = archive.as_folder()
    archive.prepare(source)
    folder = archive.data_dir / "market1501" / "1.0.0"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    archive.way = market1501_builder.prepare_records
    with pytest.raises(UserError, match=rf"^{folder}: was prepared without `tfds`.* remove it to"):
        archive.prepare(source)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_published_pairs_are_taken_as_they_are(archive):
    source = archive.as_folder()
    a, b, *_ = NAMES["train"]
    write_tuples(archive.csvs / "market-pairs-train.csv", [(b, a)])
    archive.prepare(source)
    assert tuples(archive, "train", "pairs") == [(b, a)]
    assert len(tuples(archive, "test", "pairs")) == 6 * 5  # Missing, so made.


def test_test_pairs_are_sampled_as_published(archive, monkeypatch):
    monkeypatch.setattr(market1501_files, "TEST_PAIRS", 10)
    archive.write_csvs()
    files = market1501_files.split_tuples(archive.csvs, "test")
    annotations = read_annotations(archive.csvs / "market-annotation-test.csv")
    assert files["market-pairs-test.csv"] == sample_pairs(make_pairs(annotations), 10)
    assert files["market-tuples-test.csv"] == sample_tuples(annotations, 5, 10, seed=0)


def test_a_path_names_where_the_tuples_lie(archive):
    archive.prepare(archive.as_folder())
    path, pairs = market1501.load_tuples(archive.data_dir, "train", "pairs")
    assert read_pairs(path) == pairs
    assert archive.data_dir in path.parents


def test_an_image_of_another_size_is_resized_with_its_keypoints(archive):
    name = NAMES["train"][1]
    archive.files[f"bounding_box_train/{name}"] = jpeg(5, size=(256, 192))
    keypoints = np.random.default_rng(1).integers(0, (256, 192), (18, 2)).astype(np.int32)
    keypoints[3] = -1
    archive.annotations["train"][name] = keypoints
    builder = archive.prepare(archive.as_zip())
    assert builder.resized == [name]
    archive.prepare(archive.as_zip())  # Again, over what is there: the same row.
    loaded = market1501.load_images(archive.data_dir, "train")
    position = loaded.names.index(name)
    expected = resize_keypoints(keypoints, (256, 192), (128, 64))
    np.testing.assert_array_equal(loaded.keypoints[position], expected)
    assert (expected[3] == -1).all() and (expected[:3] < (128, 64)).all()
    with Image.open(io.BytesIO(jpeg(5, size=(256, 192)))) as image:
        smaller = np.asarray(image.reduce((3, 2)), int)  # Means of boxes of 3 by 2 pixels.
    assert np.abs(loaded.images[position] - smaller).max() <= 1


@pytest.mark.parametrize("form", ["as_folder", "as_zip"])
def test_a_truncated_image_is_named_or_left_out(archive, form):
    name = NAMES["train"][4]
    data = archive.files[f"bounding_box_train/{name}"]
    archive.files[f"bounding_box_train/{name}"] = data[: len(data) // 2]
    source = getattr(archive, form)()
    message = archive.refusal(source)
    assert name in message
    assert "`max_damaged=N`" in message
    builder = archive.prepare(source, max_damaged=1)
    assert builder.damaged == [name]
    assert name not in market1501.load_images(archive.data_dir, "train").names
    expected = [pair for pair in make_pairs(archive.annotations["train"]) if name not in pair]
    assert tuples(archive, "train", "pairs") == expected
    # Again, over what is there: the same files.
    archive.prepare(source, max_damaged=1)
    assert tuples(archive, "train", "pairs") == expected


def test_more_damage_than_allowed_is_refused(archive):
    first, second = NAMES["train"][0], NAMES["test"][0]
    archive.files[f"bounding_box_train/{first}"] = b"no image"
    archive.files[f"bounding_box_test/{second}"] = b""
    assert second in archive.refusal(archive.as_zip(), max_damaged=1)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_entry_is_named(archive, compression):
    name = NAMES["test"][2]
    path = archive.as_zip(compression)
    with zipfile.ZipFile(path) as read:
        entry = read.getinfo(f"{ROOT}/bounding_box_test/{name}")
    data = bytearray(path.read_bytes())
    start = entry.header_offset + 30 + len(entry.filename)  # Behind the entry's own header.
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    message = archive.refusal(path)
    assert name in message and str(path) in message


def test_a_truncated_zip_is_refused(archive):
    path = archive.as_zip()
    path.write_bytes(path.read_bytes()[:-30])
    assert archive.refusal(path) == f"`source={path}`: neither a folder nor a sound zip file"


def test_a_missing_image_is_named_with_the_csv(archive):
    name = NAMES["test"][3]
    del archive.files[f"bounding_box_test/{name}"]
    message = archive.refusal(archive.as_folder())
    assert message.startswith(f"{archive.csvs / 'market-annotation-test.csv'}: 1 image(s)")
    assert name in message


def test_rows_with_fractions_of_a_pixel_are_named(archive):
    name = NAMES["train"][2]
    exact = archive.annotations["train"][name].astype(float)
    exact[1] = (40.25, 20.75)
    archive.annotations["train"][name] = exact
    assert archive.prepare(archive.as_folder()).rounded == [name]


def test_keypoints_outside_the_image_are_named(archive):
    name = NAMES["train"][2]
    archive.annotations["train"][name][1] = (128, 5)
    message = archive.refusal(archive.as_zip(), max_damaged=5)
    assert name in message
    assert "neck at (y=128, x=5)" in message


def test_pairs_of_unknown_images_are_named(archive):
    source = archive.as_folder()
    path = archive.csvs / "market-pairs-test.csv"
    write_tuples(path, [(NAMES["test"][0], "1501_c1s1_000001_00.jpg")])
    message = archive.refusal(source)
    assert str(path) in message and "1501_c1s1_000001_00.jpg" in message


def test_wrong_flags_are_named(archive, tmp_path):
    source = archive.as_folder()
    absent, empty = tmp_path / "absent", tmp_path / "empty"
    empty.mkdir()
    assert archive.refusal(absent) == f"`source={absent}`: no such file or folder"
    assert f"`source={empty}`: no bounding_box_train/*.jpg inside" in archive.refusal(empty)
    archive.csvs = absent
    assert archive.refusal(source) == f"`annotations={absent}`: no such folder"
    archive.csvs = empty
    assert str(empty / "market-annotation-train.csv") in archive.refusal(source)


def test_loading_what_was_not_prepared_says_how_to(tmp_path):
    for load in (market1501.load_images, partial(market1501.load_tuples, kind="pairs")):
        with pytest.raises(UserError, match=rf"`data_dir={tmp_path}`.*prepare_market1501.py"):
            load(tmp_path, "train")


@pytest.mark.parametrize("split", ["train", "test"])
def test_packed_files_hold_what_the_records_hold(archive, split):
    archive.way = market1501_builder.prepare_records
    archive.prepare(archive.as_zip())
    from_packed = market1501.load_images(archive.data_dir, split)
    path = archive.data_dir / "market1501" / "1.0.0" / f"market-packed-{split}.npz"
    path.unlink()
    from_records = market1501.load_images(archive.data_dir, split)
    np.testing.assert_array_equal(from_packed.images, from_records.images)
    np.testing.assert_array_equal(from_packed.keypoints, from_records.keypoints)
    assert from_packed.names == from_records.names
    # TensorFlow's own decoder differs by the rounding of its transform.
    dataset = tfds.builder_from_directory(str(path.parent)).as_dataset(split=split)
    decoded = {r["name"].decode(): r["image"] for r in tfds.as_numpy(dataset)}
    theirs = np.stack([decoded[name] for name in from_packed.names]).astype(int)
    assert np.abs(theirs - from_packed.images).max() <= 6
    assert np.abs(theirs - from_packed.images).mean() <= 2


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["tensorflow_datasets"] = None
from pnr_jax import examples
from pnr_jax.config import Config
from pnr_jax.data import market1501, market1501_files
from pnr_jax.errors import UserError
config = Config(data_dir=sys.argv[1])
print(len(examples.load_training(config).tuples))
pairs = examples.load_test(config, "pairs")
print(len(pairs.tuples), pairs.images.images.shape)
(market1501_files.prepared_folder(config.data_dir) / market1501_files.packed_file("train")).unlink()
try:
    market1501.load_images(config.data_dir, "train")
except UserError as error:
    print(error)
"""


def test_training_and_test_examples_load_without_tensorflow(archive):
    archive.prepare(archive.as_zip())
    folder = archive.data_dir / "market1501" / "1.0.0"
    for records in folder.glob("*.tfrecord*"):
        records.unlink()
    # What scores pairs alone: their images, without the other splits' files.
    test = folder / "market-packed-test.npz"
    pairs = {name for row in tuples(archive, "test", "pairs") for name in row}
    packed.write_packed(test, packed.select(packed.read_packed(test), pairs))
    (folder / "market-tuples-test.csv").unlink()
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(archive.data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    *counts, error = done.stdout.splitlines()
    assert counts == ["12", "30 (6, 128, 64, 3)"], done.stderr
    assert "market-packed-train.npz: no packed file there, and the records need" in error


def test_a_zip_of_windows_has_backslashes(archive):
    path = archive.as_zip()
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    other = path.with_name("windows.zip")
    with zipfile.ZipFile(other, "w") as new:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.filename = name.replace("/", "\\")
            new.writestr(info, data)
        new.writestr("__MACOSX/bounding_box_train/._0002_c1s1_000451_03.jpg", b"")
    folder = "bounding_box_train"
    assert (
        list(market1501_files.list_folder(other, folder))
        == list(market1501_files.list_folder(path, folder))
        != []
    )
