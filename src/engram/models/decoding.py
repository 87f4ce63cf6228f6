"""Decoding: generate whole sequences from a model's next-token scores.

All functions work on a batch of rows at once, and on anything that steps: a function
``step(tokens (R,), carried) -> (scores (R, V), carried, weights (R, T) or None)``, such as that of
a decoder, and what it carries, whose ``rows`` selects rows. A sequence begins
after END, and ends with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from engram.errors import ConfigError

END = 0


class Rows(Protocol):
    """What is carried from step to step."""

    def rows(self, index: Tensor, *, same_memory: bool = False) -> Self:
        """Select rows, in the given order; memories keep their positions with ``same_memory``."""


class Step(Protocol):
    """One step of a model: next-token scores, carried state, attention weights."""

    def __call__(self, tokens: Tensor, carried: Any, /) -> tuple[Tensor, Any, Tensor | None]:
        """Run one step for all rows."""


@dataclass(frozen=True)
class Hypothesis:
    """One generated sequence.

    Attributes:
        tokens: The tokens, without END.
        log_probability: Log-probability of the tokens in nats, including END if it was generated.
        ended: Whether the sequence ended with END rather than being cut off.
        attention: Attention weights at each token, and at END if it was generated, ``(S, T)``; None
            without attention.
    """

    tokens: list[int]
    log_probability: float
    ended: bool
    attention: Tensor | None

    def score(self, length_penalty: float) -> float:
        """Log-probability over the length penalty of Wu et al. 2016.

        "Google's neural machine translation system", equation (14), without the coverage term:
        ln p(Y) / ((5 + |Y|) / 6)^α; END counts if it was generated.
        """
        length = len(self.tokens) + self.ended
        return self.log_probability / ((5 + length) / 6) ** length_penalty


def probabilities(
    scores: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """Sampling probabilities of the next token, ``(R, V)`` float64 for scores ``(R, V)``.

    Args:
        scores: Before softmax.
        temperature: Scores are divided by it; above 0.
        top_k: Sample only from the k most likely tokens.
        top_p: Sample only from the most likely tokens with this total probability (nucleus
            sampling; Holtzman et al. 2020, "The curious case of neural text degeneration").
    """
    # at any temperature, the largest is 0
    scores = (scores.double() - scores.amax(1, keepdim=True)) / temperature
    if top_k is not None and top_k < scores.shape[1]:
        least = scores.topk(top_k, dim=1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    shares = torch.softmax(scores, dim=1)
    if top_p is not None and top_p < 1.0:
        ranked, order = shares.sort(dim=1, descending=True)
        # kept: tokens with less than top_p on all better ones, so always the most likely one
        dropped = torch.zeros_like(shares, dtype=torch.bool)
        dropped.scatter_(1, order, ranked.cumsum(1) - ranked >= top_p)
        shares = shares.masked_fill(dropped, 0.0)
    return shares


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> list[str]:
    """List settings that are out of range, one sentence each."""
    faults = []
    if not 0.0 <= temperature < float("inf"):
        faults.append(f"temperature is {temperature}; it takes a number from 0")
    if top_k is not None and top_k < 1:
        faults.append(f"top_k is {top_k}; it takes a whole number from 1")
    if top_p is not None and not 0.0 < top_p <= 1.0:
        faults.append(f"top_p is {top_p}; it takes a number above 0 and at most 1")
    return faults


def greedy(
    step: Step,
    carried: Rows,
    longest: Sequence[int],
    *,
    banned: Sequence[int] = (),
    device: torch.device | str = "cpu",
) -> list[Hypothesis]:
    """Greedy decoding: generate the most likely token at each step.

    Args:
        step: Step function of the model.
        carried: What its first step starts from, for R rows.
        longest: Maximum number of tokens of each row, R of them.
        banned: Tokens that are never generated.
        device: Of the step function's model.
    """
    return sample(step, carried, longest, temperature=0.0, banned=banned, device=device)


@torch.inference_mode()
def sample(
    step: Step,
    carried: Rows,
    longest: Sequence[int],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    banned: Sequence[int] = (),
    device: torch.device | str = "cpu",
) -> list[Hypothesis]:
    """Sample one token after the other.

    Args:
        step, carried, longest, banned, device: As in `greedy`.
        temperature, top_k, top_p: As in `probabilities`; temperature 0 is `greedy`.
        seed: The same seed gives the same draws for the same rows, on any device.

    Raises:
        ConfigError: For settings out of range.
    """
    faults = check_sampling(temperature, top_k, top_p)
    if faults:
        raise ConfigError("; ".join(faults))
    generator = torch.Generator().manual_seed(seed)
    limits = torch.tensor(list(longest), device=device)
    tokens = torch.full((len(limits),), END, device=device)
    closed = limits <= 0
    total = torch.zeros(len(limits), dtype=torch.float64, device=device)
    written: list[Tensor] = []
    looks: list[Tensor] = []
    while not bool(closed.all()):
        scores, carried, weights = step(tokens, carried)
        scores = without(scores, banned)
        if temperature == 0.0:
            tokens = scores.argmax(dim=1)
        else:
            shares = probabilities(scores, temperature=temperature, top_k=top_k, top_p=top_p)
            drawn = torch.multinomial(shares.cpu(), 1, generator=generator)
            tokens = drawn.squeeze(1).to(device)
        gained = torch.log_softmax(scores.double(), dim=1)
        gained = gained.gather(1, tokens.unsqueeze(1)).squeeze(1)
        total += gained.masked_fill(closed, 0.0)
        tokens = tokens.masked_fill(closed, END)
        written.append(tokens)
        if weights is not None:
            looks.append(weights)
        closed = closed | (tokens == END) | (limits <= len(written))
    rows = torch.stack(written, dim=1) if written else torch.zeros(len(limits), 0)
    seen = torch.stack(looks, dim=1) if looks else None
    return [
        _hypothesis(rows[row], float(total[row]), limit, None if seen is None else seen[row])
        for row, limit in enumerate(longest)
    ]


@torch.inference_mode()
def beam_search(
    step: Step,
    carried: Rows,
    longest: Sequence[int],
    *,
    width: int,
    length_penalty: float = 0.0,
    banned: Sequence[int] = (),
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """Beam search over all rows in parallel.

    Each step keeps the best continuations of the open hypotheses; one that has ended keeps its
    place in the beam, and the search ends when all have ended or reached the maximum length (as in
    Sutskever, Vinyals, Le 2014, where the beam shrinks by one for each that ends). All open
    hypotheses have the same length, so the length penalty only ranks the results. A width of 1 is
    `greedy`; one as large as the number of all sequences finds the best of them.

    Args:
        step, carried, longest, banned, device: As in `greedy`.
        width: K, beam width, hypotheses per row.
        length_penalty: α, see `Hypothesis.score`.

    Returns:
        Hypotheses of each row, best first, those that ended before those that were cut off; fewer
        than K if no more exist.

    Raises:
        ConfigError: For a width below 1.
    """
    if width < 1:
        raise ConfigError(f"width is {width}; it takes a whole number from 1")
    limits = torch.tensor(list(longest), device=device)
    batch = len(limits)
    first = torch.arange(batch, device=device) * width
    carried = carried.rows(torch.arange(batch, device=device).repeat_interleave(width))
    tokens = torch.full((batch, width), END, device=device)
    totals = torch.full((batch, width), -torch.inf, dtype=torch.float64, device=device)
    totals[:, 0] = 0.0  # all hypotheses are the same at first
    closed = (limits <= 0).unsqueeze(1).expand(batch, width)
    written: list[Tensor] = []
    origins: list[Tensor] = []
    looks: list[Tensor] = []
    while not bool(closed.all()):
        scores, carried, weights = step(tokens.flatten(), carried)
        logs = torch.log_softmax(without(scores, banned).double(), dim=1)
        size = logs.shape[1]
        reached = totals.unsqueeze(2) + logs.view(batch, width, size)
        # a closed hypothesis continues with END at no cost, and keeps its place
        reached = reached.masked_fill(closed.unsqueeze(2), -torch.inf)
        reached[..., END] = torch.where(closed, totals, reached[..., END])
        kept = closed & totals.isfinite()
        rank = reached.clone()
        rank[..., END] = rank[..., END].masked_fill(kept, torch.inf)
        chosen = rank.flatten(1).topk(width, dim=1).indices
        origin, tokens = chosen // size, chosen % size
        totals = reached.flatten(1).gather(1, chosen)
        over = (limits <= len(written) + 1).unsqueeze(1)
        closed = closed.gather(1, origin) | (tokens == END) | over | totals.isinf()
        carried = carried.rows((first.unsqueeze(1) + origin).flatten(), same_memory=True)
        written.append(tokens)
        origins.append(origin)
        if weights is not None:
            looks.append(weights.view(batch, width, -1))
    return _ranked(written, origins, looks, totals, longest, length_penalty)


def without(scores: Tensor, banned: Sequence[int]) -> Tensor:
    """Scores ``(R, V)`` with banned tokens ruled out."""
    if not banned:
        return scores
    scores = scores.clone()
    for token in banned:
        scores[:, token] = -torch.inf
    return scores


def _ranked(
    written: list[Tensor],
    origins: list[Tensor],
    looks: list[Tensor],
    totals: Tensor,
    longest: Sequence[int],
    length_penalty: float,
) -> list[list[Hypothesis]]:
    """Trace each hypothesis back to the start, and rank them."""
    batch, width = totals.shape
    place = torch.arange(width, device=totals.device).expand(batch, width)
    tokens: list[Tensor] = []
    seen: list[Tensor] = []
    for step in reversed(range(len(written))):
        tokens.insert(0, written[step].gather(1, place))
        place = origins[step].gather(1, place)
        if looks:
            index = place.unsqueeze(2).expand(-1, -1, looks[step].shape[2])
            seen.insert(0, looks[step].gather(1, index))
    rows = torch.stack(tokens, dim=2) if tokens else torch.zeros(batch, width, 0)
    attention = torch.stack(seen, dim=2) if seen else None
    found = []
    for row, limit in enumerate(longest):
        hypotheses = [
            _hypothesis(
                rows[row, k],
                float(totals[row, k]),
                limit,
                None if attention is None else attention[row, k],
            )
            for k in range(width)
            if bool(totals[row, k].isfinite())
        ]
        found.append(
            sorted(hypotheses, key=lambda h: (h.ended, h.score(length_penalty)), reverse=True)
        )
    return found


def _hypothesis(tokens: Tensor, total: float, longest: int, attention: Tensor | None) -> Hypothesis:
    """Truncate a row of tokens ``(S,)`` at END or at the maximum length."""
    ids = tokens[: max(0, longest)].tolist()
    ended = END in ids
    kept = ids[: ids.index(END)] if ended else ids
    steps = len(kept) + ended
    return Hypothesis(kept, total, ended, None if attention is None else attention[:steps])
