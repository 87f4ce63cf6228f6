"""What every test runs under: one thread, fixed seeds, uninitialised memory full of NaN.

The last lines of a run say what this machine cannot test.
"""

from collections.abc import Iterator

import pytest
import torch

from helpers.abilities import not_tested


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Also for fixtures of a module, which are made before those of its first test."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _fixed_conditions() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter) -> None:
    lines = not_tested(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.section("not tested here")
    for line in lines:
        terminalreporter.write_line(line)
