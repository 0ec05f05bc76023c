"""Pairs and tuples by the published rule."""

import collections
import itertools
from pathlib import Path

import numpy as np
import pytest

from pnr_jax.data import pairs
from pnr_jax.data.annotations import read_annotations
from pnr_jax.errors import UserError

MARKET = Path(__file__).parents[3] / "shared" / "market1501"


def annotate(counts, missing=()):
    """{name: keypoints} with counts[identity] images; those in `missing` lack a hip."""
    annotations = {}
    for identity, count in counts.items():
        for i in range(count):
            keypoints = np.full((18, 2), 5, np.int32)
            if f"{identity}_{i}" in missing:
                keypoints[11] = -1
            annotations[f"{identity}_{i}"] = keypoints
    return annotations


def test_pairs_are_the_ordered_pairs_of_usable_images_of_somebody():
    annotations = annotate({"0002": 3, "-1": 2, "0000": 2, "0007": 2}, missing={"0002_1"})
    assert pairs.make_pairs(annotations) == [
        ("0002_0", "0002_2"),
        ("0002_2", "0002_0"),
        ("0007_0", "0007_1"),
        ("0007_1", "0007_0"),
    ]


def test_tuples_are_of_one_identity_without_repetition():
    annotations = annotate({"a": 7, "b": 3, "c": 12})
    tuples = pairs.sample_tuples(annotations, sources=5, count=400, seed=3)
    assert len(set(tuples)) == len(tuples) == 400
    for names in tuples:
        assert len(set(names)) == 6
        assert len({name.split("_")[0] for name in names}) == 1
    targets = collections.Counter(names[-1][0] for names in tuples)
    assert targets["b"] == 0
    assert 0.5 < targets["c"] / 400 < 0.77  # 12 of 19 images
    assert tuples == pairs.sample_tuples(annotations, sources=5, count=400, seed=3)
    assert tuples != pairs.sample_tuples(annotations, sources=5, count=400, seed=4)


def test_few_tuples_are_all_given():
    tuples = pairs.sample_tuples(annotate({"a": 3}), sources=2, count=100, seed=0)
    assert sorted(tuples) == sorted(itertools.permutations(["a_0", "a_1", "a_2"]))


def test_no_identity_with_enough_images_is_an_error():
    with pytest.raises(UserError, match="no identity has 6 usable images"):
        pairs.sample_tuples(annotate({"a": 5}), sources=5, count=10, seed=0)


def test_files_are_read_back(tmp_path):
    for tuples in ([("a", "b"), ("c", "d")], [("a", "b", "c")]):
        pairs.write_tuples(tmp_path / "t.csv", tuples)
        assert pairs.read_tuples(tmp_path / "t.csv") == tuples
    assert (tmp_path / "t.csv").read_text() == "from_0,from_1,to\na,b,c\n"
    with pytest.raises(UserError, match="expected pairs"):
        pairs.read_pairs(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", r":1: expected the header"),
        ("", r":1: expected the header"),
        ("from,to\na\n", r":2: expected 2 names, found 1"),
        ("from,to\na,b\na,\n", r":3: expected 2 names"),
    ],
)
def test_bad_pair_files_are_named_by_line(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        pairs.read_pairs(tmp_path / "p.csv")


@pytest.mark.parametrize("head", ["from,to,image", " from , to, image", "from,to"])
def test_a_listing_may_have_the_files_of_images(tmp_path, head):
    row = ["a", "b", "1.png"][: head.count(",") + 1]
    (tmp_path / "p.csv").write_text(f"{head}\n{','.join(row)}\n")
    files = row[2:] or None
    assert pairs.read_listing(tmp_path / "p.csv") == ([("a", "b")], files)


@pytest.mark.parametrize("head", ["to,from,image", "banana,from,image", "from_1,from_0,to,image",
                                  "to,image", "image", "to,from"])  # fmt: skip
def test_the_header_of_a_listing_is_read(tmp_path, head):
    (tmp_path / "p.csv").write_text(f"{head}\na,b,c,1.png\n")
    with pytest.raises(UserError, match=rf":1: expected the header 'from,to' .* not '{head}'"):
        pairs.read_listing(tmp_path / "p.csv")


@pytest.mark.skipif(not MARKET.is_dir(), reason=f"needs Market-1501's published CSVs in {MARKET}")
@pytest.mark.parametrize("split", ["train", "test"])
def test_market1501s_published_pairs_come_out_exactly(split):
    made = pairs.make_pairs(read_annotations(MARKET / f"market-annotation-{split}.csv"))
    if split == "test":
        made = pairs.sample_pairs(made)
    published = pairs.read_pairs(MARKET / f"market-pairs-{split}.csv")
    assert len(published) == {"train": 263_632, "test": 12_000}[split]
    assert made == published


def test_all_of_the_pairs_come_shuffled_as_pandas_has_them():
    made = [(f"{i}", f"{i + 1}") for i in range(30)]
    order = np.random.RandomState(0).permutation(30)  # What pandas' sample draws by.
    assert pairs.sample_pairs(made, 40) == [made[i] for i in order]
