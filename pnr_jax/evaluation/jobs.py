"""Which methods are scored on which sets: test sets, trained runs, folders of images -> jobs."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pnr_jax import config as config_lib
from pnr_jax import examples as examples_lib
from pnr_jax.config import Config
from pnr_jax.data.images import index_tuples, resize
from pnr_jax.data.pairs import read_listing
from pnr_jax.errors import UserError
from pnr_jax.evaluation.folders import folder_method
from pnr_jax.evaluation.methods import Method, run_methods, through_jpeg, trivial_methods
from pnr_jax.evaluation.scoring import EvaluationSet, evaluation_set
from pnr_jax.paths import absolute, is_remote


class Job(NamedTuple):
    """A row of the table to compute: a method and the examples that it is scored on."""

    method: Method
    test: EvaluationSet


class TrainedRun(NamedTuple):
    """A trained run: its name in the table, folder and configuration."""

    name: str
    workdir: Path
    config: Config


class ImageFolder(NamedTuple):
    """A folder of images that another program drew."""

    name: str
    path: Path


class EvaluationSets(NamedTuple):
    """The test sets to score on.

    Attributes:
      single: rows of one source and a target, or of more sources, of which M = 1 takes the first.
      multi: what M > 1 is scored on; the same where one set serves both.
      files: the generated images' names, where a CSV has them.
    """

    single: EvaluationSet
    multi: EvaluationSet
    files: list[str] | None = None


class Options(NamedTuple):
    """How methods are scored.

    Attributes:
      sources: the numbers M of source images.
      model: "model" or "model_best" of a run.
      limit: how many of the first tuples are scored; None: all.
      allow_missing: whether a folder may lack images.
      jpeg: whether images make a JPEG round trip first.
    """

    sources: Sequence[int] = (1, 3, 5)
    model: str = "model"
    limit: int | None = None
    allow_missing: bool = False
    jpeg: bool = False


def read_runs(workdirs: Sequence[Path], data_dir: str | None) -> list[TrainedRun]:
    """Reads runs that are to be scored on the same data.

    Args:
      workdirs: their folders.
      data_dir: the data set's folder instead of that of training.

    Raises:
      UserError: there is no run, or one has other data or image sizes than the first.
    """
    configs = [config_lib.read_config(workdir) for workdir in workdirs]
    if data_dir:
        configs = [c.replace(data_dir=str(absolute(data_dir))) for c in configs]
    for workdir, config in zip(workdirs, configs, strict=True):
        for field in ("data", "image_size"):
            if getattr(config, field) != getattr(configs[0], field):
                raise UserError(
                    f"{workdir}: its {field} is not that of {workdirs[0]}; "
                    "compare runs of the same data and image size"
                )
    titles = [config.build_system().title for config in configs]
    names = [
        title if titles.count(title) == 1 else f"{title}, {tail}"
        for title, tail in zip(titles, _tails(workdirs), strict=True)
    ]
    return list(itertools.starmap(TrainedRun, zip(names, workdirs, configs, strict=True)))


def load_sets(config: Config, pairs: str | None, several: bool, fewest: int = 1) -> EvaluationSets:
    """Loads the test sets.

    Args:
      config: a run's configuration, or one that names a data set.
      pairs: a CSV of pairs or tuples instead of the data set's own.
      several: whether a set of several sources is needed too.
      fewest: the fewest sources that its rows must have.

    Raises:
      UserError: a file has fewer sources, or is missing.
    """
    if pairs is not None:
        return _listed(config, pairs, fewest)
    if config.data.pairs_are_tuples:
        tuples = evaluation_set("tuples", examples_lib.load_test(config, "tuples", fewest))
        return EvaluationSets(tuples, tuples)
    pairs_of = examples_lib.load_test(config, "pairs")
    if (pairs_of.tuples[:, 0] == pairs_of.tuples[:, 1]).all():  # Nobody has a second image.
        if fewest > 1:
            raise UserError(
                f"{config.data.title}: nobody has a second image, `sources` asks for {fewest}; "
                "ask for 1"
            )
        images = evaluation_set("images", pairs_of)
        return EvaluationSets(images, images)
    single = evaluation_set("pairs", pairs_of)
    if not several:
        return EvaluationSets(single, single)
    return EvaluationSets(
        single, evaluation_set("tuples", examples_lib.load_test(config, "tuples", fewest))
    )


def make_jobs(
    sets: EvaluationSets,
    mean: np.ndarray | None,
    runs: Sequence[TrainedRun],
    folders: Sequence[ImageFolder],
    options: Options,
) -> tuple[list[Job], list[str]]:
    """Makes the jobs of all rows, and a line for each folder that something is wrong with.

    Args:
      sets: the test sets.
      mean: the mean training image, uint8 [H, W, 3]; None leaves the trivial methods out.
      runs: trained runs.
      folders: other methods' images.
      options: how all are scored.

    Raises:
      UserError: a run has no model, or a folder lacks images.
    """
    prepared = through_jpeg if options.jpeg else lambda method: method
    single, multi = (s.limited(slice(options.limit)) for s in (sets.single, sets.multi))
    multi = single if sets.multi is sets.single else multi
    longest = multi.examples.tuples.shape[1] - 1
    counts = [M for M in options.sources if M == 1 or longest >= M]
    jobs = [Job(prepared(m), single) for m in ([] if mean is None else trivial_methods(mean))]
    models: list[Method] = []
    for run in runs:
        models += map(
            prepared, run_methods(run.name, run.workdir, run.config, options.model, counts)
        )
    jobs += [Job(method, single) for method in models if method.sources == 1]
    problems = []
    for folder in folders:
        job, problem = _folder_job(folder, sets, options)
        jobs.append(job)
        problems += [problem] if problem else []
    jobs += [Job(m, multi) for m in models if m.sources > 1 or multi is not single]
    return jobs, problems


def _tails(paths: Sequence[Path]) -> list[str]:
    """Returns the end of each path, as short as tells it from the others: a/lad and b/lad, or lad.

    What is there twice is not told from itself.
    """
    every = [(path if is_remote(path) else path.absolute()).parts for path in paths]
    tails = []
    for parts in every:
        ends = (parts[-count:] for count in range(1, len(parts) + 1))
        tails.append(next(e for e in ends if all(o == parts or o[-len(e) :] != e for o in every)))
    return ["/".join(tail) for tail in tails]


def _folder_job(folder: ImageFolder, sets: EvaluationSets, options: Options) -> tuple[Job, str]:
    examples = sets.single.examples
    listed = examples.tuples.shape[1] - 1 if sets.single.name == "listed" else 1
    method, usable, problem = folder_method(
        folder.path,
        folder.name,
        sets.single.names(listed),
        (examples.images.images.shape[1], examples.images.images.shape[2]),
        files=sets.files,
        checked=options.limit,
        allow_missing=options.allow_missing,
        jpeg=options.jpeg,
    )
    return Job(method, sets.single.limited(usable)), problem


def _listed(config: Config, path: str, fewest: int) -> EvaluationSets:
    listing = read_listing(path)
    images = config.data.load(config.data_dir, "test")
    indices = index_tuples(images.names, listing.tuples, path, fewest)
    examples = examples_lib.Examples(resize(images, config.image_size), indices)
    test = evaluation_set("listed", examples)
    return EvaluationSets(test, test, listing.files)
