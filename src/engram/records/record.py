"""A record: a frozen dataclass with a name and a version, as JSON and back."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter, ValidationError

from engram.errors import RunError
from engram.files import with_numbers_of_json


@dataclass(frozen=True)
class Record:
    """Base of all records; a subclass is a frozen dataclass of values that JSON holds.

    Attributes:
        name: Of the kind.
        version: Of its fields; raised where they change, with a step in `upgraded`.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds, with name, version and a digest of the values."""
        fields = with_numbers_of_json(asdict(self))
        head = {"record": self.name, "version": self.version, "digest": _digest(fields)}
        return head | fields

    @classmethod
    def from_plain(cls, value: Any, source: str) -> Self:
        """Undo `plain`.

        Args:
            value: As JSON holds it; without name and version, it is of version 0. Without a digest,
                it is taken as it is.
            source: Where it comes from, for the message.

        Raises:
            RunError: For another kind, a later version, and values that were changed or do not fit.
        """
        if not isinstance(value, dict):
            raise RunError(f"{source} is damaged: it is not a record; {_REMEDY}")
        fields = dict(value)
        name, version = fields.pop("record", cls.name), fields.pop("version", 0)
        if name != cls.name:
            raise RunError(f"{source} is a record '{name}', but '{cls.name}' was expected")
        digest = fields.pop("digest", None)
        if type(version) is not int or version > cls.version:
            raise RunError(
                f"{source} has version {version!r}, but this version of Engram reads up to "
                f"{cls.version}; "
                "update Engram, or remove the record and measure again"
            )
        if digest not in (None, _digest(fields)):
            raise RunError(f"{source} was changed after it was written; {_REMEDY}")
        try:
            made: Self = adapter_of(cls).validate_python(cls.upgraded(fields, version))
        except (ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{source} is damaged ({reason}); {_REMEDY}") from None
        return made

    @classmethod
    def upgraded(cls, fields: dict[str, Any], version: int) -> dict[str, Any]:
        """The fields of an earlier version as this one has them."""
        return fields


_REMEDY = "restore it, or remove it and measure again"
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def adapter_of(kind: type) -> TypeAdapter[Any]:
    """What checks values for a dataclass; made on first use."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _digest(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
