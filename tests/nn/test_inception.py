"""Inception-v3: TensorFlow's own resize, the two file layouts, what the score takes."""

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from pnr_jax.errors import UserError
from pnr_jax.nn import inception_weights
from pnr_jax.nn.inception import InceptionV3, features_and_probabilities, resize_tf1


@pytest.fixture(scope="module")
def layers():
    """Random convolutions with batch norms, by their name in PyTorch; and the last layer."""
    images = np.zeros((1, 8, 8, 3))
    params = jax.eval_shape(InceptionV3().init, jax.random.key(0), images)["params"]
    rng = np.random.default_rng(0)
    arrays = {}
    for name, layer in params.items():
        shape = layer["kernel"].shape
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        arrays[name] = {"kernel": scale * rng.standard_normal(shape, np.float32)}
        if name != "logits":
            for key, low in (("gamma", 0.5), ("beta", -0.2), ("mean", -0.2), ("variance", 0.5)):
                arrays[name][key] = rng.uniform(low, low + 1, shape[-1]).astype(np.float32)
    return arrays


def state_of(layers):
    """The names and axes of pytorch-fid's file."""
    state = {}
    for name, layer in layers.items():
        if name == "logits":
            state["fc.weight"] = layer["kernel"].T
            state["fc.bias"] = np.ones(1008, np.float32)
            continue
        state[f"{name}.conv.weight"] = layer["kernel"].transpose(3, 2, 0, 1)
        keys = ("weight", "gamma"), ("bias", "beta"), ("running_mean", "mean")
        for theirs, ours in (*keys, ("running_var", "variance")):
            state[f"{name}.bn.{theirs}"] = layer[ours]
    return {name: np.ascontiguousarray(array) for name, array in state.items()}


def write_graph(layers, path):
    """A frozen graph of the constants of TensorFlow's file."""
    from tensorflow import make_tensor_proto
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()

    def constant(name, array):
        node = graph.node.add(name=name, op="Const")
        node.attr["value"].tensor.CopyFrom(make_tensor_proto(array))

    graph.node.add(name="ExpandDims", op="Placeholder")
    for name, scope in inception_weights.tensorflow_names().items():
        layer = layers[name]
        constant(f"{scope}/conv2d_params", layer["kernel"])
        for theirs in ("gamma", "beta", "mean", "variance"):
            prefix = "moving_" if theirs in ("mean", "variance") else ""
            constant(f"{scope}/batchnorm/{prefix}{theirs}", layer[theirs])
    constant("softmax/weights", layers["logits"]["kernel"])
    constant("softmax/biases", np.ones(1008, np.float32))
    path.write_bytes(graph.SerializeToString())


@pytest.mark.parametrize(
    "old,new", [((128, 64), (299, 299)), ((299, 299), (299, 299)), ((40, 31), (17, 50))]
)
def test_resize_is_tensorflows(old, new):
    import tensorflow as tf

    images = np.random.default_rng(0).uniform(0, 255, (2, *old, 3)).astype(np.float32)
    expected = tf.raw_ops.ResizeBilinear(
        images=images, size=new, align_corners=False, half_pixel_centers=False
    )
    np.testing.assert_allclose(resize_tf1(images, new), expected.numpy(), rtol=1e-6, atol=1e-4)


def test_names_in_the_graph():
    names = inception_weights.tensorflow_names()
    assert len(set(names.values())) == 94
    published = {
        "Conv2d_1a_3x3": "conv",
        "Conv2d_4a_3x3": "conv_4",
        "Mixed_5b.branch1x1": "mixed/conv",
        "Mixed_5c.branch5x5_2": "mixed_1/tower/conv_1",
        "Mixed_5d.branch_pool": "mixed_2/tower_2/conv",
        "Mixed_6a.branch3x3dbl_3": "mixed_3/tower/conv_2",
        "Mixed_6b.branch7x7_3": "mixed_4/tower/conv_2",
        "Mixed_6e.branch7x7dbl_5": "mixed_7/tower_1/conv_4",
        "Mixed_7a.branch3x3_2": "mixed_8/tower/conv_1",
        "Mixed_7a.branch7x7x3_4": "mixed_8/tower_1/conv_3",
        "Mixed_7b.branch3x3_2a": "mixed_9/tower/mixed/conv",
        "Mixed_7b.branch3x3_2b": "mixed_9/tower/mixed/conv_1",
        "Mixed_7c.branch3x3dbl_2": "mixed_10/tower_1/conv_1",
        "Mixed_7c.branch3x3dbl_3b": "mixed_10/tower_1/mixed/conv_1",
    }
    assert published.items() <= names.items()


def test_every_layout_gives_the_same_network(layers, tmp_path, caplog):
    save_file(state_of(layers), tmp_path / "inception.safetensors")
    write_graph(layers, tmp_path / "graph.pb")
    from_state = inception_weights.load_inception(tmp_path / "inception.safetensors")
    from_graph = inception_weights.load_inception(tmp_path / "graph.pb")
    jax.tree.map(np.testing.assert_array_equal, from_state, from_graph)
    assert len(from_state["params"]) == 95
    assert "not the published file" in caplog.text

    # One layer by hand: convolution, then batch norm, is the folded convolution.
    layer = layers["Mixed_6b.branch7x7_2"]
    folded = from_state["params"]["Mixed_6b.branch7x7_2"]
    x = np.random.default_rng(1).normal(size=layer["kernel"].shape[:-1])
    plain = np.tensordot(x, layer["kernel"], 3)
    normed = (plain - layer["mean"]) / np.sqrt(layer["variance"] + 1e-3)
    expected = normed * layer["gamma"] + layer["beta"]
    actual = np.tensordot(x, folded["kernel"], 3) + folded["bias"]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_features_and_probabilities(layers, tmp_path):
    save_file(state_of(layers), tmp_path / "inception.safetensors")
    variables = inception_weights.load_inception(tmp_path / "inception.safetensors")
    images = np.random.default_rng(2).integers(0, 256, (2, 32, 16, 3)).astype(np.uint8)
    features, probabilities = features_and_probabilities(variables, images)
    assert features.shape == (2, 2048) and probabilities.shape == (2, 1008)
    # The last layer's bias (1) is left out, and the softmax is taken of the plain product.
    logits = features.astype(np.float64) @ layers["logits"]["kernel"]
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    expected = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-3, atol=1e-7)
    assert np.abs(features[0] - features[1]).max() > 1e-3


def test_bad_files_are_named(layers, tmp_path):
    with pytest.raises(UserError, match=r"absent\.pth; get it from .*pytorch-fid"):
        inception_weights.load_inception(tmp_path / "absent.pth")
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(UserError, match=r"weights\.h5 must end in \.pth"):
        inception_weights.load_inception(tmp_path / "weights.h5")
    (tmp_path / "broken.pb").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"broken\.pb cannot be read"):
        inception_weights.load_inception(tmp_path / "broken.pb")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match=r"broken\.safetensors cannot be read"):
        inception_weights.load_inception(tmp_path / "broken.safetensors")
    save_file({"x": np.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"no entry 'Conv2d_1a_3x3\.conv\.weight'"):
        inception_weights.load_inception(tmp_path / "other.safetensors")
    state = state_of(layers)
    state["fc.weight"] = np.zeros((1000, 2048), np.float32)
    save_file(state, tmp_path / "imagenet.safetensors")
    with pytest.raises(UserError, match=r"\[2048, 1000\], the network's is \[2048, 1008\]"):
        inception_weights.load_inception(tmp_path / "imagenet.safetensors")


def test_without_torch_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(UserError, match=r"needs torch .*safetensors"):
        inception_weights.load_inception(tmp_path / "weights.pth")
