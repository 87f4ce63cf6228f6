"""The command line as a whole: help, suggestions, statuses, and what it imports."""

import io
import os
import shlex
import subprocess
import sys

import pytest

import engram
from engram.cells import CELLS
from engram.cli import main as module
from engram.cli.main import COMMANDS, main
from engram.errors import ConfigError, DataError, NumericsError, RunError


def _loaded_by(code):
    """Which of the heavy packages a piece of code loads in a fresh process."""
    script = f"{code}\nimport sys\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.splitlines()[-1].split()) & {
        "numpy", "pyarrow", "pydantic", "rich", "scipy", "sklearn", "tokenizers", "torch", "yaml"
    }  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import engram",
        "from engram.cli.main import main; main(['--help'])",
        "from engram.cli.main import main; main(['--version'])",
        "from engram.cli.main import main; main(['tran'])",
        "import engram; engram.ConfigError; dir(engram)",
    ],
)
def test_loads_nothing_heavy(code):
    assert _loaded_by(code) == set()


@pytest.mark.slow
def test_a_layer_loads_torch_and_no_more():
    assert _loaded_by("import engram; engram.LSTM(2, 3)") == {"torch", "numpy"}


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_usage(argv, capsys):
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"engram {engram.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    try:
        status = main([name, "--help"])
    except SystemExit as left:
        status = left.code
    assert status == 0
    assert f"engram {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["tran"], "'tran' is not a command: did you mean 'train'? accepted: anatomy, data, "),
        (["evaluate"], "did you mean 'eval'?"),
        (["xyzzy"], "'xyzzy' is not a command: accepted: anatomy, data, demo, diagnose, "),
        (["--hlep"], "'--hlep' is not a command: accepted"),
        (["train", "languagemodel"], "'languagemodel' is not a task: did you mean 'language-mo"),
        (["train", "language-model", "--hiden", "3"], "did you mean '--hidden'?"),
        (["sample", "runs/x", "--temprature", "1"], "did you mean '--temperature'?"),
        (
            ["sample", "runs/x", "--length", "many"],
            "length is 'many': input should be",
        ),
        (
            ["sample", "runs/x", "--samples", "0"],
            "samples is 0; it must be a whole number of at least 1",
        ),
        (["sample"], "the following arguments are required: RUN; 'engram sample --help' shows"),
        (["predict"], "the following arguments are required: RUN"),
        (["info", "runs/x", "more"], "'more' is not expected here"),
        (["info"], "nothing was given; 'engram info' takes one RUN, or --cells"),
        (["info", "runs/x", "--cells"], "both RUN and a list were given; 'engram info' takes"),
        (["info", "--cell"], "'--cell' is not a flag, did you mean '--cells'?"),
        (["demo", "--run-dri", "x"], "did you mean '--run-dir'?"),
    ],
    ids=str,
)
def test_faults_in_what_is_given(argv, text, capsys):
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("engram: ")
    assert text in captured.err
    assert captured.err.count("\n") == 1


def test_info_lists_the_cells(capsys):
    assert main(["info", "--cells"]) == 0
    shown = capsys.readouterr().out
    words = set(shown.split())
    for name, built_in in CELLS.items():
        assert name in words
        assert set(built_in.summary.split()) | set(built_in.paper.split()) <= words
    assert "last_i" in words


@pytest.mark.parametrize("command", ["info", "sample", "diagnose", "resume"])
def test_missing_run(command, tmp_path, capsys):
    assert main([command, str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == (
        f"engram: {tmp_path}/none does not exist; give the folder that was --run-dir in training\n"
    )
    assert main([command, str(tmp_path)]) == 1
    assert "contains no config.yaml, so it is not a run folder" in capsys.readouterr().err


def _command(monkeypatch, action):
    class Command:
        @staticmethod
        def main(argv):
            return action()

    monkeypatch.setitem(module.COMMANDS, "act", ("there", "acts"))
    monkeypatch.setattr(module.importlib, "import_module", lambda name: Command)


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("said"), 2),
        (DataError("said"), 2),
        (RunError("said"), 1),
        (NumericsError("said"), 1),
    ],
    ids=str,
)
def test_statuses(error, status, monkeypatch, capsys):
    _command(monkeypatch, lambda: _raise(error))
    assert main(["act"]) == status
    assert capsys.readouterr().err == "engram: said\n"


def test_interrupted(monkeypatch, capsys):
    _command(monkeypatch, lambda: _raise(KeyboardInterrupt()))
    assert main(["act"]) == 130
    assert capsys.readouterr().err == "engram: interrupted\n"


def test_faults_of_ours_are_not_hidden(monkeypatch):
    _command(monkeypatch, lambda: _raise(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["act"])


def test_text_that_standard_output_cannot_hold(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    _command(monkeypatch, lambda: print("── ok \udcff") or 0)
    assert main(["act"]) == 0
    out.flush()
    assert out.buffer.getvalue() == b"?? ok ?\n"


@pytest.mark.slow
@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["sample", "--help"]], ids=str)
def test_a_reader_that_went_away(argv):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "engram", *argv]
    with os.fdopen(writing, "wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=120)
    assert done.stderr == b""
    assert done.returncode == 0


def _engram(argv, **streams):
    command = [sys.executable, "-m", "engram", *argv]
    return subprocess.run(command, text=True, timeout=120, **streams)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize(
    "argv",
    [["--help"], ["--version"], ["train"], ["train", "tag", "--help"], ["info", "--cells"]],
    ids=str,
)
def test_a_full_device(argv):
    with open("/dev/full", "w") as full:
        done = _engram(argv, stdout=full, stderr=subprocess.PIPE)
    assert done.stderr == (
        "engram: cannot write standard output or a file: No space left on device; "
        "free some space; what was saved before is still good\n"
    )
    assert done.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_standard_error_that_is_full_too():
    with open("/dev/full", "w") as full:
        assert _engram(["--help"], stdout=full, stderr=full).returncode == 1
        assert _engram(["tran"], stdout=subprocess.PIPE, stderr=full).returncode == 2


def test_standard_output_that_is_closed():
    closed = f"{shlex.quote(sys.executable)} -m engram --help >&-"
    done = subprocess.run(["sh", "-c", closed], text=True, stderr=subprocess.PIPE, timeout=120)
    assert done.stderr == "engram: standard output is closed; redirect it to a file or /dev/null\n"
    assert done.returncode == 1


def test_a_reader_that_goes_before_the_end(tmp_path):
    """What was broken off has not succeeded."""
    reading, writing = os.pipe()
    os.close(reading)
    code = (
        "import sys; from engram.cli import main, data\n"
        "data.main = lambda argv: print('x' * 10_000_000)\n"
        "sys.exit(main.main(['data']))"
    )
    with os.fdopen(writing, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert done.stderr == (
        "engram: cannot write standard output or a file: Broken pipe; "
        "the program that reads the output has ended\n"
    )
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(28, "No space left on device"),
            "cannot write standard output or a file: No space left on device; ",
        ),
        (PermissionError(13, "Permission denied", "/x/y"), "cannot use /x/y: Permission denied; "),
    ],
)
def test_what_the_system_refuses(error, text, monkeypatch, capsys):
    _command(monkeypatch, lambda: _raise(error))
    assert main(["act"]) == 1
    assert capsys.readouterr().err.startswith(f"engram: {text}")


def test_a_seed_that_no_generator_takes(capsys):
    argv = ["train", "language-model", "--print-config", "--seed"]
    assert main([*argv, str(2**63)]) == 2
    assert capsys.readouterr().err == (
        "engram: settings: seed is '9223372036854775808': "
        "input should be less than 9223372036854775808\n"
    )
    assert main([*argv, str(2**63 - 1)]) == 0
