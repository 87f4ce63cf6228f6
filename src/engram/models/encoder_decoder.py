"""Encoder-decoder: map one sequence of tokens to another of a different length."""

from torch import Tensor, nn

from engram.models.decoder import Carried, Decoder
from engram.models.recurrent import recurrent
from engram.models.settings import EncoderDecoderSettings


class EncoderDecoder(nn.Module):
    """Sequence to sequence: an encoder, and a decoder that attends to the encoder's outputs.

    The encoder's layers run over the input in one or both directions; the decoder's initial state
    is computed from their final states, and their outputs are the memory that it attends to (Cho et
    al. 2014; Sutskever, Vinyals, Le 2014; Bahdanau, Cho, Bengio 2015).

    Args:
        source: Size of the input vocabulary.
        target: Size of the output vocabulary.
        settings: Sizes and kinds, the same for encoder and decoder.

    Raises:
        ConfigError: For conflicting settings.
    """

    def __init__(self, source: int, target: int, settings: EncoderDecoderSettings) -> None:
        super().__init__()
        settings.require_consistent()
        width = settings.embedding or settings.hidden
        self.embedding = nn.Embedding(source, width)
        self.encoder = recurrent(settings, width, bidirectional=settings.bidirectional)
        outputs = settings.hidden * (2 if settings.bidirectional else 1)
        self.decoder = Decoder(target, settings, features=settings.layers * outputs, memory=outputs)

    def begin(self, sources: Tensor, lengths: Tensor) -> Carried:
        """Encode the input.

        Args:
            sources: Tokens, ``(T, B)`` int64.
            lengths: Of each row, ``(B,)`` in 1…T.

        Returns:
            The decoder's initial state and memory.
        """
        output, state = self.encoder(self.embedding(sources), lengths=lengths)
        emitted = state if isinstance(state, Tensor) else state[0]
        features = emitted.transpose(0, 1).flatten(1)  # (B, L·D·H)
        return self.decoder.begin(features, output, lengths)

    def step(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried, Tensor | None]:
        """Score the next token of each row; see `Decoder.step`."""
        return self.decoder.step(tokens, carried)

    def forward(
        self, sources: Tensor, lengths: Tensor, inputs: Tensor, *, drawn: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Score a known output; arguments as in `begin` and `Decoder.forward`."""
        scores, weights = self.decoder(inputs, self.begin(sources, lengths), drawn=drawn)
        return scores, weights
