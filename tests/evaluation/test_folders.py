"""Every way that the field names its images is read; what is wrong is counted and named."""

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data.pairs import read_listing
from pnr_jax.errors import UserError
from pnr_jax.evaluation.folders import folder_method

SIZE = (24, 16)
RNG = np.random.default_rng(0)
TUPLES = [
    ("0001_c1s1_000001_00.jpg", "0001_c2s1_000002_00.jpg"),
    ("0001_c2s1_000002_00.jpg", "0001_c1s1_000001_00.jpg"),
    ("0002_c1s1_000003_00.jpg", "0002_c2s1_000004_00.jpg"),
    ("0003_v000.png", "0003_v001.png"),
]
IMAGES = RNG.integers(0, 256, (4, *SIZE, 3)).astype(np.uint8)
SHORT = [f"{a.split('.')[0]}___{b.split('.')[0]}" for a, b in TUPLES]


def save(path, image, **settings):
    Image.fromarray(image).save(path, **settings)


def smooth(image):
    """An image that JPEG hardly changes, such as a photo."""
    return np.asarray(Image.fromarray(image[:2, :2]).resize(SIZE[::-1]))


@pytest.fixture
def folder(tmp_path):
    """A folder with FROM___TO.png for each tuple."""
    path = tmp_path / "images"
    (path / "evaluation").mkdir(parents=True)
    (path / "notes.txt").write_text("not an image")
    for name, image in zip(SHORT, IMAGES, strict=True):
        save(path / f"{name}.png", image)
    return path


def generated(method, tuples=TUPLES):
    return method.generate({"names": np.array(tuples)})


def test_images_are_found_by_their_pairs_names(folder):
    method, usable, problem = folder_method(folder, "peer", TUPLES, SIZE)
    assert (method.name, method.sources, usable.tolist(), problem) == ("peer", 1, [0, 1, 2, 3], "")
    np.testing.assert_array_equal(generated(method), IMAGES)
    order = [2, 0, 0]
    np.testing.assert_array_equal(generated(method, [TUPLES[i] for i in order]), IMAGES[order])


@pytest.mark.parametrize("pattern", ["{}___{}.jpg", "{}___{}_vis.jpg", "{}___{}.JPEG"])
def test_names_that_keep_their_jpg_inside(tmp_path, pattern):
    for pair, image in zip(TUPLES, IMAGES, strict=True):
        save(tmp_path / pattern.format(*pair), smooth(image), quality=95)
    method, usable, _ = folder_method(tmp_path, "peer", TUPLES, SIZE)
    assert len(usable) == 4
    for found, image in zip(generated(method), IMAGES, strict=True):
        assert np.abs(found.astype(int) - smooth(image)).mean() < 8


@pytest.mark.parametrize("name", ["1488_c4s6_022291_05.jpg", "1488_c4s6_022291_05"])
def test_a_name_may_end_in_jpg_twice_as_some_of_market1501_do(tmp_path, name):
    pair = ("1488_c4s6_022291_05.jpg.jpg", TUPLES[0][1])
    save(tmp_path / f"{name}___{SHORT[0].split('___')[1]}.png", IMAGES[0])
    method, _, _ = folder_method(tmp_path, "peer", [pair], SIZE)
    np.testing.assert_array_equal(generated(method, [pair]), IMAGES[:1])


def test_of_a_strip_the_last_panel_is_taken(tmp_path):
    for pair, image in zip(TUPLES, IMAGES, strict=True):
        panels = RNG.integers(0, 256, (4, *SIZE, 3)).astype(np.uint8)
        save(tmp_path / f"{'___'.join(pair)}_vis.png", np.concatenate([*panels, image], axis=1))
    method, _, _ = folder_method(tmp_path, "peer", TUPLES, SIZE)
    np.testing.assert_array_equal(generated(method), IMAGES)


def test_a_csv_says_which_image_is_of_which_pair(tmp_path):
    lines = ["from_0,from_1,to,image"]
    tuples = [("a.jpg", *TUPLES[0]), ("a.jpg", "b.jpg", TUPLES[0][1])]
    for i, names in enumerate(tuples):
        save(tmp_path / f"{i}.png", IMAGES[i])
        lines.append(",".join([*names, f"{i}.png"]))
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    listing = read_listing(tmp_path / "list.csv")
    assert listing == (tuples, ["0.png", "1.png"])
    method, _, _ = folder_method(tmp_path, "peer", listing.tuples, SIZE, listing.files)
    assert method.sources == 2
    np.testing.assert_array_equal(generated(method, tuples), IMAGES[:2])


def test_a_csv_without_images_is_a_list_of_pairs(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("from,to\na.jpg,b.jpg\n")
    assert read_listing(path) == ([("a.jpg", "b.jpg")], None)
    path.write_text("from,to,image\n\na.jpg,b.jpg,1.png\na.jpg,b.jpg\n")
    with pytest.raises(UserError, match=r"list\.csv:4: expected 3 names, found 2"):
        read_listing(path)
    path.write_text("from,to,image\na.jpg,b.jpg,1.png\na.jpg,b.jpg,2.png\n")
    with pytest.raises(UserError, match="names a pair twice"):
        folder_method(tmp_path, "peer", *[read_listing(path)[0], SIZE, read_listing(path)[1]])


def break_it(folder):
    """One missing, one of another size, one unreadable, one too many and one without a pair."""
    (folder / f"{SHORT[0]}.png").unlink()
    save(folder / f"{SHORT[1]}.png", np.zeros((24, 17, 3), np.uint8))
    (folder / f"{SHORT[2]}.png").write_bytes((folder / f"{SHORT[2]}.png").read_bytes()[:-200])
    save(folder / "0009_a___0009_b.png", IMAGES[0])
    save(folder / "sheet.png", IMAGES[0])


def test_everything_wrong_is_counted_and_named(folder):
    break_it(folder)
    with pytest.raises(UserError) as error:
        folder_method(folder, "peer", TUPLES, SIZE)
    message = str(error.value)
    for part in (
        f"{folder}: of 4 images 1 missing ({SHORT[0]}.png)",
        "2 in no pair (0009_a___0009_b.png, sheet.png)",
        "2 of a wrong size or unreadable",
        f"{SHORT[1]}.png is 24x17, not 24x16 or a strip of 5",
        f"{SHORT[2]}.png: not a readable image",
        "; `allow_missing` scores the others",
    ):
        assert part in message
    method, usable, problem = folder_method(folder, "peer", TUPLES, SIZE, allow_missing=True)
    assert usable.tolist() == [3]
    assert message.startswith(problem)
    np.testing.assert_array_equal(generated(method, TUPLES[3:]), IMAGES[3:])


def test_only_what_is_scored_is_opened(folder):
    (folder / f"{SHORT[2]}.png").write_bytes(b"damaged")
    _, usable, problem = folder_method(folder, "peer", TUPLES, SIZE, checked=2)
    assert (usable.tolist(), problem) == ([0, 1], "")


def test_long_lists_are_cut(folder):
    for i in range(9):
        save(folder / f"more{i}.png", IMAGES[0])
    with pytest.raises(
        UserError, match=r"9 in no pair \(more0.png, more1.png, more2.png, \.\.\.\)"
    ):
        folder_method(folder, "peer", TUPLES, SIZE)


def test_what_cannot_be_scored_at_all(folder, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        folder_method(tmp_path / "none", "peer", TUPLES, SIZE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="of 4 images 4 missing"):
        folder_method(tmp_path / "empty", "peer", TUPLES, SIZE, allow_missing=True)
    save(folder / f"{SHORT[0]}.jpg", IMAGES[0])
    with pytest.raises(UserError, match="are of the same pair"):
        folder_method(folder, "peer", TUPLES, SIZE)


def test_tuples_that_a_file_name_cannot_tell_apart(folder):
    tuples = [(*TUPLES[0][:1], name, TUPLES[0][1]) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(UserError, match="several tuples share a FROM and a TO"):
        folder_method(folder, "peer", tuples, SIZE)


def test_a_pair_that_is_asked_for_twice_has_one_image(folder):
    method, usable, _ = folder_method(folder, "peer", [*TUPLES, TUPLES[0]], SIZE)
    assert usable.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(generated(method, [TUPLES[0]]), IMAGES[:1])


def test_the_key_is_of_the_content(folder):
    def key(**settings):
        return folder_method(folder, "peer", TUPLES, SIZE, **settings)[0].key

    before = key()
    assert key() == before
    assert key(jpeg=True) != before
    changed = IMAGES[1].copy()
    changed[0, 0, 0] ^= 1
    save(folder / f"{SHORT[1]}.png", changed)
    assert key() != before


def test_a_jpeg_is_not_compressed_twice(tmp_path):
    for suffix, pair in (("png", TUPLES[0]), ("jpg", TUPLES[1])):
        save(tmp_path / f"{'___'.join(pair)}.{suffix}", smooth(IMAGES[0]))
    method, _, _ = folder_method(tmp_path, "peer", TUPLES[:2], SIZE, jpeg=True)
    from_png, from_jpg = generated(method, TUPLES[:2])
    np.testing.assert_array_equal(from_png, from_jpg)
    assert (from_png != smooth(IMAGES[0])).any()


@pytest.mark.parametrize(
    "spelling",
    ["{a}_2_{b}_vis.png", "{A}_2_{B}_vis.png", "{a}_2_{b}.png", "{A}_{B}.png", "{a}_{b}.png"],
)
def test_other_peoples_names_are_known(tmp_path, spelling):
    for (A, B), image in zip(TUPLES, IMAGES, strict=True):
        name = spelling.format(A=A, B=B, a=A.split(".")[0], b=B.split(".")[0])
        save(tmp_path / name, image)
    method, usable, problem = folder_method(tmp_path, "peer", TUPLES, SIZE)
    assert (usable.tolist(), problem) == ([0, 1, 2, 3], "")
    np.testing.assert_array_equal(generated(method), IMAGES)


def test_where_no_name_is_known_the_way_out_is_named(tmp_path):
    save(tmp_path / "1.png", IMAGES[0])
    for allow_missing in (False, True):
        with pytest.raises(UserError, match=r"`pairs=CSV`, in a column `image`") as error:
            folder_method(tmp_path, "peer", TUPLES, SIZE, allow_missing=allow_missing)
        assert "allow_missing" not in str(error.value)


def test_a_name_that_may_be_of_two_pairs_is_named(tmp_path):
    pairs = [("a.jpg", "b_c.jpg"), ("a_b.jpg", "c.jpg")]
    save(tmp_path / "a_b_c.png", IMAGES[0])
    with pytest.raises(UserError, match=r"a_b_c\.png may be of several pairs"):
        folder_method(tmp_path, "peer", pairs, SIZE)


def test_what_systems_leave_is_no_image(folder):
    save(folder / "._0001___0002.png", IMAGES[0])
    assert folder_method(folder, "peer", TUPLES, SIZE)[2] == ""
