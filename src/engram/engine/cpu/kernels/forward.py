"""Forward: a kernel that runs a cell's step over a sequence, and keeps what it is asked to keep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir

from engram.engine.compiled.plan import Plan
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.nodes import emit_nodes
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.codegen.tile import Factor, Tile
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.cpu.kernels.rows import Row, emit_rows
from engram.engine.cpu.kernels.tile_products import Product


@dataclass(frozen=True)
class ForwardKind:
    """Which of its kernels a cell runs on.

    Attributes:
        resets: Whether rows may be marked to lose their state.
        keeping: Whether the values that the reverse starts from are written.
        from_input: Whether the kernel makes the products with the input itself; it does for many
            rows, and finds them made for few.
        plain: Whether weights are read as they are, and not packed: for single steps, where packing
            would take longer than the step. The panels are then the matrices themselves.
        streaming: Whether what is kept goes past the caches: where it is more than they hold, to
            fetch what is written over costs more than to read it from memory later. H must be whole
            vectors then.
        recording: Whether values that only a recording shows are written too.
        matrix: Whether products run on a matrix unit.
    """

    resets: bool
    keeping: bool
    from_input: bool
    plain: bool = False
    streaming: bool = False
    recording: bool = False
    matrix: bool = False


def forward_arguments(plan: Plan) -> list[str]:
    """The arguments of the forward kernel after the common ones.

    ``gates``: ``(N, G·H)`` over packed rows: what the input brings to each gate, unless the kernel
    makes these products from ``input`` ``(N, I)``; where values are kept, they are written here,
    extras behind the gates; from one row to the next it is ``gates_stride`` numbers.
    ``input_panel`` and ``recurrent_panel``: packed weights; where the gates need only the sum of
    both parts, and the kernel makes both products, the first holds both. ``input_bias`` and
    ``recurrent_bias``: ``(G·H,)``. For each state, ``initial.<s>`` ``(B, H)``, ``state.<s>``
    ``(N, H)``, and ``stride.<s>``: 1, or 0 to write each step over the one before.
    ``weight.<w>`` ``(H,)``; ``mask.<m>`` ``(N, H)``; ``row.<i>`` ``(N,)``. For a cell that looks at
    all units of a row, ``sums`` ``(B, 2·G·H)`` takes what input and recurrent matrix bring in a
    step, and ``aside`` values of one row, ``(parts, nodes, H)``. ``input_split`` and
    ``recurrent_split``: room for what the panels are multiplied with, on a matrix unit. Of a kernel
    with plain weights, ``output`` ``(B, H)`` also takes the emitted state, and ``turned`` tells
    to begin with the last units.
    """
    return [
        "gates",
        "gates_stride",
        *(f"mask.{name}" for name in plan.masks),
        # what a stream gives anew at each step stands together
        "output",
        "input",
        "input_panel",
        "recurrent_panel",
        "input_bias",
        "recurrent_bias",
        *(f"weight.{name}" for name in plan.weights),
        *(f"{word}.{state}" for word in ("initial", "state", "stride") for state in plan.states),
        *(f"row.{index}" for index in range(plan.rows)),
        "sums",
        "aside",
        "input_split",
        "recurrent_split",
        "turned",
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
        self.kept = (plan.kept if kind.recording else plan.stored) if kind.keeping else {}
        self.inputs = {
            node.name: index
            for index, node in enumerate(plan.graph.nodes)
            if node.op == "input" and not node.name.startswith("d.")
        }

    def emit(self) -> None:
        frame, code, words = self.frame, self.code, self.words
        self._declare_products()
        share = frame.threads.share(frame.products.groups(self.tile, self.hidden))
        with (
            frame.without_subnormals(),
            frame.matrix_unit(self.tile.matrix),
            code.loop(words["first"], words["last"]) as loop,
        ):
            self.step = frame.steps.at(loop.index)
            products = list(self.products.values())
            for product in products if self.tile.matrix else ():
                frame.products.split(self.step, product)
            done = code.sum(loop.index, frame.builder.neg(words["first"]))
            if self.plan.looks_at_rows:
                if products:
                    frame.products.each_tile(self.step, share, products, self._collect)
                frame.threads.wait_for_all(code.product(2, done))
                self._emit_rows()
            else:
                turned = words["turned"] if self.kind.plain else None
                frame.products.each_tile(self.step, share, products, self._use, turned)
            twice = self.plan.looks_at_rows
            if self.plan.recurrent or twice:  # else no unit sees what another thread makes
                more = frame.builder.icmp_signed("<", code.sum(loop.index, 1), words["last"])
                with frame.builder.if_then(more):
                    frame.threads.wait_for_all(
                        code.sum(code.product(2, done), 1) if twice else done
                    )
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
                self.frame.steps.state_before(state, row, self.step)
                for state in self.plan.recurrent
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

        def declare(name: str, side: str, *factors: Callable[[ir.Value], list[Factor]]) -> None:
            self.products[name] = self.frame.products.declare(
                self.tile,
                None if self.kind.plain else f"{side}_panel",
                lambda row: [factor for part in factors for factor in part(row)],
                f"{side}_split",
            )

        recurrent, made_here = bool(self.plan.recurrent), self.kind.from_input
        if made_here and recurrent and self.plan.joined and not self.kind.resets:
            declare("both", "input", from_input, from_states)
            return
        if made_here:
            declare("x", "input", from_input)
        if recurrent:
            declare("r", "recurrent", from_states)

    def _gate_line(self, row: ir.Value, gate: int) -> ir.Value:
        """Where the numbers of a gate, or of an extra, begin for a row of this step."""
        code = self.code
        line = code.product(code.sum(self.step.now, row), self.words["gates_stride"])
        place = code.product(self.hidden, gate)
        return code.pointer_at(self.frame.address("gates"), line, place)

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
        """Put what a tile brings to the gates where the numbers of a whole row come together."""
        code = self.code

        def each(inside: ir.Value, unit: ir.Value, mask: ir.Value) -> None:
            biases = self._biases(unit, mask)
            with code.loop(0, size) as loop:
                row = code.sum(start, loop.index)
                keeps = self.frame.steps.keeps(self.step, row)
                values = self._gate_values(row, loop.index, inside, unit, mask, biases, keeps)
                for name in self._collected:
                    code.store(values[name], code.pointer_at(self._part(name, row), unit), mask)

        self.frame.products.each_vector(self.tile, self.hidden, group, each)

    @property
    def _collected(self) -> list[str]:
        """The inputs of the graph that products bring: together, if that is how they come."""
        kinds = [kind for kind in "xr" if kind in self.products]
        return [
            f"{kind}.{gate}"
            for kind in (kinds if "both" not in self.products else "xr")
            for gate in self.plan.gates
        ]

    def _part(self, name: str, row: ir.Value) -> ir.Value:
        """Where what a row's input or recurrent part brings to a gate lies until it is used."""
        code, plan = self.code, self.plan
        kind, gate = name[0], plan.gates.index(name[2:])
        if kind == "x" and not self.kind.from_input:
            return self._gate_line(row, gate)
        line = code.sum(code.product(row, 2 * len(plan.gates)), gate)
        line = code.sum(line, len(plan.gates) if kind == "r" else 0)
        return code.pointer_at(self.frame.address("sums"), code.product(line, self.hidden))

    def _emit_rows(self) -> None:
        """The step of rows whose products are there."""
        code, plan = self.code, self.plan
        kept = self.kept
        there = set() if self.kind.from_input else {self.inputs[f"x.{g}"] for g in plan.gates}
        by_unit = [i for i, p in kept.items() if p.kind in ("gate", "extra") and i not in there]
        by_row = [index for index, place in kept.items() if place.kind == "row"]

        def row(row: ir.Value) -> Row:
            return self._row(row, by_unit)

        rows = self.frame.threads.share_rows(self.step)
        vectors = code.number(0), self.code.vectors(self.hidden)
        known = list(self.inputs.values())
        emit_rows(
            self.frame, plan.graph, [*plan.after, *by_unit], by_row, known, rows, vectors, row
        )

    def _row(self, row: ir.Value, by_unit: Sequence[int]) -> Row:
        """What belongs to a row."""
        code, frame, plan = self.code, self.frame, self.plan
        keeps = frame.steps.keeps(self.step, row)
        before = {state: frame.steps.state_before(state, row, self.step) for state in plan.states}
        there = self._collected

        def load(unit: ir.Value, mask: ir.Value) -> dict[int, ir.Value]:
            values = {}
            for name in plan.weights:
                address = code.pointer_at(frame.address(f"weight.{name}"), unit)
                values[f"w.{name}"] = code.load(address, mask)
            values |= self._masks(row, unit, mask)
            for gate, name in enumerate(plan.gates):
                x = self._part(f"x.{name}", row)
                values[f"x.{name}"] = code.load(code.pointer_at(x, unit), mask)
                block = code.product(self.hidden, gate)
                r = code.pointer_at(frame.address("recurrent_bias"), block)
                if f"r.{name}" in there:
                    r = self._part(f"r.{name}", row)
                values[f"r.{name}"] = code.load(code.pointer_at(r, unit), mask)
            for state in plan.states:
                value = code.load(code.pointer_at(before[state], unit), mask)
                values[f"s.{state}"] = frame.steps.masked_by_reset(value, keeps)
            return {self.inputs[name]: value for name, value in values.items()}

        def write(unit: ir.Value, mask: ir.Value, results: list[ir.Value]) -> None:
            self._write(row, unit, mask, results, by_unit)

        def finish(numbers: dict[int, ir.Value]) -> None:
            packed = code.sum(self.step.now, row)
            for index, value in numbers.items():
                place = self.kept[index]
                address = code.pointer_at(frame.address(f"row.{place.index}"), packed)
                frame.builder.store(value, address)

        return Row({}, load, write, finish)

    def _use(self, group: ir.Value, start: ir.Value, size: ir.Value) -> None:
        def each(inside: ir.Value, unit: ir.Value, mask: ir.Value) -> None:
            self._emit_units(start, size, inside, unit, mask)

        self.frame.products.each_vector(self.tile, self.hidden, group, each)

    def _emit_units(
        self, start: ir.Value, size: ir.Value, inside: ir.Value, unit: ir.Value, mask: ir.Value
    ) -> None:
        """The pointwise part of a step, for one vector of units and the rows of a tile."""
        code, frame, plan = self.code, self.frame, self.plan
        biases = self._biases(unit, mask)
        weights = {
            f"w.{name}": code.load(code.pointer_at(frame.address(f"weight.{name}"), unit), mask)
            for name in plan.weights
        }
        with code.loop(0, size) as loop:
            row = code.sum(start, loop.index)
            keeps = frame.steps.keeps(self.step, row)
            values = weights | self._gate_values(row, loop.index, inside, unit, mask, biases, keeps)
            values |= self._masks(row, unit, mask)
            for state in plan.states:
                line = code.pointer_at(frame.steps.state_before(state, row, self.step), unit)
                values[f"s.{state}"] = frame.steps.masked_by_reset(code.load(line, mask), keeps)
            self._emit_step(row, unit, mask, values)

    def _biases(self, unit: ir.Value, mask: ir.Value) -> dict[str, list[ir.Value]]:
        """What the biases bring to each gate, from the input and the recurrent side."""
        code = self.code
        return {
            kind: [
                code.load(
                    code.pointer_at(
                        self.frame.address(f"{word}_bias"), code.product(self.hidden, gate), unit
                    ),
                    mask,
                )
                for gate in range(len(self.plan.gates))
            ]
            for kind, word in (("x", "input"), ("r", "recurrent"))
        }

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
                return self.frame.products.sums_of(
                    self.products[product], inside, gate, row_of_tile
                )

            if "both" in self.products:
                x = b.fadd(sums("both"), x)
            elif "x" in self.products:
                x = b.fadd(sums("x"), x)
            else:
                x = code.load(code.pointer_at(self._gate_line(row, gate), unit), mask)
            if "r" in self.products:
                r = b.fadd(self.frame.steps.masked_by_reset(sums("r"), keeps), r)
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
        kept = list(self.kept)
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
        if self.kind.plain:
            line = code.product(row, self.hidden)
            output = code.pointer_at(self.frame.address("output"), line, unit)
            code.store(results[0], output, mask)
        for index, value in zip(kept, results[len(plan.states) :], strict=False):
            place = self.kept[index]
            if place.kind in ("gate", "extra"):
                line = self._gate_line(row, plan.block(place))
                self._keep(value, code.pointer_at(line, unit), mask)

    def _keep(self, value: ir.Value, address: ir.Value, mask: ir.Value) -> None:
        if self.kind.streaming:
            self.code.stream(value, address)
        else:
            self.code.store(value, address, mask)
