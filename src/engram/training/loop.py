"""The training loop, read from top to bottom."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engram.errors import NumericsError, RunError
from engram.layers.shard import running
from engram.models.storage import save_weights
from engram.records import Evaluated, Logged, Metrics, Timing
from engram.training import parallel
from engram.training.averaging import Averaging
from engram.training.checkpoint import Checkpoint
from engram.training.clipping import Clipping, gradient_norm
from engram.training.device import device_of
from engram.training.groups import make_groups, only_learning
from engram.training.interrupt import StopRequest, stop_on_signal
from engram.training.memory import keep_freed_memory
from engram.training.numerics import bad_weight, diverged
from engram.training.optimizers import make_optimizer
from engram.training.penalties import Penalties
from engram.training.progress import Progress, Remedies, Sums, capture, restore
from engram.training.reporting import Plan, Reporter
from engram.training.run_folder import RunFolder
from engram.training.schedules import rate_at
from engram.training.settings import TrainingSettings
from engram.training.source import Objective, Source, planned_updates
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
        checkpoint: Where to go on from; None starts from the model as it is.
        facts: Further facts to keep in checkpoints.

    Raises:
        ConfigError: For settings that contradict each other, or penalties that are not defined for
            the model.
        NumericsError: When loss, gradient or weights cease to be finite; checkpoints from before
            are kept.
        RunError: When the run folder cannot be written, or the checkpoint does not fit.
    """
    keep_freed_memory()
    training = _Training(
        model, source, settings, objective, evaluate, run, reporter or Reporter(), facts or {}
    )
    progress = training.progress
    if checkpoint is not None:
        training.go_on_from(checkpoint)
    training.begin()
    stop = False  # agreed on by all processes, unlike the request that one of them received
    with stop_on_signal() as request:
        with training.watched():
            while not training.finished and not stop:
                if progress.batch >= source.updates_in(progress.epoch):
                    progress.epoch, progress.batch, progress.state = progress.epoch + 1, 0, None
                batches = source.updates_in(progress.epoch)
                for batch in source.batches(progress.epoch, progress.batch):
                    stop = training.update(batch, request)
                    training.evaluate_and_save(epoch_ends=progress.batch == batches)
                    if training.finished or stop:
                        break
        if progress.saved != progress.update:
            training.save()
    return training.end()


class _Training:
    """One training: what it is made of, and each of its steps."""

    def __init__(
        self,
        model: nn.Module,
        source: Source,
        settings: TrainingSettings,
        objective: Objective,
        evaluate: Callable[[nn.Module], float] | None,
        run: RunFolder | None,
        reporter: Reporter,
        facts: dict[str, Any],
    ) -> None:
        self._model, self._source, self._settings = model, source, settings
        self._objective, self._evaluate = objective, evaluate
        self._run, self._reporter, self._facts = run, reporter, facts
        self._device = device_of(model)
        self._named = dict(model.named_parameters())
        self._groups = make_groups(model, settings)
        self._parameters = [p for group in self._groups for p in group.parameters]
        self._optimizer = make_optimizer(self._groups, settings)
        self._clipping, self._penalties = Clipping.of(settings), Penalties(model, settings)
        self._averaging = Averaging(model, settings)
        self.progress = Progress(stopping=EarlyStopping(settings.patience))
        # where batches differ in size, epochs have some more or fewer
        self._per_epoch = source.updates
        self._total = planned_updates(source, settings.epochs, settings.max_updates)
        self._writes = run is not None and parallel.rank() == 0
        self._seconds = self._logged_seconds = 0.0
        torch.manual_seed(settings.seed + 7919)  # in each process: draws are by row, see `Shard`
        parallel.from_first([p.data for p in self._parameters])

    @property
    def finished(self) -> bool:
        """Whether all updates are done, or patience has run out."""
        return self.progress.update >= self._total or self.progress.stopping.exhausted

    @property
    def _remedies(self) -> Remedies:
        return {
            "clipping": self._clipping,
            "penalties": self._penalties,
            "averaging": self._averaging,
        }

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Take up a training where it was saved."""
        try:
            restore(checkpoint, self._model, self._optimizer, self.progress, self._remedies)
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(
                f"the checkpoint does not match this run ({reason}): it comes from other settings "
                "or from another version of Engram; train a new run"
            ) from None
        if self._run is not None and self._writes:
            # a kill may have come between the checkpoint and the weights that belong to it
            best = self.progress.best_weights or self._averaging.model.state_dict()
            save_weights(self._run.model, best)

    def begin(self) -> None:
        """Tell what is about to be done, and put the model to work."""
        tokens = self._source.tokens_per_update
        self._reporter.begin(Plan(self._total, self.progress.update, self._per_epoch, tokens))
        self._model.train()
        self._started = time.monotonic()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let penalties see what layers emit, and only chosen weights learn, for a while."""
        with self._penalties.watching(), only_learning(self._model, self._groups) as choose:
            self._choose = choose
            yield

    def update(self, batch: Any, request: StopRequest) -> bool:
        """Do one update, and record it.

        Returns:
            Whether a process was asked to stop.
        """
        before = time.perf_counter()
        progress, settings, optimizer = self.progress, self._settings, self._optimizer
        self._choose(progress.update)
        own = parallel.own_part(batch, self._device)
        with running(own.shard):
            loss, state = self._objective(self._model, own.batch, progress.state)
        optimizer.zero_grad(set_to_none=True)
        if own.loss != own.rows:  # the mean over terms, the penalties' over rows
            loss = loss * (own.loss / own.rows)
        penalised = self._penalties.added_to(loss)
        penalised.backward(retain_graph=self._penalties.needs_graph)
        penalties = self._penalties.after_backward(progress.epoch)
        (value, *values), stop = parallel.sum_gradients(
            self._parameters, [loss.item(), *penalties.values()], request.made, own.rows
        )
        add_weight_penalties(optimizer, settings)
        norm = gradient_norm(self._parameters)
        self._require_finite(own, value, norm)
        clipped = self._clipping.apply(self._named, norm)
        rate = rate_at(progress.update, self._total, self._per_epoch, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate * batch.share * group["factor"]
        decay_weights(optimizer, settings)
        optimizer.step()
        self._averaging.take(progress.update + 1)
        progress.state = state
        progress.update += 1
        progress.batch += 1
        progress.sums.add(value, norm, clipped, batch.count, zip(penalties, values, strict=True))
        self._seconds += time.perf_counter() - before
        self._reporter.update(progress.update, value)
        if progress.update % settings.log_every == 0 or progress.update >= self._total:
            self._log(rate)
        return stop

    def evaluate_and_save(self, *, epoch_ends: bool) -> None:
        """Do what is due after an update."""
        progress, settings = self.progress, self._settings
        every = settings.evaluate_every
        due = epoch_ends if every is None else progress.update % every == 0
        if self._evaluate and (due or self.finished):
            loss = self._evaluate(self._averaging.model)
            best = progress.stopping.see(loss, progress.update)
            if best:
                progress.best_weights = _copy(self._averaging.model.state_dict())
            evaluated = Evaluated(progress.update, progress.epoch + 1, loss, best)
            self._write_metrics(evaluated)
            self._reporter.evaluated(evaluated)
            self.save(best)
        elif progress.update % settings.checkpoint_every == 0:
            self.save()

    def save(self, best: bool = False) -> None:
        """Write a checkpoint, and the best weights where these are they."""
        if self._run is None:
            return
        progress = self.progress
        name = bad_weight(self._model)
        if name is not None:
            raise NumericsError(
                f"update {progress.update}: weight '{name}' is not finite, so no checkpoint is "
                f"written and that of update {progress.saved} is kept; train again with a lower "
                "--rate"
            )
        snapshot = capture(self._model, self._optimizer, progress, self._remedies, self._facts)
        if self._writes:
            self._run.save(snapshot, best=best)
            if best or not progress.best_weights:
                save_weights(self._run.model, self._averaging.model.state_dict())
        progress.saved = progress.update

    def end(self) -> Outcome:
        """Leave the best weights where the training is finished, and say how it went."""
        progress = self.progress
        if self.finished:
            best = progress.best_weights or _copy(self._averaging.model.state_dict())
            self._model.load_state_dict(best)
        outcome = Outcome(
            updates=progress.update,
            best_loss=progress.stopping.best,
            best_update=progress.stopping.best_update,
            interrupted=not self.finished,
            stopped_early=progress.stopping.exhausted,
            seconds=time.monotonic() - self._started,
        )
        self._reporter.end(outcome)
        return outcome

    def _require_finite(self, own: parallel.Own, loss: float, norm: float) -> None:
        """Stop before an update that would spoil the weights, and name what went wrong first."""
        if math.isfinite(loss) and math.isfinite(norm):
            return
        what = f"norm of the gradient is {norm}" if math.isfinite(loss) else f"loss is {loss}"
        progress = self.progress

        def run_forward() -> None:
            with running(own.shard):
                self._objective(self._model, own.batch, progress.state)

        raise diverged(self._model, run_forward, progress.update + 1, what, progress.saved)

    def _log(self, rate: float) -> None:
        progress, sums = self.progress, self.progress.sums
        seconds = self._seconds - self._logged_seconds
        self._logged_seconds = self._seconds
        speed = sums.tokens / max(seconds, 1e-9)
        logged = Logged(
            update=progress.update,
            epoch=progress.epoch + 1,
            loss=sums.loss / sums.updates,
            gradient_norm=sums.norm / sums.updates,
            clipped=sums.clipped / sums.updates,
            rate=rate,
            penalties={
                name: value / sums.updates for name, value in sorted(sums.penalties.items())
            },
            tokens_per_second=speed,
        )
        progress.sums = Sums()
        self._write_metrics(logged)
        if self._run is not None and self._writes:
            passed = time.monotonic() - self._started
            self._run.append_timing(Timing(logged.update, passed, speed))
        self._reporter.logged(logged)

    def _write_metrics(self, metrics: Metrics) -> None:
        if self._run is not None and self._writes:
            self._run.append_metrics(metrics)


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}
