"""``engram sample RUN``: generate text with a trained model, as it comes."""

import sys
from collections.abc import Iterable

from engram.cli.flags import Parser, add_device, add_settings, settings_from
from engram.tasks.outlines.language_model import SamplingSettings


def main(argv: list[str]) -> int:
    """Run ``engram sample``."""
    flags = Parser(
        prog="engram sample",
        description=(
            "Generate text with the best weights of a run.\n\n"
            '  engram sample runs/notes --prompt "def " --length 400 --temperature 0.8\n'
            "  engram sample runs/notes --samples 3 --top-p 0.9"
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the run folder")
    flags.add_argument("--prompt", default="", metavar="TEXT", help="text to continue from")
    flags.add_argument("--samples", type=int, default=1, metavar="N", help="number of samples (1)")
    add_device(flags)
    add_settings(flags, "sampling", SamplingSettings)
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    folder, prompt, samples, device = (
        values.pop(name) for name in ("run", "prompt", "samples", "device")
    )
    faults = flags.unknown_faults(unknown)
    if samples < 1:
        faults.append(f"samples is {samples}; it must be a whole number of at least 1")
    sampling = settings_from(SamplingSettings, values, None, faults)
    from engram.cli.runs import move, open_run, require, trained_of

    run = open_run(folder)
    task, trained = trained_of(run)
    require(task, run, "sample", lambda each: each.sample)
    assert task.sample is not None
    move(trained, device)
    for number in range(samples):
        pieces = task.sample(
            trained, prompt, sampling.model_copy(update={"seed": sampling.seed + number})
        )
        if samples > 1:
            print(f"{'' if number == 0 else chr(10)}── sample {number + 1} ──")
        write_sample(prompt, pieces)
    return 0


def write_sample(prompt: str, pieces: Iterable[str]) -> None:
    """Print a prompt and what a model makes of it, piece by piece."""
    sys.stdout.write(prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
