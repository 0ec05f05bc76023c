"""The programs as a user runs them: train → evaluate → generate, and what goes wrong on the way."""

import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# One worker runs them all, so that the shrunk quickstart is trained once.
pytestmark = pytest.mark.xdist_group("programs")

ROOT = Path(__file__).resolve().parents[2]
SHRUNK = [
    "--config.steps=6",
    "--config.decay_from=1.0",
    "--config.batch_size=2",
    "--config.image_size=(64,32)",
    "--config.model.width=4",
    "--config.model.blocks=1",
    "--config.log_every=2",
    "--config.checkpoint_every=2",
    "--config.sample_every=6",
]


FEW_PEOPLE = [
    "--config.data.train_identities=3",
    "--config.data.test_identities=2",
    "--config.data.views=8",
    "--config.data.test_tuples=5",
]


def training(workdir, *flags, config="quickstart"):
    """The program and the flags of a short run."""
    small = SHRUNK + FEW_PEOPLE if config == "quickstart" else SHRUNK
    return "train.py", f"--config=configs/{config}.py", f"--workdir={workdir}", *small, *flags


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory):
    """A workdir of the shrunk quickstart, trained."""
    workdir = tmp_path_factory.mktemp("runs") / "shrunk"
    code, out, err = run(*training(workdir))
    assert code == 0, err
    assert "trained at step 6" in out
    assert "samples/, tensorboard/" in out
    assert out.splitlines()[-1].endswith(f"evaluate.py --workdir={workdir}")
    return workdir


def test_training_leaves_a_whole_workdir(trained):
    assert [line["step"] for line in lines(trained)] == [2, 4, 6]
    assert {"step", "loss", "l1", "images_per_second", "learning_rate"} <= set(lines(trained)[0])
    assert {p.name for p in (trained / "checkpoints").iterdir()} >= {"4", "6"}
    with Image.open(trained / "samples" / "00000006.png") as sheet:
        assert sheet.width > 500
    assert list((trained / "tensorboard").iterdir())
    assert json.loads((trained / "config.json").read_text())["steps"] == 6


def test_evaluation_writes_its_table_and_figures(run, trained):
    code, out, err = run("evaluate.py", f"--workdir={trained}", "--limit=3")
    assert code == 0, err
    rows = json.loads((trained / "evaluation" / "table.json").read_text())
    assert [(row["method"], row["set"], row["sources"]) for row in rows] == [
        ("copy source", "tuples", 1),
        ("mean image", "tuples", 1),
        ("pNR (LAD)", "tuples", 1),
        ("pNR (LAD)", "tuples", 3),
        ("pNR (LAD)", "tuples", 5),
    ]
    for row in rows:
        assert row["pairs"] == 3
        assert all(np.isfinite(row[name]) for name in ("ssim", "masked_ssim", "l1"))
    assert "drawn people: 3 tuples" in out and "| copy source |" in out
    assert (trained / "evaluation" / "figure_multi_shot.png").is_file()


def test_generation_draws_one_or_several_targets(run, mistake, trained, person, tmp_path):
    a, b, c, d = (person / f"0009_v00{i}.png" for i in range(4))
    common = [f"--workdir={trained}", f"--annotations={person}/a.csv"]
    code, out, err = run(
        "generate.py", *common, f"--source={a}", f"--target={c}", f"--output={tmp_path / 'one.png'}"
    )
    assert code == 0, err
    assert "resized from 128x64" in out
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (32, 64)
    code, _, err = run(
        "generate.py",
        *common,
        f"--source={a},{b}",
        f"--target={c},{d}",
        f"--output={tmp_path}/many",
    )
    assert code == 0, err
    assert {p.name for p in (tmp_path / "many").iterdir()} == {
        f"{a.stem}___{c.stem}.png",
        f"{a.stem}___{d.stem}.png",
        "sheet.png",
    }
    err = mistake(
        "generate.py", *common, f"--source={a}", "--target=none.png", f"--output={tmp_path}/x.png"
    )
    assert "a.csv: has no row for none.png" in err
    assert not (tmp_path / "x.png").exists()
    err = mistake(
        "generate.py", *common, f"--source={a}", f"--target={c},{c}", f"--output={tmp_path}/twice"
    )
    assert "two of the images have one name" in err


def test_a_run_stopped_by_sigterm_goes_on_as_if_it_had_not_been(start, run, trained, tmp_path):
    workdir = tmp_path / "stopped"
    process = start(*training(workdir, "--config.steps=100000"))
    deadline = time.monotonic() + 300
    while not (workdir / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    stopped = int(re.search(r"stopped by SIGTERM at step ([\d,]+):", out)[1].replace(",", ""))
    assert 2 <= stopped < 100_000
    assert [line["step"] for line in lines(workdir)] == list(range(2, stopped + 1, 2))
    assert (workdir / "checkpoints" / str(stopped)).is_dir()
    code, out, err = run(*training(workdir, f"--config.steps={stopped + 4}"))
    assert code == 0, err
    assert f"resuming at step {stopped}" in out
    steps = [line["step"] for line in lines(workdir)]
    assert steps == sorted(set(steps))
    assert steps[-1] == stopped + 4
    losses = {line["step"]: line["l1"] for line in lines(workdir)}
    for line in lines(trained):
        if line["step"] in losses:
            assert losses[line["step"]] == line["l1"]


@pytest.mark.parametrize(
    ("config", "flags", "message"),
    [
        ("quickstart", ["--config.model.widht=8"], "widht"),
        ("quickstart", ["--config.batch_size=many"], "many"),
        ("quickstart", ["--config.model.p=3"], "--config.model.p=3.0: must be between 1 and 2"),
        (
            "quickstart",
            ["--vgg19=/none.npz", "--config.loss.perceptual=1.0"],
            "/none.npz: no such file",
        ),
        ("quickstart", ["stray"], "unexpected argument 'stray'"),
        ("none", [], "configs/none.py"),
        (
            "market1501_supervised_lad",
            ["--data_dir="],
            "error: --data_dir: say where the prepared data set 'market1501' lies",
        ),
        ("market1501_small", ["--config.data_dir=none"], f"--data_dir={ROOT}/none: no prepared"),
        (
            "market1501_small",
            [],
            "error: --data_dir: say where the prepared data set 'market1501' lies",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(mistake, tmp_path, config, flags, message):
    assert message in mistake(*training(tmp_path / "run", *flags, config=config))
    assert not (tmp_path / "run").exists()


def test_a_workdir_of_another_configuration_is_refused(mistake, trained):
    err = mistake(*training(trained, "--config.seed=5"))
    assert f"{trained} holds a run with seed=0, not 5" in err


@pytest.mark.parametrize(
    ("program", "flags"),
    [
        ("evaluate.py", []),
        (
            "generate.py",
            ["--source=a.png", "--annotations=a.csv", "--target=b.png", "--output=c.png"],
        ),
    ],
)
def test_a_folder_without_a_run_is_named(mistake, tmp_path, program, flags):
    err = mistake(program, f"--workdir={tmp_path}", *flags)
    assert err == f"error: {tmp_path}: no run here (config.json is missing)\n"
