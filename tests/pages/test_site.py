"""The site: where links lead, and what it is built from."""

import re
from pathlib import Path

import pytest

from engram.pages import site

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("link", "place", "page"),
    [
        ("docs/tag.md", "README.md", "tag.md"),
        ("CONTRIBUTING.md", "README.md", "contributing.md"),
        ("../benchmarks/README.md", "docs/layers.md", "benchmarks.md"),
        ("remedies.md", "docs/layers.md", "remedies.md"),
        ("../README.md", "docs/layers.md", "index.md"),
        ("../src/engram/errors.py", "docs/layers.md", None),
    ],
)
def test_links(link, place, page):
    assert site.place_on_site(link, place) == page


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<svg xmlns="http://www.w3.org/2000/svg">', []),
        ('<script src="//cdn.example.org/x.js">', ["cdn.example.org"]),
        ('<a href="https://example.org/">, /home/me/engram', ["example.org", "/home/me/"]),
        ("7 // 2 of a/b", []),
    ],
)
def test_what_no_page_may_hold(html, found):
    assert site.private_parts(html, ["/home/me/"]) == found


def test_every_document_is_in_the_navigation():
    listed = set(re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} | set(site.ELSEWHERE)
    assert all((ROOT / path).is_file() for path in site.ELSEWHERE.values())


def test_names_that_are_described_together_become_entries_of_their_own():
    pytest.importorskip("griffe")
    from engram.pages.docstrings import ungrouped

    text = (
        "Do.\n\nArgs:\n    a, b: Both\n        of them.\n    c: See `a`, b: no.\n\n"
        "Returns:\n    d, e: x."
    )
    assert ungrouped(text) == (
        "Do.\n\nArgs:\n    a: Both\n        of them.\n    b: Both\n        of them.\n"
        "    c: See `a`, b: no.\n\nReturns:\n    d, e: x."
    )
