"""Annotation rows, pair and tuple files and configurations that somebody else wrote."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pnr_jax import config as config_lib
from pnr_jax.data import read_annotations, read_pairs
from pnr_jax.data.annotations import HEADER, write_annotations
from pnr_jax.data.pairs import read_tuples
from tests.faults.hostile import EXAMPLES, ROOT, damaged, fuzz, outcome, scratch_file

POSE = [5, -1, *range(16)]
ACROSS = [-1, 7, *range(16)]  # Two joints half missing.
ROW = f"0002_c1.jpg: {POSE}: {ACROSS}"
SOUND = f"{HEADER}\n{ROW}\n0003_c1.jpg: {POSE}: {POSE}\n".encode()
PAIRS = b"from,to\n" + b"".join(b"a%d.jpg,b%d.jpg\n" % (i, i) for i in range(4))
TUPLES = b"from_0,from_1,to\na.jpg,b.jpg,c.jpg\n"
NUMBERS = st.one_of(
    st.integers(-3, 130), st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=3)
)
LISTS = st.one_of(st.lists(NUMBERS, min_size=17, max_size=19), st.just(POSE)).map(json.dumps)
ROWS = st.tuples(st.text(max_size=20), st.one_of(LISTS, st.text(max_size=20)), LISTS).map(":".join)
ANNOTATIONS = st.one_of(
    st.binary(max_size=300),
    damaged(SOUND),
    st.lists(ROWS, max_size=4).map(
        lambda rows: "\n".join([HEADER, *rows]).encode("utf-8", "replace")
    ),
)


@fuzz
@given(data=ANNOTATIONS)
@example(f"{HEADER}\na:{'[' * 100_000}:[]".encode())
@example(f"{HEADER}\na:[{'1' * 5_000}]:[]".encode())
@example(f"{HEADER}\na: {[2**70] * 18}: {POSE}".encode())
@example(f"\ufeff{HEADER}\n{ROW}".encode())
@example(SOUND)
@example(SOUND.replace(b"\n", b"\r\n"))
@example(SOUND + b"\0" * 100)
def test_annotations(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    with scratch_file(folder, "a.csv", data) as path:
        read = outcome(read_annotations, path)
    if read is None:
        assert data != SOUND
        return
    for name, keypoints in read.items():
        assert name.strip() == name and name
        assert keypoints.shape == (18, 2) and keypoints.dtype == np.int32
        missing = keypoints == -1
        assert (keypoints >= -1).all() and (missing.any(axis=1) == missing.all(axis=1)).all()
        # What was read stands in the file, wherever both coordinates do.
        row = re.search(rf"(?m){re.escape(name)}\s*:([^:]*):([^:\n\r]*)$", data.decode().strip())
        if row is not None and row[1].count(",") == row[2].count(",") == 17:
            y, x = (json.loads(field) for field in row.groups())
            expected = [(b, a) if -1 not in (a, b) else (-1, -1) for a, b in zip(x, y, strict=True)]
            np.testing.assert_array_equal(keypoints, expected)
    write_annotations(folder / "again.csv", read)
    again = read_annotations(folder / "again.csv")
    assert again.keys() == read.keys()
    assert all((again[name] == read[name]).all() for name in read)


FIELDS = st.lists(st.text(alphabet='ab_.,"\n\r\0 /é', max_size=8), max_size=5).map(",".join)
HEADERS = st.sampled_from(["from,to", "from_0,from_1,to", "to", "from_0,to", "from,from,to", ""])
TABLES = st.one_of(
    st.binary(max_size=200),
    damaged(PAIRS),
    damaged(TUPLES),
    st.tuples(HEADERS, st.lists(FIELDS, max_size=5)).map(
        lambda table: "\n".join([table[0], *table[1]]).encode()
    ),
)


@fuzz
@given(data=TABLES)
@example(b"from_0,from_1,to\n" + b"," * 100_000)
@example(b"from,to\na.jpg,../../etc/passwd\n")
@pytest.mark.parametrize("read", [read_tuples, read_pairs])
def test_pairs_and_tuples(tmp_path_factory, read, data):
    with scratch_file(tmp_path_factory.getbasetemp(), f"{read.__name__}.csv", data) as path:
        rows = outcome(read, path)
    if rows is None:
        return
    header, *lines = data.decode().splitlines()
    columns = header.strip().split(",")
    assert columns[-1] == "to" and len(columns) >= 2
    written = [line for line in lines if line.strip()]
    assert [tuple(part.strip() for part in line.split(",")) for line in written] == rows
    assert all(len(row) == len(columns) and all(row) for row in rows)


DEFAULT = json.loads(json.dumps(config_lib.Config().to_dict()))
VALUES = st.recursive(
    st.one_of(NUMBERS, st.sampled_from([0, 1, -1, 1e308, float("nan"), 2**64, "people", "batch"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def configurations(draw):
    """config.json with a few fields replaced, and now and then one that no program has."""
    tree = json.loads(json.dumps(DEFAULT))
    for _ in range(draw(st.integers(1, 3))):
        part = draw(st.sampled_from([tree, tree, *(v for v in tree.values() if type(v) is dict)]))
        if part:
            key = draw(st.one_of(st.sampled_from(sorted(part)), st.text(max_size=4)))
            part[key] = draw(VALUES)
    return json.dumps(tree).encode()


@fuzz
@given(
    data=st.one_of(
        configurations(),
        damaged(json.dumps(DEFAULT).encode()),
        st.binary(max_size=100),
        VALUES.map(lambda value: json.dumps(value).encode()),
    )
)
@example(b"[" * 100_000)
@example(b"null")
@example(b'{"steps": null}')
@example(b'{"steps": true}')
@example(b'{"learning_rate": Infinity}')
@example(b'{"image_size": [64, [32]]}')
@example(b'{"image_size": []}')
@example(b'{"batch_size": 0}')
@example(b'{"seed": ' + b"1" * 5_000 + b"}")
def test_configurations(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    with scratch_file(folder, "config.json", data):
        config = outcome(config_lib.read_config, folder)
    if config is None:
        return
    loaded, given = dict(flat(config.to_dict())), dict(flat(json.loads(data)))
    for field, value in flat(config_lib.Config().to_dict()):
        assert type(loaded[field]) is type(value), field
        expected = given.get(field, value)
        assert loaded[field] == (tuple(expected) if field == "image_size" else expected), field


OVERRIDES = [
    "image_size=(64,'a')", "model.q=1",
    "steps=many", "steps=3.5", "steps=None", "steps=", "learning_rate=fast", "supervised=maybe",
    "image_size=(64,", "image_size=64", "model=3", "stepz=1",
    "seed=1e3", "data.name=[]", "model.p=nan", "batch_size=-1",
]  # fmt: skip


@pytest.mark.parametrize("override", OVERRIDES[: EXAMPLES // 25])  # Each starts the program.
def test_a_wrong_override_is_one_line_and_exit_code_2(override, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "launch" / "train.py",
            f"--config={ROOT / 'configs' / 'quickstart.py'}",
            f"--workdir={tmp_path / 'run'}",
            f"--config.{override}",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert override.partition("=")[0].rpartition(".")[2] in done.stderr
    assert not (tmp_path / "run").exists()


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
