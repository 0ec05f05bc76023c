"""Configuration files, found by name or path, and changes of fields given as text."""

import ast
import difflib
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pnr_jax
from pnr_jax.config import Config
from pnr_jax.errors import UserError
from pnr_jax.settings import SettingError
from pnr_jax.walk import list_files

_PACKAGE = Path(pnr_jax.__file__).parent
_CHOICES = ("system.name", "data.name")
# In a wheel the configurations lie in the package, in a checkout beside it.
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def names() -> list[str]:
    """Returns the names of the configurations that come with the package."""
    files = (path for folder in FOLDERS if folder.is_dir() for path in list_files(folder).files)
    return sorted({x.stem for x in files if x.suffix == ".py" and not x.stem.startswith("_")})


def find_config(name: str) -> Config:
    """Reads a configuration from the `get_config` of a file.

    Args:
      name: name of a configuration that comes with the package, or path of a file.

    Raises:
      UserError: there is none, or its file is not one.
    """
    path = Path(name)
    if path.suffix != ".py":
        found = (folder / f"{name}.py" for folder in FOLDERS)
        path = next((file for file in found if file.is_file()), path)
    if not path.is_file():
        raise UserError(f"{name}: no such file, and no configuration among {', '.join(names())}")
    try:
        get_config = runpy.run_path(str(path)).get("get_config")
        if not callable(get_config):
            raise UserError("has no function 'get_config'")
        config = get_config()
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if not isinstance(config, Config):
        raise UserError(f"{path}: get_config() returns {type(config).__name__}, not a Config")
    return config


def with_changes(config: Config, changes: Iterable[str]) -> Config:
    """Returns a configuration with fields changed.

    >>> with_changes(Config(), ["model.width=16", "steps=10"]).model.width
    16

    Args:
      config: the configuration to change.
      changes: "FIELD=VALUE" each, parts separated by points.

    Raises:
      SettingError: there is no such field, or it cannot have such a value.
    """
    texts = {field: text for field, _, text in (change.partition("=") for change in changes)}
    # The fields that choose parts come first: the other fields may belong to the chosen parts.
    first = {field: texts.pop(field) for field in _CHOICES if field in texts}
    return _changed(_changed(config, first), texts)


def _changed(config: Config, texts: dict[str, str]) -> Config:
    """Changes all fields at once: one value may be valid only together with another."""
    known, changes = config.flat(), dict[str, Any]()
    for field, text in texts.items():
        if field not in known:
            raise SettingError(f"{field}: there is no such field{_like(field, known)}")
        value = _parsed(field, text, known[field])
        *part, name = field.split(".")
        if part:
            changes.setdefault(part[0], {})[name] = value
        else:
            changes[name] = value
    return config.replace(**changes)


def _parsed(field: str, text: str, old: Any) -> Any:
    """Reads a value of the type of the old one."""
    if isinstance(old, str):
        return text
    if isinstance(old, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise SettingError(f"{field}={text}: must be True or False")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text  # The configuration says what it must be.
    return tuple(value) if isinstance(value, list) else value


def _like(field: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(field, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
