"""Token streams: documents as one array of tokens, in a file where it is large."""

import hashlib
from collections.abc import Iterable

import numpy as np

from engram.data.arrays.spool import STRETCH, Spool, let_go, stretches
from engram.data.text.pieces import Pieces
from engram.data.text.tokens import END, Ids, Tokenizer


def token_stream(
    tokenizer: Tokenizer, pieces: Pieces, start: int = 0, stop: int | None = None
) -> Ids:
    """END before, between and after documents, as `Tokenizer.encode_documents`, ``(N,)`` int32.

    Args:
        tokenizer: Of the text.
        pieces: The documents.
        start, stop: Which characters; all by default. A part that begins within a document has no
            END before it, and one that ends there none after; nothing at all is no token.
    """
    stop = pieces.characters if stop is None else stop
    stream = Spool(np.int32)
    end = np.array([END], dtype=np.int32)
    for piece, begins in pieces.part(start, stop):
        if begins:
            stream.extend(end)
        stream.extend(tokenizer.encode(piece))
    if start < stop and pieces.at_bound(stop):
        stream.extend(end)
    return stream.finish()


def characters_of(tokenizer: Tokenizer, ids: Ids) -> int:
    """How many characters the tokens of a stream are decoded to, stretch by stretch."""
    count = start = 0
    while start < len(ids):
        stop = min(start + STRETCH, len(ids))
        # a token that begins with a sign of ASCII goes on with no sign that began before it
        while stop < len(ids) and not tokenizer.decode([int(ids[stop])])[:1].isascii():
            stop += 1
        count += len(tokenizer.decode([int(i) for i in ids[start:stop] if i != END]))
        start = stop
    return count


def digest_of(streams: Iterable[Ids]) -> str:
    """Tells whether the same streams were made again."""
    digest = hashlib.blake2b(digest_size=16)
    for stream in streams:
        for part in stretches(len(stream)):
            digest.update(np.ascontiguousarray(stream[part]).data)
            let_go(stream)
        digest.update(b"|")
    return digest.hexdigest()
