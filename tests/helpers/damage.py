"""Damage to run folders: each field of each file, in ways that are found on disks."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from helpers import killing

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


def attacks(
    whole: Path, partial: Path, data: list[str], draw: random.Random, count: int
) -> Iterator[str]:
    """Damage copies of two runs and use them; say of each what ended as nothing may end, or "".

    A damaged run is either refused in one sentence, or used as if it were whole: no traceback, no
    hang, no figure and no weight that changed without a word.

    Args:
        whole: A run that is finished.
        partial: The same one, killed on its way.
        data: Flags of ``engram eval`` that name its data.
        draw: What is damaged, and how.
        count: How often for each of the commands that use them.
    """
    figures = killing.run(["eval", str(whole), *data], whole, limit=60)
    assert figures.status == 0, figures.printed
    copy = whole.with_name("damaged")
    for source, command in ((whole, "eval"), (whole, "info"), (partial, "resume")):
        for _ in range(count):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy)
            how = _damage(copy, draw)
            flags = data if command == "eval" else []
            ended = killing.run([command, str(copy), *flags], copy, limit=60)
            fault = _fault(ended, command, figures, whole, copy, how)
            yield fault and f"{command} after {how}: {fault}"


def _fault(
    ended: killing.Ended, command: str, figures: killing.Ended, whole: Path, copy: Path, how: str
) -> str:
    if ended.status is None:
        return "it hangs"
    if ended.status not in (0, 1, 2) or "Traceback" in ended.printed:
        return f"status {ended.status}, {ended.printed[-600:]}"
    if ended.status != 0:
        said = ended.printed.strip().splitlines()
        return "" if said and said[-1].startswith("engram: ") else f"said {said[-3:]}"
    if command == "eval" and ended.printed != figures.printed:
        return f"other figures: {ended.printed[-600:]}"
    if command == "resume" and "finished" not in ended.printed:
        return f"it did not finish: {ended.printed[-600:]}"
    if command == "resume":
        damaged = how.partition(":")[0]
        changed = [name for name in killing.different(whole, copy) if name != damaged]
        if "metrics.jsonl was changed" in ended.printed or "are missing" in ended.printed:
            # checkpoints know the metrics, and it was told that these are not what they were
            changed = [name for name in changed if not name.startswith("checkpoints/")]
        if changed:
            return f"{changed} are other than they were, and it said {ended.printed[-600:]}"
    return ""


def _damage(run: Path, draw: random.Random) -> str:
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name != ".lock"]
    path = draw.choice(files)
    return f"{path.relative_to(run)}: {_change(path, draw)}"
