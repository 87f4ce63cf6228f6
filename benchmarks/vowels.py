"""Japanese vowels: nine speakers, told apart by an echo state network."""

import statistics
from pathlib import Path

import numpy as np

from engram import EchoState


def vowels_accuracy(folder: Path, seeds: int = 10) -> str:
    """Test accuracy over seeds: 270 utterances to learn from, 370 to test on."""
    learnt, speakers = _read(folder / "JapaneseVowels_TRAIN.ts")
    tested, expected = _read(folder / "JapaneseVowels_TEST.ts")
    scores = []
    for seed in range(seeds):
        model = EchoState(target="class", units=500, leak=0.1, ridge="auto", random_state=seed)
        scores.append(model.fit(learnt, speakers).score(tested, expected))
    return (
        f"{statistics.median(scores):.1%} of {len(tested)} right in the median of {seeds} seeds, "
        f"{min(scores):.1%} to {max(scores):.1%}"
    )


def _read(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Series ``(T_i, 12)`` and labels of a file in the .ts format of sktime and aeon."""
    text = path.read_text(encoding="utf-8").partition("@data\n")[2]
    series, labels = [], []
    for line in text.splitlines():
        *dimensions, label = line.split(":")
        columns = [np.array(column.split(","), dtype=np.float64) for column in dimensions]
        series.append(np.stack(columns, axis=1))
        labels.append(label)
    return series, np.array(labels)
