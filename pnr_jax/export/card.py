"""The model card: what the model is, how to call it, what it was trained on and how it scores."""

import json
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from pnr_jax.checksum import digest
from pnr_jax.keypoints import JOINTS

# What may be done with a model and its images follows from what it was trained on.
_LICENCES = {
    "people": (
        "people who are drawn by a program (`pnr_jax.data.synthetic`), no photo of anybody",
        "Free to use and to pass on, under the licence of the code (Apache-2.0).",
    ),
    "market1501": (
        "Market-1501 (Zheng et al., ICCV 2015) with OpenPose keypoints",
        "Market-1501 is for research only and may not be passed on. This model and images drawn "
        "by it derive from photos of real people: use them for research only, and do not publish "
        "them beyond what the data set's authors allow.",
    ),
}
_OWN = (
    "images of its user's own",
    "What may be done with this model and its images is up to the owner of those images and to "
    "the people whom they show.",
)

_CARD = """# Person images in new poses by p-norm regression

Given one or more {height}x{width} photos of a person, each with 18 keypoints, and the keypoints of
another pose, the model draws the person in that pose: `encode` solves H ≈ P F once for the person
(p = {p}), `render` draws F in any number of poses, `transfer` does both. The numbers B of
people and M of photos are free. Method: *Pose Guided Person Image Generation with Hidden p-Norm
Regression*; {parameters:,} parameters.

## How to call it

```python
from pathlib import Path

import jax
from jax import export
from orbax.checkpoint import v1 as ocp

folder = Path(".").resolve()  # Of this file; nothing else is needed than jax and orbax-checkpoint.
variables = ocp.load(folder / "model")
files = [folder / f"{{name}}.jax_export" for name in ("encode", "render")]
encode, render = (jax.jit(export.deserialize(file.read_bytes()).call) for file in files)
F = encode(variables, images, keypoints, valid)  # One regression a person ...
drawn = render(variables, F, poses)  # ... and any number of poses.
```

| array | shape and type |
| --- | --- |
| `images` | uint8 [B, M, {height}, {width}, 3], RGB |
| `keypoints` | int32 [B, M, 18, 2], (y, x) pixels, -1 where missing; OpenPose's COCO-18 joints |
| `valid` | bool [B, M], False pads a person who has fewer photos |
| `poses` | int32 [B, 18, 2] |
| `F` | float32 [B, {d}, {D}] |
| `drawn` | uint8 [B, {height}, {width}, 3] |

`transfer(variables, images, keypoints, valid, poses)` draws in one call. The joints, in order:
{joints} ("right" is the person's own).

## What is here

| file | what |
| --- | --- |
| `model/` | the weights, a plain Orbax tree |
| `encode`, `render`, `transfer` `.jax_export` | StableHLO by `jax.export`, for {platforms} |
{saved_model}| `config.json` | every field of the configuration |

The programs were written by jax {jax}. Later versions read them for at least six months (the
compatibility window of `jax.export`); the weights do not expire, and the code can export them anew.

## Training

Data: {data}.
{supervision}; {best}{step:,} of {steps:,} steps of batches of {batch_size}, M = {sources}.
Weights of the losses: {losses}. `config.json` has the rest.

## Evaluation

{evaluation}

## Licence and limits

{licence}

The model draws people like those that it was trained on, and no others. It does not know what a
photo does not show: the back of somebody seen from the front is a guess. Drawn images are not
evidence of where anybody was or what anybody wore.
"""

_SAVED_MODEL = "| `saved_model/` | `render` for TensorFlow, which cannot run `encode` |\n"


def model_card(
    config: ConfigDict,
    variables: dict[str, Any],
    workdir: Path,
    name: str,
    platforms: tuple[str, ...],
    saved_model: bool,
) -> str:
    """The card as Markdown.

    Args:
      config: of the run.
      variables: of the model.
      workdir: of the run; its metrics are quoted, and its evaluation where it is of these weights.
      name: "model" (the latest) or "model_best".
      platforms: that the programs are for.
      saved_model: whether the render half lies beside them for TensorFlow.
    """
    data, licence = _LICENCES.get(config.data.name, _OWN)
    losses = [
        f"{name} {weight:g}"
        for name, weight in sorted(config.loss.items())
        if weight and not isinstance(weight, bool)
    ]
    parameters = sum(np.size(x) for x in jax.tree.leaves(variables["params"]))
    return _CARD.format(
        height=config.image_size[0],
        width=config.image_size[1],
        p=f"{config.model.p:g}",
        parameters=parameters,
        d=config.model.d,
        D=4 * config.model.width,
        joints=textwrap.fill(", ".join(JOINTS).replace("_", " "), 99),
        platforms=", ".join(platforms),
        saved_model=_SAVED_MODEL if saved_model else "",
        jax=jax.__version__,
        data=data,
        supervision="Supervised" if config.supervised else "Unsupervised (no identities)",
        best="the weights of the lowest training L1 in " if name == "model_best" else "",
        step=_last_step(workdir),
        steps=config.steps,
        batch_size=config.batch_size,
        sources=config.sources,
        losses=", ".join(losses),
        evaluation=_evaluation(workdir, name, digest(variables)),
        licence=licence,
    )


def _last_step(workdir: Path) -> int:
    """The last step in the run's metrics, 0 where there are none."""
    path = workdir / "metrics.jsonl"
    # A line is whole when it ends: what stands behind the last end is torn, or nothing.
    lines = path.read_text().split("\n")[:-1] if path.is_file() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def _evaluation(workdir: Path, name: str, weights: str) -> str:
    folder = workdir / "evaluation"
    if (folder / "table.json").is_file():
        rows = json.loads((folder / "table.json").read_text())
        if any(row.get("weights") == weights for row in rows):
            return (folder / "table.md").read_text().strip().replace("\n#", "\n##")
    return (
        f"These weights are not evaluated yet (`launch/evaluate.py --model={name}` writes the "
        "table that belongs here)."
    )
