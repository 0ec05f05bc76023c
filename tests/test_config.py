"""The paper's numbers in every configuration, and what a run's folder accepts."""

import json
import math
from pathlib import Path

import pytest

from pnr_jax import config as config_lib
from pnr_jax import config_files
from pnr_jax.config import Config, check_workdir
from pnr_jax.data import DATA_SETS, DataSet
from pnr_jax.data.warps import Augment
from pnr_jax.errors import UserError
from pnr_jax.settings import SettingError
from pnr_jax.systems import SYSTEMS
from pnr_jax.systems.adversarial import LossSettings

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


def change(config, path, value):
    *part, name = path.split(".")
    return config.replace(**({part[0]: {name: value}} if part else {name: value}))


def test_the_configurations_that_bear_the_papers_name_are_there():
    kinds = [f"{kind}_{norm}" for kind in ("supervised", "unsupervised") for norm in ("lad", "lse")]
    assert [f"market1501_{kind}" for kind in kinds] == NAMED_BY_PAPER
    assert {"market1501_small", "quickstart"} < set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_is_sound_and_whole(name):
    config = config_files.find_config(name)
    values = config.flat()
    own = () if isinstance(config.loss, LossSettings) else ("loss.",)
    own += () if config.system.name == "pnr" else ("model.",)
    for path, kind in RELIED_ON.items():
        if not path.startswith(own):
            assert type(values[path]) is kind, path


@pytest.mark.parametrize("name", NAMED_BY_PAPER)
def test_the_papers_numbers(name):
    config = config_files.find_config(name)
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
    weights = [getattr(config.loss, name) for name in ("l1", "perceptual", "gan_image", "gan_pose")]
    assert weights == [5, 5, 10 if supervised else 0, 10]  # λ1 to λ4
    assert config.data.name == "market1501"


@pytest.mark.parametrize("name", NAMED_BY_PAPER)
def test_what_the_paper_does_not_state_is_patns(name):
    config = config_files.find_config(name)
    assert (config.batch_size, config.steps, config.pool_size) == (32, 700 * 125, 50)
    assert config.decay_from == 1.0  # No decay: the paper states one rate.
    assert config.model.norm == config.discriminator.norm == "batch"
    assert (config.discriminator.blocks, config.discriminator.dropout) == (3, 0.5)
    assert config.model.sigma == 6
    assert config.ema == 0
    assert config.augment == Augment()  # PATN does not flip.


def test_the_default_is_the_papers_supervised_lad():
    assert Config() == config_files.find_config("market1501_supervised_lad")


def test_the_quickstart_needs_no_file():
    config = config_files.find_config("quickstart")
    assert config.data.name == "people"
    assert config.data.train_identities and config.data.test_identities and config.data.test_tuples


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("deepfashion")])
def test_what_is_drawn_of_deepfashion_is_its_own_size_and_nothing_is_moved(name):
    config = config_files.find_config(name)
    assert config.image_size == config.data.image_size == (256, 176)
    # XingGAN's are 300 epochs of 4,000 pairs, PATN's 700.
    epochs = 300 if config.system.name == "xinggan" else 700
    assert config.steps * config.batch_size == 4_000 * epochs
    assert config.augment == Augment()


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
    ("data.name", "nobody"),
    ("log_every", 0),
    ("checkpoint_every", 0),
    ("sample_every", 0),
    ("keep_checkpoints", 0),
    ("max_skipped", 0),
    ("steps_per_call", 0),
    ("input", "disk"),
    ("seed", -1),
    ("seed", 2**31),
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
    ("system.name", "gan"),
    ("steps", 3.5),
    ("steps", True),
    ("supervised", 1),
    ("model.p", "one"),
    ("model", 3),
]


@pytest.mark.parametrize(("path", "value"), BAD)
def test_a_bad_value_is_named_with_its_flag(path, value):
    with pytest.raises(SettingError) as caught:
        change(Config(), path, value)
    assert str(caught.value).startswith(f"{path}={value}: must be ")


@pytest.mark.parametrize(
    ("path", "value"),
    [("data.train_identities", 0), ("data.test_identities", 0), ("data.views", 5),
     ("data.test_tuples", 0), ("data.seed", -1), ("data.seed", 2**31)],
)  # fmt: skip
def test_the_embedded_people_need_a_count_of_each(path, value, small_config):
    with pytest.raises(SettingError, match=f"^{path}={value}: must be "):
        change(small_config, path, value)


def test_another_name_begins_with_the_defaults_of_what_it_names():
    config = Config().replace(model={"d": 7}, data={"name": "people", "views": 8})
    assert config.data.views == 8
    other = config.replace(system={"name": "unet"}, model={"width": 16})
    assert type(other.model).__name__ == "UNetSettings"
    assert other.model.width == 16
    assert other.data == config.data
    assert config.replace(system={"name": "pnr"}) == config
    assert set(config.replace(data={"name": "folder"}).data.to_dict()) == {"name"}


def test_a_system_that_sees_one_source_is_not_trained_with_more():
    with pytest.raises(SettingError, match="sources=3: must be at most 1, all that unet can see"):
        Config(sources=3).replace(system={"name": "unet"})


@pytest.mark.parametrize("path", ["stepz", "model.q", "data.views", "loss.perceptual_required"])
def test_a_field_that_does_not_exist_is_named(path):
    with pytest.raises(SettingError, match=f"^{path}: there is no such field"):
        change(Config(), path, 1)


def test_changes_as_text_have_the_types_of_the_fields():
    changes = ["model.width=16", "system.name=unet", "image_size=(64, 32)", "supervised=false",
               "learning_rate=1", "data.name=people", "data.views=8"]  # fmt: skip
    config = config_files.with_changes(Config(), changes)
    assert (config.model.width, config.image_size, config.supervised) == (16, (64, 32), False)
    assert type(config.learning_rate) is float
    assert config.data.views == 8
    every = ["log_every=7", "checkpoint_every=7", "sample_every=7"]
    together = ["steps_per_call=7", "steps=7", *every]
    assert config_files.with_changes(Config(), together).steps == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [("model.widht=16", "model.widht: there is no such field; did you mean model.width?"),
     ("steps=many", "steps=many: must be a whole number"),
     ("supervised=maybe", "supervised=maybe: must be True or False"),
     ("image_size=(64,", r"image_size=\(64,: must be two multiples of 4, at least 32")],
)  # fmt: skip
def test_a_wrong_change_as_text_is_named(change, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        config_files.with_changes(Config(), [change])


def test_a_configuration_file_says_what_is_wrong_with_it(tmp_path):
    with pytest.raises(UserError, match=r"no such file, and no configuration among .*quickstart"):
        config_files.find_config("none")
    path = tmp_path / "mine.py"
    for text, message in (
        ("x = 1\n", "has no function 'get_config'"),
        ("get_config = 3\n", "has no function 'get_config'"),
        ("def get_config():\n    return {}\n", "returns dict, not a Config"),
        ("from pnr_jax.config import Config\n\ndef get_config():\n    return Config(steps=0)\n",
         "steps=0: must be at least 1"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(UserError, match=f"{path}: .*{message}"):
            config_files.find_config(str(path))


def test_an_error_inside_a_configuration_file_stays_what_it_is(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def get_config():\n    return {}['rate']\n")
    with pytest.raises(KeyError, match="rate"):
        config_files.find_config(str(path))


def test_an_unsupervised_example_has_one_source():
    with pytest.raises(UserError, match="sources=3: must be 1 in unsupervised training"):
        Config(supervised=False, sources=3)
    Config(sources=3)


def test_a_loop_of_unknown_length_has_no_unrolled_gradient():
    model = {"solver": "primal_dual", "iterations": 100, "gradient": "implicit"}
    config = Config().replace(model=model)
    with pytest.raises(UserError, match="iterations=5: must be at least 20 with"):
        config.replace(model={"iterations": 5})
    with pytest.raises(UserError, match="gradient=unrolled: must be last_step or implicit with"):
        config.replace(model={"gradient": "unrolled"})


@pytest.mark.parametrize(
    ("p", "rowwise", "name"),
    [(1.0, False, "LAD"), (2.0, False, "LSE"), (1.5, False, "p = 1.5"),
     (1.0, True, "LAD of rows"), (2.0, True, "LSE"), (1.5, True, "p = 1.5 of rows")],
)  # fmt: skip
def test_the_norm_has_a_name(p, rowwise, name):
    model = Config().model.replace(p=p, rowwise=rowwise)
    assert model.norm_name() == name
    assert Config(model=model).build_system().title == f"pNR ({name})"
    assert Config(model=model, supervised=False).build_system().title == f"pNR* ({name})"


def test_steps_are_made_by_whole_calls_on_the_device():
    with pytest.raises(UserError, match=r"sample_every=2502: must be a multiple of .* = 4"):
        Config(steps_per_call=4, sample_every=2_502)
    with pytest.raises(UserError, match="steps_per_call=4: must be 1 with"):
        Config(steps_per_call=4, input="host")
    Config(steps_per_call=4)


def test_the_ends_of_the_ranges_are_in_them():
    config = Config(seed=2**31 - 1, steps=2**32 // 32 - 1, pool_size=0, decay_from=0.0, adam_b1=0.0)
    model = {"blocks": 0, "dropout": 0.0, "up_kernel": 4, "keep_rows": 1.0, "p": 2.0, "ridge": 0.0}
    loss = {"l1": 0.0, "perceptual": 0.0, "gan_image": 0.0, "gan_pose": 0.0}
    config.replace(model=model, loss=loss, discriminator={"blocks": 0})


def test_a_saved_configuration_loads_again(tmp_path, small_config):
    small_config = small_config.replace(supervised=False)
    config_lib.write_config(small_config, tmp_path)
    loaded = config_lib.read_config(tmp_path)
    assert loaded == small_config
    assert config_lib.read_config(str(tmp_path)) == small_config
    assert type(loaded.image_size) is tuple
    as_json = json.loads((tmp_path / "config.json").read_text())
    assert as_json["model"]["d"] == small_config.model.d


def test_fields_that_a_saved_configuration_lacks_have_their_defaults(tmp_path):
    (tmp_path / "config.json").write_text('{"steps": 7, "model": {"d": 3}}')
    assert config_lib.read_config(tmp_path) == Config(steps=7).replace(model={"d": 3})


def test_a_run_of_version_0_1_loads(tmp_path):
    people = {"seed": 0, "train_identities": 0, "test_identities": 0, "views": 0, "test_tuples": 0}
    saved = Config().to_dict()
    del saved["system"], saved["model"]["solver"], saved["model"]["rowwise"]
    saved["loss"]["perceptual_required"] = True
    saved["data"] |= people
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert config_lib.read_config(tmp_path) == Config()


def test_loading_where_no_run_is_says_so(tmp_path):
    with pytest.raises(UserError, match=rf"^{tmp_path}: no run here"):
        config_lib.read_config(tmp_path)


@pytest.mark.parametrize(
    "text",
    ['{"steps": 7', "[1, 2]", '{"stepz": 7}', '{"model": {"q": 1}}', '{"steps": "many"}',
     '{"model": 3}', '{"image_size": 64}', '{"image_size": [64.0, 32]}'],
)  # fmt: skip
def test_a_damaged_configuration_is_named(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError) as caught:
        config_lib.read_config(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'config.json'}: ")


@pytest.mark.parametrize(
    ("path", "value"),
    [("seed", 1), ("model.p", 2.0), ("data.name", "folder"), ("image_size", (64, 32)),
     ("ema", 0.9), ("system.name", "unet")],
)  # fmt: skip
def test_a_workdir_refuses_another_configuration(path, value, tmp_path):
    config_lib.write_config(Config(), tmp_path)
    with pytest.raises(UserError) as caught:
        check_workdir(change(Config(), path, value), tmp_path)
    assert f"{path}={Config().flat()[path]}, not {value}" in str(caught.value)


def test_a_workdir_lets_a_run_go_on_with_what_may_change(tmp_path):
    config_lib.write_config(Config(), tmp_path)
    check_workdir(Config(), tmp_path)
    longer = Config(
        steps=100_000,
        log_every=7,
        checkpoint_every=9,
        sample_every=8,
        keep_checkpoints=5,
        data_dir="elsewhere",
        vgg19="elsewhere.npz",
    )
    check_workdir(longer, tmp_path)


def test_any_configuration_may_start_in_a_new_workdir(tmp_path):
    check_workdir(Config(), tmp_path / "not_yet")


def test_a_saved_configuration_may_have_a_byte_order_mark(tmp_path, small_config):
    config_lib.write_config(small_config, tmp_path)
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    (tmp_path / "config.json").write_text(text, encoding="utf-8-sig")
    assert config_lib.read_config(tmp_path) == small_config
    (tmp_path / "config.json").write_text(text, encoding="utf-16")
    with pytest.raises(UserError, match=r"config\.json: is UTF-16 .* save it as UTF-8"):
        config_lib.read_config(tmp_path)


def test_a_data_set_is_what_its_name_says():
    with pytest.raises(SettingError, match="data="):
        Config(data=DATA_SETS["people"](name="market1501"))


def test_what_tables_and_cards_need_is_missed_at_once(monkeypatch):
    with pytest.raises(TypeError, match=r"^Untitled must have title, subject, licence$"):
        type("Untitled", (DataSet,), {})
    untitled = type("Untitled", (SYSTEMS["unet"],), {})
    monkeypatch.delattr(SYSTEMS["unet"], "title")
    monkeypatch.setitem(SYSTEMS, "untitled", untitled)
    with pytest.raises(TypeError, match=r"^Untitled must have title$"):
        Config().replace(system={"name": "untitled"}).build_system()
