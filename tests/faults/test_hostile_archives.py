"""Market-1501 zips and packed data sets that somebody else wrote."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pnr_jax.augmentation import copy_originals
from pnr_jax.data import market1501_files, packed
from pnr_jax.errors import UserError
from tests.faults.hostile import damaged, fuzz, limited, outcome, scratch_file

FOLDER = "bounding_box_train"
NAMES = [f"{i:04d}_c1s1_000001_00.jpg" for i in range(3)]


def jpeg(seed):
    data = io.BytesIO()
    colours = np.random.default_rng(seed).integers(0, 256, (16, 8, 3)).astype(np.uint8)
    Image.fromarray(colours).save(data, format="JPEG")
    return data.getvalue()


IMAGES = {name: jpeg(i) for i, name in enumerate(NAMES)}


def make_zip(entries, method=zipfile.ZIP_DEFLATED):
    """A zip of (path or ZipInfo, data) pairs; a path may come twice."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method, compresslevel=1) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return data.getvalue()


def read_all(path):
    files = market1501_files.list_folder(path, FOLDER)
    return {name: read() for name, read in files.items()}


SOUND = [
    make_zip([(f"M/{FOLDER}/{name}", data) for name, data in IMAGES.items()], method)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
]


@fuzz
@given(data=st.one_of(st.binary(max_size=200), *map(damaged, SOUND)))
@example(SOUND[0])
@example(SOUND[1])
def test_any_zip(tmp_path_factory, data):
    with scratch_file(tmp_path_factory.getbasetemp(), "a.zip", data) as path:
        read = outcome(read_all, path)
    # CRC-32 stands between a damaged byte and us; an entry's name has none.
    assert read is None or set(read.values()) <= set(IMAGES.values())
    assert data not in SOUND or read == IMAGES


def test_no_path_leads_out_of_the_output(tmp_path):
    """Copies bear the file's name alone; a link is its text, which is no image."""
    link = zipfile.ZipInfo(f"M/{FOLDER}/link.jpg")
    link.external_attr = 0o120777 << 16
    entries = [(f"M/{folder}/{NAMES[0]}", b"x") for folder in ("bounding_box_test", "query")]
    entries += [(f"../../{FOLDER}/up.jpg", b"a"), (f"/{FOLDER}/root.jpg", b"b")]
    entries += [(f"M/{FOLDER}/../../../{FOLDER}/more.jpg", b"c"), (f"{FOLDER}/../../out.jpg", b"d")]
    entries += [(link, b"/etc/passwd")]
    output = tmp_path / "a" / "b" / "out"
    source = tmp_path / "m.zip"
    source.write_bytes(make_zip(entries))
    copy_originals(source, output)
    files = {path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()}
    inside = {path for path in files if output in path.parents}
    assert files == inside | {source}
    assert not any(path.is_symlink() for path in files)
    copied = {path.name: path.read_bytes() for path in (output / FOLDER).iterdir()}
    expected = {"up.jpg": b"a", "root.jpg": b"b", "more.jpg": b"c", "link.jpg": b"/etc/passwd"}
    assert copied == expected


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path):
    for paths in (["a", "b"], ["a", "a"]):
        path = tmp_path / "twice.zip"
        path.write_bytes(make_zip([(f"{top}/{FOLDER}/{NAMES[0]}", b"x") for top in paths]))
        with pytest.raises(UserError, match=f"holds {FOLDER}/{NAMES[0]} twice; remove one"):
            market1501_files.list_folder(path, FOLDER)


def bomb(declared=None, method=zipfile.ZIP_DEFLATED, size=1 << 27):
    """`size` zeros that are declared as they are, or as fewer."""
    data = bytearray(make_zip([(f"M/{FOLDER}/{NAMES[0]}", bytes(size))], method))
    if declared is not None:
        central = data.rindex(b"PK\x01\x02")
        data[central + 24 : central + 28] = struct.pack("<I", declared)
        data[22:26] = struct.pack("<I", declared)
    return bytes(data)


READ_ZIP = (
    "import pathlib\nfrom pnr_jax.data.market1501_files import list_folder",
    "next(iter(list_folder(pathlib.Path(argv[0]), argv[1]).values()))()",
)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: bomb(), "declares 134,217,728 bytes, more than 16,777,216"),
        (lambda: bomb(declared=1000), "damaged (Bad CRC-32"),
        (lambda: bomb(method=zipfile.ZIP_LZMA, size=1 << 20), "compression 14"),
        (lambda: bomb(declared=1000, method=zipfile.ZIP_BZIP2, size=1 << 20), "compression 12"),
    ],
)
def test_a_bomb_is_not_unpacked(data, said, tmp_path):
    with scratch_file(tmp_path, "bomb.zip", data()) as path:
        line, peak = limited(READ_ZIP, path, FOLDER)
    assert line.startswith("UserError: ") and said in line
    assert peak < 60


def pack_arrays(**changed):
    split = packed.pack(NAMES, np.full((3, 18, 2), -1), list(IMAGES.values()))
    data = io.BytesIO()
    np.savez_compressed(data, **split._asdict() | changed)
    return data.getvalue()


def npz_entry(name, header, content=b""):
    """An .npz whose array `name` has a header of one's own."""
    lying = f"{header:<117}\n".encode()
    lying = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(lying)) + lying + content
    with zipfile.ZipFile(io.BytesIO(PACKED)) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.namelist()]
    return make_zip([(n, lying if n == f"{name}.npy" else data) for n, data in entries])


PACKED = pack_arrays()
STORED = make_zip([(n, zipfile.ZipFile(io.BytesIO(PACKED)).read(n)) for n in
                   ("data.npy", "offsets.npy", "keypoints.npy", "names.npy")],
                  zipfile.ZIP_STORED)  # fmt: skip
OF_SHAPE = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}".format


def unpack(path):
    return packed.unpack(packed.read_packed(path), "here")


KINDS = ["|u1", "<i8", "<i4", "<f4", "<U9", "|V0", "|S1", "|O", ">u2", "x"]


@st.composite
def headers(draw):
    """A sound file whose arrays have other types and shapes."""
    name = draw(st.sampled_from(packed.Packed._fields))
    kind = draw(st.sampled_from(KINDS))
    shape = draw(st.lists(st.integers(-1, 2**64), max_size=3).map(tuple))
    return npz_entry(name, OF_SHAPE(kind, shape), draw(st.binary(max_size=64)))


@fuzz
@given(data=st.one_of(st.binary(max_size=200), damaged(PACKED), damaged(STORED), headers()))
@example(PACKED)
@example(STORED)
@example(pack_arrays(offsets=np.array([0.0, 1, 2, 3])))
@example(pack_arrays(names=np.array(["../../out_1.jpg", "b", "c"])))
@example(pack_arrays(names=np.zeros(3)))
@example(npz_entry("names", OF_SHAPE("|V0", (2**62,))))
@example(npz_entry("data", OF_SHAPE("|u1", (10**15,))))
@example(npz_entry("data", "(" * 100))
@example(npz_entry("data", "'''"))
def test_any_packed_data_set(tmp_path_factory, data):
    with scratch_file(tmp_path_factory.getbasetemp(), "a.npz", data) as path:
        images = outcome(unpack, path)
    assert data not in (PACKED, STORED) or images is not None
    if images is not None:
        assert images.images.shape == (3, 16, 8, 3)
        assert all("/" not in name for name in images.names)


@pytest.mark.parametrize("offsets", [(0, 9, 5, 7), (0, 1, 2, 2**62), (-1, 1, 2, 3)])
def test_offsets_out_of_the_data_are_refused(offsets, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(pack_arrays(offsets=np.array(offsets)))
    with pytest.raises(UserError, match="its offsets do not lie in its data"):
        packed.read_packed(path)


def test_a_packed_bomb_is_not_unpacked(tmp_path):
    data = pack_arrays(data=np.zeros(1 << 27, np.uint8))
    with scratch_file(tmp_path, "bomb.npz", data) as path:
        line, peak = limited(
            ("from pnr_jax.data import packed", "packed.read_packed(argv[0])"), path
        )
    assert line.startswith("UserError: ") and "more than" in line
    assert peak < 60
