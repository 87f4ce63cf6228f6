"""Docstrings for the site's API reference: one entry for each name of ``a, b: …``."""

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(Args|Attributes):\n((?:(?: +[^\n]*)?\n)*(?: +[^\n]*)?)", re.MULTILINE)
_ENTRY = re.compile(r"^    (?! )", re.MULTILINE)
_NAMES = re.compile(r"(\*{0,2}\w+(?:,\s+\*{0,2}\w+)+):\s+(.*)", re.DOTALL)


class GroupedNames(griffe.Extension):
    """Splits entries that describe several names at once."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of a loaded object."""
        if obj.docstring is not None:
            obj.docstring.value = ungrouped(obj.docstring.value)


def ungrouped(docstring: str) -> str:
    """The docstring with one entry per name: ``a: text`` and ``b: text`` for ``a, b: text``."""

    def taken_apart(section: re.Match[str]) -> str:
        entries = _ENTRY.split(section.group(2))
        return f"{section.group(1)}:\n" + "".join(map(_each, entries))

    return _SECTION.sub(taken_apart, docstring)


def _each(entry: str) -> str:
    found = _NAMES.fullmatch(entry)
    if not found:
        return f"    {entry}" if entry.strip() else entry
    text = found.group(2)
    parts = [f"    {name.strip()}: {text}" for name in found.group(1).split(",")]
    return "\n".join(part.rstrip() for part in parts) + "\n" * (len(text) - len(text.rstrip("\n")))
