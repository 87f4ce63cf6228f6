"""The documents are right: their code runs, and their commands exist."""

import doctest
import inspect
import re
from pathlib import Path

import pytest
import torch

import engram
import engram.estimators
from engram.cli.main import COMMANDS
from engram.pages.__main__ import PAGES

ROOT = Path(__file__).parent.parent
WITH_CODE = [
    ROOT / "docs" / name for name in ("cells.md", "layers.md", "anatomy.md", "reservoir.md")
]


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_code_runs(path):
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(path), "exec"), names)


@pytest.mark.slow
def test_code_of_the_readme_runs(tmp_path, monkeypatch):
    """With the names that the reader supplies: texts, and tensors of a sequence."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {
        "texts": ["Once upon a time there was a fox. " * 40] * 3,
        "other_texts": ["Once there was a fox."],
        "x": torch.randn(7, 3, 10),
        "x_t": torch.randn(3, 10),
        "lengths": [7, 2, 5],
        "mask": torch.zeros(7, 3, dtype=torch.bool),
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "models" / "mine" / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["README.md", "docs/layers.md"])
def test_every_command_is_one(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    used = set(re.findall(r"^engram ([a-z]+)", page, re.MULTILINE))
    assert used
    assert used <= set(COMMANDS)


@pytest.mark.parametrize("name", engram.__all__)
def test_every_public_name_has_an_example_that_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = inspect.getdoc(getattr(engram, name)) or ""
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert example.examples
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_what_the_definitions_say(name):
    """If this fails, run ``make docs``."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_public_name_is_in_the_reference():
    assert set(re.findall(r"^::: engram\.(\w+)$", PAGES["reference.md"](), re.MULTILINE)) == set(
        engram.__all__
    )
