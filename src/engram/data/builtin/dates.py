"""Dates as people of many languages write them, and in ISO 8601, from Babel's locale data."""

import datetime
from functools import cache
from typing import Any

import numpy as np

from engram.errors import ConfigError, did_you_mean

LANGUAGES = (
    "cs", "da", "de", "el", "en", "es", "fi", "fr", "hu", "id", "it",
    "ja", "ko", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk", "zh",
)  # fmt: skip
# what of all days is kept for validation and for the test
SHARES = {"train": (0.0, 0.94), "valid": (0.94, 0.96), "test": (0.96, 1.0)}
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)


def date_pairs(
    count: int, part: str = "train", *, seed: int = 0, language: str | None = None
) -> list[tuple[str, str]]:
    """Draw dates, each as somebody would write it and as ``YYYY-MM-DD``.

    Every day from 1900 to 2099 belongs to one part, so that no date of the test was ever seen in
    training, in any language.

    Args:
        count: How many.
        part: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Of days, languages and ways to write them.
        language: One of `LANGUAGES`, or None for all, each as often.

    Raises:
        ConfigError: For another part or language, or where Babel is not installed.
    """
    if part not in SHARES:
        raise ConfigError(f"part '{part}' is not known: {did_you_mean(part, SHARES)}")
    if language is not None and language not in LANGUAGES:
        raise ConfigError(
            f"language '{language}' is not known: {did_you_mean(language, LANGUAGES)}"
        )
    days = np.random.default_rng(1).permutation((LAST - FIRST).days + 1)
    start, stop = (round(share * len(days)) for share in SHARES[part])
    draw = np.random.default_rng([seed, start])
    chosen = draw.integers(start, stop, count)
    spoken = draw.integers(0, len(LANGUAGES), count)
    ways = draw.random(count)
    pairs = []
    for day, which, way in zip(days[chosen], spoken, ways, strict=True):
        date = FIRST + datetime.timedelta(days=int(day))
        locale, patterns = patterns_of(language or LANGUAGES[which])
        text = patterns[int(way * len(patterns))].apply(date, locale)
        pairs.append((text, date.isoformat()))
    return pairs


@cache
def patterns_of(language: str) -> tuple[Any, list[Any]]:
    """The locale of a language, and the ways to write a date in it, each once.

    Left out are numbers between slashes that do not begin with the year: 3/4/2014 is April in one
    language and March in another.

    Raises:
        ConfigError: If Babel is not installed.
    """
    try:
        from babel import Locale
    except ImportError:
        raise ConfigError("dates need Babel; run pip install 'engram[examples]'") from None
    locale = Locale.parse(language)
    lengths = [locale.date_formats[name] for name in ("full", "long", "medium", "short")]
    skeletons = [locale.datetime_skeletons.get(name) for name in ("yMMMEd", "yMMMd", "yMd")]
    patterns: dict[str, Any] = {}
    for each in (*lengths, *skeletons):
        if each is None or "yy" in each.pattern.replace("yyyy", ""):
            continue  # a year of two digits does not say the century
        if "/" in each.pattern and not each.pattern.startswith("y"):
            continue
        patterns[each.pattern] = each
    return locale, list(patterns.values())
