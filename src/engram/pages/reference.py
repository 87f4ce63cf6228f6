"""The API reference page: every public name, which the site fills in from docstrings."""

import engram

_HEAD = """# API reference

Everything that `import engram` provides. Names load on first use.
"""

# Each heading, and the packages whose public names it covers.
PARTS = {
    "Estimators": ("estimators",),
    "Layers": ("layers",),
    "Cells": ("cells", "engine"),
    "What a model remembers": ("diagnosis", "models"),
    "Training": ("training",),
    "Errors": ("errors",),
}


def page() -> str:
    """The text of docs/reference.md."""
    parts = [_HEAD]
    for heading, rooms in PARTS.items():
        parts.append(f"## {heading}\n")
        parts += [f"::: engram.{name}\n" for name in engram.__all__ if _room(name) in rooms]
    return "\n".join(parts)


def _room(name: str) -> str:
    value = getattr(engram, name)
    return str(getattr(value, "__module__", f"engram.{name}")).split(".")[1]
