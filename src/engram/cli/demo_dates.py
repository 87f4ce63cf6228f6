"""``engram demo dates``: dates of many languages to one form, and where the model looks."""

from pathlib import Path

from engram.cli.attention import alignment
from engram.cli.demo import run_shipped
from engram.cli.runs import trained_of
from engram.data.builtin.dates import date_pairs
from engram.tasks.translate import TranslateAsking, translate
from engram.training.run_folder import RunFolder

LANGUAGES = ("fr", "ru", "ja")


def run(path: Path) -> int:
    """Train, measure on days that training never saw, and show what was looked at.

    Args:
        path: Where the run is recorded; a run that is there is replaced.
    """
    print("Training an encoder and a decoder with attention on dates in 22 languages.")
    print("Ctrl-C stops it at any time without losing anything.\n", flush=True)
    status = run_shipped("translate", "dates", path)
    if status:
        return status
    _, trained = trained_of(RunFolder.open(path))
    texts = [date_pairs(1, "test", seed=5, language=language)[0][0] for language in LANGUAGES]
    print("\nAttention for each generated character:")
    for row in translate(trained, texts, TranslateAsking(attention=True)):
        print(f"\n{row['source']} → {row['translation']}")
        print(alignment(row["read"], row["written"], row["attention"]))
    print(
        "\nNext, try your own date, or your own pairs:\n"
        f'  engram predict {path} --text "3. Oktober 1990"\n'
        "  engram train translate --data YOUR.tsv --run-dir runs/mine"
    )
    return 0
