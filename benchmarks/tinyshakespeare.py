"""Validation loss on tinyshakespeare: the shipped configuration against a plain torch script.

    python -m benchmarks.tinyshakespeare input.txt             # Engram's configuration
    python -m benchmarks.tinyshakespeare input.txt --bare      # and the plain script, twice

The text is the file of github.com/karpathy/char-rnn (1,115,394 bytes); the first 95 % are trained
on, the rest is validated as one stream. The plain script has char-rnn's own settings, and once
more dropout 0.15 and a cosine schedule. All of them: LSTM 2 × 128, 50 lanes, 50 steps, RMSProp at
2e-3, 50 epochs. To compare losses and not times, each run may have one thread.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.bare import train_bare
from engram.cli.flags import settings_from
from engram.cli.progress import LineReporter
from engram.data.text.documents import read_text
from engram.tasks import fitting
from engram.tasks.language_model import NAME, TASK, make_data
from engram.tasks.outlines.language_model import LanguageModelSettings
from engram.training.run_folder import RunFolder


def ours(text: str, seed: int, threads: int) -> tuple[float, int]:
    flags = {"seed": str(seed), "threads": str(threads)}
    settings = settings_from(LanguageModelSettings, flags, "tinyshakespeare", [], task=NAME)
    data = make_data(settings, [text])
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder) / "run", settings.plain(), ["benchmark"])
        reporter = LineReporter("characters")
        _, outcome = fitting.fit(TASK, settings, data, run=run, reporter=reporter)
    assert outcome.best_loss is not None
    return outcome.best_loss, outcome.best_update


def bare(text: str, seed: int) -> list[tuple[str, float, int]]:
    symbols = sorted(set(text))
    codes = np.searchsorted(np.array(symbols), np.array(list(text)))
    stream = torch.from_numpy(codes).long()
    cut = round(len(stream) * 0.95)
    variants = {"char-rnn": (0.0, False), "dropout 0.15, cosine": (0.15, True)}
    return [
        (
            name,
            *train_bare(stream[:cut], stream[cut:], len(symbols), dropout=d, cosine=c, seed=seed),
        )
        for name, (d, c) in variants.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--bare", action="store_true", help="train the plain script too")
    parser.add_argument("--only-bare", action="store_true", help="train the plain script alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    text = read_text([given.file]).documents[0]
    rows = []
    if not given.only_bare:
        loss, update = ours(text, given.seed, given.threads)
        rows.append(("Engram, --config tinyshakespeare", loss, f"update {update:,}"))
    if given.bare or given.only_bare:
        rows += [(f"plain torch, {n}", loss, f"epoch {e}") for n, loss, e in bare(text, given.seed)]
    print("| what | best validation loss, nats a character | at |\n|---|---|---|")
    for name, loss, at in rows:
        print(f"| {name} | {loss:.4f} | {at} |")


if __name__ == "__main__":
    main()
