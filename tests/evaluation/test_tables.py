"""Tables say what the rows say, in every format; published rows are the paper's and marked."""

import csv
import json

import numpy as np
import pytest

from pnr_jax.evaluation import tables
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.network_scorers import pose_scorer
from pnr_jax.evaluation.report import PUBLISHED_COLUMNS, notes, published_rows
from pnr_jax.evaluation.results import summarise
from pnr_jax.evaluation.scorers import pixel_scorer

ALL = (*pixel_scorer().columns, *PUBLISHED_COLUMNS)


def table(title, rows):
    return tables.Table(title, rows, ALL)


def row(name="pNR (LAD)", M=1, **more):
    scores = {"ssim": 0.25, "masked_ssim": 0.5, "ssim_inside_mask": -0.0625, "l1": 1 / 3}
    ranges = {"intervals": {"ssim": [0.2, 0.31], "l1": [0.3, 0.4]}}
    return {"method": name, "set": "pairs", "sources": M, "pairs": 12000, **scores, **ranges} | more


def cells(markdown):
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_markdown_has_the_scores_in_order_and_no_column_of_nothing():
    shown = tables.markdown([table("Title", [row(), row("copy source", 3)])], ["A note."])
    head, rule, *lines = cells(shown)
    assert head == ["method", "M", "SSIM", "masked SSIM", "SSIM inside mask", "L1"]
    assert all(set(cell) <= set("-:") for cell in rule)
    assert lines == [
        ["pNR (LAD)", "1", "0.2500", "0.5000", "-0.0625", "0.3333"],
        ["copy source", "3", "0.2500", "0.5000", "-0.0625", "0.3333"],
    ]
    assert shown.startswith("Title\n\n|") and shown.endswith("\n\nA note.\n")
    assert len({len(line) for line in shown.splitlines() if line.startswith("|")}) == 1


def test_published_rows_stand_beside_with_their_own_digits():
    head, _, *lines = cells(
        tables.markdown([table("", [row(), *published_rows("market1501", "pairs")])], [])
    )
    assert head[-2:] == ["IS", "masked IS"]
    assert lines[0][-2:] == ["—", "—"]
    patn = next(line for line in lines if line[0].startswith("PATN"))
    assert patn == ["PATN, published", "1", "0.311", "0.811", "—", "—", "3.323", "3.773"]


def test_published_rows_are_the_papers():
    pairs, tuples = published_rows("market1501", "pairs"), published_rows("market1501", "tuples")
    assert (len(pairs), len(tuples)) == (9, 9)
    assert all(r["published"] and {"ssim", "masked_inception_score"} <= set(r) for r in pairs)
    # Best and mean of each column, read off the paper's pages.
    assert max(r["ssim"] for r in pairs) == 0.313
    assert max(r["inception_score"] for r in pairs) == 3.688
    assert sum(r["ssim"] for r in tuples) == pytest.approx(2.557)
    assert sum(r["masked_ssim"] for r in tuples) == pytest.approx(7.174)
    assert [r["sources"] for r in tuples] == [1, 3, 5] * 3
    same = {(r["method"], r["ssim"], r["inception_score"]) for r in pairs}
    assert ("pNR (LAD)", tuples[3]["ssim"], tuples[3]["inception_score"]) in same


def test_intervals_are_of_our_rows_alone():
    head, _, *lines = cells(
        tables.intervals([table("", [row(), *published_rows("market1501", "pairs")])])
    )
    assert head == ["method", "M", "SSIM", "L1"]
    assert lines == [["pNR (LAD)", "1", "0.2000 to 0.3100", "0.3000 to 0.4000"]]


def test_latex_is_escaped_and_has_a_cell_for_each_column():
    names = ["50% & more_#1", "pNR* (LSE)"]
    text = tables.latex([table("Title", [row(name) for name in names])])
    assert "50\\% \\& more\\_\\#1 & 1 & 0.2500" in text
    assert "pNR$^*$ (LSE) & 1" in text
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert {line.replace("\\&", "").count("&") for line in body} == {5}
    assert "\\begin{tabular}{lrrrrr}" in text


def test_files(tmp_path):
    made = [table("T", [row(), *published_rows("market1501", "tuples")])]
    shown = tables.write_tables(made, ["A note."], tmp_path / "evaluation")
    assert json.loads((tmp_path / "evaluation" / "table.json").read_text()) == made[0].rows
    page = (tmp_path / "evaluation" / "table.md").read_text()
    assert page.startswith(shown) and "0.2000 to 0.3100" in page
    assert (tmp_path / "evaluation" / "table.tex").read_text() == tables.latex(made)


def test_single_scores_are_a_csv(tuples_set, tmp_path):
    ssim = np.linspace(0, 1, 11)
    method = Method("pNR* (LAD)", 3, lambda batch: batch["target_image"], "m")
    result = summarise(method, tuples_set, [{"ssim": ssim, "l1": ssim / 3}], [pixel_scorer()])
    path = tables.write_scores(result, tmp_path)
    assert path.name == "pnr-unsupervised-lad-tuples-3.csv"
    with path.open() as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["from_0", "from_1", "from_2", "to", "ssim", "l1"]
    images, tuples = tuples_set.examples
    for line, names, score in zip(lines, tuples, ssim, strict=True):
        assert line["from_2"] == images.names[names[2]]
        assert line["to"] == images.names[names[-1]]
        assert float(line["l1"]) == pytest.approx(score / 3, rel=1e-5)


def said(rows, **settings):
    defaults = {"limit": None, "whole": {"pairs": 12, "tuples": 40}, "jpeg": False, "problems": []}
    return "\n".join(notes(rows, **defaults | settings))


def test_notes_say_what_a_reader_must_know():
    assert said([row()]) == ""
    hints = {"inception_score": "IS by a file", "lpips": "LPIPS by another"}
    plain = said([row()], hints=hints)
    assert plain == (
        "More columns of launch/evaluate.py: IS by a file, LPIPS by another (docs/evaluation.md)."
    )
    assert "IS by" not in said([row(inception_score=3.0)], hints=hints)
    scored = row(inception_score=3.0, lpips_alex=0.2, proxy_inception_score=2.0, pckh=0.5)
    pckh = pose_scorer(lambda images: images, "nobody")
    everything = said(
        [scored], jpeg=True, limit=5, problems=["x: 3 missing"], scorers=[pckh] * 2, hints=hints
    )
    assert "More columns" not in everything
    for line in (
        "first 5 of 12 pairs",
        "JPEG round trip",
        "PCKh: by this estimator",
        "Left out: x: 3 missing.",
    ):
        assert everything.count(line) == 1
    assert "PCKh: by" not in said([row()], scorers=[pckh])
    assert said([row(model="model")]) == ""
    assert "Runs by model_best" in said([row(), row(model="model_best")])
    both = said([row(), row(), row(set="tuples")], limit=20)
    assert "first 20 of 40 tuples only" in both and both.count("The first") == 1
    published = said([row(), *published_rows("market1501", "pairs")])
    assert "— under IS and masked IS" in published and "not run here" in published
    assert "— under" not in said([scored, *published_rows("market1501", "pairs")])
