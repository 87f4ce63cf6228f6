"""The lines of metrics.jsonl and timings.jsonl: what a training tells while it runs."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError

from engram.errors import RunError
from engram.records.record import adapter_of

K = TypeVar("K")


@dataclass(frozen=True)
class Logged:
    """What happened since the last line of metrics.

    Attributes:
        update: Updates done.
        epoch: Number of the epoch, from 1.
        loss: Mean training loss.
        gradient_norm: Mean norm of the gradient before clipping.
        clipped: Fraction of updates whose gradient was clipped.
        rate: Learning rate of the last update, before a window's length scales it.
        tokens_per_second: Training speed since the last line, evaluation left out; None where it is
            read from metrics, which hold nothing that depends on the clock.
        penalties: Mean value of each penalty that training uses, before its weight.
    """

    kind: ClassVar[str] = "train"

    update: int
    epoch: int
    loss: float
    gradient_norm: float
    clipped: float
    rate: float
    tokens_per_second: float | None = None
    penalties: dict[str, float] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """As metrics.jsonl has it."""
        line = asdict(self)
        del line["tokens_per_second"]
        return line | line.pop("penalties") | {"kind": self.kind}


@dataclass(frozen=True)
class Evaluated:
    """An evaluation on the validation part.

    Attributes:
        update: Updates done.
        epoch: Number of the epoch, from 1.
        loss: Mean validation loss.
        best: Whether it is the lowest so far.
    """

    kind: ClassVar[str] = "valid"

    update: int
    epoch: int
    loss: float
    best: bool

    def line(self) -> dict[str, Any]:
        """As metrics.jsonl has it."""
        return asdict(self) | {"kind": self.kind}


Metrics = Logged | Evaluated


@dataclass(frozen=True)
class Timing:
    """How fast a training was when a line of metrics was written.

    Attributes:
        update: Updates done.
        seconds: Since the training was begun or resumed.
        tokens_per_second: Training speed since the last line, evaluation left out.
    """

    update: int
    seconds: float
    tokens_per_second: float

    def line(self) -> dict[str, Any]:
        """As timings.jsonl has it."""
        return asdict(self)


def metrics_from(line: Any, source: str) -> Metrics:
    """Undo ``line()`` of metrics.

    Raises:
        RunError: For anything else, naming the source.
    """
    values = dict(line) if isinstance(line, dict) else {}
    kind = values.pop("kind", None)
    if kind == Evaluated.kind:
        return _checked(Evaluated, values, source)
    if kind != Logged.kind:
        raise RunError(f"{source} is damaged (it is not a line of metrics); remove it")
    own = {each.name for each in fields(Logged)}
    penalties = {name: values.pop(name) for name in list(values) if name not in own}
    return _checked(Logged, values | {"penalties": penalties}, source)


def timing_from(line: Any, source: str) -> Timing:
    """Undo ``Timing.line()``.

    Raises:
        RunError: For anything else, naming the source.
    """
    return _checked(Timing, line, source)


def _checked(kind: type[K], values: Any, source: str) -> K:
    try:
        made: K = adapter_of(kind).validate_python(values)
        return made
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        raise RunError(f"{source} is damaged ({name}: {fault['msg']}); remove it") from None
