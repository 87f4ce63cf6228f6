"""Kernels where a fault would hang or kill a process: each case runs in one of its own."""

import os
import subprocess
import sys

import pytest

from helpers import children

pytestmark = pytest.mark.slow
PRELUDE = """
import os, sys, torch, engram
from concurrent.futures import ThreadPoolExecutor
from engram.engine.cpu.runtime import team
from engram.engine.cpu.runtime.buffers import buffer
"""


@pytest.fixture
def runs(tmp_path):
    """Runs code in a process of its own, which must end by itself and well."""

    def run(code):
        printed = tmp_path / "printed"
        children.ended_well(children.python(PRELUDE + code, printed), printed)

    return run


def _runs_from_the_start(code, **environment):
    """The same in a process that reads the environment before it loads torch."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        env=os.environ | environment,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


WITHOUT_OPENMP = """
team._openmp = lambda: None
layer = engram.LSTM(4, 300).requires_grad_(False)
x = torch.randn(100, 1, 4)
torch.set_num_threads(1)
expected = layer(x)[0]
sys.setswitchinterval(1e-6)
# each thread of Python's has a number of its own
given = dict(initializer=torch.set_num_threads, initargs=({threads},))
with ThreadPoolExecutor({callers}, **given) as pool:
    for output, _ in pool.map(layer, [x] * 60):
        torch.testing.assert_close(output, expected)
os._exit(0)
"""


@pytest.mark.parametrize(("threads", "callers"), [(2, 4), (9, 1), (3, 4)])
def test_a_team_of_our_own_is_never_short_of_threads(threads, callers, runs):
    """Threads that split the units wait for one another: all of them must run at once."""
    runs(f"os.cpu_count = lambda: 2\n{WITHOUT_OPENMP.format(threads=threads, callers=callers)}")


FEWER_THREADS = """
layer = engram.LSTM(4, 80).requires_grad_(False)
for batch in (1, 12):
    x = torch.randn(5, batch, 4)
    torch.set_num_threads(1)
    expected = layer(x)[0]
    torch.set_num_threads(4)
    torch.testing.assert_close(layer(x)[0], expected)
"""


@pytest.mark.parametrize("limit", ["1", "2"])
def test_a_team_that_is_given_fewer_threads_than_it_asked_for(limit):
    _runs_from_the_start(FEWER_THREADS, OMP_THREAD_LIMIT=limit)


MEMORY_OF_A_CHILD = """
torch.set_num_threads(1)
alive, waiting = buffer((300, 200), torch.float32).fill_(1.0), buffer((100, 900), torch.float32)
del waiting
if os.fork() == 0:
    alive.fill_(2.0)
    buffer((100, 900), torch.float32).fill_(2.0)
    os._exit(0)
reused = buffer((100, 900), torch.float32).fill_(1.0)
os.wait()
assert bool((alive == 1.0).all()), "a child wrote to what its parent holds"
assert bool((reused == 1.0).all()), "a child and its parent share a buffer"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_off_has_memory_of_its_own(runs):
    runs(MEMORY_OF_A_CHILD)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_outputs_are_the_parents_own(runs):
    runs("""
torch.set_num_threads(1)
layer, x = engram.LSTM(4, 80).requires_grad_(False), torch.randn(90, 12, 4)
output, _ = layer(x)
kept = output.clone()
if os.fork() == 0:
    output.zero_()
    os._exit(0)
os.wait()
assert torch.equal(output, kept)
""")


ELSEWHERE = {
    "weights": ("engram.LSTM(4, 5, device='meta')", "None"),
    "state": ("engram.LSTM(4, 5)", "(torch.zeros(1, 2, 5, device='meta'),) * 2"),
    "one state": ("engram.LSTM(4, 5)", "(torch.zeros(1, 2, 5), torch.zeros(1, 2, 5).to('meta'))"),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_a_step_with_tensors_on_another_device_is_refused(what, runs):
    layer, state = ELSEWHERE[what]
    runs(f"""
with torch.no_grad():
    try:
        {layer}.step(torch.randn(2, 4), {state})
    except (engram.EngramError, RuntimeError):
        sys.exit(0)
sys.exit(3)
""")


def test_many_callers_step_one_layer_at_once(runs):
    runs("""
torch.set_num_threads(1)
sys.setswitchinterval(1e-6)
for layer in (engram.LSTM(64, 300), engram.GRU(64, 300, num_layers=2)):
    layer.requires_grad_(False)
    def step(x):
        with torch.no_grad():
            return layer.step(x)[0]
    inputs = list(torch.randn(200, 2, 64))
    expected = [step(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(step, inputs), expected):
            torch.testing.assert_close(found, wanted)
""")
