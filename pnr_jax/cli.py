"""Code that the programs in `launch/` share: a user's mistake is one line and exit code 2."""

import contextlib
import io
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from logging import getLogger
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np
from absl import app, flags, logging

from pnr_jax import config_files
from pnr_jax.config import Config
from pnr_jax.data import openpose_json
from pnr_jax.distributed import is_main_process
from pnr_jax.errors import UserError, first_line
from pnr_jax.files import Staging
from pnr_jax.paths import is_bucket_error, is_remote, to_path
from pnr_jax.settings import SettingError

# What the Makefile and the scripts in launch/ put into GLIBC_TUNABLES, which glibc reads when a
# program starts. Huge pages: XLA's convolutions on CPUs take and return tens of MB each, and
# faulting them in by 4 kB pages is a good part of a training step. One arena for each core instead
# of eight: each keeps what its busiest moment took, so memory grows until all have seen one.
MALLOC = f"glibc.malloc.hugetlb=1:glibc.malloc.arena_max={os.cpu_count()}"

# Flags that name places in buckets too (`pnr_jax.paths`).
_IN_BUCKETS = {"workdir", "workdir_lse", "data_dir", "output", "init_from", "compare", "set"}


def run(main: Callable[[], None]) -> None:
    """Parses the command line and runs `main`; never returns.

    Exit codes: 0 done, 2 a mistake in flags or input, or a file that cannot be read or written
    (one line on stderr says which), 130 Ctrl-C.
    """
    _restart_with_utf8_names()
    # TensorFlow only reads files here: silence its start-up lines.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    _keep_compiled_programs()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Characters that the locale lacks are no error.
            stream.reconfigure(errors="backslashreplace")
    logging.set_verbosity(logging.WARNING)
    getLogger("gcsfs").setLevel("CRITICAL")  # It logs what it raises, with the traceback.

    def guarded(argv: Sequence[str]) -> None:
        try:
            if len(argv) > 1:
                raise UserError(f"unexpected argument '{argv[1]}'; flags look like --name=value")
            main()
        except (UserError, OSError) as error:
            _fail(error)
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:
            if not is_bucket_error(error):
                raise
            _fail(UserError(f"a bucket cannot be read or written ({first_line(error)})"))

    app.run(guarded, flags_parser=_parse)


def define_config() -> Callable[[], Config]:
    """Defines --config=NAME_OR_FILE, and --config.FIELD=VALUE for each of its fields.

    Returns:
      A function that reads the configuration, once the command line is parsed.
    """
    name = flags.DEFINE_string(
        "config", None, "Name or file of a configuration; --config.steps=20 changes a field of it."
    )
    changes = flags.DEFINE_multi_string("set", [], "The same as --config.FIELD=VALUE.")
    flags.mark_flag_as_required("config")

    def read() -> Config:
        try:
            config = config_files.find_config(name.value or "")
        except UserError as error:
            raise UserError(f"--config={error}") from None
        try:
            return config_files.with_changes(config, changes.value)
        except SettingError as error:
            raise UserError(f"--config.{error}") from None

    return read


def print_names(what: str, names: Sequence[str]) -> None:
    """Prints how many names there are and the first of them; nothing if there are none."""
    if names:
        print(f"{len(names):,} {what}: {', '.join(names[:5])}{' ...' * (len(names) > 5)}")


def print_passed_over(names: Sequence[str]) -> None:
    """Prints which files of a folder or zip were passed over (`pnr_jax.walk`)."""
    print_names("hidden or system name(s) and link(s) passed over", names)


def read_keypoints(path: str) -> dict[str, np.ndarray]:
    """Reads a CSV, OpenPose's JSON or a folder of it, and says which rows of a CSV are rounded."""
    rounded: list[str] = []
    annotations = openpose_json.read_keypoints(path, rounded)
    print_names(f"row(s) of {path} with fractions of a pixel, rounded", rounded)
    return annotations


@contextlib.contextmanager
def preparing(data_dir: str, name: str) -> Iterator[Path]:
    """Yields the folder in which a data set is prepared; for a bucket it is copied at the end.

    Args:
      data_dir: where the data set goes.
      name: its folder there.

    Raises:
      UserError: a bucket has it already. What is on a disk, the preparation itself looks at.
    """
    folder = to_path(data_dir)
    if is_remote(folder) and (folder / name).exists():
        raise UserError(f"`data_dir={data_dir}`: has {name}/ already; remove it to prepare it anew")
    with Staging(folder, last="packed") as staging:
        yield staging.path


def print_resized(
    paths: Sequence[str], sizes: Sequence[tuple[int, ...]], size: tuple[int, int]
) -> None:
    """Prints which photos, of (height, width) `sizes`, were resized."""
    for path, old in zip(paths, sizes, strict=True):
        if old != size:
            print(
                f"{path}: resized from {old[0]}x{old[1]} to {size[0]}x{size[1]} (height x width) "
                "with its keypoints"
            )


def hint_at_malloc() -> None:
    """Prints how to train faster, if a CPU trains with malloc's default settings."""
    is_cpu = jax.default_backend() == "cpu" and sys.platform == "linux"
    if is_cpu and "GLIBC_TUNABLES" not in os.environ and is_main_process():
        print(f"hint: GLIBC_TUNABLES={MALLOC} in the environment makes training on CPUs faster")


def _restart_with_utf8_names() -> None:
    """Starts the program again where the locale would read file names in another encoding.

    They are UTF-8 on disks and in CSVs, and Python decides how to read them as it starts.
    """
    if sys.getfilesystemencoding() != "utf-8" and "utf8" not in sys._xoptions:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _keep_compiled_programs() -> None:
    """Caches compiled programs, unless JAX is configured to do so elsewhere.

    Each machine has its own folder, since machines with other processors may share the home.
    """
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # Neither HOME nor an entry for this user, as in some containers.
        print("no home folder: compiled programs are not kept; XDG_CACHE_HOME names a place")
        return
    folder = Path(caches) / "pnr_jax" / platform.node()
    jax.config.update("jax_compilation_cache_dir", str(folder))


def _parse(argv: Sequence[str]) -> list[str]:
    try:
        rest = flags.FLAGS([_home_expanded(_as_change(argument)) for argument in argv])
        _check_places()
    except (flags.Error, TypeError, ValueError, OSError, UserError) as error:
        _fail(error)
    return rest


def _check_places() -> None:
    """Raises a `UserError` for a place in a bucket whose flag names files of this disk."""
    for name in set(flags.FLAGS) - _IN_BUCKETS:
        value = flags.FLAGS[name].value
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.startswith("gs://"):
                raise UserError(f"--{name}={text}: must be on a disk; copy it there first")


def _as_change(argument: str) -> str:
    """Returns --config.FIELD=VALUE as the flag that it is short for."""
    return re.sub(r"^--?config\.", "--set=", argument)


def _home_expanded(argument: str) -> str:
    """Returns --flag=~/a,~/b with the home folder in place of ~, which shells leave there."""
    # pathlib would raise for a user whom nobody knows; such a name may be a file's.
    return re.sub(r"(?<=[=,])~[^/,]*", lambda user: os.path.expanduser(user[0]), argument)  # noqa: PTH111


def _with_flags(message: str) -> str:
    """Returns a message of the library with its arguments, such as `data_dir=x`, as flags."""

    def flag(found: re.Match[str]) -> str:
        return f"--{found[1]}" if found[2] in flags.FLAGS else found[0]

    return re.sub(r"`((\w+)(?:[.=][^`]*)?)`", flag, message)


def _fail(error: Exception) -> NoReturn:
    print(f"error: {_with_flags(' '.join(str(error).split()))}", file=sys.stderr)
    sys.exit(2)
