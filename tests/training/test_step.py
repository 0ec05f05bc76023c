"""What a step moves, and what it must not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnr_jax.config import Config
from pnr_jax.training import pool
from pnr_jax.training import state as state_lib
from pnr_jax.training.state import init_state, learning_rate, parameter_count, trained_variables
from pnr_jax.training.step import make_step


def moved(before, after):
    """Which leaves changed: {path: bool}."""
    flags = jax.tree.map(lambda a, b: not np.array_equal(a, b, equal_nan=True), before, after)
    return {jax.tree_util.keystr(path): flag for path, flag in jax.tree.leaves_with_path(flags)}


@pytest.mark.parametrize("supervised", [True, False])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_step_moves_every_parameter_of_every_network(small_config, make_batch, supervised, norm):
    small_config = small_config.replace(supervised=supervised)
    small_config = small_config.replace(model={"norm": norm})
    state = init_state(small_config)
    new, metrics = jax.jit(make_step(small_config, None))(state, make_batch())
    assert int(new.step) == 1
    assert all(np.isfinite(value) for value in metrics.values())
    assert set(new.discriminators) == ({"image", "pose"} if supervised else {"pose"})
    assert "image" not in new.discriminator_opt_states or supervised
    params = moved(state.variables["params"], new.variables["params"])
    judges = moved(state.discriminators, new.discriminators)
    assert {name for name, flag in (params | judges).items() if not flag} == set()
    for part in ("appearance", "pose", "generator"):
        assert any(part in name for name in params)
    assert ("batch_stats" in new.variables) == (norm == "batch")
    if norm == "batch":
        stats = moved(state.variables["batch_stats"], new.variables["batch_stats"])
        assert all(stats.values())


def test_bfloat16_computes_with_float32_parameters(small_config, make_batch):
    small_config = small_config.replace(compute_dtype="bfloat16")
    new, metrics = jax.jit(make_step(small_config, None))(init_state(small_config), make_batch())
    assert all(np.isfinite(value) for value in metrics.values())
    kinds = {x.dtype for x in jax.tree.leaves((new.variables, new.discriminators))}
    assert kinds == {np.dtype("float32")}


def test_without_gan_losses_there_are_no_discriminators_and_no_pool(small_config, make_batch):
    small_config = small_config.replace(loss={"gan_image": 0.0, "gan_pose": 0.0})
    state = init_state(small_config)
    assert state.discriminators == {}
    assert state.pool is None
    _, metrics = jax.jit(make_step(small_config, None))(state, make_batch())
    assert set(metrics) == {"l1", "loss"}


def test_unsupervised_training_draws_rows_anew_each_step(small_config, make_batch):
    small_config = small_config.replace(supervised=False)
    small_config = small_config.replace(learning_rate=1e-30)
    step = jax.jit(make_step(small_config, None))
    state, batch = init_state(small_config), make_batch()
    state, first = step(state, batch)
    _, second = step(state, batch)
    assert float(first["l1"]) != float(second["l1"])


def test_steps_are_reproducible_and_follow_the_seed(small_config, make_batch):
    small_config = small_config.replace(model={"dropout": 0.5})
    step = jax.jit(make_step(small_config, None))
    state, batch = init_state(small_config), make_batch()
    once, again = step(state, batch)[0], step(state, batch)[0]
    assert not any(moved(once, again).values())
    small_config = small_config.replace(seed=1)
    assert any(moved(state.variables, init_state(small_config).variables).values())


def test_overfitting_four_pairs_drives_l1_down(small_config, make_batch):
    """Four pairs of flat people before flat walls: learnt to an eighth of the start's L1."""
    small_config = small_config.replace(steps=200, batch_size=4, learning_rate=5e-3)
    small_config = small_config.replace(model={"width": 8, "norm": "instance", "iterations": 3})
    small_config = small_config.replace(loss={"l1": 1.0, "gan_image": 0.0, "gan_pose": 0.0})
    batch = make_batch(B=4)
    rng = np.random.default_rng(3)
    body = np.zeros((4, 32, 32, 1), bool)
    for b in range(4):
        body[b, 4 + b : 28, 10 + 2 * b : 20 + 2 * b] = True
    clothes, wall = rng.integers(0, 256, (2, 4, 1, 1, 3))
    batch["target_image"] = np.where(body, clothes, wall).astype(np.uint8)
    batch["source_images"] = np.where(body[:, :, ::-1], clothes, wall).astype(np.uint8)[:, None]
    step = jax.jit(make_step(small_config, None), donate_argnums=0)
    state = init_state(small_config)
    history = []
    for _ in range(small_config.steps):
        state, metrics = step(state, batch)
        history.append(float(metrics["l1"]))
    assert history[0] > 0.35
    assert np.mean(history[-10:]) < 0.06


def test_a_step_that_is_not_finite_changes_nothing_but_the_counts(small_config, make_batch):
    step = jax.jit(make_step(small_config, None))
    state, batch = init_state(small_config), make_batch()
    last = "['generator']['ReflectConv_0']['Conv_0']['bias']"
    params = jax.tree_util.tree_map_with_path(
        lambda path, x: x.at[0].set(np.nan) if jax.tree_util.keystr(path) == last else x,
        state.variables["params"],
    )
    broken = state.replace(variables=state.variables | {"params": params})
    new, metrics = step(broken, batch)
    assert not np.isfinite(metrics["loss"])
    counts = {name for name, flag in moved(broken, new).items() if flag}
    assert counts == {".step", ".skipped.total", ".skipped.in_a_row", ".skipped.last"}
    assert [int(x) for x in jax.tree.leaves(new.skipped)] == [1, 1, 0]
    good, _ = step(state.replace(step=new.step, skipped=new.skipped), batch)
    assert [int(x) for x in jax.tree.leaves(good.skipped)] == [1, 0, 0]


def test_ema_is_the_running_average(small_config, make_batch):
    small_config = small_config.replace(ema=0.9)
    state = init_state(small_config)
    new, _ = jax.jit(make_step(small_config, None))(state, make_batch())
    expected = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, state.variables, new.variables)
    for found, wanted in zip(jax.tree.leaves(new.ema), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert trained_variables(new) is new.ema
    assert trained_variables(state.replace(ema={})) is state.variables


def test_learning_rate_is_constant_then_falls_to_zero(small_config):
    small_config = small_config.replace(steps=100, decay_from=0.5, learning_rate=0.002)
    rate = learning_rate(small_config)
    np.testing.assert_allclose([rate(s) for s in (0, 50, 75, 100)], [0.002, 0.002, 0.001, 0])
    small_config = small_config.replace(decay_from=1.0)
    assert float(learning_rate(small_config)(99)) == pytest.approx(0.002)


def test_parameter_counts_of_the_papers_size():
    state = jax.eval_shape(lambda: state_lib.fresh_state(Config()))
    residual, trunk = 2 * (9 * 256 * 256 + 512), 9 * 64 * 128 + 9 * 128 * 256 + 2 * (128 + 256)
    f_a = 49 * 3 * 64 + 128 + trunk + 4 * residual
    f_p = 49 * 18 * 64 + 128 + trunk + 4 * residual + 256 * 20 + 20
    G = 4 * residual + 9 * 256 * 128 + 256 + 9 * 128 * 64 + 128 + 49 * 64 * 3 + 3
    assert parameter_count(state.variables["params"]) == f_a + f_p + G
    D_I = 49 * 6 * 64 + 128 + trunk + 3 * residual
    assert parameter_count(state.discriminators["image"]) == D_I
    assert parameter_count(state.discriminators["pose"]) == D_I + 49 * 15 * 64


class TestPool:
    """The pool against a list, as PATN keeps it."""

    def test_it_swaps_fake_and_condition_together(self):
        size, B = 5, 4
        filled = pool.empty(size, {"image": jnp.zeros((1, 2)), "pose": jnp.zeros((1,), jnp.int32)})
        exchange, kept, returned_old = jax.jit(pool.exchange), [], 0
        for step in range(20):
            numbers = np.arange(B) + B * step
            batch = {"image": np.stack([numbers, -numbers], 1).astype(np.float32), "pose": numbers}
            filled, out = exchange(filled, batch, jax.random.key(step))
            np.testing.assert_array_equal(out["image"][:, 0], out["pose"])
            np.testing.assert_array_equal(out["image"][:, 1], -out["pose"])
            for given, got in zip(numbers.tolist(), np.asarray(out["pose"]).tolist(), strict=True):
                if len(kept) < size:
                    assert got == given
                    kept.append(given)
                elif got != given:
                    returned_old += 1
                    kept[kept.index(got)] = given
            assert sorted(np.asarray(filled.entries["pose"]).tolist()[: len(kept)]) == sorted(kept)
        assert int(filled.count) == size
        assert 20 < returned_old < 55  # Of 75 draws at probability 0.5.
