"""The model card: what the model is, how to call it, what it was trained on and how it scores."""

import json
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pnr_jax.checksum import digest
from pnr_jax.config import Config
from pnr_jax.export.programs import code_shape
from pnr_jax.keypoints import JOINTS
from pnr_jax.systems import System
from pnr_jax.typing import Variables

_FRONT_MATTER = """---
library_name: jax
pipeline_tag: image-to-image
license: other
license_name: see-the-card
license_link: README.md#licence-and-limits
tags:
- jax
- flax
- pose-transfer
- person-image-generation
---

"""
_CARD = """{front_matter}# Person images in new poses by {title}

Given {photos} of {height}x{width} pixels of a person, with 18 keypoints each, and the keypoints of
another pose, the model draws the person in that pose; {parameters:,} parameters.

{about}

## How to call it

```python
from pathlib import Path

import jax
from jax import export
from orbax.checkpoint import v1 as ocp

folder = Path(".").resolve()  # Of this file; nothing else is needed than jax and orbax-checkpoint.
variables = ocp.load(folder / "model")
{call}
```

| array | shape and type |
| --- | --- |
| `images` | uint8 [B, {M}, {height}, {width}, 3], RGB |
| `keypoints` | int32 [B, {M}, 18, 2], (y, x) pixels, -1 where missing; OpenPose's COCO-18 joints |
| `valid` | bool [B, {M}], False pads a person who has fewer photos |
| `poses` | int32 [B, 18, 2] |
{code}| `drawn` | uint8 [B, {height}, {width}, 3] |

{one_call}The numbers {free} are free. The joints, in order:
{joints} ("right" is the person's own).

## What is here

| file | what |
| --- | --- |
| `model/` | the weights, a plain Orbax tree |
| {programs} `.jax_export` | StableHLO by `jax.export`, for {platforms} |
{weights_file}{saved_model}| `config.json` | every field of the configuration |

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

_HALVES = """files = [folder / f"{name}.jax_export" for name in ("encode", "render")]
encode, render = (jax.jit(export.deserialize(file.read_bytes()).call) for file in files)
F = encode(variables, images, keypoints, valid)  # One regression a person ...
drawn = render(variables, F, poses)  # ... and any number of poses."""
_WHOLE = """file = folder / "transfer.jax_export"
transfer = jax.jit(export.deserialize(file.read_bytes()).call)
drawn = transfer(variables, images, keypoints, valid, poses)"""
_ONE_CALL = "`transfer(variables, images, keypoints, valid, poses)` draws in one call. "
_WEIGHTS_FILE = "| `model.safetensors` | the weights, float32; names are paths in the tree |\n"
_SAVED_MODEL = "| `saved_model/` | `render` for TensorFlow, which cannot run `encode` |\n"


def model_card(
    config: Config,
    variables: Variables,
    workdir: Path,
    name: str,
    platforms: tuple[str, ...],
    saved_model: bool,
    safetensors: bool,
) -> str:
    """Writes the card as Markdown.

    Args:
      config: the run's configuration.
      variables: the model's variables.
      workdir: the run's folder; its metrics are quoted, and its evaluation if it is of these
        weights.
      name: "model" (the latest) or "model_best".
      platforms: the platforms that the programs are for.
      saved_model: whether the folder has a SavedModel of `render`.
      safetensors: whether it has `model.safetensors`, for the Hugging Face Hub.
    """
    system = config.build_system()
    losses = [f"{name} {weight:g}" for name, weight in sorted(config.loss.flat().items()) if weight]
    parameters = sum(np.size(x) for x in jax.tree.leaves(variables["params"]))
    return _CARD.format(
        front_matter=_FRONT_MATTER if safetensors else "",
        weights_file=_WEIGHTS_FILE if safetensors else "",
        height=config.image_size[0],
        width=config.image_size[1],
        parameters=parameters,
        title=system.title,
        about=textwrap.fill(system.about, 99),
        **_calls(system, variables),
        joints=textwrap.fill(", ".join(JOINTS).replace("_", " "), 99),
        platforms=", ".join(platforms),
        saved_model=_SAVED_MODEL if saved_model else "",
        jax=jax.__version__,
        data=config.data.subject,
        supervision="Supervised" if config.supervised else "Unsupervised (no identities)",
        best="the weights of the lowest training L1 in " if name == "model_best" else "",
        step=_last_step(workdir),
        steps=config.steps,
        batch_size=config.batch_size,
        sources=f"1 to {config.sources}" if config.vary_sources else config.sources,
        losses=", ".join(losses),
        evaluation=_evaluation(workdir, name, digest(variables)),
        licence=config.data.licence,
    )


def _calls(system: System, variables: Variables) -> dict[str, Any]:
    """Returns the card's text about the programs' arguments."""
    most = system.most_sources
    sources = {
        "photos": "one or more photos" if most is None else f"{most} photo(s)",
        "M": "M" if most is None else most,
        "free": "B of people and M of photos" if most is None else "B of people",
    }
    if not system.encodes:
        whole = {"call": _WHOLE, "code": "", "one_call": "", "programs": "`transfer`"}
        return sources | whole
    d, D = code_shape(system, variables)
    return sources | {
        "call": _HALVES,
        "code": f"| `F` | float32 [B, {d}, {D}] |\n",
        "one_call": _ONE_CALL,
        "programs": "`encode`, `render`, `transfer`",
    }


def _last_step(workdir: Path) -> int:
    """Returns the last step in the run's metrics, 0 where there are none."""
    path = workdir / "metrics.jsonl"
    # A line is whole when it ends: what stands behind the last end is torn, or nothing.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def _evaluation(workdir: Path, name: str, weights: str) -> str:
    folder = workdir / "evaluation"
    if (folder / "table.json").is_file():
        rows = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        if any(row.get("weights") == weights for row in rows):
            return (folder / "table.md").read_text(encoding="utf-8").strip().replace("\n#", "\n##")
    return (
        f"These weights are not evaluated yet (`launch/evaluate.py --model={name}` writes the "
        "table that belongs here)."
    )
