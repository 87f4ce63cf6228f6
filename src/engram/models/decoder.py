"""Decoder: generates a sequence of tokens from an initial state, attending to a memory."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn

from engram.layers import AdditiveAttention, MultiplicativeAttention
from engram.layers.attention.memory import Memory
from engram.layers.shard import drawn_by_row, is_sharded
from engram.models.recurrent import recurrent
from engram.models.settings import DecoderSettings


@dataclass(frozen=True)
class Carried:
    """What a decoder carries from one token to the next, for a batch of rows.

    Attributes:
        state: States of the recurrent layers, ``(L, B, H)`` each.
        memory: The memory that attention reads; None without attention.
        fed: With input feeding, the attentional output of the last step, ``(B, H)``; else None.
    """

    state: tuple[Tensor, ...]
    memory: Memory | None
    fed: Tensor | None = None

    def rows(self, index: Tensor, *, same_memory: bool = False) -> Self:
        """Select rows, in the given order.

        Args:
            index: ``(R,)`` int64.
            same_memory: Each new row keeps the memory of the row at its position.
        """
        memory = self.memory
        if memory is not None and not same_memory:
            outside = None if memory.outside is None else memory.outside[index]
            memory = Memory(memory.keys[index], memory.values[index], outside)
        state = tuple(each[:, index] for each in self.state)
        return replace(
            self, state=state, memory=memory, fed=None if self.fed is None else self.fed[index]
        )


class Decoder(nn.Module):
    """Generate tokens: embedding, recurrent layers, attention over a memory, head.

    Attention after the step (Luong, Pham, Manning 2015, "Effective approaches to attention-based
    neural machine translation", equations (5) and (6)), for output tokens y, memory M::

        h_t = cell(E y_{t−1}, h_{t−1})      c_t = attention(h_t, M)
        h̃_t = tanh(W [h_t; c_t])           p(y_t) = softmax(V h̃_t + b)

    c_t does not enter the recurrence, so all steps of a known target run as one call of the
    layers. With input feeding (their section 3.3) h̃_{t−1} is concatenated to E y_{t−1}. Attention
    before the step (Bahdanau, Cho, Bengio 2015, "Neural machine translation by jointly learning to
    align and translate", appendix A.2.2) queries with the previous state, and feeds in the result::

        c_t = attention(h_{t−1}, M)         h_t = cell([E y_{t−1}; c_t], h_{t−1})

    with the same output as above instead of the paper's maxout layer. Both run step by step.

    The initial state is computed from the features f: the emitted state is tanh(W f + b), and the
    state c of a cell with h and c is W f + b; other states start at zero.

    Args:
        vocabulary: V.
        settings: Sizes and kinds.
        features: F, width of the features for the initial state.
        memory: M, width of the memory.

    Raises:
        ConfigError: For conflicting settings.
    """

    def __init__(
        self, vocabulary: int, settings: DecoderSettings, *, features: int, memory: int
    ) -> None:
        super().__init__()
        settings.require_consistent()
        hidden, width = settings.hidden, settings.embedding or settings.hidden
        self.before = settings.attend == "before"
        self.feeding = settings.input_feeding
        self.by_steps = self.before or self.feeding
        self.embedding = nn.Embedding(vocabulary, width)
        read = width + (memory if self.before else hidden if self.feeding else 0)
        # the initial state is computed, not learnt
        self.layers = recurrent(settings.model_copy(update={"learn_initial_state": False}), read)
        states = self.layers.cell.states
        made = states if set(states) <= {"h", "c"} else states[:1]
        count = settings.layers * hidden
        self.start = nn.ModuleDict({name: nn.Linear(features, count) for name in made})
        self.attention = _attention(settings, memory)
        self.seen = None if self.attention is None else nn.Linear(hidden + memory, hidden)
        self.head = nn.Linear(hidden, vocabulary)

    def begin(
        self, features: Tensor, values: Tensor | None = None, lengths: Tensor | None = None
    ) -> Carried:
        """Compute what the first step starts from.

        Args:
            features: ``(B, F)``, features for the initial state.
            values: ``(T, B, M)``, the memory; not needed without attention.
            lengths: Valid steps of each row of the values, ``(B,)``, or None for all.
        """
        layers, batch = self.layers, len(features)
        shape = (batch, layers.num_layers, layers.hidden_size)
        state = []
        for place, name in enumerate(layers.cell.states):
            if name not in self.start:
                state.append(features.new_zeros(shape[1], batch, shape[2]))
                continue
            made = self.start[name](features).view(shape).transpose(0, 1)
            state.append(torch.tanh(made) if place == 0 else made)
        memory = None
        if self.attention is not None:
            assert values is not None
            memory = self.attention.prepare(values, lengths)
        fed = features.new_zeros(batch, layers.hidden_size) if self.feeding else None
        return Carried(tuple(each.contiguous() for each in state), memory, fed)

    def forward(
        self, inputs: Tensor, carried: Carried, *, drawn: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        """Score the next token at each step of a known target (teacher forcing).

        Args:
            inputs: Tokens, ``(S, B)`` int64: END, then the target without its last token.
            carried: From `begin`.
            drawn: Probability of replacing a target token, except the first, by one drawn from the
                model's own predictions (scheduled sampling; Bengio et al. 2015, "Scheduled sampling
                for sequence prediction with recurrent neural networks"). No gradient flows through
                the choice.

        Returns:
            Scores before softmax, ``(S, B, V)``, and the attention weights, ``(S, B, T)``.
        """
        if not self.by_steps and drawn == 0.0:
            output, _ = self.layers(self.embedding(inputs), self._state_in(carried))
            output, weights = self._look(output, carried.memory)
            return self.head(output), weights
        scores: list[Tensor] = []
        looks: list[Tensor] = []
        for place, tokens in enumerate(inputs):
            if place > 0 and drawn > 0.0:
                own = _draw(torch.softmax(scores[-1].detach(), dim=1))
                chance = drawn_by_row(
                    tuple(tokens.shape), 0, partial(torch.rand, device=tokens.device)
                )
                tokens = torch.where(chance < drawn, own, tokens)
            score, carried, weight = self.step(tokens, carried)
            scores.append(score)
            if weight is not None:
                looks.append(weight)
        return torch.stack(scores), torch.stack(looks) if looks else None

    def step(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried, Tensor | None]:
        """Score the next token of each row.

        Args:
            tokens: ``(B,)`` int64.
            carried: From `begin`, or the previous step.

        Returns:
            Scores ``(B, V)``, the carried state, and the attention weights ``(B, T)``.
        """
        x, weights = self.embedding(tokens), None
        if self.attention is not None and self.before:
            seen, weights = self.attention(carried.state[0][-1], carried.memory)
            x = torch.cat([x, seen], dim=1)
        elif carried.fed is not None:
            x = torch.cat([x, carried.fed], dim=1)
        output, after = self.layers.step(x, self._state_in(carried))
        state = (after,) if isinstance(after, Tensor) else after
        if self.seen is not None and self.before:
            output = torch.tanh(self.seen(torch.cat([output, seen], dim=-1)))
        else:
            output, weights = self._look(output, carried.memory)
        fed = output if self.feeding else None
        return self.head(output), replace(carried, state=state, fed=fed), weights

    def _look(self, output: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor | None]:
        """Attend to the memory after the step, for one step ``(B, H)`` or several ``(S, B, H)``."""
        if self.attention is None or self.seen is None:
            return output, None
        found, weights = self.attention(output, memory)
        return torch.tanh(self.seen(torch.cat([output, found], dim=-1))), weights

    def _state_in(self, carried: Carried) -> Tensor | tuple[Tensor, ...]:
        return carried.state[0] if len(carried.state) == 1 else carried.state


def _draw(probabilities: Tensor) -> Tensor:
    """Draw a token for each row ``(B, V)``."""
    if not is_sharded():
        return torch.multinomial(probabilities, 1).squeeze(1)
    # as torch.multinomial draws one, with a number for each row of the whole batch
    noise = drawn_by_row(
        tuple(probabilities.shape), 0, lambda shape: probabilities.new_empty(shape).exponential_()
    )
    return (probabilities / noise).argmax(dim=1)


def _attention(
    settings: DecoderSettings, memory: int
) -> AdditiveAttention | MultiplicativeAttention | None:
    if settings.attention == "none":
        return None
    if settings.attention == "additive":
        return AdditiveAttention(settings.hidden, memory, settings.hidden)
    return MultiplicativeAttention(settings.hidden, memory, settings.attention)
