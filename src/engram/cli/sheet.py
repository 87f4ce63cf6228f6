"""Sheets: images and series beside their variants, drawn as one picture."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engram.data.images.pictures import pillow

_PAPER, _INK, _PALE, _LINE = (255, 255, 255), (34, 34, 34), (120, 120, 120), (216, 216, 216)
_BLUE, _GREY = (31, 107, 178), (176, 176, 176)
_CELL, _GAP, _MARGIN, _HEADING = 176, 12, 24, 30
_PANEL_WIDTH, _PANEL_HEIGHT, _FINE = 232, 128, 3


def image_sheet(rows: Sequence[Tensor], names: Sequence[str], title: str) -> Any:
    """Draw images in rows, each the original and then its variants.

    Args:
        rows: A row each, ``(1 + variants, C, Y, X)`` from 0 to 1, C of 1 or 3.
        names: Of the originals.
        title: What was done, at the top.

    Returns:
        A Pillow image.
    """
    columns = len(rows[0])
    cells = [[_fitted(image) for image in row] for row in rows]
    heights = [max(cell.height for cell in row) for row in cells]
    width = 2 * _MARGIN + columns * _CELL + (columns - 1) * _GAP
    height = _MARGIN + 2 * _HEADING + sum(heights) + (_HEADING + _GAP) * len(rows)
    sheet, draw = _paper(width, height)
    _write(draw, _MARGIN, _MARGIN, title, 15)
    top = _MARGIN + _HEADING
    _column_heads(draw, columns, _CELL, top)
    top += _HEADING
    for row, name, tall in zip(cells, names, heights, strict=True):
        for column, cell in enumerate(row):
            left = _MARGIN + column * (_CELL + _GAP) + (_CELL - cell.width) // 2
            sheet.paste(cell, (left, top + (tall - cell.height) // 2))
        _write(draw, _MARGIN, top + tall + 5, name, 12, _PALE, width - 2 * _MARGIN)
        top += tall + _HEADING + _GAP
    return sheet


def series_sheet(
    original: Tensor, variants: Sequence[Tensor], names: Sequence[str], title: str
) -> Any:
    """Draw series in rows, a feature each: the original, then each variant over the original.

    Args:
        original: ``(T, F)``; NaN is missing.
        variants: ``(T', F)`` each.
        names: Of the features.
        title: What was done, at the top.

    Returns:
        A Pillow image.
    """
    columns, rows = 1 + len(variants), len(names)
    width = 2 * _MARGIN + columns * _PANEL_WIDTH + (columns - 1) * _GAP
    height = _MARGIN + 2 * _HEADING + rows * (_PANEL_HEIGHT + _HEADING) + _GAP
    sheet, draw = _paper(width, height)
    _write(draw, _MARGIN, _MARGIN, title, 15)
    top = _MARGIN + _HEADING
    _column_heads(draw, columns, _PANEL_WIDTH, top, " (grey: original)")
    top += _HEADING
    for feature, name in enumerate(names):
        shown = [series[:, feature] for series in (original, *variants)]
        known = torch.cat([each[each.isfinite()] for each in shown])
        low, high = float(known.min()), float(known.max())
        for column, values in enumerate(shown):
            panel = _panel(shown[0], values if column else None, low, high)
            sheet.paste(panel, (_MARGIN + column * (_PANEL_WIDTH + _GAP), top))
        label = f"{name}, {len(original):,} steps; heights {low:.4g} to {high:.4g}"
        _write(draw, _MARGIN, top + _PANEL_HEIGHT + 4, label, 12, _PALE, width - 2 * _MARGIN)
        top += _PANEL_HEIGHT + _HEADING
    return sheet


def _panel(original: Tensor, variant: Tensor | None, low: float, high: float) -> Any:
    """One plot: the original, in grey where a variant lies over it."""
    from PIL import ImageDraw

    size = (_PANEL_WIDTH * _FINE, _PANEL_HEIGHT * _FINE)
    panel = pillow().new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(panel)
    steps = max(len(original), 0 if variant is None else len(variant))
    lines = [(original, _BLUE)] if variant is None else [(original, _GREY), (variant, _BLUE)]
    for values, colour in lines:
        for points in _stretches(values, steps, low, high, size):
            if len(points) == 1:
                x, y = points[0]
                draw.ellipse((x - _FINE, y - _FINE, x + _FINE, y + _FINE), fill=colour)
            else:
                draw.line(points, fill=colour, width=int(1.4 * _FINE), joint="curve")
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=_LINE, width=_FINE)
    return panel.resize((_PANEL_WIDTH, _PANEL_HEIGHT), pillow().Resampling.LANCZOS)


def _stretches(
    values: Tensor, steps: int, low: float, high: float, size: tuple[int, int]
) -> list[list[tuple[float, float]]]:
    """The points of a line, cut where a value is missing."""
    inset = 6 * _FINE
    across, down = size[0] - 2 * inset, size[1] - 2 * inset
    stretches: list[list[tuple[float, float]]] = [[]]
    for step, value in enumerate(values.tolist()):
        if not math.isfinite(value):
            stretches.append([])
            continue
        share = (value - low) / (high - low) if high > low else 0.5
        x = inset + across * step / max(1, steps - 1)
        stretches[-1].append((x, inset + down * (1.0 - share)))
    return [points for points in stretches if points]


def _fitted(image: Tensor) -> Any:
    """An image as large as a cell: small ones grow in whole squares, so that pixels show."""
    pixels = (image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    height, width, channels = pixels.shape
    mode = "L" if channels == 1 else "RGB"
    made = pillow().frombytes(mode, (width, height), bytes(pixels.flatten().tolist()))
    factor = _CELL / max(width, height)
    if factor >= 2.0:
        size = (width * int(factor), height * int(factor))
        return made.convert("RGB").resize(size, pillow().Resampling.NEAREST)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return made.convert("RGB").resize(size, pillow().Resampling.LANCZOS)


def _paper(width: int, height: int) -> tuple[Any, Any]:
    from PIL import ImageDraw

    sheet = pillow().new("RGB", (width, height), _PAPER)
    return sheet, ImageDraw.Draw(sheet)


def _column_heads(draw: Any, columns: int, width: int, top: int, note: str = "") -> None:
    for column in range(columns):
        head = "original" if column == 0 else f"variant {column}{note if column == 1 else ''}"
        _write(draw, _MARGIN + column * (width + _GAP), top + 6, head, 13)


def _write(
    draw: Any,
    left: int,
    top: int,
    text: str,
    size: int,
    colour: tuple[int, int, int] = _INK,
    room: int | None = None,
) -> None:
    """Write a line, shortened at its start to the room there is."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    while room is not None and len(text) > 4 and draw.textlength(text, font=font) > room:
        text = "..." + text[4:]
    draw.text((left, top), text, fill=colour, font=font)
