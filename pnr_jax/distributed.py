"""Several processes as one program."""

import jax

from pnr_jax.errors import UserError

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
    numbers = (num_processes, process_id)
    if (coordinator is None) != (numbers == (None, None)) or (numbers[0] is None) != (
        numbers[1] is None
    ):
        raise UserError(
            "--coordinator, --num_processes and --process_id go together: give all three, or "
            "--distributed alone on Slurm, Open MPI, Kubernetes or a Cloud TPU"
        )
    if process_id is not None and not 0 <= process_id < (num_processes or 0):
        raise UserError(f"--process_id={process_id}: must be in 0 ... {num_processes} - 1")
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id, heartbeat_timeout_seconds=SILENCE
        )
    except (RuntimeError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        raise UserError(
            f"the processes could not be joined ({first_line}); without a cluster manager give "
            "--coordinator=HOST:PORT --num_processes=N --process_id=I"
        ) from None
