"""Dates to ISO and captions of scenes: what the shipped configurations reach, and in what time.

python -m benchmarks.writing            # a row for each
python -m benchmarks.writing --steps    # a step of training, by where attention looks
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import yaml
from torch.nn import functional

from benchmarks.results import seconds_a_batch
from engram.cli.flags import shipped_configurations
from engram.data.builtin.dates import LANGUAGES, date_pairs
from engram.data.labelled.pairs import Pairs
from engram.models.encoder_decoder import EncoderDecoder
from engram.models.settings import EncoderDecoderSettings
from engram.tasks import caption, fitting, translate
from engram.tasks.task import Task, Trained

_EACH = 300  # dates of each language


def main() -> None:
    """Train both, and print a row of figures for each."""
    jobs: list[tuple[Task, str, Callable[[Trained], str]]] = [
        (translate.TASK, "dates", _languages),
        (caption.TASK, "scenes", lambda trained: ""),
    ]
    for task, name, more in jobs:
        path = shipped_configurations(task.name)[name]
        settings: Any = task.settings.checked(yaml.safe_load(path.read_text(encoding="utf-8")))
        started = time.perf_counter()
        data = task.read(settings)
        reading = time.perf_counter() - started
        trained, outcome = fitting.fit(task, settings, data)
        measures = task.evaluate(trained, data.test).measures
        step = outcome.seconds / outcome.updates
        making = seconds_a_batch(task, settings, data)
        print(
            f"{name}: exact match {measures['exact match']:.2%} of {measures['examples']:,}, "
            f"BLEU {measures['BLEU']:.1f}; trained in {outcome.seconds:.0f} s "
            f"({outcome.updates:,} updates of {1e3 * step:.1f} ms, validation included); data made "
            f"in {reading:.1f} s, a batch in {1e3 * making:.2f} ms, "
            f"{making / step:.1%} of an update{more(trained)}",
            flush=True,
        )


def _languages(trained: Trained) -> str:
    """The language that comes out worst, on dates of its own."""
    shares = {}
    for language in LANGUAGES:
        pairs = date_pairs(_EACH, "test", seed=7, language=language)
        part = trained.preprocess.part(Pairs(*(list(side) for side in zip(*pairs, strict=True))))
        shares[language] = translate.evaluate(trained, part).measures["exact match"]
    worst = min(shares, key=lambda language: shares[language])
    return f"; the worst of {len(shares)} languages, {worst}: {shares[worst]:.2%} of {_EACH}"


def steps() -> None:
    """Time a forward and backward pass of one size, target known, by kind of decoder."""
    kinds: dict[str, dict[str, Any]] = {
        "attention after the step, all steps at once": {},
        "the same, step by step": {},
        "input feeding": {"input_feeding": True},
        "attention before the step": {"attention": "additive", "attend": "before"},
    }
    for read, written in ((17, 11), (45, 40)):
        models = []
        for name, values in kinds.items():
            settings = EncoderDecoderSettings.checked({"hidden": 128, "embedding": 64} | values)
            model = EncoderDecoder(180, 13, settings)
            model.decoder.by_steps |= name.startswith("the same")
            models.append((name, model))
        sources, lengths = torch.randint(180, (read, 64)), torch.full((64,), read)
        inputs = torch.randint(13, (written, 64))
        best = dict.fromkeys(kinds, float("inf"))
        for _ in range(12):  # in turns
            for name, model in models:
                started = time.perf_counter()
                scores, _ = model(sources, lengths, inputs)
                functional.cross_entropy(scores.flatten(0, 1), inputs.flatten()).backward()
                best[name] = min(best[name], time.perf_counter() - started)
        first = next(iter(best.values()))
        for name, seconds in best.items():
            print(
                f"{read} in, {written} out: {name}: {1e3 * seconds:.1f} ms, {seconds / first:.1f}"
            )


if __name__ == "__main__":
    steps() if "--steps" in sys.argv[1:] else main()
