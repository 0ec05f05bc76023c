"""What is scored must have the sources that are asked for."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pnr_jax.config import Config, write_config
from pnr_jax.data.folder import Folder
from pnr_jax.data.images import Images
from pnr_jax.data.market1501 import Market1501
from pnr_jax.errors import UserError
from pnr_jax.evaluation import jobs, report
from pnr_jax.evaluation.methods import Method, mean_image
from pnr_jax.evaluation.results import summarise
from pnr_jax.evaluation.scorers import pixel_scorer
from pnr_jax.evaluation.tables import check_method_names
from pnr_jax.examples import load_training
from pnr_jax.figures import save_png


def test_a_list_of_fewer_sources_than_are_asked_for_is_named(tmp_path, monkeypatch):
    images = Images(np.zeros((3, 128, 64, 3), np.uint8), np.zeros((3, 18, 2), int), list("abc"))
    monkeypatch.setattr(Market1501, "load", lambda *_: images)
    path = tmp_path / "list.csv"
    path.write_text("from_0,from_1,to\na,b,c\n")
    sets = jobs.load_sets(Config(), str(path), several=True, fewest=2)
    assert sets.multi.examples.tuples.tolist() == [[0, 1, 2]]
    with pytest.raises(UserError) as caught:
        jobs.load_sets(Config(), str(path), several=True, fewest=5)
    expected = f"{path}: has 2 sources a row, `sources` asks for 5; ask for 2 at most"
    assert str(caught.value) == expected


def test_more_sources_than_images_of_a_person_are_refused(monkeypatch):
    images = Images(np.zeros((2, 128, 64, 3), np.uint8), np.zeros((2, 18, 2), int), list("ab"))
    config = Config().replace(data={"name": "folder"})
    monkeypatch.setattr(Folder, "load", lambda *_: images)
    monkeypatch.setattr(Folder, "load_tuples", lambda *_: ("p.csv", [("a", "a"), ("b", "b")]))
    assert jobs.load_sets(config, None, several=True).multi.name == "images"
    with pytest.raises(UserError, match=r"^own people: nobody has a second image, `sources` asks"):
        jobs.load_sets(config, None, several=True, fewest=5)


def test_a_folder_of_people_is_scored_by_its_own_name_and_images(tmp_path, monkeypatch):
    config = Config(image_size=(32, 32)).replace(data={"name": "folder"})
    images = Images(np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 18, 2), int), ["a_1", "a_2"])
    monkeypatch.setattr(Folder, "load", lambda *_: images)
    path = tmp_path / "list.csv"
    path.write_text("from,to\na_1,a_2\na_2,a_1\n")
    sets = jobs.load_sets(config, str(path), several=False)
    assert sets.single.examples.tuples.tolist() == [[0, 1], [1, 0]]
    method = Method("m", 1, lambda batch: batch["target_image"], "m")
    scored = sets.single.limited(slice(1))
    scorers = [pixel_scorer()]
    results = [summarise(method, scored, [{"ssim": np.ones(1)}], scorers)]
    options = jobs.Options(limit=1)
    shown = report.write_report(results, sets, config, options, [], scorers, tmp_path / "out")
    assert shown.startswith("own people: 1 listed pairs")
    assert "The first 1 of 2 listed pairs only" in shown


@pytest.mark.parametrize(("data", "masked"), [("folder", True), ("deepfashion", False)])
def test_masked_scores_are_shown_where_the_field_has_them(tmp_path, monkeypatch, data, masked):
    config = Config(image_size=(32, 32)).replace(data={"name": data})
    images = Images(np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 18, 2), int), ["a_1", "a_2"])
    monkeypatch.setattr(type(config.data), "load", lambda *_: images)
    path = tmp_path / "list.csv"
    path.write_text("from,to\na_1,a_2\na_2,a_1\n")
    sets = jobs.load_sets(config, str(path), several=False)
    scorers, method = [pixel_scorer()], Method("m", 1, lambda batch: batch["target_image"], "m")
    names = [column.score for column in scorers[0].columns]
    scores = {name: np.linspace(0.1, 0.2, 2) for name in names}
    results = [summarise(method, sets.single, [scores], scorers)]
    out = tmp_path / "out"
    shown = report.write_report(results, sets, config, jobs.Options(), [], scorers, out)
    assert "SSIM inside mask" in shown and ("masked SSIM" in shown) == masked
    for file in ("table.md", "table.tex"):
        assert ("masked SSIM" in (out / file).read_text()) == masked
    (row,) = json.loads((out / "table.json").read_text())
    assert ("masked_ssim" in row) == ("masked_ssim" in row["intervals"]) == masked
    assert row["ssim_inside_mask"] == pytest.approx(0.15)


def test_the_mean_image_is_the_run_s_file_or_that_of_the_training_images(small_config, tmp_path):
    images = load_training(small_config).images.images
    computed = mean_image(small_config, tmp_path)
    assert np.abs(computed - images.mean(axis=0)).max() <= 0.5
    save_png(tmp_path / "mean_image.png", 255 - computed)
    assert (mean_image(small_config, tmp_path) == 255 - computed).all()


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["a/lad"], [""]),
        (["a/lad", "b/lse"], [", lad", ", lse"]),
        (["a/lad", "b/lad", "b/lse"], [", a/lad", ", b/lad", ", lse"]),
        (["x/a/lad", "y/a/lad", "a/lad"], [", x/a/lad", ", y/a/lad", ", {here}/a/lad"]),
        (["a/lad", "a/lad"], [", lad", ", lad"]),
    ],
)
def test_runs_of_one_system_are_told_apart_by_their_folders(places, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in set(places):
        Path(place).mkdir(parents=True)
        write_config(Config(), Path(place))
    runs = jobs.read_runs([Path(place) for place in places], None)
    expected = [f"pNR (LAD){name.format(here=tmp_path.name)}" for name in names]
    assert [run.name for run in runs] == expected
    if len(set(places)) == len(places):
        check_method_names(expected)
    else:
        with pytest.raises(UserError, match="name a run or folder once"):
            check_method_names(expected)


def test_a_folder_whose_name_no_table_holds_is_refused_before_the_work():
    with pytest.raises(UserError, match="not UTF-8; choose another `name`"):
        check_method_names(["PATN", os.fsdecode(b"m\xfcller")])
