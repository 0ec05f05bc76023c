"""Weights by name: hashes, and a stand-in for the Hub on the loopback that the real client asks."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pnr_jax import box, pretrained
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.errors import UserError
from pnr_jax.evaluation.network_scorers import proxy_scorer
from pnr_jax.nn import vgg19
from pnr_jax.pose_estimation import load_estimator
from pnr_jax.training.loop import train
from pnr_jax.training.state import init_state
from pnr_jax.transfer import PoseTransfer

ROOT = Path(__file__).parents[1]
PEOPLE = box.MODELS / "people"
HASH = pretrained.sha256(PEOPLE / box.WEIGHTS)
OTHER = 64 * "0"
NOBODY = "http://127.0.0.1:1"


class Handler(BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks for models, as the Hub does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        kind = "api"
        if not found:
            found = re.fullmatch(r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(.+)", path)
            kind = "file"
        files = self.server.repositories.get(found[1])
        if files is None:
            return self.refuse("RepoNotFound")
        commit = hashlib.sha1(b"".join(files.values())).hexdigest()
        if found[3] not in (None, "main", commit):
            return self.refuse("RevisionNotFound")
        if kind == "file":
            data = files.get(found[4])
            return self.refuse("EntryNotFound") if data is None else self.answer(data, commit)
        tree = [
            {"type": "file", "path": name, "size": len(data), "oid": etag(data)}
            for name, data in files.items()
        ]
        info = {"id": found[1], "sha": commit, "siblings": [{"rfilename": name} for name in files]}
        return self.answer(json.dumps(tree if found[2] == "tree" else info).encode(), commit)

    do_HEAD = do_GET

    def refuse(self, code):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, data, commit):
        self.send_response(200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{etag(data)}"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def etag(data):
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub with the bundled model and two files; an empty cache."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs [hub]")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.repositories = {
        "somebody/people": {
            name: (PEOPLE / name).read_bytes() for name in (box.WEIGHTS, "config.json", "README.md")
        },
        "somebody/files": {"nets/vgg19.npz": vgg19.SHIPPED.read_bytes()},
    }
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.cache = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(server.cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    ask(monkeypatch, server.url)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(monkeypatch, url):
    """Does what HF_ENDPOINT does in a program that has not begun."""
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


def forbid_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def inputs():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, 1, 128, 64, 3), np.uint8)
    return images, rng.integers(0, 64, (1, 1, 18, 2)), rng.integers(0, 64, (1, 18, 2))


def test_a_model_of_the_hub_draws_as_the_local_one(hub, monkeypatch):
    drawn = PoseTransfer.load("people").transfer(*inputs())
    assert drawn.std() > 1
    there = PoseTransfer.load("hf://somebody/people")
    np.testing.assert_array_equal(there.transfer(*inputs()), drawn)
    folder = box.find(Path("hf://somebody/people"))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", box.WEIGHTS]

    forbid_network(monkeypatch)
    hub.asked.clear()
    np.testing.assert_array_equal(
        PoseTransfer.load(f"hf://somebody/people@{folder.name}").transfer(*inputs()), drawn
    )
    assert box.find(f"hf://somebody/people@{HASH}") == folder
    assert not hub.asked


def test_a_file_of_the_hub(hub):
    address = "hf://somebody/files/nets/vgg19.npz"
    digest = pretrained.sha256(vgg19.SHIPPED)
    for name in (address, f"{address}@{digest}", address.replace("files", "files@main")):
        assert pretrained.find_file(name).read_bytes() == vgg19.SHIPPED.read_bytes()
        np.testing.assert_array_equal(
            vgg19.load_vgg19(name).kernels[1], vgg19.load_vgg19().kernels[1]
        )
    with pytest.raises(UserError, match=f"is {digest}, not {OTHER}"):
        vgg19.load_vgg19(f"{address}@{OTHER}")


def test_a_run_begins_with_a_model_of_the_hub(hub, small_config, tmp_path):
    address, said = "hf://somebody/small", []
    config_lib.write_config(small_config, tmp_path)
    box.save_weights(tmp_path / box.WEIGHTS, init_state(small_config).variables, "float32")
    hub.repositories["somebody/small"] = {
        name: (tmp_path / name).read_bytes() for name in (box.WEIGHTS, "config.json")
    }
    config = small_config.replace(
        steps=1,
        loss={"perceptual": 1.0, "gan_image": 0.0, "gan_pose": 0.0},
        init_from=address,
        vgg19="hf://somebody/files/nets/vgg19.npz",
    )
    assert train(config, tmp_path / "run", said.append)
    assert any(line.startswith(f"starting from {address}: ") for line in said)
    assert config_lib.read_config(tmp_path / "run").init_from == address
    with pytest.raises(UserError, match="a run cannot be trained on the Hub"):
        train(config, Path(address), said.append)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("hf://somebody/nothing", "no such repository, or one that asks for a token"),
        ("hf://somebody/people@v9", "somebody/people has no such revision"),
        ("hf://somebody/files", "has no model.safetensors; expected a model exported"),
        ("hf://somebody/people/config.json", "names a file; expected hf://OWNER/REPO"),
        ("hf://somebody", "expected hf://OWNER/REPO"),
        ("hf://some body/people", "cannot be downloaded (Repo id must use"),
        (f"hf://somebody/people@{OTHER}", f"its SHA-256 is {HASH}, not {OTHER}"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(hub, address, told):
    with pytest.raises(UserError, match=re.escape(told)) as raised:
        PoseTransfer.load(address)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("hf://somebody/files/vgg16.npz", "somebody/files has no such file"),
        ("hf://somebody/nothing/vgg16.npz", "no such repository"),
        ("hf://somebody/files", "names no file; expected hf://OWNER/REPO/FILE"),
    ],
)
def test_a_file_that_is_not_there_is_one_line(hub, address, told):
    for load in (vgg19.load_vgg19, load_estimator, proxy_scorer):
        with pytest.raises(UserError, match=re.escape(told)):
            load(address)


def test_networks_of_the_evaluation_are_found_on_the_hub(hub):
    digest = pretrained.sha256(vgg19.SHIPPED)
    hub.repositories["somebody/nets"] = {
        f"net.{kind}": vgg19.SHIPPED.read_bytes() for kind in ("tflite", "npz")
    }
    # They are found, and are no such networks.
    with pytest.raises(UserError, match=r"net\.npz: expected OpenPose's frozen graph"):
        load_estimator(f"hf://somebody/nets/net.npz@{digest}")
    with pytest.raises(UserError, match=r"net\.tflite`: (not a TFLite model|needs an interpreter)"):
        proxy_scorer(f"hf://somebody/nets/net.tflite@{digest}")
    with pytest.raises(UserError, match=f"is {digest}, not {OTHER}"):
        load_estimator(f"hf://somebody/nets/net.npz@{OTHER}")


@pytest.mark.parametrize("address", ["hf://somebody/people", "hf://somebody/files/nets/vgg19.npz"])
def test_without_network_a_line_says_how_to_mend_it(hub, monkeypatch, address):
    find = pretrained.find_file if address.endswith("npz") else box.find
    repository = "/".join(address.split("/")[2:4])
    with monkeypatch.context() as patches:
        forbid_network(patches)
        with pytest.raises(UserError, match=rf"HF_HUB_OFFLINE is set .*hf download {repository}"):
            find(address)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # The client tries five times.
    ask(monkeypatch, NOBODY)
    with pytest.raises(UserError, match=rf"no answer \({NOBODY}\), and the cache does not have it"):
        find(address)
    ask(monkeypatch, hub.url)
    path = find(address)
    ask(monkeypatch, NOBODY)
    assert find(address) == path


def test_a_damaged_model_is_one_line(hub):
    hub.repositories["somebody/people"][box.WEIGHTS] = b"no safetensors"
    with pytest.raises(UserError, match=r"model\.safetensors: cannot be read \("):
        PoseTransfer.load("hf://somebody/people")


def test_without_the_extra_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"^hf://a/b: needs .*pip install 'pnr-jax\[hub\]'$"):
        PoseTransfer.load("hf://a/b")


def test_programs_take_addresses_and_write_nothing_into_the_cache(hub):
    command = [sys.executable, ROOT / "launch" / "evaluate.py", "--workdir=hf://somebody/people"]
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(hub.cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("Hub's cache; say --output=FOLDER too")


def test_the_page_takes_addresses(hub):
    pytest.importorskip("starlette", reason="the extra 'studio' is not installed")
    from pnr_jax.studio import load_models

    first, second = load_models("hf://somebody/people", "hf://somebody/people@main")
    assert first.image_size == second.image_size == (128, 64)
    assert [first.name, second.name] == ["LAD of rows, people", "LAD of rows, people@main"]


def test_a_hash_pins_files_and_models_of_this_machine(tmp_path):
    assert box.find(f"people@{HASH}") == PEOPLE
    assert box.find(f"{PEOPLE}@{HASH.upper()}") == PEOPLE
    assert load_model(Path(f"people@{HASH}")).keys() == load_model(Path("people")).keys()
    with pytest.raises(UserError, match=rf"safetensors: its SHA-256 is {HASH}, not {OTHER}"):
        PoseTransfer.load(f"people@{OTHER}")
    with pytest.raises(UserError, match=r"model\.safetensors: no such file, so there is nothing"):
        box.find(f"{tmp_path}@{OTHER}")

    digest = pretrained.sha256(vgg19.SHIPPED)
    vgg19.load_vgg19(f"{vgg19.SHIPPED}@{digest}")
    with pytest.raises(UserError, match=f"is {digest}, not {OTHER}"):
        vgg19.load_vgg19(f"{vgg19.SHIPPED}@{OTHER}")
    with pytest.raises(UserError, match=r"nowhere\.npz`: no such file"):
        vgg19.load_vgg19(f"nowhere.npz@{OTHER}")


def test_the_table_has_the_published_files_that_the_documentation_names():
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`([\w-]+\.pth)`", text)) == set(pretrained.PUBLISHED)
    for name, digest in pretrained.PUBLISHED.items():
        assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", digest)
        in_name = re.search(r"-([0-9a-f]{8})\.pth", name)
        assert in_name is None or digest.startswith(in_name[1])


def test_a_published_file_is_recognised(tmp_path, monkeypatch):
    path = tmp_path / "any name"
    path.write_bytes(b"weights")
    monkeypatch.setitem(pretrained.PUBLISHED, "alex.pth", hashlib.sha256(b"weights").hexdigest())
    assert pretrained.is_published(path, "alex.pth")
    assert not pretrained.is_published(path, "vgg.pth")
