"""What every system does without a line of its own: it trains, resumes, is scored and exported."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from pnr_jax import animation, augmentation
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.errors import UserError
from pnr_jax.evaluation import jobs as jobs_lib
from pnr_jax.evaluation.results import evaluate
from pnr_jax.evaluation.scorers import pixel_scorer
from pnr_jax.examples import load_training
from pnr_jax.export import export_run
from pnr_jax.studio import load_models
from pnr_jax.systems import SYSTEMS
from pnr_jax.training.loop import train
from pnr_jax.transfer import PoseTransfer, repeated

SHRUNK = {
    "defgan": {"width": 4, "sigma": 2.0},
    "fusion": {"width": 4, "sigma": 2.0},
    "patn": {"width": 4, "blocks": 2, "sigma": 2.0},
    "pg2": {"width": 4, "code": 8, "radius": 2, "first_steps": 2},
    "pnr": {"width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "iterations": 2},
    "unet": {"width": 4, "sigma": 2.0},
    "xinggan": {"width": 4, "blocks": 2, "sigma": 2.0},
}
# Where they are not PATN's: the discriminators' size and what is logged.
JUDGES = {name: {"width": 4, "layers": 2} for name in ("defgan", "fusion")}
PARTS = {name: {"loss", "l1", "gan", "neighbour", "discriminator_pair"} for name in JUDGES}
JUDGES["pg2"] = {"width": 4}
PARTS["pg2"] = {"loss", "l1", "masked_l1", "gan", "discriminator_image"}
PATNS = {"loss", "l1", "perceptual", "gan_image", "gan_pose"}
PATNS |= {"discriminator_image", "discriminator_pose"}


def quiet(line):
    pass


@pytest.fixture(scope="module", params=sorted(SYSTEMS))
def run(request, tmp_path_factory):
    """(configuration, workdir) of three steps with all losses, in one go."""
    config = config_lib.Config(
        steps=3, batch_size=2, image_size=(32, 32), pool_size=3, log_every=1, checkpoint_every=1
    ).replace(
        system={"name": request.param},
        model=SHRUNK.get(request.param, {}),
        discriminator=JUDGES.get(request.param, {"width": 4, "blocks": 1}),
        data={"name": "people", "train_identities": 3, "test_identities": 2, "views": 8,
              "test_tuples": 6},
    )  # fmt: skip
    workdir = tmp_path_factory.mktemp(request.param)
    assert train(config, workdir, quiet)
    return config, workdir


@pytest.fixture
def people(run, make_batch):
    """A batch of the size of the run's images."""
    return make_batch(B=3, M=1, size=run[0].image_size)


def test_every_part_of_the_loss_is_logged_and_finite(run):
    config, workdir = run
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    parts = PARTS.get(config.system.name, PATNS)
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(np.isfinite(line[part]) for line in lines for part in parts)


def test_a_resumed_run_ends_with_the_same_bits(run, tmp_path):
    config, workdir = run
    assert train(config.replace(steps=1), tmp_path, quiet)
    assert train(config, tmp_path, quiet)
    whole, resumed = load_model(workdir, "model"), load_model(tmp_path, "model")
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)


def test_one_code_draws_a_person_in_any_number_of_poses(run, people):
    config, workdir = run
    # After three steps kernels are still so small that every image is grey.
    variables = jax.tree.map(lambda x: 10 * x if x.ndim == 4 else x, load_model(workdir, "model"))
    transfer = PoseTransfer(config.build_system(), variables)
    together = transfer.transfer(
        people["source_images"], people["source_keypoints"], people["target_keypoints"]
    )
    assert (together.dtype, together.shape) == (np.uint8, (3, 32, 32, 3))
    first = people["source_images"][:1], people["source_keypoints"][:1]
    code = repeated(transfer.encode(*first), 3)
    drawn = transfer.render(code, people["target_keypoints"])
    assert np.abs(drawn[0].astype(int) - together[0]).max() <= 1
    assert (drawn[0] != drawn[1]).any()  # The pose matters.


def test_more_sources_or_weights_than_a_system_can_use_are_refused(run, make_batch):
    _, workdir = run
    transfer, batch = PoseTransfer.load(workdir), make_batch(B=1, M=2)
    sources = batch["source_images"], batch["source_keypoints"]
    if transfer.system.most_sources is None:
        transfer.encode(*sources)
    else:
        with pytest.raises(UserError, match=r"sees 1 source\(s\) of a person, not 2"):
            transfer.encode(*sources)
    one, weights = [x[:, :1] for x in sources], np.ones((1, 1, 8, 8))
    if transfer.system.regions:
        transfer.encode(*one, row_weights=weights)
    else:
        with pytest.raises(ValueError, match="has no regions"):
            transfer.encode(*one, row_weights=weights)


def test_it_is_scored_with_as_many_sources_as_it_sees(run, tmp_path):
    config, workdir = run
    runs = jobs_lib.read_runs([workdir], None)
    sets = jobs_lib.load_sets(runs[0].config, None, several=True)
    jobs, problems = jobs_lib.make_jobs(sets, None, runs, [], jobs_lib.Options(sources=(1, 3)))
    results = evaluate(jobs, [pixel_scorer()], tmp_path)
    system = config.build_system()
    assert {result.row["method"] for result in results} == {system.title}
    counts = [1, 3] if system.most_sources is None else [1]
    assert sorted(result.row["sources"] for result in results) == counts
    assert all(0 < result.row["l1"] < 2 for result in results)
    assert problems == []


def test_only_more_sources_than_it_sees_are_no_row(run):
    config, workdir = run
    runs = jobs_lib.read_runs([workdir], None)
    sets = jobs_lib.load_sets(runs[0].config, None, several=True)
    options = jobs_lib.Options(sources=(3, 5))
    if config.build_system().most_sources is None:
        jobs, _ = jobs_lib.make_jobs(sets, None, runs, [], options)
        assert [job.method.sources for job in jobs] == [3, 5]
    else:
        title = config.build_system().title
        message = rf"^`sources=3,5`: {title} sees 1 source\(s\) of a person; add 1$"
        with pytest.raises(UserError, match=message):
            jobs_lib.make_jobs(sets, None, runs, [], options)


def test_it_augments_and_animates(run, tmp_path, monkeypatch):
    config, workdir = run
    monkeypatch.setattr(augmentation, "BATCH", 2)
    transfer, images = PoseTransfer.load(workdir), load_training(config).images
    views = augmentation.plan_views(images, 1, 1, seed=0)
    assert sum(augmentation.draw_views(transfer, images, views, tmp_path)) == len(views) == 3
    for view in views:
        with Image.open(tmp_path / view.file) as image:
            assert image.size == (32, 32)
    poses = animation.interpolate(images.keypoints[:2], 3, (32, 32), loop=False)
    code = repeated(transfer.encode(images.images[None, :1], images.keypoints[None, :1]), 2)
    frames = np.concatenate([transfer.render(code, poses[i : i + 2]) for i in (0, 2)])
    assert frames.shape == (len(poses), 32, 32, 3)
    animation.write_animation(tmp_path / "walk.gif", frames, poses, 10.0)
    assert (tmp_path / "walk.gif").is_file()


def test_it_is_exported_whole_and_in_halves_where_it_has_them(run, people, tmp_path):
    config, workdir = run
    written = {path.name for path in export_run(workdir, tmp_path / "exported")}
    halves = {"encode.jax_export", "render.jax_export"}
    assert "transfer.jax_export" in written
    assert written & halves == (halves if config.build_system().encodes else set())
    card = (tmp_path / "exported" / "README.md").read_text()
    assert card.startswith(f"# Person images in new poses by {config.build_system().title}\n")
    program = (tmp_path / "exported" / "transfer.jax_export").read_bytes()
    variables = load_model(workdir, "model")
    sources = people["source_images"], people["source_keypoints"], people["source_valid"]
    exported = jax.jit(jax.export.deserialize(program).call)
    drawn = exported(variables, *sources, people["target_keypoints"])
    expected = PoseTransfer.load(workdir).transfer(*sources[:2], people["target_keypoints"])
    assert np.abs(np.asarray(drawn).astype(int) - expected).max() <= 1


def test_the_page_draws_it(run, people):
    config, workdir = run
    models = load_models(workdir)
    assert models[0].name == config.build_system().label
    assert len(models) == (2 if config.system.name == "pnr" else 1)
    images, keypoints = people["source_images"][0], people["source_keypoints"][0]
    code = models[0].encode(images, keypoints, np.ones((1, 8, 8), bool))
    drawn = models[0].render(code, people["target_keypoints"][0])
    assert (drawn.dtype, drawn.shape) == (np.uint8, (32, 32, 3))
