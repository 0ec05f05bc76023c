"""Memory, open files and compiled programs of a long run; `make soak` is the hour."""

import os

import pytest

from tests.faults.soak import Sample, growth, soak


def samples(megabytes=0.0, files=0.0, compiled=0.0):
    """An hour, a sample a minute, after a warm-up that grows; slopes an hour."""
    hours = [i / 60 for i in range(61)]
    return [
        Sample(
            hours=h,
            megabytes=500 + 400 * min(h, 0.25) + megabytes * h + (i % 7),
            files=30 + int(files * h),
            compiled=50 + int(compiled * h),
        )
        for i, h in enumerate(hours)
    ]


def test_a_steady_run_passes():
    found = growth(samples(megabytes=10))
    assert found.fault == ""
    assert found.megabytes_per_hour == pytest.approx(10, abs=1)
    assert found.files_per_hour == pytest.approx(0, abs=1e-9)
    assert found.compiled == 0


@pytest.mark.parametrize(
    ("leak", "fault"),
    [
        ({"megabytes": 80}, "memory grows by 80 MB an hour"),
        ({"files": 6}, "more files stay open"),
        ({"compiled": 3}, "3 programs were compiled again"),
    ],
)
def test_a_leak_is_named(leak, fault):
    assert fault in growth(samples(**leak)).fault


if int(os.environ.get("PNR_JAX_KILLS", "3")) >= 30:

    def test_a_short_soak(tmp_path):
        assert growth(soak(1.5, tmp_path / "run")).fault == ""
