"""The documents are right: their code runs, and their equations are those of the cells."""

import re
from pathlib import Path

import pytest

from engram.cells import CELLS, make_cell
from engram.engine.render import latex

ROOT = Path(__file__).parent.parent
WITH_CODE = [ROOT / "docs" / "cells.md"]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_code_runs(path):
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(path), "exec"), names)


@pytest.mark.parametrize("name", CELLS)
def test_equations_are_those_of_the_cell(name):
    page = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    section = page.split(f"## {name}\n")[1].split("\n## ")[0]
    block = re.search(r"\$\$\\begin\{aligned\}\n(.*)\n\\end\{aligned\}\$\$", section, re.DOTALL)
    lines = [line.replace(" &= ", " = ") for line in block.group(1).split(" \\\\\n")]
    assert lines == latex(make_cell(name))
