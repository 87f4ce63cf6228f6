"""Tokenizers: there and back, stored and made again, and what is unknown."""

import json
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.text.decoding import ANY_BYTES
from engram.data.text.documents import read_text
from engram.data.text.tokens import (
    END,
    TOKENIZERS,
    UNKNOWN_TEXT,
    BytePairTokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    WordTokenizer,
    byte_pairs,
    cautions,
    fit_tokenizer,
    shared_numbers,
    tokenizer_from_plain,
)
from engram.errors import ConfigError, DataError

DOCUMENTS = [
    "To be, or not to be: <end> that is\tthe question.\n" * 5,
    "Größe  und\n\nMaß — 漢字 🙂",
]
KINDS = sorted(TOKENIZERS)
BPE = fit_tokenizer("bpe", DOCUMENTS, 300)
ANY = hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
_with_surrogates = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)


def _fit(kind):
    return fit_tokenizer(kind, DOCUMENTS, 300)


@pytest.mark.parametrize("kind", KINDS)
def test_known_text_there_and_back(kind):
    tokenizer = _fit(kind)
    for text in DOCUMENTS:
        ids = tokenizer.encode(text)
        assert ids.dtype == np.int32
        assert ids.min() > END
        assert ids.max() < tokenizer.size
        assert tokenizer.decode(ids.tolist()) == text
        assert tokenizer.unknown_in(text) == []


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), BPE], ids=["bytes", "bpe"])
@ANY
@given(text=st.text(max_size=40))
@example(text="<end>")
@example(text="a<end><end>b")
@example(text="<<end>end>")
@example(text=" <end>\0\r\n\u2028 é")
def test_any_text_there_and_back(tokenizer, text):
    ids = tokenizer.encode(text).tolist()
    assert END not in ids
    assert tokenizer.decode(ids) == text


@ANY
@given(text=st.text(min_size=1, max_size=40))
def test_characters_and_words_know_what_they_were_fitted_on(text):
    for kind in ("characters", "words"):
        tokenizer = fit_tokenizer(kind, [text], 1000)
        assert tokenizer.decode(tokenizer.encode(text).tolist()) == text
        assert tokenizer.unknown not in tokenizer.encode(text)


@pytest.mark.parametrize("kind", KINDS)
@ANY
@given(text=_with_surrogates)
@example(text="a\ud800b")
@example(text="\udcff")
def test_surrogates_do_no_harm(kind, text):
    fitted = fit_tokenizer(kind, ["ab" + text], 300)
    for tokenizer in (fitted, tokenizer_from_plain(json.loads(json.dumps(fitted.plain())))):
        ids = tokenizer.encode(text).tolist()
        assert all(END < i < tokenizer.size for i in ids)
        assert isinstance(tokenizer.decode(ids), str)


@pytest.mark.parametrize(
    ("tokenizer", "text", "lacking", "decoded"),
    [
        (
            CharacterTokenizer.fit(["abc"]),
            "abxcxy😀",
            ["x", "y", "😀"],
            "ab\ufffdc\ufffd\ufffd\ufffd",
        ),
        (WordTokenizer.fit(["a bc, d"], 99), "a cb, d", [" cb"], "a\ufffd, d"),
        (ByteTokenizer(), "any 😀", [], "any 😀"),
        (BPE, "any 😀", [], "any 😀"),
    ],
    ids=["characters", "words", "bytes", "bpe"],
)
def test_unknown(tokenizer, text, lacking, decoded):
    ids = tokenizer.encode(text).tolist()
    assert tokenizer.unknown_in(text) == lacking
    assert tokenizer.decode(ids) == decoded
    if tokenizer.unknown is not None:
        assert ids.count(tokenizer.unknown) == decoded.count(UNKNOWN_TEXT)


@pytest.mark.parametrize("kind", KINDS)
def test_stored_and_made_again(kind):
    tokenizer = _fit(kind)
    again = tokenizer_from_plain(json.loads(json.dumps(tokenizer.plain())))
    assert type(again) is type(tokenizer)
    assert again.plain() == tokenizer.plain()
    assert again.size == tokenizer.size
    text = "To be 🙂 unheard of <end> ß"
    assert np.array_equal(again.encode(text), tokenizer.encode(text))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_text_gives_the_same_tokenizer(kind):
    assert _fit(kind).plain() == _fit(kind).plain()


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_joined_by_end(kind):
    tokenizer = _fit(kind)
    first, second = (tokenizer.encode(text).tolist() for text in DOCUMENTS)
    stream = tokenizer.encode_documents(DOCUMENTS)
    assert stream.dtype == np.int32
    assert stream.tolist() == [END, *first, END, *second, END]
    assert tokenizer.decode(stream.tolist()) == "".join(DOCUMENTS)
    assert tokenizer.encode_documents([]).tolist() == [END]


@pytest.mark.parametrize("kind", KINDS)
def test_empty_text(kind):
    tokenizer = _fit(kind)
    assert tokenizer.encode("").tolist() == []
    assert tokenizer.decode([]) == ""


def test_incomplete_bytes():
    ids = ByteTokenizer().encode("aé").tolist()
    assert ByteTokenizer().decode(ids[:-1]) == "a\ufffd"
    assert ByteTokenizer().decode([END, *ids, END]) == "aé"


@pytest.mark.parametrize(("vocabulary", "words"), [(4, [" a", "b"]), (5, [" a", "b", " c"])])
def test_words_take_the_most_frequent_ties_in_order(vocabulary, words):
    tokenizer = WordTokenizer.fit(["b c a a", "b"], vocabulary)
    assert tokenizer.words == words
    assert tokenizer.size == vocabulary


@pytest.mark.parametrize("vocabulary", [2, 256])
def test_byte_pairs_need_room_for_bytes(vocabulary):
    with pytest.raises(ConfigError) as caught:
        BytePairTokenizer.fit(DOCUMENTS, vocabulary)
    assert str(caught.value) == (
        f"vocabulary is {vocabulary}; byte pairs start from 257 entries (256 bytes, END)"
    )


@pytest.mark.parametrize("vocabulary", [257, 270])
def test_byte_pairs_fill_their_vocabulary(vocabulary):
    tokenizer = BytePairTokenizer.fit(DOCUMENTS, vocabulary)
    assert tokenizer.size == vocabulary
    assert tokenizer.decode(tokenizer.encode("🙂 new").tolist()) == "🙂 new"


def test_unknown_kind():
    with pytest.raises(ConfigError) as caught:
        fit_tokenizer("byte", DOCUMENTS, 300)
    assert str(caught.value) == (
        "tokens 'byte' is not known: did you mean 'bytes'? accepted: bpe, bytes, characters, words"
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"kind": "letters"},
        {"kind": ["bytes"]},
        {"kind": "characters"},
        {"kind": "characters", "characters": [1]},
        {"kind": "words", "words": 3},
        {"kind": "bpe", "definition": {}},
        {"kind": "bpe", "definition": "text"},
    ],
)
def test_damaged(value):
    with pytest.raises(DataError, match=r"stored tokenizer is damaged .*restore preprocess\.json"):
        tokenizer_from_plain(value)


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        ("characters", "abc", "xcb", {0: 0, 1: 1, 3: 2, 4: 3}),
        ("characters", "a\ufffd", "\ufffdb", {0: 0, 1: 1, 3: 3}),
        ("words", "one two two", "two three two", {0: 0, 1: 1, 2: 3}),
    ],
)
def test_shared_numbers(kind, old, new, expected):
    first, second = (fit_tokenizer(kind, [text], 100) for text in (old, new))
    assert shared_numbers(first, second) == expected


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_shares_all_of_itself(kind):
    tokenizer = fit_tokenizer(kind, ["one two <end> three ä\ufffd" * 5], 280)
    shared = shared_numbers(tokenizer, tokenizer)
    assert shared == {number: number for number in range(tokenizer.size)}


def test_tokenizers_of_different_kinds_share_the_end_alone():
    characters = fit_tokenizer("characters", ["ab"], 0)
    assert shared_numbers(characters, fit_tokenizer("words", ["a b"], 10)) == {0: 0}


WORDS_WITH_MARKS = ["हिन्दी", "বাংলা", "กำลัง", "مُحَمَّد", "Cafe\u0301", "می\u200cخواهم"]


@pytest.mark.parametrize("word", WORDS_WITH_MARKS)
def test_words_keep_their_marks(word):
    tokenizer = fit_tokenizer("words", [f"{word} {word}, {word}"], 100)
    assert set(tokenizer.words) == {word, f" {word}", ","}
    assert tokenizer.decode(tokenizer.encode(f"{word},")) == f"{word},"


def test_words_of_old_runs_are_cut_as_they_were():
    old = tokenizer_from_plain({"kind": "words", "words": ["cafe", "\u0301", " x"]})
    assert old.encode("cafe\u0301 x").tolist() == [2, 3, 4]
    again = tokenizer_from_plain(old.plain())
    assert again.encode("cafe\u0301 x").tolist() == [2, 3, 4]
    new = tokenizer_from_plain(fit_tokenizer("words", ["cafe\u0301"], 9).plain())
    assert new.encode("cafe\u0301").tolist() == [2]


def test_byte_pairs_of_long_text_without_blanks():
    draw = np.random.default_rng(0)
    text = "".join(draw.choice(list("ACGT"), 400_000))
    start = time.process_time()
    tokenizer = fit_tokenizer("bpe", [text], 400)
    ids = tokenizer.encode(text)
    assert time.process_time() - start < 60  # took minutes where pieces had no limit
    assert tokenizer.decode(ids) == text
    assert len(ids) < 200_000


def test_byte_pairs_of_usual_words_are_those_without_a_limit(monkeypatch):
    text = "the cat sat on the mat, the bat sat on the rat. " * 20
    limited = fit_tokenizer("bpe", [text], 300)
    monkeypatch.setattr(byte_pairs, "_LONGEST_WORD", 100_000)
    assert fit_tokenizer("bpe", [text], 300).encode(text).tolist() == limited.encode(text).tolist()


def test_a_prompt_takes_the_blank_that_words_are_known_with():
    tokenizer = fit_tokenizer("words", ["a dog and a cat"], 100)
    assert tokenizer.prompt("dog and cat") == " dog and cat"
    assert tokenizer.unknown_in(tokenizer.prompt("dog and cat")) == []
    assert tokenizer.prompt("bird") == "bird"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("我们今天去公园，然后回家。" * 9, 1),
        ("กำลังไปโรงเรียน" * 9, 1),
        ("We go home. " * 9, 0),
        ("", 0),
    ],
)
def test_scripts_without_blanks_are_warned_of(text, told):
    assert len(cautions(fit_tokenizer("words", [text], 50), [text])) == told
    assert cautions(fit_tokenizer("characters", [text], 50), [text]) == []


def test_bytes_of_files_that_are_not_text(tmp_path):
    raw = bytes(range(256)) * 3 + b"\x89PNG\r\n\xef\xbb\xbf"
    (tmp_path / "a.bin").write_bytes(raw)
    document = read_text([tmp_path / "a.bin"], errors=ANY_BYTES).documents[0]
    ids = fit_tokenizer("bytes", [document], 0).encode(document)
    assert bytes(i - 1 for i in ids.tolist()) == raw
