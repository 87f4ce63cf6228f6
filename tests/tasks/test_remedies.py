"""The table of remedies: its page, its settings, and the cells that they are defined for."""

import shlex
from pathlib import Path

import pytest

import engram
from engram.cells import CELLS, make_cell
from engram.cli.flags import settings_from
from engram.cli.main import main
from engram.cli.training_flags import parser
from engram.errors import ConfigError
from engram.pages.remedies import page
from engram.tasks.registry import OUTLINES
from engram.tasks.remedies import PURPOSES, REMEDIES

PAGE = Path(__file__).parent.parent.parent / "docs" / "remedies.md"
BY_NAME = {remedy.name: remedy for remedy in REMEDIES}


def test_the_page_is_what_the_table_says():
    """Where this fails: ``Path("docs/remedies.md").write_text(engram.pages.remedies.page())``."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_names_are_unique_and_purposes_known():
    assert len(BY_NAME) == len(REMEDIES)
    assert {remedy.purpose for remedy in REMEDIES} == set(PURPOSES)


def _settings(outline, flags):
    """Settings that ``engram train`` makes of flags; ConfigErrors are as there."""
    needed = ["--problem", "adding"] if outline.names == "problem" else ["--data", "x"]
    parsed = parser(outline)
    given, unknown = parsed.parse_known_args([*needed, *flags])
    fields = outline.settings.model_fields
    values = {name: value for name, value in vars(given).items() if name in fields}
    return settings_from(outline.settings, values, None, parsed.unknown_faults(unknown))


@pytest.mark.parametrize("name", BY_NAME)
def test_the_command_parses_and_turns_it_on(name):
    remedy = BY_NAME[name]
    if not remedy.settings:
        assert not remedy.tasks
        made = eval(remedy.command, {"engram": engram})
        assert isinstance(made, engram.EchoState)
        return
    assert remedy.tasks
    flags = shlex.split(remedy.use)
    setting, _, value = remedy.settings[0].partition("=")
    for task in remedy.tasks:
        plain, changed = _settings(OUTLINES[task], []), _settings(OUTLINES[task], flags)
        differing = {
            field for field in type(plain).model_fields
            if getattr(plain, field) != getattr(changed, field)
        }  # fmt: skip
        cell = set() if "cell" in remedy.fields else {"cell", "layers"}
        assert differing - cell <= set(remedy.fields)
        if value:
            assert getattr(changed, setting) == value
        elif not remedy.command.startswith("engram train TASK --clip-norm"):  # as by default
            assert setting in differing
    words = shlex.split(remedy.command)
    assert words[:2] == ["engram", "train"]
    assert words[2] == ("TASK" if set(remedy.tasks) == set(OUTLINES) else remedy.tasks[0])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "name", [n for n, each in BY_NAME.items() if "cell" not in each.fields and each.settings]
)
def test_it_is_accepted_where_it_is_defined_and_refused_elsewhere(name, cell):
    remedy = BY_NAME[name]
    flags = [*shlex.split(remedy.use), "--cell", cell]
    outline = OUTLINES[remedy.tasks[0]]
    if remedy.defined(make_cell(cell)):
        _settings(outline, flags)
    else:
        with pytest.raises(ConfigError, match=remedy.fields[0]):
            _settings(outline, flags)


def test_every_augmentation_of_every_task_is_a_remedy():
    listed = {(task, field) for each in REMEDIES for task in each.tasks for field in each.fields}
    offered = {
        (outline.name, field)
        for outline in OUTLINES.values()
        for title, settings in outline.groups.items()
        if title.startswith("augmentation")
        for field in settings.model_fields
    }
    assert {"flip", "rotate", "zoom", "crop", "drop_tokens", "transpose"} <= {f for _, f in offered}
    assert offered <= listed


def test_all_contradictions_are_told_before_anything_is_read(tmp_path, capsys):
    run = tmp_path / "run"
    flags = {
        "--data": tmp_path / "missing.txt",
        "--cell": "elman",
        "--tied": None,
        "--embedding": 7,
        "--chrono": 30,
        "--forget-bias": 1,
        "--steps": 4,
        "--steps-deviation": 2,
        "--averaging": "ema",
        "--averaging-from": 90,
        "--max-updates": 80,
        "--valid": 0,
        "--patience": 2,
        "--run-dir": run,
    }
    argv = [str(part) for pair in flags.items() for part in pair if part is not None]
    assert main(["train", "language-model", *argv]) == 2
    said = capsys.readouterr().err
    for text in (
        "tied shares weights between embedding (7 wide)",
        "chrono=30 was given, but Elman has no forget gate",
        "forget_bias=1.0 was given, but Elman has no forget gate",
        "both set the forget gate's bias; leave one out",
        "steps=4 is too small for that; raise --steps",
        "averaging starts after 90 updates, and max_updates=80",
        "patience=2 needs a validation set, but valid=0 leaves none",
    ):
        assert text in said
    assert "missing.txt" not in said
    assert not run.exists()
    assert main(["train", "language-model", "--omega", "1", "--print-config"]) == 2
    assert "omega is defined for an Elman network" in capsys.readouterr().err


def test_info_lists_them(capsys):
    assert main(["info", "--remedies"]) == 0
    said = capsys.readouterr().out
    for heading in PURPOSES.values():
        assert heading in said
    for remedy in REMEDIES:
        assert remedy.command in said
    assert main(["info"]) == 2
    assert "--remedies" in capsys.readouterr().err
