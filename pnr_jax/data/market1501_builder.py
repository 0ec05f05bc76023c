"""Market-1501 with keypoints as a TensorFlow Datasets builder.

A module of its own because it imports TensorFlow Datasets; nothing else needs it
(`pnr_jax.data.market1501_preparation` prepares the data set without).
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from pnr_jax.data import market1501_files
from pnr_jax.data import market1501_preparation as preparation
from pnr_jax.data import packed as packed_lib
from pnr_jax.data.market1501_preparation import Notes, Prepared
from pnr_jax.errors import UserError


class Market1501(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
    """TFDS builder: `image` uint8 [128, 64, 3], `keypoints` int32 [18, 2] (y, x), `name`."""

    VERSION = tfds.core.Version(market1501_files.VERSION)

    def __init__(
        self,
        *,
        source: str | None = None,
        annotations: str | None = None,
        max_damaged: int = 0,
        **kwargs: Any,
    ):
        """Builds from the archive `source` and the folder `annotations` of the CSVs.

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
        self.notes = Notes()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Market-1501 with 18 OpenPose keypoints an image. Research use only.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(*market1501_files.IMAGE_SIZE, 3)),
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
        return {split: self._generate_examples(split) for split in market1501_files.FOLDERS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        assert self.source and self.annotations
        inputs = preparation.read_inputs(Path(self.source), Path(self.annotations))
        examples = preparation.encoded_examples(inputs, split, self.notes, self.max_damaged)
        for name, data, keypoints in examples:
            yield name, {"image": io.BytesIO(data), "keypoints": keypoints, "name": name}


def prepare_records(
    source: str | Path, annotations: str | Path, data_dir: str | Path, max_damaged: int = 0
) -> Prepared:
    """Builds the records under `data_dir`, with the files of a preparation without TensorFlow.

    Everything that can be checked is checked before the first byte is written; TFDS builds in a
    folder of another name and renames it at the end.

    Raises:
      UserError: names the file, line or image at fault, or what is there already has no records or
        other keypoints.
    """
    inputs = preparation.read_inputs(Path(source), Path(annotations))
    plain = Path(data_dir) / "market1501" / market1501_files.VERSION
    if plain.is_dir() and not (plain / "dataset_info.json").is_file():
        raise UserError(
            f"{plain}: was prepared without `tfds`, and records cannot be added; remove it to "
            "prepare it with them"
        )
    builder = Market1501(
        source=str(source),
        annotations=str(annotations),
        max_damaged=max_damaged,
        data_dir=str(data_dir),
    )
    builder.download_and_prepare()
    # The records may be an earlier call's: what was damaged is known from them, and they may be of
    # other annotations than the pairs.
    folder = Path(builder.data_dir)
    records = {split: read_records(folder, split) for split in market1501_files.FOLDERS}
    for split, packed in records.items():
        preparation.check_unchanged(folder, packed, inputs.rows[split], inputs.files[split])
    preparation.write_files(folder, records, inputs)
    counts = {split: len(packed.names) for split, packed in records.items()}
    return Prepared(folder, counts, builder.notes.damaged, builder.notes.resized, inputs.rounded)


def read_records(folder: str | Path, split: str) -> packed_lib.Packed:
    """Reads the encoded images of a prepared split with their keypoints, sorted by name."""
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
