"""A whole public set: what is missing of it is fetched, compared and unpacked."""

import re
from collections.abc import Callable
from pathlib import Path

from engram.data.fetching.archive import unpack
from engram.data.fetching.catalogue import PublicSet, Remote
from engram.data.fetching.download import Show, digest_of, download
from engram.errors import DataError
from engram.files import cannot, write_atomically

RECORD = "SHA256SUMS"  # in the form that sha256sum checks


def fetch(
    chosen: PublicSet,
    folder: Path,
    *,
    show: Show = lambda name, done, whole: None,
    tell: Callable[[str], None] = lambda text: None,
    pause: float = 1.0,
) -> None:
    """Get a set; what is there already is compared and left.

    Args:
        chosen: The set.
        folder: Where it goes.
        show: Called as bytes arrive.
        tell: Called with a line for each file.
        pause: See `download`.

    Raises:
        DataError: As `download` and `unpack`, and for a file in its place that is another one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        recorded = _recorded(folder / RECORD)
    except OSError as error:
        raise DataError(cannot("write", folder, error)) from error
    for file in chosen.files:
        unpacked = file.archive and folder / file.archive.top
        if unpacked and unpacked.is_dir():
            tell(f"{unpacked} exists")
            continue
        digest = _present(file, folder / file.name, file.sha256 or recorded.get(file.name))
        if digest is None:
            digest = download(
                file.url,
                folder / file.name,
                size=file.size,
                sha256=file.sha256 or recorded.get(file.name),
                show=show,
                pause=pause,
            )
            tell(f"{folder / file.name}: {file.size:,} bytes, {_trust(file, recorded)}")
        else:
            tell(f"{folder / file.name} exists")
        if recorded.get(file.name) != digest:
            recorded[file.name] = digest
            _record(folder / RECORD, recorded)
        if file.archive:
            tell(f"unpacking {folder / file.name} …")
            made = unpack(folder / file.name, file.archive, folder)
            tell(f"{made}: unpacked; {file.name} is no longer needed")


def _trust(file: Remote, recorded: dict[str, str]) -> str:
    if file.sha256 is None and file.name not in recorded:
        return f"first download: its SHA-256 is kept in {RECORD}"
    return "SHA-256 matches"


def _present(file: Remote, path: Path, expected: str | None) -> str | None:
    """The digest of a file that an earlier call, or a person, put there; None without one."""
    try:
        if not path.exists():
            return None
        digest, size = digest_of(path), path.stat().st_size
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    if expected not in (None, digest) or (expected is None and size != file.size):
        wrong = f"SHA-256 {digest} instead of {expected}" if expected else f"{size:,} bytes"
        raise DataError(
            f"{path} is not the file that {file.url} serves ({wrong}); move or delete it, and the "
            "same command downloads it"
        )
    return digest


def _recorded(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    digests = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        found = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if found is None:
            raise DataError(
                f"{path}, line {number + 1}: not a SHA-256 and a file name; fix it, or delete "
                f"{path} to trust the files as they are"
            )
        digests[found[2]] = found[1]
    return digests


def _record(path: Path, digests: dict[str, str]) -> None:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    write_atomically(path, "".join(lines).encode("utf-8"))
