"""VGG19 up to conv1_2 for the perceptual loss: its weights, and loaders for the files users have.

`vgg19_conv1.npz` holds the two layers of the Visual Geometry Group's release (CC BY 4.0; `NOTICE`).

Reference: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnr_jax.archives import read_npz
from pnr_jax.errors import UserError, first_line
from pnr_jax.nn.convert import is_finite, read_arrays
from pnr_jax.pretrained import find_file

SHIPPED = Path(__file__).with_name("vgg19_conv1.npz")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
# Caffe-style weights see pixels in steps of 1/255 of torchvision's range and undivided by its
# standard deviation, so their features are larger by about this much; dividing it out keeps one
# meaning of λ2 for every file.
CAFFE_SCALE = 255.0 * float(np.mean(IMAGENET_STD))
# A file of a few bytes may declare arrays of any size.
MOST_NUMBERS = 3 * 3 * 64 * 64
MOST_BYTES = 1 << 30  # All of VGG19 is 575 MB.


class VGG19(NamedTuple):
    """conv1_1 and conv1_2 with the normalisation that belongs to them.

    Attributes:
      kernels: two float32 [3, 3, in, 64], input channels RGB.
      biases: two float32 [64].
      scale: [3], of images in [-1, 1], before the shift.
      shift: [3].
      divisor: what the features are divided by.
    """

    kernels: tuple[np.ndarray, np.ndarray]
    biases: tuple[np.ndarray, np.ndarray]
    scale: np.ndarray
    shift: np.ndarray
    divisor: float


def conv1_2(vgg: VGG19, images: jax.Array) -> jax.Array:
    """Computes Φ_ρ, ρ = conv1_2 after its ReLU: [B, H, W, 3] in [-1, 1] -> [B, H, W, 64]."""
    x = images * vgg.scale + vgg.shift
    for kernel, bias in zip(vgg.kernels, vgg.biases, strict=True):
        x = jax.lax.conv_general_dilated(
            x, jnp.asarray(kernel), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + bias)
    return x / vgg.divisor


def load_vgg19(path: str | Path = SHIPPED) -> VGG19:
    """Reads conv1_1 and conv1_2 from a file, by its ending; by default from the package's own.

    The file may be named by an address of the Hub and with its hash (`pnr_jax.pretrained`).

    * `.npz`: `conv1_{1,2}_w_OIHW[_BGR]`, `conv1_{1,2}_b` (Caffe: BGR, 0-255, mean subtracted);
    * `.pth`, `.pt`, `.safetensors`: torchvision's state dict (`features.0.weight`, ...);
    * `.h5`: Keras' VGG19 weights (Caffe's normalisation, kernels HWIO).

    Raises:
      UserError: the file is absent, of another kind, or lacks the two layers.
    """
    path = find_file(path)
    readers: dict[str, Callable[[Path], VGG19]] = {
        ".npz": _from_npz,
        ".pth": _from_state_dict,
        ".pt": _from_state_dict,
        ".safetensors": _from_state_dict,
        ".h5": _from_keras,
    }
    if path.suffix not in readers:
        raise UserError(f"`vgg19={path}`: expected a file ending in {', '.join(readers)}")
    if not path.is_file():
        raise UserError(f"`vgg19={path}`: no such file")
    try:
        return readers[path.suffix](path)
    except UserError:
        raise
    except KeyError as error:
        entry = first_line(error)
        raise UserError(f"`vgg19={path}`: has no entry {entry}; is it VGG19?") from None
    except Exception as error:
        raise UserError(f"`vgg19={path}`: cannot be read ({first_line(error)})") from None


def _from_npz(path: Path) -> VGG19:
    first, second = "conv1_1_w_OIHW_BGR", "conv1_2_w_OIHW"
    file = read_npz(path, (first, second, "conv1_1_b", "conv1_2_b"), MOST_BYTES)
    return _caffe(
        [_oihw_to_hwio(file[first]), _oihw_to_hwio(file[second])],
        [file["conv1_1_b"], file["conv1_2_b"]],
        path,
    )


def _from_keras(path: Path) -> VGG19:
    import h5py

    arrays: dict[str, list[np.ndarray]] = {"block1_conv1": [], "block1_conv2": []}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            # The layer's name is in the path or, in Keras 3's weights, an attribute of the group.
            for layer in arrays.keys() & {*name.split("/"), item.parent.attrs.get("name")}:
                if item.size and item.size > MOST_NUMBERS:
                    raise ValueError(f"{name} has {item.size:,} numbers")
                arrays[layer].append(np.asarray(item[()]))

    with h5py.File(path) as file:
        file.visititems(collect)
    layers = []
    for layer, found in arrays.items():
        kernels = [array for array in found if array.ndim == 4]
        biases = [array for array in found if array.ndim == 1]
        if len(kernels) != 1 or len(biases) != 1:
            raise KeyError(layer)
        layers.append((kernels[0], biases[0]))
    return _caffe([kernel for kernel, _ in layers], [bias for _, bias in layers], path)


def _from_state_dict(path: Path) -> VGG19:
    return _torchvision(read_arrays(path, "`vgg19`", "torchvision"), path)


def _torchvision(state: Mapping[str, np.ndarray], path: Path) -> VGG19:
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    return _checked(
        [_oihw_to_hwio(state["features.0.weight"]), _oihw_to_hwio(state["features.2.weight"])],
        [state["features.0.bias"], state["features.2.bias"]],
        scale=0.5 / std,
        shift=(0.5 - mean) / std,
        divisor=1.0,
        path=path,
    )


def _caffe(kernels: list[np.ndarray], biases: list[np.ndarray], path: Path) -> VGG19:
    # The first layer's BGR input channels are reversed once, here, instead of in every image.
    return _checked(
        [kernels[0][:, :, ::-1], kernels[1]],
        biases,
        scale=np.full(3, 127.5),
        shift=127.5 - np.array(CAFFE_MEAN_BGR[::-1]),
        divisor=CAFFE_SCALE,
        path=path,
    )


def _oihw_to_hwio(kernel: np.ndarray) -> np.ndarray:
    return np.transpose(kernel, (2, 3, 1, 0))


def _checked(
    kernels: list[np.ndarray],
    biases: list[np.ndarray],
    scale: np.ndarray,
    shift: np.ndarray,
    divisor: float,
    path: Path,
) -> VGG19:
    shapes = [array.shape for array in (*kernels, *biases)]
    expected = [(3, 3, 3, 64), (3, 3, 64, 64), (64,), (64,)]
    if shapes != expected:
        raise UserError(f"`vgg19={path}`: conv1_1, conv1_2 have shapes {shapes}, not {expected}")
    if not all(map(is_finite, (*kernels, *biases))):
        raise UserError(f"`vgg19={path}`: conv1_1 or conv1_2 holds what is no finite number")
    first, second = (np.ascontiguousarray(kernel, np.float32) for kernel in kernels)
    return VGG19(
        (first, second),
        (biases[0].astype(np.float32), biases[1].astype(np.float32)),
        scale.astype(np.float32),
        shift.astype(np.float32),
        divisor,
    )
