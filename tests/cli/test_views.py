"""Tables and plots of records, and how a training is shown."""

import io
import math

import pytest
import torch
from rich.console import Console

from engram.cli import progress, views
from engram.diagnosis.context_use import describe_contexts
from engram.diagnosis.gradient_reach import describe_decay
from engram.models.anatomy import anatomy
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.records import Evaluated, GradientReach, Logged, Report, ReportTable
from engram.training.reporting import Plan


def _shown(draw):
    out = Console(file=io.StringIO(), width=100, highlight=False)
    draw(out)
    return out.file.getvalue()


def _reach(**norms):
    decays = {name: describe_decay(values) for name, values in norms.items()}
    return GradientReach(decays, positions=4, threshold=0.01, truncation=3)


def test_gradient_reach():
    record = _reach(h=[1.0, 0.5, 0.004, 0.002, 0.001], c=[2.0, 1.9, 1.8, 1.7, 1.6])
    lines = _shown(lambda out: views.show_gradient_reach(out, record)).splitlines()
    summary = {line.split()[0]: line.split() for line in lines if line[:2] in ("h ", "c ")}
    assert summary["h"] == ["h", "1.0", "steps", "1", "steps", "0.2%"]
    assert summary["c"] == ["c", "over", "4", "steps", "≥", "4", "steps", "85.0%"]
    assert any("∂L/∂c, log scale" in line for line in lines)
    assert [
        line.split()[0] for line in lines if line.split()[:1] and line.split()[0].isdigit()
    ] == [*"01234"]
    assert sum("cut by truncation" in line for line in lines) == 2
    assert "Training truncated gradients after 3 steps" in " ".join(lines)


@pytest.mark.parametrize("label", ["[/b]", "[red]", "a[link=x]b", "\x1b[31m", "\x07", "]"])
def test_labels_are_shown_as_they_are(label):
    table = ReportTable(["", label], [[label, 1.0]])
    report = Report({label: math.nan, "loss": math.inf}, {label: table})
    shown = _shown(lambda out: views.show_report(out, label, report))
    assert shown.count(label if label.isprintable() else repr(label)[1:-1]) >= 4
    assert "undefined" in shown
    assert "+inf" in shown


@pytest.mark.parametrize("norms", [[0.0, 0.0], [1.0], [1.0, 0.0], [1e-30, 1e30], [5e-324, 0.0]])
def test_gradients_at_the_edge(norms):
    record = GradientReach({"h": describe_decay(norms)}, 1, 0.01, 1)
    assert "half-life" in _shown(lambda out: views.show_gradient_reach(out, record))


@pytest.mark.parametrize(
    ("losses", "text"),
    [
        ([3.0, 2.0, 1.001, 1.0], "3 words bring the loss within 1% of the full context's"),
        ([3.0, 2.0, 1.5, 1.0], "8 words (the longest tried; more may help) bring the loss"),
        ([1.0, 1.0, 1.0, 1.0], "1 words bring the loss"),
        ([0.0, 0.0, 0.0, 0.0], "1 words bring the loss"),
    ],
)
def test_context_use(losses, text):
    record = describe_contexts([1, 2, 3, 8], losses, 10)
    shown = _shown(lambda out: views.show_context_use(out, record, "words"))
    assert text in shown
    marked = [line for line in shown.splitlines() if "← horizon" in line]
    assert len(marked) == 1
    assert marked[0].split()[0] == str(record.horizon)


@pytest.mark.parametrize("value", ["/tmp/[draft]/[a-z]*.txt", "[/red]", "[bold]x[/]", "a\\[b]"])
def test_facts_are_shown_as_they_are(value):
    shown = _shown(lambda out: views.show_facts(out, {"data": value, "left out": None, "n": 0}))
    assert shown.split("\n")[0].rstrip() == f"data  {value}"
    assert "left out" not in shown
    assert shown.split("\n")[1].split() == ["n", "0"]


def test_long_facts_are_folded_and_not_cut():
    value = "x" * 300
    assert _shown(lambda out: views.show_facts(out, {"data": value})).count("x") == 300


@pytest.mark.parametrize(
    ("share", "bar"),
    [(0.0, ""), (1.0, "█" * 28), (2.0, "█" * 28), (0.5, "█" * 14), (1 / 56, "▌")],
)
def test_bar(share, bar):
    assert views._bar(share) == bar


@pytest.mark.parametrize(
    ("share", "filled"),
    [(-1.0, 0.0), (0.0, 0.0), (0.001, 0.0), (0.1, 2 / 3), (1.0, 1.0), (9.0, 1.0)],
)
def test_log_bar(share, filled):
    assert views._log_bar(share) == views._bar(filled)


@pytest.mark.parametrize(("share", "text"), [(0.0, "0e+00"), (0.5, "50.0%"), (1e-5, "1e-05")])
def test_percent(share, text):
    assert views._percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")]
)
def test_clock(seconds, text):
    assert progress._clock(seconds) == text


def _logged(update):
    return Logged(update, 1, 1.5, 0.25, 0.5, 1e-3, 12345.6)


def test_lines(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    reporter = progress.make_reporter("words")
    assert isinstance(reporter, progress.LineReporter)
    reporter.begin(Plan(updates=40, first=10, updates_per_epoch=20, tokens_per_update=5))
    for update, seconds in ((20, 110.0), (21, 111.0), (30, 120.0)):
        now[0] = seconds
        reporter.logged(_logged(update))
    reporter.evaluated(Evaluated(30, 2, 1.25, True))
    reporter.evaluated(Evaluated(40, 2, 1.5, False))
    reporter.notice("[said]")
    numbers = "loss 1.5000  12,346 words/s  gradient 0.25  clipped 50%"
    assert capsys.readouterr().out.splitlines() == [
        f"epoch 1  update 20  {numbers}  left 0:20",
        f"epoch 1  update 30  {numbers}  left 0:10",
        "epoch 2  update 30  validation loss 1.2500 nats  best so far",
        "epoch 2  update 40  validation loss 1.5000 nats",
        "note: [said]",
    ]


def test_bar_on_a_terminal(monkeypatch):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda **options: console)
    monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True, raising=False)
    reporter = progress.make_reporter("words")
    assert isinstance(reporter, progress.BarReporter)
    reporter.begin(Plan(updates=4, first=0, updates_per_epoch=2, tokens_per_update=5))
    for update in range(1, 5):
        reporter.update(update, 1.0)
        reporter.logged(_logged(update))
    reporter.notice("runs/[x]/[/y] is [red]odd")
    reporter.evaluated(Evaluated(4, 2, 1.25, True))
    reporter.end(None)
    shown = out.getvalue()
    assert "note: runs/[x]/[/y] is [red]odd" in shown
    assert "epoch 2" in shown
    assert "100%" in shown
    assert "validation loss 1.2500 nats  best so far" in shown


def test_anatomy():
    torch.manual_seed(0)
    model = ManyToMany(5, ModelSettings(hidden=3, tied=True))
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.layers.weight_hh_l0 *= 1.5
    facts = {"brainstem": {"clips": "norm at 1"}, "cerebellum": {"optimiser": "sgd [a]"}}
    model.embedding.requires_grad_(False)
    record = anatomy(
        model,
        torch.zeros(4, 2, dtype=torch.long),
        loss=lambda output: output[0].square().sum(),
        initial=initial,
        optimizer=torch.optim.SGD(model.layers.parameters(), lr=0.25),
        facts=facts,
    )
    shown = _shown(lambda out: views.show_anatomy(out, record))
    for name, rate in {"parietal": "frozen", "frontal": "0.25", "temporal": "–"}.items():
        region = record.regions[name]
        line = next(line for line in shown.splitlines() if line.startswith(name)).split()
        assert line[3:] == [
            f"{region.parameters}",
            f"{region.compute:.1%}",
            f"{region.gradient:.1%}",
            f"{region.change:.1%}",
            rate,
        ]
    assert "clips norm at 1" in shown
    assert "optimiser sgd [a]" in shown
    assert "head.weight is embedding.weight" in shown
    assert f"{record.multiply_adds:,} multiply-adds" in shown


def test_anatomy_without_measurements():
    record = anatomy(torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.Linear(2, 2)))
    shown = _shown(lambda out: views.show_anatomy(out, record))
    line = next(line for line in shown.splitlines() if line.startswith("occipital"))
    assert line.split() == ["occipital", "0:", "Conv1d", "8", "–", "–", "–", "–"]
    assert "multiply-adds" not in shown
