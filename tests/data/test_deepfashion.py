"""DeepFashion's rules on names and rows in the published form; drawn people in its layout."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data import DATA_SETS, deepfashion, packed
from pnr_jax.data.deepfashion import before_last_underscore, flat_name
from pnr_jax.data.deepfashion_preparation import frame_photo, list_photos, prepare, read_rows
from pnr_jax.data.synthetic import draw_people
from pnr_jax.errors import UserError

ROOT = Path(__file__).parents[2]
SMALL = [
    "--config=deepfashion_pnr", "--config.steps=2", "--config.batch_size=2",
    "--config.image_size=(64, 44)", "--config.model.width=4", "--config.model.blocks=1",
    "--config.model.d=4", "--config.discriminator.width=4", "--config.discriminator.blocks=1",
    "--config.loss.perceptual=0",
]  # fmt: skip
VIEWS = ("1_front", "2_side", "3_back", "4_full")
PEOPLE = {  # {(gender, category, garment, colour): split}
    ("MEN", "Tees_Tanks", "00000001", "01"): "train",
    ("MEN", "Tees_Tanks", "00000001", "02"): "train",
    ("WOMEN", "Jackets_Coats", "00000002", "01"): "test",
    ("WOMEN", "Dresses", "00000003", "12"): "test",
}


class Archive:
    """A small DeepFashion of drawn people: `photos` {path: image}, `rows` {split: {name: pose}}."""

    def __init__(self, folder):
        self.folder, self.photos, self.rows = folder, {}, {"train": {}, "test": {}}
        drawn = draw_people(range(1, 5), views=4)
        drawn.keypoints[:, (2, 5, 8, 11)] = 40, 30  # All can be in pairs.
        for i, ((gender, category, garment, colour), split) in enumerate(PEOPLE.items()):
            for j, view in enumerate(VIEWS):
                path = f"{gender}/{category}/id_{garment}/{colour}_{view}.jpg"
                self.photos[path] = drawn.images[4 * i + j]
                keypoints = drawn.keypoints[4 * i + j]
                inside = np.where(keypoints == -1, -1, 2 * keypoints + (0, 24))
                self.rows[split][flat_name(path)] = inside
        self.rows["test"][next(iter(self.rows["test"]))][7] = -31, 205

    def write(self, spelling="fasion", resized=True):
        """Writes lists and CSVs as PATN has them, `resized` or in the frame of 256×256."""
        for split, rows in self.rows.items():
            (self.folder / f"{split}.lst").write_text("".join(f"{name}\n" for name in rows))
            lines = ["name:keypoints_y:keypoints_x"]
            for name, keypoints in rows.items():
                if not resized:
                    missing = (keypoints == -1).all(axis=-1, keepdims=True)
                    keypoints = np.where(missing, -1, keypoints + np.array([0, 40]))
                y, x = keypoints.T.tolist()
                colon = ":" if resized else ": "
                lines.append(colon.join([name, json.dumps(y), json.dumps(x)]))
            kind = "resize-annotation" if resized else "annotation"
            path = self.folder / f"{spelling}-{kind}-{split}.csv"
            path.write_text("\n".join(lines) + "\n")

    def square(self, photo):
        """A photo as img.zip has it: 256×256 on white."""
        square = Image.new("RGB", (256, 256), "white")
        square.paste(Image.fromarray(photo).resize((128, 256), Image.Resampling.BICUBIC), (64, 0))
        return np.asarray(square)

    def encoded(self, form="PNG"):
        for path, photo in self.photos.items():
            data = io.BytesIO()
            Image.fromarray(self.square(photo)).save(data, form)
            yield f"img/{path}", data.getvalue()

    def as_zip(self):
        path = self.folder / "img.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("img/readme.jpg", b"no photo")
            for name, data in self.encoded():
                archive.writestr(name, data)
        return path

    def as_folder(self):
        for name, data in self.encoded():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(data)
        return self.folder / "img"

    def prepare(self, source, **settings):
        return prepare(source, self.folder, self.folder, self.folder / "data", **settings)

    def refusal(self, source):
        with pytest.raises(UserError) as caught:
            self.prepare(source)
        assert not (self.folder / "data" / "deepfashion").exists()
        return str(caught.value)


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path)
    archive.write()
    return archive


@pytest.mark.parametrize(
    ("path", "name", "identity"),
    [
        ("img/MEN/Tees_Tanks/id_00007301/04_7_additional.jpg",
         "fashionMENTees_Tanksid0000730104_7additional.jpg", "fashionMENTees_Tanksid0000730104"),
        ("WOMEN/Dresses/id_00000002/02_1_front.jpg",
         "fashionWOMENDressesid0000000202_1front.jpg", "fashionWOMENDressesid0000000202"),
        ("x/img_highres/MEN/Jackets_Vests/id_00003336/05_3_back.jpg",
         "fashionMENJackets_Vestsid0000333605_3back.jpg", "fashionMENJackets_Vestsid0000333605"),
    ],
)  # fmt: skip
def test_names_and_identities_are_the_published_ones(path, name, identity):
    assert flat_name(path) == name
    assert before_last_underscore(name) == identity


@pytest.mark.parametrize(
    "path", ["img/readme.txt", "MEN/Denim/01_1_front.jpg", "KIDS/Denim/id_00000001/01_1_front.jpg"]
)
def test_other_files_are_no_images(path):
    assert flat_name(path) is None


@pytest.mark.parametrize("form", ["as_zip", "as_folder"])
@pytest.mark.parametrize("spelling", ["fasion", "fashion"])
def test_an_archive_is_prepared_and_loaded(tmp_path, form, spelling):
    archive = Archive(tmp_path)
    archive.write(spelling)
    made = archive.prepare(getattr(archive, form)())
    assert (made.missing, made.poseless, made.damaged) == ([], [], [])
    assert made.counts == {
        "train images": 8, "train pairs": 24, "test images": 8, "test pairs": 24, "test tuples": 8,
    }  # fmt: skip
    data = DATA_SETS["deepfashion"]()
    for split, rows in archive.rows.items():
        images = data.load(str(tmp_path / "data"), split)
        assert images.images.shape == (8, 256, 176, 3)
        assert {images.identity_of(name) for name in images.names} == {
            before_last_underscore(name) for name in rows
        }
        for name, keypoints in images.annotations.items():
            np.testing.assert_array_equal(keypoints, rows[name])
    path = next(path for path in archive.photos if "Dresses" in path)
    index = list(images.names).index(flat_name(path))
    expected = archive.square(archive.photos[path])[:, 40:216]
    np.testing.assert_array_equal(images.images[index], expected)


def test_pairs_are_the_published_rule_with_its_shuffle(archive):
    archive.prepare(archive.as_zip())
    every = [
        (a, b)
        for names in np.reshape(list(archive.rows["test"]), (2, 4))
        for a in names for b in names if a != b
    ]  # fmt: skip
    order = np.random.RandomState(0).choice(24, 24, replace=False)
    data = DATA_SETS["deepfashion"]()
    _, pairs = data.load_tuples(str(archive.folder / "data"), "test", "pairs", None)
    assert pairs == [every[i] for i in order]
    _, pairs = data.load_tuples(str(archive.folder / "data"), "train", "pairs", None)
    assert pairs[:4] == [
        (a, b) for a in list(archive.rows["train"])[:2]
        for b in list(archive.rows["train"])[:4] if a != b
    ][:4]  # fmt: skip
    assert len(pairs) == 24


def test_tuples_are_every_choice_of_a_target_and_three_sources_once():
    names = [f"fashionMENDenimid000000010{i}_{j}x.jpg" for i in (1, 2) for j in range(5 - i)]
    rows = dict.fromkeys(names, np.zeros((18, 2), int))
    tuples = deepfashion.make_tuples(rows)  # Identities of 4 and of 3 images.
    assert len(tuples) == 4
    assert {row[-1] for row in tuples} == set(names[:4])
    assert all(len(set(row)) == 4 for row in tuples)
    rows |= dict.fromkeys(
        [f"fashionMENDenimid0000000201_{j}x.jpg" for j in range(5)], rows[names[0]]
    )
    tuples = deepfashion.make_tuples(rows)
    assert len({(row[-1], frozenset(row)) for row in tuples}) == len(tuples) == 4 + 5 * 4


def test_published_pairs_come_before_the_rule(archive):
    a, b, *_ = archive.rows["test"]
    (archive.folder / "fasion-resize-pairs-test.csv").write_text(f"from,to\n{b},{a}\n{a},{b}\n")
    assert archive.prepare(archive.as_zip()).counts["test pairs"] == 2


def test_a_part_of_the_archive_will_do_and_what_lacks_is_named(archive):
    (gone, _), *_ = archive.photos.items()
    del archive.photos[gone]
    extra = "fashionMENDenimid0000009901_1front.jpg"
    with (archive.folder / "test.lst").open("a") as file:
        file.write(f"{extra}\n")
    made = archive.prepare(archive.as_folder())
    assert made.missing == [flat_name(gone)]
    assert (made.folder / "missing.txt").read_text() == f"{flat_name(gone)}\n"
    assert made.poseless == [extra]
    assert made.counts["train pairs"] == 24 - 6
    names = packed.read_packed(archive.folder / "data/deepfashion/packed-train.npz").names.tolist()
    assert flat_name(gone) not in names


@pytest.mark.parametrize(("kept", "kind"), [(3, "tuples"), (1, "pairs")])
def test_a_part_without_a_pair_or_tuple_of_the_test_is_refused(archive, kept, kind):
    for identity in (2, 3):  # Those of the test.
        mine = [path for path in archive.photos if f"id_{identity:08d}" in path]
        for path in mine[kept:]:
            del archive.photos[path]
    err = archive.refusal(archive.as_folder())
    assert f"has all images of none of the {24 if kind == 'pairs' else 8} {kind} of test.lst" in err


def test_keypoints_of_the_square_are_moved_and_those_outside_are_kept(tmp_path):
    archive = Archive(tmp_path)
    name = next(iter(archive.rows["test"]))
    archive.rows["test"][name][3] = 100, -1  # x = 39 in the square.
    archive.write(resized=False)
    listed = list(archive.rows["test"])
    rows = read_rows(tmp_path, "test", listed)
    for name, keypoints in archive.rows["test"].items():
        lost = (keypoints == -1).any(axis=-1, keepdims=True)
        np.testing.assert_array_equal(rows[name][lost[:, 0]], -1)
        np.testing.assert_array_equal(rows[name][~lost[:, 0]], keypoints[~lost[:, 0]])
    assert rows[next(iter(rows))][7].tolist() == [-31, 205]


def test_a_highres_photo_fills_the_height_of_the_frame():
    photo = np.zeros((1101, 750, 3), np.uint8)
    photo[:, 375:] = 200
    framed = frame_photo(photo)
    assert framed.shape == (256, 176, 3)
    assert (framed[:, (0, -1)] == 255).all()
    assert (framed[:, 1:80] < 5).all() and (abs(framed[:, 96:175].astype(int) - 200) < 5).all()
    square = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    np.testing.assert_array_equal(frame_photo(square), square[:, 40:216])


def test_an_encrypted_zip_says_how_to_unpack_it(archive):
    path = archive.as_zip()
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + offset] |= 1
    path.write_bytes(data)
    assert "is encrypted; unpack it with its owners' password, by 'unzip -P" in archive.refusal(
        path
    )


def test_what_is_no_such_data_set_is_refused(archive, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "expected img.zip, img_highres.zip or a folder" in archive.refusal(empty)
    folder = archive.as_folder()
    folder.rename(tmp_path / "both")
    (tmp_path / "both").mkdir(exist_ok=True)
    path = tmp_path / "both" / "img_highres/MEN/Tees_Tanks/id_00000001/01_1_front.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert "twice; name one of its img and img_highres" in archive.refusal(tmp_path / "both")


def test_lists_and_keypoints_of_two_splits_are_refused(archive):
    (archive.folder / "test.lst").write_text("fashionMENDenimid0000009901_1front.jpg\n")
    assert "take lists and keypoints of one split" in archive.refusal(archive.as_zip())
    (archive.folder / "test.lst").write_text("fasionMENTeesTanksid0000347017_3back.jpg\n")
    assert "is no name of PATN's split" in archive.refusal(archive.as_zip())
    (archive.folder / "fasion-resize-annotation-test.csv").unlink()
    archive.folder.joinpath("test.lst").write_text("")
    assert "fashion-annotation-test.csv" in archive.refusal(archive.as_zip())


def test_a_prepared_folder_is_not_overwritten_and_an_absent_one_named(archive):
    with pytest.raises(UserError, match=r"run launch/prepare_deepfashion\.py first"):
        DATA_SETS["deepfashion"]().load(str(archive.folder), "train")
    archive.prepare(archive.as_zip())
    with pytest.raises(UserError, match="is there already"):
        archive.prepare(archive.as_zip())


def test_a_damaged_image_stops_or_is_left_out(archive):
    folder = archive.as_folder()
    path = next(folder.rglob("*.jpg"))
    path.write_bytes(b"no photo")
    assert "`max_damaged=N`" in archive.refusal(folder)
    assert len(archive.prepare(folder, max_damaged=1).damaged) == 1


def test_a_source_is_listed_by_the_fields_names(archive):
    photos = list_photos(archive.as_zip())
    assert photos.keys() == {flat_name(path) for path in archive.photos}


def test_the_programs_prepare_train_and_score_it(archive):
    def launched(program, *flags):
        command = [sys.executable, ROOT / "launch" / program, *flags]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where, data = archive.folder, f"--data_dir={archive.folder / 'data'}"
    del archive.photos[next(iter(archive.photos))]
    said = launched(
        "prepare_deepfashion.py", f"--source={archive.as_zip()}", f"--annotations={where}",
        f"--lists={where}", data,
    )  # fmt: skip
    assert "1 listed image(s) missing in the source: fashionMENTees_Tanksid0000000101_1f" in said
    assert "test tuples: 8" in said
    run = f"--workdir={where / 'run'}"
    said = launched("train.py", *SMALL, data, run)
    assert "GB and lie on every device" in said
    assert "trained at step 2" in said
    table = launched("evaluate.py", run)
    assert table.startswith("DeepFashion: 24 pairs")
    assert [line.split("|")[2].strip() for line in table.splitlines() if "pNR (LAD)" in line] == [
        "1", "1", "3",
    ]  # fmt: skip
