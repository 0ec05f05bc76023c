"""Weights that somebody else wrote: nothing runs, nothing lies about its size, one line says so."""

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save
from tensorflow.core.framework.graph_pb2 import GraphDef

from pnr_jax.nn import inception_weights, lpips, vgg19
from pnr_jax.nn.convert import read_arrays
from tests.faults.hostile import damaged, fuzz, limited, outcome, scratch_file

RNG = np.random.default_rng(0)
KERNELS = [RNG.normal(size=(64, fan, 3, 3)).astype(np.float32) for fan in (3, 64)]
BIASES = [RNG.normal(size=64).astype(np.float32) for _ in range(2)]
STATE = {
    "features.0.weight": KERNELS[0],
    "features.0.bias": BIASES[0],
    "features.2.weight": KERNELS[1],
    "features.2.bias": BIASES[1],
}


def make_npz(**changed):
    names = ("conv1_1_w_OIHW_BGR", "conv1_1_b", "conv1_2_w_OIHW", "conv1_2_b")
    data = io.BytesIO()
    np.savez(data, **dict(zip(names, STATE.values(), strict=True)) | changed)
    return data.getvalue()


def make_h5(**changed):
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        for i, layer in enumerate(("block1_conv1", "block1_conv2")):
            file[f"{layer}/kernel"] = changed.get(f"kernel{i}", KERNELS[i].transpose(2, 3, 1, 0))
            file[f"{layer}/bias"] = changed.get(f"bias{i}", BIASES[i])
    return data.getvalue()


def make_safetensors(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def make_graph(shape=(2, 3), count=1):
    graph = GraphDef()
    for i in range(count):
        tensor = graph.node.add(name=f"conv{i}", op="Const").attr["value"].tensor
        tensor.dtype = 1
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.float_val.append(1.0)
    return graph.SerializeToString()


SAFE, NPZ, H5, GRAPH = save(STATE), make_npz(), make_h5(), make_graph()
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "BF16", "I8", "BOOL", "F8_E4M3", "x"]),
        "shape": st.lists(st.integers(-1, 2**64), max_size=5),
        "data_offsets": st.lists(st.integers(-1, 2**64), min_size=1, max_size=3),
    }
)
HEADERS = st.dictionaries(st.sampled_from([*STATE, "__metadata__", ""]), ENTRY).map(
    lambda header: make_safetensors(header, bytes(16))
)


def check(vgg):
    if vgg is not None:
        assert [kernel.shape for kernel in vgg.kernels] == [(3, 3, 3, 64), (3, 3, 64, 64)]
        for array in (*vgg.kernels, *vgg.biases):
            assert array.dtype == np.float32 and np.isfinite(array).all()


def load(folder, name, data):
    with scratch_file(folder, name, data) as path:
        return outcome(vgg19.load_vgg19, path)


@pytest.mark.parametrize(("name", "data"), [("a.safetensors", SAFE), ("a.npz", NPZ), ("a.h5", H5)])
def test_a_sound_file_is_read(name, data, tmp_path):
    vgg = load(tmp_path, name, data)
    expected = KERNELS[0].transpose(2, 3, 1, 0)
    expected = expected if name == "a.safetensors" else expected[:, :, ::-1]
    if name != "a.h5":
        np.testing.assert_array_equal(vgg.kernels[0], expected)
    check(vgg)


@fuzz
@given(data=st.one_of(st.binary(max_size=300), damaged(SAFE), damaged(SAFE[:600]), HEADERS))
@example(struct.pack("<Q", 2**63) + b"{}")
@example(make_safetensors(b"[" * 100_000))
@example(save(STATE | {"features.0.weight": KERNELS[0] * np.nan}))
@example(save(STATE | {"features.0.weight": np.array(1, np.float32)}))
@example(save(STATE | {"features.2.bias": np.arange(64)}))
def test_any_safetensors(tmp_path_factory, data):
    check(load(tmp_path_factory.getbasetemp(), "a.safetensors", data))


@fuzz
@given(data=st.one_of(st.binary(max_size=300), damaged(NPZ), damaged(NPZ[-2000:])))
@example(make_npz(conv1_1_b=np.array(["a"] * 64)))
@example(make_npz(conv1_1_b=np.full(64, np.inf, np.float32)))
@example(make_npz(conv1_1_b=BIASES[0].astype(complex)))
def test_any_npz(tmp_path_factory, data):
    check(load(tmp_path_factory.getbasetemp(), "a.npz", data))


@fuzz
@given(data=st.one_of(st.binary(max_size=300), damaged(H5), damaged(H5[:2000])))
@example(make_h5(bias0=b"text"))
@example(make_h5(kernel1=np.zeros((3, 3, 64, 64), [("a", "f4")])))
@example(make_h5(kernel1=h5py.Empty("f4")))
def test_any_h5(tmp_path_factory, data):
    check(load(tmp_path_factory.getbasetemp(), "a.h5", data))


@fuzz
@given(
    data=st.one_of(
        st.binary(max_size=300),
        damaged(GRAPH),
        st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(make_graph),
    )
)
@example(make_graph((2**62, 4)))
@example(make_graph((-1,)))
@example(GRAPH)
def test_any_frozen_graph(tmp_path_factory, data):
    with scratch_file(tmp_path_factory.getbasetemp(), "a.pb", data) as path:
        arrays = outcome(read_arrays, path, "weights", "nowhere")
        if data == GRAPH:
            np.testing.assert_array_equal(arrays["conv0"], np.ones((2, 3)))
        outcome(inception_weights.load_inception, path)


@pytest.mark.parametrize("shape", [(), (5,), (64, 3, 11, 11, 2)])
def test_arrays_of_another_rank_are_another_network(shape, tmp_path):
    """Names as they should be, arrays as they should not."""
    state = {f"{name}.conv.weight": np.ones(shape) for name in inception_weights.tensorflow_names()}
    norms = ("weight", "bias", "running_mean", "running_var")
    state |= {
        f"{name}.bn.{norm}": -np.ones(7)
        for name in inception_weights.tensorflow_names()
        for norm in norms
    }
    with scratch_file(
        tmp_path, "a.safetensors", save(state | {"fc.weight": np.ones(shape)})
    ) as path:
        assert outcome(inception_weights.load_inception, path) is None
    trunk = {f"features.{i}.{k}": np.ones(shape) for i in range(30) for k in ("weight", "bias")}
    linear = {f"lin{i}.model.1.weight": np.ones(shape) for i in range(5)}
    with (
        scratch_file(tmp_path, "a.safetensors", save(trunk)) as a,
        scratch_file(tmp_path, "b.safetensors", save(linear)) as b,
    ):
        assert outcome(lpips.load_lpips, a, b) is None


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def evil_zip(marker, name):
    """A PyTorch file, by hand: archive/data.pkl in a zip."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({name: Evil(marker)}, protocol=2))
        archive.writestr("archive/version", "3\n")
    return data.getvalue()


def evil_legacy(marker, name):
    """PyTorch's first format: pickles one behind the other."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {name: Evil(marker)}]
    return b"".join(pickle.dumps(part, protocol=2) for part in parts)


@pytest.mark.parametrize("make", [evil_zip, evil_legacy])
def test_a_pickle_is_not_run(make, tmp_path):
    """With PyTorch or without it; the file is a bomb indeed."""
    marker = tmp_path / "executed"
    data = make(marker, "features.0.weight")
    for name in ("a.pth", "a.pt", "a.npz", "a.safetensors", "a.h5"):
        assert load(tmp_path, name, data) is None
        assert not marker.exists()
    with scratch_file(tmp_path, "a.pth", data) as path:
        assert outcome(inception_weights.load_inception, path) is None
        assert outcome(lpips.load_lpips, path, path) is None
    assert not marker.exists()
    pickle.loads(pickle.dumps(Evil(marker)))
    assert marker.exists()


@fuzz
@given(
    data=st.one_of(
        st.binary(max_size=300),
        damaged(evil_zip("/nowhere/at/all", "features.0.weight")),
        damaged(evil_legacy("/nowhere/at/all", "features.0.weight")),
    )
)
def test_any_pth(tmp_path_factory, data):
    assert load(tmp_path_factory.getbasetemp(), "a.pth", data) is None
    assert not Path("/nowhere").exists()


def huge_h5():
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.create_dataset("block1_conv1/kernel", (1 << 29,), "f4", chunks=(1 << 16,))
    return data.getvalue()


LOAD = "from pnr_jax.nn import vgg19", "vgg19.load_vgg19(argv[0])"
READ = "from pnr_jax.nn.convert import read_arrays", "read_arrays(argv[0], 'a', 'b')"


@pytest.mark.parametrize(
    ("name", "data", "code", "said"),
    [
        ("a.npz", lambda: packed_zeros(1 << 28), LOAD, "declares"),
        ("a.h5", huge_h5, LOAD, "536,870,912 numbers"),
        ("a.pb", lambda: make_graph((1 << 29,)), READ, "declares 536,870,912 numbers"),
    ],
)
def test_a_bomb_is_not_unpacked(name, data, code, said, tmp_path):
    with scratch_file(tmp_path, name, data()) as path:
        line, peak = limited(code, path, memory_gb=8)
    assert line.startswith("UserError: ") and said in line
    assert peak < 400  # TensorFlow's own modules.


def packed_zeros(numbers):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("conv1_1_w_OIHW_BGR", "conv1_1_b", "conv1_2_w_OIHW", "conv1_2_b"):
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (numbers,)}
                np.lib.format.write_array_header_1_0(file, header)
                for _ in range(numbers >> 20):
                    file.write(bytes(4 << 20))
    return data.getvalue()
