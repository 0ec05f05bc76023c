"""Def-GAN's networks against their published size, its layers and losses against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.config import Config
from pnr_jax.nn import vgg19
from pnr_jax.settings import SettingError
from pnr_jax.systems import limbs
from pnr_jax.systems.defgan import (
    DefGAN,
    Down,
    PairDiscriminator,
    WholeNorm,
    nearest_neighbour,
    skip_connections,
)
from pnr_jax.systems.protocol import Sources
from pnr_jax.training.state import init_state
from pnr_jax.training.step import make_step
from tests.systems.layers import (
    conv3,
    encoded,
    halved,
    leaky,
    maps,
    parameter_count,
    random_params,
    whole_norm,
)

RNG = np.random.default_rng(0)
warp = jax.jit(limbs.warp)


@pytest.fixture
def config():
    return Config(image_size=(32, 32), batch_size=2, pool_size=0, learning_rate=1e-3).replace(
        system={"name": "defgan"},
        model={"width": 4, "sigma": 2.0},
        discriminator={"width": 4, "layers": 2},
    )


def doubled(x, kernel):
    """A 4×4 transposed convolution of stride 2, a pixel cropped on each side."""
    B, H, W, _ = x.shape
    spread = np.zeros((B, 2 * H + 2, 2 * W + 2, kernel.shape[-1]))
    for i, j in np.ndindex(4, 4):
        # The kernel is that of a correlation with the dilated image, so its taps are turned round.
        spread[:, i : i + 2 * H : 2, j : j + 2 * W : 2] += x @ kernel[3 - i, 3 - j]
    return spread[:, 1:-1, 1:-1]


def test_the_networks_have_the_published_numbers_of_parameters():
    system = Config().replace(system={"name": "defgan"}).build_system()
    variables, discriminators = jax.eval_shape(system.init, jax.random.key(0))
    assert parameter_count(variables["params"]) == 61_109_085
    assert parameter_count(discriminators["pair"]) == 2_803_782


def test_the_norm_is_over_the_whole_image():
    x = 3 + 2 * RNG.normal(size=(2, 4, 3, 5))
    module = WholeNorm(jnp.float32)
    params = {"scale": np.float64(1.5), "shift": np.float64(-0.5)}
    found = module.apply({"params": params}, x)
    np.testing.assert_allclose(found, whole_norm(x, params), atol=1e-5)
    assert {x.shape for x in jax.tree.leaves(module.init(jax.random.key(0), x))} == {()}


def test_the_norm_of_a_flat_image_has_a_finite_gradient():
    module = WholeNorm(jnp.float32)
    params = {"params": {"scale": jnp.ones(()), "shift": jnp.zeros(())}}
    gradient = jax.grad(lambda x: module.apply(params, x).sum())(jnp.ones((1, 2, 2, 3)))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("norm", [True, False])
def test_a_down_block_is_its_equations(norm):
    x = RNG.normal(size=(2, 8, 6, 3))
    module = Down(5, jnp.float32, norm)
    params = random_params(module.init(jax.random.key(0), x)["params"])
    wanted = halved(leaky(x), params["Conv_0"]["kernel"])
    if norm:
        wanted = whole_norm(wanted, params["WholeNorm_0"])
    assert wanted.shape == (2, 4, 3, 5)
    np.testing.assert_allclose(module.apply({"params": params}, x), wanted, atol=1e-4)


def test_the_generator_is_its_equations():
    size, sigma = (64, 32), 2.0
    poses = RNG.uniform(4, 28, (2, 2, 18, 2)).astype(np.float32)
    images = RNG.integers(0, 256, (2, 1, *size, 3)).astype(np.uint8)
    sources = Sources(images, poses[:, :1], np.ones((2, 1), bool))
    module = DefGAN(2, 0.5, sigma, jnp.float32)
    shapes = jax.eval_shape(
        lambda key: module.init(key, sources, poses[:, 1], False), jax.random.key(0)
    )
    params = random_params(shapes["params"])
    P_s, P_t = (np.stack([maps(pose, size, sigma) for pose in poses[:, i]]) for i in (0, 1))
    seen = np.concatenate([images[:, 0] / 127.5 - 1, P_s], axis=-1)
    appearance, posed = encoded(seen, params["appearance"]), encoded(P_t, params["pose"])
    moving = limbs.transforms(poses[:, 0], poses[:, 1]), limbs.masks(poses[:, 1], size)
    moved = [np.asarray(warp(jnp.float32(x), *moving)) for x in appearance[:4]]
    pairs = zip(moved + appearance[4:], posed, strict=True)
    skips = [np.concatenate(pair, axis=-1) for pair in pairs]
    x = skips[5]
    for i in range(5):
        y = doubled(np.maximum(x, 0), params[f"TransposedConv_{i}"]["kernel"])
        x = np.concatenate([whole_norm(y, params[f"WholeNorm_{i}"]), skips[4 - i]], axis=-1)
    wanted = np.tanh(conv3(np.maximum(x, 0), params["Conv3_0"]))
    found = jax.jit(lambda: module.apply({"params": params}, sources, poses[:, 1], False))()
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_dropout_is_in_the_first_three_steps_of_the_decoder(config, make_batch):
    system, batch = config.build_system(), make_batch()
    variables, _ = jax.jit(system.init)(jax.random.key(0))
    sources = Sources(batch["source_images"], batch["source_keypoints"], batch["source_valid"])
    _, seen = jax.jit(lambda: system.network.apply(
        variables, sources, batch["target_keypoints"], True, rngs={"dropout": jax.random.key(1)},
        capture_intermediates=lambda module, _: type(module).__name__ == "Dropout",
    ))()  # fmt: skip
    dropped = [layer["__call__"][0] for layer in seen["intermediates"].values()]
    assert [x.shape[1] for x in dropped] == [2, 4, 8]
    assert all(abs(np.mean(x == 0) - 0.5) < 0.15 for x in dropped)


def test_only_the_four_finest_levels_are_moved():
    poses = [jnp.asarray(RNG.integers(4, 28, (1, 18, 2))) for _ in range(2)]
    levels = [jnp.full((1, 64 >> i, 32 >> i, 1), -1.0) for i in range(6)]
    skips = jax.jit(lambda: skip_connections(levels, levels, *poses, (64, 32)))()
    assert [bool((skip[..., 0] == -1).all()) for skip in skips] == [False] * 4 + [True] * 2
    assert all((skip[..., 1] == -1).all() for skip in skips)


def test_the_discriminator_is_its_equations():
    x = RNG.normal(size=(2, 64, 32, 42))
    module = PairDiscriminator(2, 2, jnp.float32)
    params = random_params(module.init(jax.random.key(0), x)["params"])
    y = halved(x, params["Conv_0"]["kernel"], pad=0) + params["Conv_0"]["bias"]
    for i in range(2):
        down = params[f"Down_{i}"]
        y = whole_norm(halved(leaky(y), down["Conv_0"]["kernel"]), down["WholeNorm_0"])
    y = halved(leaky(y), params["Down_2"]["Conv_0"]["kernel"])[..., 0]
    assert y.shape == (2, 3, 1)
    np.testing.assert_allclose(module.apply({"params": params}, x), y, atol=1e-3)


def test_the_published_discriminator_gives_three_numbers_an_image():
    module = PairDiscriminator(64, 3, jnp.float32)
    found = jax.eval_shape(module.init_with_output, jax.random.key(0), jnp.zeros((1, 128, 64, 42)))
    assert found[0].shape == (1, 3, 1)


def test_the_discriminator_sees_the_source_then_the_image_each_with_its_pose(config, make_batch):
    system, batch = config.build_system(), make_batch()
    image = jnp.full((2, 32, 32, 3), 0.25)
    pairs = np.asarray(system._pairs(system.discriminator_inputs(image, batch)))
    np.testing.assert_allclose(pairs[..., :3], batch["source_images"][:, 0] / 127.5 - 1, atol=1e-6)
    for first, poses in ((3, batch["source_keypoints"][:, 0]), (24, batch["target_keypoints"])):
        wanted = np.stack([maps(pose, (32, 32), 2.0) for pose in poses])
        np.testing.assert_allclose(pairs[..., first : first + 18], wanted, atol=1e-5)
    assert (pairs[..., 21:24] == 0.25).all()


def nearest_in_numpy(real, fake):
    B, H, W, _ = real.shape
    total = 0.0
    for b, y, x in np.ndindex(B, H, W):
        near = real[b, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        total += np.abs(near - fake[b, y, x]).sum(axis=-1).min()
    return total / (B * H * W)


def test_the_nearest_neighbour_loss_and_its_gradient():
    real, fake = RNG.normal(size=(2, 2, 6, 5, 4))
    wanted = nearest_in_numpy(real, fake)
    np.testing.assert_allclose(
        nearest_neighbour(jnp.asarray(real), jnp.asarray(fake)), wanted, 1e-5
    )
    gradient = jax.grad(nearest_neighbour, argnums=1)(jnp.float32(real), jnp.float32(fake))
    moved = fake.copy()
    moved[1, 0, 0, 2] += 1e-5
    slope = (nearest_in_numpy(real, moved) - wanted) / 1e-5
    np.testing.assert_allclose(gradient[1, 0, 0, 2], slope, rtol=1e-3)


def test_a_shift_by_a_pixel_costs_nothing_away_from_the_border():
    real = np.zeros((1, 8, 8, 2), np.float32)
    real[:, 2:6, 2:6] = RNG.normal(size=(1, 4, 4, 2))
    for shift in ((1, 1), (-1, 0), (0, 1)):
        fake = np.roll(real, shift, axis=(1, 2))
        assert nearest_neighbour(jnp.asarray(real), jnp.asarray(fake)) == 0
    assert nearest_neighbour(jnp.asarray(real), jnp.asarray(np.roll(real, 2, axis=1))) > 0


def minus_log(logits, real):
    D = 1 / (1 + np.exp(-logits))
    return -np.log((D if real else 1 - D) + 1e-7).mean()


def test_losses_are_the_published_ones(config, make_batch):
    system, batch, vgg = config.build_system(), make_batch(), vgg19.load_vgg19()
    variables, discriminators = jax.jit(system.init)(jax.random.key(0))
    total, drawn = jax.jit(
        lambda *arguments: system.generator_loss(*arguments, vgg, jax.random.key(1))
    )(variables, discriminators, batch)
    target = jnp.asarray(batch["target_image"] / 127.5 - 1, jnp.float32)

    def logits(images):
        shown = system._pairs(system.discriminator_inputs(images, batch))
        return np.float64(system.discriminator.apply({"params": discriminators["pair"]}, shown))

    gan = minus_log(logits(drawn.images), True)
    features = [
        np.float64(vgg19.conv1_2(vgg, x)) * vgg19.CAFFE_SCALE for x in (target, drawn.images)
    ]
    neighbour = nearest_in_numpy(*features)
    np.testing.assert_allclose(drawn.metrics["gan"], gan, rtol=1e-4)
    np.testing.assert_allclose(drawn.metrics["neighbour"], neighbour, rtol=1e-4)
    np.testing.assert_allclose(total, gan + 0.01 * neighbour, rtol=1e-4)
    judged = system.discriminator_loss(
        "pair", discriminators["pair"], system.discriminator_inputs(target, batch),
        system.discriminator_inputs(drawn.images, batch), jax.random.key(2),
    )  # fmt: skip
    wanted = minus_log(logits(target), True) + minus_log(logits(drawn.images), False)
    np.testing.assert_allclose(judged, wanted, rtol=1e-4)


def test_the_generator_sees_the_updated_discriminator(config, make_batch):
    config = config.replace(model={"dropout": 0.0}, loss={"neighbour": 0.0})
    system, batch, state = config.build_system(), make_batch(), init_state(config)
    new, metrics = jax.jit(make_step(config, None))(state, batch)
    key = jax.random.key(0)  # Nothing is random without dropout.
    before, after = (
        jax.jit(system.generator_loss)(state.variables, judges, batch, None, key)[0]
        for judges in (state.discriminators, new.discriminators)
    )
    assert float(metrics["loss"]) == pytest.approx(float(after), rel=1e-5)
    assert abs(float(after) - float(before)) > 1e-3


def test_every_parameter_gets_a_gradient_and_begins_as_kerass_do(config, make_batch):
    system, batch = config.build_system(), make_batch()
    variables, discriminators = jax.jit(system.init)(jax.random.key(0))
    gradient = jax.jit(jax.grad(system.generator_loss, has_aux=True))(
        variables, discriminators, batch, None, jax.random.key(1)
    )[0]["params"]
    for path, x in jax.tree.leaves_with_path(gradient):
        assert np.abs(x).max() > 0, jax.tree_util.keystr(path)
    for path, x in jax.tree.leaves_with_path((variables["params"], discriminators)):
        name = jax.tree_util.keystr(path)
        if name.endswith("['kernel']"):
            bound = np.sqrt(6 / (np.prod(x.shape[:2]) * (x.shape[2] + x.shape[3])))
            assert 0.9 * bound < np.abs(x).max() <= bound, name
        else:
            assert (x == (1 if name.endswith("['scale']") else 0)).all(), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"discriminator": {"layers": 3}}, "^discriminator.layers=3: leaves nothing of an image of"),
     ({"image_size": (64, 48)}, r"^image_size=\(64, 48\): must be two multiples of 32"),
     ({"sources": 2}, "^sources=2: must be at most 1"),
     ({"discriminator": {"blocks": 3}}, "^discriminator.blocks: there is no such field"),
     ({"loss": {"l1": 1.0}}, "^loss.l1: there is no such field"),
     ({"loss": {"gan": -1.0}}, "^loss.gan=-1.0: must be at least 0"),
     ({"model": {"dropout": 1.0}}, "^model.dropout=1.0: must be in"),
     ({"model": {"width": 0}}, "^model.width=0: must be at least 1")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(config, changes, message):
    with pytest.raises(SettingError, match=message):
        config.replace(**changes).build_system()


def test_without_a_gan_there_is_no_discriminator(config):
    state = init_state(config.replace(loss={"gan": 0.0}, discriminator={"layers": 9}))
    assert state.discriminators == {}
