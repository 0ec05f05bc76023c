"""Scores a trained run, or any method's images, by the field's protocol.

    python launch/evaluate.py --workdir=runs/quickstart
    python launch/evaluate.py --generated=FOLDER --name=PATN --data_dir=data
    python launch/evaluate.py --generated=FOLDER --name=GFLA --data_dir=data --data=deepfashion

writes the table (Markdown, JSON, LaTeX), the scores of the single images and figures to
WORKDIR/evaluation/ or FOLDER/evaluation/. docs/evaluation.md says what each column means and where
the networks of IS, FID and LPIPS come from. The same command goes on where it was stopped.
"""

from pathlib import Path

from absl import flags

from pnr_jax import box, cli, examples
from pnr_jax.config import Config
from pnr_jax.data import DATA_SETS
from pnr_jax.errors import UserError
from pnr_jax.evaluation import (
    METRICS,
    jobs,
    methods,
    network_scorers,
    pictures,
    pidm,
    report,
    results,
    scorers,
)
from pnr_jax.evaluation.tables import check_method_names, write_scores
from pnr_jax.nn.lpips import Backbone
from pnr_jax.paths import is_remote, to_path
from pnr_jax.walk import list_files

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, 'people', hf://OWNER/REPO.")
GENERATED = flags.DEFINE_list("generated", [], "Folders of images: FROM___TO.png or _vis strips.")
NAME = flags.DEFINE_list("name", [], "Names of --generated's methods; the folders' by default.")
COMPARE = flags.DEFINE_list("compare", [], "More runs or folders of images, side by side.")
PAIRS = flags.DEFINE_string("pairs", None, "CSV from,to[,image] to score instead of the 12,000.")
ALLOW_MISSING = flags.DEFINE_bool("allow_missing", False, "Score the images that are there.")
DATA = flags.DEFINE_enum(
    "data", "market1501", sorted(DATA_SETS), "The data set of --generated, without a run."
)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data set; the run's by default.")
OUTPUT = flags.DEFINE_string("output", None, "Folder to write to instead of .../evaluation.")
SOURCES = flags.DEFINE_list("sources", ["1", "3", "5"], "Numbers of source images, M.")
LIMIT = flags.DEFINE_integer("limit", None, "Score the first N pairs and tuples only.", 1)
TRIVIAL = flags.DEFINE_bool("trivial", True, "Score copying the source and the mean image too.")
MODEL = flags.DEFINE_enum(
    "model", "model", ["model", "model_best"], "The latest, or the one of the lowest training L1."
)
JPEG = flags.DEFINE_bool("jpeg_round_trip", False, "Score after a JPEG round trip, as PATN does.")
FAMILIES = flags.DEFINE_bool("families", False, "As PATN, GFLA and PIDM on DeepFashion too.")
INCEPTION = flags.DEFINE_string("inception", None, "Inception-v3 of 2015: IS, masked IS, FID.")
LPIPS_ALEX = flags.DEFINE_list("lpips_alex", None, "AlexNet, linear layers (two files): LPIPS.")
LPIPS_VGG = flags.DEFINE_list("lpips_vgg", None, "VGG16, linear layers (two files): LPIPS.")
CLASSIFIER = flags.DEFINE_string("classifier", None, "A .tflite classifier: proxy IS.")
POSE_MODEL = flags.DEFINE_string("pose_model", None, "A pose estimator: PCKh.")

# How to get the columns that the rows lack, for the notes below the tables.
HINTS = {
    "inception_score": "IS and FID by --inception",
    "lpips": "LPIPS by --lpips_alex",
    "proxy_inception_score": "proxy IS by --classifier",
    "pckh": "PCKh by --pose_model",
}


def main() -> None:
    """Scores what the flags name."""
    runs, folders = _scored()
    folder = _output(runs[0].workdir if runs else folders[0].path)
    settings = runs[0].config if runs else _data_set()
    options = jobs.Options(_sources(), MODEL.value, LIMIT.value, ALLOW_MISSING.value, JPEG.value)
    chosen = _scorers()
    # The rows may have fewer sources than the default's 5: then fewer are scored.
    fewest = max(options.sources) if runs and flags.FLAGS["sources"].present else 1
    sets = jobs.load_sets(settings, PAIRS.value, several=bool(runs), fewest=fewest)
    for other in folders:
        if other.path.is_dir():
            cli.print_passed_over(list_files(other.path, inside=False).passed_over)
    workdir = runs[0].workdir if runs else None
    mean = methods.mean_image(settings, workdir) if TRIVIAL.value else None
    rows, problems = jobs.make_jobs(sets, mean, runs, folders, options)
    compares = any(scorer.fit for scorer in chosen)
    training = examples.load_training(settings).images if compares else None
    cache = folder / "cache"
    scored = results.evaluate(rows, chosen, cache, jpeg=JPEG.value, training=training)
    print(report.write_report(scored, sets, settings, options, problems, chosen, folder, HINTS))
    for result in scored:
        write_scores(result, folder / "scores")
    figures = pictures.write_figures(scored, folder)
    print(f"{folder}/: table.md, .json, .tex; scores/; {', '.join(path.name for path in figures)}")


def _output(first: Path) -> Path:
    """Returns the folder to write to, by default beside what is scored first."""
    if OUTPUT.value is None and box.is_shared(first):
        raise UserError(
            f"{WORKDIR.value or first}: belongs to the package or to the Hub's cache; say "
            "--output=FOLDER too"
        )
    return to_path(OUTPUT.value or first / "evaluation")


def _scored() -> tuple[list[jobs.TrainedRun], list[jobs.ImageFolder]]:
    """Runs and folders of images, by what is in them."""
    if NAME.value and len(NAME.value) != len(GENERATED.value):
        raise UserError(f"--name has {len(NAME.value)} names, --generated {len(GENERATED.value)}")
    names = NAME.value or [Path(path).name for path in GENERATED.value]
    folders = [
        jobs.ImageFolder(name, Path(path))
        for name, path in zip(names, GENERATED.value, strict=True)
    ]
    workdirs = [box.find(WORKDIR.value)] if WORKDIR.value else []
    for path in map(box.find, COMPARE.value):
        if (path / "config.json").is_file():
            workdirs.append(path)
        elif is_remote(path):
            raise UserError(f"--compare={path}: is no run, and images must be on a disk")
        else:
            folders.append(jobs.ImageFolder(path.name, path))
    if not workdirs and not folders:
        raise UserError("say what to score: --workdir=RUN or --generated=FOLDER")
    if workdirs and flags.FLAGS["data"].present:
        raise UserError(f"--data={DATA.value}: the data set is the run's; leave the flag out")
    runs = jobs.read_runs(workdirs, DATA_DIR.value)
    check_method_names([other.name for other in (*runs, *folders)])
    return runs, folders


def _data_set() -> Config:
    """Returns a configuration that names --data, for images that no run has drawn."""
    data = DATA_SETS[DATA.value]
    if not DATA_DIR.value and DATA.value != "people":
        raise UserError(f"--generated without --workdir: say where {data.title} lies by --data_dir")
    config = Config(data_dir=DATA_DIR.value or "", image_size=data.image_size)
    return config.replace(data={"name": DATA.value})


def _sources() -> list[int]:
    try:
        counts = sorted({int(count) for count in SOURCES.value})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1 or counts[-1] > 5:
        raise UserError(f"--sources={','.join(SOURCES.value)}: expected numbers from 1 to 5")
    return counts


def _scorers() -> list[scorers.Scorer]:
    """Returns the metrics that the flags ask for."""
    lpips: dict[Backbone, list[str] | None] = {"alex": LPIPS_ALEX.value, "vgg": LPIPS_VGG.value}
    for network, files in lpips.items():
        if files is not None and len(files) != 2:
            raise UserError(
                f"--lpips_{network} takes two files, the backbone and its linear layers"
            )
    chosen = [make() for make in METRICS.values()]
    if FAMILIES.value:
        chosen.append(scorers.family_scorer())
    chosen += network_scorers.scorers_of_files(
        INCEPTION.value, lpips, CLASSIFIER.value, POSE_MODEL.value
    )
    return chosen + (pidm.pidm_scorers(chosen) if FAMILIES.value else [])


if __name__ == "__main__":
    cli.run(main)
