"""``engram info RUN``: what a run is, and how far it got; ``--remedies``: what there is."""

from pathlib import Path
from typing import Any

from engram.cli import views
from engram.cli.flags import Parser
from engram.cli.remedies import show_remedies
from engram.cli.train import RESULT
from engram.diagnosis.language_model import read_memory
from engram.files import read_json
from engram.tasks.language_model import LanguageModelSettings
from engram.training.run_folder import RunFolder


def main(argv: list[str]) -> int:
    """Run ``engram info``."""
    flags = Parser(
        prog="engram info",
        description=(
            "Show what a run is and how far it got.\n\n"
            "  engram info runs/notes\n  engram info --remedies"
        ),
    )
    flags.add_argument("run", metavar="RUN", nargs="?", help="the folder of the run")
    flags.add_argument("--remedies", action="store_true", help="list the remedies, and no run")
    given = flags.parse(argv)
    if given.remedies:
        show_remedies()
        return 0
    if given.run is None:
        flags.error("the following arguments are required: RUN")
    run = RunFolder.open(Path(given.run))
    settings = LanguageModelSettings.checked(run.settings(), str(run.config))
    out = views.console()
    views.show_facts(out, _settings(settings) | _progress(run, settings) | _memory(run))
    return 0


def _settings(s: LanguageModelSettings) -> dict[str, Any]:
    return {
        "task": "language-model",
        "data": ", ".join(s.data),
        "tokens": s.tokens,
        "model": f"{s.layers} × {s.hidden} {s.cell}, dropout {s.dropout}",
        "training": f"{s.optimizer} at {s.rate} ({s.schedule}), {s.lanes} lanes, "
        f"{s.steps} steps, gradients back {s.k2} steps",
    }


def _progress(run: RunFolder, settings: LanguageModelSettings) -> dict[str, Any]:
    lines = run.read_metrics()
    timings = run.read_timings()
    trained = [line for line in lines if line["kind"] == "train"]
    valid = [line for line in lines if line["kind"] == "valid"]
    result = run.read_record(RESULT)
    environment = read_json(run.environment)
    facts: dict[str, Any] = {"state": "finished" if result else "not finished: engram resume"}
    if trained:
        last = trained[-1]
        facts["updates"] = f"{last['update']:,} (epoch {last['epoch']})"
        facts["training loss"] = f"{last['loss']:.4f} nats"
    if valid:
        best = min(valid, key=lambda line: line["loss"])
        facts["best validation"] = f"{best['loss']:.4f} nats at update {best['update']:,}"
    if result and "test_loss" in result:
        bits = result["test_bits_per_character"]
        facts["test"] = f"{result['test_loss']:.4f} nats, {bits:.3f} bits a character"
    if timings:
        speeds = sorted(line["tokens_per_second"] for line in timings)
        facts["speed"] = f"{speeds[len(speeds) // 2]:,.0f} tokens a second (median)"
    if result:
        facts["parameters"] = f"{result['parameters']:,}"
    facts["made with"] = (
        f"engram {environment['engram']}, torch {environment['torch']}, "
        f"{settings.threads or environment['threads']} threads"
    )
    return facts


def _memory(run: RunFolder) -> dict[str, Any]:
    memory = read_memory(run)
    if memory is None:
        return {}
    name = memory.gradient.farthest
    decay = memory.gradient.decays[name]
    half = "not reached" if decay.half_life is None else f"{decay.half_life:.1f} steps"
    bound = "≥ " if decay.beyond else ""
    return {
        "gradient": f"half-life {half}, horizon {bound}{decay.horizon} steps ({name})",
        "context in use": f"{memory.context.horizon} tokens",
    }
