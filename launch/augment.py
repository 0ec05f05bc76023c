"""Draws new views of every training identity in other people's poses, for re-identification.

    python launch/augment.py --workdir=runs/lad --views=10 \
        --originals=Market-1501-v15.09.15.zip --output=reid/market1501/Market-1501-v15.09.15

Writes OUTPUT/bounding_box_train/*.jpg in Market-1501's naming and OUTPUT/manifest.csv, which says
what came from what; with --originals also the data set's own images, so that a re-identification
code base reads OUTPUT as Market-1501. Stopped, it goes on by the same command.
"""

from pathlib import Path

from absl import flags
from tqdm import tqdm

from pnr_jax import augmentation, box, cli, config, examples
from pnr_jax.checkpoints import load_model
from pnr_jax.checksum import digest
from pnr_jax.data import market1501_files
from pnr_jax.errors import UserError
from pnr_jax.paths import absolute, to_path
from pnr_jax.transfer import PoseTransfer

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, 'people', hf://OWNER/REPO.")
OUTPUT = flags.DEFINE_string("output", None, "Folder to write.")
VIEWS = flags.DEFINE_integer("views", 10, "New views of each identity.", lower_bound=1)
SOURCES = flags.DEFINE_integer(
    "sources", 1, "Source images of a view, M.", lower_bound=1, upper_bound=5
)
SEED = flags.DEFINE_integer("seed", 0, "Of the draw of sources and poses.", lower_bound=0)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data set; the run's by default.")
ORIGINALS = flags.DEFINE_string(
    "originals", None, "Market-1501 zip or folder; its images are copied beside the new ones."
)
MODEL = flags.DEFINE_enum(
    "model", "model", ["model", "model_best"], "The latest, or the one of the lowest training L1."
)
flags.mark_flags_as_required(["workdir", "output"])


def main() -> None:
    """Draws the views."""
    workdir = box.find(WORKDIR.value)
    settings = config.read_config(workdir)
    if DATA_DIR.value:
        settings = settings.replace(data_dir=str(absolute(DATA_DIR.value)))
    variables = load_model(workdir, MODEL.value)
    system = settings.build_system()
    most = system.most_sources or SOURCES.value
    if most < SOURCES.value:
        raise UserError(
            f"--sources={SOURCES.value}: {system.title} sees {most} source(s) of a person"
        )
    transfer = PoseTransfer(system, variables)
    images = examples.load_training(settings).images
    views = augmentation.plan_views(images, VIEWS.value, SOURCES.value, SEED.value)
    output = to_path(OUTPUT.value)
    if ORIGINALS.value is not None:
        cli.print_passed_over(market1501_files.passed_over(Path(ORIGINALS.value)))
        for name, count in augmentation.copy_originals(Path(ORIGINALS.value), output).items():
            print(f"{output / name}: {count:,} images of the data set")
    manifest = output / "manifest.csv"
    augmentation.write_manifest(manifest, views, images.names, digest(variables))
    folder = output / augmentation.FOLDERS[0]
    absent = augmentation.absent_views(views, folder)
    with tqdm(total=len(absent), unit="view", disable=None, leave=False) as bar:
        for count in augmentation.draw_views(transfer, images, absent, folder):
            bar.update(count)
    people = len({view.identity for view in views})
    print(f"{folder}: {len(views):,} new views of {people:,} identities, {len(absent):,} drawn now")


if __name__ == "__main__":
    cli.run(main)
