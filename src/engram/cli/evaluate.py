"""``engram eval RUN``: measure a trained model on other data."""

from pathlib import Path

from engram.cli import views
from engram.cli.flags import Parser
from engram.data.text import read_text
from engram.tasks.language_model import LanguageModelSettings, load_model, score
from engram.training.run_folder import RunFolder


def main(argv: list[str]) -> int:
    """Run ``engram eval``."""
    fields = LanguageModelSettings.model_fields
    flags = Parser(
        prog="engram eval",
        description=(
            "Measure how well the best weights of a run predict text.\n\n"
            "  engram eval runs/notes --data other.txt"
        ),
    )
    flags.add_argument("run", metavar="RUN", help="the folder of the run")
    flags.add_argument(
        "--data", nargs="+", metavar="PATH", required=True, help="files, folders, globs, 'stdlib'"
    )
    for name in ("encoding", "errors"):
        flags.add_argument(f"--{name}", metavar="TEXT", help=fields[name].description)
    given = flags.parse(argv)
    run = RunFolder.open(Path(given.run))
    trained = load_model(run.model)
    text = read_text(
        given.data,
        encoding=given.encoding or trained.settings.encoding,
        errors=given.errors or trained.settings.errors,
    )
    result = score(trained, text.documents)
    unit = trained.tokenizer.unit
    share = result.unknown / result.tokens
    views.show_facts(
        views.console(),
        {
            "text": f"{text.files}, {result.characters:,} characters",
            "loss": f"{result.loss:.4f} nats a token ({result.tokens:,} {unit})",
            "bits a character": f"{result.bits_per_character:.4f}",
            "perplexity": f"{result.perplexity:.2f}",
            "unknown": f"{result.unknown:,} {unit} ({share:.2%}) are not in the vocabulary"
            if result.unknown
            else None,
        },
    )
    return 0
