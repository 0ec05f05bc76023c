"""Trains a configuration; run again with the same --workdir, it goes on where it stopped.

python launch/train.py --config=configs/quickstart.py --workdir=runs/quickstart

It uses all devices it sees. On several hosts, start it once on each with --distributed (Slurm, Open
MPI, Kubernetes, Cloud TPU), or say --coordinator, --num_processes and --process_id.

--profile=N traces N steps after the first one into WORKDIR/profile, for XProf or TensorBoard.
"""

import shlex
import sys
from pathlib import Path

import jax
from absl import flags

import pnr_jax
from pnr_jax import cli, distributed
from pnr_jax.paths import absolute, to_path
from pnr_jax.pretrained import check_own, is_address
from pnr_jax.training.loop import train

CONFIG = cli.define_config()
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run, or gs://BUCKET/...; one that all hosts share."
)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the prepared data set.")
INIT_FROM = flags.DEFINE_string(
    "init_from", None, "Run, exported or bundled model, or hf://OWNER/REPO, to start from."
)
VGG19 = flags.DEFINE_string("vgg19", None, "Other VGG19 weights: file, hf://OWNER/REPO/FILE.")
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Join the processes the cluster started.")
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes there are.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which one this is, from 0.")
DEBUG_NANS = flags.DEFINE_bool("debug_nans", False, "Stop at the operation that makes a NaN.")
PROFILE = flags.DEFINE_integer(
    "profile", 0, "Steps to trace into WORKDIR/profile, after the first one.", lower_bound=0
)
LOGGER = flags.DEFINE_list(
    "logger", [], "Where to log beside the workdir, which has it in any case: wandb."
)
flags.mark_flag_as_required("workdir")


def main() -> None:
    """Trains the configuration."""
    config, workdir = CONFIG(), to_path(check_own(WORKDIR.value))
    config = config.replace(
        data_dir=_from_root(DATA_DIR.value or config.data_dir),
        vgg19=_from_root(VGG19.value or config.vgg19),
    )
    if INIT_FROM.value is not None:
        config = config.replace(init_from=INIT_FROM.value)
    by_hand = (COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    if DISTRIBUTED.value or by_hand != (None, None, None):
        distributed.join(*by_hand)
    cli.hint_at_malloc()
    with jax.debug_nans(DEBUG_NANS.value):
        done = train(config, workdir, profile=PROFILE.value, loggers=LOGGER.value)
    if distributed.is_main_process():
        print(_what_next(workdir, done))


def _from_root(place: str) -> str:
    """Returns a place as the run keeps it, which holds in any folder; "" and addresses stay."""
    return place if not place or is_address(place) else str(absolute(place))


def _what_next(workdir: Path, done: bool) -> str:
    """Returns where a run's files lie, and the command for the next thing to do."""
    names = (f"{path.name}{'/' * path.is_dir()}" for path in sorted(workdir.iterdir()))
    lies = f"in {workdir}: {', '.join(name for name in names if not name.startswith('.'))}"
    if not done:
        return f"{lies}\nnext: the same command, which goes on from here"
    installed = Path(pnr_jax.__file__).parent in Path(__file__).parents
    beside = Path(sys.argv[0]).with_name("evaluate.py")
    evaluate = "pnr-evaluate" if installed else f"python {shlex.quote(str(beside))}"
    return f"{lies}\nnext: {evaluate} --workdir={shlex.quote(str(workdir))}"


if __name__ == "__main__":
    cli.run(main)
