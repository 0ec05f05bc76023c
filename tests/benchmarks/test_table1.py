"""Table 1 made again: its arithmetic, and all of it on two tiny methods."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import table1
from benchmarks.flops import flops
from pnr_jax.data.images import Images
from pnr_jax.evaluation.methods import Method
from pnr_jax.evaluation.network_scorers import pose_scorer
from pnr_jax.evaluation.results import summarise
from pnr_jax.evaluation.scorers import Column, Scorer
from pnr_jax.evaluation.scoring import evaluation_set
from pnr_jax.examples import Examples

RNG = np.random.default_rng(0)


def ones(scores):
    return np.ones_like(scores)


def test_an_interval_is_of_the_mean_over_people():
    """Images of one person are alike, so that only people count."""
    people = np.arange(400).repeat(5)
    scores = RNG.normal(size=400).repeat(5)[None]
    low, high = table1.interval(scores, ones(scores), people)
    half = 1.96 * scores.std() / np.sqrt(400)
    assert (low, high) == pytest.approx(
        (scores.mean() - half, scores.mean() + half), abs=0.15 * half
    )


def test_an_interval_is_of_seeds_too():
    scores = np.float64([[0.0] * 6, [1.0] * 6, [2.0] * 6])
    low, high = table1.interval(scores, ones(scores), np.arange(6))
    assert (low, high) == pytest.approx((0, 2), abs=0.34)
    assert table1.interval(scores[1:2], ones(scores[1:2]), np.arange(6)) == (1, 1)


def test_an_interval_of_a_ratio_weighs_its_denominators():
    right, visible = np.float64([[1, 0]]), np.float64([[1, 99]])
    low, high = table1.interval(right, visible, np.arange(2))
    assert (low, high) == (0, 1)  # Either person alone; both together are 1 of 100.
    same = np.zeros(2)
    assert table1.interval(right, visible, same) == pytest.approx((0.01, 0.01))


def test_a_rehearsal_keeps_the_proportion_of_the_stages():
    config = table1.equal(None)["PG2"]
    short = table1.shortened(config, 50)
    assert (short.steps, short.model.first_steps) == (50, 30)
    assert table1.shortened(config, None) is config
    assert table1.shortened(table1.equal(None)["U-Net"], 3).steps == 3


def test_budgets_are_equal_and_published():
    equal = table1.equal(None).values()
    assert {(c.steps, c.batch_size, c.image_size) for c in equal} == {(3_000, 8, (64, 32))}
    market = table1.equal("data").values()
    assert {(c.data.name, c.image_size, c.data_dir) for c in market} == {
        ("market1501", (128, 64), "data")
    }
    published = table1.published("data")
    assert published["PG2"].steps * published["PG2"].batch_size == 576_000
    assert published["Lathuilière et al."].sources == 3
    with pytest.raises(SystemExit, match="--data_dir"):
        table1.published(None)


def test_loops_count_as_often_as_they_run():
    A = jnp.ones((8, 8))

    def function(x):
        x = jax.lax.fori_loop(0, 5, lambda i, x: A @ x, x)
        outer = jax.lax.scan(
            lambda x, _: (jax.lax.fori_loop(0, 3, lambda i, x: A @ x, x), None), x, length=2
        )
        return A @ outer[0]

    once = 2 * 8**3
    assert flops(function, A) == pytest.approx((5 + 2 * 3 + 1) * once, rel=0.05)


@pytest.fixture
def results():
    """What two seeds reached by a metric of images, one of sums and one of the whole set."""
    count = 8
    names = [f"{i // 2:04d}_c1s1_{i:06d}_00.jpg" for i in range(count)]
    images = Images(np.zeros((count, 32, 32, 3), np.uint8), np.zeros((count, 18, 2), int), names)
    test = evaluation_set("tuples", Examples(images, np.arange(count)[:, None].repeat(2, axis=1)))
    asked = [
        Scorer("pixels", None, (Column("ssim", "SSIM"),)),
        pose_scorer(None, "estimator"),
        Scorer("whole", None, (Column("fid", "FID", 2),), totals=lambda arrays: {"fid": 7.0}),
    ]
    arrays = [
        {"ssim": RNG.random(count), "right_joints": RNG.integers(0, 9, count),
         "visible_joints": np.full(count, 9)}
        for _ in range(2)
    ]  # fmt: skip
    method = Method("pNR", 1, None, "")
    found = [summarise(method, test, [scores], asked) for scores in arrays]
    return found, asked, arrays


def test_a_row_is_the_mean_over_seeds_with_an_interval_where_images_have_scores(results):
    found, asked, arrays = results
    row = table1.summarised(found, asked)
    assert row["ssim"] == pytest.approx(np.mean([a["ssim"].mean() for a in arrays]))
    assert row["pckh"] == pytest.approx(np.mean([a["right_joints"].mean() / 9 for a in arrays]))
    assert row["fid"] == 7
    for name in ("ssim", "pckh"):
        low, high = row[f"{name}_interval"]
        assert low < row[name] < high
    assert "fid_interval" not in row


def test_the_tables_have_a_row_a_set_and_the_costs_of_a_method_once(tmp_path):
    costs = dict.fromkeys((column.score for column in table1.COSTS), 1234.56)
    rows = [
        {"method": "pNR", "set": "tuples", "sources": M, "seeds": 3, "ssim": 0.25 * M,
         "ssim_interval": (0.2, 0.3)} | costs
        for M in (1, 3)
    ]  # fmt: skip
    text = table1.written(rows, [Column("ssim", "SSIM", 3)], ["A note."], tmp_path)
    assert text == (tmp_path / "table1.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line] == [
        "A note.",
        "| method | set | M | seeds | SSIM |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| pNR | tuples | 1 | 3 | 0.250 (0.200 to 0.300) |",
        "| pNR | tuples | 3 | 3 | 0.750 (0.200 to 0.300) |",
        "| method | training samples | M parameters | GFLOP | trained/s | drawn/s "
        "| 100 poses, drawn/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| pNR | 1,235 | 1,234.56 | 1,234.56 | 1,234.6 | 1,234.6 | 1,234.6 |",
    ]
    assert json.loads((tmp_path / "table1.json").read_text(encoding="utf-8"))[1]["ssim"] == 0.75


def test_a_line_says_which_scores_are_not_there():
    flags = table1.parsed(["--inception=a.pth", "--lpips_alex", "b.pth", "c.pth"])
    assert table1.absent(flags) == [
        "Not scored, for want of a network: LPIPS (VGG16) (--lpips_vgg), proxy IS (--classifier), "
        "PCKh (--pose_model)."
    ]


def test_the_whole_command(small_config, monkeypatch, tmp_path, capsys):
    config = small_config.replace(loss={"gan_image": 0.0, "gan_pose": 0.0}, pool_size=0)
    monkeypatch.setattr(table1, "equal", lambda data_dir: {"pNR (LAD)": config})
    monkeypatch.setattr(table1, "POSES", 40)
    table1.main(
        ["--steps=2", "--seeds=1", "--turns=1", "--sources", "1", "3", "--limit=3",
         f"--workdir={tmp_path}"]
    )  # fmt: skip
    rows = json.loads((tmp_path / "2_steps" / "table1.json").read_text(encoding="utf-8"))
    assert [(row["method"], row["sources"], row["seeds"]) for row in rows] == [
        ("pNR (LAD)", 1, 1), ("pNR (LAD)", 3, 1)
    ]  # fmt: skip
    for row in rows:
        assert row["samples"] == 4
        assert 0 < row["l1_interval"][0] <= row["l1"] <= row["l1_interval"][1] < 1
        assert all(row[column.score] > 0 for column in table1.COSTS)
    shown = capsys.readouterr().out
    assert (tmp_path / "2_steps" / "table1.md").read_text(encoding="utf-8") in shown
    assert "PCKh (--pose_model)" in shown
    assert "| pNR (LAD) | tuples | 3 | 1 |" in shown
