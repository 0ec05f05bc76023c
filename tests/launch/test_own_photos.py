"""From a folder of photos to pictures: poses, data set, training, evaluation, generation."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pnr_jax.data import read_annotations, write_annotations
from pnr_jax.data.synthetic import draw_people
from pnr_jax.keypoints import resize_keypoints

pytestmark = pytest.mark.xdist_group("own_photos")

SHRUNK = [
    "--config.steps=2",
    "--config.batch_size=2",
    "--config.image_size=(32,32)",
    "--config.model.width=4",
    "--config.model.blocks=1",
    "--config.checkpoint_every=2",
    "--config.sample_every=2",
]


def draw_folder(folder):
    """A dozen people, four photos each, at odd sizes on larger grounds; their annotations."""
    rng = np.random.default_rng(0)
    annotations = {}
    people = draw_people(range(1, 13), views=4)
    for name, image, keypoints in zip(people.names, people.images, people.keypoints, strict=True):
        identity, view = name.split("_", 1)
        height = int(rng.integers(120, 300))
        size = (height, int(height * rng.uniform(0.45, 0.55)))
        person = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
        top, left, bottom, right = rng.integers(0, 60, 4)
        photo = np.pad(person, ((top, bottom), (left, right), (0, 0)), mode="edge")
        moved = resize_keypoints(keypoints, image.shape[:2], size)
        path = folder / f"person {int(identity)}" / f"{Path(view).stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(path, quality=92)
        moved = np.where(moved == -1, -1, moved + np.array([top, left]))
        annotations[f"{path.parent.name}/{path.name}"] = moved
    return annotations


def test_a_folder_of_people_trains_evaluates_and_generates(run, tmp_path):
    write_annotations(tmp_path / "a.csv", draw_folder(tmp_path / "people"))
    code, out, err = run(
        "prepare_folder.py",
        f"--images={tmp_path}/people",
        f"--annotations={tmp_path}/a.csv",
        f"--data_dir={tmp_path}/data",
    )
    assert code == 0, err
    assert "10 identities to train on, 2 for the test" in out
    workdir = tmp_path / "run"
    code, out, err = run(
        "train.py",
        "--config=configs/folder.py",
        f"--data_dir={tmp_path}/data",
        f"--workdir={workdir}",
        *SHRUNK,
    )
    assert code == 0, err
    assert "trained at step 2" in out
    code, out, err = run("evaluate.py", f"--workdir={workdir}", "--limit=2")
    assert code == 0, err
    rows = json.loads((workdir / "evaluation" / "table.json").read_text())
    assert {row["sources"] for row in rows if row["set"] == "tuples"} == {1, 3, 5}
    assert "own people: 2 tuples" in out and re.search(r"first 2 of \d+ tuples only", out)
    assert all(np.isfinite(row["ssim"]) for row in rows)
    assert {path.name for path in (tmp_path / "data" / "folder" / "images").iterdir()} == set(
        read_annotations(tmp_path / "data" / "folder" / "annotations.csv")
    )
    source, target = (tmp_path / "people" / "person 3" / f"v00{i}.jpg" for i in (0, 1))
    code, _, err = run(
        "generate.py",
        f"--workdir={workdir}",
        f"--annotations={tmp_path}/a.csv",
        f"--source={source}",
        f"--target={target}",
        f"--output={tmp_path}/out.png",
    )
    assert code == 0, err
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (32, 32)


def test_names_are_utf_8_whatever_the_locale(start, tmp_path):
    annotations = draw_folder(tmp_path / "people")
    (tmp_path / "people" / "person 1").rename(tmp_path / "people" / "müller")
    (tmp_path / "people" / "@eaDir").mkdir()
    renamed = {name.replace("person 1/", "müller/"): row for name, row in annotations.items()}
    write_annotations(tmp_path / "a.csv", renamed)
    process = start(
        "prepare_folder.py",
        f"--images={tmp_path}/people",
        f"--annotations={tmp_path}/a.csv",
        f"--data_dir={tmp_path}/data",
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "1 hidden or system name(s) and link(s) passed over: @eaDir" in out
    names = read_annotations(tmp_path / "data" / "folder" / "annotations.csv")
    assert sum(name.startswith("müller_") for name in names) == 4


def test_a_name_of_other_bytes_is_refused_before_the_work(mistake, tmp_path, blind):
    people = tmp_path / "people"
    annotations = draw_folder(people)
    (people / "person 1").rename(people / os.fsdecode(b"m\xfcller"))
    flags = [f"--images={people}", f"--model={blind}"]
    err = mistake("estimate_poses.py", *flags, f"--output={tmp_path}/a.csv")
    assert r"'m\udcfcller/v000.jpg': the name is not UTF-8; rename it" in err
    write_annotations(tmp_path / "a.csv", annotations)
    err = mistake("estimate_poses.py", *flags, f"--output={tmp_path}/a.png")
    assert "the suffix must be .csv" in err
    err = mistake("estimate_poses.py", *flags, f"--output={people}/person 2/a.csv")
    assert f"lies inside --images={people}" in err and "choose a folder outside" in err


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """A pose model of the published form that sees nobody."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3), "image")
        pooled = tf.nn.avg_pool2d(image[..., :1], 8, 8, "VALID")
        tf.multiply(pooled, tf.zeros(57), name="Openpose/concat_stage7")
    path = tmp_path_factory.mktemp("models") / "blind.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def write_openpose(folder, annotations):
    """The annotations as OpenPose would write them: a JSON an image, x, y, confidence."""
    for name, pose in annotations.items():
        rows = [[x + 0.3, y - 0.3, 0.8] if y >= 0 else [0, 0, 0] for y, x in pose.tolist()]
        file = (folder / name).with_name(f"{Path(name).stem}_keypoints.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        person = {"pose_keypoints_2d": np.ravel(rows).tolist()}
        file.write_text(json.dumps({"people": [person]}))


def test_openposes_json_and_a_csv_of_fractions_prepare_the_same(run, mistake, tmp_path, blind):
    annotations = draw_folder(tmp_path / "people")
    names, poses = list(annotations), np.stack(list(annotations.values()))
    moved = np.where(poses == -1, -1, poses + 0.25)
    lines = [f"{name}: {y}: {x}" for name, (y, x) in zip(names, moved.mT.tolist(), strict=True)]
    header = "name:keypoints_y:keypoints_x"
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]) + "\n")
    write_openpose(tmp_path / "json", annotations)
    made = []
    for source in (tmp_path / "a.csv", tmp_path / "json"):
        data = tmp_path / f"data {source.name}"
        flags = [f"--images={tmp_path}/people", f"--data_dir={data}", f"--annotations={source}"]
        code, out, err = run("prepare_folder.py", *flags)
        assert code == 0, err
        made.append((data / "folder" / "annotations.csv").read_text())
        said = f"48 row(s) of {source} with fractions of a pixel, rounded: {names[0]}, "
        assert (said in out) == (source.suffix == ".csv"), out
    assert made[0] == made[1] and made[0].count("\n") > 40
    (tmp_path / "json" / "person 1" / "v000_keypoints.json").unlink()
    err = mistake("prepare_folder.py", *flags, f"--model={blind}")
    assert "has no pose of person 1/v000.jpg, and --model adds rows to a CSV alone" in err


def test_rows_are_kept_and_shown(run, tmp_path, blind):
    people = draw_people([3], views=3)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, image in zip(people.names, people.images, strict=True):
        Image.fromarray(image).save(folder / name)
    output = tmp_path / "out" / "a.csv"
    write_annotations(output, dict(zip(people.names[:2], people.keypoints[:2], strict=True)))
    flags = [f"--images={folder}", f"--model={blind}", f"--output={output}"]
    code, out, err = run("estimate_poses.py", *flags)
    assert code == 0, err
    assert "keeps the rows of 2 image(s)" in out
    assert f"1 image(s) without a person: {people.names[2]}" in out
    rows = read_annotations(output)
    np.testing.assert_array_equal(rows[people.names[1]], people.keypoints[1])
    assert (rows[people.names[2]] == -1).all()
    with Image.open(output.with_suffix(".png")) as sheet:
        assert sheet.width > 500


def test_a_mistake_in_a_photo_is_one_line(mistake, tmp_path, blind):
    photo, output = tmp_path / "photo.jpg", tmp_path / "a.csv"
    flags = [f"--images={photo}", f"--model={blind}", f"--output={output}"]
    photo.write_text("a letter")
    assert "photo.jpg: not a readable image" in mistake("estimate_poses.py", *flags)
    Image.new("L", (10_000, 10_000)).save(photo)
    assert "more than 64 megapixels" in mistake("estimate_poses.py", *flags)
    assert not output.exists()
    Image.new("RGB", (64, 128)).save(photo)
    assert "photo.jpg: no person found" in mistake("estimate_poses.py", *flags)


def test_a_mistake_in_a_folder_is_one_line(mistake, tmp_path, blind):
    people = tmp_path / "people"
    write_annotations(tmp_path / "a.csv", draw_folder(people))
    (people / "person 1" / "v000.jpg").write_text("a letter")
    flags = [f"--images={people}", f"--data_dir={tmp_path}/data"]
    err = mistake("prepare_folder.py", *flags, f"--annotations={tmp_path}/a.csv")
    assert "person 1/v000.jpg: not a readable image" in err and "--max_damaged=N" in err
    err = mistake(
        "prepare_folder.py",
        *flags,
        f"--annotations={tmp_path}/made.csv",
        f"--model={blind}",
        "--max_damaged=1",
    )
    assert "0 identity(ies) with two usable images" in err
    assert len(read_annotations(tmp_path / "made.csv")) == 47  # Made on the way, all missing.
    assert not (tmp_path / "data").exists()
