"""Market-1501 with keypoints as a TensorFlow Datasets builder.

The data set is for research only and may not be distributed, so nothing is downloaded: the builder
reads the official archive (or its unpacked folder) and the annotation CSVs that the field shares.
It lives in a module of its own because it imports TensorFlow Datasets.

Reference: Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from pnr_jax.data import images as images_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.data.annotations import read_annotations
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints

IMAGE_SIZE = (128, 64)
FOLDERS = {"train": "bounding_box_train", "test": "bounding_box_test"}
TEST_PAIRS = 12_000
TUPLE_SOURCES = 5

Read = Callable[[], bytes]


class Market1501(tfds.core.GeneratorBasedBuilder):
    """TFDS builder: `image` uint8 [128, 64, 3], `keypoints` int32 [18, 2] (y, x), `name`."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        *,
        source: str | None = None,
        annotations: str | None = None,
        max_damaged: int = 0,
        **kwargs: Any,
    ):
        """Builder over the archive `source` and the folder `annotations` of the CSVs.

        Args:
          source: Market-1501-v15.09.15.zip or the folder that it unpacks to.
          annotations: folder of market-annotation-{train,test}.csv.
          max_damaged: how many unreadable images to leave out before giving up.
          **kwargs: of the TFDS builder, such as `data_dir`.
        """
        super().__init__(**kwargs)
        self.source = source
        self.annotations = annotations
        self.max_damaged = max_damaged
        self.damaged: list[str] = []
        self.resized: list[str] = []

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Market-1501 with 18 OpenPose keypoints an image. Research use only.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(*IMAGE_SIZE, 3)),
                    "keypoints": tfds.features.Tensor(shape=(18, 2), dtype=np.int32),
                    "name": tfds.features.Text(),
                }
            ),
            homepage="https://www.cv-foundation.org/openaccess/content_iccv_2015/html/"
            "Zheng_Scalable_Person_Re-Identification_ICCV_2015_paper.html",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded.
        if self.source is None or self.annotations is None:
            raise UserError("Market1501 needs `source` and `annotations` to build the data set")
        return {split: self._generate_examples(split) for split in FOLDERS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        assert self.source and self.annotations
        files = list_files(Path(self.source), FOLDERS[split])
        for name, keypoints in read_split(Path(self.annotations), split).items():
            try:
                data = files[name]()
                image = images_lib.decode(data, name)
            except UserError as error:
                self.damaged.append(name)
                if len(self.damaged) > self.max_damaged:
                    raise UserError(f"{error}; --max_damaged=N leaves out up to N images") from None
                continue
            size = image.shape[:2]
            images_lib.check_keypoints(keypoints, size, name)
            if size != IMAGE_SIZE:
                self.resized.append(name)
                data = _png(images_lib.resize_image(image, IMAGE_SIZE))
                keypoints = resize_keypoints(keypoints, size, IMAGE_SIZE)
            yield name, {"image": io.BytesIO(data), "keypoints": keypoints, "name": name}


def annotation_file(split: str) -> str:
    """The field's name of a split's annotations."""
    return f"market-annotation-{split}.csv"


def pairs_file(split: str) -> str:
    """The field's name of a split's pairs."""
    return f"market-pairs-{split}.csv"


def tuples_file(split: str) -> str:
    """The name of a split's multi-shot tuples (5 sources and a target)."""
    return f"market-tuples-{split}.csv"


def list_files(source: Path, folder: str) -> dict[str, Read]:
    """Maps the JPEG names in `folder` of a Market-1501 zip or directory to readers of their bytes.

    Raises:
      UserError: `source` is absent, no zip, or has no such folder.
    """
    if source.is_dir():
        found = {p.name: p.read_bytes for p in source.rglob(f"{folder}/*.jpg")}
    elif zipfile.is_zipfile(source):
        archive = zipfile.ZipFile(source)
        found = {
            Path(entry).name: _reader(archive, entry)
            for entry in archive.namelist()
            if entry.endswith(".jpg") and Path(entry).parent.name == folder
        }
    elif source.exists():
        raise UserError(f"--source={source}: neither a folder nor a sound zip file")
    else:
        raise UserError(f"--source={source}: no such file or folder")
    if not found:
        raise UserError(
            f"--source={source}: no {folder}/*.jpg inside; expected Market-1501-v15.09.15.zip "
            "or the folder that it unpacks to"
        )
    return found


def read_split(annotations: Path, split: str) -> dict[str, np.ndarray]:
    """The annotations of a split from the folder of the CSVs."""
    if not annotations.is_dir():
        raise UserError(f"--annotations={annotations}: no such folder")
    return read_annotations(annotations / annotation_file(split))


def split_tuples(annotations: Path, split: str, seed: int = 0) -> dict[str, list[tuple[str, ...]]]:
    """The pair and tuple files of a split: {file name: tuples}.

    Pairs are the published files where the folder has them, else made by the published rule: all
    of the training split's, 12,000 of the test split's. Tuples are 12,000 of the test split's.
    """
    keypoints = read_split(annotations, split)
    published = annotations / pairs_file(split)
    pairs: list[tuple[str, ...]]
    if published.is_file():
        pairs = list(pairs_lib.read_pairs(published))
    else:
        made = pairs_lib.make_pairs(keypoints)
        pairs = list(made if split == "train" else pairs_lib.sample_pairs(made, TEST_PAIRS))
    images_lib.index_tuples(list(keypoints), pairs, str(published))
    if split == "train":
        return {pairs_file(split): pairs}
    tuples = pairs_lib.sample_tuples(keypoints, TUPLE_SOURCES, TEST_PAIRS, seed)
    return {pairs_file(split): pairs, tuples_file(split): tuples}


def prepare(
    source: str | Path, annotations: str | Path, data_dir: str | Path, max_damaged: int = 0
) -> Market1501:
    """Builds the data set under `data_dir`, with its pair and tuple files, and returns its builder.

    Everything that can be checked is checked before the first byte is written; TFDS builds in a
    folder of another name and renames it at the end.

    Raises:
      UserError: names the file, line or image at fault.
    """
    source, annotations = Path(source), Path(annotations)
    csvs: dict[str, list[tuple[str, ...]]] = {}
    for split, folder in FOLDERS.items():
        files = list_files(source, folder)
        names = read_split(annotations, split)
        absent = [name for name in names if name not in files]
        if absent:
            raise UserError(
                f"{annotations / annotation_file(split)}: {len(absent)} image(s) are not in "
                f"{source}'s {folder}, the first is {absent[0]}"
            )
        csvs |= split_tuples(annotations, split)
    builder = Market1501(
        source=str(source),
        annotations=str(annotations),
        max_damaged=max_damaged,
        data_dir=str(data_dir),
    )
    builder.download_and_prepare()
    # What was damaged is known from the data set: it may be an earlier call's.
    records = builder.as_dataset(split="all", decoders={"image": tfds.decode.SkipDecoding()})
    batches = tfds.as_numpy(records.batch(1024))
    kept = {name.decode() for batch in batches for name in batch["name"]}
    for name, tuples in csvs.items():
        whole = [row for row in tuples if kept.issuperset(row)]
        pairs_lib.write_tuples(Path(builder.data_dir) / name, whole)
    return builder


def load(data_dir: str | Path, split: str) -> images_lib.Images:
    """Decodes a prepared split into memory, sorted by name (train: 12,936 images, 318 MB).

    Raises:
      UserError: `data_dir` holds no prepared Market-1501.
    """
    records = _builder(data_dir).as_dataset(split=split).batch(512)
    batches = list(tfds.as_numpy(records))
    names = np.concatenate([batch["name"] for batch in batches])
    order = np.argsort(names)
    return images_lib.Images(
        np.concatenate([batch["image"] for batch in batches])[order],
        np.concatenate([batch["keypoints"] for batch in batches])[order],
        [name.decode() for name in names[order]],
    )


def load_tuples(data_dir: str | Path, file_name: str) -> tuple[Path, list[tuple[str, ...]]]:
    """One of the prepared pair or tuple files, and where it lies."""
    path = Path(_builder(data_dir).data_dir) / file_name
    return path, pairs_lib.read_tuples(path)


def _builder(data_dir: str | Path) -> tfds.core.DatasetBuilder:
    folder = Path(data_dir) / "market1501" / str(Market1501.VERSION)
    if not folder.is_dir():
        raise UserError(
            f"--data_dir={data_dir}: no prepared Market-1501 there; "
            "run launch/prepare_market1501.py --source=... --annotations=... --data_dir=... first"
        )
    return tfds.builder_from_directory(str(folder))


def _reader(archive: zipfile.ZipFile, entry: str) -> Read:
    def read() -> bytes:
        try:
            return archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise UserError(f"{archive.filename}: {entry} is damaged ({error})") from None

    return read


def _png(image: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="PNG")
    return data.getvalue()
