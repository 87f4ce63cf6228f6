"""Pieces: the text of the whole, cut where every tokenizer cuts too."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.data.text import decoding, pieces
from engram.data.text.documents import read_text
from engram.data.text.pieces import Pieces
from engram.data.text.tokens import END, TOKENIZERS, fit_tokenizer
from engram.errors import DataError

ANY = hypothesis_settings(deadline=None, derandomize=True, max_examples=200)
_documents = st.lists(st.text("abc \n\u3000", max_size=20), min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 4)
    monkeypatch.setattr(pieces, "_LOOK", 3)


@ANY
@given(documents=_documents, points=st.lists(st.integers(0, 120), min_size=2, max_size=2))
def test_parts_are_those_characters(documents, points):
    whole = "".join(documents)
    made = Pieces.of(documents)
    assert list(made.documents()) == [document for document in documents if document]
    assert made.characters == len(whole)
    starts = {0}
    for document in documents:
        starts.add(max(starts) + len(document))
    edges = [0, *sorted(min(point, len(whole)) for point in points), len(whole)]
    for start, stop in pairwise(edges):
        part = list(made.part(start, stop))
        assert "".join(piece for piece, _ in part) == whole[start:stop]
        at = start
        for piece, begins in part:
            assert piece
            assert begins == (at in starts)
            at += len(piece)
        assert made.at_bound(start) == (start in starts)


@ANY
@given(document=st.text("ab. \n", max_size=40), parts=st.lists(st.integers(0, 40), max_size=5))
def test_documents_in_parts_are_cut_as_in_one(document, parts):
    cuts = [0, *sorted(min(part, len(document)) for part in parts), len(document)]
    made = Pieces.of([[document[a:b] for a, b in pairwise(cuts)]])
    assert list(made.documents()) == ([document] if document else [])
    for before, after in pairwise(list(made.texts)):
        assert not before[-1].isspace()
        assert after[0] in " \n\t"


def test_a_long_text_comes_in_pieces_of_like_length():
    made = Pieces.of(["one two three four five six seven eight"])
    assert max(len(piece) for piece in made.texts) <= 6
    assert len(Pieces.of(["withoutanyplacetocut" * 9]).texts) == 1


@pytest.mark.parametrize("kind", TOKENIZERS)
@ANY
@given(document=st.text("ab'se<end>é1. \n\t\u3000\x1c", max_size=40))
def test_tokens_of_pieces_are_those_of_the_whole(kind, document):
    tokenizer = fit_tokenizer(kind, [document, "ab a's b."], 300)
    found = [i for piece in Pieces.of([document]).texts for i in tokenizer.encode(piece).tolist()]
    assert found == tokenizer.encode(document).tolist()
    assert END not in found


@ANY
@given(
    raw=st.text("aé\r\n\u3000 ", max_size=30).map(str.encode) | st.binary(min_size=1, max_size=12),
    encoding=st.sampled_from(["utf-8", "utf-16", "gbk", "latin-1", "utf-7"]),
    errors=st.sampled_from(["strict", "replace", "ignore"]),
    chunk=st.integers(1, 5),
)
def test_files_read_in_chunks_are_read_as_a_whole(tmp_path_factory, raw, encoding, errors, chunk):
    """The same text, or the same fault with the same offset."""
    path = tmp_path_factory.getbasetemp() / "chunks"
    path.write_bytes(raw)

    def read():
        try:
            return read_text([path], encoding=encoding, errors=errors).documents
        except DataError as fault:
            return str(fault)

    whole = read()
    if "contains NUL" in str(whole):  # is looked for at the beginning, which is no chunk long here
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "CHUNK", chunk)
        assert read() == whole
