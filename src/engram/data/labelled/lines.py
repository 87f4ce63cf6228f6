"""Lines of a label, a blank and a text: ``1 a stirring , funny film``."""

from array import array
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from engram.data.arrays.places import Places
from engram.data.labelled.examples import Examples
from engram.data.text.decoding import numbered_lines, opened
from engram.data.text.texts import Texts
from engram.errors import DataError


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
        DataError: For a file that cannot be read or is empty, a line without a text, and a NUL.
    """
    found: list[str] = []
    known: dict[str, str] = {}  # one object for each label
    places, skipped = array("q"), array("q")

    def lines() -> Iterator[str]:
        with opened(path, encoding) as file:
            for place, raw in numbered_lines(path, file):
                line = raw.strip()
                if not line:
                    continue
                if "\0" in line:
                    raise DataError(
                        f"{path} line {place} contains NUL, so it is binary or in another encoding "
                        "(utf-16?); give a text file, or its encoding with --encoding"
                    )
                label, _, rest = line.partition(" ")
                text = rest.strip()
                if not text and labels is None:
                    raise DataError(
                        f"{path} line {place} is '{label[:40]}'; write a label, a space and a text"
                    )
                found.append(known.setdefault(label, label))
                places.append(place)
                skipped.append(len(line[: len(line) - len(text)].encode("utf-8", "surrogatepass")))
                yield line

    texts = Texts.of(lines())
    if not found:
        raise DataError(f"{path} is empty; give a file that contains labelled lines")
    names = Places([f"{path} line"], np.zeros(len(found), dtype=np.int32), np.array(places))
    if labels is not None and not set(known) <= set(labels):
        return Examples(texts, None, names)
    without = Texts(texts.raw, texts.starts + np.array(skipped), texts.stops)
    return Examples(without, found, names)
