"""``engram data fetch``: public sets by name."""

import shlex
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from engram.cli.flags import Parser
from engram.data.fetching.catalogue import SETS, PublicSet, set_by_name
from engram.data.fetching.fetch import fetch

_SECONDS_BETWEEN_LINES = 5.0


def main(argv: list[str]) -> int:
    """Run ``engram data fetch``."""
    flags = Parser(
        prog="engram data fetch",
        description=(
            "Download a public data set. Only missing files are fetched, a broken download\n"
            "resumes where it stopped, and a file gets its final name only after its SHA-256\n"
            "matches. Without a name, the data sets are listed.\n\n"
            "  engram data fetch chorales\n"
            "  engram data fetch sst2 --out /data/sst2"
        ),
    )
    flags.add_argument("name", nargs="?", metavar="NAME", help="which set")
    flags.add_argument("--out", metavar="FOLDER", help="folder to write to (data/NAME)")
    flags.add_argument("--list", action="store_true", help="list the data sets")
    given = flags.parse(argv)
    if given.list or given.name is None:
        print_sets()
        return 0
    chosen = set_by_name(given.name)
    folder = Path(given.out or f"data/{chosen.name}")
    print(f"{chosen.name}: {chosen.what}")
    print(f"from {chosen.source}, {decimal(chosen.size)}")
    print(f"licence: {chosen.licence}", flush=True)
    shown = BarOfBytes() if sys.stdout.isatty() else LinesOfBytes()
    try:
        with shown:
            fetch(chosen, folder, show=shown.show, tell=shown.tell)
    except KeyboardInterrupt:
        print("stopped; the downloaded part is kept, and the same command resumes from there")
        raise
    where = shlex.quote(str(folder))
    print(f"\nfor example:\n  {chosen.command.format(folder=where)}")
    return 0


def print_sets() -> None:
    """List the sets of the catalogue."""
    for each in SETS.values():
        print(f"{each.name} ({each.task}, {decimal(each.size)})")
        print(f"  {each.what}")
        print(f"  from {each.source}; licence: {each.licence}")
        print(f"  SHA-256: {_digests(each)}")
    print("\n'engram data fetch NAME' downloads one.")


def _digests(chosen: PublicSet) -> str:
    if chosen.trusted:
        return "recorded at the first download, and checked at later ones"
    return "known"


class LinesOfBytes:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def __enter__(self) -> None:
        """Nothing is to be made ready."""

    def __exit__(self, *fault: object) -> None:
        """Nothing is to be put away."""

    def tell(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def show(self, name: str, done: int, whole: int) -> None:
        """Print how far a file is, unless that was done just now."""
        if time.monotonic() - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            print(f"{name}: {done:,} of {whole:,} bytes", flush=True)


class BarOfBytes:
    """A bar for each file, with speed and time left."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> None:
        """Show it."""
        self._bar.start()

    def __exit__(self, *fault: object) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def tell(self, text: str) -> None:
        """Print a line above the bars, and take them away: their files are there."""
        for task in self._tasks.values():
            self._bar.remove_task(task)
        self._tasks.clear()
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, name: str, done: int, whole: int) -> None:
        """Move the bar of a file; what came before this call is no part of its speed."""
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=whole, completed=done)
        self._bar.update(self._tasks[name], completed=done)
