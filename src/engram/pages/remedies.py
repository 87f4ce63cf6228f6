"""The remedies page, generated from their definitions."""

from engram.cells import CELLS, make_cell
from engram.tasks.registry import OUTLINES
from engram.tasks.remedies import PURPOSES, REMEDIES, Remedy

_HEAD = """# Remedies

What helps a recurrent network to remember and not to overfit. Each is a setting of `engram train`
and a flag of the same name (`--clip-norm 1`, `--omega 4`), shown at a typical strength;
combinations that conflict, or are not defined for the cell, are rejected with the reason before any
data is read.
This page is generated from the definitions in `engram.tasks.remedies`; `engram info --remedies`
lists them.

W and b belong to the input, R and b' to the recurrent matrix, H is the number of hidden units. A
penalty is part of the objective, but not of the reported loss; its unweighted value is recorded in
`metrics.jsonl`.
"""


def page() -> str:
    """The text of docs/remedies.md."""
    parts = [_HEAD]
    for purpose, heading in PURPOSES.items():
        parts.append(f"## {heading}\n")
        parts += [_section(remedy) for remedy in REMEDIES if remedy.purpose == purpose]
    return "\n".join(parts)


def cells_of(remedy: Remedy) -> str:
    """The built-in cells that a remedy is defined for, as text."""
    defined = {name: remedy.defined(make_cell(name)) for name in CELLS}
    names = [name for name, is_defined in defined.items() if is_defined]
    others = [name for name, is_defined in defined.items() if not is_defined]
    if not others:
        return "every cell"
    return ", ".join(names) if len(names) <= len(others) else f"every cell but {', '.join(others)}"


def _section(remedy: Remedy) -> str:
    facts = {
        "Use": f"`{remedy.command}`",
        "Settings": ", ".join(f"`{each}` ({_default(remedy, each)})" for each in remedy.settings),
        "Tasks": "every task" if len(remedy.tasks) == len(OUTLINES) else ", ".join(remedy.tasks),
        "Defined for": cells_of(remedy) if remedy.settings else "",
        "Source": remedy.paper,
    }
    lines = "\n".join(f"- {name}: {fact}" for name, fact in facts.items() if fact)
    return f"""### {remedy.name}

{remedy.summary[:1].upper()}{remedy.summary[1:]}.

$${remedy.equation}$$

{lines}
"""


def _default(remedy: Remedy, setting: str) -> str:
    """The default of a setting, in the first task that has it."""
    fields = OUTLINES[remedy.tasks[0]].settings.model_fields
    value = fields[setting.partition("=")[0]].default
    if isinstance(value, list | dict):
        value = ", ".join(value) or None
    return f"default {'none' if value is None else value}"
