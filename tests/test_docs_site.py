"""The documentation site: its pages exist, and every public name has words of its own."""

import ast
import importlib
import inspect
import itertools
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
FACES = ("regression", "transfer", "metrics", "keypoints", "data", "systems")


def pages(nav):
    """The pages that a part of mkdocs.yml's nav names."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages(part)]


def outside():
    """Pages whose sources lie outside of docs/: source -> page."""
    text = (ROOT / "docs" / "hooks.py").read_text(encoding="utf-8")
    return ast.literal_eval(re.search(r"^OUTSIDE = (\{.*?\})", text, re.M | re.S)[1])


def test_every_page_exists_and_every_document_is_a_page():
    listed = pages(SITE["nav"])
    documents = (path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".ipynb"})
    sources = {path.relative_to(ROOT / "docs").with_suffix(".md").as_posix() for path in documents}
    assert all((ROOT / source).is_file() for source in outside())
    assert sorted(listed) == sorted(sources | set(outside().values()))


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_documented(face):
    page = (ROOT / "docs/api" / f"{face}.md").read_text(encoding="utf-8")
    assert f"::: pnr_jax.{face}\n" in page
    module = importlib.import_module(f"pnr_jax.{face}")
    assert module.__doc__
    for name in public(module):
        thing = getattr(module, name)
        if Path(module.__file__).with_name(f"{name}.py").is_file():
            assert f"::: pnr_jax.{face}.{name}.{name}\n" in page  # Else the module is meant.
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name
        else:
            assert constant_has_words(module, name), name


def public(module):
    return getattr(module, "__all__", ["PoseTransfer", "repeated"])


def constant_has_words(module, name):
    """Whether a string stands below a constant, in the module that defines it."""
    for other in [module, *vars(module).values(), *sys.modules.values()]:
        if getattr(other, "__name__", "").startswith(module.__name__) and inspect.ismodule(other):
            body = ast.parse(inspect.getsource(other)).body
            for statement, after in itertools.pairwise(body):
                targets = getattr(statement, "targets", [getattr(statement, "target", None)])
                if [getattr(target, "id", None) for target in targets] == [name]:
                    return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    return False


@pytest.mark.parametrize("name", ["regression", "pose_transfer"])
def test_notebooks_are_stored_with_their_outputs_and_small(name):
    text = (ROOT / "docs/notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs
    assert all(output["output_type"] != "error" for output in outputs)
    assert all(output.get("name") != "stderr" for output in outputs)
    assert not re.search(r"/(home|root|tmp|Users)/", text)  # Machines' own paths.


@pytest.mark.slow
@pytest.mark.parametrize("name", ["regression", "pose_transfer"])
def test_notebooks_run_and_print_what_is_stored(name, monkeypatch, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.version_info, display.HTML = (9, 0), str  # Matplotlib asks for the version.
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    text = (ROOT / "docs/notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for cell in code:
        exec("".join(cell["source"]), names)
        stored = [output["text"] for output in cell["outputs"] if output["output_type"] == "stream"]
        assert capsys.readouterr().out == "".join(itertools.chain.from_iterable(stored))


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: make docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for face in FACES:
        text = (tmp_path / "api" / face / "index.html").read_text(encoding="utf-8")
        for name in public(importlib.import_module(f"pnr_jax.{face}")):
            assert re.search(rf'<h[23] id="pnr_jax\.{face}\.(?:{name}\.)?{name}"', text), name
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="people/"' in home
    assert 'href="docs/' not in home
