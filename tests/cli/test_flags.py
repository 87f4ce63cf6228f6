"""Flags from settings, and how defaults, files and flags are joined."""

import contextlib
import io
import re

import pytest
import yaml

from engram.cli.flags import Parser, flag_of, settings_from, shipped_configurations
from engram.cli.main import main
from engram.cli.training_flags import parser
from engram.errors import ConfigError
from engram.tasks.outlines.aliases import ALIASES, aliases_of
from engram.tasks.outlines.language_model import OUTLINE, LanguageModelSettings
from engram.tasks.registry import OUTLINES


def _settings(*argv):
    """The settings that ``engram train language-model`` makes of flags."""
    flags = parser(OUTLINE)
    given, unknown = flags.parse_known_args(list(argv))
    values = {n: v for n, v in vars(given).items() if n in LanguageModelSettings.model_fields}
    faults = flags.unknown_faults(unknown)
    return settings_from(LanguageModelSettings, values, given.config, faults, task=OUTLINE.name)


def _fault(*argv):
    with pytest.raises(ConfigError) as caught:
        _settings(*argv)
    return str(caught.value)


@pytest.fixture(scope="module")
def help_text():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as caught:
        main(["train", "language-model", "--help"])
    assert caught.value.code == 0
    return out.getvalue()


@pytest.mark.parametrize("name", sorted(set(LanguageModelSettings.model_fields) - {"start"}))
def test_every_setting_stands_in_the_help(help_text, name):
    flag = "--" + name.replace("_", "-")
    field = LanguageModelSettings.model_fields[name]
    entry = re.search(rf"^  {flag}[, ].*?(?=^  --|\Z)", help_text, re.MULTILINE | re.DOTALL)
    assert entry
    said = " ".join(entry.group().split())
    assert " ".join(field.description.split()) in said
    assert said.count("(default: ") == 1


def test_defaults():
    assert _settings() == LanguageModelSettings()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--hidden", "12", "--rate=1e-3"], {"hidden": 12, "rate": 1e-3}),
        (["--data", "a.txt", "b c.txt"], {"data": ["a.txt", "b c.txt"]}),
        (["--data", "none"], {"data": ["none"]}),
        (["--tied", "--no-shift"], {"tied": True, "shift": False}),
        (["--no-tie-weights", "--shift"], {"tied": False, "shift": True}),
        (["--clip-norm", "none"], {"clip_norm": None}),
        (["--averaging", "none"], {"averaging": "none"}),
        (["--clip-norm", "None", "--patience", "3"], {"clip_norm": None, "patience": 3}),
        (["--forget-bias", "-1.5"], {"forget_bias": -1.5}),
        (["--hidden", "3", "--hidden", "4"], {"hidden": 4}),
        (["--freeze", "parietal,frontal"], {"freeze": ["parietal", "frontal"]}),
        (["--freeze", "parietal", "--freeze", "frontal"], {"freeze": ["parietal", "frontal"]}),
        (["--rates", "temporal=0.1", "frontal=2"], {"rates": {"temporal": 0.1, "frontal": 2.0}}),
        (["--regularise", "input, bias", "gain"], {"regularise": ["input", "bias", "gain"]}),
    ],
    ids=str,
)
def test_flags(argv, expected):
    assert _settings(*argv) == LanguageModelSettings(**expected)


@pytest.mark.parametrize(
    ("argv", "texts"),
    [
        (["--hiden", "3"], ["'--hiden' is not a flag, did you mean '--hidden'?"]),
        (["--clip_norm=3"], ["'--clip_norm' is not a flag, did you mean '--clip-norm'?"]),
        (["--qqqqq"], ["'--qqqqq' is not a flag, engram train language-model --help shows them"]),
        (["extra"], ["'extra' is not expected here"]),
        (["--hidden", "0"], ["hidden is '0': input should be greater than or equal to 1"]),
        (["--hidden", "none"], ["hidden is None: input should be a valid integer"]),
        (["--rate", "inf"], ["rate is 'inf': input should be a finite number"]),
        (["--cell", "lstn"], ["cell is 'lstn': did you mean 'lstm'? accepted: elman,"]),
        (
            ["--hidden"],
            ["argument --hidden/--hidden-size: expected one argument; 'engram train lang"],
        ),
        (["--data"], ["argument --data: expected at least one argument"]),
        (["--rates", "temporal"], ["rates.temporal is '': input should be a valid number"]),
        (["--rates", "temporal=fast"], ["rates.temporal is 'fast': input should be a valid"]),
        (["--dropout", "1"], ["dropout is '1': input should be less than 1"]),
        (
            ["--hiden", "3", "--layers", "0", "--rate", "fast", "--vlaid=1"],
            [
                "did you mean '--hidden'",
                "did you mean '--valid'",
                "layers is '0'",
                "rate is 'fast'",
            ],
        ),
    ],
    ids=str,
)
def test_faults(argv, texts):
    fault = _fault(*argv)
    assert all(text in fault for text in texts)


def test_file_then_flags(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("hidden: 32\nlayers: 3\nclip_norm: null\ndata: [a.txt]\nrate: 1e-2\n")
    settings = _settings("--config", str(path), "--hidden", "64")
    assert settings == LanguageModelSettings(
        hidden=64, layers=3, clip_norm=None, data=["a.txt"], rate=0.01
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hiden: 3\nrate: 0\n", "'hiden' is not a setting, did you mean 'hidden'?"),
        ("clip-norm: 3\n", "'clip-norm' is not a setting, did you mean 'clip_norm'?"),
        ("data: notes.txt\n", "data is 'notes.txt': input should be a valid list"),
        ("data: []\n", "data is []: list should have at least 1 item"),
        ("1: 2\n", "1 is 1: keys should be strings"),
        ("hidden: [1\n", "config.yaml is not valid YAML: while parsing a flow sequence"),
        ("", "config.yaml contains no settings; write lines such as 'hidden: 256'"),
        ("just text", "config.yaml contains no settings"),
        (b"\xff\xfe\x00", "config.yaml is not valid YAML"),
    ],
)
def test_faults_of_a_file(tmp_path, content, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    fault = _fault("--config", str(path))
    assert text in fault
    assert "\n" not in fault


def test_faults_of_file_and_flags_together(tmp_path):
    (tmp_path / "config.yaml").write_text("hiden: 3\n")
    fault = _fault("--config", str(tmp_path / "config.yaml"), "--rate", "-1", "--layer", "2")
    assert all(text in fault for text in ("'hiden'", "rate is '-1'", "'--layer' is not a flag"))


def test_config_that_is_a_folder(tmp_path):
    assert _fault("--config", str(tmp_path)).startswith(f"cannot read {tmp_path}: Is a directory")


def test_unknown_configuration():
    assert _fault("--config", "tinyshakespear") == (
        "--config tinyshakespear is neither a file nor a shipped configuration; "
        "did you mean 'tinyshakespeare'? accepted: demo, tinyshakespeare"
    )


@pytest.mark.parametrize("name", shipped_configurations("language-model"))
def test_shipped_configurations_are_valid(name):
    path = shipped_configurations("language-model")[name]
    assert _settings("--config", name) == LanguageModelSettings.checked(
        yaml.safe_load(path.read_text(encoding="utf-8"))
    )


def test_a_file_goes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("hidden: 7")
    assert _settings("--config", "demo").hidden == 7


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--config", "demo"],
        ["--config", "tinyshakespeare", "--data", "ä b.txt", "--rate", "1e-5"],
        ["--clip-norm", "none", "--forget-bias", "-0.25", "--no-shift", "--valid", "0.1"],
        ["--data", "none", "*.txt", "yes", "--encoding", "latin-1"],
    ],
    ids=str,
)
def test_printed_settings_read_back(argv, tmp_path, capsys):
    assert main(["train", "language-model", *argv, "--print-config"]) == 0
    printed = capsys.readouterr().out
    path = tmp_path / "printed.yaml"
    path.write_text(printed, encoding="utf-8")
    assert _settings("--config", str(path)) == _settings(*argv)
    assert main(["train", "language-model", "--config", str(path), "--print-config"]) == 0
    assert capsys.readouterr().out == printed


def test_a_flag_is_not_abbreviated():
    flags = Parser(prog="p")
    flags.add_argument("--samples")
    with pytest.raises(ConfigError, match="'--sample' is not a flag, did you mean '--samples'"):
        flags.parse(["--sample", "3"])


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        (
            "language-model",
            {"lr": 0.1, "batch_size": 3, "bptt": 9, "hidden_size": 5},
            {"rate": 0.1, "lanes": 3, "steps": 9, "hidden": 5},
        ),
        ("language-model", {"seq_len": 7}, {"steps": 7}),
        (
            "classify",
            {"batch_size": 3, "seq_len": 7, "num_layers": 2, "vocab_size": 9},
            {"batch": 3, "max_steps": 7, "layers": 2, "vocabulary": 9},
        ),
        ("forecast", {"batch_size": 3, "seq_len": 7}, {"batch": 3, "window": 7}),
        ("synthetic", {"seq_len": 7, "learning_rate": 1.0}, {"length": 7, "rate": 1.0}),
        ("translate", {"num_beams": 4, "max_grad_norm": 2.0}, {"beam": 4, "clip_norm": 2.0}),
    ],
)
def test_aliases_as_flags_and_in_files(task, given, expected, tmp_path, capsys):
    settings, names = OUTLINES[task].settings, OUTLINES[task].names
    subject = "adding" if names == "problem" else "x"
    flags = [text for name, value in given.items() for text in (flag_of(name), str(value))]
    assert main(["train", task, flag_of(names), subject, *flags, "--print-config"]) == 0
    printed = capsys.readouterr().out
    needed = {names: subject if names == "problem" else [subject]}
    assert settings.checked(yaml.safe_load(printed)) == settings.checked(needed | expected)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(needed | given))
    assert main(["train", task, "--config", str(path), "--print-config"]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (
            ["--lr", "1", "--rate=2"],
            "--lr and --rate are names of the same setting; give only one of them",
        ),
        (["--bptt", "3", "--seq-len", "4"], "--bptt and --seq-len are names of the same setting"),
        (["--batch-sise", "4"], "'--batch-sise' is not a flag, did you mean '--batch-size'?"),
    ],
)
def test_faults_of_aliases(argv, text):
    assert text in _fault(*argv)


def test_a_key_and_its_alias_in_a_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("lr: 0.1\nrate: 0.2\n")
    assert "lr and rate are names of the same setting; give only one of them" in _fault(
        "--config", str(path)
    )
    path.write_text("lr: 0.1\n")
    assert _settings("--config", str(path), "--rate", "0.3").rate == 0.3  # flags go over files


@pytest.mark.parametrize("outline", OUTLINES.values(), ids=lambda outline: outline.name)
def test_aliases_stand_in_the_help_and_hide_no_setting(outline):
    text = parser(outline).format_help()
    for name, aliases in aliases_of(outline.settings).items():
        assert name in outline.settings.model_fields
        for alias in aliases:
            assert alias not in outline.settings.model_fields
            assert f", --{alias.replace('_', '-')}" in text


def test_every_alias_means_something():
    used = {a for each in OUTLINES.values() for s in aliases_of(each.settings).values() for a in s}
    assert used == set(ALIASES)
