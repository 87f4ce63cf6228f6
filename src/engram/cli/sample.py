"""``engram sample RUN``: write text with a trained model, as it comes."""

import sys
from collections.abc import Iterable
from pathlib import Path

from engram.cli.flags import Parser
from engram.errors import ConfigError
from engram.tasks.language_model import load_model
from engram.tasks.sampling import stream_sample
from engram.training.run_folder import RunFolder


def main(argv: list[str]) -> int:
    """Run ``engram sample``."""
    flags = Parser(
        prog="engram sample",
        description=(
            "Write text with the best weights of a run.\n\n"
            '  engram sample runs/notes --prompt "def " --length 400 --temperature 0.8\n'
            "  engram sample runs/notes --samples 3 --top-p 0.9"
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the folder of the run")
    flags.add_argument("--prompt", default="", metavar="TEXT", help="text to go on from")
    flags.add_argument("--length", type=int, default=400, metavar="N", help="tokens to write (400)")
    flags.add_argument(
        "--temperature", type=float, default=0.8, metavar="X", help="0 always takes the likeliest"
    )
    flags.add_argument("--top-k", type=int, metavar="N", help="draw among the N likeliest only")
    flags.add_argument(
        "--top-p", type=float, metavar="X", help="draw among the likeliest that hold probability X"
    )
    flags.add_argument("--samples", type=int, default=1, metavar="N", help="how many (1)")
    flags.add_argument("--seed", type=int, default=0, metavar="N", help="the same gives the same")
    given = flags.parse(argv)
    if given.samples < 1:
        raise ConfigError(f"samples is {given.samples}, and takes a whole number from 1")
    trained = load_model(RunFolder.open(Path(given.run)).model)
    for number in range(given.samples):
        if given.samples > 1:
            print(f"{'' if number == 0 else chr(10)}── sample {number + 1} ──")
        pieces = stream_sample(
            trained,
            given.prompt,
            length=given.length,
            temperature=given.temperature,
            top_k=given.top_k,
            top_p=given.top_p,
            seed=given.seed + number,
        )
        write_sample(given.prompt, pieces)
    return 0


def write_sample(prompt: str, pieces: Iterable[str]) -> None:
    """Print a prompt and what a model makes of it, piece by piece."""
    sys.stdout.write(prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
