"""A folder of one's own people becomes a data set, or says in one line why not."""

import os

import numpy as np
import pytest
from PIL import Image

from pnr_jax import examples
from pnr_jax.data import (
    folder,
    folder_builder,
    make_pairs,
    read_annotations,
)
from pnr_jax.data.crops import crop_person
from pnr_jax.errors import UserError
from pnr_jax.evaluation.jobs import load_sets
from pnr_jax.evaluation.report import notes
from pnr_jax.keypoints import JOINTS
from pnr_jax.walk import list_files

BODY = np.random.default_rng(3).integers((10, 20), (110, 50), (18, 2))


class Own:
    """FOLDER/IDENTITY/*.png of noise with joints anywhere, to change and then to prepare."""

    def __init__(self, root):
        self.root = root
        self.images = root / "people"
        self.data_dir = root / "data"
        self.annotations = {}
        for identity in ("anna", "ben k", "cleo", "dan"):
            for i in range(3):
                self.add(f"{identity}/{i}.png")

    def add(self, name, keypoints=BODY, size=(140, 90)):
        rng = np.random.default_rng(len(self.annotations))
        path = self.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(path)
        self.annotations[name] = np.where(keypoints < 0, -1, keypoints + rng.integers(0, 20))

    def prepare(self, **settings):
        return folder_builder.prepare(self.images, self.annotations, self.data_dir, **settings)

    def refusal(self, **settings):
        with pytest.raises(UserError) as caught:
            self.prepare(**settings)
        assert not list(self.data_dir.rglob("*")) if self.data_dir.exists() else True
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def own(tmp_path):
    return Own(tmp_path)


def test_the_data_set_is_the_cropped_people_split_by_identity(own):
    made = own.prepare()
    assert (len(made.train), len(made.test)) == (3, 1)
    assert sorted(made.train + made.test) == ["anna", "ben-k", "cleo", "dan"]
    assert made.counts == {
        "train images": 9, "train pairs": 18, "test images": 3, "test pairs": 6, "test tuples": 6,
    }  # fmt: skip
    everybody = read_annotations(made.folder / "annotations.csv")
    assert len(everybody) == 12
    for split in ("train", "test"):
        images = folder.Folder().load(own.data_dir, split)
        assert images.images.shape[1:] == (128, 64, 3)
        assert list(images.names) == sorted(images.names)
        for name, image, keypoints in zip(
            images.names, images.images, images.keypoints, strict=True
        ):
            source = name.replace("ben-k", "ben k").replace("_", "/")
            with Image.open(own.images / source) as original:
                expected = crop_person(np.asarray(original), own.annotations[source], 128)
            np.testing.assert_array_equal(image, expected[0])
            np.testing.assert_array_equal(keypoints, expected[1])
            np.testing.assert_array_equal(keypoints, everybody[name])
            with Image.open(made.folder / "images" / name) as written:
                np.testing.assert_array_equal(image, np.asarray(written))
        _, pairs = folder.Folder().load_tuples(own.data_dir, split, "pairs", images)
        assert sorted(pairs) == sorted(make_pairs(images.annotations))


def test_the_split_is_the_seeds(own):
    first = own.prepare(test_share=0.5)
    assert own.prepare(test_share=0.5).test == first.test
    assert {tuple(own.prepare(test_share=0.5, seed=seed).test) for seed in range(6)} != {
        tuple(first.test)
    }
    assert len(own.prepare(test_share=1.0).train) == len(own.prepare(test_share=0.0).test) == 1


def test_few_images_show_themselves_again(own):
    for i in range(3, 9):
        own.add(f"dan/{i}.png")
    own.prepare(test_share=0.7)
    images = folder.Folder().load(own.data_dir, "test")
    _, tuples = folder.Folder().load_tuples(own.data_dir, "test", "tuples", images)
    assert len(tuples) == len(set(tuples))
    for row in tuples:
        assert len(row) == 6
        assert len({name.split("_")[0] for name in row}) == 1
        assert row[-1] not in row[:-1]
        assert len(set(row[:-1])) == (5 if row[-1].startswith("dan") else 2)
        if not row[-1].startswith("dan"):
            assert row[0] == row[2] == row[4] and row[1] == row[3]
    assert {row[-1] for row in tuples} == set(images.names)


def test_the_tuples_that_are_kept_are_of_any_identity():
    people = {f"p{i}": [f"p{i}_{j}.png" for j in range(6)] for i in range(20)}
    tuples = folder_builder.tuples_with_repeats(people, 60, 0)  # Of 120 possible targets.
    assert len(tuples) == len({row[-1] for row in tuples}) == 60
    counts = [sum(row[-1].startswith(f"{name}_") for row in tuples) for name in people]
    assert sum(count > 0 for count in counts) > 15 and max(counts) < 6
    assert sum(counts[10:]) > 20
    assert tuples == folder_builder.tuples_with_repeats(people, 60, 0)


def test_rows_without_suffixes_are_matched_as_openpose_names_them():
    body = np.ones((18, 2), np.int32)
    names = ["anna/1.jpg", "anna/2.b.png", "ben/1.jpg", "ben/3.jpg"]
    rows = folder.match_rows(names, dict.fromkeys(["anna/1", "2.b", "ben/1.jpg", "3"], body))
    assert rows == {
        "anna/1.jpg": "anna/1", "anna/2.b.png": "2.b", "ben/1.jpg": "ben/1.jpg", "ben/3.jpg": "3",
    }  # fmt: skip
    with pytest.raises(UserError, match="row 1 may be of any of 2 images; call each by its path"):
        folder.match_rows(names, {"1": body})
    with pytest.raises(UserError, match="row anna/1 may be of any of 2 images"):
        folder.match_rows(["anna/1.jpg", "anna/1.png"], {"anna/1": body})


def test_configurations_find_their_examples(own, small_config):
    own.prepare(height=64)
    small_config = small_config.replace(data={"name": "folder"})
    small_config = small_config.replace(data_dir=str(own.data_dir))
    training = examples.load_training(small_config)
    assert training.images.images.shape == (9, 32, 32, 3)
    assert training.tuples.shape == (18, 2)
    assert examples.load_test(small_config, "tuples").tuples.shape == (6, 6)
    with pytest.raises(UserError, match=r"/tuples-test\.csv: has 5 sources a row, .* asks for 6; "):
        examples.load_test(small_config, "tuples", sources=6)
    with pytest.raises(UserError, match=r"/pairs-test\.csv: has 1 source a row, .* asks for 2; "):
        examples.load_test(small_config, "pairs", sources=2)
    small_config = small_config.replace(data_dir=str(own.root))
    with pytest.raises(
        UserError, match="no prepared data set 'folder' there; run launch/prepare_f"
    ):
        examples.load_training(small_config)


def test_images_without_a_body_and_people_with_one_image_are_left_out(own):
    hipless = BODY.copy()
    hipless[JOINTS.index("left_hip")] = -1
    own.add("anna/x.png", hipless)
    own.add("anna/nobody.png", np.full((18, 2), -1))
    own.add("eve/0.png")
    made = own.prepare()
    assert made.bodiless == ["anna/nobody.png", "anna/x.png"]
    assert made.lonely == ["eve"]
    assert len(read_annotations(made.folder / "annotations.csv")) == 12


def test_damaged_images_are_counted_up_to_the_limit(own):
    (own.images / "cleo" / "0.png").write_text("a letter")
    assert "cleo/0.png: not a readable image" in own.refusal()
    made = own.prepare(max_damaged=1)
    assert len(made.damaged) == 1
    assert "cleo_0.png" not in read_annotations(made.folder / "annotations.csv")


def test_rows_by_file_name_alone_do(own):
    own.annotations = {name.replace("/", "_"): k for name, k in own.annotations.items()}
    for name in own.annotations:
        path = own.images / name.replace("_", "/")
        path.rename(path.with_name(name))
    assert own.prepare().counts["train images"] == 9


def test_a_file_name_of_several_images_is_no_row(own):
    row = own.annotations.pop("anna/1.png")
    own.annotations["1.png"] = row
    message = "the annotations' row 1.png may be of any of 4 images; call each by its path, as anna"
    assert message in own.refusal()
    own.annotations["anna/1.png"] = row
    assert own.prepare().counts["train images"] == 9


def test_an_earlier_folder_is_replaced_whole(own):
    own.prepare()
    stray = own.data_dir / "folder" / "images" / "old.png"
    stray.touch()
    own.prepare()
    assert not stray.exists()
    assert [path.name for path in own.data_dir.iterdir()] == ["folder"]


def test_a_kill_between_two_renames_leaves_the_earlier_folder_whole(own, monkeypatch):
    folder = own.prepare().folder
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    with monkeypatch.context() as killed:
        rename = folder_builder.Path.rename

        def rename_once(path, target):
            rename(path, target)
            raise KeyboardInterrupt

        killed.setattr(folder_builder.Path, "rename", rename_once)
        with pytest.raises(KeyboardInterrupt):
            own.prepare(seed=1)
    aside = own.data_dir / ".folder.old"
    assert {path.name: path.read_bytes() for path in aside.glob("*.*")} == before
    own.prepare()
    assert [path.name for path in own.data_dir.iterdir()] == ["folder"]


def test_a_folder_of_another_kind_is_not_replaced(own):
    (own.data_dir / "folder").mkdir(parents=True)
    (own.data_dir / "folder" / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="no prepared data set 'folder' there"):
        own.prepare()
    assert (own.data_dir / "folder" / "diary.txt").exists()


def test_mistakes_are_named(own):
    del own.annotations["dan/1.png"]
    assert "no row for dan/1.png; run launch/estimate_poses.py" in own.refusal()
    own.add("dan/1.png", size=(60, 90))
    assert "dan/1.png: " in own.refusal() and "lies outside the image of 60x90" in own.refusal()
    own.add("dan/1.png")
    own.add("anna/0.jpg")
    assert "anna/0.jpg and anna/0.png would both be anna_0.png" in own.refusal()
    (own.images / "anna" / "0.jpg").unlink()
    own.add("___/1.png")
    assert "names nobody; rename it" in own.refusal()
    (own.images / "___" / "1.png").unlink()
    own.add("stray.png")
    assert "stray.png lies in no identity's folder; expected IDENTITY/stray.png" in own.refusal()
    own.images = own.root / "none"
    assert own.refusal() == f"no such folder: {own.images}"


def test_one_identity_cannot_be_split(own):
    for name in list(own.annotations):
        if not name.startswith("anna"):
            (own.images / name).unlink()
    assert "1 identity(ies) with two usable images" in own.refusal()


def test_names_that_a_csv_cannot_hold(tmp_path):
    with pytest.raises(UserError, match="no image inside"):
        folder.list_images(tmp_path)
    (tmp_path / "12:30.jpg").touch()
    with pytest.raises(UserError, match=r"'12:30\.jpg': no ':'"):
        folder.list_images(tmp_path)


def test_what_systems_leave_is_nobody(own):
    clean = folder.list_images(own.images)
    for name in (".ipynb_checkpoints/0.png", "@eaDir/0.png", "anna/._0.png"):
        path = own.images / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((own.images / "anna" / "0.png").read_bytes())
    assert folder.list_images(own.images) == clean
    assert len(list_files(own.images).passed_over) == 3


def test_linked_identities_are_people(own, tmp_path):
    (own.images / "anna").rename(tmp_path / "elsewhere")
    (own.images / "anna").symlink_to(tmp_path / "elsewhere")
    assert "anna/0.png" in folder.list_images(own.images)


def test_a_name_that_is_not_utf_8_is_refused_before_the_work(own):
    (own.images / "anna").rename(own.images / os.fsdecode(b"m\xfcller"))
    with pytest.raises(UserError, match="not UTF-8; rename it"):
        folder.list_images(own.images)


@pytest.mark.parametrize(("one", "other"), [("ben-k", "ben k"), ("-1", "1"), ("a_1", "a-1")])
def test_two_folders_never_become_one_person(own, one, other):
    for i in range(2):
        own.add(f"{one}/{i}x.png")
        own.add(f"{other}/{i}y.png")
    message = own.refusal()
    assert f"{one}/" in message and f"{other}/" in message and "rename one" in message


def test_a_person_0000_is_somebody(own):
    for i in range(2):
        own.add(f"0000/{i}.png")
    made = own.prepare()
    assert "0000" in made.train + made.test


def test_a_flat_folder_of_single_images_is_paired_with_itself(own, small_config):
    own.annotations.clear()
    for i in range(6):
        own.add(f"flat/a_{i}.png")
    own.images = own.images / "flat"
    own.annotations = {name.rpartition("/")[2]: row for name, row in own.annotations.items()}
    made = own.prepare(labelled=False, test_share=0.4)
    assert made.counts == {"train images": 4, "train pairs": 4, "test images": 2, "test pairs": 2}
    assert made.lonely == []
    config = small_config.replace(
        data={"name": "folder"}, data_dir=str(own.data_dir), supervised=False
    )
    training = examples.load_training(config)
    np.testing.assert_array_equal(training.tuples, np.arange(4)[:, None].repeat(2, axis=1))
    with pytest.raises(UserError, match=r"`config\.supervised=False`"):
        examples.load_training(config.replace(supervised=True))
    sets = load_sets(config, None, several=True)
    assert sets.single is sets.multi
    assert sets.single.name == "images"
    (row,) = [{"method": "copy source", "set": "images", "sources": 1}]
    said = "\n".join(notes([row], limit=None, whole={}, jpeg=False, problems=[]))
    assert "Reconstruction alone" in said


def test_one_single_image_is_no_data_set(own):
    for path in own.images.rglob("*.png"):
        if path.name != "0.png" or path.parent.name != "anna":
            path.unlink()
    assert "1 usable image(s)" in own.refusal(labelled=False)
