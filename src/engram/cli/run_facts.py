"""What a run is and how far it got, as ``engram info RUN`` shows it."""

import math
from typing import Any

from engram.cli import views
from engram.cli.runs import open_run, settings_of
from engram.diagnosis.memory import read_memory
from engram.records import Evaluated, Logged, Result
from engram.tasks.origin import trainer_of
from engram.tasks.registry import TASKS
from engram.tasks.task import Task
from engram.training.run_folder import RunFolder
from engram.training.settings import TruncationSettings


def show_run(given: str) -> None:
    """Print what there is to say of a run, fact by fact."""
    run = open_run(given)
    values = run.settings()
    name = run.task(values)
    if name in TASKS:
        task, settings = settings_of(run)
        facts = _settings(task, settings) | _progress(run, task) | _end(run, settings.threads)
        facts |= _measures(run) | _memory(run, task)
    else:
        facts = {"trained by": trainer_of(name)} | values | _state(run, "")
        facts |= _end(run, None) | _measures(run)
    views.show_facts(views.console(), facts | _records(run))


def _settings(task: Task, s: Any) -> dict[str, Any]:
    subject = getattr(s, task.names)
    training = f"{s.optimizer} at {s.rate} ({s.schedule})"
    if isinstance(s, TruncationSettings):
        training += f", {s.lanes} lanes, {s.steps} steps, gradients truncated after {s.k2} steps"
    return {
        "task": task.name,
        task.names: subject if isinstance(subject, str) else ", ".join(subject),
        "tokens": getattr(s, "tokens", None),
        "model": f"{s.layers} × {s.hidden} {s.cell}, dropout {s.dropout}",
        "training": training,
    }


def _measures(run: RunFolder) -> dict[str, Any]:
    result = run.read(Result)
    reports = {} if result is None else result.reports
    return {
        f"{part} part": ", ".join(
            f"{name} undefined" if math.isnan(value) else f"{name} {value:,.4g}"
            for name, value in report.measures.items()
        )
        for part, report in reports.items()
    }


def _state(run: RunFolder, go_on: str) -> dict[str, Any]:
    return {"state": f"not finished{go_on}" if run.read(Result) is None else "finished"}


def _progress(run: RunFolder, task: Task) -> dict[str, Any]:
    metrics = run.read_metrics()
    speeds = sorted(timing.tokens_per_second for timing in run.read_timings())
    trained = [line for line in metrics if isinstance(line, Logged)]
    valid = [line for line in metrics if isinstance(line, Evaluated) and not math.isnan(line.loss)]
    facts = _state(run, ": engram resume")
    if trained:
        last = trained[-1]
        facts["updates"] = f"{last.update:,} (epoch {last.epoch})"
        facts["training loss"] = f"{last.loss:.4f} {task.loss_unit}"
    if valid:
        best = min(valid, key=lambda line: line.loss)
        facts["best validation"] = f"{best.loss:.4f} {task.loss_unit} at update {best.update:,}"
    if speeds:
        facts["speed"] = f"{speeds[len(speeds) // 2]:,.0f} {task.unit} per second (median)"
    return facts


def _end(run: RunFolder, threads: int | None) -> dict[str, Any]:
    facts = {}
    result = run.read(Result)
    environment = run.read_environment()
    if result:
        facts["parameters"] = f"{result.parameters:,}"
    if environment is not None:
        facts["made with"] = (
            f"engram {environment.engram}, torch {environment.torch}, "
            f"{threads or environment.threads} threads"
        )
    return facts


def _records(run: RunFolder) -> dict[str, Any]:
    names = sorted(path.stem for path in run.records_folder.glob("*.json"))
    return {"records": ", ".join(names) or None}


def _memory(run: RunFolder, task: Task) -> dict[str, Any]:
    memory = read_memory(run)
    if memory is None:
        return {}
    name = memory.gradient.farthest
    decay = memory.gradient.decays[name]
    half = "not reached" if decay.half_life is None else f"{decay.half_life:.1f} steps"
    bound = "≥ " if decay.beyond else ""
    return {
        "gradient": f"half-life {half}, horizon {bound}{decay.horizon} steps ({name})",
        "context used": memory.context and f"{memory.context.horizon} {task.unit}",
    }
