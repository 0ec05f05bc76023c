"""`launch/evaluate.py` as a user runs it, on a prepared Market-1501 of drawn people."""

import io
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from pnr_jax import config as config_lib
from pnr_jax.checkpoints import export_model, load_model
from pnr_jax.checksum import digest
from pnr_jax.data import market1501_files, packed
from pnr_jax.data.pairs import write_tuples
from pnr_jax.data.synthetic import draw_people
from pnr_jax.figures import save_png
from pnr_jax.metrics import ssim

# One worker makes the data set and the run.
pytestmark = pytest.mark.xdist_group("evaluate")

ROOT = Path(__file__).parents[2]
NAMES = [f"{person:04d}_c{view + 1}s1_00000{view}_00.jpg" for person in (7, 8) for view in range(6)]
PAIRS = [(NAMES[6 * person + a], NAMES[6 * person + b]) for person in (0, 1) for a, b in
         ((0, 1), (1, 0), (0, 2), (2, 0), (3, 4), (4, 3))]  # fmt: skip
TUPLES = [tuple(NAMES[6 * person : 6 * person + 6]) for person in (0, 1)]


def rows(folder):
    return json.loads((folder / "table.json").read_text())


@pytest.fixture(scope="module")
def people():
    """{name: image [128, 64, 3]}"""
    drawn = draw_people([7, 8], views=6)
    return dict(zip(NAMES, drawn.images, strict=True)), drawn.keypoints


@pytest.fixture(scope="module")
def data_dir(people, tmp_path_factory):
    """A prepared data set: two people of six images, the same for training and test."""
    images, keypoints = people
    root = tmp_path_factory.mktemp("data")
    folder = root / "market1501" / market1501_files.VERSION
    folder.mkdir(parents=True)
    files = []
    for image in images.values():
        data = io.BytesIO()
        Image.fromarray(image).save(data, "PNG")
        files.append(data.getvalue())
    for split in ("train", "test"):
        packed.write_packed(
            folder / market1501_files.packed_file(split), packed.pack(NAMES, keypoints, files)
        )
        write_tuples(folder / market1501_files.pairs_file(split), PAIRS)
    write_tuples(folder / market1501_files.tuples_file("test"), TUPLES)
    return root


@pytest.fixture(scope="module")
def workdir(data_dir, people, tmp_path_factory):
    """A run that has learnt nothing yet."""
    root = tmp_path_factory.mktemp("runs") / "untrained"
    config = config_lib.Config()
    config = config.replace(data_dir=str(data_dir))
    config = config.replace(model={"width": 4, "blocks": 1, "d": 4, "iterations": 1})
    root.mkdir()
    config_lib.write_config(config, root)
    images = np.zeros((1, 1, 128, 64, 3), np.uint8)
    keypoints = np.zeros((1, 1, 18, 2), np.int32)
    model = config.build_system().network
    init = jax.jit(model.init)
    export_model(
        root, init(jax.random.key(0), images, keypoints, np.ones((1, 1), bool), keypoints[:, 0])
    )
    mean = np.mean([*people[0].values()], axis=0).round().astype(np.uint8)
    save_png(root / "mean_image.png", mean)
    return root


@pytest.fixture
def generated(people, tmp_path):
    """Another method's images: of each pair its source, as the peers' strips of five."""
    images, folder = people[0], tmp_path / "peer"
    folder.mkdir()
    for source, target in PAIRS:
        strip = np.zeros((128, 5 * 64, 3), np.uint8)
        strip[:, -64:] = images[source]
        Image.fromarray(strip).save(folder / f"{source}___{target}_vis.png")
    return folder


def test_any_methods_images_stand_beside_the_published_rows(run, generated, data_dir, people):
    code, out, err = run(
        "evaluate.py", f"--generated={generated}", "--name=Peer", f"--data_dir={data_dir}"
    )
    assert (code, err) == (0, "")
    found = {row["method"]: row for row in rows(generated / "evaluation")}
    ours = ["copy source", "mean image", "Peer"]
    assert [*found][:3] == ours and all(found[name]["pairs"] == 12 for name in ours)
    assert all(row["published"] for name, row in found.items() if name not in ours)
    images = people[0]
    pairs = [np.stack([images[pair[end]] for pair in PAIRS]) for end in (1, 0)]
    assert found["Peer"]["ssim"] == pytest.approx(ssim(*pairs).mean(), abs=1e-6)
    assert found["Peer"]["masked_ssim"] == found["copy source"]["masked_ssim"]
    low, high = found["Peer"]["intervals"]["ssim"]
    assert low <= found["Peer"]["ssim"] <= high
    for line in ("Market-1501: 12 pairs", "| PATN, published", "— under IS and masked IS"):
        assert line in out
    written = {path.name for path in (generated / "evaluation").iterdir()}
    tables = {"table.md", "table.json", "table.tex", "scores", "cache"}
    assert written == tables | {"figure.png", "best.png", "worst.png"}


def test_what_is_wrong_in_a_folder_stops_or_is_said(run, mistake, generated, data_dir, tmp_path):
    for source, target in PAIRS[:2]:
        (generated / f"{source}___{target}_vis.png").unlink()
    flags = [f"--generated={generated}", f"--data_dir={data_dir}", f"--output={tmp_path / 'out'}"]
    err = mistake("evaluate.py", *flags)
    assert err.startswith(f"error: {generated}: of 12 images 2 missing (0007_c1s1_000000_00___")
    assert not (tmp_path / "out").exists()
    code, out, _ = run("evaluate.py", *flags, "--allow_missing", "--notrivial", "--jpeg_round_trip")
    assert code == 0
    assert "Left out: " in out and "2 missing" in out and "JPEG round trip" in out
    first = rows(tmp_path / "out")[0]
    assert (first["method"], first["pairs"]) == ("peer", 10)
    assert "copy source" not in out


def test_a_run_and_a_folder_side_by_side_on_pairs_of_ones_own(
    run, generated, data_dir, workdir, people, tmp_path
):
    lines = ["from,to,image"]
    lines += [f"{a},{b},{a}___{b}_vis.png" for a, b in PAIRS]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    code, out, err = run(
        "evaluate.py",
        f"--workdir={workdir}",
        f"--compare={generated}",
        f"--pairs={tmp_path / 'list.csv'}",
        f"--output={tmp_path / 'out'}",
        "--limit=3",
    )
    assert code == 0, err
    found = [(row["method"], row["sources"], row["pairs"]) for row in rows(tmp_path / "out")]
    names = ["copy source", "mean image", "pNR (LAD)", "peer"]
    assert found == [(name, 1, 3) for name in names]
    assert "The first 3 of 12 listed pairs only" in out
    assert (tmp_path / "out" / "comparison.png").is_file()


def test_a_run_on_market1501_has_both_of_the_papers_tables(run, workdir):
    code, out, err = run("evaluate.py", f"--workdir={workdir}", "--sources=1,3")
    assert code == 0, err
    found = [row for row in rows(workdir / "evaluation") if not row.get("published")]
    assert [(row["method"], row["set"], row["sources"]) for row in found] == [
        ("copy source", "pairs", 1),
        ("mean image", "pairs", 1),
        ("pNR (LAD)", "pairs", 1),
        ("pNR (LAD)", "tuples", 1),
        ("pNR (LAD)", "tuples", 3),
    ]
    weights = digest(load_model(workdir))
    assert [row.get("weights") for row in found] == [None, None, *[weights] * 3]
    assert {row["model"] for row in found[2:]} == {"model"}
    first, second = out.split("Market-1501: 2 tuples")
    assert "XingGAN, published" in first and "Lathuilière et al., published" in second
    with (workdir / "evaluation" / "scores" / "pnr-lad-tuples-3.csv").open() as file:
        assert file.readline().startswith("from_0,from_1,from_2,to,ssim,")


# Starting the program takes seconds: one process makes all mistakes.
MISTAKES = """
import json, runpy, sys
from absl import flags
from pnr_jax import cli
from pnr_jax.errors import UserError

program = runpy.run_path(sys.argv[1])
for argv in json.loads(sys.argv[2]):
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    flags.FLAGS(["evaluate", *argv])
    try:
        program["main"]()
    except UserError as error:
        print(cli._with_flags(str(error)))
"""


def test_mistakes_are_one_line_that_says_how_to_mend_them(workdir, data_dir):
    pairs = data_dir / "market1501" / market1501_files.VERSION / market1501_files.pairs_file("test")
    run = f"--workdir={workdir}"
    expected = [
        ([], "say what to score: --workdir=RUN or --generated=FOLDER"),
        (["--generated=x"], "say where Market-1501 lies by --data_dir"),
        (["--generated=x", "--data=deepfashion"], "say where DeepFashion lies by --data_dir"),
        (
            ["--generated=x", "--data=deepfashion", "--data_dir=none"],
            "--data_dir=none: no prepared data set 'deepfashion' there; run launch/prepare_deepf",
        ),
        (["--generated=x,y", "--name=X"], "--name has 1 names, --generated 2"),
        (
            ["--generated=x/images,y/images"],
            "two methods would be called 'images'; choose another --name",
        ),
        ([run, f"--compare={workdir}"], "two methods would be called 'pNR (LAD), untrained'; "),
        ([run, "--compare=x/copy-source"], "two methods would be called 'copy-source'; "),
        (["--workdir=none"], "none: no run here"),
        ([run, "--data=deepfashion"], "--data=deepfashion: the data set is the run's"),
        ([run, "--sources=0"], "--sources=0: expected numbers from 1 to 5"),
        ([run, "--sources=3", f"--pairs={pairs}"], "--sources asks for 3; ask for 1 at most"),
        ([run, "--inception=none.pth"], "no file none.pth; get it from"),
        ([run, "--lpips_alex=one.pth"], "--lpips_alex takes two files"),
        ([run, "--compare=none"], "none: no such folder of generated images"),
        ([run, "--pairs=none.csv"], "pairs file not found: none.csv"),
    ]
    arguments = [ROOT / "launch" / "evaluate.py", json.dumps([flags for flags, _ in expected])]
    done = subprocess.run(
        [sys.executable, "-c", MISTAKES, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
        cwd=ROOT,
    )
    lines = done.stdout.splitlines()
    for line, (_, message) in zip(lines, expected, strict=True):
        assert message in line
