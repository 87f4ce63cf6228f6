"""``engram demo scenes``: sentences about drawn shapes, and where the model looks."""

from pathlib import Path

from engram.cli.attention import glances
from engram.cli.demo import run_shipped
from engram.cli.runs import trained_of
from engram.data.builtin.scenes import scenes
from engram.tasks.caption import CaptionAsking, caption
from engram.training.run_folder import RunFolder

SHOWN = 3


def run(path: Path) -> int:
    """Train, measure on scenes that training never saw, and show what was looked at.

    Args:
        path: Where the run is recorded; a run that is there is replaced.
    """
    print("Training a convolutional encoder and a decoder with attention on scenes of shapes.")
    print("Ctrl-C stops it at any time without losing anything.\n", flush=True)
    status = run_shipped("caption", "scenes", path)
    if status:
        return status
    _, trained = trained_of(RunFolder.open(path))
    images, captions = scenes(SHOWN, seed=6)
    print("\nAttention over the image for each generated word:")
    for row in caption(trained, captions, images, CaptionAsking(attention=True)):
        print(f"\n{row['name']}\n{glances(row['written'], row['attention'])}")
    print(
        "\nNext, use your own images:\n"
        "  engram train caption --data FOLDER --height 64 --width 64 --run-dir runs/mine\n"
        "  engram predict runs/mine --data IMAGE.png"
    )
    return 0
