"""The commands of an installed package: the programs of `launch/`, run as they are."""

import runpy
from collections.abc import Callable
from pathlib import Path

_PACKAGE = Path(__file__).parent
# In a wheel the programs lie in the package, in a checkout beside it.
_FOLDERS = (_PACKAGE / "launch", _PACKAGE.parent / "launch")


def _command(program: str) -> Callable[[], None]:
    def run() -> None:
        files = (folder / f"{program}.py" for folder in _FOLDERS)
        runpy.run_path(str(next(file for file in files if file.is_file())), run_name="__main__")

    return run


animate = _command("animate")
augment = _command("augment")
estimate_poses = _command("estimate_poses")
evaluate = _command("evaluate")
export = _command("export")
generate = _command("generate")
prepare_deepfashion = _command("prepare_deepfashion")
prepare_folder = _command("prepare_folder")
prepare_market1501 = _command("prepare_market1501")
studio = _command("studio")
train = _command("train")
