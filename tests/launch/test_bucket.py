"""Every program with its run and its data set in a bucket: it writes what it writes here."""

import json

import pytest

from pnr_jax.data.annotations import write_annotations
from tests.launch.test_own_photos import draw_folder

pytestmark = pytest.mark.xdist_group("own_photos")

ROOT = "gs://pnr-test"
TRAIN = [
    "train.py",
    "--config=configs/folder.py",
    "--config.system.name=unet",  # Compiled soonest.
    "--config.model.width=4",
    "--config.steps=2",
    "--config.batch_size=2",
    "--config.image_size=(32,32)",
    "--config.checkpoint_every=2",
    "--config.sample_every=2",
    f"--data_dir={ROOT}/data",
]


@pytest.fixture
def program(run):
    """A function (program, *flags) -> stdout of a run that ends well."""

    def program(name, *flags):
        code, out, err = run(name, *flags)
        assert code == 0, err
        return out

    return program


@pytest.fixture
def fetch(bucket, tmp_path):
    """A function name -> the folder of that name, copied from the bucket to this disk."""

    def fetch(folder):
        for name in bucket.names(f"{folder}/"):
            path = tmp_path / "copy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bucket.objects[name].data)
        return tmp_path / "copy" / folder

    return fetch


def test_prepare_train_evaluate_generate_and_export(program, mistake, fetch, bucket, tmp_path):
    people, csv = tmp_path / "people", tmp_path / "a.csv"
    write_annotations(csv, draw_folder(people))
    prepare = f"--images={people}", f"--annotations={csv}", f"--data_dir={ROOT}/data"
    out = program("prepare_folder.py", *prepare)
    assert mistake("prepare_folder.py", *prepare) == (
        f"error: --data_dir={ROOT}/data: has folder/ already; remove it to prepare it anew\n"
    )
    assert f"prepared {ROOT}/data/folder; train with --data_dir={ROOT}/data" in out

    out = program(*TRAIN, f"--workdir={ROOT}/run", "--profile=1")
    assert f"in {ROOT}/run: checkpoints/, config.json, mean_image.png, metrics.jsonl, model/" in out
    assert f"evaluate.py --workdir={ROOT}/run" in out
    assert [name for name in bucket.names("run/profile/") if name.endswith(".xplane.pb")]
    assert json.loads(bucket.objects["run/config.json"].data)["data_dir"] == f"{ROOT}/data"
    tuned = program(*TRAIN, f"--workdir={ROOT}/tuned", f"--init_from={ROOT}/run")
    assert f"starting from {ROOT}/run:" in tuned

    here = fetch("run")
    program("evaluate.py", f"--workdir={ROOT}/run", "--limit=2", "--sources=1")
    program("evaluate.py", f"--workdir={here}", "--limit=2", "--sources=1")
    names = {path.relative_to(here).as_posix() for path in here.rglob("evaluation/**/*.*")}
    assert {"evaluation/table.json", "evaluation/figure.png"} <= names
    assert names == {name.removeprefix("run/") for name in bucket.names("run/evaluation/")}
    for name in names:
        assert bucket.objects[f"run/{name}"].data == (here / name).read_bytes(), name

    program("export.py", f"--workdir={ROOT}/run", f"--output={ROOT}/exported", "--safetensors")
    names = bucket.names("exported/")
    assert {"exported/README.md", "exported/config.json", "exported/transfer.jax_export"} <= {
        *names
    }

    source, target = (f"{people}/person 3/v00{i}.jpg" for i in (0, 1))
    draw = ["generate.py", f"--source={source}", f"--target={target}", f"--annotations={csv}"]
    program(*draw, f"--workdir={here}", f"--output={tmp_path}/out.png")
    program(*draw, f"--workdir={ROOT}/run", f"--output={ROOT}/out.png")
    program(*draw, f"--workdir={ROOT}/exported", f"--output={ROOT}/again.png")
    drawn = (tmp_path / "out.png").read_bytes()
    assert drawn == bucket.objects["out.png"].data == bucket.objects["again.png"].data


def test_what_is_read_from_disks_alone_says_so(mistake):
    flags = ["--workdir=people", "--source=gs://b/a.png", "--annotations=a.csv", "--target=b.png"]
    assert mistake("generate.py", *flags, "--output=c.png") == (
        "error: --source=gs://b/a.png: must be on a disk; copy it there first\n"
    )


def test_a_bucket_that_is_not_there_is_one_line(mistake, bucket):
    line = mistake("train.py", "--config=quickstart", "--workdir=gs://other/run")
    assert line.startswith("error: gs://other: cannot be read (FileNotFoundError")


def test_a_bucket_that_refuses_to_be_read_is_one_line(mistake, bucket, monkeypatch):
    monkeypatch.setattr(bucket, "unread", 401)  # gcsfs raises no OSError for it.
    line = mistake("evaluate.py", "--workdir=gs://pnr-test/run")
    assert line == "error: a bucket cannot be read or written (refused by 401, 401)\n"
