"""Tables and small plots of records on a terminal; everything shown comes from a record."""

import math
import unicodedata
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from engram.diagnosis.memory import Memory
from engram.records import Anatomy, ContextUse, Decay, GradientReach, Region, Report

_BAR = 28
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHOWN_LAGS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200, 300, 500)


def console() -> Console:
    """Standard output; as wide as the terminal, or 100 columns where there is none."""
    probe = Console(highlight=False)
    return probe if probe.is_terminal else Console(highlight=False, width=100)


def show_memory(out: Console, memory: Memory, unit: str = "tokens") -> None:
    """How far back the gradient reaches, and how much context is used."""
    show_gradient_reach(out, memory.gradient)
    if memory.context is not None:
        show_context_use(out, memory.context, unit)


def show_gradient_reach(out: Console, record: GradientReach) -> None:
    """The gradient through time: a line a state, then the slowest state's decay by lag."""
    out.print(
        "\n[bold]Gradient through time[/]: how far back the gradient of the loss at one "
        "step reaches"
    )
    summary = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("state", "half-life", f"horizon ({record.threshold:.0%})", "at truncation"):
        summary.add_column(heading, justify="left" if heading == "state" else "right")
    for name, decay in record.decays.items():
        summary.add_row(name, _half_life(decay), _horizon(decay), _held(decay, record.truncation))
    out.print(summary)

    name = record.farthest
    decay = record.decays[name]
    plot = Table(box=None, padding=(0, 1, 0, 0), title_justify="left")
    plot.add_column("lag", justify="right")
    plot.add_column(f"∂L/∂{name}, log scale", no_wrap=True)
    plot.add_column("of lag 0", justify="right")
    plot.add_column("")
    first = decay.norms[0]
    for lag in _lags(len(decay.norms)):
        share = decay.norms[lag] / first if first else 0.0
        label = record.label(name, lag)
        said = {"reached": "", "vanished": "vanished", "cut": "cut by truncation"}[label]
        plot.add_row(str(lag), _log_bar(share), _percent(share), said)
    out.print(plot)
    if record.truncation is not None:
        out.print(
            f"Training truncated gradients after {record.truncation} steps; anything further back "
            "was cut, whatever its size.",
            style="dim",
        )


def show_context_use(out: Console, record: ContextUse, unit: str) -> None:
    """The loss by context, and the horizon."""
    more = " (the longest tried; more may help)" if record.beyond else ""
    out.print(
        f"\n[bold]Context used[/]: {record.horizon} {unit}{more} bring the loss within "
        f"{record.tolerance:.0%} of the full context's"
    )
    plot = Table(box=None, padding=(0, 1, 0, 0))
    plot.add_column(unit, justify="right")
    plot.add_column("loss above the full context's", no_wrap=True)
    plot.add_column("nats", justify="right")
    plot.add_column("")
    full, worst = record.losses[-1], max(record.losses)
    for context, loss in zip(record.contexts, record.losses, strict=True):
        share = (loss - full) / (worst - full) if worst > full else 0.0
        mark = "← horizon" if context == record.horizon else ""
        plot.add_row(str(context), _bar(max(0.0, share)), f"{loss:.4f}", mark)
    out.print(plot)


def show_anatomy(out: Console, record: Anatomy) -> None:
    """A line a region: what it is, holds, computes, learns and has changed; then what steers it."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("region", "modules", "weights", "compute", "gradient", "change", "rate"):
        left = heading in ("region", "modules")
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    for name, region in record.regions.items():
        if region.parameters or region.modules:
            table.add_row(
                name,
                Text("\n".join(f"{n or '(all)'}: {kind}" for n, kind in region.modules.items())),
                f"{region.parameters:,}",
                *(_optional(s) for s in (region.compute, region.gradient, region.change)),
                _rates(region),
            )
    out.print("\n[bold]Anatomy[/]: what each part of the model does, as regions of a brain")
    out.print(table)
    facts: dict[str, str] = {}
    for name, region in record.regions.items():
        said = [f"{fact} {text}" for fact, text in region.facts.items()]
        facts |= {name: f"{region.role}" + "".join(f"\n{line}" for line in said)}
    out.print()
    show_facts(out, facts)
    whole = f"{record.parameters:,} weights"
    if record.multiply_adds is not None:
        whole += f", {record.multiply_adds:,} multiply-adds"
    shared = [f"{', '.join(more)} is {name}" for name, more in record.shared.items()]
    out.print(Text("; ".join([whole, *shared])), style="dim")


def show_facts(out: Console, facts: dict[str, Any]) -> None:
    """Names and values in two columns."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None:
            table.add_row(
                name, Text(printable(str(value)))
            )  # a path may hold what looks like markup
    out.print(table)


def show_table(out: Console, head: list[str], rows: list[list[str]]) -> None:
    """Rows of text under their headings, folded to the width there is."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in head:
        table.add_column(Text(printable(heading)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    out.print(table)


def printable(text: str) -> str:
    """The text with control characters written out, so that none of them steers the terminal."""
    return "".join(
        each if each == "\n" or unicodedata.category(each) != "Cc" else repr(each)[1:-1]
        for each in text
    )


def _lags(count: int) -> list[int]:
    shown = [lag for lag in _SHOWN_LAGS if lag < count]
    return shown if shown[-1] == count - 1 else [*shown, count - 1]


def _half_life(decay: Decay) -> str:
    if decay.half_life is None:
        return f"over {len(decay.norms) - 1} steps"
    return f"{decay.half_life:.1f} steps"


def _horizon(decay: Decay) -> str:
    return f"{'≥ ' if decay.beyond else ''}{decay.horizon} steps"


def _held(decay: Decay, truncation: int | None) -> str:
    if truncation is None or truncation >= len(decay.norms) or not decay.norms[0]:
        return "–"
    return _percent(decay.norms[truncation] / decay.norms[0])


def _optional(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _rates(region: Region) -> str:
    if not region.parameters:
        return ""
    if not region.trained:
        return "frozen"
    return ", ".join(f"{rate:.3g}" for rate in region.rates) or "–"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else f"{share:.0e}"


def _log_bar(share: float) -> str:
    """A bar that is full at 1 and empty at a thousandth."""
    return _bar(0.0 if share <= 0.0 else max(0.0, 1.0 + math.log10(min(share, 1.0)) / 3.0))


def _bar(share: float) -> str:
    eighths = round(min(1.0, share) * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def show_report(out: Console, title: str, report: Report, *, tables: bool = True) -> None:
    """Figures of an evaluation, and its tables."""
    figures = "  ".join(f"{name} {_figure(value)}" for name, value in report.measures.items())
    head = f"[bold]{escape(printable(title))}[/]: {escape(printable(figures))}"
    out.print(head, soft_wrap=True)
    for heading, table in report.tables.items() if tables else ():
        out.print(f"\n{heading}", markup=False)
        rows = [[_figure(value) for value in row] for row in table.rows]
        show_table(out, table.columns, rows)


def _figure(value: Any) -> str:
    if value is None:
        return "undefined"
    if isinstance(value, float) and not math.isfinite(value):
        return "undefined" if math.isnan(value) else f"{value:+}"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
