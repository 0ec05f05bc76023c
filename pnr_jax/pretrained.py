"""Pretrained weights by name: files of this machine or of the Hugging Face Hub, and their hashes.

    PLACE           a path, or an address of the Hub
    PLACE@SHA256    the same, which is refused if its hash is another one (64 hexadecimal digits)

    hf://OWNER/REPO[@REVISION]         a model, as `export_run(safetensors=True)` writes it
    hf://OWNER/REPO[@REVISION]/FILE    a file

A revision is a commit, or a branch or tag without a slash. A model's hash is that of the file of
its weights.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pnr_jax.errors import UserError, first_line
from pnr_jax.paths import is_remote, local_copy

# SHA-256 of the files that docs/evaluation.md names; of torchvision's networks the beginning, which
# is part of their names. No checksum of Inception's frozen graph is published.
PUBLISHED = {
    "pt_inception-2015-12-05-6726825d.pth": (
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    ),
    "alexnet-owt-7be5be79.pth": "7be5be79",
    "alex.pth": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg16-397923af.pth": "397923af",
    "vgg.pth": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
_HASH = re.compile(r"(.+)@([0-9a-fA-F]{64})")
# One slash is what pathlib leaves of two.
_ADDRESS = re.compile(r"hf:/{1,2}([^/@]+/[^/@]+)(?:@([^/@]+))?(?:/(.+))?")


def find_file(name: str | Path) -> Path:
    """Returns the path of a file, downloaded where the name is an address, its hash checked.

    Whether a path of this machine exists is left to the reader of the file.

    Args:
      name: see the module's docstring.

    Raises:
      UserError: it cannot be downloaded, or its hash is another one.
    """
    place, digest = split_hash(name)
    path = Path(place)
    if is_remote(place) and not is_address(place):
        raise UserError(f"{place}: must be on a disk; copy it there first")
    if is_address(place):
        repository, revision, file = _parse(place)
        if not file:
            raise UserError(f"{place}: names no file; expected hf://OWNER/REPO/FILE")
        path = _download("hf_hub_download", place, repository, revision=revision, filename=file)
    if digest and path.is_file():
        check_hash(path, digest)
    return path


def find_model(address: str, files: Sequence[str]) -> Path:
    """Returns a folder with some of a repository's files, all of one commit.

    Args:
      address: hf://OWNER/REPO[@REVISION]. Files that the cache has are not downloaded again; the
        Hub is asked which commit is the newest where none is given.
      files: which files.

    Raises:
      UserError: it cannot be downloaded, or lacks one of the files.
    """
    repository, revision, inside = _parse(address)
    if inside:
        raise UserError(f"{address}: names a file; expected hf://OWNER/REPO")
    folder = _download(
        "snapshot_download", address, repository, revision=revision, allow_patterns=list(files)
    )
    for file in files:
        if not (folder / file).is_file():
            raise UserError(f"{address}: has no {file}; expected a model exported with safetensors")
    return folder


def is_address(name: str | Path) -> bool:
    """Returns whether a name is an address of the Hub.

    >>> is_address("hf://somebody/people"), is_address("runs/people")
    (True, False)
    """
    return str(name).startswith("hf:/")


def check_own(workdir: str | Path) -> str | Path:
    """Returns the folder of a run to train.

    Raises:
      UserError: it is an address of the Hub.
    """
    if is_address(workdir):
        raise UserError(
            f"`workdir={workdir}`: a run cannot be trained on the Hub; choose a folder, and name "
            "the model by `init_from` to begin with it"
        )
    return workdir


def split_hash(name: str | Path) -> tuple[str, str]:
    """Splits PLACE@SHA256; the hash is empty where there is none.

    >>> split_hash("people"), split_hash("people@" + 64 * "0")[0]
    (('people', ''), 'people')
    """
    found = _HASH.fullmatch(str(name))
    return (found[1], found[2].lower()) if found else (str(name), "")


def check_hash(path: Path, digest: str) -> None:
    """Raises a `UserError` if a file's SHA-256 is not `digest`, or there is no such file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file, so there is nothing that has the hash {digest}")
    if (found := sha256(path)) != digest:
        raise UserError(f"{path}: its SHA-256 is {found}, not {digest}; it is another file")


def is_published(path: str | Path, name: str) -> bool:
    """Returns whether a file is the one that is published as `name`, a key of `PUBLISHED`."""
    return sha256(path).startswith(PUBLISHED[name])


def sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with local_copy(path) as file, file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _parse(address: str) -> tuple[str, str | None, str | None]:
    """Returns OWNER/REPO, the revision and the file of an address."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise UserError(f"{address}: expected hf://OWNER/REPO, or hf://OWNER/REPO/FILE for a file")
    return found[1], found[2], found[3]


def _download(function: str, address: str, repository: str, **what: Any) -> Path:
    """Calls one of the Hub's functions, and says in a line what is wrong."""
    try:
        import huggingface_hub as hub
        from huggingface_hub import constants, errors
    except ImportError:
        raise UserError(
            f"{address}: needs the package huggingface_hub; pip install 'pnr-jax[hub]'"
        ) from None
    download: Callable[..., str] = getattr(hub, function)
    try:
        return Path(download(repository, **what))
    except errors.LocalEntryNotFoundError:
        asked = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "no answer"
        reason = (
            f"{asked} ({constants.ENDPOINT}), and the cache does not have it; download it where "
            f"there is a network (hf download {repository}), or name a file of this machine"
        )
    except errors.RepositoryNotFoundError:
        reason = "no such repository, or one that asks for a token (hf auth login)"
    except errors.RevisionNotFoundError:
        reason = f"{repository} has no such revision"
    except errors.RemoteEntryNotFoundError:
        reason = f"{repository} has no such file"
    except Exception as error:
        reason = f"cannot be downloaded ({first_line(error)})"
    raise UserError(f"{address}: {reason}")
