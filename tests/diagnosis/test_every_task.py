"""Diagnosis and anatomy of every task: they run, are read back, and tell single losses."""

import math

import pytest
import torch

from engram.cli.main import main
from engram.diagnosis.gradient_reach import gradient_reach
from engram.diagnosis.memory import read_memory
from engram.layers.unrolled import unrolled
from engram.records import Anatomy
from engram.tasks import fitting
from engram.tasks.registry import TASKS
from engram.training.run_folder import RunFolder
from helpers.every_task import commands


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    made = {}
    for task, command in commands(folder).items():
        assert main([*command, "--run-dir", str(folder / task)]) == 0
        made[task] = RunFolder(folder / task)
    return made


@pytest.mark.parametrize("name", TASKS)
def test_diagnose_and_anatomy(runs, name, capsys):
    run = runs[name]
    assert main(["diagnose", str(run.path)]) == 0
    assert main(["anatomy", str(run.path)]) == 0
    assert main(["info", str(run.path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Gradient through time" in out
    assert "frontal" in out
    assert "horizon" in out
    memory = read_memory(run)
    for decay in memory.gradient.decays.values():
        assert decay.norms[0] > 0
        assert all(math.isfinite(norm) for norm in decay.norms)
    regions = run.read(Anatomy).regions
    assert sum(region.gradient for region in regions.values()) == pytest.approx(1.0)
    assert {record.name for record in run.records()} >= {"result", "gradient-reach", "anatomy"}


def _probe(runs, name):
    task = TASKS[name]
    trained = fitting.load(task, runs[name].model)
    data = task.read(trained.settings)
    return task, trained, data, task.probe(trained, data.held_out)


@pytest.mark.parametrize("name", TASKS)
def test_lag_0_is_the_last_step_that_a_loss_follows_from(runs, name):
    """Where the probe says that losses sit is where the graph says so."""
    _, trained, _, probe = _probe(runs, name)
    record = gradient_reach(trained.model, probe, rows=1, lags=3)
    with unrolled(trained.model) as passes:
        single = probe.losses(trained.model, slice(0, 1), None)
    assert single.losses.shape == (1,)
    seen = 0
    for module, calls in passes.items():
        for layer, result in calls[0].results.items():
            state = next(iter(result.state))
            nodes = [step[state] for each in calls for step in each.results[layer].steps]
            gradients = torch.autograd.grad(
                single.losses.sum(), nodes, retain_graph=True, allow_unused=True
            )
            norms = [0.0 if g is None else float(g.norm()) for g in gradients]
            last = max(step for step, norm in enumerate(norms) if norm > 0)
            expected = norms[: last + 1][::-1]
            prefix = "" if module == "layers" else module.removesuffix("layers").rstrip(".") + "."
            found = record.decays[f"{prefix}{layer}.{state}"].norms
            assert found == pytest.approx(expected[: len(found)], rel=1e-4)
            seen += 1
    assert seen == len({key.rpartition(".")[0] for key in record.decays})


@pytest.mark.parametrize("name", TASKS)
def test_losses_of_rows_alone_are_those_of_rows_together(runs, name):
    _, trained, _, probe = _probe(runs, name)
    for context in {None, 1, probe.longest or None}:
        if context is not None and context > probe.longest:
            continue
        together = probe.losses(trained.model, slice(0, 4), context).losses
        alone = [probe.losses(trained.model, slice(r, r + 1), context).losses for r in range(4)]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["classify", "regress", "tag"])
def test_their_mean_is_the_loss_of_the_part(runs, name):
    task, trained, data, probe = _probe(runs, name)
    losses = probe.losses(trained.model, slice(0, probe.rows), None).losses.detach()
    assert float(losses.mean()) == pytest.approx(
        task.loss(trained.model, trained.settings, data), rel=1e-5
    )
