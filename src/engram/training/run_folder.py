"""The folder that records one training."""

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from filelock import FileLock, Timeout

from engram.errors import RunError
from engram.files import (
    TEMPORARY,
    cannot,
    read_json,
    write_atomically,
    write_json,
)
from engram.records import KINDS, Environment, Metrics, Record, Timing
from engram.records.metrics import metrics_from, timing_from
from engram.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from engram.training.json_lines import append_line, check_sum, read_lines, synced_size
from engram.version import __version__
from engram.yaml_files import read_yaml

OWN = (
    *("config.yaml", "environment.json", "command.txt", "metrics.jsonl", "timings.jsonl"),
    *("checkpoints", "model", "start", "records", "tensorboard"),
)
"""What a training writes into its folder."""

_ASIDE = ".replaced-"
_FIRST_TASK = "language-model"  # of runs from before there were others


R = TypeVar("R", bound=Record)


class RunFolder:
    """One training on disk.

    ``config.yaml``, ``environment.json`` and ``command.txt`` say what was run; ``metrics.jsonl``
    grows by a line a logged step, and holds nothing that depends on the clock, so that a resumed
    run writes the same file; ``timings.jsonl`` holds what does. ``checkpoints/last`` and ``best``
    hold what training needs, ``model/`` what prediction needs, ``records/`` measurements, and
    ``start/`` the model that the training started from, where there was one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.timings = path / "timings.jsonl"
        self.last = path / "checkpoints" / "last"
        self.best = path / "checkpoints" / "best"
        self.model = path / "model"
        self.start = path / "start"
        self.records_folder = path / "records"

    @classmethod
    def create(
        cls,
        path: Path,
        config: dict[str, Any],
        command: list[str],
        *,
        overwrite: bool = False,
        reads: Iterable[str | Path] = (),
    ) -> "RunFolder":
        """Make a new run folder and write down what is run.

        With ``overwrite``, a run that is there is moved aside, and removed once the new one stands;
        files in its folder that are not a run's own stay.

        Args:
            path: The folder.
            config: All settings.
            command: What was typed.
            overwrite: Replace a run that is there.
            reads: What the training reads; none of it may lie in a run that is replaced.

        Raises:
            RunError: If the folder exists and is not empty (unless ``overwrite``, which only
                ever removes a run), or cannot be written.
        """
        run = cls(path)
        aside = path / f"{_ASIDE}{os.getpid()}"
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                run._make_way(overwrite, aside, reads)
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(cannot("write", path, error)) from error
        write_atomically(
            path / "command.txt", (shlex.join(command) + "\n").encode("utf-8", "surrogateescape")
        )
        write_json(run.environment, environment().plain())
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        write_atomically(run.config, text.encode())
        for replaced in path.glob(f"{_ASIDE}*"):
            shutil.rmtree(replaced, ignore_errors=True)
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open an existing run folder.

        Raises:
            RunError: If there is none.
        """
        run = cls(path)
        if not run.config.exists():
            what = (
                "contains no config.yaml, so it is not a run folder"
                if path.exists()
                else "does not exist"
            )
            raise RunError(f"{path} {what}; give the folder that was --run-dir in training")
        return run

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training into this folder, for as long as the block runs.

        The lock is the system's, and goes with the process, however that ends.

        Raises:
            RunError: If another process holds it.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"another process is training {self.path}; wait until it ends, or stop it first"
            ) from None
        except NotImplementedError:  # a file system without locks
            yield
            return
        except OSError as error:
            raise RunError(cannot("write", self.path, error)) from error
        try:
            self._remove_temporary()
            yield
        finally:
            lock.release()

    def settings(self) -> dict[str, Any]:
        """What config.yaml says.

        Raises:
            RunError: If it is damaged.
        """
        try:
            value = read_yaml(self.config)
        except (OSError, ValueError) as error:
            raise RunError(f"{self.config} cannot be read: {error}; restore it") from None
        if not isinstance(value, dict):
            raise RunError(f"{self.config} contains no settings; restore it")
        return value

    def task(self, settings: dict[str, Any]) -> str:
        """Take the name of the task out of what `settings` gave."""
        return str(settings.pop("task", _FIRST_TASK))

    def require_known_settings(self) -> None:
        """See that training can go on with the settings as this version understands them.

        Raises:
            RunError: If they are of a version that meant something else by them.
        """
        settings = self.settings()
        if settings.get("weight_decay") and "regularise" not in settings:
            raise RunError(
                f"{self.config} comes from a version in which "
                f"weight_decay={settings['weight_decay']} meant something else (L2 on all weights, "
                "except for adamw); train a new run, "
                "with --l2 or --weight-decay"
            )

    def append_metrics(self, metrics: Metrics) -> None:
        """Add a line to metrics.jsonl.

        Raises:
            RunError: If it cannot be written.
        """
        append_line(self.metrics, metrics.line())

    def append_timing(self, timing: Timing) -> None:
        """Add a line to timings.jsonl.

        Raises:
            RunError: If it cannot be written.
        """
        append_line(self.timings, timing.line())

    def read_metrics(self) -> list[Metrics]:
        """All whole lines of metrics.jsonl.

        Raises:
            RunError: For a damaged line, naming it.
        """
        return read_lines(self.metrics, metrics_from)

    def read_timings(self) -> list[Timing]:
        """All whole lines of timings.jsonl.

        Raises:
            RunError: For a damaged line, naming it.
        """
        return read_lines(self.timings, timing_from)

    def read_environment(self) -> Environment | None:
        """What the run was begun with, or None where that was lost.

        Raises:
            RunError: If it is damaged.
        """
        path = self.environment
        return Environment.from_plain(read_json(path), str(path)) if path.exists() else None

    def save(self, checkpoint: Checkpoint, *, best: bool = False) -> None:
        """Write a checkpoint that remembers how long the metrics were.

        Raises:
            RunError: If it cannot be written.
        """
        size = synced_size(self.metrics)
        known = {"metrics_bytes": size, "metrics_sum": check_sum(self.metrics, size)}
        facts = checkpoint.facts | known
        made = Checkpoint(checkpoint.tensors, facts)
        save_checkpoint(self.last, made, self.best if best else None)

    def load(self) -> tuple[Checkpoint | None, str | None]:
        """Read the last whole checkpoint, and take the metrics back to its moment.

        Returns:
            As `load_checkpoint`; where metrics are missing, the sentence says that too.
        """
        checkpoint, notice = load_checkpoint(self.last)
        known = 0 if checkpoint is None else checkpoint.facts.get("metrics_bytes")
        if type(known) is not int:
            raise RunError(
                f"the checkpoint in {self.last} comes from another version of Engram; train a new "
                "run"
            )
        there = self.metrics.stat().st_size if self.metrics.exists() else 0
        told = [] if notice is None else [notice]
        if there > known:
            os.truncate(self.metrics, known)
        elif there < known:  # made longer, it would be filled with zeros
            told.append(
                f"{self.metrics} has {there:,} bytes, but had {known:,} at the last checkpoint; "
                "the lines between are missing, and training continues"
            )
        written = None if checkpoint is None else checkpoint.facts.get("metrics_sum")
        if there >= known and written not in (None, check_sum(self.metrics, known)):
            told.append(
                f"{self.metrics} was changed since the last checkpoint; training continues and "
                "leaves its lines unchanged"
            )
        return checkpoint, "; ".join(told) or None

    def write(self, record: Record) -> None:
        """Write a record; one of the same kind is replaced.

        Raises:
            RunError: If it cannot be written.
        """
        write_json(self._record(type(record)), record.plain())

    def read(self, kind: type[R]) -> R | None:
        """Read a record as what it was, or None where none was taken yet.

        Raises:
            RunError: If it is damaged, or of a later version.
        """
        path = self._record(kind)
        return kind.from_plain(read_json(path), str(path)) if path.exists() else None

    def records(self) -> list[Record]:
        """All records that were taken, of the kinds that this version knows.

        Raises:
            RunError: As `read`.
        """
        return [record for kind in KINDS.values() if (record := self.read(kind)) is not None]

    def _remove_temporary(self) -> None:
        """Remove what a killed process had begun to write; nobody else writes here now."""
        for folder in (self.path, *(self.path / name for name in OWN)):
            for path in folder.rglob(TEMPORARY) if folder != self.path else folder.glob(TEMPORARY):
                path.unlink(missing_ok=True)

    def _record(self, kind: type[Record]) -> Path:
        return self.records_folder / f"{kind.name}.json"

    @property
    def _is_run(self) -> bool:
        """Whether Engram made this folder: other projects have a config.yaml too."""
        try:
            written = read_json(self.environment) if self.config.exists() else None
        except RunError:
            return False
        return isinstance(written, dict) and "engram" in written

    @property
    def _is_begun(self) -> bool:
        """Whether a process was killed while it made this folder, before config.yaml."""
        names = {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else {""}
        first = {"command.txt", "environment.json", ".lock"}
        return all(
            name in first or name.startswith(_ASIDE) or fnmatch(name, TEMPORARY) for name in names
        )

    def _make_way(self, overwrite: bool, aside: Path, reads: Iterable[str | Path]) -> None:
        if self._is_begun:
            return
        if not overwrite:
            go_on = "continue with 'engram resume', " if self.config.exists() else ""
            raise RunError(
                f"{self.path} exists and is not empty; {go_on}choose another --run-dir, or replace "
                "a run with --overwrite"
            )
        if not self._is_run:
            raise RunError(
                f"{self.path} exists and is not a run folder (its config.yaml or environment.json "
                "is missing or not Engram's), so --overwrite leaves it alone; choose another "
                "--run-dir"
            )
        own = [self.path / name for name in OWN]
        for given in reads:
            read = Path(given).resolve()
            if read == self.path.resolve() or any(
                read.is_relative_to(each.resolve()) for each in own
            ):
                raise RunError(
                    f"training reads {given}, which --overwrite would remove together with the "
                    "run in "
                    f"{self.path}; choose another --run-dir"
                )
        with self.held():
            aside.mkdir()
            for each in own:
                if each.exists():
                    os.replace(each, aside / each.name)


def environment() -> Environment:
    """What a run that begins now depends on apart from its settings."""
    return Environment(
        engram=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        platform=platform.platform(),
        cpu=platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        executable=Path(sys.executable).name,
    )
