"""A TFLite image classifier, a stand-in where the Inception of published scores is not at hand.

A score made with it is a *proxy*: it tells one's own methods apart, and compares with nothing
published.
"""

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from pnr_jax.errors import UserError, first_line
from pnr_jax.nn.inception import resize_tf1

_THREADS = 2


def load(path: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """Reads a quantised classifier, uint8 images in and uint8 answers out.

    The answers are probabilities where their quantisation is that of a softmax (1/256, 0), else
    logits, of which the softmax is taken.

    Args:
      path: of the `.tflite` file.

    Returns:
      uint8 images [N, H, W, 3] -> float32 probabilities [N, classes].

    Raises:
      UserError: the file is missing, no such classifier, or no interpreter is installed.
    """
    if not Path(path).is_file():
        raise UserError(f"--classifier={path}: no such file; expected a .tflite classifier")
    interpreter = _interpreter(str(path))
    (entry, *more), (answer, *others) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    shape = entry["shape"].tolist()
    quantised = entry["dtype"] == answer["dtype"] == np.uint8
    if more or others or not quantised or len(shape) != 4 or shape[-1] != 3:
        raise UserError(
            f"--classifier={path}: expected uint8 images [1, H, W, 3] in and uint8 answers out, "
            f"found {np.dtype(entry['dtype'])} {shape} and {np.dtype(answer['dtype'])}"
        )
    scale, zero = answer["quantization"]
    is_softmax = (scale, zero) == (1 / 256, 0)

    def classify(images: np.ndarray) -> np.ndarray:
        answers = []
        for image in images:  # One by one: its memory is planned for one image.
            resized = resize_tf1(jnp.asarray(image[None], jnp.float32), tuple(shape[1:3]))
            interpreter.set_tensor(entry["index"], np.asarray(resized).round().astype(np.uint8))
            interpreter.invoke()
            answers.append(interpreter.get_tensor(answer["index"]).reshape(-1))
        real = scale * (np.array(answers, np.float32) - zero)
        weights = real if is_softmax else np.exp(real - real.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    return classify


def _interpreter(path: str) -> Any:
    for package in ("ai_edge_litert.interpreter", "tensorflow"):
        try:
            module: Any = importlib.import_module(package)
        except ImportError:
            continue
        module = module.lite if package == "tensorflow" else module
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TensorFlow's copy says that it will move.
                interpreter = module.Interpreter(path, num_threads=_THREADS)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"--classifier={path}: not a TFLite model ({first_line(error)})"
            ) from None
        return interpreter
    raise UserError("--classifier needs an interpreter: pip install ai-edge-litert")
