"""Damage to run folders: each field of each file, in ways that are found on disks."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1.5,
    float("nan"),
    "",
    "x",
    "[red]",
    [],
    [1, "a", None],
    {},
    {"a": {"b": []}},
    [[[[]]]],
]


def damaged(run: Path, draw: random.Random, count: int) -> Iterator[str]:
    """Change one thing in the folder, say what, and put it back after each step of the iteration.

    Args:
        run: A run folder.
        draw: What is changed, and how.
        count: How many times.
    """
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    for _ in range(count):
        path = draw.choice(files)
        before = path.read_bytes()
        how = _change(path, draw)
        try:
            yield f"{path.relative_to(run)}: {how}"
        finally:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(before)


def _change(path: Path, draw: random.Random) -> str:
    raw = path.read_bytes()
    kinds = ["remove", "empty", "cut", "flip", "junk"]
    if path.suffix in (".json", ".yaml", ".jsonl"):
        kinds = [*kinds, *["field"] * 10]
    kind = draw.choice(kinds)
    if kind == "remove":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(raw[: draw.randrange(len(raw) + 1)])
    elif kind == "flip" and raw:
        changed = bytearray(raw)
        changed[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(changed))
    elif kind == "field":
        return _change_field(path, draw)
    else:
        path.write_bytes(bytes(draw.randrange(256) for _ in range(40)))
    return kind


def _change_field(path: Path, draw: random.Random) -> str:
    text = path.read_text(encoding="utf-8", errors="backslashreplace")
    if path.suffix == ".jsonl":
        lines = text.splitlines()
        at = draw.randrange(len(lines)) if lines else 0
        value = json.loads(lines[at]) if lines else {}
        how = _change_value(value, draw)
        lines[at : at + 1] = [json.dumps(value)]
        path.write_text("\n".join(lines) + "\n")
        return f"line {at + 1}, {how}"
    value = yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)
    how = _change_value(value, draw)
    path.write_text(yaml.safe_dump(value) if path.suffix == ".yaml" else json.dumps(value))
    return how


def _change_value(value: Any, draw: random.Random) -> str:
    """Change, remove or add one value, at any depth."""
    names = ""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return f"{names}: nothing to change"
        key = draw.choice(keys)
        names += f".{key}"
        inner = value[key]
        if isinstance(inner, dict | list) and inner and draw.random() < 0.7:
            value = inner
            continue
        if draw.random() < 0.2 and isinstance(value, dict):
            del value[key]
            return f"{names} removed"
        new = draw.choice(VALUES)
        value[key] = new
        return f"{names} = {str(new)[:20]}"
