"""The fusion of sources against its published size, and its generator against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax import config_files
from pnr_jax.config import Config
from pnr_jax.nn.blocks import nearest_doubled
from pnr_jax.settings import SettingError
from pnr_jax.systems import limbs
from pnr_jax.systems.fusion import Fusion, Gate, bilinear_doubled, shares
from pnr_jax.systems.protocol import Sources
from pnr_jax.training.state import init_state
from pnr_jax.training.step import make_step
from tests.systems.layers import (
    conv3,
    encoded,
    maps,
    parameter_count,
    random_params,
    whole_norm,
)

RNG = np.random.default_rng(0)
warp = jax.jit(limbs.warp)
SIZE, SIGMA = (64, 32), 2.0


@pytest.fixture
def config():
    return Config(image_size=(32, 32), batch_size=2, pool_size=3, sources=3).replace(
        system={"name": "fusion"},
        model={"width": 4, "sigma": SIGMA},
        discriminator={"width": 4, "layers": 2},
        loss={"neighbour": 0.0},
    )


@pytest.fixture(scope="module")
def drawing():
    """(a function of sources and poses, its parameters, sources, poses)."""
    poses = RNG.uniform(4, 28, (2, 4, 18, 2)).astype(np.float32)
    images = RNG.integers(0, 256, (2, 3, *SIZE, 3)).astype(np.uint8)
    sources = Sources(images, poses[:, :3], np.array([[True] * 3, [True, False, True]]))
    module = Fusion(2, SIGMA, jnp.float32)
    shapes = jax.eval_shape(
        lambda key: module.init(key, sources, poses[:, 3], False), jax.random.key(0)
    )
    params = random_params(shapes["params"])
    draw = jax.jit(lambda *arguments: module.apply({"params": params}, *arguments, False))
    return draw, params, sources, poses[:, 3]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense(x, params):
    return x @ params["kernel"] + params["bias"]


def gate(x, params):
    m = sigmoid(dense(x, params["pixels"]))
    hidden = dense(whole_norm(x, params["WholeNorm_0"]).mean(axis=(1, 2)), params["squeeze"])
    g = sigmoid(dense(np.maximum(hidden, 0), params["channels"]))
    return m * g[:, None, None]


def bilinear(x):
    h, w = x.shape[1:3]
    found = np.zeros((len(x), 2 * h, 2 * w, x.shape[-1]))
    for i, j in np.ndindex(2 * h, 2 * w):
        rows = {i // 2, min(h - 1, (i + 1) // 2)}
        columns = {j // 2, min(w - 1, (j + 1) // 2)}
        found[:, i, j] = np.mean([x[:, a, b] for a in rows for b in columns], axis=0)
    return found


def drawn_in_numpy(params, images, poses, target):
    """One person from its valid sources: [M, H, W, 3], [M, 18, 2], [18, 2] -> [H, W, 3]."""
    M = len(images)
    P_s = np.stack([maps(pose, SIZE, SIGMA) for pose in poses])
    P_t = np.stack([maps(target, SIZE, SIGMA)] * M)
    seen = np.concatenate([images / 127.5 - 1, P_s], axis=-1)
    appearance = encoded(seen, params["appearance"])
    posed = encoded(np.concatenate([P_s, P_t], axis=-1), params["pose"])
    targets = np.stack([target] * M)
    moving = limbs.transforms(poses, targets), limbs.masks(targets, SIZE)
    moved = [np.asarray(warp(jnp.float32(x), *moving)) for x in appearance[:4]]
    pairs = zip(moved + appearance[4:], posed, strict=True)
    skips = [np.concatenate(pair, axis=-1) for pair in pairs]
    y, w = skips[5].mean(axis=0), None
    for d in range(6):
        skip = skips[5 - d]
        a = [np.stack([y] * M), skip] + ([] if w is None else [bilinear(w)])
        gates = np.clip(gate(np.concatenate(a, axis=-1), params[f"Gate_{d}"]), 1e-7, 1 - 1e-7)
        w = gates / gates.sum(axis=0)
        z = np.maximum(np.concatenate([y, (w * skip).sum(axis=0)], axis=-1), 0)[None]
        if d < 5:
            z = conv3(z.repeat(2, axis=1).repeat(2, axis=2), params[f"Conv3_{d}"])
            y = whole_norm(z, params[f"WholeNorm_{d}"])[0]
    return np.tanh(conv3(z, params["Conv3_5"]))[0]


def test_the_networks_have_the_published_numbers_of_parameters():
    system = Config().replace(system={"name": "fusion"}).build_system()
    variables, discriminators = jax.eval_shape(system.init, jax.random.key(0))
    assert parameter_count(variables["params"]) == 51_933_391
    assert parameter_count(discriminators["pair"]) == 2_803_782


def test_the_recipe_is_the_published_one():
    config = config_files.find_config("market1501_fusion")
    assert (config.steps, config.batch_size, config.sources) == (12_000, 4, 3)
    assert (config.learning_rate, config.decay_from) == (2e-4, 1)
    assert (config.adam_b1, config.adam_b2, config.pool_size) == (0.5, 0.999, 0)
    assert (config.loss.gan, config.loss.neighbour) == (0.1, 0.001)
    assert config.build_system().discriminators_first


def test_the_generator_is_its_equations_of_the_valid_sources(drawing):
    draw, params, sources, targets = drawing
    found = draw(sources, targets)
    for b in range(2):
        valid = sources.valid[b]
        arguments = sources.images[b][valid], sources.keypoints[b][valid], targets[b]
        np.testing.assert_allclose(found[b], drawn_in_numpy(params, *arguments), atol=5e-3)


def test_equal_sources_are_as_good_as_one(drawing):
    draw, _, sources, targets = drawing
    one = Sources(*(x[:, :1] for x in sources))
    three = Sources(*(np.repeat(x, 3, axis=1) for x in one))
    np.testing.assert_allclose(draw(three, targets), draw(one, targets), atol=1e-4)


def test_the_order_of_sources_does_not_matter(drawing):
    draw, _, sources, targets = drawing
    turned = Sources(*(x[:, ::-1] for x in sources))
    np.testing.assert_allclose(draw(turned, targets), draw(sources, targets), atol=1e-4)


def test_a_source_that_is_not_valid_is_not_seen(drawing):
    draw, _, sources, targets = drawing
    images = sources.images.copy()
    images[1, 1] = 255 - images[1, 1]
    drawn = draw(sources._replace(images=images), targets)
    np.testing.assert_array_equal(drawn, draw(sources, targets))
    images[1, 2] = 255 - images[1, 2]
    drawn = draw(sources._replace(images=images), targets)
    assert (drawn[1] != draw(sources, targets)[1]).any()


def test_a_gate_is_its_equations():
    x = RNG.normal(size=(2, 4, 3, 5))
    module = Gate(8, jnp.float32)
    params = random_params(module.init(jax.random.key(0), x)["params"])
    assert params["squeeze"]["kernel"].shape == (5, 2)
    np.testing.assert_allclose(module.apply({"params": params}, x), gate(x, params), atol=1e-5)


def test_shares_add_up_to_one_even_where_every_gate_is_shut():
    gates = RNG.uniform(size=(2, 3, 2, 2, 4)).astype(np.float32)
    gates[:, :, 0] = 0
    valid = np.float32([[1, 1, 1], [1, 0, 1]])[:, :, None, None, None]
    found = np.asarray(shares(jnp.asarray(gates), jnp.asarray(valid)))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[0, :, 0], 1 / 3, rtol=1e-6)
    assert (found[1, 1] == 0).all()


def test_sizes_are_doubled_as_the_code_does():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(bilinear_doubled(jnp.asarray(x)), bilinear(x), atol=1e-6)
    np.testing.assert_allclose(nearest_doubled(jnp.asarray(x)), x.repeat(2, 1).repeat(2, 2), 1e-6)


def test_the_discriminator_judges_the_image_beside_each_valid_source(config, make_batch):
    system, batch = config.build_system(), make_batch(M=3)
    _, discriminators = jax.jit(system.init)(jax.random.key(0))
    params, images = discriminators["pair"], jnp.full((2, 32, 32, 3), 0.25)
    batch["source_valid"][1, 1:] = False

    def loss(first, sources):
        chosen = {name: x[first : first + 1] for name, x in batch.items()}
        for name in ("source_images", "source_keypoints", "source_valid"):
            chosen[name] = chosen[name][:, sources]
        shown = system.discriminator_inputs(images[:1], chosen)
        return float(system.discriminator_loss("pair", params, shown, shown, jax.random.key(0)))

    shown = system.discriminator_inputs(images, batch)
    together = system.discriminator_loss("pair", params, shown, shown, jax.random.key(0))
    apart = [loss(0, [0]), loss(0, [1]), loss(0, [2]), loss(1, [0])]
    assert len(set(apart)) == 4
    assert float(together) == pytest.approx(np.mean(apart), rel=1e-5)


def test_it_trains_with_several_sources_and_a_pool(config, make_batch):
    state, batch = init_state(config), make_batch(M=3)
    assert state.pool.entries["source_images"].shape == (3, 3, 32, 32, 3)
    new, metrics = jax.jit(make_step(config, None))(state, batch)
    assert int(new.skipped.total) == 0
    assert set(metrics) == {"loss", "l1", "gan", "discriminator_pair"}
    assert float(metrics["loss"]) == pytest.approx(0.1 * float(metrics["gan"]), rel=1e-5)
    for path, before in jax.tree.leaves_with_path(state.variables["params"]):
        after = new.variables["params"]
        for key in path:
            after = after[key.key]
        assert (after != before).any(), jax.tree_util.keystr(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"model": {"dropout": 0.5}}, "^model.dropout: there is no such field"),
     ({"model": {"sigma": 0.0}}, "^model.sigma=0.0: must be positive"),
     ({"image_size": (48, 32)}, r"^image_size=\(48, 32\): must be two multiples of 32"),
     ({"loss": {"gan_pose": 1.0}}, "^loss.gan_pose: there is no such field")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(config, changes, message):
    with pytest.raises(SettingError, match=message):
        config.replace(**changes)
