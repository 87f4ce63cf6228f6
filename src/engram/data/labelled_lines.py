"""Lines of a label, a blank and a text: ``1 a stirring , funny film``."""

from collections.abc import Collection
from pathlib import Path

from engram.data.labelled import Examples
from engram.data.tables.table import not_text
from engram.errors import DataError
from engram.files import cannot


def read_labelled_lines(
    path: Path, *, encoding: str, labels: Collection[str] | None = None
) -> Examples:
    """Read a file of labelled lines; empty ones are left out.

    Args:
        path: The file.
        encoding: Of it.
        labels: Where given, the lines may also be texts alone: unless each begins with one of
            these, they are.

    Raises:
        DataError: For a file that cannot be read or is empty, and a line without a text.
    """
    texts, found, names = [], [], []
    bare: list[str] = []
    try:
        encoding = "utf-8-sig" if encoding == "utf-8" else encoding
        with open(path, encoding=encoding) as lines:
            for place, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                label, _, text = line.strip().partition(" ")
                if not text.strip() and labels is None:
                    raise DataError(
                        f"{path} line {place} is '{label[:40]}'; write a label, a blank and a text"
                    )
                bare.append(line.strip())
                texts.append(text.strip())
                found.append(label)
                names.append(f"{path} line {place}")
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(not_text(path, encoding, error)) from None
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    if not texts:
        raise DataError(f"{path} is empty; name a file that holds labelled lines")
    if labels is not None and not set(found) <= set(labels):
        return Examples(bare, None, names)
    return Examples(texts, found, names)
