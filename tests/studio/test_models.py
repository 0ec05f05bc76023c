"""A run's folder becomes the page's models; hidden regions leave the regression."""

import jax
import numpy as np
import pytest

from pnr_jax import config as config_lib
from pnr_jax.checkpoints import export_model
from pnr_jax.errors import UserError
from pnr_jax.regression import IRLS, pnorm_regression
from pnr_jax.studio import StudioModel, load_models
from tests.studio.helpers import SIZE, small_config, variables


def features(config, images, keypoints):
    """Rows of P and H [M, n, ...] of each source, in float64."""
    model = config.build_system().network
    valid = np.ones((1, len(images)), bool)

    @jax.jit
    def extract(variables):
        P = model.apply(variables, keypoints[None], valid, method="pose_features")
        return P, model.apply(variables, images[None], valid, method="appearance_features")

    P, H = extract(variables())
    return np.asarray(P[0], np.float64), np.asarray(H[0], np.float64)


@pytest.mark.parametrize("M", [1, 2])
def test_a_person_is_the_regression_over_the_regions_that_are_seen(M):
    config = small_config(2.0)
    config = config.replace(model={"ridge": 0.0})
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (M, *SIZE, 3)).astype(np.uint8)
    keypoints = rng.integers(0, 32, (M, 18, 2)).astype(np.float32)
    visible = rng.random((M, 8, 8)) < 0.6
    F = StudioModel(config.build_system(), variables(), "").encode(images, keypoints, visible)[0]
    P, H = features(config, images, keypoints)
    seen = visible.reshape(M, -1)
    expected = np.linalg.lstsq(P[seen], H[seen])[0]
    np.testing.assert_allclose(F, expected, atol=1e-2 * np.abs(expected).max())
    everything = np.linalg.lstsq(P.reshape(-1, 4), H.reshape(-1, 16))[0]
    assert np.abs(everything - expected).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("rowwise", [False, True])
def test_either_norm_sees_the_regions_that_are_shown_and_no_other(rowwise):
    config = small_config(1.0)
    config = config.replace(model={"rowwise": rowwise})
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (1, *SIZE, 3)).astype(np.uint8)
    keypoints = rng.integers(0, 32, (1, 18, 2)).astype(np.float32)
    visible = rng.random((1, 8, 8)) < 0.6
    model = StudioModel(config.build_system(), variables(), "")
    P, H = (x[0].astype(np.float32) for x in features(config, images, keypoints))
    seen = visible.reshape(-1)
    expected = pnorm_regression(P[seen], H[seen], ridge=1e-3, rowwise=rowwise, solver=IRLS(2))
    F = model.encode(images, keypoints, visible)[0]
    np.testing.assert_allclose(F, expected, atol=1e-2 * np.abs(expected).max())
    assert model.name == ("LAD of rows" if rowwise else "LAD")


def save(config, workdir):
    config_lib.write_config(config, workdir)
    export_model(workdir, variables())


@pytest.mark.parametrize(
    ("p", "names"), [(1.0, ["LAD", "LSE"]), (2.0, ["LSE", "LAD"]), (1.5, ["p = 1.5", "LSE"])]
)
def test_one_run_solves_in_two_ways(tmp_path, p, names):
    save(small_config(p), tmp_path)
    models = load_models(tmp_path)
    assert [model.name for model in models] == names
    assert [model.note for model in models] == ["as trained", "same networks"]


def test_two_runs_stand_side_by_side_if_their_sizes_agree(tmp_path):
    for name, p in (("lad", 1.0), ("lse", 2.0), ("large", 2.0)):
        config = small_config(p)
        if name == "large":
            config = config.replace(image_size=(64, 32))
        save(config, tmp_path / name)
    models = load_models(tmp_path / "lad", tmp_path / "lse")
    assert [(model.name, model.note) for model in models] == [
        ("LAD", "as trained"),
        ("LSE", "as trained"),
    ]
    with pytest.raises(UserError, match=r"draws 64x32 .* draws 32x32"):
        load_models(tmp_path / "lad", tmp_path / "large")
    with pytest.raises(UserError, match="no run here"):
        load_models(tmp_path / "none")


def test_two_runs_of_one_p_are_told_apart_by_their_folders(tmp_path):
    for name in ("a/run", "a/other", "b/run"):
        save(small_config(1.0), tmp_path / name)
    models = load_models(tmp_path / "a" / "run", tmp_path / "a" / "other")
    assert [model.name for model in models] == ["LAD, run", "LAD, other"]
    with pytest.raises(UserError, match="both called LAD, run on the page; rename one"):
        load_models(tmp_path / "a" / "run", tmp_path / "b" / "run")
