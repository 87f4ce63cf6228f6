"""Echo state networks: speed against ReservoirPy, Mackey-Glass, memory capacity.

    python -m benchmarks.reservoir                       # all of it, some three minutes
    python -m benchmarks.reservoir --only speed          # or memory, or mackey-glass
    python -m benchmarks.reservoir --vowels FOLDER       # and Japanese vowels, from its .ts files

Both sides have the same matrices, ReservoirPy's own: normal weights at its default density of 0.1,
spectral radius 0.9, leak 0.3, one input, float64, which is its default too. States must agree
before any time is taken; then both run in turns.
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
from benchmarks.measure import Contest, Side, check_agreement, time_in_turns
from benchmarks.report import machine
from benchmarks.vowels import vowels_accuracy
from engram import EchoState, Reservoir, memory_capacity
from engram.data.mackey_glass import mackey_glass

_PAIRS = 7
_UNITS = {100: 2000, 500: 1000, 2000: 400}  # units: steps of one call
_GOALS = {(100, 1): 8, (500, 1): 5, (2000, 1): 5, (100, 32): 20, (500, 32): 20, (2000, 32): 20}
_PARTS = ("speed", "memory", "mackey-glass")


def sides(units: int, batch: int, steps: int, workers: int = 1) -> Contest:
    """ReservoirPy and Engram on the same matrices and inputs; it runs series one after another."""
    peer, ours = _reservoirs(units)
    inputs = np.random.default_rng(1).uniform(-1.0, 1.0, (steps, batch, 1))
    series = [np.ascontiguousarray(inputs[:, row]) for row in range(batch)]
    x = torch.from_numpy(inputs)

    def theirs() -> Any:
        peer.reset()
        return peer.run(series if batch > 1 else series[0], workers=workers)

    def as_tensors(states: Any) -> list[torch.Tensor]:
        return [torch.from_numpy(np.stack(states if batch > 1 else [states], axis=1))]

    return Contest(Side(theirs, as_tensors), Side(lambda: ours(x)[0], lambda states: [states]))


def stepping(units: int, steps: int) -> Contest:
    """One step after another, as a stream comes."""
    peer, ours = _reservoirs(units)
    inputs = np.random.default_rng(1).uniform(-1.0, 1.0, (steps, 1))
    x = torch.from_numpy(inputs)

    def theirs() -> Any:
        peer.reset()
        for now in inputs:
            state = peer.step(now)
        return state

    def mine() -> Any:
        state = None
        for now in x:
            state = ours.step(now, state)
        return state

    return Contest(Side(theirs, lambda s: [torch.from_numpy(s)]), Side(mine, lambda s: [s]))


def _reservoirs(units: int) -> tuple[Any, Reservoir]:
    from reservoirpy.nodes import Reservoir as Peer

    peer = Peer(units, sr=0.9, lr=0.3, seed=1)
    peer.initialize(np.zeros((1, 1)))
    given = {"input_weights": peer.Win, "recurrent_weights": peer.W}
    return peer, Reservoir(1, units, leak=0.3, **given)


def speed() -> Iterator[str]:
    yield "| units | series | goal | ratio | ReservoirPy, a step | Engram, a step |"
    yield "|---|---|---|---|---|---|"
    for batch in (1, 32):
        for units, steps in _UNITS.items():
            steps = steps if batch == 1 else max(50, steps // 8)
            what = f"{units} units, {batch} series"
            # processes share the series; for short work, starting them costs more than they give
            contests = [
                sides(units, batch, steps, workers) for workers in ((1, 2)[: 1 + (batch > 1)])
            ]
            for contest in contests:
                check_agreement(contest, what)
            timings = [time_in_turns(contest, _PAIRS) for contest in contests]
            best = min(timings, key=lambda timing: timing.peer)
            yield _row(units, str(batch), _GOALS[units, batch], best, steps)
    for units, steps in _UNITS.items():
        contest = stepping(units, steps // 4)
        check_agreement(contest, f"{units} units, step by step")
        yield _row(units, "step()", None, time_in_turns(contest, _PAIRS), steps // 4)


def _row(units: int, series: str, goal: int | None, timing: Any, steps: int) -> str:
    times = (f"{seconds / steps * 1e6:.2f} µs" for seconds in (timing.peer, timing.ours))
    ratio = f"{timing.ratio:.1f}{' †' if timing.disturbed else ''}"
    return f"| {units} | {series} | {goal or 'none'} | {ratio} | {' | '.join(times)} |"


def limit() -> Iterator[str]:
    """How near one series comes to what the machine can gather."""
    most = gathers_a_second(torch.float64)
    yield f"A core gathers {most / 1e9:.2f}·10⁹ numbers a second, all of them in its first cache."
    yield ""
    yield "| units | threads | numbers gathered a step | of that limit |"
    yield "|---|---|---|---|"
    for units, steps in _UNITS.items():
        _, ours = _reservoirs(units)
        x = torch.zeros(steps, 1, 1, dtype=torch.float64)
        packed = ours._prepared().sparse._gathered["values"].numel()
        threads = 1 if units == 100 else torch.get_num_threads()
        side = Side(lambda ours=ours, x=x: ours(x)[0])  # type: ignore[misc]
        seconds = time_in_turns(Contest(side, side), _PAIRS).ours / steps
        share = packed / seconds / (most * threads)
        yield f"| {units} | {threads} | {packed:,} | {share:.0%} |"


def mackey_glass_errors(seeds: int = 10, starts: int = 100) -> list[float]:
    """NRMSE84 of one reservoir a seed; see the README for the protocol."""
    test = np.tanh(mackey_glass(1084, runs=starts, seed=1_000_000) - 1.0)
    given = list(test[:1000].T)
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
        found = np.stack([run[-1] for run in model.generate(84, given)])
        errors.append(float(np.sqrt(np.mean((found - test[-1]) ** 2) / train.var())))
    return errors


def mackey_glass_table() -> Iterator[str]:
    errors = mackey_glass_errors()
    yield "| seed | NRMSE84 |"
    yield "|---|---|"
    yield from (f"| {seed} | {error:.1e} |" for seed, error in enumerate(errors))
    yield f"| median (goal: 1e-3) | {statistics.median(errors):.1e} |"


def memory_table(units: int = 100) -> Iterator[str]:
    generator = np.random.default_rng(0)
    normal = generator.standard_normal((units, units))
    ring = np.roll(np.eye(units), 1, axis=0)
    orthogonal = scipy.linalg.qr(normal)[0]
    kinds: dict[str, dict[str, Any]] = {
        "drawn, spectral radius 0.9": {},
        "drawn, leak 0.3": {"leak": 0.3},
        "orthogonal, spectral radius 0.95": {"recurrent_weights": 0.95 * orthogonal},
        "one cycle, spectral radius 0.95": {"recurrent_weights": 0.95 * ring},
    }
    yield "| reservoir of 100 units | spectral radius | density | memory capacity |"
    yield "|---|---|---|---|"
    for name, options in kinds.items():
        reservoir = Reservoir(1, units, input_scaling=0.01, **options)
        found = memory_capacity(reservoir)
        measures = f"{reservoir.spectral_radius:.3f} | {reservoir.density:.3f}"
        yield f"| {name} | {measures} | {found.total:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=_PARTS)
    parser.add_argument("--vowels", type=Path, help="folder with JapaneseVowels_{TRAIN,TEST}.ts")
    given = parser.parse_args()
    about = machine()
    print(
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, {about['versions']}"
    )
    chosen = _PARTS if given.only is None else (given.only,)
    tables: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
        "speed": ("Speed against ReservoirPy", lambda: [*speed(), "", *limit()]),
        "memory": ("Memory capacity", memory_table),
        "mackey-glass": ("Mackey-Glass, τ = 17", mackey_glass_table),
    }
    for name in chosen:
        title, lines = tables[name]
        print(f"\n## {title}\n", flush=True)
        for line in lines():
            print(line, flush=True)
    if given.vowels is not None:
        print(f"\nJapanese vowels: {vowels_accuracy(given.vowels)}")


if __name__ == "__main__":
    main()
