"""Weight gradients: products and sums over all rows, once the reverse has run on some of them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from engram.engine.cpu.inputs import Inputs, Kept
from engram.engine.cpu.plan import Plan
from engram.engine.cpu.schedule import Schedule
from engram.engine.sequence import Weights


def weight_gradients(
    inputs: Inputs, plan: Plan, products: "WeightProducts", totals: Mapping[str, Tensor]
) -> Weights:
    """The gradients of all weights, from the products and from the kernel's sums over rows."""
    weights = inputs.weights
    sums = {name: value.sum(0) for name, value in totals.items()}
    recurrent_bias = sums["recurrent_bias_gradient" if plan.apart else "input_bias_gradient"]
    if not plan.apart:
        recurrent_bias = recurrent_bias.clone()  # whoever is given it may change it in place
    by_input, by_states = products.result()
    return Weights(
        input=by_input,
        recurrent=by_states,
        input_bias=None if weights.input_bias is None else sums["input_bias_gradient"],
        recurrent_bias=None if weights.recurrent_bias is None else recurrent_bias,
        units={name: sums[f"weight_gradient.{name}"] for name in plan.weights},
    )


class WeightProducts:
    """The gradients of the weight matrices: products over all rows, summed piece by piece."""

    def __init__(self, inputs: Inputs, kept: Kept, plan: Plan) -> None:
        self._inputs, self._kept, self._plan = inputs, kept, plan
        self._joined = not plan.apart and bool(plan.recurrent)
        self._sums: dict[str, Tensor] = {}
        self._indices: Tensor | None = None
        if inputs.schedule.places is not None:
            self._indices = _indices_before(inputs.schedule)

    def add(
        self, first: int, last: int, rows: slice, input_part: Tensor, recurrent_part: Tensor
    ) -> None:
        """Add a piece: gradients of the gates' two parts, ``(rows, G·H)`` each."""
        x = self._inputs.x[rows]
        if not self._plan.recurrent:
            self._add_product("input", input_part, x)
        elif self._joined:
            both = torch.cat([x, *self._states_before(first, rows)], dim=1)
            self._add_product("both", input_part, self._cleared(both, rows, x.shape[1]))
        else:
            self._add_product("input", input_part, x)
            states = self._states_before(first, rows)
            before = states[0] if len(states) == 1 else torch.cat(states, dim=1)
            self._add_product("recurrent", recurrent_part, self._cleared(before, rows, 0))

    def result(self) -> tuple[Tensor, Tensor]:
        """The gradients of input and recurrent weights."""
        sums = self._sums
        features = self._inputs.x.shape[1]
        if "both" in sums:
            by_input, by_states = sums["both"][:, :features], sums["both"][:, features:]
        else:
            by_input = sums["input"]
            by_states = sums.get("recurrent", by_input[:, :0])
        return by_input.contiguous(), by_states.contiguous()

    def _states_before(self, first: int, rows: slice) -> list[Tensor]:
        """The states that fed back into the rows of a piece, ``(rows, H)`` each."""
        inputs, schedule = self._inputs, self._inputs.schedule
        found = []
        for state in self._plan.recurrent:
            states, initial = self._kept.states[state], inputs.initial[state]
            if self._indices is not None:
                known = torch.cat([states, initial])
                found.append(known.index_select(0, self._indices[rows]))
                continue
            shift = schedule.batch if schedule.reverse else -schedule.batch
            if first > 0:
                found.append(states[rows.start + shift : rows.stop + shift])
            elif schedule.reverse:
                found.append(torch.cat([states[rows.start + shift : rows.stop], initial]))
            else:
                found.append(torch.cat([initial, states[: rows.stop + shift]]))
        return found

    def _cleared(self, rows_of: Tensor, rows: slice, start: int) -> Tensor:
        """Zero in the columns of states where a row's state was cleared."""
        keep = self._inputs.keep
        if keep is None:
            return rows_of
        cleared = rows_of if rows_of._base is None else rows_of.clone()
        cleared[:, start:].masked_fill_((keep[rows] == 0).unsqueeze(1), 0.0)
        return cleared

    def _add_product(self, name: str, gates: Tensor, rows: Tensor) -> None:
        if name in self._sums:
            self._sums[name].addmm_(gates.t(), rows)
        else:
            self._sums[name] = gates.t() @ rows


def _indices_before(schedule: Schedule) -> Tensor:
    """For each packed row, its row one step before; behind all packed rows stand initial states."""
    steps = torch.repeat_interleave(torch.arange(schedule.steps), schedule.count)
    begun = torch.tensor(schedule.done[:-1])
    rows = torch.arange(schedule.rows) - begun[steps]
    known = rows < schedule.count_before[steps]
    indices = torch.empty(schedule.rows, dtype=torch.int64)
    found = torch.where(known, schedule.before[steps] + rows, schedule.rows + rows)
    return indices.index_copy_(0, schedule.now[steps] + rows, found)
