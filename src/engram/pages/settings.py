"""The settings page, generated from the settings classes of all tasks."""

from pydantic.fields import FieldInfo

from engram.cli.flags import default_of, flag_of
from engram.settings import Settings
from engram.tasks.outlines.aliases import aliases_of
from engram.tasks.outlines.outline import Outline
from engram.tasks.registry import OUTLINES

_HEAD = """# Settings

All training settings, by task: the flags of `engram train TASK`, which are also the keys of a YAML
file (`clip_norm: 1` for `--clip-norm 1`). Flags override a file, and a file overrides defaults;
`--print-config` shows the result. A name in brackets is an alias of the same setting. This page is
generated from the definitions in `engram.tasks.outlines`.
"""


def page() -> str:
    """The text of docs/settings.md."""
    return "\n".join([_HEAD, *map(_section, OUTLINES.values())])


def _section(outline: Outline) -> str:
    tables = [_table(title, group, outline) for title, group in outline.groups.items()]
    summary = f"{outline.summary[:1].upper()}{outline.summary[1:]}."
    return "\n".join([f"## {outline.name}\n\n{summary}\n", *tables])


def _table(title: str, group: type[Settings], outline: Outline) -> str:
    fields, aliases = outline.settings.model_fields, aliases_of(outline.settings)
    rows = [_row(name, fields[name], aliases.get(name, [])) for name in group.model_fields]
    head = "| flag | default | what it does |\n| --- | --- | --- |\n"
    return f"### {title} ({outline.name})\n\n{head}{''.join(rows)}"


def _row(name: str, field: FieldInfo, aliases: list[str]) -> str:
    others = "".join(f" (`{flag_of(alias)}`)" for alias in aliases)
    said = str(field.description).replace("|", "\\|").replace("<", "&lt;")
    return f"| `{flag_of(name)}`{others} | {default_of(field)} | {said} |\n"
