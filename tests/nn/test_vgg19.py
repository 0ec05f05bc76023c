"""conv1_2 of every file that users have, against NumPy in float64 on that file's own terms."""

import pickle
import sys
import zipfile
from pathlib import Path

import h5py
import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from pnr_jax.errors import UserError
from pnr_jax.nn import vgg19

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (2, 8, 6, 3)).astype(np.float32)
# Kernels OIHW on RGB: about the size of the published ones, so that ReLUs are open and shut.
KERNELS = [
    RNG.normal(0, 0.1, (64, 3, 3, 3)).astype(np.float32),
    RNG.normal(0, 0.05, (64, 64, 3, 3)).astype(np.float32),
]
BIASES = [RNG.normal(0, 0.5, 64).astype(np.float32) for _ in range(2)]
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def convolve(x, kernel, bias):
    """SAME convolution of float64 [B, H, W, in] with [out, in, 3, 3], then ReLU."""
    B, H, W, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((B, H, W, len(kernel)))
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + H, j : j + W]
            y += np.einsum("bhwc,oc->bhwo", window, kernel[:, :, i, j].astype(np.float64))
    return np.maximum(y + bias, 0)


def torchvision_features():
    x = ((IMAGES.astype(np.float64) + 1) / 2 - MEAN) / STD
    for kernel, bias in zip(KERNELS, BIASES, strict=True):
        x = convolve(x, kernel, bias)
    return x


def caffe_features():
    """The file's kernels see BGR, 0-255, less Caffe's mean; one scale for λ2 is divided out."""
    x = (IMAGES.astype(np.float64) + 1) / 2 * 255
    x = x[..., ::-1] - np.array([103.939, 116.779, 123.68])
    for kernel, bias in zip((KERNELS[0][:, ::-1], KERNELS[1]), BIASES, strict=True):
        x = convolve(x, kernel, bias)
    return x / (255 * STD.mean())


def test_the_weights_in_the_package_are_the_published_ones():
    """Caffe's own arithmetic on the file's arrays, in float64."""
    with np.load(vgg19.SHIPPED) as file:
        kernels = [file["conv1_1_w_OIHW_BGR"], file["conv1_2_w_OIHW"]]
        biases = [file["conv1_1_b"], file["conv1_2_b"]]
    x = (IMAGES.astype(np.float64) + 1) / 2 * 255
    x = x[..., ::-1] - np.array([103.939, 116.779, 123.68])
    for kernel, bias in zip(kernels, biases, strict=True):
        x = convolve(x, kernel, bias)
    expected = x / (255 * STD.mean())
    assert sum(array.size for array in (*kernels, *biases)) == 38_720
    np.testing.assert_allclose(
        vgg19.conv1_2(vgg19.load_vgg19(), IMAGES), expected, rtol=1e-4, atol=1e-4 * expected.max()
    )


def state_dict():
    # VGG19 goes on: layers beyond conv1_2 are in the file and not wanted.
    layers = dict(zip(("features.0", "features.2"), zip(KERNELS, BIASES, strict=True), strict=True))
    state = {}
    for name, (kernel, bias) in layers.items():
        state |= {f"{name}.weight": kernel, f"{name}.bias": bias}
    return state | {"features.5.bias": np.zeros(128, np.float32)}


def write_npz(path):
    np.savez(
        path,
        conv1_1_w_OIHW_BGR=KERNELS[0][:, ::-1],
        conv1_1_b=BIASES[0],
        conv1_2_w_OIHW=KERNELS[1],
        conv1_2_b=BIASES[1],
    )


def write_safetensors(path):
    save_file(state_dict(), path)


def write_torch(path):
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(array) for name, array in state_dict().items()}, path)


def write_torch_legacy(path):
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(array) for name, array in state_dict().items()}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(path)


def keras_layers():
    """(layer, kernel HWIO on BGR, bias), a third layer among them."""
    first, second = (kernel.transpose(2, 3, 1, 0) for kernel in KERNELS)
    third = np.zeros((3, 3, 64, 128), np.float32)
    return [
        ("block1_conv1", first[:, :, ::-1], BIASES[0]),
        ("block1_conv2", second, BIASES[1]),
        ("block2_conv1", third, np.zeros(128, np.float32)),
    ]


def write_keras_published(path):
    """vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5: a group a layer, pools' groups empty."""
    with h5py.File(path, "w") as file:
        file.create_group("block1_pool")
        for layer, kernel, bias in keras_layers():
            file[f"{layer}/{layer}_W_1:0"] = kernel
            file[f"{layer}/{layer}_b_1:0"] = bias


def write_keras_legacy(path):
    """What `model.save("vgg19.h5")` of Keras 2 and 3 writes."""
    with h5py.File(path, "w") as file:
        for layer, kernel, bias in keras_layers():
            file[f"model_weights/{layer}/vgg19/{layer}/kernel"] = kernel
            file[f"model_weights/{layer}/vgg19/{layer}/bias"] = bias


def write_keras_3(path):
    """What `model.save_weights("vgg19.weights.h5")` of Keras 3 writes: names are attributes."""
    with h5py.File(path, "w") as file:
        file.create_group("layers/input_layer/vars").attrs["name"] = "input_layer"
        for i, (layer, kernel, bias) in enumerate(keras_layers()):
            group = file.create_group(f"layers/conv2d{f'_{i}' if i else ''}/vars")
            group.attrs["name"] = layer
            group["0"], group["1"] = kernel, bias


CAFFE = {
    "caffe.npz": write_npz,
    "published.h5": write_keras_published,
    "legacy.h5": write_keras_legacy,
    "keras3.weights.h5": write_keras_3,
}
TORCHVISION = {
    "vgg19.safetensors": write_safetensors,
    "zip.pth": write_torch,
    "legacy.pth": write_torch_legacy,
    "zip.pt": write_torch,
}


def features(path):
    vgg = vgg19.load_vgg19(path)
    return np.asarray(jax.jit(lambda images: vgg19.conv1_2(vgg, images))(IMAGES))


@pytest.mark.parametrize("name", [*CAFFE, *TORCHVISION])
def test_conv1_2_is_numpys_on_the_files_own_normalisation(name, tmp_path):
    (CAFFE | TORCHVISION)[name](tmp_path / name)
    expected = caffe_features() if name in CAFFE else torchvision_features()
    assert 0.2 < (expected > 0).mean() < 0.8  # The ReLUs matter.
    got = features(tmp_path / name)
    assert got.shape == (2, 8, 6, 64)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * expected.max())


def write_pth(path, arrays):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(a.astype(np.float32)) for name, a in arrays.items()}
    halves = {name: torch.nn.Parameter(tensor.bfloat16()) for name, tensor in tensors.items()}
    torch.save(halves | {"steps": torch.tensor(3)}, path)


def write_half_npz(path, arrays):
    names = ("conv1_1_w_OIHW_BGR", "conv1_1_b", "conv1_2_w_OIHW", "conv1_2_b")
    first, *others = arrays.values()
    np.savez(path, **dict(zip(names, (first[:, ::-1], *others), strict=False)))


@pytest.mark.parametrize(
    ("name", "kind", "write"),
    [
        ("a.safetensors", ml_dtypes.bfloat16, lambda path, arrays: save_file(arrays, path)),
        ("a.safetensors", np.float16, lambda path, arrays: save_file(arrays, path)),
        ("a.pth", ml_dtypes.bfloat16, write_pth),
        ("a.npz", ml_dtypes.bfloat16, write_half_npz),
    ],
)
def test_weights_of_half_the_width_are_read(name, kind, write, tmp_path):
    halves = {key: array.astype(kind) for key, array in state_dict().items()}
    write(tmp_path / name, halves)
    vgg = vgg19.load_vgg19(tmp_path / name)
    loaded = [*(np.transpose(kernel, (3, 2, 0, 1)) for kernel in vgg.kernels), *vgg.biases]
    for array, half in zip(loaded, [KERNELS[0], KERNELS[1], *BIASES], strict=True):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, half.astype(kind).astype(np.float32))


def test_path_may_be_a_string(tmp_path):
    write_npz(tmp_path / "a.npz")
    assert vgg19.load_vgg19(str(tmp_path / "a.npz")).kernels[0].shape == (3, 3, 3, 64)


def test_one_network_in_both_normalisations_differs_by_the_common_scale_alone(tmp_path):
    """Inside the border, where zero padding means another grey: Caffe's kernels, rescaled."""
    kernel, bias = KERNELS[0].astype(np.float64), BIASES[0].astype(np.float64)
    mean = np.array([123.68, 116.779, 103.939])  # Caffe's, RGB.
    state = state_dict()
    state["features.0.weight"] = (kernel * (255 * STD)[:, None, None]).astype(np.float32)
    shift = np.einsum("ocij,c->o", kernel, 255 * MEAN - mean)
    state["features.0.bias"] = (bias + shift).astype(np.float32)
    save_file(state, tmp_path / "same.safetensors")
    write_npz(tmp_path / "same.npz")
    inside = np.s_[:, 2:-2, 2:-2]
    torchvision, caffe = features(tmp_path / "same.safetensors"), features(tmp_path / "same.npz")
    np.testing.assert_allclose(
        torchvision[inside] / (255 * STD.mean()), caffe[inside], rtol=1e-3, atol=1e-4
    )


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def npz_with_objects(path, marker):
    evil = np.array([Evil(marker)], dtype=object)
    np.savez(path, conv1_1_w_OIHW_BGR=evil, allow_pickle=True)


def npz_that_is_a_pickle(path, marker):
    path.write_bytes(pickle.dumps(Evil(marker)))


def pth_with_objects(path, marker):
    torch = pytest.importorskip("torch")
    torch.save({"features.0.weight": Evil(marker)}, path)


def pth_legacy_with_objects(path, marker):
    torch = pytest.importorskip("torch")
    torch.save({"features.0.weight": Evil(marker)}, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("objects.npz", npz_with_objects),
        ("pickle.npz", npz_that_is_a_pickle),
        ("objects.pth", pth_with_objects),
        ("legacy.pth", pth_legacy_with_objects),
    ],
)
def test_nothing_in_a_file_is_executed(name, write, tmp_path):
    marker = tmp_path / "executed"
    write(tmp_path / name, marker)
    assert "cannot be read" in refusal(tmp_path / name)
    assert not marker.exists()


def refusal(path):
    """The message of the `UserError`: one line that names the file."""
    with pytest.raises(UserError) as caught:
        vgg19.load_vgg19(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_refuses_a_file_that_is_not_there(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.npz")


def test_refuses_an_unknown_ending(tmp_path):
    (tmp_path / "vgg19.caffemodel").touch()
    message = refusal(tmp_path / "vgg19.caffemodel")
    assert all(ending in message for ending in (".npz", ".pth", ".pt", ".safetensors", ".h5"))


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".h5"])
def test_refuses_a_file_that_is_no_such_file(ending, tmp_path):
    path = tmp_path / f"vgg19{ending}"
    path.write_bytes(b"<html>404</html>\n" * 9)
    assert "cannot be read" in refusal(path)


def test_refuses_a_pytorch_file_that_is_no_such_file(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "vgg19.pth").write_bytes(b"<html>404</html>\n" * 9)
    assert "cannot be read" in refusal(tmp_path / "vgg19.pth")


def test_asks_for_pytorch_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "vgg19.pth").touch()
    assert "pip install torch" in refusal(tmp_path / "vgg19.pth")


def test_names_a_missing_entry(tmp_path):
    np.savez(tmp_path / "a.npz", conv1_1_w_OIHW_BGR=KERNELS[0][:, ::-1], conv1_1_b=BIASES[0])
    assert "conv1_2_w_OIHW" in refusal(tmp_path / "a.npz")
    save_file({"classifier.0.weight": BIASES[0]}, tmp_path / "b.safetensors")
    assert "features.0.weight" in refusal(tmp_path / "b.safetensors")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["block1_conv1/block1_conv1_W_1:0"] = KERNELS[0].transpose(2, 3, 1, 0)
        file["block1_conv1/block1_conv1_b_1:0"] = BIASES[0]
    assert "block1_conv2" in refusal(tmp_path / "c.h5")


def test_names_wrong_shapes(tmp_path):
    wide = {"features.0.weight": np.zeros((96, 3, 3, 3), np.float32)}
    save_file(state_dict() | wide, tmp_path / "a.safetensors")
    message = refusal(tmp_path / "a.safetensors")
    assert "(3, 3, 3, 96)" in message
    assert "(3, 3, 3, 64)" in message
