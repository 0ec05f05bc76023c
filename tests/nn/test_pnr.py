"""The composed model: one regression over all sources, masks that block, padding unseen."""

import jax
import numpy as np
import pytest

from pnr_jax.config import Config
from pnr_jax.nn.pixels import scale_images, to_uint8
from pnr_jax.nn.pnr import PNR
from pnr_jax.regression import IRLS, InexactIRLS, PrimalDual, pnorm_regression

KEY = jax.random.key(0)
SIZE = (32, 32)
ROWS = 64  # h·w


def make_model(**settings):
    common = {"image_size": SIZE, "width": 4, "blocks": 1, "d": 4, "sigma": 2.0, "solver": IRLS(3)}
    return PNR(**(common | settings))


def inputs(batch):
    return {name: value for name, value in batch.items() if name != "target_image"}


def initialise(model, batch):
    return jax.jit(model.init)(KEY, **inputs(batch))


def draw(model, variables, batch):
    return jax.jit(model.apply)(variables, **inputs(batch))


def test_images_scale_there_and_back():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(scale_images(values), values / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(to_uint8(scale_images(values)), values)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_image_is_drawn_from_target_pose_times_F(p, make_batch):
    batch = make_batch(M=2)
    model = make_model(p=p)
    variables = initialise(model, batch)
    images = draw(model, variables, batch)
    assert images.shape == (2, *SIZE, 3)
    encode = jax.jit(lambda *sources: model.apply(variables, *sources, method="encode"))
    F = encode(batch["source_images"], batch["source_keypoints"], batch["source_valid"])
    assert F.shape == (2, 4, 16)
    render = jax.jit(lambda *args: model.apply(variables, *args, method="render"))
    rendered = render(F, batch["target_keypoints"])
    np.testing.assert_allclose(rendered, images, atol=1e-4)


def test_F_of_least_squares_is_numpys_over_the_rows_of_all_sources(make_batch):
    batch = make_batch(M=3)
    model = make_model(p=2.0)
    variables = initialise(model, batch)

    @jax.jit
    def features(images, keypoints, valid):
        bound = model.bind(variables)
        P = bound.pose_features(keypoints, valid)
        H = bound.appearance_features(images, valid)
        return P, H, bound.encode(images, keypoints, valid)

    sources = (batch["source_images"], batch["source_keypoints"], batch["source_valid"])
    P, H, F = (np.asarray(x, np.float64) for x in features(*sources))
    for b in range(2):
        rows = P[b].reshape(3 * ROWS, 4), H[b].reshape(3 * ROWS, 16)
        expected = np.linalg.lstsq(*rows, rcond=None)[0]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(F[b] / scale, expected / scale, atol=2e-3)


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("train", [False, True])
def test_padding_a_tuple_changes_nothing(p, norm, train, make_batch):
    batch = make_batch(M=2)
    model = make_model(p=p, norm=norm)
    variables = initialise(model, batch)
    padded = dict(batch)
    padded["source_images"] = np.concatenate(
        [batch["source_images"], np.full((2, 1, *SIZE, 3), 255, np.uint8)], axis=1
    )
    padded["source_keypoints"] = np.concatenate(
        [batch["source_keypoints"], np.full((2, 1, 18, 2), 7, np.int32)], axis=1
    )
    padded["source_valid"] = np.array([[True, True, False]] * 2)

    @jax.jit
    def images(batch):
        return model.apply(variables, **inputs(batch), train=train, mutable=["batch_stats"])[0]

    np.testing.assert_allclose(images(padded), images(batch), atol=1e-4)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_a_blocked_row_leaves_no_trace_in_F(p):
    rng = np.random.default_rng(0)
    P = rng.normal(size=(1, 1, ROWS, 4)).astype(np.float32)
    H = rng.normal(size=(1, 1, ROWS, 16)).astype(np.float32)
    seen = rng.random(ROWS) < 0.5

    def F(H):
        weights = seen[None].astype(np.float32)
        return np.asarray(make_model(p=p).estimate(P, H, np.ones((1, 1), bool), weights))

    blocked_changed, visible_changed = H.copy(), H.copy()
    blocked_changed[0, 0, ~seen] += 100
    visible_changed[0, 0, seen] += rng.normal(size=(seen.sum(), 16))
    np.testing.assert_array_equal(F(H), F(blocked_changed))
    assert np.abs(F(H) - F(visible_changed)).max() > 1e-2


def test_reconstruction_uses_the_sources_own_pose(make_batch):
    batch = make_batch(M=1)
    model = make_model(norm="instance")
    variables = initialise(model, batch)
    own = inputs(batch) | {"target_keypoints": batch["source_keypoints"][:, 0]}
    reconstructed = draw(model, variables, own | {"target_keypoints": None})
    np.testing.assert_allclose(reconstructed, draw(model, variables, own), atol=1e-5)


def test_one_source_of_many_is_the_single_shot_path(make_batch):
    many = make_batch(M=3)
    many["source_valid"] = np.array([[True, False, False]] * 2)
    model = make_model()
    variables = initialise(model, many)
    one = many | {name: many[name][:, :1] for name in many if name.startswith("source")}
    np.testing.assert_allclose(draw(model, variables, many), draw(model, variables, one), atol=1e-4)


@pytest.mark.parametrize("rowwise", [False, True])
def test_F_of_the_p_norm_is_the_librarys_over_the_rows_of_all_sources(make_batch, rowwise):
    batch = make_batch(M=3)
    model = make_model(rowwise=rowwise, p=1.5, ridge=0.01)
    variables = initialise(model, batch)

    @jax.jit
    def features(images, keypoints, valid):
        bound = model.bind(variables)
        P, H = bound.pose_features(keypoints, valid), bound.appearance_features(images, valid)
        return P, H, bound.encode(images, keypoints, valid)

    valid = np.array([[True, True, False], [True, True, True]])
    P, H, F = features(batch["source_images"], batch["source_keypoints"], valid)
    P, H = (x.reshape(2, 3 * ROWS, -1) for x in (P, H))
    weights = np.repeat(valid, ROWS, axis=1)
    options = {"p": 1.5, "ridge": 0.01, "solver": IRLS(3), "rowwise": rowwise}
    expected = pnorm_regression(P, H, weights=weights, **options)
    np.testing.assert_allclose(F, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    other = pnorm_regression(P, H, weights=weights, **(options | {"rowwise": not rowwise}))
    assert np.abs(F - other).max() > 1e-2 * np.abs(expected).max()


def test_the_configuration_names_the_solver():
    config = Config()
    assert config.build_system().network.solver == IRLS(5, eps=1e-6)
    config = config.replace(model={"solver": "inexact_irls", "iterations": 7, "eps": 1e-3})
    assert config.build_system().network.solver == InexactIRLS(7, eps=1e-3)
    assert config.build_system().title == "pNR (LAD, inexact_irls)"
    config = config.replace(model={"solver": "primal_dual", "iterations": 30})
    assert config.build_system().network.solver == PrimalDual(max_iterations=30, eps=1e-3)
