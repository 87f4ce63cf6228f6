"""Settings: typed, frozen, checked as a whole; every fault is reported at once."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from engram.errors import ConfigError, did_you_mean


def _names(value: Any) -> Any:
    """Names from ``"a,b"`` or ``["a,b", "c"]``, as a command line brings them."""
    parts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return value
    return [name.strip() for part in parts for name in part.split(",") if name.strip()]


def _factors(value: Any) -> Any:
    """Numbers by name from ``"a=1,b=2"``; what has no number is left for the type to refuse."""
    pairs = _names(value)
    if not isinstance(pairs, list):
        return value
    return {name.strip(): number for name, _, number in (pair.partition("=") for pair in pairs)}


Names = Annotated[list[str], BeforeValidator(_names)]
Factors = Annotated[dict[str, float], BeforeValidator(_factors)]


class Settings(BaseModel):
    """Base of all settings; a subclass declares its fields with types, ranges and descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    @classmethod
    def checked(
        cls, values: Mapping[str, Any], source: str = "settings", *, stored: bool = False
    ) -> Self:
        """Make settings from plain values.

        Args:
            values: Field names and values, as read from YAML, flags or keyword arguments.
            source: Where they come from, for the message.
            stored: Whether a run or a model stores them, whose version may have checked less.

        Raises:
            ConfigError: With every fault: unknown names (and the nearest right one), wrong types,
                values out of range; or else every contradiction, and for settings that are not
                stored every ambiguity.
        """
        try:
            made = cls.model_validate(dict(values))
        except ValidationError as error:
            faults = [cls._fault(dict(fault)) for fault in error.errors()]
            raise ConfigError(f"{source}: {'; '.join(faults)}") from None
        faults = made.contradictions() + ([] if stored else made.ambiguities())
        if faults:
            raise ConfigError(f"{source}: {'; '.join(faults)}")
        return made

    def contradictions(self) -> list[str]:
        """Contradictions between settings, one sentence each; a subclass adds its own to its "
        "parents'."""
        return []

    def ambiguities(self) -> list[str]:
        """What new settings must say more clearly, one sentence each; a subclass adds its own."""
        return []

    def require_consistent(self) -> None:
        """See that the settings go together.

        Raises:
            ConfigError: With every contradiction.
        """
        faults = self.contradictions()
        if faults:
            raise ConfigError("; ".join(faults))

    @classmethod
    def _fault(cls, fault: dict[str, Any]) -> str:
        name = ".".join(str(part) for part in fault["loc"]) or cls.__name__
        if fault["type"] == "extra_forbidden":
            return f"'{name}' is not a setting, {did_you_mean(name, cls.model_fields)}"
        if fault["type"] == "missing":
            return f"'{name}' is missing and has no default"
        accepted = str(fault["msg"])
        return f"{name} is {fault['input']!r}: {accepted[:1].lower()}{accepted[1:]}"

    def plain(self) -> dict[str, Any]:
        """The settings as values that YAML and JSON hold."""
        return self.model_dump(mode="json")
