"""Several processes as one program."""

import contextlib
import os
import sys
from collections.abc import Iterator

import jax

from pnr_jax.errors import UserError, first_line

LOST = 3  # Exit code when another process is gone.
SILENCE = 60  # Seconds without a sign of life after which a process counts as dead.


def join(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins the other processes of a run; to be called before any device is used.

    Args:
      coordinator: host:port of process 0; None asks Slurm, Open MPI, Kubernetes or the Cloud TPU.
      num_processes: how many there are, with `coordinator`.
      process_id: which one this is, from 0, with `coordinator`.

    Raises:
      UserError: the flags contradict each other, or no such environment was found.
    """
    if len({value is None for value in (coordinator, num_processes, process_id)}) == 2:
        raise UserError(
            "--coordinator, --num_processes and --process_id go together: give all three, or "
            "--distributed alone on Slurm, Open MPI, Kubernetes or a Cloud TPU"
        )
    if coordinator is not None and not _is_address(coordinator):
        raise UserError(f"--coordinator={coordinator}: expected HOST:PORT, a port in 1 ... 65535")
    if process_id is not None and not 0 <= process_id < (num_processes or 0):
        raise UserError(f"--process_id={process_id}: must be in 0 ... {num_processes} - 1")
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id, heartbeat_timeout_seconds=SILENCE
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the processes could not be joined ({first_line(error)}); without a cluster manager "
            "give --coordinator=HOST:PORT --num_processes=N --process_id=I"
        ) from None


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535


@contextlib.contextmanager
def with_partners() -> Iterator[None]:
    """Ends the program, with a line and exit code `LOST`, when another process is gone.

    At once: an orderly end would wait for the lost process in every barrier on its way. A partner
    that dies while both save is missed by its silence alone, and then JAX may end the program by
    SIGABRT first, with a message of its own.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        print(
            f"error: another process of this run is gone ({first_line(error)}); run the same "
            "command on all of them again, it goes on from the last checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(LOST)
