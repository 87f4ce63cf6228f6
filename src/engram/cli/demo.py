"""``engram demo``: the main job once, from text to memory, with nothing to download."""

from pathlib import Path

from engram.cli import language_model
from engram.cli.flags import Parser, settings_from
from engram.cli.sample import write_sample
from engram.tasks.language_model import LanguageModelSettings, load_model
from engram.tasks.sampling import stream_sample
from engram.training.run_folder import RunFolder

PROMPTS = ("    def __init__(self, ", "class Test", "    if not ")


def main(argv: list[str]) -> int:
    """Run ``engram demo``."""
    flags = Parser(
        prog="engram demo",
        description=(
            "Train a character model on the sources of Python's standard library for some\n"
            "minutes, measure what it remembers, and let it write three samples."
        ),
    )
    flags.add_argument("--run-dir", default="runs/demo", metavar="DIR", help="(runs/demo)")
    given = flags.parse(argv)
    path = Path(given.run_dir)
    settings = settings_from(LanguageModelSettings, {}, "demo", [])
    print("Training a recurrent network on the sources of Python's standard library.")
    print("Ctrl-C stops it at any time, and nothing is lost.\n", flush=True)
    status = language_model.start(settings, path, ["engram", "demo", *argv], overwrite=True)
    if status:
        return status
    trained = load_model(RunFolder.open(path).model)
    for number, prompt in enumerate(PROMPTS):
        print(f"\n── sample {number + 1} of {len(PROMPTS)}, from {prompt!r} ──")
        pieces = stream_sample(trained, prompt, length=300, temperature=0.5, seed=number)
        write_sample(prompt, pieces)
    print(
        "\nNow with text of your own:\n"
        "  .venv/bin/engram train language-model --data YOUR.txt --run-dir runs/mine\n"
        "  .venv/bin/engram sample runs/mine"
    )
    return 0
