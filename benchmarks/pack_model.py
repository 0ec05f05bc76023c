"""Packs a trained run into a bundled model: weights in bfloat16, configuration, scores, card.

    python -m benchmarks.pack_model --workdir=runs/people
    python launch/evaluate.py --workdir=people --output=runs/people_in_the_box
    python -m benchmarks.pack_model --workdir=runs/people --evaluation=runs/people_in_the_box \
        --spent="1.6 hours on two CPU cores"

The first command creates the model that the second scores as `--workdir=people`; the third writes
the card.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import jax
import numpy as np

from pnr_jax import box, examples
from pnr_jax import config as config_lib
from pnr_jax.checkpoints import load_model
from pnr_jax.files import write_text
from pnr_jax.metrics import ssim
from pnr_jax.transfer import PoseTransfer

CARD = """# {name}: the bundled model

Draws people like those of `pnr_jax/data/synthetic`, {height}×{width} pixels, in new poses:
{title}, {parameters:,} parameters, rounded to bfloat16.

| | |
| --- | --- |
| made by | {command} |
| training | {samples:,} samples of {data}; {spent} |
| losses | {losses} |
| file | `{file}`, {size:,} bytes |
| SHA-256 | `{sha256}` |
| SSIM of the first picture of each of the first twelve test identities, one source | {twelve:.4f} |

{evaluation}

Licence: that of the code (Apache-2.0). It draws nobody but such drawn people.
"""


def pack(workdir: Path, folder: Path) -> None:
    """Writes the weights, the configuration, the training metrics and the mean image."""
    folder.mkdir(parents=True, exist_ok=True)
    box.save_weights(folder / box.WEIGHTS, load_model(workdir))
    # Where the weights began is the card's to say: here the name would be this model's own.
    config_lib.write_config(config_lib.read_config(workdir).replace(init_from=""), folder)
    for file in ("metrics.jsonl", "mean_image.png"):
        shutil.copy(workdir / file, folder)


def score_of_twelve(name: str) -> float:
    """Returns the mean SSIM of the first picture of the first twelve test identities, M = 1."""
    images, tuples = examples.load_test(config_lib.read_config(name))
    first = {images.identity_of(images.names[row[-1]]): row for row in reversed(tuples)}
    rows = np.stack([first[identity] for identity in sorted(first)[:12]])
    sources, targets = rows[:, :1], rows[:, -1]
    drawn = PoseTransfer.load(name).transfer(
        images.images[sources], images.keypoints[sources], images.keypoints[targets]
    )
    return float(np.mean(ssim(images.images[targets], drawn)))


def card(name: str, folder: Path, evaluation: Path, spent: str, command: str, before: int) -> str:
    """Returns the card as Markdown; `before` are the samples of the run that it began with."""
    config, file = config_lib.read_config(folder), folder / box.WEIGHTS
    step = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])[
        "step"
    ]
    losses = {k: v for k, v in config.loss.flat().items() if v}
    weights = box.load_weights(file)["params"]
    return CARD.format(
        name=name,
        height=config.image_size[0],
        width=config.image_size[1],
        title=config.build_system().title,
        parameters=sum(x.size for x in jax.tree.leaves(weights)),
        command=command or f"`python launch/train.py --config={name} --workdir=runs/{name}`",
        samples=before + step * config.batch_size,
        data=config.data.title,
        spent=spent,
        losses=", ".join(f"{k} {v:g}" for k, v in losses.items()),
        file=file.name,
        size=file.stat().st_size,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        twelve=score_of_twelve(name),
        evaluation=(evaluation / "table.md")
        .read_text(encoding="utf-8")
        .strip()
        .replace("# ", "## ", 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--name", default="people")
    parser.add_argument("--evaluation", type=Path, help="folder of the scores")
    parser.add_argument("--spent", default="", help="time and machine of the training")
    parser.add_argument("--command", default="", help="what trained it, as Markdown")
    parser.add_argument("--before", type=int, default=0, help="samples of the run it began with")
    flags = parser.parse_args()
    folder = box.MODELS / flags.name
    pack(flags.workdir, folder)
    if flags.evaluation:
        (folder / "evaluation").mkdir(exist_ok=True)
        for file in ("table.md", "table.json"):
            shutil.copy(flags.evaluation / file, folder / "evaluation")
        text = card(flags.name, folder, flags.evaluation, flags.spent, flags.command, flags.before)
        write_text(folder / "README.md", text)


if __name__ == "__main__":
    main()
