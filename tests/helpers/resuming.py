"""Stopped and resumed is as never stopped, for any task."""

import pytest
import torch

from engram.tasks import fitting
from engram.training.reporting import Reporter
from engram.training.run_folder import RunFolder


class _StopAt(Reporter):
    def __init__(self, update):
        self._update = update

    def update(self, update, loss):
        if update == self._update:
            raise KeyboardInterrupt


def assert_resumed_is_uninterrupted(task, settings, data, folder, stop_at):
    runs = {}
    for kind in ("whole", "parted"):
        runs[kind] = RunFolder.create(folder / kind, settings.plain(), ["test"])
    fitting.fit(task, settings, data, run=runs["whole"])
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(task, settings, data, run=runs["parted"], reporter=_StopAt(stop_at))
    fitting.fit(task, settings, data, run=runs["parted"], resume=True)
    whole, parted = (fitting.load(task, run.model) for run in runs.values())
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, parted.model.state_dict()[name])
    assert runs["whole"].metrics.read_bytes() == runs["parted"].metrics.read_bytes()
