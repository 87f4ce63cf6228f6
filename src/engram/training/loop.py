"""The training loop, read from top to bottom."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engram.data.lanes import Lanes, Window
from engram.errors import NumericsError
from engram.models.many_to_many import State
from engram.models.storage import save_weights
from engram.training import parallel
from engram.training.averaging import Averaging
from engram.training.checkpoint import Checkpoint
from engram.training.clipping import Clipping, gradient_norm
from engram.training.groups import make_groups, only_learning
from engram.training.interrupt import stop_on_signal
from engram.training.memory import keep_freed_memory
from engram.training.numerics import bad_weight, diverged
from engram.training.optimizers import make_optimizer
from engram.training.penalties import Penalties
from engram.training.reporting import Evaluated, Logged, Plan, Reporter
from engram.training.run_folder import RunFolder
from engram.training.schedules import rate_at
from engram.training.settings import TrainingSettings
from engram.training.stopping import EarlyStopping
from engram.training.truncation import window_loss
from engram.training.weight_penalties import add_weight_penalties, decay_weights


class Remedy(Protocol):
    """What acts while training, and remembers something from one update to the next."""

    def kept(self) -> dict[str, Tensor]:
        """What a checkpoint has to keep."""

    def put_back(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `kept` gave."""


Remedies = Mapping[str, Remedy]


@dataclass
class Sums:
    """What is added up between two lines of metrics; penalties by their settings' names."""

    updates: int = 0
    tokens: int = 0
    loss: float = 0.0
    norm: float = 0.0
    clipped: int = 0
    penalties: dict[str, float] = field(default_factory=dict)


@dataclass
class Progress:
    """All of a training that changes, but for the weights and the optimiser.

    Attributes:
        update: Updates done.
        epoch: The epoch under way, from 0.
        window: The next window of that epoch.
        state: Carried by the lanes; None where the epoch begins.
        sums: Since the last line of metrics.
        stopping: The best evaluation so far.
        best_weights: The weights then.
        saved: The update of the last checkpoint.
    """

    update: int = 0
    epoch: int = 0
    window: int = 0
    state: State | None = None
    sums: Sums = field(default_factory=Sums)
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    saved: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        updates: Done in all.
        best_loss: Lowest validation loss, nats a token; None without a validation part.
        best_update: The update at which it was measured.
        interrupted: Whether it was asked to stop before its end.
        stopped_early: Whether patience ran out.
        seconds: Of this process, from the first update to the end.
    """

    updates: int
    best_loss: float | None
    best_update: int
    interrupted: bool
    stopped_early: bool
    seconds: float


def train(
    model: nn.Module,
    lanes: Lanes,
    settings: TrainingSettings,
    *,
    evaluate: Callable[[nn.Module], float] | None = None,
    run: RunFolder | None = None,
    reporter: Reporter | None = None,
    checkpoint: Checkpoint | None = None,
    facts: dict[str, Any] | None = None,
) -> Outcome:
    """Train a model by truncated backpropagation, and leave it with its best weights.

    Where weights are averaged, those that are evaluated, kept and left are averages.

    Args:
        model: Called as ``model(inputs, state, reset=…)``; gives scores and states.
        lanes: What it is trained on.
        settings: How.
        evaluate: Gives the validation loss, or None to keep the last weights.
        run: Where it is recorded, or None to write nothing.
        reporter: Who is told.
        checkpoint: Where to go on from; None starts anew.
        facts: Further facts to keep in checkpoints.

    Raises:
        ConfigError: For settings that contradict each other, or penalties that are not defined for
            the model.
        NumericsError: When loss, gradient or weights cease to be finite; checkpoints from before
            are kept.
        RunError: When the run folder cannot be written.
    """
    keep_freed_memory()
    reporter = reporter or Reporter()
    named = dict(model.named_parameters())
    groups = make_groups(model, settings)
    parameters = [p for group in groups for p in group.parameters]
    optimizer = make_optimizer(groups, settings)
    clipping, penalties = Clipping.of(settings), Penalties(model, settings)
    averaging = Averaging(model, settings)
    remedies: Remedies = {"clipping": clipping, "penalties": penalties, "averaging": averaging}
    progress = Progress(stopping=EarlyStopping(settings.patience))
    torch.manual_seed(settings.seed + 7919 * (1 + parallel.rank()))
    parallel.from_first([p.data for p in parameters])
    if checkpoint is not None:
        restore(checkpoint, model, optimizer, progress, remedies)

    per_epoch = lanes.updates  # where windows differ in length, epochs have some more or fewer
    total = sum(lanes.updates_in(epoch) for epoch in range(settings.epochs))
    if settings.max_updates is not None:
        total = min(total, settings.max_updates)
    tokens_per_update = lanes.count * min(lanes.k1, lanes.k2)
    reporter.begin(Plan(total, progress.update, per_epoch, tokens_per_update))

    def save(best: bool = False) -> None:
        if run is None:
            return
        name = bad_weight(model)
        if name is not None:
            raise NumericsError(
                f"update {progress.update}: weight '{name}' is not finite, so no checkpoint is "
                f"written; that of update {progress.saved} is kept: train again with a lower --rate"
            )
        snapshot = capture(model, optimizer, progress, remedies, facts or {})
        if parallel.rank() == 0:
            run.save(snapshot, best=best)
            if best or not progress.best_weights:
                save_weights(run.model, averaging.model.state_dict())
        progress.saved = progress.update

    model.train()
    started = time.monotonic()
    training_seconds, logged_seconds = 0.0, 0.0
    finished = progress.update >= total or progress.stopping.exhausted
    stop = False  # agreed on by all processes, unlike the request that one of them received
    learning = only_learning(model, groups)
    with stop_on_signal() as request, penalties.watching(), learning as begin:
        while not finished and not stop:
            if progress.window >= lanes.updates_in(progress.epoch):
                progress.epoch, progress.window, progress.state = progress.epoch + 1, 0, None
            windows = lanes.updates_in(progress.epoch)
            for window in lanes.windows(progress.epoch, progress.window):
                before = time.perf_counter()

                # one update
                begin(progress.update)
                loss_tensor, state = window_loss(
                    model, window, progress.state, smoothing=settings.label_smoothing
                )
                optimizer.zero_grad(set_to_none=True)
                penalised = penalties.added_to(loss_tensor)
                penalised.backward(retain_graph=penalties.needs_graph)
                values = penalties.after_backward(progress.epoch)
                (loss, *penalty_values), stop = parallel.average_gradients(
                    parameters, [loss_tensor.item(), *values.values()], request.made
                )
                add_weight_penalties(optimizer, settings)
                norm = gradient_norm(parameters)
                _require_finite(model, window, progress, loss, norm)
                clipped = clipping.apply(named, norm)
                rate = rate_at(progress.update, total, per_epoch, settings)
                for group in optimizer.param_groups:
                    group["lr"] = rate * window.share * group["factor"]
                decay_weights(optimizer, settings)
                optimizer.step()
                averaging.take(progress.update + 1)

                # take note
                progress.state = state
                progress.update += 1
                progress.window += 1
                sums = progress.sums
                sums.updates += 1
                sums.tokens += lanes.count * window.counted
                sums.loss += loss
                sums.norm += norm
                sums.clipped += clipped
                for name, value in zip(values, penalty_values, strict=True):
                    sums.penalties[name] = sums.penalties.get(name, 0.0) + value
                training_seconds += time.perf_counter() - before
                reporter.update(progress.update, loss)
                finished = progress.update >= total
                if progress.update % settings.log_every == 0 or finished:
                    seconds = training_seconds - logged_seconds
                    logged_seconds = training_seconds
                    speed = sums.tokens / max(seconds, 1e-9)
                    _log(progress, rate, speed, run, reporter, time.monotonic() - started)

                # evaluate, save
                due = (
                    progress.window == windows
                    if settings.evaluate_every is None
                    else progress.update % settings.evaluate_every == 0
                )
                if evaluate and (due or finished):
                    loss = evaluate(averaging.model)
                    best = progress.stopping.see(loss, progress.update)
                    if best:
                        progress.best_weights = _copy(averaging.model.state_dict())
                    evaluated = Evaluated(progress.update, progress.epoch + 1, loss, best)
                    _write_metrics(run, asdict(evaluated) | {"kind": "valid"})
                    reporter.evaluated(evaluated)
                    save(best)
                    finished = finished or progress.stopping.exhausted
                elif progress.update % settings.checkpoint_every == 0:
                    save()
                if finished or stop:
                    break
    interrupted = not finished
    if progress.saved != progress.update:
        save()
    if not interrupted:
        model.load_state_dict(progress.best_weights or _copy(averaging.model.state_dict()))
    outcome = Outcome(
        updates=progress.update,
        best_loss=progress.stopping.best,
        best_update=progress.stopping.best_update,
        interrupted=interrupted,
        stopped_early=progress.stopping.exhausted,
        seconds=time.monotonic() - started,
    )
    reporter.end(outcome)
    return outcome


def _require_finite(
    model: nn.Module, window: Window, progress: Progress, loss: float, norm: float
) -> None:
    """Stop before an update that would spoil the weights, and name what went wrong first."""
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"loss is {loss}" if not math.isfinite(loss) else f"norm of the gradient is {norm}"
    state = progress.state
    raise diverged(
        model,
        lambda: window_loss(model, window, state),
        progress.update + 1,
        what,
        progress.saved,
    )


def _log(
    progress: Progress,
    rate: float,
    speed: float,
    run: RunFolder | None,
    reporter: Reporter,
    seconds: float,
) -> None:
    sums = progress.sums
    logged = Logged(
        update=progress.update,
        epoch=progress.epoch + 1,
        loss=sums.loss / sums.updates,
        gradient_norm=sums.norm / sums.updates,
        clipped=sums.clipped / sums.updates,
        rate=rate,
        penalties={name: value / sums.updates for name, value in sorted(sums.penalties.items())},
        tokens_per_second=speed,
    )
    progress.sums = Sums()
    line = asdict(logged)
    line.pop("tokens_per_second")
    line |= line.pop("penalties")
    _write_metrics(run, line | {"kind": "train"})
    if run is not None and parallel.rank() == 0:
        timing = {"update": logged.update, "seconds": seconds, "tokens_per_second": speed}
        run.append_timing(timing)
    reporter.logged(logged)


def _write_metrics(run: RunFolder | None, line: dict[str, Any]) -> None:
    if run is not None and parallel.rank() == 0:
        run.append_metrics(line)


def capture(
    model: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    remedies: Remedies,
    facts: dict[str, Any],
) -> Checkpoint:
    """Everything that training needs to go on bit for bit; every process must call it."""
    tensors = {f"model.{name}": value for name, value in _unshared(model).items()}
    tensors |= {f"best.{name}": value for name, value in progress.best_weights.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    if progress.state is not None:
        state = progress.state
        parts = (state,) if isinstance(state, Tensor) else state
        tensors |= {f"state.{i}": parallel.joined(s, dim=1) for i, s in enumerate(parts)}
    for part, remedy in remedies.items():
        tensors |= {f"{part}.{name}": value for name, value in remedy.kept().items()}
    tensors["random"] = parallel.joined(torch.get_rng_state().unsqueeze(0), dim=0)
    cursor = {"update": progress.update, "epoch": progress.epoch, "window": progress.window}
    kept = {"cursor": cursor, "sums": asdict(progress.sums), "stopping": asdict(progress.stopping)}
    return Checkpoint(tensors, kept | facts)


def restore(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    remedies: Remedies,
) -> None:
    """Put everything back as `capture` found it."""
    model.load_state_dict(checkpoint.group("model"), strict=False)
    progress.best_weights = checkpoint.group("best")
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in checkpoint.group("optimizer").items():
        index, key = name.split(".", 1)
        states.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})
    carried = checkpoint.group("state")
    if carried:
        rows = parallel.own_rows(carried["0"].shape[1])
        parts = tuple(carried[str(i)][:, rows] for i in range(len(carried)))
        progress.state = parts[0] if len(parts) == 1 else parts
    for part, remedy in remedies.items():
        remedy.put_back(checkpoint.group(part))
    random = checkpoint.tensors["random"]
    if len(random) == parallel.processes():  # else: other processes than before draw anew
        torch.set_rng_state(random[parallel.rank()])
    facts = checkpoint.facts
    progress.update = facts["cursor"]["update"]
    progress.epoch = facts["cursor"]["epoch"]
    progress.window = facts["cursor"]["window"]
    progress.sums = Sums(**facts["sums"])
    progress.stopping = EarlyStopping(**facts["stopping"])
    progress.saved = progress.update


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}


def _unshared(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers, tied ones under one name: safetensors stores no tensor twice."""
    return dict(model.named_parameters()) | dict(model.named_buffers())
