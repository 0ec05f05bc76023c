"""Memory, open files and compiled programs of a long run; `make soak` is the hour."""

import os
import re

import numpy as np
import pytest

from tests.faults.soak import Sample, growth, slope, soak


def samples(megabytes=0.0, files=0.0, compiled=0.0, noise=3.0, minutes=60):
    """Samples, one a second at 10 steps a second, after a warm-up that grows; slopes an hour."""
    hours = np.arange(60 * minutes) / 3600
    scatter = np.random.default_rng(0).normal(scale=noise, size=len(hours))
    warming = 400 * np.minimum(hours / hours[-1], 0.25)
    return [
        Sample(
            hours=h,
            step=int(36_000 * h),
            megabytes=500 + w + megabytes * h + s,
            files=30 + int(files * h) + 20 * (i % 20 == 0),
            compiled=50 + int(compiled * h),
        )
        for i, (h, w, s) in enumerate(zip(hours, warming, scatter, strict=True))
    ]


def test_a_steady_run_passes():
    found = growth(samples(megabytes=10))
    assert found.fault == ""
    assert found.steps == pytest.approx(27_000, rel=0.01)
    assert found.megabytes == pytest.approx(7.5, abs=found.uncertain)
    assert found.uncertain < 2
    assert found.allowed == pytest.approx(30 * 0.75 + 10 + 0.2 * 27_000 / 200, rel=0.01)
    assert (found.files, found.compiled) == (0, 0)


def test_the_interval_holds_the_slope_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        line = [Sample(i / 3600, i, 5 * i / 3600 + rng.normal(), 0, 0) for i in range(240)]
        found, half = slope(line)
        held.append(abs(found - 5) < half)
    assert 0.91 < np.mean(held) < 0.99


@pytest.mark.parametrize(
    ("leak", "fault"),
    [
        ({"megabytes": 100}, r"memory grew by 7\d\.\d ± \d\.\d MB, allowed 59\.5"),
        ({"megabytes": 3600, "minutes": 2}, r"memory grew by [89]\d\.\d"),  # 100 KB a step.
        ({"noise": 600}, r"memory grew by -?\d+\.\d ± \d+\.\d MB"),
        ({"files": 6}, "more files stay open"),
        ({"compiled": 3}, "2 programs were compiled again"),
    ],
)
def test_a_leak_is_named(leak, fault):
    assert re.search(fault, growth(samples(**leak)).fault)


if int(os.environ.get("PNR_JAX_KILLS", "3")) >= 30:

    def test_a_short_soak(tmp_path):
        assert growth(soak(1.5, tmp_path / "run")).fault == ""
