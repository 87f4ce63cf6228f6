"""Spans of tags, as conlleval counts them."""

import pytest

from engram.tasks.spans import are_spans, compare, spans_of


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-P I-P O", [("P", 0, 2)]),
        ("B-P B-P", [("P", 0, 1), ("P", 1, 2)]),
        ("B-P I-L I-L", [("P", 0, 1), ("L", 1, 3)]),
        ("I-P I-P O I-P", [("P", 0, 2), ("P", 3, 4)]),
        ("O B-P", [("P", 1, 2)]),
        ("S-P S-P B-P I-P E-P O", [("P", 0, 1), ("P", 1, 2), ("P", 2, 5)]),
        ("U-P B-P L-P I-P", [("P", 0, 1), ("P", 1, 3), ("P", 3, 4)]),
        ("E-P E-P", [("P", 0, 1), ("P", 1, 2)]),
        ("B-a-b I-a-b", [("a-b", 0, 2)]),
        ("", []),
    ],
)
def test_spans(tags, spans):
    assert spans_of(tags.split()) == spans


@pytest.mark.parametrize(
    ("tags", "are"),
    [
        (["O", "B-P", "I-P"], True),
        (["O"], False),
        (["NOUN", "VERB"], False),
        (["B-P", "X-P"], False),
        (["B-", "O"], False),
    ],
)
def test_which_tags_mark_spans(tags, are):
    assert are_spans(tags) is are


def test_both_ends_and_the_kind_have_to_be_right():
    wanted = ["B-P I-P O B-L", "B-P O"]
    given = ["B-P I-P O B-P", "B-P I-P"]
    every, kinds = compare((t.split() for t in wanted), (t.split() for t in given))
    assert (every.asked, every.answered, every.right) == (3, 3, 1)
    assert (every.precision, every.recall, every.f1) == (1 / 3, 1 / 3, 1 / 3)
    assert (kinds["P"].asked, kinds["P"].answered, kinds["P"].right) == (2, 3, 1)
    assert kinds["P"].f1 == pytest.approx(0.4)
    assert (kinds["L"].f1, kinds["L"].precision) == (0.0, 0.0)
