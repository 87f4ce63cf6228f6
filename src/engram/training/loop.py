"""The training loop, read from top to bottom."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engram.errors import NumericsError, RunError
from engram.layers.shard import running
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
from engram.training.progress import Progress, Remedies, Sums, capture, restore
from engram.training.reporting import Evaluated, Logged, Plan, Reporter
from engram.training.run_folder import RunFolder
from engram.training.schedules import rate_at
from engram.training.settings import TrainingSettings
from engram.training.source import Objective, Source
from engram.training.stopping import EarlyStopping
from engram.training.weight_penalties import add_weight_penalties, decay_weights


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        updates: Done in all.
        best_loss: Lowest validation loss; None without a validation part.
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
    source: Source,
    settings: TrainingSettings,
    *,
    objective: Objective,
    evaluate: Callable[[nn.Module], float] | None = None,
    run: RunFolder | None = None,
    reporter: Reporter | None = None,
    checkpoint: Checkpoint | None = None,
    facts: dict[str, Any] | None = None,
) -> Outcome:
    """Train a model, and leave it with its best weights.

    Where weights are averaged, those that are evaluated, kept and left are averages.

    Args:
        model: What learns; the objective calls it.
        source: What it is trained on.
        settings: How.
        objective: Gives the loss of a batch, and the state that the next one starts from.
        evaluate: Gives the validation loss, of which less is better; None keeps the last weights.
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
    torch.manual_seed(settings.seed + 7919)  # in each process: draws are by row, see `Shard`
    parallel.from_first([p.data for p in parameters])
    if checkpoint is not None:
        try:
            restore(checkpoint, model, optimizer, progress, remedies)
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(
                f"the checkpoint does not fit this training ({reason}): it is of other settings or "
                "of another version of Engram; train a new run"
            ) from None
        if run is not None and parallel.rank() == 0:
            # a kill may have come between the checkpoint and the weights that belong to it
            save_weights(run.model, progress.best_weights or averaging.model.state_dict())

    per_epoch = source.updates  # where batches differ in size, epochs have some more or fewer
    total = sum(source.updates_in(epoch) for epoch in range(settings.epochs))
    if settings.max_updates is not None:
        total = min(total, settings.max_updates)
    reporter.begin(Plan(total, progress.update, per_epoch, source.tokens_per_update))

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
            if progress.batch >= source.updates_in(progress.epoch):
                progress.epoch, progress.batch, progress.state = progress.epoch + 1, 0, None
            batches = source.updates_in(progress.epoch)
            for batch in source.batches(progress.epoch, progress.batch):
                before = time.perf_counter()

                # one update
                begin(progress.update)
                own = parallel.own_part(batch)
                with running(own.shard):
                    loss_tensor, state = objective(model, own.batch, progress.state)
                optimizer.zero_grad(set_to_none=True)
                if own.loss != own.rows:  # the mean over terms, the penalties' over rows
                    loss_tensor = loss_tensor * (own.loss / own.rows)
                penalised = penalties.added_to(loss_tensor)
                penalised.backward(retain_graph=penalties.needs_graph)
                values = penalties.after_backward(progress.epoch)
                (loss, *penalty_values), stop = parallel.sum_gradients(
                    parameters, [loss_tensor.item(), *values.values()], request.made, own.rows
                )
                add_weight_penalties(optimizer, settings)
                norm = gradient_norm(parameters)
                _require_finite(model, objective, own, progress, loss, norm)
                clipped = clipping.apply(named, norm)
                rate = rate_at(progress.update, total, per_epoch, settings)
                for group in optimizer.param_groups:
                    group["lr"] = rate * batch.share * group["factor"]
                decay_weights(optimizer, settings)
                optimizer.step()
                averaging.take(progress.update + 1)

                # take note
                progress.state = state
                progress.update += 1
                progress.batch += 1
                sums = progress.sums
                sums.updates += 1
                sums.tokens += batch.count
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
                    progress.batch == batches
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
    model: nn.Module,
    objective: Objective,
    own: parallel.Own,
    progress: Progress,
    loss: float,
    norm: float,
) -> None:
    """Stop before an update that would spoil the weights, and name what went wrong first."""
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"loss is {loss}" if not math.isfinite(loss) else f"norm of the gradient is {norm}"
    state = progress.state

    def run_forward() -> None:
        with running(own.shard):
            objective(model, own.batch, state)

    raise diverged(
        model,
        run_forward,
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


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}
