"""The page on the cells: every cell, every option, and the document that is committed."""

import inspect
from pathlib import Path

import pytest

from engram.cells import CELLS, Cell, make_cell
from engram.engine.page import cells_page, described_options

PAGE = Path(__file__).parent.parent.parent / "docs" / "equations.md"
KINDS = list(dict.fromkeys(type(make_cell(name)) for name in CELLS))


def test_the_committed_page_is_what_the_definitions_give():
    given = PAGE.read_text(encoding="utf-8")
    assert given == cells_page(), "run make docs"


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_has_its_section(name):
    section = cells_page().split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert CELLS[name].paper in section
    assert f"`engram.cells.{make_cell(name)!r}`" in section
    assert f"- gates: {', '.join(make_cell(name).gates)}\n" in section
    assert "$$\\begin{aligned}" in section
    assert "```mermaid\nflowchart LR" in section


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_option_is_described(kind):
    described = described_options(kind)
    assert list(described) == list(inspect.signature(kind).parameters)
    assert all(text.endswith(".") for text in described.values())


class Undescribed(Cell):
    """Says nothing of its option."""

    gates = ("a",)

    def __init__(self, option: int = 1) -> None:
        self.option = option


def test_an_option_without_description_is_found():
    assert described_options(Undescribed) == {}
