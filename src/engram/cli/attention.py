"""Where a model looked, drawn with shades of characters."""

from collections.abc import Sequence

_SHADES = " ░▒▓█"


def shade(weight: float) -> str:
    """A character for a weight from 0 to 1, the darker the more."""
    return _SHADES[min(len(_SHADES) - 1, round(weight * (len(_SHADES) - 1)))]


def alignment(
    read: Sequence[str], written: Sequence[str], weights: Sequence[Sequence[float]]
) -> str:
    """A line for each token that was written, with a shade for each that was read.

    Args:
        read: Tokens; END is empty.
        written: Tokens; END is empty.
        weights: A row for each that was written.
    """
    head = "".join(token if len(token) == 1 else "·" for token in read)
    width = max(len(token) for token in written)
    lines = [f"{'':{width}}  {head}"]
    for token, row in zip(written, weights, strict=True):
        lines.append(f"{token or '·':{width}}  {''.join(map(shade, row))}".rstrip())
    return "\n".join(lines)


def glances(written: Sequence[str], grids: Sequence[Sequence[Sequence[float]]]) -> str:
    """The tokens that were written side by side, and under each a grid of where it looked.

    Args:
        written: Tokens; END is empty.
        grids: For each a grid of weights, shaded against the largest of its own.
    """
    words = [token.strip() or "·" for token in written]
    widths = [max(len(word), 2 * len(grid[0])) for word, grid in zip(words, grids, strict=True)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(words, widths, strict=True))]
    for row in range(len(grids[0])):
        cells = []
        for grid, width in zip(grids, widths, strict=True):
            most = max(max(line) for line in grid) or 1.0
            cells.append("".join(2 * shade(weight / most) for weight in grid[row]).ljust(width))
        lines.append("  ".join(cells))
    return "\n".join(line.rstrip() for line in lines)
