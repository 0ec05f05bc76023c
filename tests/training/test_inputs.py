"""Batches come to the step the same by every way in."""

import itertools
import os

import jax
import numpy as np
import pytest

from pnr_jax import sharding
from pnr_jax.data.images import Images
from pnr_jax.examples import Examples
from pnr_jax.training import inputs
from pnr_jax.training.state import Skipped, TrainState

FIELDS = ("source_images", "source_keypoints", "target_image", "target_keypoints")


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    keypoints = rng.integers(-1, 8, (6, 18, 2)).astype(np.int32)
    return Examples(
        Images(images, keypoints, [str(i) for i in range(6)]),
        rng.integers(0, 6, (11, 2)).astype(np.int32),
    )


def seen(config, examples, calls):
    """What a step that only looks is shown: the last batch's fields, call by call."""
    mesh, zero = sharding.make_mesh(), np.zeros((), np.int32)

    def look(state, batch):
        return state.replace(step=state.step + 1), {name: batch[name] for name in FIELDS}

    step = jax.jit(inputs.with_input(look, config, examples, mesh))
    state = TrainState(zero, {}, {}, {}, {}, {}, None, Skipped(zero, zero, zero))
    shown = []
    for feed in itertools.islice(inputs.feeds(config, examples, mesh, 0), calls):
        state, batch = step(state, feed)
        shown.append(jax.tree.map(np.asarray, batch))
    return int(state.step), shown


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_device_and_the_host_give_the_same_batches(small_config, examples):
    small_config = small_config.replace(batch_size=4, steps=9)
    steps, on_device = seen(small_config, examples, 9)
    small_config = small_config.replace(input="host")
    assert_equal(on_device, seen(small_config, examples, 9)[1])
    assert steps == 9
    assert any(
        (a["target_image"] != b["target_image"]).any() for a, b in itertools.pairwise(on_device)
    )


def test_several_steps_a_call_are_those_steps(small_config, examples):
    small_config = small_config.replace(batch_size=4, steps=9)
    _, one_by_one = seen(small_config, examples, 9)
    small_config = small_config.replace(
        steps_per_call=3, log_every=3, checkpoint_every=3, sample_every=3
    )
    steps, by_threes = seen(small_config, examples, 3)
    assert steps == 9
    assert_equal(by_threes, one_by_one[2::3])


@pytest.mark.parametrize("supervised", [True, False])
def test_augmented_batches_are_a_function_of_seed_and_step_by_every_way_in(
    small_config, examples, supervised
):
    config = small_config.replace(
        batch_size=4, steps=9, log_every=3, checkpoint_every=3, sample_every=3,
        supervised=supervised, loss={"gan_image": 0.0},
    )  # fmt: skip
    if not supervised:
        examples = examples._replace(tuples=examples.tuples[:, :1].repeat(2, axis=1))
    _, plain = seen(config, examples, 9)
    config = config.replace(augment={"mirror": 0.5, "rotation": 10.0, "shift": 2.0, "scale": 0.1})
    _, on_device = seen(config, examples, 9)
    assert_equal(seen(config.replace(input="host"), examples, 9)[1], on_device)
    assert_equal(seen(config.replace(steps_per_call=3), examples, 3)[1], on_device[2::3])
    for before, after in zip(plain, on_device, strict=True):
        assert (before["target_image"] != after["target_image"]).any()
        if not supervised:  # The target is the source itself, still.
            np.testing.assert_array_equal(after["target_image"], after["source_images"][:, 0])


def test_the_same_example_is_moved_otherwise_in_every_step_and_by_another_seed(
    small_config, examples
):
    config = small_config.replace(batch_size=4, steps=9, augment={"shift": 3.0})
    examples = examples._replace(tuples=examples.tuples[:1].repeat(11, axis=0))
    _, batches = seen(config, examples, 2)
    _, others = seen(config.replace(seed=1), examples, 1)
    for other in (batches[1], others[0]):
        assert (batches[0]["target_image"] != other["target_image"]).any()


@pytest.mark.parametrize(("room", "chosen"), [(2 * 6 * 8 * 8 * 3, "device"), (2300, "host")])
def test_the_input_follows_the_memory_and_says_so(
    small_config, examples, monkeypatch, room, chosen
):
    said = []
    monkeypatch.setattr(inputs, "free_memory", lambda: room)
    config = small_config.replace(input="auto")
    assert inputs.choose_input(config, examples, said.append).input == chosen
    assert len(said) == 1
    assert inputs.choose_input(small_config, examples, said.append) is small_config
    assert len(said) == 1


def test_the_free_memory_is_the_hosts_where_devices_do_not_tell(monkeypatch):
    assert 2**20 < inputs.free_memory() < 2**50
    monkeypatch.setattr(inputs, "_free_on_host", lambda: 4_096_000)
    for devices, free in ((1, 4_096_000), (8, 512_000)):
        monkeypatch.setattr(jax, "local_device_count", lambda devices=devices: devices)
        assert inputs.free_memory() == free


def test_the_file_cache_of_the_host_is_free(tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemFree:   1 kB\nMemAvailable:   7000 kB\n")
    assert inputs._free_on_host(meminfo) == 7000 * 1024
    monkeypatch.setattr(os, "sysconf", {"SC_AVPHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.get)
    meminfo.write_text("MemTotal: 9 kB\n")
    assert inputs._free_on_host(meminfo) == inputs._free_on_host(tmp_path / "none") == 4_096_000
    monkeypatch.setattr(os, "sysconf_names", {})
    assert inputs._free_on_host(tmp_path / "none") == 0
