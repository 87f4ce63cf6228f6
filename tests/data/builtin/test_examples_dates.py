import datetime
from collections import defaultdict

import pytest

from engram.data.builtin.dates import FIRST, LANGUAGES, LAST, SHARES, date_pairs, patterns_of
from engram.errors import ConfigError


@pytest.mark.slow
def test_no_text_stands_for_two_dates():
    """Over one year, and every way to write its days in every language."""
    meanings = defaultdict(set)
    for day in range(366):
        date = datetime.date(2012, 1, 1) + datetime.timedelta(days=day)
        for language in LANGUAGES:
            locale, patterns = patterns_of(language)
            for pattern in patterns:
                meanings[pattern.apply(date, locale)].add(date)
    assert {text: dates for text, dates in meanings.items() if len(dates) > 1} == {}


def test_every_language_has_several_ways():
    assert len(LANGUAGES) >= 10
    assert all(len(patterns_of(language)[1]) >= 3 for language in LANGUAGES)


def test_no_day_is_in_two_parts():
    days = {part: {iso for _, iso in date_pairs(3000, part)} for part in SHARES}
    assert all(len(found) > 1000 for found in days.values())
    assert days["train"].isdisjoint(days["valid"] | days["test"])
    assert days["valid"].isdisjoint(days["test"])
    for iso in days["test"]:
        assert FIRST <= datetime.date.fromisoformat(iso) <= LAST


def test_pairs_are_what_babel_writes():
    pairs = dict(date_pairs(400, "train", language="de"))
    assert any("März" in text for text in pairs)
    for text, iso in pairs.items():
        assert str(datetime.date.fromisoformat(iso).year) in text


def test_the_same_seed_draws_the_same():
    assert date_pairs(50, seed=1) == date_pairs(50, seed=1)
    assert date_pairs(50, seed=1) != date_pairs(50, seed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "tests"}, "part 'tests' is not known: did you mean 'test'?"),
        ({"language": "xx"}, "language 'xx' is not known: accepted: cs, da"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(ConfigError, match="is not known") as caught:
        date_pairs(1, **arguments)
    assert str(caught.value).startswith(message)
