"""``engram demo``: a job once, from data to answers, with nothing to download."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from engram.cli import predict as predicting
from engram.cli import train as training
from engram.cli.flags import Parser
from engram.cli.sample import write_sample
from engram.errors import ConfigError, did_you_mean
from engram.tasks.registry import outline_by_name

PROMPTS = ("    def __init__(self, ", "class Test", "    if not ")


def main(argv: list[str]) -> int:
    """Run ``engram demo``."""
    listed = "\n".join(f"  {name:<9}{summary}" for name, (summary, _) in DEMOS.items())
    flags = Parser(
        prog="engram demo",
        description=(
            "Train a model on data that needs no download, evaluate it, and show its "
            "predictions.\n\n"
            f"demos (a few minutes each):\n{listed}"
        ),
    )
    flags.add_argument("name", nargs="?", default="python", metavar="NAME", help="(python)")
    flags.add_argument("--run-dir", metavar="DIR", help="(runs/demo, or runs/NAME)")
    given = flags.parse(argv)
    if given.name not in DEMOS:
        raise ConfigError(f"'{given.name}' is not a demo: {did_you_mean(given.name, DEMOS)}")
    usual = "demo" if given.name == "python" else given.name
    return DEMOS[given.name][1](Path(given.run_dir or f"runs/{usual}"))


def run_python(path: Path) -> int:
    """A character model on Python's sources: what it remembers, and three samples of its own.

    Args:
        path: Where the run is recorded; a run that is there is replaced.
    """
    print("Training a recurrent network on the sources of Python's standard library.")
    print("Ctrl-C stops it at any time without losing anything.\n", flush=True)
    status = run_shipped("language-model", "demo", path)
    if status:
        return status
    from engram.tasks import fitting, language_model
    from engram.tasks.sampling import stream_sample
    from engram.training.run_folder import RunFolder

    trained = fitting.load(language_model.TASK, RunFolder.open(path).model)
    for number, prompt in enumerate(PROMPTS):
        print(f"\n── sample {number + 1} of {len(PROMPTS)}, from {prompt!r} ──")
        pieces = stream_sample(trained, prompt, length=300, temperature=0.5, seed=number)
        write_sample(prompt, pieces)
    print(
        "\nNext, use your own text:\n"
        "  .venv/bin/engram train language-model --data YOUR.txt --run-dir runs/mine\n"
        "  .venv/bin/engram sample runs/mine"
    )
    return 0


def run_shipped(task: str, name: str, path: Path) -> int:
    """Train and measure by a shipped configuration.

    Args:
        task: Its task.
        name: Its name.
        path: As in `run_python`.
    """
    argv = ["--config", name, "--run-dir", str(path), "--overwrite"]
    return training.train(outline_by_name(task), argv)


def run_sunspots(path: Path) -> int:
    """Years of sunspots: measured on those that are known, then the next ones.

    Args:
        path: As in `run_python`.
    """
    status = run_shipped("forecast", "cycles", path)
    if status:
        return status
    print("\nForecast of the following years, with prediction intervals:")
    return predicting.predict(path, ["--data", "sunspots"])


def run_dates(path: Path) -> int:
    """Dates of many languages to one form, and where the model looks.

    Args:
        path: As in `run_python`.
    """
    from engram.cli import demo_dates

    return demo_dates.run(path)


def run_scenes(path: Path) -> int:
    """Sentences about drawn shapes, and where the model looks.

    Args:
        path: As in `run_python`.
    """
    from engram.cli import demo_scenes

    return demo_scenes.run(path)


DEMOS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "python": ("continue Python source code, one character at a time", run_python),
    "dates": ("dates in 22 languages to one format, with attention", run_dates),
    "scenes": ("a caption for an image of drawn shapes", run_scenes),
    "digits": ("handwritten digits, read row by row", partial(run_shipped, "classify", "digits")),
    "sounds": ("tones, chirps and vowels, by ear", partial(run_shipped, "classify", "sounds")),
    "sunspots": (
        "forecast the years after 2008 from three centuries of sunspots",
        run_sunspots,
    ),
    "reviews": (
        "sentiment of reviews: positive or negative",
        partial(run_shipped, "classify", "reviews"),
    ),
}
