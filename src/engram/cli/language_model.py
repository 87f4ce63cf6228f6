"""``engram train language-model``: read text, train, measure."""

import time
from collections.abc import Callable
from pathlib import Path

import yaml

from engram.cli import views
from engram.cli.flags import Parser, add_settings, settings_from, shipped_configurations
from engram.cli.outcome import RESULT, describe_outcome, stopped
from engram.cli.progress import make_reporter
from engram.data.augmentation.tokens import TokenAugmentation
from engram.data.text import STDLIB, Text
from engram.data.tokens import shared_numbers
from engram.diagnosis.language_model import measure_memory, write_memory
from engram.files import write_json
from engram.models.many_to_many import ModelSettings, parameter_count
from engram.models.regions import places
from engram.settings import Settings
from engram.tasks.language_model import (
    Corpus,
    LanguageModelSettings,
    TextSettings,
    TrainedModel,
    kept_tokenizer,
    load_model,
    prepare,
    read_corpus,
    score_stream,
    start_of,
    train_language_model,
)
from engram.training import parallel
from engram.training.groups import tuning_of
from engram.training.loop import Outcome
from engram.training.losses import LabelSmoothing
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder
from engram.training.settings import TrainingSettings
from engram.training.truncation import TruncationSettings

GROUPS: dict[str, type[Settings]] = {
    "text": TextSettings,
    "augmentation": TokenAugmentation,
    "model": ModelSettings,
    "truncation": TruncationSettings,
    "training": TrainingSettings,
    "labels": LabelSmoothing,
}


def parser() -> Parser:
    """The flags of ``engram train language-model``."""
    made = Parser(
        prog="engram train language-model",
        usage="engram train language-model [--data PATH …] [--run-dir DIR] [flags]",
        description=(
            "Train a recurrent language model on text, and measure what it remembers.\n\n"
            "  engram train language-model --data notes.txt --run-dir runs/notes\n"
            "  engram train language-model --data src/ 'docs/**/*.md' --cell gru --layers 2\n"
            "  torchrun --nproc-per-node 2 -m engram train language-model --data notes.txt\n\n"
            f"shipped configurations: {', '.join(shipped_configurations('language-model'))}"
        ),
    )
    made.add_argument("--run-dir", metavar="DIR", help="where the run is recorded")
    made.add_argument("--overwrite", action="store_true", help="replace a run that is there")
    made.add_argument("--config", metavar="FILE", help="YAML file, or a shipped configuration")
    made.add_argument(
        "--print-config", action="store_true", help="print all settings as YAML, and do nothing"
    )
    for title, settings in GROUPS.items():
        add_settings(made, title, settings)
    return made


def main(argv: list[str]) -> int:
    """Run ``engram train language-model``."""
    flags = parser()
    given, unknown = flags.parse_known_args(argv)
    values = vars(given)
    run_dir, overwrite = values.pop("run_dir"), values.pop("overwrite")
    config, print_config = values.pop("config"), values.pop("print_config")
    settings = settings_from(LanguageModelSettings, values, config, flags.unknown_faults(unknown))
    if print_config:
        print(yaml.safe_dump(settings.plain(), sort_keys=False, allow_unicode=True), end="")
        return 0
    path = Path(run_dir or f"runs/language-model-{time.strftime('%Y%m%d-%H%M%S')}")
    return start(settings, path, ["engram", "train", "language-model", *argv], overwrite=overwrite)


def start(
    settings: LanguageModelSettings, path: Path, command: list[str], *, overwrite: bool
) -> int:
    """Start a new run."""
    settings = settings.model_copy(update={"data": [_absolute(p) for p in settings.data]})

    def create() -> RunFolder:
        reads = [*settings.data, *([settings.start] if settings.start else [])]
        return RunFolder.create(path, settings.plain(), command, overwrite=overwrite, reads=reads)

    return go(RunFolder(path), settings, create=create)


def go(
    run: RunFolder,
    settings: LanguageModelSettings,
    *,
    create: Callable[[], RunFolder] | None = None,
) -> int:
    """Train to the end, then measure; or stop where the user stops it.

    Args:
        run: The run.
        settings: Its settings.
        create: Makes the folder of a new run; None goes on with one that is there.
    """
    with parallel.process_group():
        first = parallel.rank() == 0
        start = start_of(settings, run if create is None else None)
        corpus, text = read_corpus(settings, kept_tokenizer(settings, start))
        if create is not None:
            prepare(settings, corpus, start)  # its faults come before a folder is made or replaced
            if first:
                create()
        if first:
            print(describe_data(text, corpus), flush=True)
        if first and start is not None:
            print(describe_start(settings, corpus, start), flush=True)
        reporter = make_reporter(corpus.tokenizer.unit) if first else Reporter()
        trained, outcome = train_language_model(
            settings, corpus, run=run, reporter=reporter, resume=create is None, start=start
        )
    if not first:
        return 0
    print(describe_outcome(outcome, parameter_count(trained.model)))
    if outcome.interrupted:
        return stopped(run)
    finish(run, settings, corpus, outcome)
    return 0


def finish(
    run: RunFolder, settings: LanguageModelSettings, corpus: Corpus, outcome: Outcome
) -> None:
    """Measure a finished run on what it was not trained on, and say what to type next."""
    trained = load_model(run.model)
    result = {
        "updates": outcome.updates,
        "parameters": parameter_count(trained.model),
        "valid_loss": outcome.best_loss,
        "best_update": outcome.best_update,
    }
    if len(corpus.test) > 1:
        test = score_stream(trained, corpus.test)
        result |= {"test_loss": test.loss, "test_bits_per_character": test.bits_per_character}
        print(
            f"test loss {test.loss:.4f} nats a token, "
            f"{test.bits_per_character:.3f} bits a character, on {test.tokens:,} tokens"
        )
    memory = measure_memory(trained, corpus.held_out, seed=settings.seed)
    write_memory(run, memory)
    write_json(run.record(RESULT), result)  # last: with it, the run is finished
    out = views.console()
    views.show_gradient_reach(out, memory.gradient)
    views.show_context_use(out, memory.context, corpus.tokenizer.unit)
    print(
        f"\nnext:\n  engram sample {run.path} --length 400 --temperature 0.8\n"
        f"  engram eval {run.path} --data OTHER.txt\n  engram info {run.path}"
    )


def describe_data(text: Text, corpus: Corpus) -> str:
    """What was read, and how it is split."""
    skipped = f" ({len(text.skipped)} empty or binary ones left out)" if text.skipped else ""
    parts = [len(part) for part in (corpus.train, corpus.valid, corpus.test)]
    return (
        f"{text.files}{skipped}, {corpus.characters:,} characters; "
        f"{corpus.tokenizer.size:,} different {corpus.tokenizer.unit}\n"
        f"{parts[0]:,} {corpus.tokenizer.unit} to train, {parts[1]:,} to validate, "
        f"{parts[2]:,} to test"
    )


def describe_start(settings: LanguageModelSettings, corpus: Corpus, start: TrainedModel) -> str:
    """What a training starts from, and how each region learns."""
    new = corpus.tokenizer
    fresh = new.size - len(shared_numbers(start.tokenizer, new))
    rows = "the same vocabulary"
    if start.tokenizer.plain() != new.plain():
        rows = f"{new.size - fresh:,} of {new.size:,} {new.unit} keep their rows"
    lines = [f"starting from {settings.start}: {rows}"]
    by_token = {p.region for p in places(start.model) if p.name in start.model.by_token}
    for name, how in tuning_of(start.model, settings).items():
        if how.begins is None:
            stay = f"; its rows of {fresh:,} new {new.unit} stay as drawn"
            lines.append(f"  {name:<11}frozen{stay if fresh and name in by_token else ''}")
            continue
        when = f" from update {how.begins + 1:,} on" if how.begins else ""
        lines.append(f"  {name:<11}learns at {settings.rate * how.factor:.3g}{when}")
    return "\n".join(lines)


def _absolute(path: str) -> str:
    """A path that also holds in another folder, so that a run can be resumed from anywhere."""
    return path if path == STDLIB and not Path(path).exists() else str(Path(path).absolute())
