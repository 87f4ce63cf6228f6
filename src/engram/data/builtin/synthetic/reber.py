"""The embedded Reber grammar: remember the second symbol until the last but one."""

import torch
from torch import Tensor

SYMBOLS = "BTPSXVE"
# Where a Reber string can go on after its B, state by state (Cleeremans, Servan-Schreiber,
# McClelland 1989, after Reber 1967): a symbol, and the state that it leads to.
_REBER = (
    (("T", 1), ("P", 2)),
    (("S", 1), ("X", 3)),
    (("T", 2), ("V", 4)),
    (("X", 2), ("S", 5)),
    (("P", 3), ("V", 5)),
    (("E", 6),),
)


def _embedded() -> list[tuple[tuple[str, int], ...]]:
    """The states of the embedded grammar; the last is the end, which nothing leaves."""
    size = len(_REBER) + 2  # of a branch: before its B, the states of `_REBER`, after its E
    upper, lower, last = 2, 2 + size, 2 + 2 * size
    states = [(("B", 1),), (("T", upper), ("P", lower))]
    for start, mark in ((upper, "T"), (lower, "P")):
        states.append((("B", start + 1),))
        states += [tuple((s, start + 1 + to) for s, to in arcs) for arcs in _REBER]
        states.append(((mark, last),))
    return [*states, (("E", last + 1),), ()]


_STATES = _embedded()
_END = len(_STATES) - 1
# By state and by which of two ways is taken; where there is one, both are it.
_READ = torch.tensor([[SYMBOLS.index(arcs[i][0]) for i in (0, -1)] for arcs in _STATES[:-1]])
_NEXT = torch.tensor([[arcs[i][1] for i in (0, -1)] for arcs in _STATES[:-1]] + [[_END, _END]])
_LEGAL = torch.tensor([[any(s == symbol for s, _ in a) for symbol in SYMBOLS] for a in _STATES])


def embedded_reber(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw strings of the embedded Reber grammar (Hochreiter and Schmidhuber 1997, experiment 1).

    B, then T or P, then a string of Reber's grammar, from B to E, then the same T or P, then E.
    Where the grammar has two ways, each is taken with probability 1/2. The shortest strings have 9
    symbols. Each next symbol is to be predicted: of the two that may come mostly, both.

    Args:
        count: B.
        generator: Source of everything random.

    Returns:
        Symbols ``(T, B)`` int64, places in `SYMBOLS`, zero past a string's end; lengths ``(B,)``;
        and which symbols may come after each but the last, ``(T - 1, B, 7)`` bool.
    """
    state = torch.zeros(count, dtype=torch.int64)
    lengths = torch.zeros(count, dtype=torch.int64)
    symbols, legal = [], []
    while bool((state != _END).any()):
        going = state != _END
        way = torch.randint(2, (count,), generator=generator)
        symbols.append(torch.where(going, _READ[state.clamp(max=_END - 1), way], 0))
        state = _NEXT[state, way]
        legal.append(_LEGAL[state])
        lengths += going
    return torch.stack(symbols), lengths, torch.stack(legal[:-1])


def successors_found(scores: Tensor, legal: Tensor) -> Tensor:
    """Where every symbol that may come has a higher score than every one that may not.

    This is the paper's criterion; a string counts as right where all its steps are.

    Args:
        scores: ``(T - 1, B, 7)``.
        legal: The same shape, bool; a step after which nothing may come, past a string's end, is
            found whatever its scores.

    Returns:
        ``(T - 1, B)`` bool.
    """
    lowest = scores.masked_fill(~legal, torch.inf).amin(dim=2)
    highest = scores.masked_fill(legal, -torch.inf).amax(dim=2)
    return lowest > highest
