"""Echo state networks: speed against ReservoirPy, memory capacity, Mackey-Glass.

    python -m benchmarks.reservoir                       # all of it, some three minutes
    python -m benchmarks.reservoir --only float64        # or float32, limit, memory, mackey-glass
    python -m benchmarks.reservoir --vowels FOLDER       # and Japanese vowels, from its .ts files

Both sides have the same matrices, ReservoirPy's own: normal weights at its default density of 0.1,
spectral radius 0.9; leak 0.3, one input, in float64, which is its default, and in float32. States
must agree before any time is taken; then both run in turns. Of many series, ReservoirPy runs one
after another, and shares them between two processes; these count as what keeps the machine busy
otherwise, so such rows are marked.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch

from benchmarks.gathers import gathers_a_second
from benchmarks.measure import Contest, Side, Timing, check_agreement, time_in_turns
from benchmarks.report import machine
from benchmarks.vowels import vowels_accuracy
from engram import EchoState, Reservoir, memory_capacity
from engram.data.builtin.mackey_glass import mackey_glass

_PAIRS = 5
_STEPS = {100: 2000, 500: 1000, 2000: 400}  # of one call, by units
_MANY = 32
_GOALS = {(100, 1): 8, (500, 1): 5, (2000, 1): 5, **dict.fromkeys(((n, _MANY) for n in _STEPS), 20)}
_DTYPES = {torch.float64: np.float64, torch.float32: np.float32}


def main() -> None:
    tables: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
        "float64": ("Speed against ReservoirPy, float64", lambda: speed(torch.float64)),
        "float32": ("Speed against ReservoirPy, float32", lambda: speed(torch.float32)),
        "limit": ("One series and the machine's limit", limit),
        "memory": ("Memory capacity", memory),
        "mackey-glass": ("Mackey-Glass, τ = 17", errors_on_mackey_glass),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tables)
    parser.add_argument(
        "--vowels", type=Path, help="folder of JapaneseVowels_TRAIN.ts and _TEST.ts"
    )
    given = parser.parse_args()
    about = machine()
    print(
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, {about['versions']}"
    )
    for name in tables if given.only is None else (given.only,):
        title, lines = tables[name]
        print(f"\n## {title}\n", flush=True)
        for line in lines():
            print(line, flush=True)
    if given.vowels is not None:
        print(f"\nJapanese vowels: {vowels_accuracy(given.vowels)}")


def speed(dtype: torch.dtype) -> Iterator[str]:
    yield "| units | series | goal | ratio | ReservoirPy, a step | Engram, a step |"
    yield "|---|---|---|---|---|---|"
    ways = {"1": (1, 1), f"{_MANY}": (_MANY, 1), f"{_MANY}, two processes": (_MANY, 2)}
    for name, (batch, workers) in ways.items():
        for units, steps in _STEPS.items():
            steps = steps if batch == 1 else steps // 4
            contest = _driving(units, batch, steps, dtype, workers)
            yield _row(units, name, _GOALS[units, batch], _timed(contest, name), steps)
    for units, steps in _STEPS.items():
        contest = _stepping(units, steps // 4, dtype)
        yield _row(units, "step()", None, _timed(contest, "step()"), steps // 4)


def limit() -> Iterator[str]:
    """How near one series comes to what the machine can gather."""
    most = gathers_a_second(torch.float64)
    yield f"One core gathers {most / 1e9:.2f}·10⁹ float64 a second, all in its first cache."
    yield ""
    yield "| units | threads | gathered a step | of that limit |"
    yield "|---|---|---|---|"
    for units, steps in _STEPS.items():
        _, ours = _reservoirs(units, torch.float64)
        side = _driving(units, 1, steps, torch.float64, 1).ours
        seconds = time_in_turns(Contest(side, side), _PAIRS).ours / steps
        count = round(ours.density * units**2)
        threads = 1 if units == min(_STEPS) else torch.get_num_threads()
        yield f"| {units} | {threads} | {count:,} | {count / seconds / (most * threads):.0%} |"


def memory(units: int = 100) -> Iterator[str]:
    normal = np.random.default_rng(0).standard_normal((units, units))
    orthogonal = scipy.linalg.qr(normal)[0]
    ring = np.roll(np.eye(units), 1, axis=0)
    kinds: dict[str, dict[str, Any]] = {
        "drawn, spectral radius 0.9": {},
        "drawn, leak 0.3": {"leak": 0.3},
        "orthogonal, spectral radius 0.95": {"recurrent_weights": 0.95 * orthogonal},
        "one cycle, spectral radius 0.95": {"recurrent_weights": 0.95 * ring},
    }
    yield f"| {units} units | spectral radius | density | memory capacity |"
    yield "|---|---|---|---|"
    for name, options in kinds.items():
        reservoir = Reservoir(1, units, input_scaling=0.01, **options)
        measures = f"{reservoir.spectral_radius:.3f} | {reservoir.density:.3f}"
        yield f"| {name} | {measures} | {memory_capacity(reservoir).total:.1f} |"


def errors_on_mackey_glass(seeds: int = 10, starts: int = 100) -> Iterator[str]:
    """NRMSE84, one reservoir a seed; the README has the protocol."""
    test = np.tanh(mackey_glass(1084, runs=starts, seed=1_000_000) - 1.0)
    yield "| seed | NRMSE84 |"
    yield "|---|---|"
    errors = []
    for seed in range(seeds):
        train = np.tanh(mackey_glass(3001, seed=seed)[:, 0] - 1.0)
        model = EchoState(
            units=400,
            spectral_radius=1.0,
            leak=0.7,
            bias_scaling=0.5,
            warm_up=1000,
            ridge=1e-12,
            random_state=seed,
        )
        model.fit(train[:-1], train[1:])
        found = np.stack([run[-1] for run in model.generate(84, list(test[:1000].T))])
        errors.append(float(np.sqrt(np.mean((found - test[-1]) ** 2) / train.var())))
        yield f"| {seed} | {errors[-1]:.2e} |"
    yield f"| median (goal: 1e-3) | {statistics.median(errors):.2e} |"


def _driving(units: int, batch: int, steps: int, dtype: torch.dtype, workers: int) -> Contest:
    """Whole series; ReservoirPy has so many processes for them."""
    peer, ours = _reservoirs(units, dtype)
    inputs = np.random.default_rng(1).uniform(-1.0, 1.0, (steps, batch, 1)).astype(_DTYPES[dtype])
    series = [np.ascontiguousarray(inputs[:, row]) for row in range(batch)]
    x = torch.from_numpy(inputs)

    def theirs() -> Any:
        peer.state = {"out": np.zeros(units, _DTYPES[dtype])}
        return peer.run(series if batch > 1 else series[0], workers=workers)

    def as_tensors(states: Any) -> list[torch.Tensor]:
        joined = np.stack(states if batch > 1 else [states], axis=1)
        return [torch.from_numpy(joined).to(dtype)]

    return Contest(Side(theirs, as_tensors), Side(lambda: ours(x)[0], lambda states: [states]))


def _stepping(units: int, steps: int, dtype: torch.dtype) -> Contest:
    """One step after another, as a stream comes."""
    peer, ours = _reservoirs(units, dtype)
    inputs = np.random.default_rng(1).uniform(-1.0, 1.0, (steps, 1)).astype(_DTYPES[dtype])
    x = list(torch.from_numpy(inputs))

    def theirs() -> Any:
        peer.state = {"out": np.zeros(units, _DTYPES[dtype])}
        for now in inputs:
            state = peer.step(now)
        return state

    def mine() -> Any:
        state = torch.zeros(units, dtype=dtype)
        for now in x:
            state = ours.step(now, state)
        return state

    return Contest(
        Side(theirs, lambda s: [torch.from_numpy(s).to(dtype)]), Side(mine, lambda s: [s])
    )


def _reservoirs(units: int, dtype: torch.dtype) -> tuple[Any, Reservoir]:
    from reservoirpy.nodes import Reservoir as Peer

    peer = Peer(units, sr=0.9, lr=0.3, seed=1, dtype=_DTYPES[dtype])
    peer.initialize(np.zeros((1, 1)))
    given = {"input_weights": peer.Win, "recurrent_weights": peer.W}
    return peer, Reservoir(1, units, leak=0.3, dtype=dtype, **given)


def _timed(contest: Contest, what: str) -> Timing:
    check_agreement(contest, what)
    return time_in_turns(contest, _PAIRS)


def _row(units: int, series: str, goal: int | None, timing: Timing, steps: int) -> str:
    times = " | ".join(f"{each / steps * 1e6:.2f} µs" for each in (timing.peer, timing.ours))
    mark = " †" if timing.disturbed else ""
    return f"| {units} | {series} | {goal or ''} | {timing.ratio:.1f}{mark} | {times} |"


if __name__ == "__main__":
    main()
