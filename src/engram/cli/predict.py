"""``engram predict RUN``: answers for new data."""

import csv
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from engram.cli.flags import Parser, add_settings, settings_from
from engram.errors import ConfigError, DataError, EngramWarning, RunError
from engram.files import cannot


def main(argv: list[str]) -> int:
    """Run ``engram predict``."""
    flags = Parser(
        prog="engram predict",
        description=(
            "Predict with the best weights of a run.\n\n"
            "  engram predict runs/reviews --data new.csv --out predictions.csv\n\n"
            "'engram predict RUN --help' shows the flags of that run."
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the run folder")
    given, rest = flags.parse_known_args(argv[:1])
    return predict(Path(given.run), [*rest, *argv[1:]])


def predict(folder: Path, argv: list[str]) -> int:
    """Run ``engram predict`` for a run of a task."""
    from engram.cli.runs import open_run, require, trained_of

    run = open_run(folder)
    task, trained = trained_of(run)
    require(task, run, "predict", lambda each: each.predict)
    assert task.asking is not None
    assert task.predict is not None
    flags = Parser(
        prog=f"engram predict {run.path}",
        description=(
            f"Predict with the best weights of {run.path}: {task.outline.summary}.\n\n"
            f"  engram predict {run.path}{' --data FILE' if task.reads else ''} --out "
            "predictions.csv"
        ),
    )
    add_settings(flags, "data", task.asking)
    flags.add_argument(
        "--out", metavar="FILE", help=".csv or .jsonl file; default prints CSV to the terminal"
    )
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    out = values.pop("out")
    asking = settings_from(task.asking, values, None, flags.unknown_faults(unknown))
    if out is None:
        _write_csv(sys.stdout, _rows(task.predict, trained, asking))
        return 0
    path = Path(out)
    if path.suffix not in (".csv", ".jsonl"):
        raise ConfigError(f"--out {path} ends in neither .csv nor .jsonl; use one of these")
    _refuse_input(path, getattr(asking, "data", []))
    rows = _rows(task.predict, trained, asking)
    try:
        # a name that is not UTF-8, or half a surrogate pair, is written as its escape
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            count = _write_csv(file, rows) if path.suffix == ".csv" else _write_lines(file, rows)
    except OSError as error:
        raise RunError(cannot("write", path, error)) from error
    print(f"{count:,} predictions in {path}")
    return 0


def _rows(
    predict: Callable[..., Iterator[dict[str, Any]]], trained: Any, asking: Any
) -> Iterator[dict[str, Any]]:
    """The predictions; what reading the data told goes to standard error."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", EngramWarning)
        rows = predict(trained, asking)
    for each in told:
        print(f"warning: {each.message}", file=sys.stderr, flush=True)
    return rows


def _refuse_input(out: Path, data: Iterable[str]) -> None:
    """See that answers do not replace what they are asked for, under whatever name or link.

    Raises:
        ConfigError: If they would.
    """
    from engram.data.paths import Found

    if not out.exists():
        return
    for given in data:
        found = Found()
        with suppress(DataError):  # of names of data that are no paths, and what reading tells
            paths = found.expanded(given, "files or globs")
            inside = [each for path in paths if path.is_dir() for each in found.below(path)]
            if not any(path.samefile(out) for path in [*paths, *inside]):
                continue
            raise ConfigError(
                f"--out {out} is also input (--data {given}) and would be overwritten; name "
                "another file"
            )


def _write_csv(file: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    writer: csv.DictWriter[str] | None = None
    count = 0
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: _plain(value) for name, value in row.items()})
        count += 1
    return count


def _write_lines(file: TextIO, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


def _plain(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
