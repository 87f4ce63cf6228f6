"""Backward: a kernel that runs the reverse of a cell's step over a sequence, from its last step."""

from collections.abc import Callable

from llvmlite import ir

from engram.engine.compiled.plan import Plan
from engram.engine.cpu.codegen.maths import Format
from engram.engine.cpu.codegen.target import Target
from engram.engine.cpu.codegen.tile import Factor, Tile
from engram.engine.cpu.kernels.frame import Frame
from engram.engine.cpu.kernels.rows import Row, emit_rows
from engram.engine.cpu.kernels.steps import Step


def backward_arguments(plan: Plan) -> list[str]:
    """The arguments of the backward kernel after the common ones.

    ``gates``, ``initial.<s>``, ``state.<s>``, ``stride.<s>``, ``weight.<w>``, ``mask.<m>``,
    ``gates_stride`` and ``row.<i>`` as the forward kernel left them; ``aside`` as there.
    ``output_gradient``:
    ``(N, H)``. ``carry.<s>``: ``(B, H)``, the gradient of each final state, which becomes that of
    the initial state. Written:
    ``input_gradient`` and ``recurrent_gradient`` ``(N, G·H)``, of the gates' two parts (one buffer
    where the two are the same); ``x_gradient`` ``(N, I)``, where the kernel makes this product;
    and, to which is added, ``weight_gradients`` ``(parts, weights, H)``, of weights by unit.
    ``input_panel`` and ``recurrent_panel``: the transposed weights, packed. ``input_split`` and
    ``recurrent_split``: room for the gradients of gates on a matrix unit. ``to_initial``: whether
    the product with the first step's gradient is wanted.
    """
    return [
        "gates",
        "gates_stride",
        "input_panel",
        "recurrent_panel",
        "input_split",
        "recurrent_split",
        *(f"{word}.{state}" for state in plan.states for word in ("initial", "state", "stride")),
        *(f"weight.{name}" for name in plan.weights),
        *(f"mask.{name}" for name in plan.masks),
        *(f"row.{index}" for index in range(plan.rows)),
        "aside",
        "output_gradient",
        *(f"carry.{state}" for state in plan.states),
        "input_gradient",
        "recurrent_gradient",
        "x_gradient",
        "weight_gradients",
        "to_initial",
    ]


def emit_backward(
    module: ir.Module,
    plan: Plan,
    format: Format,
    target: Target,
    tiles: tuple[Tile, Tile],
    *,
    resets: bool,
    to_input: bool,
) -> None:
    """Write the kernel ``backward``.

    Args:
        module: Where it goes.
        plan: What it computes.
        format: Of the numbers.
        target: For which machine.
        tiles: Of the product with the transposed input weights (one block), and of that with the
            transposed recurrent weights, whose blocks are the states that feed back.
        resets: Whether rows may be marked to lose their state.
        to_input: Whether the kernel makes the product for the input's gradient.
    """
    frame = Frame(module, "backward", backward_arguments(plan), format, target, resets)
    _Backward(frame, plan, *tiles, to_input).emit()
    frame.finish()


class _Backward:
    """The backward kernel while it is being written."""

    step: Step

    def __init__(
        self, frame: Frame, plan: Plan, input_tile: Tile, feedback_tile: Tile, to_input: bool
    ) -> None:
        self.frame, self.plan, self.to_input = frame, plan, to_input
        self.code, self.words = frame.code, frame.words
        self.hidden = frame.words["hidden"]
        side = "recurrent" if plan.apart else "input"
        self.to_features = frame.products.declare(
            input_tile, "input_panel", self._factor("input"), "input_split"
        )
        self.feedback = frame.products.declare(
            feedback_tile, "recurrent_panel", self._factor(side), f"{side}_split"
        )

    def emit(self) -> None:
        frame, code, b, words = self.frame, self.code, self.frame.builder, self.words
        tile = self.feedback.tile
        groups = frame.threads.share(frame.products.groups(tile, self.hidden))
        features = frame.threads.share(
            frame.products.groups(self.to_features.tile, words["features"])
        )
        first = code.product(groups[0], tile.units)
        last = code.smaller(code.product(groups[1], tile.units), code.vectors(self.hidden))
        rounds = code.sum(words["last"], b.neg(words["first"]))
        with (
            frame.without_subnormals(),
            frame.matrix_unit(tile.matrix),
            code.loop(0, rounds) as loop,
        ):
            index = code.sum(words["last"], -1, b.neg(loop.index))
            self.step = frame.steps.at(index)
            twice = self.plan.looks_at_rows
            self._emit_rows((first, last))
            if self.plan.recurrent or self.to_input or twice:  # else each thread goes its own way
                frame.threads.wait_for_all(code.product(2, loop.index) if twice else loop.index)
            if tile.matrix:
                self._split()
            if self.plan.recurrent:
                wanted = b.or_(
                    b.icmp_signed(">", index, code.number(0)),
                    b.icmp_signed("!=", words["to_initial"], code.number(0)),
                )
                with b.if_then(wanted):
                    frame.products.each_tile(self.step, groups, [self.feedback], self._add_feedback)
            if self.to_input:
                frame.products.each_tile(
                    self.step, features, [self.to_features], self._write_x_gradient
                )
            if twice:
                frame.threads.wait_for_all(code.sum(code.product(2, loop.index), 1))

    def _split(self) -> None:
        """Split the gradients that are multiplied, each once."""
        wanted = [self.feedback] if self.plan.recurrent else []
        if self.to_input and (self.plan.apart or not wanted):
            wanted.append(self.to_features)
        for product in wanted:
            self.frame.products.split(self.step, product)

    def _factor(self, part: str) -> Callable[[ir.Value], list[Factor]]:
        """What a row brings to a product: the gradients of all gates' input or recurrent part."""

        def factors(row: ir.Value) -> list[Factor]:
            code = self.code
            blocks = code.product(self.hidden, len(self.plan.gates))
            place = code.product(code.sum(self.step.now, row), blocks)
            return [
                Factor([code.pointer_at(self.frame.address(f"{part}_gradient"), place)], blocks)
            ]

        return factors

    def _emit_rows(self, vectors: tuple[ir.Value, ir.Value]) -> None:
        """The pointwise part of the reverse, for all rows and some vectors of units."""
        frame, plan = self.frame, self.plan
        graph = plan.graph
        kinds = "w.", "m.", "s.", "d."
        known = [index for index, node in enumerate(graph.nodes) if node.name.startswith(kinds)]
        known += plan.stored
        wanted = list(graph.outputs.values())
        rows = frame.threads.low, self.step.high
        if plan.looks_at_rows:
            rows = frame.threads.share_rows(self.step)
            vectors = self.code.number(0), self.code.vectors(self.hidden)
        emit_rows(frame, graph, wanted, [], known, rows, vectors, self._row)

    def _row(self, row: ir.Value) -> Row:
        """What belongs to a row."""
        frame, code, plan = self.frame, self.code, self.plan
        packed = code.sum(self.step.now, row)
        line = code.product(packed, self.hidden)
        kept_line = code.product(packed, self.words["gates_stride"])
        gates_line = code.product(line, len(plan.gates))
        row_line = code.product(row, self.hidden)
        keeps = frame.steps.keeps(self.step, row)
        before = {state: frame.steps.state_before(state, row, self.step) for state in plan.states}
        graph = plan.graph

        def load(unit: ir.Value, mask: ir.Value) -> dict[int, ir.Value]:
            known: dict[int, ir.Value] = {}
            for index, place in plan.stored.items():
                if place.kind in ("gate", "extra"):
                    block = self._block(plan.block(place))
                    address = self._at("gates", kept_line, block, unit)
                elif place.kind == "state":
                    address = self._at(f"state.{plan.states[place.index]}", line, unit)
                else:
                    continue
                known[index] = code.load(address, mask)
            for index, node in enumerate(graph.nodes):
                kind, _, name = node.name.partition(".")
                if kind == "w" and index not in known:
                    known[index] = code.load(self._at(f"weight.{name}", unit), mask)
                elif kind == "m":
                    known[index] = code.load(self._at(f"mask.{name}", line, unit), mask)
                elif kind == "s" and index not in known:
                    value = code.load(code.pointer_at(before[name], unit), mask)
                    known[index] = frame.steps.masked_by_reset(value, keeps)
                elif kind == "d":
                    value = code.load(self._at(f"carry.{name}", row_line, unit), mask)
                    if name == plan.states[0]:
                        arrived = code.load(self._at("output_gradient", line, unit), mask)
                        value = frame.builder.fadd(value, arrived)
                    known[index] = value
            return known

        def write(unit: ir.Value, mask: ir.Value, values: list[ir.Value]) -> None:
            results = dict(zip(graph.outputs, values, strict=True))
            for gate, name in enumerate(plan.gates):
                parts = {"input": results[f"x.{name}"]}
                if plan.apart:
                    parts["recurrent"] = results[f"r.{name}"]
                for part, value in parts.items():
                    address = self._at(f"{part}_gradient", gates_line, self._block(gate), unit)
                    code.store(value, address, mask)
            for state in plan.states:
                value = frame.steps.masked_by_reset(results[f"s.{state}"], keeps)
                code.store(value, self._at(f"carry.{state}", row_line, unit), mask)
            for place, name in enumerate(plan.weights):
                self._add_to_weight(place, unit, results[f"w.{name}"], mask)

        numbers = {
            index: code.pointer_at(frame.address(f"row.{place.index}"), packed)
            for index, place in plan.stored.items()
            if place.kind == "row"
        }
        return Row(numbers, load, write)

    def _at(self, word: str, *terms: ir.Value) -> ir.Value:
        """The address of an argument plus the sum of ``terms``, in numbers."""
        return self.code.pointer_at(self.frame.address(word), *terms)

    def _block(self, gate: int) -> ir.Value:
        """Where a gate begins in a row of gates."""
        return self.code.product(self.hidden, gate)

    def _add_to_weight(self, place: int, unit: ir.Value, value: ir.Value, mask: ir.Value) -> None:
        """Add to a weight's sum over rows and steps, of which each part of the batch has one."""
        code, frame = self.code, self.frame
        line = code.sum(code.product(frame.threads.part, len(self.plan.weights)), place)
        address = self._at("weight_gradients", code.product(line, self.hidden), unit)
        code.store(frame.builder.fadd(code.load(address, mask), value), address, mask)

    def _add_feedback(self, group: ir.Value, start: ir.Value, size: ir.Value) -> None:
        """Add the product with the recurrent weights to what goes back to each state."""
        frame, code = self.frame, self.code

        def each(inside: ir.Value, unit: ir.Value, mask: ir.Value) -> None:
            with code.loop(0, size) as loop:
                row = code.sum(start, loop.index)
                keeps = frame.steps.keeps(self.step, row)
                for block, state in enumerate(self.plan.recurrent):
                    sums = frame.products.sums_of(self.feedback, inside, block, loop.index)
                    sums = frame.steps.masked_by_reset(sums, keeps)
                    place = code.product(row, self.hidden)
                    address = code.pointer_at(frame.address(f"carry.{state}"), place, unit)
                    total = frame.builder.fadd(code.load(address, mask), sums)
                    code.store(total, address, mask)

        frame.products.each_vector(self.feedback.tile, self.hidden, group, each)

    def _write_x_gradient(self, group: ir.Value, start: ir.Value, size: ir.Value) -> None:
        frame, code = self.frame, self.code
        features = self.words["features"]

        def each(inside: ir.Value, unit: ir.Value, mask: ir.Value) -> None:
            with code.loop(0, size) as loop:
                packed = code.sum(self.step.now, start, loop.index)
                sums = frame.products.sums_of(self.to_features, inside, 0, loop.index)
                place = code.product(packed, features)
                code.store(sums, code.pointer_at(frame.address("x_gradient"), place, unit), mask)

        frame.products.each_vector(self.to_features.tile, features, group, each)
