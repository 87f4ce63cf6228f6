"""The table of remedies: its page, its settings, and the cells that they are defined for."""

from pathlib import Path

import pytest

from engram.cells import CELLS, make_cell
from engram.cli.main import main
from engram.errors import ConfigError
from engram.tasks.language_model import LanguageModelSettings
from engram.tasks.remedies import PURPOSES, REMEDIES
from engram.tasks.remedies_page import page

PAGE = Path(__file__).parent.parent.parent / "docs" / "remedies.md"
# What turns a remedy on, where the table does not say it.
VALUES = {
    "forget_bias": 1.0,
    "chrono": 100,
    "clip_percentile": 10.0,
    "reach": 100,
    "steps": 32,
    "patience": 3,
    "steps_deviation": 5.0,
    "residual": True,
    "variational": True,
    "zoneout": "h=0.1",
    "freeze": "frontal",
    "rates": "temporal=0.1",
    "rate_decay": 2.6,
    "unfreeze_every": 100,
}
BY_NAME = {remedy.name: remedy for remedy in REMEDIES}


def test_the_page_is_what_the_table_says():
    """Where this fails: ``Path("docs/remedies.md").write_text(remedies_page.page())``."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_names_are_unique_and_purposes_known():
    assert len(BY_NAME) == len(REMEDIES)
    assert {remedy.purpose for remedy in REMEDIES} == set(PURPOSES)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_setting_exists(name):
    assert set(BY_NAME[name].fields) <= set(LanguageModelSettings.model_fields)


@pytest.mark.parametrize("name", BY_NAME)
def test_it_is_accepted_where_it_is_defined_and_refused_elsewhere(name):
    remedy = BY_NAME[name]
    setting, _, value = remedy.settings[0].partition("=")
    for cell in CELLS:
        values = {"cell": cell, setting: value or VALUES.get(setting, 0.3)}
        if remedy.defined(make_cell(cell)):
            settings = LanguageModelSettings.checked(values)
            assert settings != LanguageModelSettings(cell=cell) or value == "orthogonal", cell
        else:
            with pytest.raises(ConfigError, match=setting):
                LanguageModelSettings.checked(values)


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
        "steps=4 leaves nothing to draw; raise --steps",
        "averaging begins after 90 updates, and max_updates=80",
        "patience=2 waits for the validation part, and valid=0 leaves none",
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
    for word in ("Ω", "--omega", "--init spectral", "--averaging ema"):
        assert word in said
    assert main(["info"]) == 2
    assert "--remedies" in capsys.readouterr().err
