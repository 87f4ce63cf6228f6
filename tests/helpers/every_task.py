"""Small data and a command for every task, to see that all of them go one road."""

import json
from pathlib import Path

import numpy as np

from engram.cli.main import main

_WORDS = ["red", "green", "blue", "old", "new", "big"]
_SMALL = ["--hidden", "6", "--threads", "1", "--log-every", "2", "--checkpoint-every", "3"]


def commands(folder: Path) -> dict[str, list[str]]:
    """Flags of ``engram train TASK`` by the task's name; data are written into the folder."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(_WORDS, draw.integers(3, 9))) for _ in range(80)]
    labels = ["yes" if "red" in text else "no" for text in texts]
    (folder / "notes.txt").write_text("\n".join(texts))
    _lines(folder / "labels.csv", "text,label", zip(texts, labels, strict=True))
    _lines(folder / "numbers.csv", "text,number", ((t, len(t) / 7) for t in texts))
    _lines(folder / "pairs.tsv", None, ((t, t[::-1]) for t in texts), "\t")
    (folder / "tags.conll").write_text(
        "\n\n".join("\n".join(f"{w} {w[0].upper()}" for w in t.split()) for t in texts) + "\n"
    )
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-08-01"))
    values = np.sin(np.arange(len(days)) * 2 * np.pi / 7) + draw.normal(0, 0.1, len(days))
    _lines(folder / "sales.csv", "day,sold", zip(days, values.round(4), strict=True))
    pieces = [[[40 + int(k) for k in draw.integers(0, 9, 2)] for _ in range(30)] for _ in range(12)]
    parts = {"train": pieces[:8], "valid": pieces[8:10], "test": pieces[10:]}
    (folder / "rolls.json").write_text(json.dumps(parts))
    _lines(
        folder / "captions.csv",
        "class,caption",
        ((label, f"{label} it is {n % 3}") for n, label in enumerate(labels)),
    )
    data = {
        "language-model": ["notes.txt", "--lanes", "4", "--steps", "8", "--max-updates", "12"],
        "classify": ["labels.csv", "--tokens", "words", "--epochs", "2"],
        "regress": ["numbers.csv", "--tokens", "words", "--epochs", "2"],
        "tag": ["tags.conll", "--epochs", "2", "--test", "0.1"],
        "forecast": ["sales.csv", "--horizon", "3", "--origins", "2", "--epochs", "1"],
        "polyphonic": ["rolls.json", "--epochs", "2", "--batch", "2"],
        "translate": ["pairs.tsv", "--epochs", "1", "--batch", "8"],
        "caption": ["captions.csv", "--about", "classes", "--attention", "none", "--epochs", "1"],
    }
    made = {
        task: ["train", task, "--data", str(folder / name), *flags, *_SMALL]
        for task, (name, *flags) in data.items()
    }
    sizes = ["--epoch-updates", "6", "--epochs", "1", "--valid-sequences", "8"]
    synthetic = ["train", "synthetic", "--problem", "dyck", "--test-sequences", "8", *sizes]
    return made | {"synthetic": [*synthetic, *_SMALL]}


def _lines(path: Path, head: str | None, rows, separator: str = ",") -> None:
    lines = [separator.join(map(str, row)) for row in rows]
    path.write_text("\n".join([*([head] if head else []), *lines]) + "\n")


def fine_tuning(commands: dict[str, list[str]], folder: Path) -> list[str]:
    """Train a language model, and give the command that fine-tunes it to classify."""
    run = folder / "start"
    if main([*commands["language-model"], "--run-dir", str(run)]) != 0:
        raise AssertionError("the language model was not trained")
    flags = [flag for flag in commands["classify"][2:] if flag not in ("--tokens", "words")]
    size = flags.index("--hidden")
    return ["finetune", str(run), "--task", "classify", *flags[:size], *flags[size + 2 :]]
