"""Parts of a configuration: frozen dataclasses that check their fields on creation."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, get_type_hints

from pnr_jax.errors import UserError


class Rule(NamedTuple):
    """A rule about the value of a field.

    Attributes:
      field: the field's name.
      holds: whether the value obeys it.
      wanted: what the value must be, as the end of "must be ...".
    """

    field: str
    holds: bool
    wanted: str


class SettingError(UserError):
    """A field that a configuration does not have, or a value that the field cannot have."""


@dataclass(frozen=True)
class Settings:
    """A part of a configuration; parts may be nested.

    Attributes:
      path: prefix of a field's name in messages, such as "model.".
    """

    path: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Raises a `SettingError` for a value of a wrong type, or one that breaks a rule."""
        kinds = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), kinds[field.name]
            if kind is float and type(value) is int and abs(value) < 2**53:
                object.__setattr__(self, field.name, float(value))
            elif kind in (bool, int, float, str) and type(value) is not kind:
                raise self._refusal(field.name, _KINDS[kind])
            if type(value) is float and not math.isfinite(value):
                raise self._refusal(field.name, "finite")
        for rule in self.rules():
            if not rule.holds:
                raise self._refusal(rule.field, rule.wanted)

    def rules(self) -> Iterator[Rule]:
        """Yields the rules that the values must obey."""
        yield from ()

    def at_least(self, least: int, *fields: str) -> Iterator[Rule]:
        """Yields the rule that fields are at least `least`."""
        for field in fields:
            yield Rule(field, getattr(self, field) >= least, f"at least {least}")

    def one_of(self, names: tuple[str, ...], field: str) -> Iterator[Rule]:
        """Yields the rule that a field is one of some names."""
        yield Rule(field, getattr(self, field) in names, " or ".join(names))

    def share(self, *fields: str) -> Iterator[Rule]:
        """Yields the rule that fields lie in [0, 1)."""
        for field in fields:
            yield Rule(field, 0 <= getattr(self, field) < 1, "in [0, 1)")

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with other values; a dict of values changes a part in its place.

        Raises:
          SettingError: there is no such field, or its value is impossible.
        """
        known = {field.name for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise SettingError(f"{self.path}{name}: there is no such field")
            part = getattr(self, name)
            if isinstance(part, Settings):
                if isinstance(value, dict):
                    changes[name] = part.replace(**value)
                elif not isinstance(value, Settings):
                    raise self._refusal(name, "a part with fields", value)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the values by name, a part as a nested dict, ready for JSON."""
        return {
            field.name: value.to_dict() if isinstance(value, Settings) else value
            for field in dataclasses.fields(self)
            for value in [getattr(self, field.name)]
        }

    def flat(self) -> dict[str, Any]:
        """Returns the values by their dotted names."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Settings):
                values |= {f"{field.name}.{name}": x for name, x in value.flat().items()}
            else:
                values[field.name] = value
        return values

    def _refusal(self, field: str, wanted: str, value: Any = None) -> SettingError:
        value = getattr(self, field) if value is None else value
        return SettingError(f"{self.path}{field}={value}: must be {wanted}")


_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a word"}


def require(owner: object, *names: str) -> None:
    """Raises a `TypeError` if a class or an object lacks attributes that are read much later."""
    absent = [name for name in names if not hasattr(owner, name)]
    if absent:
        kind = owner if isinstance(owner, type) else type(owner)
        raise TypeError(f"{kind.__name__} must have {', '.join(absent)}")
