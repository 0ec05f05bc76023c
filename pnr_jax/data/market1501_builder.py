"""Market-1501 with keypoints as a TensorFlow Datasets builder, and its preparation.

A module of its own because it imports TensorFlow Datasets; `pnr_jax.data.market1501` does not.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from pnr_jax.data import images as images_lib
from pnr_jax.data import market1501
from pnr_jax.data import packed as packed_lib
from pnr_jax.data import pairs as pairs_lib
from pnr_jax.errors import UserError
from pnr_jax.keypoints import resize_keypoints


class Market1501(tfds.core.GeneratorBasedBuilder):
    """TFDS builder: `image` uint8 [128, 64, 3], `keypoints` int32 [18, 2] (y, x), `name`."""

    VERSION = tfds.core.Version(market1501.VERSION)

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
                    "image": tfds.features.Image(shape=(*market1501.IMAGE_SIZE, 3)),
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
        return {split: self._generate_examples(split) for split in market1501.FOLDERS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        assert self.source and self.annotations
        files = market1501.list_files(Path(self.source), market1501.FOLDERS[split])
        for name, keypoints in market1501.read_split(Path(self.annotations), split).items():
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
            if size != market1501.IMAGE_SIZE:
                self.resized.append(name)
                data = images_lib.encode_png(images_lib.resize_image(image, market1501.IMAGE_SIZE))
                keypoints = resize_keypoints(keypoints, size, market1501.IMAGE_SIZE)
            yield name, {"image": io.BytesIO(data), "keypoints": keypoints, "name": name}


def prepare(
    source: str | Path, annotations: str | Path, data_dir: str | Path, max_damaged: int = 0
) -> Market1501:
    """Builds the data set under `data_dir`, with its pair, tuple and packed files.

    Everything that can be checked is checked before the first byte is written; TFDS builds in a
    folder of another name and renames it at the end.

    Returns:
      The builder; its `damaged` and `resized` name images.

    Raises:
      UserError: names the file, line or image at fault, or a data set that is there has other
        keypoints.
    """
    source, annotations = Path(source), Path(annotations)
    csvs: dict[str, list[tuple[str, ...]]] = {}
    files, rows = {}, {}
    for split, folder in market1501.FOLDERS.items():
        files[split] = market1501.list_files(source, folder)
        rows[split] = market1501.read_split(annotations, split)
        absent = [name for name in rows[split] if name not in files[split]]
        if absent:
            raise UserError(
                f"{annotations / market1501.annotation_file(split)}: {len(absent)} image(s) are "
                f"not in {source}'s {folder}, the first is {absent[0]}"
            )
        csvs |= market1501.split_tuples(annotations, split)
    builder = Market1501(
        source=str(source),
        annotations=str(annotations),
        max_damaged=max_damaged,
        data_dir=str(data_dir),
    )
    builder.download_and_prepare()
    # The records may be an earlier call's: what was damaged is known from them, and they may be of
    # other annotations than the pairs.
    prepared = Path(builder.data_dir)
    records = {split: read_records(prepared, split) for split in market1501.FOLDERS}
    for split, packed in records.items():
        _check_records(prepared, packed, rows[split], files[split])
    kept = {name for packed in records.values() for name in packed.names.tolist()}
    for name, tuples in csvs.items():
        pairs_lib.write_tuples(prepared / name, [row for row in tuples if kept.issuperset(row)])
    for split, packed in records.items():
        packed_lib.write(prepared / market1501.packed_file(split), packed)
    return builder


def read_records(folder: str | Path, split: str) -> packed_lib.Packed:
    """The encoded images of a prepared split with their keypoints, sorted by name."""
    builder = tfds.builder_from_directory(str(folder))
    dataset = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    batches = list(tfds.as_numpy(dataset.batch(1024)))
    names, images, keypoints = (
        np.concatenate([batch[key] for batch in batches]) for key in ("name", "image", "keypoints")
    )
    order = np.argsort(names)
    return packed_lib.pack(
        [names[i].decode() for i in order], keypoints[order], [images[i] for i in order]
    )


def _check_records(
    prepared: Path,
    packed: packed_lib.Packed,
    annotations: Mapping[str, np.ndarray],
    files: Mapping[str, market1501.Read],
) -> None:
    """Refuses records that are not of these annotations and images."""
    recorded = dict(zip(packed.names.tolist(), packed.keypoints, strict=True))
    for name in sorted(annotations.keys() | recorded.keys()):
        keypoints, kept = annotations.get(name), recorded.get(name)
        if keypoints is not None and kept is not None and np.array_equal(keypoints, kept):
            continue
        if keypoints is None or not _is_left_out_or_resized(keypoints, kept, name, files[name]):
            raise UserError(
                f"{prepared}: was built before, and {name} has other keypoints or another image "
                f"there; remove {prepared} to build it again"
            )


def _is_left_out_or_resized(
    keypoints: np.ndarray, kept: np.ndarray | None, name: str, read: market1501.Read
) -> bool:
    """Whether the record of an image should differ from its row as it does."""
    try:
        size = images_lib.decode(read(), name).shape[:2]
    except UserError:
        return kept is None
    expected = resize_keypoints(keypoints, (size[0], size[1]), market1501.IMAGE_SIZE)
    return kept is not None and np.array_equal(kept, expected)
