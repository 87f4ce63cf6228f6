"""The project speaks plain English: no phrase of `PHRASES` is in its sources or its documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "engram").rglob("*.py"))
DOCUMENTS = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
]
# a pattern, and what to write instead
PHRASES = {
    r"anew": "again, or from scratch",
    r"besides": "also, or in addition to",
    r"dear(er|est)?": "expensive",
    r"gone past": "exceeded",
    r"holds no": "contains no, or has no",
    r"in place of": "instead of",
    r"in the mean(?! (of|and|squared?)\b)": "on average",
    r"is no (JSON|YAML|run|number|file|text|list|table|time|MATLAB file)": "is not a, or not valid",
    r"likeliest": "most likely",
    r"mend(s|ed)?": "fix",
    r"put(s)? back": "restore, or load_state_dict",
    r"so many": "N, or the number of",
    r"takes? note of": "record",
    r"to and fro": "alternating",
    r"(nats|bits|bytes|tokens|characters|numbers|values|steps|sequences)"
    r" a (token|second|unit|character|step|batch|update|text)": "per, as in nats per token",
}
WORDS = {re.compile(rf"\b{phrase}\b", re.IGNORECASE): word for phrase, word in PHRASES.items()}


def _strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string constant of a source, docstrings and pieces of f-strings too, by its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _faults(name: str, texts: Iterator[tuple[int, str]]) -> list[str]:
    """``file:line: 'phrase'; write …`` for each phrase, which may run over the end of a line."""
    found = []
    for first, text in texts:
        plain = re.sub(r"\s", " ", text)
        joined = re.sub(r" +", lambda spaces: " " + "\0" * (len(spaces[0]) - 1), plain)
        places = [place for place, sign in enumerate(joined) if sign != "\0"]
        for pattern, word in WORDS.items():
            for hit in pattern.finditer(joined.replace("\0", "")):
                line = first + text.count("\n", 0, places[hit.start()])
                found.append(f"{name}:{line}: '{hit[0]}'; write {word}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sources_use_plain_words(path):
    faults = _faults(str(path.relative_to(ROOT)), _strings(path))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_plain_words(path):
    text = path.read_text(encoding="utf-8")
    faults = _faults(str(path.relative_to(ROOT)), iter([(1, text)]))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("it is drawn anew", 1, "again"),
        ("one\n\n  takes note\n  of it", 3, "record"),
        ("two\nnats a token", 2, "per"),
        ("It IS NO\nYAML", 1, "is not a"),
    ],
)
def test_a_phrase_is_found_at_its_line(text, line, word):
    (fault,) = _faults("x.py", iter([(1, text)]))
    assert fault.startswith(f"x.py:{line}: ")
    assert f"; write {word}" in fault


def test_words_that_only_contain_a_phrase_are_left_alone():
    assert not _faults(
        "x.py", iter([(1, "recommend amends the mean of in the mean squared error")])
    )
