"""An exported folder, used as its card says by a process that cannot import this package."""

import json
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
import yaml
from flax.traverse_util import flatten_dict
from orbax.checkpoint import v1 as ocp
from safetensors import safe_open

from pnr_jax.checkpoints import export_model, load_model
from pnr_jax.checksum import digest
from pnr_jax.errors import UserError
from pnr_jax.export import export_run
from pnr_jax.transfer import PoseTransfer

BEFORE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pnr_jax", "flax"):
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Refuse())
try:
    import pnr_jax
    sys.exit("pnr_jax can be imported")
except ImportError:
    pass
import numpy as np
with np.load("inputs.npz") as inputs:
    images, keypoints, valid, poses = (inputs[name] for name in inputs)
"""
AFTER = """
transfer = jax.jit(export.deserialize((folder / "transfer.jax_export").read_bytes()).call)
together = transfer(variables, images, keypoints, valid, poses)
np.savez("outputs.npz", F=F, drawn=drawn, together=together)
"""


@pytest.fixture
def no_programs(monkeypatch):
    """Lowering takes seconds: for tests of what lies beside the programs."""
    monkeypatch.setattr("pnr_jax.export.export_programs", lambda config, variables: {})


def test_the_card_s_code_draws_what_the_run_draws(run, make_batch, tmp_path):
    workdir, _, _ = run
    output = tmp_path / "exported"
    written = export_run(workdir, output)
    assert [path.name for path in written] == [
        "README.md",
        "config.json",
        "encode.jax_export",
        "model",
        "render.jax_export",
        "transfer.jax_export",
    ]
    batch = make_batch(B=3, M=2, size=(64, 32))
    sources = batch["source_images"], batch["source_keypoints"], batch["source_valid"]
    sources[2][0, 1] = False
    poses = batch["target_keypoints"]
    np.savez(output / "inputs.npz", *sources, poses)
    (code,) = re.findall(r"```python\n(.*?)```", (output / "README.md").read_text(), re.DOTALL)
    assert 8 <= len(code.strip().splitlines()) <= 14
    subprocess.run(
        [sys.executable, "-I", "-c", BEFORE + code + AFTER], cwd=output, check=True, timeout=300
    )
    transfer = PoseTransfer.load(workdir)
    F = np.asarray(transfer.encode(*sources))
    with np.load(output / "outputs.npz") as outputs:
        np.testing.assert_allclose(outputs["F"], F, rtol=0, atol=1e-5 * np.abs(F).max())
        expected = transfer.render(F, poses).astype(int)
        assert expected.std() > 5
        for name in ("drawn", "together"):
            difference = np.abs(outputs[name] - expected)
            assert difference.max() <= 1  # a tie of rounding ...
            assert (difference > 0).mean() < 1e-3  # ... is rare


@pytest.mark.usefixtures("no_programs")
def test_the_card_states_data_metrics_and_licence(run, tmp_path):
    workdir, config, variables = run
    (workdir / "metrics.jsonl").write_text('{"step": 2, "l1": 1}\n{"step": 3, "l1": 1}\n{"ste')
    export_run(workdir, tmp_path / "a")
    card = (tmp_path / "a" / "README.md").read_text()
    count = sum(x.size for part in variables["params"].values() for x in leaves(part))
    assert f"{count:,} parameters" in card
    assert "photos of 64x32 pixels" in card
    assert "drawn by a program" in card
    assert "Supervised; 3 of 4 steps of batches of 2, M = 1." in card
    assert "Weights of the losses: gan_image 10, gan_pose 10, l1 5." in card
    assert "These weights are not evaluated yet (`launch/evaluate.py --model=model` " in card
    assert "saved_model" not in card
    (workdir / "evaluation").mkdir()
    (workdir / "evaluation" / "table.md").write_text("| SSIM |\n| --- |\n| 0.3 |\n\n## Intervals\n")
    rows = [{"method": "copy source"}, {"method": "pNR", "weights": digest(variables)}]
    (workdir / "evaluation" / "table.json").write_text(json.dumps(rows))
    config = config.replace(data={"name": "market1501"})
    (workdir / "config.json").write_text(json.dumps(config.to_dict()))
    export_run(workdir, tmp_path / "b")
    card = (tmp_path / "b" / "README.md").read_text()
    assert "## Evaluation\n\n| SSIM |\n| --- |\n| 0.3 |\n\n### Intervals\n\n## Licence" in card
    assert "research only" in card
    assert not re.search(r"[{}]", card.replace('{name}.jax_export"', ""))


def leaves(tree):
    if not isinstance(tree, dict):
        return [tree]
    return [leaf for part in tree.values() for leaf in leaves(part)]


@pytest.mark.usefixtures("no_programs")
def test_a_folder_for_the_hub(run, tmp_path):
    workdir, _, variables = run
    export_run(workdir, tmp_path / "plain")
    export_run(workdir, tmp_path / "out", safetensors=True)
    card = (tmp_path / "out" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "image-to-image"
    assert "| `model.safetensors` |" in body
    assert not (tmp_path / "plain" / "README.md").read_text().startswith("---")

    with safe_open(tmp_path / "out" / "model.safetensors", "numpy") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    flat = flatten_dict(variables, sep="/")
    assert saved.keys() == flat.keys()
    for name, x in flat.items():
        assert saved[name].dtype == np.float32
        np.testing.assert_array_equal(saved[name], x)
    assert digest(load_model(tmp_path / "out")) == digest(load_model(workdir))


@pytest.mark.usefixtures("no_programs")
def test_folders_of_this_machine_are_not_exported(run, tmp_path):
    workdir, config, _ = run
    export_run(workdir, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"/home/somebody" not in path.read_bytes(), path
    assert json.loads((tmp_path / "out" / "config.json").read_text())["seed"] == config.seed


def test_an_output_that_exists_is_left_alone(run, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"`output=.*out`: exists already"):
        export_run(run[0], tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("no_programs")
def test_a_failure_leaves_nothing(run, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("pnr_jax.export.model_card", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_run(run[0], tmp_path / "out")
        assert list(tmp_path.iterdir()) == [run[0]]
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "tensorflow", None)
        missing.setattr("pnr_jax.export.export_programs", lambda *_: 1 / 0)
        with pytest.raises(UserError, match="`tensorflow`: TensorFlow cannot be imported"):
            export_run(run[0], tmp_path / "out", tensorflow=True)
    stale = tmp_path / ".out.new" / "stale"  # What a killed process leaves is not in the way.
    stale.parent.mkdir()
    stale.touch()
    export_run(run[0], tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out"}
    assert not (tmp_path / "out" / "stale").exists()


@pytest.mark.usefixtures("no_programs")
def test_the_best_model_can_be_exported(run, tmp_path):
    workdir, _, variables = run
    export_model(workdir, jax.tree.map(lambda x: x + 1, variables), "model_best")
    (workdir / "evaluation").mkdir()
    (workdir / "evaluation" / "table.md").write_text("| SSIM of `model` |")
    rows = [{"method": "pNR", "model": "model", "weights": digest(variables)}]
    (workdir / "evaluation" / "table.json").write_text(json.dumps(rows))
    export_run(workdir, tmp_path / "out", "model_best")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "launch/evaluate.py --model=model_best" in card and "SSIM of" not in card
    assert "Supervised; the weights of the lowest training L1 in 0 of 4 steps" in card
    PoseTransfer.load(tmp_path / "out")  # An export serves as a --workdir.
    best = ocp.load(tmp_path / "out" / "model")
    for a, b in zip(jax.tree.leaves(best), jax.tree.leaves(variables), strict=True):
        np.testing.assert_allclose(a, np.asarray(b) + 1)
