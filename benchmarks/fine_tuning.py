"""Validation loss on a new text under one budget of updates: from scratch, and fine-tuned.

    python -m benchmarks.fine_tuning input.txt

A character model learns the sources of Python's standard library; then a text that it has never
seen (for the page: the file of github.com/karpathy/char-rnn) is learnt in a few hundred updates,
from scratch at three rates and from that model, with regions frozen, slowed down or unfrozen one
after the other. All runs have the same size, lanes, steps and seed, and one thread.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from engram.data.text.documents import read_text
from engram.tasks import fitting
from engram.tasks.language_model import NAME, TASK, kept_tokenizer, make_data, score_stream
from engram.tasks.outlines.language_model import LanguageModelSettings
from engram.tasks.task import Trained
from engram.tasks.transfer import Start, starting_values

SIZE: dict[str, Any] = {
    "hidden": 128,
    "embedding": 64,
    "lanes": 32,
    "steps": 64,
    "epochs": 1000,
    "rate": 4e-3,
    "warmup": 50,
    "forget_bias": 1.0,
    "valid": 0.05,
    "test": 0.0,
    "threads": 1,
}
TUNED: dict[str, dict[str, Any]] = {
    "fine-tuned at 0.008": {"rate": 8e-3},
    "fine-tuned at 0.004, the first rate": {"rate": 4e-3},
    "fine-tuned at 0.002, the default": {},
    "fine-tuned at 0.0004": {"rate": 4e-4},
    "the default, freeze parietal (embedding)": {"freeze": ["parietal"]},
    "the default, freeze frontal (recurrent layer)": {"freeze": ["frontal"]},
    "the default, freeze parietal and frontal": {"freeze": ["parietal", "frontal"]},
    "the default, freeze temporal (head)": {"freeze": ["temporal"]},
    "the default, rate temporal=0.1": {"rates": {"temporal": 0.1}},
    "the default, rate decay 2.6": {"rate_decay": 2.6},
    "the default, unfreeze every tenth of the budget": {"unfreeze_every": 0},
}


def learn(
    text: str, settings: LanguageModelSettings, start: Start | None = None
) -> tuple[Trained, float]:
    data = make_data(settings, [text], known=kept_tokenizer(settings, start))
    trained, outcome = fitting.fit(TASK, settings, data, start=start)
    assert outcome.best_loss is not None
    return trained, outcome.best_loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--first", type=int, default=3000, help="updates on the standard library")
    parser.add_argument("--updates", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    first = LanguageModelSettings(
        **SIZE, max_updates=given.first, seed=given.seed, max_characters=6_000_000
    )
    code = "\n".join(read_text(["stdlib"], max_characters=6_000_000).documents)
    start, loss = learn(code, first)
    held_out = make_data(first, [code], known=start.preprocess.tokenizer).valid[:50_000]
    print(f"first training: {loss:.4f} nats a character of its own text", flush=True)
    text = read_text([given.file]).documents[0]
    unread = make_data(first, [text], known=start.preprocess.tokenizer).valid
    as_it_is = [f"{score_stream(start, ids).loss:.4f}" for ids in (unread, held_out)]
    rows = {"the first model, as it is": as_it_is * len(given.updates)}
    for updates in given.updates:
        budget = {
            "max_updates": updates,
            "evaluate_every": max(1, updates // 4),
            "warmup": updates // 20,
            "seed": given.seed,
        }
        for rate in (2e-3, 4e-3, 8e-3, 16e-3):
            settings = LanguageModelSettings(**(SIZE | budget | {"rate": rate}))
            row = rows.setdefault(f"from scratch at {rate:g}", [])
            row += [f"{learn(text, settings)[1]:.4f}", "–"]
        for name, more in TUNED.items():
            changes = more | ({"unfreeze_every": updates // 10} if "unfreeze_every" in more else {})
            begun = Start.of(start)
            values = starting_values(NAME, LanguageModelSettings, begun) | budget | changes
            settings = LanguageModelSettings(**(values | {"start": None}))
            trained, loss = learn(text, settings, begun)
            row = rows.setdefault(name, [])
            row.append(f"{loss:.4f}")
            row.append(
                f"{score_stream(trained, held_out).loss:.4f}" if same(start, trained) else "–"
            )
    headings = [f"{u} updates | the first text then" for u in given.updates]
    print(f"| validation loss after | {' | '.join(headings)} |")
    print("|---" * (1 + 2 * len(given.updates)) + "|")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def same(start: Trained, trained: Trained) -> bool:
    """Whether both read the same tokens, so that the first text can be read by the second."""
    return start.preprocess.plain() == trained.preprocess.plain()


if __name__ == "__main__":
    main()
