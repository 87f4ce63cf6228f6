"""``python -m engram``, also under torchrun."""

import sys

from engram.cli.main import main

sys.exit(main())
