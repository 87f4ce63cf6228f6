"""``engram COMMAND …``: find the command and run it; faults become one sentence and a status."""

import importlib
import io
import os
import sys
import warnings
from contextlib import suppress
from typing import Any, TextIO

import engram
from engram.errors import ConfigError, EngramError, EngramWarning, did_you_mean
from engram.files import cannot

COMMANDS = {
    "train": ("engram.cli.train", "train a model on files"),
    "resume": ("engram.cli.resume", "continue a training run that was stopped or killed"),
    "sample": ("engram.cli.sample", "generate text with a trained model"),
    "finetune": (
        "engram.cli.finetune",
        "fine-tune a trained model on other data, region by region",
    ),
    "predict": ("engram.cli.predict", "predict on new data with a trained model"),
    "eval": ("engram.cli.evaluate", "evaluate a trained model on other data"),
    "diagnose": ("engram.cli.diagnose", "measure how far back a trained model remembers"),
    "anatomy": ("engram.cli.anatomy", "show which parts of a trained model do what"),
    "info": ("engram.cli.info", "show a run and its progress, or what is built in"),
    "data": ("engram.cli.data", "preview data, and download public data sets"),
    "demo": ("engram.cli.demo", "a complete example in minutes, with nothing to download"),
}


def usage() -> str:
    """The text of ``engram --help``."""
    lines = [f"  {name:<10}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: engram COMMAND …",
            "",
            "Train recurrent networks on your sequences, and see what they remember.",
            "",
            "commands:",
            *lines,
            "",
            "first steps:",
            "  engram demo",
            "  engram train language-model --data notes.txt --run-dir runs/notes",
            '  engram sample runs/notes --prompt "Once "',
            "  engram train classify --data reviews.csv --run-dir runs/reviews",
            "  engram predict runs/reviews --data new.csv",
            "  engram diagnose runs/notes",
            "",
            "'engram COMMAND --help' shows more; 'engram --version' prints the version.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 if all went well, 1 for a fault of a run, 2 for a fault in what was given, 130 if
        interrupted.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if sys.stdout is None:  # closed by whoever started this process
        _tell("standard output is closed; redirect it to a file or /dev/null")
        return 1
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # text that a terminal cannot show is no fault
    try:
        return _run_and_flush(arguments)
    except EngramError as error:
        _tell(str(error))
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    except OSError as error:
        if error.filename is not None:
            _tell(cannot("use", error.filename, error))
            return 1
        _let_go(sys.stdout)
        if isinstance(error, BrokenPipeError) and {"-h", "--help"} & set(arguments):
            return 0  # the reader had seen enough, as in `| head`
        _tell(cannot("write", "standard output or a file", error))
        return 1


def _run_and_flush(arguments: list[str]) -> int:
    try:
        return _run(arguments)
    finally:
        try:
            sys.stdout.flush()  # here, where it can still be told that it failed
        except BrokenPipeError:  # all was done, and the reader had seen enough
            _let_go(sys.stdout)


def _let_go(stream: TextIO) -> None:
    """Lead a stream into nothing, so that leaving the process does not fail on it again."""
    with suppress(OSError):  # where it is no file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell(text: str) -> None:
    if sys.stderr is not None:
        try:
            print(f"engram: {text}", file=sys.stderr, flush=True)
        except OSError:
            _let_go(sys.stderr)


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if arguments[0] == "--version":
        print(f"engram {engram.__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise ConfigError(f"'{name}' is not a command: {did_you_mean(name, COMMANDS)}")
    written = warnings.formatwarning
    warnings.formatwarning = _written
    try:
        status: int = importlib.import_module(COMMANDS[name][0]).main(rest)
    finally:
        warnings.formatwarning = written
    return status


def _written(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: Any = None
) -> str:
    """A warning as it is printed: one of ours without the line of source that gave it."""
    if issubclass(category, EngramWarning):
        return f"warning: {message}\n"
    return f"{category.__name__}: {message}\n"
