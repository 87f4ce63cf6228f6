"""Forward: a kernel that runs a cell's step over a sequence, and keeps what it is asked to keep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from engram.engine.cpu.frame import Frame, Product
from engram.engine.cpu.maths import Format
from engram.engine.cpu.nodes import emit_nodes
from engram.engine.cpu.plan import Plan
from engram.engine.cpu.rows import emit_row
from engram.engine.cpu.target import Target
from engram.engine.cpu.tile import Factor, Tile


@dataclass(frozen=True)
class ForwardKind:
    """Which of its kernels a cell runs on.

    Attributes:
        resets: Whether rows may be marked to lose their state.
        keeping: Whether the values that the plan keeps are written.
        from_input: Whether the kernel makes the products with the input itself; it does for many
            rows, and finds them made for few.
        plain: Whether weights are read as they are, and not packed: for single steps, where packing
            would take longer than the step. The panels are then the matrices themselves.
        streaming: Whether what is kept goes past the caches: where it is more than they hold, to
            fetch what is written over costs more than to read it from memory later. H must be whole
            vectors then.
    """

    resets: bool
    keeping: bool
    from_input: bool
    plain: bool = False
    streaming: bool = False


def forward_arguments(plan: Plan) -> list[str]:
    """The arguments of the forward kernel besides the common ones.

    ``gates``: ``(N, G·H)`` over packed rows: what the input brings to each gate, unless the kernel
    makes these products from ``input`` ``(N, I)``; where values are kept, they are written here.
    ``input_panel`` and ``recurrent_panel``: packed weights; where the gates need only the sum of
    both parts, and the kernel makes both products, the first holds both. ``input_bias`` and
    ``recurrent_bias``: ``(G·H,)``. For each state, ``initial.<s>`` ``(B, H)``, ``state.<s>``
    ``(N, H)``, and ``stride.<s>``: 1, or 0 to write each step over the one before.
    ``weight.<w>`` ``(H,)``; ``mask.<m>`` ``(N, H)``; ``extra.<i>`` ``(N, H)`` and ``row.<i>``
    ``(N,)``. For a cell that looks at all units of a row, ``sums`` ``(B, G·H)`` takes the recurrent
    products of a step, and ``aside`` values of one row, ``(parts, nodes, H)``.
    """
    return [
        "gates",
        "input",
        "input_panel",
        "recurrent_panel",
        "input_bias",
        "recurrent_bias",
        *(f"weight.{name}" for name in plan.weights),
        *(f"mask.{name}" for name in plan.masks),
        *(f"{word}.{state}" for state in plan.states for word in ("initial", "state", "stride")),
        *(f"extra.{index}" for index in range(plan.extras)),
        *(f"row.{index}" for index in range(plan.rows)),
        "sums",
        "aside",
    ]


def emit_forward(
    module: ir.Module,
    plan: Plan,
    format: Format,
    target: Target,
    tile: Tile,
    kind: ForwardKind,
) -> None:
    """Write the kernel ``forward``.

    Args:
        module: Where it goes.
        plan: What it computes.
        format: Of the numbers.
        target: For which machine.
        tile: Of its products; the blocks are the gates.
        kind: What it does.
    """
    frame = Frame(module, "forward", forward_arguments(plan), format, target, kind.resets)
    _Forward(frame, plan, tile, kind).emit()
    frame.finish()


class _Forward:
    """The forward kernel while it is being written."""

    def __init__(self, frame: Frame, plan: Plan, tile: Tile, kind: ForwardKind) -> None:
        self.frame, self.plan, self.tile, self.kind = frame, plan, tile, kind
        self.code, self.words = frame.code, frame.words
        self.hidden = frame.words["hidden"]
        self.products: dict[str, Product] = {}

    def emit(self) -> None:
        frame, code, words = self.frame, self.code, self.words
        self._declare_products()
        share = frame.share(frame.groups(self.tile, self.hidden))
        with frame.without_subnormals(), code.loop(words["first"], words["last"]) as loop:
            self.step = frame.step(loop.index)
            products = list(self.products.values())
            if self.plan.looks_at_rows:
                if products:
                    frame.each_tile(self.step, share, products, self._collect)
                with code.loop(frame.low, self.step.high) as row:
                    self._emit_row(row.index)
            else:
                frame.each_tile(self.step, share, products, self._use)
            if self.plan.recurrent:  # else no unit sees what another thread makes
                more = frame.builder.icmp_signed("<", code.sum(loop.index, 1), words["last"])
                with frame.builder.if_then(more):
                    frame.wait_for_all(code.sum(loop.index, frame.builder.neg(words["first"])))
        if self.kind.streaming:
            frame.finish_streams()

    def _declare_products(self) -> None:
        """One product for both parts of the gates where they need only the sum, else one each."""

        def from_input(row: ir.Value) -> list[Factor]:
            features = self.words["features"]
            place = self.code.product(self.code.sum(self.step.now, row), features)
            start = self.code.pointer_at(self.frame.address("input"), place)
            return [Factor([start], features, self.frame.address("input_panel"), features)]

        def from_states(row: ir.Value) -> list[Factor]:
            states = [
                self.frame.state_before(state, row, self.step) for state in self.plan.recurrent
            ]
            plain = self.frame.address("recurrent_panel")
            stride = self.code.product(self.hidden, len(states)) if states else None
            return [
                Factor(
                    [state],
                    self.hidden,
                    self.code.pointer_at(plain, self.code.product(self.hidden, place)),
                    stride,
                )
                for place, state in enumerate(states)
            ]

        def declare(name: str, panel: str, *factors: Callable[[ir.Value], list[Factor]]) -> None:
            self.products[name] = self.frame.product(
                self.tile,
                None if self.kind.plain else panel,
                lambda row: [factor for part in factors for factor in part(row)],
            )

        recurrent, made_here = bool(self.plan.recurrent), self.kind.from_input
        if made_here and recurrent and self.plan.joined and not self.kind.resets:
            declare("both", "input_panel", from_input, from_states)
            return
        if made_here:
            declare("x", "input_panel", from_input)
        if recurrent:
            declare("r", "recurrent_panel", from_states)

    def _gate_line(self, row: ir.Value, gate: int) -> ir.Value:
        """Where the numbers of a gate begin for a row of this step."""
        code = self.code
        line = code.product(code.sum(self.step.now, row), len(self.plan.gates))
        place = code.product(code.sum(line, gate), self.hidden)
        return code.pointer_at(self.frame.address("gates"), place)

    def _line(self, word: str, row: ir.Value) -> ir.Value:
        """Where the numbers of a row of this step begin in a buffer ``(N, H)``."""
        place = self.code.product(self.code.sum(self.step.now, row), self.hidden)
        return self.code.pointer_at(self.frame.address(word), place)

    def _masks(self, row: ir.Value, unit: ir.Value, mask: ir.Value) -> dict[str, ir.Value]:
        """The cell's masks, by the names of their inputs."""
        return {
            f"m.{name}": self.code.load(
                self.code.pointer_at(self._line(f"mask.{name}", row), unit), mask
            )
            for name in self.plan.masks
        }

    def _state_line(self, state: str, row: ir.Value) -> ir.Value:
        """Where a state of this step is written."""
        code = self.code
        shift = code.product(self.step.now, self.words[f"stride.{state}"])
        place = code.product(code.sum(shift, row), self.hidden)
        return code.pointer_at(self.frame.address(f"state.{state}"), place)

    def _collect(self, group: ir.Value, start: ir.Value, size: ir.Value) -> None:
        """Put the sums of a tile where those of the whole row come together."""
        code, (product,) = self.code, self.products.values()

        def each(inside: ir.Value, unit: ir.Value, mask: ir.Value) -> None:
            with code.loop(0, size) as loop:
                for gate in range(len(self.plan.gates)):
                    sums = self.frame.sums_of(product, inside, gate, loop.index)
                    line = self._sums_line(code.sum(start, loop.index), gate)
                    code.store(sums, code.pointer_at(line, unit), mask)

        self.frame.each_vector(self.tile, self.hidden, group, each)

    def _sums_line(self, row: ir.Value, gate: int) -> ir.Value:
        place = self.code.sum(self.code.product(row, len(self.plan.gates)), gate)
        return self.code.pointer_at(
            self.frame.address("sums"), self.code.product(place, self.hidden)
        )

    def _emit_row(self, row: ir.Value) -> None:
        """The step of one row, whose products are there."""
        code, frame, plan, b = self.code, self.frame, self.plan, self.frame.builder
        keeps = frame.keeps(self.step, row) if frame.resets else None
        inputs = {
            node.name: index
            for index, node in enumerate(plan.graph.nodes)
            if node.op == "input" and not node.name.startswith("d.")
        }
        kept = plan.kept if self.kind.keeping else {}
        by_unit = [index for index, place in kept.items() if place.kind in ("gate", "extra")]
        by_row = {index: place for index, place in kept.items() if place.kind == "row"}

        def load(unit: ir.Value, mask: ir.Value) -> dict[int, ir.Value]:
            values = {}
            for name in plan.weights:
                address = code.pointer_at(frame.address(f"weight.{name}"), unit)
                values[f"w.{name}"] = code.load(address, mask)
            values |= self._masks(row, unit, mask)
            for gate, name in enumerate(plan.gates):
                block = code.product(self.hidden, gate)
                line = code.pointer_at(self._gate_line(row, gate), unit)
                values[f"x.{name}"] = code.load(line, mask)
                bias = code.pointer_at(frame.address("recurrent_bias"), block, unit)
                values[f"r.{name}"] = code.load(bias, mask)
                if self.products:
                    sums = code.load(code.pointer_at(self._sums_line(row, gate), unit), mask)
                    sums = frame.masked_by_reset(sums, keeps)
                    values[f"r.{name}"] = b.fadd(sums, values[f"r.{name}"])
            for state in plan.states:
                line = code.pointer_at(frame.state_before(state, row, self.step), unit)
                values[f"s.{state}"] = frame.masked_by_reset(code.load(line, mask), keeps)
            return {inputs[name]: value for name, value in values.items() if name in inputs}

        def write(unit: ir.Value, mask: ir.Value, results: list[ir.Value]) -> None:
            self._write(row, unit, mask, results, by_unit)

        vectors = code.number(0), frame.vectors(self.hidden)
        roots = [*plan.after, *by_unit, *by_row]
        given = list(inputs.values())
        found = emit_row(frame, plan.graph, roots, vectors, {}, given, load, write)
        for (_, place), value in zip(
            by_row.items(), emit_nodes(code.maths, plan.graph, found, by_row), strict=True
        ):
            packed = code.sum(self.step.now, row)
            address = code.pointer_at(frame.address(f"row.{place.index}"), packed)
            b.store(code.first(value), address)

    def _use(self, group: ir.Value, start: ir.Value, size: ir.Value) -> None:
        def each(inside: ir.Value, unit: ir.Value, mask: ir.Value) -> None:
            self._emit_units(start, size, inside, unit, mask)

        self.frame.each_vector(self.tile, self.hidden, group, each)

    def _emit_units(
        self, start: ir.Value, size: ir.Value, inside: ir.Value, unit: ir.Value, mask: ir.Value
    ) -> None:
        """The pointwise part of a step, for one vector of units and the rows of a tile."""
        code, frame, plan = self.code, self.frame, self.plan

        def of_units(word: str, *terms: ir.Value) -> ir.Value:
            return code.load(code.pointer_at(frame.address(word), unit, *terms), mask)

        places = [code.product(self.hidden, gate) for gate in range(len(plan.gates))]
        biases = {
            kind: [of_units(f"{word}_bias", place) for place in places]
            for kind, word in (("x", "input"), ("r", "recurrent"))
        }
        weights = {f"w.{name}": of_units(f"weight.{name}") for name in plan.weights}
        with code.loop(0, size) as loop:
            row = code.sum(start, loop.index)
            keeps = frame.keeps(self.step, row) if frame.resets else None
            values = weights | self._gate_values(row, loop.index, inside, unit, mask, biases, keeps)
            values |= self._masks(row, unit, mask)
            for state in plan.states:
                line = code.pointer_at(frame.state_before(state, row, self.step), unit)
                values[f"s.{state}"] = frame.masked_by_reset(code.load(line, mask), keeps)
            self._emit_step(row, unit, mask, values)

    def _gate_values(
        self,
        row: ir.Value,
        row_of_tile: ir.Value,
        inside: ir.Value,
        unit: ir.Value,
        mask: ir.Value,
        biases: dict[str, list[ir.Value]],
        keeps: ir.Value | None,
    ) -> dict[str, ir.Value]:
        """What input and recurrent matrix bring to each gate, by name."""
        code, b = self.code, self.frame.builder
        values: dict[str, ir.Value] = {}
        for gate, name in enumerate(self.plan.gates):
            x, r = biases["x"][gate], biases["r"][gate]

            def sums(product: str, gate: int = gate) -> ir.Value:
                return self.frame.sums_of(self.products[product], inside, gate, row_of_tile)

            if "both" in self.products:
                x = b.fadd(sums("both"), x)
            elif "x" in self.products:
                x = b.fadd(sums("x"), x)
            else:
                x = code.load(code.pointer_at(self._gate_line(row, gate), unit), mask)
            if "r" in self.products:
                r = b.fadd(self.frame.masked_by_reset(sums("r"), keeps), r)
            values |= {f"x.{name}": x, f"r.{name}": r}
        return values

    def _emit_step(
        self, row: ir.Value, unit: ir.Value, mask: ir.Value, values: dict[str, ir.Value]
    ) -> None:
        """Compute the step from its inputs, and write what is wanted of it."""
        code, plan = self.code, self.plan
        known = {
            index: values[node.name]
            for index, node in enumerate(plan.graph.nodes)
            if node.op == "input" and node.name in values
        }
        kept = list(plan.kept if self.kind.keeping else {})
        results = emit_nodes(code.maths, plan.graph, known, [*plan.after, *kept])
        self._write(row, unit, mask, results, kept)

    def _write(
        self,
        row: ir.Value,
        unit: ir.Value,
        mask: ir.Value,
        results: list[ir.Value],
        kept: Sequence[int],
    ) -> None:
        """Write the states after the step, which come first, and what is kept."""
        code, plan = self.code, self.plan
        for state, value in zip(plan.states, results, strict=False):
            code.store(value, code.pointer_at(self._state_line(state, row), unit), mask)
        for index, value in zip(kept, results[len(plan.states) :], strict=False):
            place = plan.kept[index]
            if place.kind == "gate":
                self._keep(value, code.pointer_at(self._gate_line(row, place.index), unit), mask)
            elif place.kind == "extra":
                line = self._line(f"extra.{place.index}", row)
                self._keep(value, code.pointer_at(line, unit), mask)

    def _keep(self, value: ir.Value, address: ir.Value, mask: ir.Value) -> None:
        if self.kind.streaming:
            self.code.stream(value, address)
        else:
            self.code.store(value, address, mask)
