"""PG2's networks against their published sizes, its parts against NumPy, its two stages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax import config_files
from pnr_jax.config import Config
from pnr_jax.settings import SettingError
from pnr_jax.systems.discs import limb_mask, pose_discs
from pnr_jax.systems.pg2 import Coarse, Fine, ImageDiscriminator
from pnr_jax.systems.protocol import Sources
from pnr_jax.training.state import init_state
from pnr_jax.training.step import make_step
from tests.systems.layers import parameter_count, random_params

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def config():
    return Config(image_size=(32, 32), batch_size=2, pool_size=0, learning_rate=1e-3).replace(
        system={"name": "pg2"},
        model={"width": 4, "code": 8, "radius": 2, "first_steps": 2},
        discriminator={"width": 4},
    )


@pytest.fixture(scope="module")
def states(config, make_batch):
    """The states and metrics of four steps, two a stage, with a running average."""
    config = config.replace(ema=0.9)
    step, state, batch = jax.jit(make_step(config, None)), init_state(config), make_batch()
    found = [(state, None)]
    for _ in range(4):
        found.append(step(found[-1][0], batch))
    return found


def conv(x, params, stride=1):
    """A convolution padded as TensorFlow's SAME: the odd pixel at the bottom and the right."""
    layer = params.get("Conv_0", params)
    kernel, size = layer["kernel"], len(layer["kernel"])
    total = size - stride if size > 1 else 0
    side = (total // 2, total - total // 2)
    x = np.pad(x, ((0, 0), side, side, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    y = np.einsum("byxcij,ijcf->byxf", windows[:, ::stride, ::stride], kernel)
    return y + layer["bias"]


def relu(x):
    return np.maximum(x, 0)


def dense(x, params):
    return x @ params["kernel"] + params["bias"]


def doubled(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def applied(module, x):
    """What a module makes of an input with random parameters, and these."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)["params"]
    params = random_params(shapes)
    apply = jax.jit(lambda params: module.apply({"params": params}, x, mutable=["batch_stats"])[0])
    return apply(params), params


def test_the_networks_have_the_published_numbers_of_parameters():
    system = Config().replace(system={"name": "pg2"}).build_system()
    variables, discriminators = jax.eval_shape(system.init, jax.random.key(0))
    assert parameter_count(variables["params"]["coarse"]) == 70_795_075
    assert parameter_count(variables["params"]["fine"]) == 6_058_883
    assert parameter_count(discriminators["image"]) == 4_324_737


def test_the_recipe_is_the_published_one():
    config = config_files.find_config("market1501_pg2")
    assert (config.steps, config.batch_size, config.model.first_steps) == (36_000, 16, 22_000)
    assert (config.learning_rate, config.decay_from) == (2e-5, 1)
    assert (config.adam_b1, config.adam_b2, config.pool_size) == (0.5, 0.999, 0)
    assert (config.loss.l1, config.loss.gan) == (10, 1)
    assert (config.model.radius, config.augment.mirror, config.image_size) == (4, 0.5, (128, 64))
    assert not config.build_system().discriminators_first


def test_the_first_generator_is_its_equations():
    x = RNG.normal(size=(2, 64, 32, 21))
    found, params = applied(Coarse(2, 6, jnp.float32), x)
    convs = (params[f"Conv_{i}"] for i in range(10))
    blocks = (params[f"Residual_{i}"] for i in range(10))

    def residual(x):
        block = next(blocks)
        return x + relu(conv(relu(conv(x, block["Conv_0"])), block["Conv_1"]))

    x = relu(conv(x, next(convs)))
    skips = []
    for i in range(5):
        x = residual(x)
        skips.append(x)
        if i < 4:
            x = relu(conv(x, next(convs), stride=2))
    assert [skip.shape[1:] for skip in skips] == [
        (64, 32, 2), (32, 16, 4), (16, 8, 6), (8, 4, 8), (4, 2, 10)
    ]  # fmt: skip
    code = dense(x.reshape(2, -1), params["Dense_0"])
    assert code.shape == (2, 6)
    x = dense(code, params["Dense_1"]).reshape(2, 4, 2, 2)
    for i in range(5):
        x = residual(np.concatenate([x, skips[4 - i]], axis=-1))
        if i < 4:
            x = relu(conv(doubled(x), next(convs)))
    np.testing.assert_allclose(found, conv(x, next(convs)), rtol=1e-3, atol=1e-3)


def test_the_second_generator_is_its_equations():
    x = RNG.normal(size=(2, 16, 8, 6))
    found, params = applied(Fine(2, jnp.float32), x)
    convs = (params[f"Conv_{i}"] for i in range(16))

    def two(x):
        return relu(conv(relu(conv(x, next(convs))), next(convs)))

    x = relu(conv(x, next(convs)))
    skips = []
    for i in range(3):
        x = two(x)
        skips.append(x)
        if i < 2:
            x = relu(conv(x, next(convs), stride=2))
    assert [skip.shape[1:] for skip in skips] == [(16, 8, 2), (8, 4, 4), (4, 2, 6)]
    for skip in (skips[2], skips[1]):
        x = doubled(two(np.concatenate([x, skip], axis=-1)))
    x = two(x)
    np.testing.assert_allclose(found, conv(x, next(convs)), rtol=1e-3, atol=1e-3)


def test_the_discriminator_is_its_equations():
    x = RNG.normal(size=(3, 32, 16, 3))
    found, params = applied(ImageDiscriminator(2, jnp.float32), x)
    for i in range(4):
        x = conv(x, params[f"Conv_{i}"], stride=2)
        if i:
            norm = params[f"Norm_{i - 1}"]["BatchNorm_0"]
            mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            x = (x - mean) / np.sqrt(var + 1e-5) * norm["scale"] + norm["bias"]
        x = np.where(x > 0, x, 0.2 * x)
    wanted = dense(x.reshape(3, -1), params["Dense_0"])[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_parameters_begin_as_published(config):
    variables, discriminators = jax.jit(config.build_system().init)(jax.random.key(0))
    for path, x in jax.tree.leaves_with_path((variables["params"], discriminators)):
        name = jax.tree_util.keystr(path)
        if name.endswith("['kernel']"):
            fans = np.prod(x.shape[:-2]) * (x.shape[-2] + x.shape[-1])
            bound = 0.02 * np.sqrt(3) if "'image'" in name else np.sqrt(6 / fans)
            assert 0.8 * bound < np.abs(x).max() <= bound, name
            assert x.min() < 0 < x.max()
        else:
            assert (x == (1 if name.endswith("['scale']") else 0)).all(), name


def moved(before, after):
    flags = jax.tree.map(lambda x, y: bool((x != y).any()), before, after)
    return any(jax.tree.leaves(flags))


def test_each_stage_trains_its_own_networks_alone(states):
    for number in range(1, 5):
        before, after = states[number - 1][0], states[number][0]
        first = number <= 2
        params = (before.variables["params"], after.variables["params"])
        coarse, fine = (moved(*(x[name] for x in params)) for name in ("coarse", "fine"))
        judges = moved(before.discriminators, after.discriminators)
        assert (coarse, fine, judges) == (first, not first, not first)
        assert int(after.skipped.total) == 0


def test_the_running_average_counts_the_steps_themselves(states):
    for number, (state, _) in enumerate(states):
        assert float(state.ema["steps"]["done"]) == number
    before, after = (states[number][0] for number in (3, 4))
    wanted = jax.tree.map(
        lambda a, b: 0.9 * a + 0.1 * b, before.ema["params"], after.variables["params"]
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after.ema["params"], wanted
    )


def test_adam_begins_anew_with_the_second_stage(states, config):
    """Its first step has the length of the rate, whatever number the step has."""
    before, after = (states[number][0].variables["params"]["fine"] for number in (2, 3))
    moved = np.concatenate(
        [np.ravel(x - y) for x, y in zip(*map(jax.tree.leaves, (after, before)), strict=True)]
    )
    # A gradient of exactly 0 moves nothing; one of about Adam's ε moves less.
    lengths = np.abs(moved[moved != 0])
    assert np.median(lengths) == pytest.approx(config.learning_rate, rel=0.02)
    assert lengths.max() < 1.01 * config.learning_rate


@pytest.mark.parametrize("gan", [0.0, 1.0])
def test_the_second_stage_learns_a_batch(config, make_batch, gan):
    """One that does not see or move what it draws leaves the distance as it was."""
    config = config.replace(
        model={"width": 8, "first_steps": 0}, loss={"gan": gan}, learning_rate=2e-3
    )
    step, state, batch = jax.jit(make_step(config, None)), init_state(config), make_batch()
    distances = []
    for _ in range(60):
        state, metrics = step(state, batch)
        distances.append(float(metrics["l1"] + metrics["masked_l1"]))
    assert distances[-1] < 0.9 * min(distances[:5]), distances[::10]


def test_every_parameter_gets_a_gradient_in_its_stage(config, make_batch):
    system, batch = config.build_system(), make_batch()
    variables, discriminators = jax.jit(system.init)(jax.random.key(0))

    @jax.jit
    def gradient(done):
        def loss(params):
            steps = {"done": jnp.float32(done)}
            return system.generator_loss(
                {"params": params, "steps": steps}, discriminators, batch, None, jax.random.key(1)
            )[0]

        return jax.grad(loss)(variables["params"])

    for done, trained in ((0, "coarse"), (1, "coarse"), (2, "fine")):
        for path, x in jax.tree.leaves_with_path(gradient(done)):
            name = jax.tree_util.keystr(path)
            if f"['{trained}']" not in name:
                assert (x == 0).all(), name
            elif name.endswith("['kernel']"):  # A bias behind a dead unit has none.
                assert np.abs(x).max() > 0, name


def test_losses_are_those_of_the_stage(config, make_batch):
    config = config.replace(loss={"l1": 7.0, "gan": 2.0})
    system, batch = config.build_system(), make_batch()
    variables, discriminators = jax.jit(system.init)(jax.random.key(0))
    target, source = batch["target_image"] / 127.5 - 1, batch["source_images"][:, 0] / 127.5 - 1
    mask = np.asarray(limb_mask(jnp.asarray(batch["target_keypoints"]), (32, 32), 2))[..., None]
    assert 0 < mask.mean() < 1

    def entropy(logits, label):
        D = 1 / (1 + np.exp(-np.float64(logits)))
        return -np.log(D if label else 1 - D).mean()

    loss = jax.jit(lambda v: system.generator_loss(v, discriminators, batch, None, None))
    discs = pose_discs(jnp.asarray(batch["target_keypoints"]), (32, 32), 2)
    params = variables["params"]
    x = jnp.concatenate([jnp.float32(source), discs], axis=-1)
    coarse = system.coarse.apply({"params": params["coarse"]}, x)
    both = jnp.concatenate([coarse, jnp.float32(source)], axis=-1)
    whole = coarse + system.fine.apply({"params": params["fine"]}, both)
    for done, images in ((1.0, coarse), (2.0, whole)):
        total, drawn = loss(variables | {"steps": {"done": jnp.float32(done)}})
        error = np.abs(np.asarray(images) - target)
        wanted = error.mean() + (error * mask).mean()
        np.testing.assert_allclose(drawn.images, images, atol=1e-5)
        assert float(drawn.updates["steps"]["done"]) == done + 1
        assert float(drawn.metrics["l1"]) == pytest.approx(error.mean(), rel=1e-5)
        assert float(drawn.metrics["masked_l1"]) == pytest.approx((error * mask).mean(), rel=1e-5)
        if done == 2:
            judge = {"params": discriminators["image"]}
            stacked = jnp.concatenate([jnp.float32(target), jnp.float32(source), images])
            logits, _ = system.discriminator.apply(judge, stacked, mutable=["batch_stats"])
            real, fake, drawn_logits = np.split(np.asarray(logits), 3)
            gan = entropy(drawn_logits, True)
            wanted = 7 * wanted + 2 * gan
            shown = (
                system.discriminator_inputs(jnp.float32(target), batch),
                system.discriminator_inputs(images, batch),
            )
            judged = system.discriminator_loss("image", judge["params"], *shown, None)
            triplet = entropy(real, True) / 2 + entropy(fake, False) / 4
            assert float(judged) == pytest.approx(triplet + entropy(drawn_logits, False) / 4, 1e-4)
        assert float(total) == pytest.approx(wanted, rel=1e-4)


def test_the_stage_says_what_is_drawn(config, make_batch):
    system, batch = config.build_system(), make_batch()
    variables, _ = jax.jit(system.init)(jax.random.key(0))
    sources = Sources(batch["source_images"], batch["source_keypoints"], batch["source_valid"])
    render = jax.jit(lambda v: system.render(v, sources, batch["target_keypoints"]))
    drawn = [render(variables | {"steps": {"done": jnp.float32(done)}}) for done in (2, 3)]
    assert (drawn[0] != drawn[1]).any()  # At the end of stage I the second network is untrained.
    assert np.abs(drawn[1]).max() <= 1
    # With nothing added both stages draw the same.
    last = variables["params"]["fine"]["Conv_15"]["Conv_0"]
    last["kernel"] = jnp.zeros_like(last["kernel"])
    drawn = [render(variables | {"steps": {"done": jnp.float32(done)}}) for done in (2, 3)]
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"image_size": (32, 40)}, r"^image_size=\(32, 40\): must be two multiples of 16"),
     ({"sources": 3}, "^sources=3: must be at most 1, all that pg2 can see"),
     ({"model": {"first_steps": -1}}, "^model.first_steps=-1: must be at least 0"),
     ({"model": {"radius": 0}}, "^model.radius=0: must be at least 1"),
     ({"model": {"sigma": 6.0}}, "^model.sigma: there is no such field"),
     ({"discriminator": {"width": 0}}, "^discriminator.width=0: must be at least 1"),
     ({"loss": {"perceptual": 1.0}}, "^loss.perceptual: there is no such field"),
     ({"loss": {"l1": -1.0}}, "^loss.l1=-1.0: must be at least 0")],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(config, changes, message):
    with pytest.raises(SettingError, match=message):
        config.replace(**changes)
