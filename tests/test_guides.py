"""The guides are right: their code and their commands run, one after another, as a reader would."""

import re
import shlex
from pathlib import Path

import pytest

from engram.cli.main import main

DOCS = Path(__file__).parent.parent / "docs"
GUIDES = (
    "caption.md",
    "classify.md",
    "forecast.md",
    "polyphonic.md",
    "regress.md",
    "synthetic.md",
    "tables.md",
    "tag.md",
    "translate.md",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```(python|sh)\n(.*?)```", page, re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    names: dict[str, object] = {}
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, name, "exec"), names)
            continue
        for line in block.splitlines():
            command, *arguments = shlex.split(line)
            assert command == "engram"
            assert main(arguments) == 0, line
