"""A plain torch script of a character model: what Engram's trainer is measured against.

Nothing of Engram is used here. ``BareModel`` and ``bare_update`` are what somebody would write by
hand for char-rnn's job: embedding, nn.LSTM, linear head; cross-entropy, clip, optimiser step.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor] | None


class BareModel(nn.Module):
    def __init__(self, vocabulary: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.lstm = nn.LSTM(hidden, hidden, layers, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = self.lstm(self.embedding(inputs), state)
        return self.head(self.dropout(output)), state


def bare_update(
    model: BareModel,
    optimizer: torch.optim.Optimizer,
    inputs: Tensor,
    targets: Tensor,
    state: State,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> tuple[float, State]:
    """One update on a chunk ``(T, B)``; gives the loss and the state to carry."""
    scores, state = model(inputs, state)
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if clip_value is not None:
        nn.utils.clip_grad_value_(model.parameters(), clip_value)
    optimizer.step()
    assert state is not None
    return loss.item(), (state[0].detach(), state[1].detach())


def chunks(stream: Tensor, lanes: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Consecutive chunks ``(T, B)`` of all lanes, with what follows each step."""
    length = (len(stream) - 1) // lanes
    rows = torch.stack([stream[i * length : i * length + length + 1] for i in range(lanes)], dim=1)
    for start in range(0, length - steps + 1, steps):
        yield rows[start : start + steps], rows[start + 1 : start + steps + 1]


@torch.inference_mode()
def bare_loss(model: BareModel, stream: Tensor, steps: int = 1000) -> float:
    """Mean loss over a stream, read once from its beginning to its end."""
    model.eval()
    state: State = None
    total = 0.0
    for start in range(0, len(stream) - 1, steps):
        inputs, targets = stream[start : start + steps], stream[start + 1 : start + steps + 1]
        scores, state = model(inputs[: len(targets)].unsqueeze(1), state)
        total += nn.functional.cross_entropy(scores[:, 0], targets, reduction="sum").item()
    model.train()
    return total / (len(stream) - 1)


def train_bare(
    train: Tensor,
    valid: Tensor,
    vocabulary: int,
    *,
    dropout: float,
    cosine: bool,
    epochs: int = 50,
    seed: int = 0,
) -> tuple[float, int]:
    """Train with char-rnn's settings; gives the best validation loss and its epoch.

    LSTM 2 × 128, RMSProp 2e-3 (0.95), 50 steps, 50 lanes, clip ±5; the rate falls by 0.97 an epoch
    after the 10th, or along a half cosine over all updates.
    """
    torch.manual_seed(seed)
    model = BareModel(vocabulary, 128, 2, dropout)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, alpha=0.95, foreach=True)
    per_epoch = ((len(train) - 1) // 50) // 50
    best, best_epoch, update = math.inf, 0, 0
    for epoch in range(1, epochs + 1):
        state: State = None
        for inputs, targets in chunks(train, 50, 50):
            share = update / (epochs * per_epoch)
            factor = 0.5 * (1 + math.cos(math.pi * share)) if cosine else 0.97 ** max(0, epoch - 10)
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * factor
            _, state = bare_update(model, optimizer, inputs, targets, state, clip_value=5.0)
            update += 1
        loss = bare_loss(model, valid)
        if loss < best:
            best, best_epoch = loss, epoch
        print(f"  bare epoch {epoch}: {loss:.4f} (best {best:.4f})", flush=True)
    return best, best_epoch
