"""SIGTERM as a question that training asks after every step."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Yields a function: is this step the last one, since SIGTERM came?

    With several processes JAX's preemption service carries the signal to all of them, and they
    agree on the step.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    came = []
    previous = signal.signal(signal.SIGTERM, lambda *_: came.append(True))
    try:
        yield lambda _: bool(came)
    finally:
        signal.signal(signal.SIGTERM, previous)
