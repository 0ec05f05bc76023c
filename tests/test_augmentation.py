"""New views: what is planned, that a re-identification code base reads it, and resuming."""

import csv
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pnr_jax.augmentation import (
    absent_views,
    copy_originals,
    draw_views,
    plan_views,
    write_manifest,
)
from pnr_jax.data.images import Images, before_underscore
from pnr_jax.data.pairs import market1501_identity
from pnr_jax.errors import UserError

MARKET_NAMES = [
    "0002_c1s1_000451_03.jpg",
    "0002_c3s2_000551_01.jpg",
    "0002_c6s4_000776_01.jpg",
    "0007_c2s3_070952_01.jpg",
    "0007_c3s3_077419_03.jpg",
    "0010_c5s3_081637_04.jpg",
    "-1_c1s1_000401_02.jpg",
    "0000_c1s1_000151_01.jpg",
    "0011_c1s1_001751_00.jpg",
]


def people(names=MARKET_NAMES):
    """Image i is plain grey 20 i + 20; its pose has all joints at (i, i)."""
    count = len(names)
    images = (
        np.zeros((count, 32, 32, 3), np.uint8) + 20 * np.arange(1, count + 1)[:, None, None, None]
    )
    keypoints = np.zeros((count, 18, 2), np.int32) + np.arange(count)[:, None, None]
    if count == len(MARKET_NAMES):
        keypoints[-1, 8] = -1  # 0011 lacks a hip
    return Images(images.astype(np.uint8), keypoints, list(names), market1501_identity)


def read_like_torchreid(folder):
    """[(path, identity, camera)] as torchreid's Market1501 reads a folder, asserts included."""
    pattern = re.compile(r"([-\d]+)_c(\d)")
    data = []
    for path in folder.glob("*.jpg"):
        identity, camera = map(int, pattern.search(str(path)).groups())
        if identity == -1:
            continue
        assert 0 <= identity <= 1501
        assert 1 <= camera <= 6
        data.append((path, identity, camera - 1))
    return data


def test_views_show_their_identity_in_the_pose_of_another():
    images = people()
    views = plan_views(images, views=20, sources=2, seed=0)
    assert [view.identity for view in views] == ["0002"] * 20 + ["0007"] * 20 + ["0010"] * 20
    usable = {name for name in MARKET_NAMES if name[:4] in ("0002", "0007", "0010")}
    for view in views:
        shown = [MARKET_NAMES[i] for i in view.sources]
        assert len(set(shown)) == len(shown) == (1 if view.identity == "0010" else 2)
        assert {name[:4] for name in shown} == {view.identity}
        assert MARKET_NAMES[view.pose] in usable
        assert MARKET_NAMES[view.pose][:4] != view.identity
        assert view.file[:9] == shown[0][:9]  # identity, camera and sequence of the first source
        assert re.fullmatch(r"\d{4}_c\ds\d_\d{6}_\d{2}\.jpg", view.file)
    assert len({view.file for view in views}) == 60
    assert not {view.file for view in views} & set(MARKET_NAMES)
    # Every pose of others and every order of sources comes up.
    first = views[:20]
    assert {view.pose for view in first} == {3, 4, 5}
    assert {view.sources for view in first} == {
        (a, b) for a in range(3) for b in range(3) if a != b
    }


def test_more_views_only_add():
    images = people()
    three, five = (plan_views(images, views, sources=2, seed=0) for views in (3, 5))
    assert set(three) < set(five)
    other = plan_views(images, 5, sources=2, seed=1)
    assert [view[2:] for view in five] != [view[2:] for view in other]


def test_identities_that_are_no_numbers_are_numbered():
    views = plan_views(people(["bob_1.png", "ann_1.png", "ann_2.png"]), 1, sources=1, seed=0)
    assert [(view.identity, view.file) for view in views] == [
        ("ann", "0001_c1s1_000000_99.jpg"),
        ("bob", "0002_c1s1_000000_99.jpg"),
    ]


def test_what_cannot_be_planned_is_said():
    with pytest.raises(UserError, match="1 identities have a usable image"):
        plan_views(people(["0001_c1s1_000001_01.jpg", "0000_c1s1_000002_01.jpg"]), 1, 1, seed=0)
    names = ["0001_c1s1_000000_99.jpg", "0002_c1s1_000001_01.jpg"]
    with pytest.raises(UserError, match=r"0001_c1s1_000000_99.jpg: the data set has an image of"):
        plan_views(people(names), 1, 1, seed=0)


class Grey:
    """Draws the mean of the sources that are valid in red, the pose's joints in green."""

    def __init__(self):
        self.batches = []

    def transfer(self, images, keypoints, poses, valid):
        self.batches.append(images.shape[:2])
        assert keypoints.shape == (*images.shape[:2], 18, 2)
        drawn = np.zeros((len(images), 32, 32, 3), np.uint8)
        mean = (images[:, :, 0, 0, 0] * valid).sum(axis=1) / valid.sum(axis=1)
        drawn[..., 0] = mean[:, None, None]
        drawn[..., 1] = 25 * poses[:, 0, 0, None, None]
        return drawn


def draw(views, folder):
    transfer = Grey()
    absent = absent_views(views, folder)
    return transfer, sum(draw_views(transfer, people(), absent, folder))


def test_files_are_what_was_planned(tmp_path):
    views = plan_views(people(), views=15, sources=2, seed=0)
    transfer, drawn = draw(views, tmp_path)
    assert drawn == len(views) == 45
    assert transfer.batches == [(32, 2)] * 2  # one shape, the last batch filled up
    assert len(list(tmp_path.iterdir())) == 45
    for view in views:
        with Image.open(tmp_path / view.file) as image:
            assert (image.format, image.size) == ("JPEG", (32, 32))
            red, green, _ = np.asarray(image, float).mean(axis=(0, 1))
        assert abs(red - np.mean([20 * i + 20 for i in view.sources])) < 3
        assert abs(green - 25 * view.pose) < 3


def test_a_re_identification_code_base_reads_them(tmp_path):
    folder = tmp_path / "market1501" / "Market-1501-v15.09.15" / "bounding_box_train"
    views = plan_views(people(), views=4, sources=1, seed=0)
    draw(views, folder)
    read = read_like_torchreid(folder)
    assert len(read) == 12
    assert {identity for _, identity, _ in read} == {2, 7, 10}
    of = {view.file: view for view in views}
    for path, identity, camera in read:
        source = MARKET_NAMES[of[path.name].sources[0]]
        assert (identity, camera + 1) == (int(source[:4]), int(source[6]))


def test_what_is_there_is_not_drawn_again(tmp_path):
    views = plan_views(people(), views=12, sources=1, seed=0)
    draw(views, tmp_path)
    for view in views:
        os.utime(tmp_path / view.file, (1, 1))
    lost = {views[3].file, views[20].file}
    for name in lost:
        (tmp_path / name).unlink()
    assert draw(views, tmp_path)[1] == 2
    assert {p.name for p in tmp_path.iterdir() if p.stat().st_mtime != 1} == lost
    transfer, drawn = draw(views, tmp_path)
    assert (transfer.batches, drawn) == ([], 0)


def test_the_manifest_says_what_came_from_what(tmp_path):
    path = tmp_path / "manifest.csv"
    views = plan_views(people(), views=2, sources=3, seed=0)
    write_manifest(path, views, MARKET_NAMES, "0a")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [view.file for view in views]
    for row, view in zip(rows, views, strict=True):
        assert row["identity"] == view.identity
        assert row["sources"].split(";") == [MARKET_NAMES[i] for i in view.sources]
        assert row["pose"] == MARKET_NAMES[view.pose]
        assert row["weights"] == "0a"


def test_a_manifest_grows_and_refuses_other_plans(tmp_path):
    path = tmp_path / "manifest.csv"
    write_manifest(path, plan_views(people(), 2, 1, seed=0), MARKET_NAMES, "0a")
    write_manifest(path, plan_views(people(), 3, 1, seed=0), MARKET_NAMES, "0a")
    text = path.read_text()
    assert text.count("\n") == 1 + 3 * 3
    for views, seed, weights in ((3, 1, "0a"), (2, 0, "0a"), (4, 0, "0b")):
        plan = plan_views(people(), views, 1, seed=seed)
        with pytest.raises(UserError, match=r"manifest.csv:\d+: not of this plan or not by these"):
            write_manifest(path, plan, MARKET_NAMES, weights)
    assert path.read_text() == text


def test_originals_are_copied_byte_for_byte_from_zip_or_folder(tmp_path):
    contents = {
        "Market/bounding_box_train/0002_c1s1_000451_03.jpg": b"train",
        "Market/query/0001_c1s1_001051_00.jpg": b"query",
        "Market/bounding_box_test/0000_c1s1_000151_01.jpg": b"test",
    }
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
        archive.extractall(tmp_path / "unpacked")
    for source in (tmp_path / "m.zip", tmp_path / "unpacked"):
        output = tmp_path / f"from_{source.stem}"
        counts = copy_originals(source, output)
        assert counts == {"bounding_box_train": 1, "query": 1, "bounding_box_test": 1}
        for name, data in contents.items():
            assert (output / Path(name).relative_to("Market")).read_bytes() == data


def test_originals_without_a_folder_copy_nothing(tmp_path):
    (tmp_path / "in" / "bounding_box_train").mkdir(parents=True)
    (tmp_path / "in" / "bounding_box_train" / "0002_c1s1_000451_03.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no query/\*\.jpg inside"):
        copy_originals(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (
            ["0001_c2_f0046182.jpg", "0001_c2_f0046302.jpg", "0005_c8_f0046183.jpg"],
            ["0001_c2s1_000000_99.jpg", "0005_c8s1_000000_99.jpg"],  # DukeMTMC
        ),
        (
            ["0000_000_14_0303morning_0015_0.jpg", "0001_004_02_0303noon_0046_1.jpg"],
            ["0001_c14s1_000000_99.jpg", "0002_c2s1_000000_99.jpg"],  # MSMT17
        ),
        (
            ["0000_0000-000-14-0303morning-0015-0.png", "0007_0007-c2-f0046182.png"],
            ["0001_c14s1_000000_99.jpg", "0002_c2s1_000000_99.jpg"],  # Of a prepared folder.
        ),
        (["1_a.png", "01_b.png"], ["0001_c1s1_000000_99.jpg", "0002_c1s1_000000_99.jpg"]),
        (["3_a.png", "12_b.png"], ["0012_c1s1_000000_99.jpg", "0003_c1s1_000000_99.jpg"]),
    ],
)
def test_cameras_and_people_of_other_data_sets(names, files):
    images = people(names)._replace(identity_of=before_underscore)
    views = plan_views(images, views=1, sources=1, seed=0)
    assert [view.file for view in views] == files
    assert len({view.identity for view in views}) == 2
