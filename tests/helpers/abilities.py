"""What a machine may lack, and what was not tested for want of it."""

import os
import re
from collections import Counter

import pytest
import torch

from engram.engine.cpu.codegen.target import host

MATRIX_UNIT = "no matrix unit on this machine"
CUDA = "no CUDA device"
_LACKING = {
    MATRIX_UNIT: not host().matrix,
    "no vectors of 512 bits on this machine: code for them is made, not run": (
        host().vector_bits < 512
    ),
    "no second processor: threads take turns": (os.cpu_count() or 1) < 2,
    CUDA: not torch.cuda.is_available(),
}

needs_cuda = pytest.mark.skipif(_LACKING[CUDA], reason=CUDA)
needs_matrix_unit = pytest.mark.skipif(_LACKING[MATRIX_UNIT], reason=MATRIX_UNIT)


def need_vectors_of(bits: int) -> None:
    """Skip the test on a machine without such vectors."""
    if bits > host().vector_bits:
        wide = next(reason for reason in _LACKING if "512 bits" in reason)
        pytest.skip(wide if bits == 512 else f"no vectors of {bits} bits on this machine")


def not_tested(skipped) -> list[str]:
    """A line for each ability that is lacking, with the number of tests skipped for it.

    Args:
        skipped: The reports of tests, and of whole files, that were skipped.
    """
    tests, files = Counter(), Counter()
    for report in skipped:
        (files if report.when == "collect" else tests)[_reason(report)] += 1
    lines = [_line(count, "file", reason) for reason, count in files.items()]
    known = [reason for reason, lacking in _LACKING.items() if lacking]
    reasons = [*known, *sorted(tests.keys() - set(known))]
    return lines + [_line(tests[reason], "test", reason) for reason in reasons]


def _line(count: int, what: str, reason: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}: {reason}"


def _reason(report) -> str:
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    said = said.removeprefix("Skipped: ")
    missing = re.match(r"could not import '(\w+)", said)
    return f"{missing[1]} is not installed" if missing else said
