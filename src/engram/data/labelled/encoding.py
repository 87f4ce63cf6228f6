"""Encoding: texts or values as the numbers that a model reads, as learnt on the training part."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from engram.data.arrays.scaling import Scaling
from engram.data.arrays.sequences import Sequences
from engram.data.arrays.spool import Spool, let_go, stretches
from engram.data.labelled.examples import Examples, Medium
from engram.data.labelled.media import NAMES, about
from engram.data.settings import EncodingSettings, Missing
from engram.data.text.tokens import Ids, Tokenizer, fit_tokenizer, tokenizer_from_plain
from engram.errors import ConfigError, DataError


@dataclass(frozen=True)
class TextEncoding:
    """Texts to tokens.

    Attributes:
        tokenizer: Of one text to numbers.
        lowercase: Whether capitals are read as small letters.
        max_steps: Tokens of a text that are read, or None for all.
    """

    tokenizer: Tokenizer
    lowercase: bool
    max_steps: int | None

    @property
    def width(self) -> int:
        """V, how many tokens there are."""
        return self.tokenizer.size

    def encode(self, examples: Examples) -> Sequences:
        """Tokens of each text.

        Raises:
            DataError: For values instead of texts, and a text that holds nothing to read.
        """
        if isinstance(examples.inputs, Sequences):
            found = "numeric columns" if examples.medium is None else _said(examples.medium)
            raise DataError(f"the model reads texts, but the data contains {found}")
        return Sequences.of(self._each(examples))

    def _each(self, examples: Examples) -> Iterator[Ids]:
        for index, text in enumerate(examples.inputs):
            assert isinstance(text, str)
            tokens = self._tokens(text)
            if len(tokens) == 0 or not text.strip():
                raise DataError(f"{examples.name(index)}: the text is empty; leave it out")
            yield tokens

    def words(self, text: str) -> list[str]:
        """What each step of a text reads."""
        return [self.tokenizer.decode([token]) for token in self._tokens(text).tolist()]

    def _tokens(self, text: str) -> Ids:
        read = normalised(text, self.tokenizer.kind, self.lowercase)
        return self.tokenizer.encode(read)[: self.max_steps]

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        kept = {"lowercase": self.lowercase, "max_steps": self.max_steps}
        return {"tokenizer": self.tokenizer.plain()} | kept


@dataclass(frozen=True)
class ValueEncoding:
    """Values to scaled values.

    Attributes:
        columns: What the F values of a step are.
        scale: Of each column.
        missing: What is done about NaN.
        max_steps: Steps of a series that are read, or None for all.
        medium: What the values are made of, and how; see `Examples`.
    """

    columns: tuple[str, ...]
    scale: Scaling
    missing: Missing
    max_steps: int | None
    medium: Medium | None = None

    @property
    def width(self) -> int:
        """The number of inputs per step of the model."""
        return len(self.columns) * (2 if self.missing == "mask" else 1)

    def encode(self, examples: Examples) -> Sequences:
        """Scaled values of each series.

        Raises:
            DataError: For texts instead of values, other columns, series without steps, infinite
                values, and missing ones where they are refused; the text names which.
        """
        given = examples.inputs
        if not isinstance(given, Sequences):
            raise DataError(f"the model reads {_said(self.medium)}, but the data contains texts")
        if examples.medium != self.medium:
            raise DataError(
                f"the model reads {_said(self.medium)}, but the data contains "
                f"{_said(examples.medium)}"
            )
        if given.columns != self.columns:
            raise DataError(
                f"the model reads the columns {', '.join(self.columns)}, but the data has "
                f"{', '.join(given.columns)}; give the same ones"
            )
        _check_values(examples, self.missing)
        encoded = Spool(np.float32, (self.width,))
        for stretch in stretches(len(given.values)):
            values = self.scale.apply(given.values[stretch])
            gaps = np.isnan(values)
            values = np.where(gaps, np.float32(0.0), values)
            if self.missing == "mask":
                values = np.concatenate([values, gaps.astype(np.float32)], axis=1)
            encoded.extend(values)
            let_go(given.values)
        made = Sequences(encoded.finish(), given.offsets, self.columns)
        if self.max_steps is None or given.lengths.max() <= self.max_steps:
            return made
        return Sequences.of((each[: self.max_steps] for each in made), self.columns)

    def plain(self) -> dict[str, Any]:
        """As values that JSON holds."""
        medium = {} if self.medium is None else {NAMES[type(self.medium)]: self.medium.plain()}
        return {
            "columns": list(self.columns),
            "scaling": self.scale.plain(),
            "missing": self.missing,
            "max_steps": self.max_steps,
        } | medium


Encoding = TextEncoding | ValueEncoding


def learn_encoding(
    examples: Examples, settings: EncodingSettings, known: Encoding | None = None
) -> Encoding:
    """Learn how a training part becomes numbers.

    Args:
        examples: Of the training part.
        settings: How.
        known: An encoding that is kept as it is, because weights go with it; see `encode` of it
            for what it cannot read.

    Raises:
        DataError: As `TextEncoding.encode` and `ValueEncoding.encode`.
    """
    if known is not None:
        return replace(known, max_steps=settings.max_steps)
    if isinstance(examples.inputs, Sequences):
        return learn_value_encoding(
            examples,
            scaling=settings.scaling,
            missing=settings.missing,
            max_steps=settings.max_steps,
        )
    texts = (normalised(text, settings.tokens, settings.lowercase) for text in examples.inputs)
    tokenizer = fit_tokenizer(settings.tokens, texts, settings.vocabulary)
    return TextEncoding(tokenizer, settings.lowercase, settings.max_steps)


def learn_value_encoding(
    examples: Examples, *, scaling: bool, missing: Missing, max_steps: int | None = None
) -> ValueEncoding:
    """Learn the scale of a training part's values; see `EncodingSettings`.

    Raises:
        DataError: As `ValueEncoding.encode`.
    """
    assert isinstance(examples.inputs, Sequences)
    columns, values = examples.inputs.columns, examples.inputs.values
    _check_values(examples, missing)
    scale = Scaling.learnt(values) if scaling else Scaling.none(len(columns))
    return ValueEncoding(columns, scale, missing, max_steps, examples.medium)


def encoding_from_plain(value: Any) -> Encoding:
    """Undo `plain` of either encoding.

    Raises:
        DataError: For anything else.
    """
    try:
        if "tokenizer" in value:
            tokenizer = tokenizer_from_plain(value["tokenizer"])
            return TextEncoding(tokenizer, bool(value["lowercase"]), value["max_steps"])
        columns, scale = tuple(value["columns"]), Scaling.from_plain(value["scaling"])
        if len(scale.mean) == len(columns) and value["missing"] in get_args(Missing):
            media = [kind.checked(value[name]) for kind, name in NAMES.items() if name in value]
            medium = media[0] if media else None
            return ValueEncoding(columns, scale, value["missing"], value["max_steps"], medium)
    except (KeyError, TypeError, ConfigError):
        pass
    raise DataError("the encoding of inputs is damaged; restore the model folder")


def media_of(encoding: Encoding) -> list[Medium]:
    """What the values of an encoding are made of; nothing for texts and numbers."""
    medium = encoding.medium if isinstance(encoding, ValueEncoding) else None
    return [] if medium is None else [medium]


def _said(medium: Medium | None) -> str:
    return "numeric columns" if medium is None else about(medium)


def normalised(text: str, tokens: str, lowercase: bool) -> str:
    """A text as its tokens are taken: a word goes with the blank before it, the first one too."""
    text = text.lower() if lowercase else text
    return f" {text.strip()}" if tokens == "words" and text.strip() else text


def _check_values(examples: Examples, missing: Missing) -> None:
    """Refuse series without steps, infinite values, and missing ones unless they are dealt with."""
    given = examples.inputs
    assert isinstance(given, Sequences)
    empty = np.flatnonzero(given.lengths == 0)
    if len(empty):
        raise DataError(f"{examples.name(int(empty[0]))} has no steps; leave it out")
    for stretch in stretches(len(given.values)):
        part = given.values[stretch]
        bad = ~np.isfinite(part) if missing == "refuse" else np.isinf(part)
        let_go(given.values)
        if bad.any():
            step, column = (int(each) for each in np.argwhere(bad)[0])
            index = int(np.searchsorted(given.offsets, stretch.start + step, side="right")) - 1
            value = part[step, column]
            said = "missing (NaN)" if np.isnan(value) else value
            hint = "fill it in, or use --missing impute or mask" if np.isnan(value) else "fix it"
            raise DataError(
                f"{examples.name(index)}, step {stretch.start + step - given.offsets[index] + 1}: "
                f"'{given.columns[column]}' is {said}; {hint}"
            )
