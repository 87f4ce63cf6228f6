"""What every test runs under: one thread, fixed seeds, uninitialised memory full of NaN.

The last lines of a run say what this machine cannot test.
"""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

from helpers.abilities import not_tested

# No test measures time: a machine may be slow, or have other work.
settings.register_profile("engram", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("engram")


@pytest.fixture(autouse=True, scope="session")
def _conditions_of_fixtures() -> None:
    """For fixtures of a module, which are made before those of its first test."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True


@pytest.fixture(autouse=True)
def _fixed_conditions() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.set_num_threads(threads)


def pytest_collection_modifyitems(items) -> None:
    """Files that are slow as a whole come first, so that no process waits for them at the end."""
    items.sort(key=lambda item: item.getparent(pytest.Module).get_closest_marker("slow") is None)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter) -> None:
    lines = not_tested(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.section("not tested here")
    for line in lines:
        terminalreporter.write_line(line)
