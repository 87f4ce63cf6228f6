"""Flags from settings: every field of a settings class is one flag, with its description."""

import argparse
import sys
import types
import typing
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from pydantic.fields import FieldInfo

from engram.errors import ConfigError, did_you_mean
from engram.files import cannot
from engram.settings import Settings
from engram.tasks.outlines.aliases import own_names, twice
from engram.training.settings import TrainingSettings

S = TypeVar("S", bound=Settings)


class Parser(argparse.ArgumentParser):
    """An argument parser whose faults are ConfigErrors, and name the nearest flag."""

    def __init__(self, **options: Any) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, formatter_class=formatter, **options)
        self._twice: list[str] = []

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving the process."""
        raise ConfigError(f"{message}; '{self.prog} --help' shows what is accepted")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print without argparse's silence on a device that takes nothing."""
        (sys.stdout if file is None else file).write(message)

    def flags(self) -> list[str]:
        """Every flag that it knows."""
        return [name for action in self._actions for name in action.option_strings]

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """Parse all arguments.

        Raises:
            ConfigError: For unknown or malformed ones.
        """
        values, unknown = self.parse_known_args(argv)
        faults = self.unknown_faults(unknown)
        if faults:
            raise ConfigError("; ".join(faults))
        return values

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what is known; what is said by two names is remembered for `unknown_faults`."""
        given = list(sys.argv[1:] if args is None else args)
        said = dict.fromkeys(word.split("=", 1)[0] for word in given if word.startswith("--"))
        self._twice = []
        for action in self._actions:
            names = [name for name in said if name in action.option_strings]
            own = {name.removeprefix("--no-").removeprefix("--") for name in names}
            if len(own) > 1:
                self._twice.append(twice(names))
        return super().parse_known_args(given, namespace)

    def unknown_faults(self, unknown: list[str]) -> list[str]:
        """A sentence for each argument that no flag takes, and each setting that is given twice."""
        faults = [*self._twice]
        for given in unknown:
            if given.startswith("--"):
                flag = given.split("=", 1)[0]
                hint = did_you_mean(flag, self.flags())
                near = hint.split("accepted:")[0].strip()
                faults.append(
                    f"'{flag}' is not a flag, {near or f'{self.prog} --help shows them all'}"
                )
            elif not any("is not expected here" in fault for fault in faults):
                faults.append(f"'{given}' is not expected here")
        return faults


def add_settings(
    parser: Parser,
    title: str,
    settings: type[Settings],
    *,
    without: Collection[str] = (),
    defaults: Mapping[str, str] = MappingProxyType({}),
    aliases: Mapping[str, list[str]] = MappingProxyType({}),
    of: type[Settings] | None = None,
) -> None:
    """Add a flag for each field under a heading; the settings class checks the values later.

    Args:
        parser: Gets the flags.
        title: The heading.
        settings: Whose fields.
        without: Fields that get no flag.
        defaults: What the help says of the default, where that is not the field's own.
        aliases: Other names of fields, by their own.
        of: The settings that these are a part of, where those change defaults.
    """
    group = parser.add_argument_group(title)
    for name in settings.model_fields:
        if name in without:
            continue
        field = (of or settings).model_fields[name]
        flags = [flag_of(each) for each in (name, *aliases.get(name, []))]
        shown = defaults.get(name, default_of(field))
        text = f"{field.description} (default: {shown})".replace("%", "%%")
        options: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": text}
        if field.annotation is bool:
            group.add_argument(*flags, action=argparse.BooleanOptionalAction, **options)
        elif typing.get_origin(field.annotation) in (list, dict):
            extra = field.json_schema_extra
            metavar = extra["metavar"] if isinstance(extra, dict) else "PATH"
            options |= {"nargs": "+", "metavar": str(metavar)}
            group.add_argument(*flags, action="extend", **options)
        else:
            group.add_argument(*flags, metavar=_metavar(field.annotation), **options)


def add_device(parser: Parser) -> None:
    """Add ``--device`` to a command that uses a trained model."""
    text = TrainingSettings.model_fields["device"].description
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help=f"{text} (default: cpu)")


def default_of(field: FieldInfo) -> str:
    """The default of a setting, as help and documents say it."""
    if field.is_required():
        return "must be given"
    default = field.default
    if default in (None, [], {}):
        return "none"
    return " ".join(map(str, default)) if isinstance(default, list) else str(default)


def flag_of(name: str) -> str:
    """The flag of a setting: ``clip_norm`` to ``--clip-norm``."""
    return "--" + name.replace("_", "-")


def _metavar(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return "|".join(typing.get_args(annotation))
    if isinstance(annotation, types.UnionType):
        return _metavar(typing.get_args(annotation)[0])
    return {int: "N", float: "X"}.get(annotation, "TEXT")


def settings_from(
    settings: type[S],
    flags: dict[str, Any],
    config: str | None,
    faults: list[str],
    *,
    base: Mapping[str, Any] = MappingProxyType({}),
    task: str = "",
) -> S:
    """Join defaults, a configuration file and flags, each over the one before.

    Args:
        settings: The class of the settings.
        flags: Fields that were given as flags, as text.
        config: A YAML file, the name of a shipped configuration, or None.
        faults: What was already found wrong, to be reported together.
        base: Values that take the place of defaults.
        task: Whose configurations are looked at.

    Raises:
        ConfigError: With all faults of file and flags.
    """
    read = {} if config is None else own_names(_read_config(config, task), settings, config)
    values = dict(base) | read
    fields = settings.model_fields
    none_words = {
        name: None
        for name, v in flags.items()
        if v in ("none", "None") and v not in typing.get_args(fields[name].annotation)
    }
    values |= flags | none_words
    try:
        checked = settings.checked(values, "settings")
    except ConfigError as error:
        faults = [*faults, str(error)]
    if faults:
        raise ConfigError("; ".join(faults))
    return checked


def shipped_configurations(task: str) -> dict[str, Path]:
    """The configurations that come with Engram for a task, by name."""
    folder = Path(__file__).parent.parent / "configurations" / task
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _read_config(given: str, task: str) -> dict[str, Any]:
    shipped = shipped_configurations(task)
    path = Path(given)
    if not path.is_file() and given in shipped:
        path = shipped[given]
    if not path.exists():
        raise ConfigError(
            f"--config {given} is neither a file nor a shipped configuration; "
            f"{did_you_mean(given, shipped)}"
        )
    from engram.yaml_files import read_yaml

    try:
        value = read_yaml(path)
    except OSError as error:
        raise ConfigError(cannot("read", path, error)) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}; fix it") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} contains no settings; write lines such as 'hidden: 256'")
    of = value.pop("task", task)  # that of a run says it
    if of != task:
        raise ConfigError(
            f"{path} is for task '{of}', and this is task '{task}'; choose another file"
        )
    return value
