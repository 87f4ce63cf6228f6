"""Sampling text from a language model, one token after the other."""

from collections.abc import Iterator

import torch
from torch import Tensor

from engram.data.text.tokens import END, UNKNOWN_TEXT
from engram.errors import ConfigError, DataError
from engram.models.decoding import check_sampling, probabilities
from engram.models.evaluating import evaluating
from engram.tasks.task import Trained
from engram.training.device import device_of


def stream_sample(
    trained: Trained,
    prompt: str = "",
    *,
    length: int = 400,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Write on from a prompt, giving each piece of text as soon as it is there.

    A sample begins as a document does, and ends where the model ends the document.

    Args:
        trained: The model.
        prompt: Text to go on from; it is not given back.
        length: Most tokens to write.
        temperature: Scores are divided by it; under 1 the likely becomes likelier, and 0 always
            is greedy decoding.
        top_k: Sample among this number of most likely tokens only.
        top_p: Sample among the most likely tokens that together hold this probability (Holtzman et
            al. 2020, nucleus sampling).
        seed: The same seed gives the same text.

    Raises:
        ConfigError: For settings out of range.
        DataError: For a prompt with characters that the vocabulary lacks.
    """
    _check(length, temperature, top_k, top_p)
    tokenizer = trained.preprocess.tokenizer
    prompt = tokenizer.prompt(prompt)
    lacking = tokenizer.unknown_in(prompt)
    if lacking:
        shown = ", ".join(repr(c) for c in lacking[:8]) + (", …" if len(lacking) > 8 else "")
        raise DataError(
            f"the prompt contains {tokenizer.unit} that are not in the model's vocabulary: "
            f"{shown}; leave them out"
        )
    return _pieces(trained, prompt, length, temperature, top_k, top_p, seed)


def _pieces(
    trained: Trained,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> Iterator[str]:
    model, tokenizer = trained.model, trained.preprocess.tokenizer
    generator, device = torch.Generator().manual_seed(seed), device_of(model)
    ids = torch.tensor([END, *tokenizer.encode(prompt).tolist()], dtype=torch.int64)
    pending: list[int] = []  # tokens since a character last ended for certain
    given = 0  # characters of theirs that were given already
    with evaluating(model):  # also where nobody reads to the end
        with torch.inference_mode():
            scores, state = model(ids.unsqueeze(1).to(device))
        for position in range(length):
            last = scores[-1, 0].to("cpu", copy=True)
            if tokenizer.unknown is not None:
                last[tokenizer.unknown] = -torch.inf
            if position == 0 and not prompt:
                last[END] = -torch.inf  # an empty document says nothing about the model
            token = _draw(last, temperature, top_k, top_p, generator)
            if token == END:
                break
            pending.append(token)
            text = tokenizer.decode(pending)
            certain = text.removesuffix(UNKNOWN_TEXT)  # it may be the beginning of a character
            if certain[given:]:
                yield certain[given:]
            given = len(certain)
            if certain == text:
                pending, given = [], 0
            with torch.inference_mode():
                scores, state = model(torch.tensor([[token]], device=device), state)
    if pending:
        yield tokenizer.decode(pending)[given:]


def _draw(
    scores: Tensor,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator,
) -> int:
    """Draw a token from scores ``(V,)``."""
    if temperature == 0.0:
        return int(scores.argmax())
    shares = probabilities(scores.unsqueeze(0), temperature=temperature, top_k=top_k, top_p=top_p)
    return int(torch.multinomial(shares[0], 1, generator=generator))


def _check(length: int, temperature: float, top_k: int | None, top_p: float | None) -> None:
    faults = [] if length >= 1 else [f"length is {length}; it must be a whole number of at least 1"]
    faults += check_sampling(temperature, top_k, top_p)
    if faults:
        raise ConfigError("; ".join(faults))
