"""Reproduces Table 1: trains and scores every system with one program on the same data.

    python -m benchmarks.table1 --workdir=runs/table1
    python -m benchmarks.table1 --workdir=runs/table1_market --data_dir=data --seeds=1
    python -m benchmarks.table1 --workdir=runs/table1_published --data_dir=data --budget=published

The budget "equal" gives all systems narrow networks and the quickstart's number of samples. They
are trained without discriminators, PATN and XingGAN by the quickstart's losses, the others by their
own, on the drawn people, or at 128×64 on the Market-1501 in --data_dir. The budget "published"
trains each with its published settings on Market-1501, discriminators included, pNR unsupervised
too. --steps=3 rehearses either, in a separate folder.

Interrupted runs continue where they stopped, and finished ones are only scored. IS, FID, LPIPS and
PCKh need the files that `launch/evaluate.py` takes, with the same flags. Scores are means over
seeds; the 95% intervals are a bootstrap over seeds and people together. GFLOP are XLA's count for
one image from one source, with loops counted as often as they run. "100 poses" is the number of
images per second for one person in 100 poses; a system that encodes does so once.
"""

import argparse
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.flops import flops
from benchmarks.turns import machine, medians, table
from pnr_jax import config_files, examples
from pnr_jax.config import Config
from pnr_jax.data.images import Images
from pnr_jax.errors import UserError
from pnr_jax.evaluation import METRICS, network_scorers
from pnr_jax.evaluation import jobs as jobs_lib
from pnr_jax.evaluation.results import RESAMPLES, Result, evaluate
from pnr_jax.evaluation.scorers import Column, Scorer
from pnr_jax.evaluation.tables import slug
from pnr_jax.export.programs import functions
from pnr_jax.files import write_text
from pnr_jax.training.loop import train
from pnr_jax.training.state import parameter_count
from pnr_jax.transfer import PoseTransfer, repeated

POSES, BATCH = 100, 20
PNR: dict[str, dict[str, Any]] = {
    "pNR (LAD)": {},
    "pNR (LSE)": {"p": 2.0},
    "pNR (LAD of rows)": {"rowwise": True},
}
PEERS = {
    "PATN": "patn",
    "XingGAN": "xinggan",
    "Def-GAN": "defgan",
    "Lathuilière et al.": "fusion",
    "PG2": "pg2",
    "U-Net": "unet",
}
# Scores that need a network, and the flags for its file.
FLAGS = {
    "IS, masked IS, FID": "inception",
    "LPIPS (AlexNet)": "lpips_alex",
    "LPIPS (VGG16)": "lpips_vgg",
    "proxy IS": "classifier",
    "PCKh": "pose_model",
}
COSTS = (
    Column("samples", "training samples", 0),
    Column("parameters", "M parameters", 2),
    Column("gflop", "GFLOP", 2),
    Column("samples_per_second", "trained/s", 1),
    Column("drawn_per_second", "drawn/s", 1),
    Column("poses_per_second", "100 poses, drawn/s", 1),
)


class Trained(NamedTuple):
    """A method in the table: its runs, one per seed."""

    name: str
    configs: list[Config]
    workdirs: list[Path]


def equal(data_dir: str | None) -> dict[str, Config]:
    """Returns the narrow configurations, by the names of the methods."""
    base = config_files.find_config("quickstart")
    configs = {name: base.replace(model=changes) for name, changes in PNR.items()}
    configs |= {name: config_files.find_config(f"quickstart_{key}") for name, key in PEERS.items()}
    return {name: _on_market(c, data_dir) if data_dir else c for name, c in configs.items()}


def _on_market(config: Config, data_dir: str) -> Config:
    # Heatmaps and discs are those of the larger image.
    size = {"radius": 4} if config.system.name == "pg2" else {"sigma": 6.0}
    return config.replace(
        image_size=(128, 64), data_dir=data_dir, data={"name": "market1501"}, model=size
    )


def published(data_dir: str | None) -> dict[str, Config]:
    """Returns the published configurations, by the names of the methods."""
    if data_dir is None:
        raise SystemExit("--budget=published: say where Market-1501 lies by --data_dir")
    files = {
        "pNR (LAD)": "supervised_lad",
        "pNR (LSE)": "supervised_lse",
        "pNR* (LAD)": "unsupervised_lad",
        "pNR* (LSE)": "unsupervised_lse",
    }
    files |= {name: key for name, key in PEERS.items() if key != "unet"}
    return {
        name: config_files.find_config(f"market1501_{key}").replace(data_dir=data_dir)
        for name, key in files.items()
    }


def shortened(config: Config, steps: int | None) -> Config:
    """Returns a configuration with fewer steps, its stages scaled in proportion."""
    if steps is None:
        return config
    first = getattr(config.model, "first_steps", None)
    model = {} if first is None else {"first_steps": first * steps // config.steps}
    return config.replace(steps=steps, model=model)


def trained(name: str, config: Config, seeds: int, folder: Path) -> Trained:
    """Trains a method with each seed."""
    configs = [config.replace(seed=seed) for seed in range(seeds)]
    workdirs = [folder / f"{slug(name)}-{seed}" for seed in range(seeds)]
    for seeded, workdir in zip(configs, workdirs, strict=True):
        print(f"{name}, seed {seeded.seed}", flush=True)
        if not train(seeded, workdir):
            raise SystemExit("stopped; the same command goes on")
    return Trained(name, configs, workdirs)


def results(
    method: Trained,
    sets: jobs_lib.EvaluationSets,
    asked: list[Scorer],
    options: jobs_lib.Options,
    training: Images | None,
    cache: Path,
) -> dict[tuple[str, int], list[Result]]:
    """Scores the runs of a method: results of all seeds, by set and number of sources."""
    found: dict[tuple[str, int], list[Result]] = {}
    for config, workdir in zip(method.configs, method.workdirs, strict=True):
        runs = [jobs_lib.TrainedRun(method.name, workdir, config)]
        jobs, _ = jobs_lib.make_jobs(sets, None, runs, [], options)
        for result in evaluate(jobs, asked, cache, training=training):
            found.setdefault((result.test.name, result.method.sources), []).append(result)
    return found


def interval(
    numerators: np.ndarray, denominators: np.ndarray, people: np.ndarray
) -> tuple[float, float]:
    """Returns the 95% interval of the mean over seeds of a ratio of sums.

    Args:
      numerators: [seeds, N], such as scores.
      denominators: [seeds, N], such as ones.
      people: [N], the person in each image; seeds and people are drawn with replacement.
    """
    names, group = np.unique(people, return_inverse=True)
    sums, counts = (
        np.stack([np.bincount(group, row) for row in rows]) for rows in (numerators, denominators)
    )
    rng = np.random.default_rng(0)

    def draws(size: int) -> np.ndarray:
        return rng.multinomial(size, np.full(size, 1 / size), size=RESAMPLES)

    seeds, times = draws(len(sums)) / len(sums), draws(len(names))
    ratios = (times @ sums.T) / np.maximum(times @ counts.T, 1e-12)
    low, high = np.quantile(np.sum(seeds * ratios, axis=1), (0.025, 0.975))
    return float(low), float(high)


def summarised(found: list[Result], asked: list[Scorer]) -> dict[str, Any]:
    """Returns the means of the results over seeds, and intervals where images have scores."""
    images, tuples = found[0].test.examples
    people = np.array([images.identity_of(images.names[i]) for i in tuples[:, -1]])
    row: dict[str, Any] = {}
    for scorer in asked:
        for column in scorer.columns:
            row[column.score] = float(np.mean([result.row[column.score] for result in found]))
        parts = [scorer.parts(result.scores) for result in found]
        for name in parts[0]:
            numerators, denominators = (
                np.stack([part[name][i] for part in parts]).astype(np.float64) for i in (0, 1)
            )
            row[f"{name}_interval"] = interval(numerators, denominators, people)
    return row


def cost(method: Trained) -> dict[str, float]:
    """Returns samples, samples/s, parameters of the networks that draw, GFLOP per image."""
    config = method.configs[0]
    system = config.build_system()
    variables, _ = jax.eval_shape(system.init, jax.random.key(0))
    arguments = (
        jax.ShapeDtypeStruct((1, 1, *config.image_size, 3), np.uint8),
        jax.ShapeDtypeStruct((1, 1, 18, 2), np.int32),
        jax.ShapeDtypeStruct((1, 1), np.bool_),
        jax.ShapeDtypeStruct((1, 18, 2), np.int32),
    )
    lines = [
        json.loads(line)
        for workdir in method.workdirs
        for line in (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return {
        "samples": config.steps * config.batch_size,
        "parameters": parameter_count(variables["params"]) / 1e6,
        "gflop": flops(functions(system)["transfer"], variables, *arguments) / 1e9,
        "samples_per_second": float(np.median([line["images_per_second"] for line in lines])),
    }


def drawing(method: Trained, sets: jobs_lib.EvaluationSets) -> dict[str, Callable[[], Any]]:
    """Returns functions that draw `BATCH` people once, and one person in `POSES` poses."""
    transfer = PoseTransfer.load(method.workdirs[0])
    images, tuples = sets.single.examples
    rows = np.resize(np.arange(len(tuples)), POSES)
    sources, poses = tuples[rows, :1], images.keypoints[tuples[rows, -1]]
    photos = images.images[sources], images.keypoints[sources]
    batch = functools.partial(transfer.transfer, *(x[:BATCH] for x in photos), poses[:BATCH])

    def one_person() -> np.ndarray:
        code = repeated(transfer.encode(*(x[:1] for x in photos)), BATCH)
        parts = [transfer.render(code, poses[i : i + BATCH]) for i in range(0, POSES, BATCH)]
        return np.concatenate(parts)

    return {"batch": batch, "poses": one_person}


def speeds(
    methods: list[Trained], sets: jobs_lib.EvaluationSets, turns: int
) -> dict[str, dict[str, float]]:
    """Measures the images per second of each method, drawn in turns."""
    calls = {
        (method.name, kind): call
        for method in methods
        for kind, call in drawing(method, sets).items()
    }
    seconds = medians(calls, turns)
    return {
        method.name: {
            "drawn_per_second": BATCH / seconds[method.name, "batch"],
            "poses_per_second": POSES / seconds[method.name, "poses"],
        }
        for method in methods
    }


def cell(row: dict[str, Any], column: Column) -> str:
    """Formats a score, with its interval if it has one."""
    text = f"{row[column.score]:,.{column.digits}f}"
    if (key := f"{column.score}_interval") in row:
        low, high = (f"{value:.{column.digits}f}" for value in row[key])
        text += f" ({low} to {high})"
    return text


def written(
    rows: list[dict[str, Any]], columns: list[Column], notes: list[str], folder: Path
) -> str:
    """Writes `table1.md` (tables of scores and costs) and `table1.json`; returns the former.

    Args:
      rows: one row per method, set and number of sources.
      columns: the columns of the scores.
      notes: lines above the tables.
      folder: the output folder.
    """
    keys = ("method", "set", "sources", "seeds")
    scores = [
        [*(str(row[key]) for key in keys), *(cell(row, column) for column in columns)]
        for row in rows
    ]
    methods = {row["method"]: row for row in rows}
    costs = [[name, *(cell(row, column) for column in COSTS)] for name, row in methods.items()]
    blocks = [
        *notes,
        table(["method", "set", "M", "seeds", *(column.heading for column in columns)], scores),
        table(["method", *(column.heading for column in COSTS)], costs),
    ]
    text = "\n\n".join(blocks) + "\n"
    write_text(folder / "table1.md", text)
    write_text(folder / "table1.json", json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    return text


def absent(flags: argparse.Namespace) -> list[str]:
    """Returns a line that lists the missing scores, if any."""
    names = [f"{name} (--{flag})" for name, flag in FLAGS.items() if not getattr(flags, flag)]
    return [f"Not scored, for want of a network: {', '.join(names)}."] if names else []


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, default=Path("runs/table1"))
    parser.add_argument("--budget", choices=("equal", "published"), default="equal")
    parser.add_argument("--data_dir", help="Market-1501 in place of the drawn people")
    parser.add_argument("--seeds", type=int, help="3 for equal budgets, else 1")
    parser.add_argument("--steps", type=int, help="of each run, for a rehearsal")
    parser.add_argument("--sources", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--limit", type=int, help="score the first tuples only")
    parser.add_argument("--only", nargs="+", help="names of methods")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--inception", help="Inception-v3 of 2015: IS, masked IS, FID")
    files = ("NETWORK", "LINEAR")
    parser.add_argument("--lpips_alex", nargs=2, metavar=files, help="AlexNet: LPIPS")
    parser.add_argument("--lpips_vgg", nargs=2, metavar=files, help="VGG16: LPIPS")
    parser.add_argument("--classifier", help="a .tflite classifier: proxy IS")
    parser.add_argument("--pose_model", help="a pose estimator: PCKh")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    flags = parsed(arguments)
    configs = {"equal": equal, "published": published}[flags.budget](flags.data_dir)
    if unknown := set(flags.only or ()) - set(configs):
        raise SystemExit(f"--only: {unknown.pop()!r} is not among {', '.join(configs)}")
    seeds = flags.seeds or {"equal": 3, "published": 1}[flags.budget]
    lpips = {"alex": flags.lpips_alex, "vgg": flags.lpips_vgg}
    asked = [make() for make in METRICS.values()]
    asked += network_scorers.scorers_of_files(
        flags.inception, lpips, flags.classifier, flags.pose_model
    )
    # A run continued from a rehearsal would be neither.
    folder = flags.workdir / f"{flags.steps}_steps" if flags.steps else flags.workdir
    methods = [
        trained(name, shortened(config, flags.steps), seeds, folder)
        for name, config in configs.items()
        if name in (flags.only or configs)
    ]
    first = methods[0].configs[0]
    sets = jobs_lib.load_sets(first, None, several=max(flags.sources) > 1)
    compares = any(scorer.fit for scorer in asked)
    training = examples.load_training(first).images if compares else None
    options = jobs_lib.Options(sources=flags.sources, limit=flags.limit)
    drawn = speeds(methods, sets, flags.turns)
    rows: list[dict[str, Any]] = []
    for method in methods:
        costs = cost(method) | drawn[method.name]
        found = results(method, sets, asked, options, training, folder / "cache")
        for (name, M), of_seeds in found.items():
            row = {"method": method.name, "set": name, "sources": M, "seeds": len(of_seeds)}
            rows.append(row | summarised(of_seeds, asked) | costs)
    columns = [column for scorer in asked for column in scorer.columns]
    notes = [f"{flags.budget} budgets, {first.data.name}; {machine()}", *absent(flags)]
    print("\n" + written(rows, columns, notes, folder))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
