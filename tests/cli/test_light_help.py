"""Help needs neither torch nor readers of data: it comes at once."""

import json
import subprocess
import sys

HEAVY = {"torch", "numpy", "pyarrow", "llvmlite", "scipy", "sklearn", "tokenizers"}
SCRIPT = """
import contextlib, io, json, sys
from engram.cli.data import SUBCOMMANDS
from engram.cli.main import COMMANDS, main
from engram.tasks.registry import OUTLINES

asked = [[name] for name in COMMANDS] + [["data", name] for name in SUBCOMMANDS]
asked += [["train", name] for name in OUTLINES] + [["finetune", "--task", "regress"]]
told = {}
for argv in asked:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            status = main([*argv, "--help"])
        except SystemExit as left:
            status = left.code
    told[" ".join(argv)] = [status, out.getvalue(), sorted(sys.modules)]
for argv in (["train", "classify", "--hiden", "3"], ["train", "tag", "--epochs", "0"], ["predict"]):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        told[" ".join(argv)] = [main(argv), said.getvalue(), sorted(sys.modules)]
print(json.dumps(told))
"""


def test_help_and_faults_of_flags_load_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=300
    )
    told = json.loads(done.stdout)
    assert len(told) >= 25
    for command, (status, text, modules) in told.items():
        assert not HEAVY & set(modules), command
        given = command.split()
        if status == 0:
            assert text.startswith(f"usage: engram {given[0]}"), command
        else:
            assert status == 2
            assert text.startswith("engram: "), command
    assert sum(status != 0 for status, _, _ in told.values()) == 3
