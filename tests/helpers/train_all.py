"""Run commands of Engram one after the other, in each process that torchrun starts."""

import json
import sys
from pathlib import Path

import torch.distributed as dist

from engram.cli.main import main

dist.init_process_group("gloo")  # once: a process that leaves a group does not find another
for command in json.loads(Path(sys.argv[1]).read_text()):
    if main(command) != 0:
        sys.exit(f"failed: {command}")
dist.destroy_process_group()
