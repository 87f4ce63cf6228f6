"""Encoder and decoder: one sequence of tokens in, another out, of another length."""

from torch import Tensor, nn

from engram.models.decoder import Carried, Decoder
from engram.models.recurrent import recurrent
from engram.models.settings import EncoderDecoderSettings


class EncoderDecoder(nn.Module):
    """Tokens in, scores of other tokens out: an encoder, and a decoder that looks over its outputs.

    The encoder's layers run over the input in one or both directions; their last states make the
    state that the decoder starts from, and their outputs are the memory that it attends to (Cho et
    al. 2014; Sutskever, Vinyals, Le 2014; Bahdanau, Cho, Bengio 2015).

    Args:
        source: How many tokens there are in the input.
        target: How many in the output.
        settings: Sizes and kinds; encoder and decoder have the same.

    Raises:
        ConfigError: For settings that contradict each other.
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
        """Read the input.

        Args:
            sources: Tokens, ``(T, B)`` int64.
            lengths: Of each row, ``(B,)`` in 1…T.

        Returns:
            What the decoder starts from.
        """
        output, state = self.encoder(self.embedding(sources), lengths=lengths)
        emitted = state if isinstance(state, Tensor) else state[0]
        features = emitted.transpose(0, 1).flatten(1)  # (B, L·D·H)
        return self.decoder.begin(features, output, lengths)

    def step(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried, Tensor | None]:
        """Score what follows one token of each row; see `Decoder.step`."""
        return self.decoder.step(tokens, carried)

    def forward(
        self, sources: Tensor, lengths: Tensor, inputs: Tensor, *, drawn: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Score a known output; arguments as in `begin` and `Decoder.forward`."""
        scores, weights = self.decoder(inputs, self.begin(sources, lengths), drawn=drawn)
        return scores, weights
