"""``python -m engram.pages docs``: write all generated pages to a folder."""

import sys
from pathlib import Path

from engram.engine import page as cells
from engram.pages import reference, remedies, settings

PAGES = {
    "equations.md": cells.cells_page,
    "remedies.md": remedies.page,
    "settings.md": settings.page,
    "reference.md": reference.page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        Path(sys.argv[1], name).write_text(page(), encoding="utf-8")
