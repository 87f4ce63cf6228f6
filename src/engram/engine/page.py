"""Page: the document on the built-in cells, composed from their definitions.

python -m engram.engine.page docs/equations.md
"""

import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from engram.cells import CELLS, BuiltIn, Cell
from engram.engine.mermaid import mermaid
from engram.engine.render import latex

_HEAD = """\
# Cells

Written from the definitions of the cells by `make docs`; a test compares this page with them.
`engram.Recurrent(cell, input_size, hidden_size)` runs any of them, `engram train --cell NAME`
trains with one, and `engram info --cells` lists them.

**Equations.** W and b belong to the input, R and b' to the recurrent matrix; ⊙ is the product of
two vectors entry by entry. What is used twice has a letter: a gate's where one gate leads to it,
with a hat before its activation, else u.

**Diagrams.** A square box is a gate: what the input x and, through the recurrent matrix, the states
before bring to it, and its activation where that comes at once. Round ends are states, circles
operations. A number or a per-unit weight stands with the operation that it takes part in.
"""


def cells_page() -> str:
    """The page, as Markdown."""
    rows = ([f"[{name}](#{name})", built_in.summary] for name, built_in in CELLS.items())
    parts = [_HEAD, _table(["cell", "what it is"], rows)]
    parts += [_section(name, built_in) for name, built_in in CELLS.items()]
    kinds = dict.fromkeys(type(built_in.make()) for built_in in CELLS.values())
    with_options = [kind for kind in kinds if inspect.signature(kind).parameters]
    parts += ["## Options and defaults\n", *(_options(kind) for kind in with_options)]
    return "\n".join(parts)


def _section(name: str, built_in: BuiltIn) -> str:
    cell = built_in.make()
    equations = " \\\\\n".join(line.replace(" = ", " &= ", 1) for line in latex(cell))
    facts = {
        "paper": built_in.paper,
        "class": f"`engram.cells.{cell!r}`",
        "gates": ", ".join(cell.gates),
        "states": ", ".join(cell.states),
        "into the recurrent matrix": ", ".join(cell.recurrent) or "none",
        "not connected": ", ".join(f"{state} to {gate}" for gate, state in cell.unconnected),
        "per-unit weights": ", ".join(cell.weights),
        "set by `forget_bias`": cell.forget_shift or cell.forget_gate,
        "torch's layer": f"`{cell.torch_layer}`" if cell.torch_layer else None,
    }
    return "\n".join(
        [
            f"## {name}\n",
            f"{built_in.summary[:1].upper()}{built_in.summary[1:]}.\n",
            *(f"- {fact}: {value}" for fact, value in facts.items() if value),
            f"\n$$\\begin{{aligned}}\n{equations}\n\\end{{aligned}}$$\n",
            f"```mermaid\n{mermaid(cell)}\n```\n",
        ]
    )


def _options(kind: type[Cell]) -> str:
    described = described_options(kind)
    rows = (
        [f"`{name}`", f"`{parameter.default!r}`", described[name]]
        for name, parameter in inspect.signature(kind).parameters.items()
    )
    return f"### {kind.__name__}\n\n{_table(['option', 'default', 'what it does'], rows)}"


def described_options(kind: type[Cell]) -> dict[str, str]:
    """What the docstring of a cell says of each of its options."""
    text = inspect.getdoc(kind) or ""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    entries = re.split(r"^ {4}(\w+): ", section.group(1) if section else "", flags=re.MULTILINE)
    # the text before the first name, then name and description in turns
    return {
        name: " ".join(description.split())
        for name, description in zip(entries[1::2], entries[2::2], strict=True)
    }


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(cells_page(), encoding="utf-8")
