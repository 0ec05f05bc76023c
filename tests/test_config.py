"""The paper's numbers in every configuration, and what a run's folder accepts."""

import functools
import importlib.util
import json
import math
from operator import getitem
from pathlib import Path

import pytest

from pnr_jax import config as config_lib
from pnr_jax.config import check, check_workdir, default_config
from pnr_jax.errors import UserError

FOLDER = Path(__file__).parents[1] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
NAMED_BY_PAPER = [name for name in NAMES if name.endswith(("_lad", "_lse"))]

# Programs outside the package read and set these.
RELIED_ON = {
    "seed": int,
    "steps": int,
    "batch_size": int,
    "image_size": tuple,
    "supervised": bool,
    "log_every": int,
    "checkpoint_every": int,
    "compute_dtype": str,
    "learning_rate": float,
    "loss.l1": float,
    "loss.perceptual": float,
    "loss.gan_image": float,
    "loss.gan_pose": float,
    "model.p": float,
    "model.rowwise": bool,
    "model.solver": str,
    "model.iterations": int,
    "model.eps": float,
    "model.width": int,
    "model.blocks": int,
    "model.d": int,
    "model.norm": str,
}


def get_config(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def field(config, path):
    return functools.reduce(getitem, path.split("."), config)


def change(config, path, value):
    *parents, name = path.split(".")
    functools.reduce(getitem, parents, config)[name] = value


def test_the_configurations_that_bear_the_papers_name_are_there():
    kinds = [f"{kind}_{norm}" for kind in ("supervised", "unsupervised") for norm in ("lad", "lse")]
    assert [f"market1501_{kind}" for kind in kinds] == NAMED_BY_PAPER
    assert {"market1501_small", "quickstart"} < set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_is_sound_and_whole(name):
    config = get_config(name)
    check(config)
    for path, kind in RELIED_ON.items():
        assert type(field(config, path)) is kind, path
    assert set(config_lib._flat(config)) == set(config_lib._flat(default_config()))


@pytest.mark.parametrize("name", NAMED_BY_PAPER)
def test_the_papers_numbers(name):
    config = get_config(name)
    supervised = "unsupervised" not in name
    assert config.supervised == supervised
    assert config.image_size == (128, 64)
    assert config.sources == 1
    assert config.model.d == 20
    assert 4 * config.model.width == 256  # D
    assert config.model.blocks == (4 if supervised else 2)  # N
    assert config.model.p == (1 if name.endswith("lad") else 2)
    assert (config.model.solver, config.model.gradient) == ("irls", "last_step")  # Eq. 3.
    assert not config.model.rowwise
    assert config.model.keep_rows == 0.5  # p(v = 1)
    assert (config.learning_rate, config.adam_b1, config.adam_b2) == (0.002, 0.5, 0.999)
    weights = [config.loss[name] for name in ("l1", "perceptual", "gan_image", "gan_pose")]
    assert weights == [5, 5, 10 if supervised else 0, 10]  # λ1 to λ4
    assert config.data.name == "market1501"


@pytest.mark.parametrize("name", NAMED_BY_PAPER)
def test_what_the_paper_does_not_state_is_patns(name):
    config = get_config(name)
    assert (config.batch_size, config.steps, config.pool_size) == (32, 700 * 125, 50)
    assert config.decay_from == 1.0  # No decay: the paper states one rate.
    assert config.model.norm == config.discriminator.norm == "batch"
    assert (config.discriminator.blocks, config.discriminator.dropout) == (3, 0.5)
    assert config.model.sigma == 6
    assert config.ema == 0


def test_the_default_is_the_papers_supervised_lad():
    assert default_config() == get_config("market1501_supervised_lad")


def test_the_quickstart_needs_no_file():
    config = get_config("quickstart")
    assert config.data.name == "people"
    assert config.data.train_identities and config.data.test_identities and config.data.test_tuples


BAD = [
    ("image_size", (126, 64)),
    ("image_size", (128, 62)),
    ("image_size", (128, 28)),
    ("image_size", (128,)),
    ("image_size", (128, 64, 64)),
    ("steps", 0),
    ("batch_size", 0),
    ("sources", 0),
    ("compute_dtype", "float16"),
    ("learning_rate", 0.0),
    ("model.p", 0.5),
    ("model.p", 2.5),
    ("model.iterations", 0),
    ("model.solver", "newton"),
    ("model.d", 0),
    ("model.width", 0),
    ("model.norm", "layer"),
    ("model.keep_rows", 0.0),
    ("model.keep_rows", 1.5),
    ("discriminator.norm", "none"),
    ("decay_from", -0.5),
    ("decay_from", 1.5),
    ("ema", 1.0),
    ("data.name", "deepfashion"),
    ("log_every", 0),
    ("checkpoint_every", 0),
    ("sample_every", 0),
    ("keep_checkpoints", 0),
    ("max_skipped", 0),
    ("steps_per_call", 0),
    ("input", "disk"),
    ("seed", -1),
    ("seed", 2**31),
    ("data.seed", -1),
    ("data.seed", 2**31),
    ("steps", 2**32 // 32),
    ("pool_size", -1),
    ("adam_b1", 1.0),
    ("adam_b2", -0.1),
    ("loss.l1", -1.0),
    ("loss.perceptual", -1.0),
    ("loss.gan_image", -1.0),
    ("loss.gan_pose", -1.0),
    ("model.blocks", -1),
    ("model.ridge", -0.1),
    ("model.dropout", 1.0),
    ("model.dropout", -0.1),
    ("model.sigma", 0.0),
    ("model.sigma", math.inf),
    ("model.sigma", math.nan),
    ("model.eps", 0.0),
    ("model.gradient", "paper"),
    ("model.up_kernel", 0),
    ("model.up_kernel", 5),
    ("discriminator.width", 0),
    ("discriminator.blocks", -1),
    ("discriminator.dropout", 1.0),
    ("data.train_identities", -1),
    ("data.test_identities", -1),
    ("data.views", -1),
    ("data.test_tuples", -1),
]


@pytest.mark.parametrize(("path", "value"), BAD)
def test_a_bad_value_is_named_with_its_flag(path, value):
    config = default_config()
    change(config, path, value)
    with pytest.raises(UserError) as caught:
        check(config)
    assert str(caught.value).startswith(f"--config.{path}={value}: must be ")


@pytest.mark.parametrize(
    ("path", "value"),
    [("data.train_identities", 0), ("data.test_identities", 0), ("data.views", 5),
     ("data.test_tuples", 0)],
)  # fmt: skip
def test_the_embedded_people_need_a_count_of_each(path, value, small_config):
    change(small_config, path, value)
    with pytest.raises(UserError) as caught:
        check(small_config)
    assert str(caught.value) == f"--config.{path}={value}: must be at least {value + 1}"
    small_config.data.name = "folder"
    check(small_config)


def test_an_unsupervised_example_has_one_source():
    config = default_config()
    config.update(supervised=False, sources=3)
    with pytest.raises(UserError, match="sources=3: must be 1 in unsupervised training"):
        check(config)
    config.supervised = True
    check(config)


def test_a_loop_of_unknown_length_has_no_unrolled_gradient():
    config = default_config()
    config.model.update(solver="primal_dual", gradient="unrolled")
    with pytest.raises(UserError, match="gradient=unrolled: must be last_step or implicit with"):
        check(config)
    config.model.gradient = "implicit"
    check(config)


@pytest.mark.parametrize(
    ("p", "rowwise", "name"),
    [(1.0, False, "LAD"), (2.0, False, "LSE"), (1.5, False, "p = 1.5"),
     (1.0, True, "LAD of rows"), (2.0, True, "LSE"), (1.5, True, "p = 1.5 of rows")],
)  # fmt: skip
def test_the_norm_has_a_name(p, rowwise, name):
    config = default_config()
    config.model.update(p=p, rowwise=rowwise)
    assert config_lib.norm_name(config) == name


def test_steps_are_made_by_whole_calls_on_the_device():
    config = default_config()
    config.update(steps_per_call=4, sample_every=2_502)
    with pytest.raises(UserError, match=r"sample_every=2502: must be a multiple of .* = 4"):
        check(config)
    config.update(sample_every=2_500, input="host")
    with pytest.raises(UserError, match="steps_per_call=4: must be 1 with"):
        check(config)
    config.input = "device"
    check(config)


def test_the_ends_of_the_ranges_are_in_them():
    config = default_config()
    config.update(seed=2**31 - 1, steps=2**32 // 32 - 1, pool_size=0, decay_from=0.0, adam_b1=0.0)
    config.model.update(blocks=0, dropout=0.0, up_kernel=4, keep_rows=1.0, p=2.0, ridge=0.0)
    config.discriminator.blocks = 0
    config.loss.update(l1=0.0, perceptual=0.0, gan_image=0.0, gan_pose=0.0)
    check(config)


def test_a_saved_configuration_loads_again(tmp_path, small_config):
    small_config.supervised = False
    config_lib.save(small_config, tmp_path)
    loaded = config_lib.load(tmp_path)
    assert loaded == small_config
    assert config_lib.load(str(tmp_path)) == small_config
    assert type(loaded.image_size) is tuple
    as_json = json.loads((tmp_path / "config.json").read_text())
    assert as_json["model"]["d"] == small_config.model.d


def test_fields_that_a_saved_configuration_lacks_have_their_defaults(tmp_path):
    (tmp_path / "config.json").write_text('{"steps": 7, "model": {"d": 3}}')
    expected = default_config()
    expected.steps, expected.model.d = 7, 3
    assert config_lib.load(tmp_path) == expected


def test_a_run_of_the_time_before_there_were_solvers_loads(tmp_path):
    saved = default_config().to_dict()
    del saved["model"]["solver"], saved["model"]["rowwise"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert config_lib.load(tmp_path) == default_config()


def test_loading_where_no_run_is_says_so(tmp_path):
    with pytest.raises(UserError, match=rf"--workdir={tmp_path}: no run here"):
        config_lib.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ['{"steps": 7', "[1, 2]", '{"stepz": 7}', '{"model": {"q": 1}}', '{"steps": "many"}',
     '{"model": 3}', '{"image_size": 64}', '{"image_size": [64.0, 32]}'],
)  # fmt: skip
def test_a_damaged_configuration_is_named(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError) as caught:
        config_lib.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'config.json'}: not a configuration")


@pytest.mark.parametrize(
    ("path", "value"),
    [("seed", 1), ("model.p", 2.0), ("data.views", 9), ("image_size", (64, 32)), ("ema", 0.9)],
)
def test_a_workdir_refuses_another_configuration(path, value, tmp_path):
    config_lib.save(default_config(), tmp_path)
    other = default_config()
    before = field(other, path)
    change(other, path, value)
    with pytest.raises(UserError) as caught:
        check_workdir(other, tmp_path)
    assert f"{path}={before}, not {value}" in str(caught.value)


def test_a_workdir_lets_a_run_go_on_with_what_may_change(tmp_path):
    config_lib.save(default_config(), tmp_path)
    check_workdir(default_config(), tmp_path)
    longer = default_config()
    longer.update(steps=100_000, log_every=7, checkpoint_every=9, sample_every=8)
    longer.update(keep_checkpoints=5, data_dir="elsewhere", vgg19="elsewhere.npz")
    check_workdir(longer, tmp_path)


def test_any_configuration_may_start_in_a_new_workdir(tmp_path):
    check_workdir(default_config(), tmp_path / "not_yet")
