"""One process at a time: a lock if the file system supports them, else, as in buckets, a lease."""

import contextlib
import errno
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pnr_jax.errors import UserError, first_line
from pnr_jax.paths import create, is_remote

try:
    import fcntl
except ModuleNotFoundError:  # Windows.
    fcntl = None  # type: ignore[assignment]

TAKEN = 3  # Exit code when another process has taken over the lease.
RENEWED = 10.0  # Seconds after which a lease is renewed.
WATCHED = 25.0  # Seconds for which a lease is watched for changes before it is taken over.

# Lustre without -o flock, some NFS, FUSE.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextlib.contextmanager
def locked(path: Path, refusal: str, log: Callable[[str], None] = print) -> Iterator[None]:
    """Holds a lock file for the duration of the block; the system frees it if the process dies.

    If the file system does not support locks, a lease beside the file is used instead (`leased`),
    and a line is logged; in a bucket the lease is all there is.

    Args:
      path: the lock file, which is not removed.
      refusal: the error message if another process holds it.
      log: prints a line.

    Raises:
      UserError: another process holds it, or its folder is not writable.
    """
    lease = path.with_name(f"{path.name}.lease")
    if is_remote(path):
        with leased(lease, refusal, log):
            yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path.parent}: cannot be written to ({error.strerror}); choose another folder"
        ) from None
    with file, contextlib.ExitStack() as stack:
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "no locks on this system")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(refusal) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log(f"{path.parent}: no file locks here ({error.strerror}); {lease.name} stands in")
            stack.enter_context(leased(lease, refusal, log))
        yield


@contextlib.contextmanager
def leased(path: Path, refusal: str, log: Callable[[str], None] = print) -> Iterator[None]:
    """Holds a lease: a file that names its holder and is rewritten every `RENEWED` seconds.

    An existing lease is watched for `WATCHED` seconds and taken over if it does not change, so the
    clocks of machines do not matter; one that a dead process of this machine left is not watched.
    A lease is weaker than a lock: if two processes take over the same lease at the same moment,
    the one that wrote last holds it; and a holder that was cut off from the disk or bucket for so
    long may find that another process holds it, and then ends the program, with a line and code
    `TAKEN`.

    Args:
      path: the lease, which is removed at the end.
      refusal: the error message if another process holds it.
      log: prints a line.

    Raises:
      UserError: another process holds it.
    """
    me = f"{_machine()} {os.getpid()} {time.time()}"
    try:
        is_taken = _take(path, f"{me} 0", log)
    except Exception as error:  # Those of buckets are of many types.
        raise UserError(
            f"{path.parent}: cannot be written to ({first_line(error)}); choose another folder"
        ) from None
    if not is_taken:
        raise UserError(refusal)
    done = threading.Event()

    def renew() -> None:
        count = 0
        while not done.wait(RENEWED):
            count += 1
            # The disk may be full for a moment, the bucket out of reach, by errors of many types.
            with contextlib.suppress(Exception):
                _end_if_taken(path, me)
                path.write_text(f"{me} {count}", encoding="utf-8")

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(Exception):  # As above; a lease that is left is taken over.
            if (_read(path) or "").startswith(me):
                path.unlink(missing_ok=True)


def _take(path: Path, lease: str, log: Callable[[str], None]) -> bool:
    """Writes a lease, unless another process holds it; returns whether it did."""
    if create(path, lease.encode()):
        return True
    left = _read(path)
    if left is not None and not _is_dead(left):
        log(f"{path}: left by another process; watching it for {WATCHED:.0f} s")
        if _changes(path, left, WATCHED):
            return False
    path.write_text(lease, encoding="utf-8")
    # A process that took over at the same moment has written by now.
    return not _changes(path, lease, min(1.0, WATCHED))


def _end_if_taken(path: Path, me: str) -> None:
    """Ends the program if a lease is another process's: both would write to one run."""
    found = _read(path)
    if found and not found.startswith(me):
        print(
            f"error: {path}: taken over by another process, since this one could not renew it; "
            "this one ends",
            file=sys.stderr,
            flush=True,
        )
        os._exit(TAKEN)


def _machine() -> str:
    """Names what numbers the processes: the host and, on Linux, its boot and the container.

    Hosts in a cluster may share a name, and a new container has that of the one before.
    """
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{platform.node()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return platform.node()


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None


def _is_dead(lease: str) -> bool:
    """Returns whether its holder was a process of this machine that no longer exists."""
    machine, process, *_ = [*lease.split(), "", ""]
    # Windows has no signal 0: there it would be Ctrl-C.
    if machine != _machine() or not process.isdecimal() or sys.platform == "win32":
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _changes(path: Path, lease: str, seconds: float) -> bool:
    """Watches a lease for at most `seconds`, and returns whether it changes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(0.2, seconds / 10))
        with contextlib.suppress(Exception):  # Out of reach for a moment.
            if _read(path) not in (lease, "", None):  # A file is empty while it is being written.
                return True
    return False
