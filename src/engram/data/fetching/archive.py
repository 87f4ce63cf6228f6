"""What is wanted of an archive, unpacked: all of it or nothing, and nowhere but in its folder."""

import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from engram.data.fetching.catalogue import Archive
from engram.errors import DataError
from engram.files import cannot

_BLOCK = 512  # bytes of a member's header


def unpack(path: Path, archive: Archive, folder: Path) -> Path:
    """Unpack the plain files that are wanted; links and devices never are.

    Args:
        path: A ``.tar.gz``.
        archive: What is taken from it.
        folder: Where its top folder is put.

    Returns:
        The top folder.

    Raises:
        DataError: For an archive that is damaged, has members that lead outside, unpacks to more
            than its limit or holds nothing of what is wanted, and for a full disk; nothing is left
            behind then.
    """
    made = folder / archive.top
    fresh = folder / f".{archive.top}.unpacking"
    try:
        shutil.rmtree(fresh, ignore_errors=True)  # of a call that was killed
        try:
            _extract(path, archive, fresh)
            os.replace(fresh / archive.top, made)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(
            f"{path} is damaged ({error}); delete it and fetch the data set again"
        ) from error
    except OSError as error:
        raise DataError(cannot("unpack", path, error)) from error
    return made


def _extract(path: Path, archive: Archive, fresh: Path) -> None:
    total = written = 0
    with tarfile.open(path, "r|gz") as members:
        for member in members:
            # what is skipped is decompressed too
            total += _BLOCK + member.size
            if total > archive.limit:
                raise DataError(
                    f"{path} unpacks to more than {archive.limit:,} bytes, more than the data set; "
                    "delete it and fetch the data set again"
                )
            if not (member.isreg() and member.name.startswith(archive.keep)):
                continue
            parts = PurePosixPath(member.name).parts
            if parts[0] != archive.top or ".." in parts or "\\" in member.name:
                raise DataError(
                    f"{path} holds '{member.name}', which points outside the folder; nothing was "
                    "unpacked: delete it and fetch the data set again"
                )
            target = fresh.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            source = members.extractfile(member)
            assert source is not None  # for a plain file
            with open(target, "wb") as file:
                shutil.copyfileobj(source, file)
            written += 1
    if not written:
        raise DataError(f"{path} contains nothing below {', '.join(archive.keep)}")
