"""Animation, augmentation and export as a user runs them, by a model that was never trained."""

import csv
import re

import jax
import numpy as np
import pytest
from PIL import Image

from pnr_jax import animation, box
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import export_model, load_model
from pnr_jax.checksum import digest
from pnr_jax.config import Config
from pnr_jax.data.annotations import read_annotations, write_annotations
from pnr_jax.data.synthetic import draw_people
from pnr_jax.transfer import PoseTransfer


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of the drawn people with random weights."""
    config = Config()
    config = config.replace(image_size=(64, 32))
    config = config.replace(model={"width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "iterations": 2})
    config = config.replace(
        data={
            "name": "people",
            "train_identities": 3,
            "test_identities": 2,
            "views": 6,
            "test_tuples": 6,
        }
    )
    zeros = np.zeros
    inputs = zeros((1, 1, 64, 32, 3)), zeros((1, 1, 18, 2)), zeros((1, 1), bool), zeros((1, 18, 2))
    shapes = jax.eval_shape(config.build_system().network.init, jax.random.key(0), *inputs)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(x.dtype) / 3, shapes)
    variables["batch_stats"] = jax.tree.map(np.square, variables["batch_stats"])
    workdir = tmp_path_factory.mktemp("runs") / "untrained"
    config_lib.write_config(config, workdir)
    export_model(workdir, variables)
    return workdir


def files(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_an_animation_goes_through_the_poses(run, workdir, person, tmp_path):
    a, b, c, d = (person / f"0009_v00{i}.png" for i in range(4))
    common = [f"--workdir={workdir}", f"--annotations={person}/a.csv", f"--source={a},{b}"]
    code, out, err = run(
        "animate.py",
        *common,
        f"--target={c},{d},{c}",
        "--frames=3",
        f"--output={tmp_path}/w.gif,{tmp_path}/w.png",
    )
    assert (code, err) == (0, "")
    assert f"{a}: resized from 128x64 to 64x32 (height x width) with its keypoints" in out
    assert f"{tmp_path}/w.gif: 7 frames from 3 poses and 2 source(s)" in out
    with Image.open(tmp_path / "w.gif") as gif:
        frames = []
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("RGB"), float))
    assert len(frames) == 7
    np.testing.assert_array_equal(frames[0], frames[6])
    assert np.abs(frames[0] - frames[3]).mean() > 1
    assert (tmp_path / "w.png").is_file()


def test_a_csv_of_poses_is_an_animation(run, workdir, person, tmp_path):
    a = person / "0009_v000.png"
    people = draw_people([9], views=4)
    lost = np.full((18, 2), -1)
    rows = [lost, people.keypoints[1], lost, people.keypoints[2], people.keypoints[3]]
    write_annotations(tmp_path / "poses.csv", {f"{i}": row for i, row in enumerate(rows)})
    code, out, err = run(
        "animate.py",
        f"--workdir={workdir}",
        f"--annotations={person}/a.csv",
        f"--source={a}",
        f"--poses={tmp_path}/poses.csv",
        f"--output={tmp_path}/w.gif",
    )
    assert (code, err) == (0, "")
    assert "4 frames from 4 poses and 1 source(s)" in out


def test_a_videos_poses_are_an_animation(
    run, mistake, workdir, person, tmp_path, seeing_onnx, draw_discs
):
    # COCO's 17 joints, (y, x): a figure that walks to the right, 12 frames of it.
    y = np.array([60, 52, 52, 55, 55, 100, 100, 150, 150, 195, 195, 200, 200, 270, 270, 340, 340])
    x = np.array([0, 14, -14, 26, -26, 45, -45, 55, -55, 60, -60, 25, -25, 30, -30, 32, -32])
    frames = [
        draw_discs(np.stack([y, 110 + 6 * i + x], axis=-1), (400, 400), radius=7) for i in range(12)
    ]
    animation.write_animation(
        tmp_path / "walk.mp4", np.stack(frames), np.zeros((12, 18, 2)), fps=12
    )
    flags = [f"--model={seeing_onnx}", f"--output={tmp_path}/walk.csv"]
    code, out, err = run(
        "estimate_poses.py", *flags, f"--video={tmp_path}/walk.mp4", "--fps=12", "--size=96,48"
    )
    assert (code, err) == (0, "")
    assert f"{tmp_path}/walk.csv: 12 poses in pixels of 96x48 (height x width)" in out
    rows = read_annotations(tmp_path / "walk.csv")
    assert list(rows) == [f"{i:06d}" for i in range(1, 13)]
    poses = np.stack(list(rows.values()))
    assert (poses != -1).all()
    height = 0.82 * 96 / (340 - 52)  # As people are framed, by the joints' height.
    np.testing.assert_allclose(poses[:, 10, 0] - poses[:, 14, 0], 288 * height, atol=2)
    assert np.abs(poses - poses[0]).max() <= 2  # The frame follows.
    with Image.open(tmp_path / "walk.png") as sheet:
        assert sheet.width > 12 * 48
    Image.fromarray(np.zeros((96, 48, 3), np.uint8)).save(tmp_path / "source.png")
    write_annotations(tmp_path / "a.csv", {"source.png": poses[0]})
    code, out, err = run(
        "animate.py",
        f"--workdir={workdir}",
        f"--annotations={tmp_path}/a.csv",
        f"--source={tmp_path}/source.png",
        f"--poses={tmp_path}/walk.csv",
        f"--output={tmp_path}/w.gif",
    )
    assert (code, err) == (0, "")
    assert "12 frames from 12 poses and 1 source(s)" in out
    err = mistake("estimate_poses.py", *flags, f"--video={tmp_path}/walk.mp4")
    assert "walk.csv: is there already; remove it or name another file" in err
    flags[1] = f"--output={tmp_path}/new.csv"
    err = mistake("estimate_poses.py", *flags, f"--video={tmp_path}/walk.mp4", "--size=96")
    assert "--size=96: expected height,width from 16 to 4096" in err
    assert not (tmp_path / "new.csv").exists()


def test_two_people_are_mixed(run, person, tmp_path):
    people, other = draw_people([9], views=4), draw_people([11], views=1)
    Image.fromarray(other.images[0]).save(tmp_path / "other.png")
    rows = dict(zip(people.names, people.keypoints, strict=True))
    write_annotations(tmp_path / "a.csv", rows | {"other.png": other.keypoints[0]})
    common = [
        "--workdir=people",
        f"--annotations={tmp_path}/a.csv",
        f"--source={person}/0009_v000.png",
        f"--target={person}/0009_v001.png",
    ]
    one, two = PoseTransfer.load(box.find("people")).transfer(
        np.stack([people.images[:1], other.images]),
        np.stack([people.keypoints[:1], other.keypoints]),
        np.repeat(people.keypoints[1:2], 2, axis=0),
    ).astype(float)  # fmt: skip
    code, _, err = run(
        "generate.py", *common, f"--lower={tmp_path}/other.png", f"--output={tmp_path}/out.png"
    )
    assert (code, err) == (0, "")
    with Image.open(tmp_path / "out.png") as image:
        dressed = np.asarray(image.convert("RGB"), float)
    hips = int(people.keypoints[1, [8, 11], 0].max())
    assert distance(dressed[: hips - 8], one) < distance(dressed[: hips - 8], two)
    assert distance(dressed[hips + 8 :], two[hips + 8 :]) < distance(
        dressed[hips + 8 :], one[hips + 8 :]
    )
    code, out, err = run(
        "animate.py",
        *common,
        f"--into={tmp_path}/other.png",
        "--frames=20",  # More than a batch.
        f"--output={tmp_path}/turn.gif",
    )
    assert (code, err) == (0, "")
    assert "turn.gif: 21 frames from 1 poses" in out
    with Image.open(tmp_path / "turn.gif") as gif:
        gif.seek(0)
        first = np.asarray(gif.convert("RGB").resize((64, 128)), float)
        gif.seek(gif.n_frames - 1)
        last = np.asarray(gif.convert("RGB").resize((64, 128)), float)
    # A GIF has 256 colours, and small frames are enlarged.
    assert distance(first, one) < 0.5 * distance(first, two)
    assert distance(last, two) < 0.5 * distance(last, one)


def distance(image, other):
    """The mean difference of two images' upper rows, as many as the first has."""
    return np.abs(image - other[: len(image)]).mean()


def test_augmentation_draws_every_training_identity_and_goes_on_where_it_stopped(
    run, mistake, workdir, tmp_path
):
    folder = tmp_path / "out" / "bounding_box_train"
    command = ["augment.py", f"--workdir={workdir}", f"--output={tmp_path}/out", "--sources=2"]
    code, out, err = run(*command, "--views=2")
    assert (code, err) == (0, "")
    assert "6 new views of 3 identities, 6 drawn now" in out
    first = files(folder)
    assert {int(re.match(r"([-\d]+)_c(\d)", name)[1]) for name in first} == {1, 2, 3}
    (folder / min(first)).unlink()
    code, out, err = run(*command, "--views=3")
    assert (code, err) == (0, "")
    assert "9 new views of 3 identities, 4 drawn now" in out
    second = files(folder)
    assert all(second[name] == first[name] for name in first if name != min(first))
    with (tmp_path / "out" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == set(second)
    for row in rows:
        shown = {name.split("_")[0] for name in row["sources"].split(";")}
        assert shown == {row["identity"]} != {row["pose"].split("_")[0]}
    assert {row["weights"] for row in rows} == {digest(load_model(workdir))}
    err = mistake(*command, "--views=3", "--seed=1")
    assert re.search(r"manifest.csv:\d+: not of this plan", err)


def test_an_export_is_written_once(run, mistake, workdir, tmp_path):
    command = ["export.py", f"--workdir={workdir}", f"--output={tmp_path}/out"]
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert f"{tmp_path}/out/README.md" in out
    assert (tmp_path / "out" / "transfer.jax_export").stat().st_size > 10_000
    err = mistake(*command)
    assert err == f"error: --output={tmp_path}/out: exists already; choose a folder that does not\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--target=none.png"], "a.csv: has no row for none.png"),
        (["--target=0009_v001.png", "--poses=p.csv"], "target"),
        ([], "target"),
        (["--target=0009_v001.png", "--output=w.avi"], "the suffix must be .gif, .mp4 or .png"),
    ],
)
def test_a_mistake_is_one_line(mistake, workdir, person, tmp_path, flags, message):
    err = mistake(
        "animate.py",
        f"--workdir={workdir}",
        f"--annotations={person}/a.csv",
        f"--source={person}/0009_v000.png",
        f"--output={tmp_path}/w.gif",
        *flags,
    )
    assert message in err
    assert not list(tmp_path.iterdir())
