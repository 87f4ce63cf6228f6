"""``--device`` of every task: the CPU, a device that every machine has, and CUDA where it is.

On the far device nothing is made on the CPU by oversight, and numbers are those of the CPU.
"""

from contextlib import nullcontext

import pytest
import torch

from engram.cli.main import main
from engram.records import Logged, Result
from engram.tasks import fitting
from engram.tasks.registry import TASKS
from engram.training.checkpoint import load_checkpoint
from engram.training.run_folder import RunFolder
from helpers.abilities import needs_cuda
from helpers.every_task import commands, fine_tuning
from helpers.far_device import far_device

# among them, each remedy that makes tensors while it runs
_REMEDIES = {
    "language-model": "--cell elman --omega 0.1 --averaging ema --dropout-input 0.2 "
    "--drop-tokens 0.1 --reach 12",
    "classify": "--zoneout 0.1 --recurrent-dropout 0.1 --pooling attention --spectral-penalty 0.1 "
    "--orthogonal-penalty 0.1 --clip-units 0.1",
    "regress": "--cell gru --pooling mean --temporal-penalty 1 --activation-penalty 1 "
    "--norm-stabilizer 1 --learn-initial-state",
    "tag": "--weight-drop 0.2 --optimizer rmsprop --rates temporal=0.1 --variational",
    "forecast": "--reference last --clip-percentile 50 --averaging mean --dropout 0.1 --layers 2",
    "polyphonic": "--cell elman --omega 0.1 --transpose 3 --optimizer sgd --clip-value 0.1",
    "translate": "--attention additive --attend before --scheduled-sampling 0.5 --beam 3 "
    "--epochs 2",
    "caption": "--scheduled-sampling 0.5 --beam 1 --epochs 2",
    "synthetic": "--unfreeze-every 2 --l1 0.01 --zoneout h=0.1",
}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return commands(tmp_path_factory.mktemp("data"))


def _train(command: list[str], folder, *flags: str) -> RunFolder:
    assert main([*command, "--run-dir", str(folder), *flags]) == 0
    return RunFolder(folder)


def _use(run: RunFolder, command: list[str], *flags: str) -> None:
    """Run every command that takes a trained model."""
    task, path = command[1], str(run.path)
    asked = [] if task == "synthetic" else command[2:4]
    texts = ["--text", "red green", "--attention"], ["--given", "yes", "no"]
    predicted = dict(zip(("translate", "caption"), texts, strict=True)).get(task, asked)
    assert main(["diagnose", path, *flags]) == 0
    assert main(["anatomy", path, *flags]) == 0
    assert main(["eval", path, *asked, *flags]) == 0
    if task == "language-model":
        assert main(["sample", path, "--length", "9", *flags]) == 0
        return
    for drawn in [[], ["--temperature", "1"]] if predicted is not asked else [[]]:
        out = ["--out", str(run.path / "answers.jsonl")]
        assert main(["predict", path, *predicted, *drawn, *out, *flags]) == 0


def _tensors(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.last)[0].tensors


def _require_same(run: RunFolder, other: RunFolder) -> None:
    ours, theirs = _tensors(run), _tensors(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert run.metrics.read_bytes() == other.metrics.read_bytes()
    assert run.read(Result).plain() == other.read(Result).plain()


def _losses(run: RunFolder) -> list[float]:
    return [line.loss for line in run.read_metrics() if isinstance(line, Logged)]


@pytest.mark.parametrize("task", TASKS)
def test_the_default_is_the_cpu(given, task, tmp_path):
    usual = _train(given[task], tmp_path / "usual")
    _require_same(usual, _train(given[task], tmp_path / "named", "--device", "cpu"))
    if not torch.cuda.is_available():
        _require_same(usual, _train(given[task], tmp_path / "auto", "--device", "auto"))
    _use(usual, given[task], "--device", "cpu")


@pytest.mark.parametrize("task", TASKS)
def test_on_the_far_device(given, task, tmp_path):
    flags = _REMEDIES[task].split()
    near = _train(given[task], tmp_path / "near", *flags)
    with far_device():
        far = _train(given[task], tmp_path / "far", *flags)
        _use(far, given[task])
    assert _losses(far) == pytest.approx(_losses(near), rel=1e-3)
    _use(far, given[task])  # what is written there is read anywhere


def test_fine_tuning_on_the_far_device(given, tmp_path):
    command = fine_tuning(given, tmp_path)
    with far_device():
        assert _losses(_train(command, tmp_path / "far"))


@needs_cuda
@pytest.mark.parametrize("task", TASKS)
def test_on_cuda(given, task, tmp_path):
    flags = [*_REMEDIES[task].split(), "--device", "cuda"]
    run = _train(given[task], tmp_path / "run", *flags)
    assert _losses(run)
    _use(run, given[task], "--device", "cuda")
    _use(run, given[task], "--device", "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("task", TASKS)
def test_a_device_that_is_not_there_is_refused_before_data_are_read(given, task, tmp_path, capsys):
    data = None if task == "synthetic" else given[task][3]
    absent = ["nowhere" if flag == data else flag for flag in given[task]]
    folder = tmp_path / "run"
    assert main([*absent, "--run-dir", str(folder), "--device", "cuda"]) == 2
    told = "device is 'cuda', but this machine has cpu; use a device that is there, or 'auto'"
    assert capsys.readouterr().err == f"engram: {told}\n"
    assert not folder.exists()


def test_a_name_of_no_device(given, capsys):
    assert main([*given["classify"], "--device", "gpu"]) == 2
    assert "device is 'gpu'; it must be cpu, cuda, cuda:N" in capsys.readouterr().err


class _KilledError(Exception):
    pass


def _cut_short(command: list[str], folder, monkeypatch) -> RunFolder:
    """A run whose process died at its second checkpoint."""
    saved: list[int] = []
    save = RunFolder.save

    def save_or_die(self, *given, **named):
        if saved:
            raise _KilledError
        saved.append(1)
        save(self, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "save", save_or_die)
        with pytest.raises(_KilledError):
            main([*command, "--run-dir", str(folder)])
    return RunFolder(folder)


@pytest.mark.parametrize("task", ["language-model", "classify"])
def test_resumed_on_the_far_device(given, task, tmp_path, monkeypatch):
    command = [*given[task], *_REMEDIES[task].split()]
    with far_device():
        whole = _train(command, tmp_path / "whole")
        cut = _cut_short(command, tmp_path / "cut", monkeypatch)
        assert main(["resume", str(cut.path)]) == 0
    _require_same(cut, whole)


@pytest.mark.parametrize(("began", "flags"), [("far", ["--device", "cpu"]), ("near", [])])
def test_resumed_on_another_device(given, tmp_path, monkeypatch, capsys, began, flags):
    far, near = (far_device, nullcontext) if began == "far" else (nullcontext, far_device)
    with far():
        run = _cut_short(given["classify"], tmp_path / "run", monkeypatch)
    with near():
        assert main(["resume", str(run.path), *flags]) == 0
    told = " ".join("".join(capsys.readouterr()).split())
    names = "meta and continues on cpu" if began == "far" else "cpu and continues on meta"
    assert f"training began on {names}, so its numbers are not bit for bit" in told
    assert run.read(Result) is not None


def test_auto_stays_where_training_began(monkeypatch):
    """A resumed run is not moved unasked, though a device has come."""
    from engram.training.checkpoint import Checkpoint
    from engram.training.reporting import Reporter

    asked = []
    monkeypatch.setattr(fitting, "resolve", lambda name: asked.append(name) or torch.device("cpu"))
    settings = TASKS["synthetic"].settings(problem="adding", device="auto")
    fitting._device(settings, Checkpoint({}, {"device": "cpu"}), Reporter())
    fitting._device(settings, Checkpoint({}, {"device": "cuda"}), Reporter())
    fitting._device(settings, None, Reporter())
    assert asked == ["cpu", "auto", "auto"]
