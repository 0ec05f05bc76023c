"""Every tuple is scored once, in chunks; what is known is read back, and only where it holds."""

import io
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pnr_jax.evaluation import scoring
from pnr_jax.evaluation.jobs import Job
from pnr_jax.evaluation.methods import Method, model_methods, through_jpeg, trivial_methods
from pnr_jax.evaluation.results import evaluate
from pnr_jax.evaluation.scorers import Scorer, pixel_scorer
from pnr_jax.evaluation.scoring import draw, evaluation_set, score
from pnr_jax.examples import Examples

SIZE = (24, 16)


def whole(chunks):
    """The arrays of all chunks."""
    chunks = list(chunks)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def second_source(batch):
    return batch["source_images"][:, 1]


def counting(name="counted", value=1.0):
    """A scorer that notes the sizes of the chunks it was given."""
    seen = []

    def scores(batch, generated):
        seen.append(len(generated))
        return {name: np.full(len(generated), value) + generated.mean(axis=(1, 2, 3))}

    return Scorer(f"{name} {value}", scores), seen


def test_scores_are_scikit_images(small_chunks, examples, tuples_set, expected_scores, tmp_path):
    method = Method("second source", 2, second_source, "second")
    found = whole(score(method, tuples_set, [pixel_scorer()], tmp_path))
    generated = examples.images.images[examples.tuples[:, 1]]
    expected = expected_scores(examples, generated)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=2e-6, err_msg=name)


def test_trivial_methods_copy_and_repeat(examples):
    mean = examples.images.images.mean(axis=0).round().astype(np.uint8)
    copy, repeat = trivial_methods(mean)
    assert not copy.learnt and not repeat.learnt
    pairs = examples.tuples[:, [3, 5]]
    assert (draw(copy, examples.images, pairs)[1] == examples.images.images[pairs[:, 0]]).all()
    assert (draw(repeat, examples.images, pairs)[1] == mean).all()


def test_batches_have_one_shape_and_the_names_of_their_tuples(small_chunks, examples, tuples_set):
    seen = []

    def generate(batch):
        seen.append(batch["names"].tolist())
        assert batch["source_images"].shape == (2, 3, *SIZE, 3)
        return batch["target_image"]

    rows = examples.tuples[:5, [0, 1, 2, 5]]
    batch, generated = draw(Method("oracle", 3, generate, "o"), examples.images, rows)
    assert (generated == examples.images.images[rows[:, -1]]).all()
    names = [[examples.images.names[i] for i in row] for row in rows]
    assert [*chain(*seen)][:5] == names and len(seen) == 3
    assert batch["names"].tolist() == names


def test_what_was_scored_is_read_back(small_chunks, tuples_set, tmp_path):
    drawn = []

    def generate(batch):
        drawn.append(len(batch["target_image"]))
        return batch["source_images"][:, 0]

    method, (scorer, seen) = Method("m", 1, generate, "m"), counting()
    progress = []
    first = whole(score(method, tuples_set, [scorer], tmp_path, advance=progress.append))
    assert seen == progress == [4, 4, 3]
    assert len(drawn) == 6
    again = whole(score(method, tuples_set, [scorer], tmp_path, advance=progress.append))
    assert len(seen) == 3 and len(drawn) == 6 and progress == [4, 4, 3] * 2
    np.testing.assert_array_equal(first["counted"], again["counted"])
    # A metric that is added is all that is scored; a limit shares the whole chunks.
    other, others = counting("other")
    assert set(whole(score(method, tuples_set, [scorer, other], tmp_path))) == {"counted", "other"}
    assert len(seen) == 3 and others == [4, 4, 3]
    limited = tuples_set.limited(slice(9))
    assert len(whole(score(method, limited, [scorer], tmp_path))["counted"]) == 9
    assert seen == [4, 4, 3, 1]


def test_an_interrupted_evaluation_goes_on_where_it_was(small_chunks, tuples_set, tmp_path):
    calls = []

    def generate(batch):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return batch["source_images"][:, 0]

    method, (scorer, seen) = Method("m", 1, generate, "m"), counting()
    with pytest.raises(KeyboardInterrupt):
        whole(score(method, tuples_set, [scorer], tmp_path))
    assert seen == [4, 4]
    resumed = whole(score(method, tuples_set, [scorer], tmp_path))
    assert seen == [4, 4, 3]
    other = whole(score(method, tuples_set, [scorer], tmp_path / "other"))
    np.testing.assert_array_equal(resumed["counted"], other["counted"])


@pytest.mark.parametrize(
    "change", ["method", "weights", "image", "keypoints", "jpeg", "name", "code"]
)
def test_a_stale_result_is_never_used(change, small_chunks, tuples_set, tmp_path, monkeypatch):
    method = Method("m", 1, lambda batch: batch["source_images"][:, 0], "m")
    scorer, seen = counting()
    whole(score(method, tuples_set, [scorer], tmp_path))
    test, jpeg = tuples_set, False
    images, keypoints, names, *_ = tuples_set.examples.images
    if change == "method":
        method = method._replace(key="m2")
    elif change == "weights":
        scorer = scorer._replace(key="counted 2")
    elif change == "jpeg":
        jpeg = True
    elif change == "code":
        monkeypatch.setattr(scoring, "code_digest", lambda: "other code")
    else:
        images, keypoints, names = images.copy(), keypoints.copy(), list(names)
        last = tuples_set.examples.tuples[10, -1]
        if change == "image":
            images[last, 0, 0, 0] ^= 1
        elif change == "keypoints":
            keypoints[last, 0] += 1
        else:
            names[last] = "new.jpg"
        kind = type(tuples_set.examples.images)
        examples = Examples(kind(images, keypoints, names), tuples_set.examples.tuples)
        test = evaluation_set("tuples", examples)
    before = len(seen)
    whole(score(method, test, [scorer], tmp_path, jpeg))
    assert seen[-1] == 3 and len(seen) > before


def test_what_other_code_has_left_is_removed_and_nothing_else(
    small_chunks, tuples_set, tmp_path, monkeypatch
):
    method = Method("m", 1, lambda batch: batch["source_images"][:, 0], "m")
    scorer, seen = counting()
    monkeypatch.setattr(scoring, "code_digest", lambda: "0" * 32)
    whole(score(method, tuples_set, [scorer], tmp_path))
    (tmp_path / f"{'a' * 32}.scores").write_bytes(b"of version 0.1")
    for name in ("notes.txt", "mine"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(scoring, "code_digest", lambda: "1" * 32)
    whole(score(method, tuples_set, [scorer], tmp_path))
    assert len(seen) == 6
    evaluate([Job(method, tuples_set)], [scorer], tmp_path)
    assert len(seen) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"1" * 12, "mine", "notes.txt"}
    scoring.remove_outdated(tmp_path / "none")


def test_a_damaged_result_is_made_anew(small_chunks, tuples_set, tmp_path):
    method = Method("m", 1, lambda batch: batch["source_images"][:, 0], "m")
    scorer, seen = counting()
    first = whole(score(method, tuples_set, [scorer], tmp_path))
    (folder,) = tmp_path.iterdir()
    for path, content in zip(sorted(folder.iterdir()), (b"", b"junk", None), strict=True):
        path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    again = whole(score(method, tuples_set, [scorer], tmp_path))
    assert sorted(seen) == [3, 3, 4, 4, 4, 4]
    np.testing.assert_array_equal(first["counted"], again["counted"])


def test_a_result_with_any_byte_changed_or_missing_is_not_read(tmp_path):
    path, written = tmp_path / "chunk", {"ssim": np.array([0.1, 0.2]), "same": np.array([True])}
    scoring._write(path, written)
    whole = path.read_bytes()
    found = scoring._read(path)
    assert list(found) == list(written)
    for name, array in written.items():
        np.testing.assert_array_equal(found[name], array)
    damaged = [whole[:cut] for cut in range(len(whole))]
    for place, byte in enumerate(whole):  # 8: to a zip, that what follows is deflated.
        for value in {0, 8, 255 - byte} - {byte}:
            damaged.append(whole[:place] + bytes([value]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        assert scoring._read(path) == {}


def test_a_jpeg_round_trip_is_of_both_images(tuples_set, tmp_path):
    def round_trip(image):
        data = io.BytesIO()
        Image.fromarray(image).save(data, "JPEG")
        return np.asarray(Image.open(data))

    def differences(batch, generated):
        wanted = np.stack([round_trip(image) for image in sources])
        target = np.stack([round_trip(image) for image in targets])
        same = (generated == wanted).all(axis=(1, 2, 3))
        return {"same": same & (batch["target_image"] == target).all(axis=(1, 2, 3))}

    rows = tuples_set.examples.tuples
    sources = tuples_set.examples.images.images[rows[:, 0]]
    targets = tuples_set.examples.images.images[rows[:, -1]]
    method = through_jpeg(Method("m", 1, lambda batch: batch["source_images"][:, 0], "m"))
    chunks = score(method, tuples_set, [Scorer("d", differences)], tmp_path, jpeg=True)
    assert whole(chunks)["same"].all()
    assert method.key != "m"


class FakeTransfer:
    """Stands for a `PoseTransfer`: draws the mean of the sources, and notes what it was given."""

    def transfer(self, source_images, source_keypoints, target_keypoints, source_valid):
        assert source_keypoints.shape == (*source_images.shape[:2], 18, 2)
        assert target_keypoints.shape == (len(source_images), 18, 2)
        assert source_valid.shape == source_images.shape[:2]
        return source_images.mean(axis=1).astype(np.uint8)


def test_the_model_sees_the_first_M_sources(examples, tuples_set, tmp_path):
    methods = model_methods("pNR", FakeTransfer(), [1, 3, 5], "key")
    assert [(method.name, method.sources) for method in methods] == [("pNR", M) for M in (1, 3, 5)]
    scorer = Scorer("mean", lambda batch, generated: {"mean": generated.mean(axis=(1, 2, 3))})
    for method in methods:
        sources = examples.images.images[examples.tuples[:, : method.sources]]
        expected = sources.mean(axis=1).astype(np.uint8).mean(axis=(1, 2, 3))
        found = whole(score(method, tuples_set, [scorer], tmp_path))["mean"]
        np.testing.assert_allclose(found, expected)


def test_the_digest_of_the_code_has_what_draws_and_scores_alone(monkeypatch, tmp_path):
    package = tmp_path / "pnr_jax"
    shutil.copytree(Path(scoring.pnr_jax.__file__).parent, package)
    monkeypatch.setattr(scoring.pnr_jax, "__file__", str(package / "__init__.py"))
    digests = []
    for changed in (None, "studio/app.py", "training/loop.py", "systems/pnr.py", "nn/pnr.py"):
        if changed:
            (package / changed).write_text((package / changed).read_text() + "# A comment.\n")
        digests.append(scoring.code_digest.__wrapped__())
    assert digests[0] == digests[1] == digests[2]
    assert len(set(digests[2:])) == 3
