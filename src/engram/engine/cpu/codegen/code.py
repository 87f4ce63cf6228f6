"""Code: what every kernel is written with: loops, vectors in memory, arguments by name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from llvmlite import ir

from engram.engine.cpu.codegen.maths import Format, Maths
from engram.engine.cpu.codegen.target import Target

INDEX = ir.IntType(64)
POINTER = ir.PointerType()


@dataclass
class Loop:
    """A loop that is being written.

    Attributes:
        index: Of this round.
        values: What is carried: at the start of a round inside the loop, at the end after it.
        next: Set to the values that the next round starts with.
    """

    index: ir.Value
    values: list[ir.Value]
    next: list[ir.Value] = field(default_factory=list)


class Code:
    """Writes code for one format of numbers, in vectors of one machine.

    Args:
        builder: Where code goes.
        format: Of the numbers.
        target: For which machine.
    """

    def __init__(self, builder: ir.IRBuilder, format: Format, target: Target) -> None:
        self.builder = builder
        self.format = format
        self.target = target
        self.maths = Maths(builder, format, target)
        self.width = self.maths.width

    def number(self, value: int) -> ir.Constant:
        """A whole number."""
        return ir.Constant(INDEX, value)

    def sum(self, *terms: ir.Value | int) -> ir.Value:
        """Of whole numbers."""
        first, *rest = (self._index(term) for term in terms)
        for term in rest:
            first = self.builder.add(first, term, flags=("nsw",))
        return first

    def product(self, *factors: ir.Value | int) -> ir.Value:
        """Of whole numbers."""
        first, *rest = (self._index(factor) for factor in factors)
        for factor in rest:
            first = self.builder.mul(first, factor, flags=("nsw",))
        return first

    def smaller(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """Of two whole numbers."""
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def pointer_at(self, base: ir.Value, *terms: ir.Value | int) -> ir.Value:
        """The address after ``base`` by the sum of ``terms``, in numbers of the format."""
        offset = [self.sum(*terms)]
        return self.builder.gep(base, offset, source_etype=self.format.scalar)

    def word_at(self, base: ir.Value, place: ir.Value | int) -> ir.Value:
        """A whole number of a table."""
        address = self.builder.gep(base, [self._index(place)], source_etype=INDEX)
        return self.builder.load(address, typ=INDEX)

    def mask(self, count: ir.Value) -> ir.Value:
        """The first ``count`` places of a vector."""
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.width), list(range(self.width)))
        narrow = self.builder.trunc(self.smaller(count, self.number(self.width)), ir.IntType(32))
        return self.builder.icmp_signed("<", lanes, self.splat(narrow))

    def vectors(self, units: ir.Value) -> ir.Value:
        """The number of vectors that hold these units."""
        return self.builder.sdiv(self.sum(units, self.width - 1), self.number(self.width))

    def units_from(self, vector: ir.Value, units: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The first unit of a vector, and the mask of those that exist."""
        unit = self.product(vector, self.width)
        return unit, self.mask(self.sum(units, self.builder.neg(unit)))

    def room(self, kind: ir.Type) -> ir.Value:
        """Room on the stack, for as long as the function runs."""
        with self.builder.goto_entry_block():
            room = self.builder.alloca(kind)
        room.align = 64
        room.type = POINTER  # llvmlite gives a pointer of the old, typed kind
        return room

    def spread(self, address: ir.Value) -> ir.Value:
        """A vector with the number at the address in every place."""
        return self.splat(self.builder.load(address, typ=self.format.scalar))

    def load(self, address: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """The vector at an address; zero in places outside the mask, which are not touched."""
        if mask is None:
            return self.builder.load(address, typ=self.maths.type, align=self._align)
        word = ir.IntType(32)
        load = self._intrinsic(
            f"llvm.masked.load.{self._kind}.p0",
            ir.FunctionType(self.maths.type, [POINTER, word, mask.type, self.maths.type]),
        )
        align = ir.Constant(word, self._align)
        return self.builder.call(load, [address, align, mask, self.maths.number(0.0)])

    def store(self, value: ir.Value, address: ir.Value, mask: ir.Value | None = None) -> None:
        """Write a vector; places outside the mask are not touched."""
        if mask is None:
            self.builder.store(value, address, align=self._align)
            return
        word = ir.IntType(32)
        store = self._intrinsic(
            f"llvm.masked.store.{self._kind}.p0",
            ir.FunctionType(ir.VoidType(), [self.maths.type, POINTER, word, mask.type]),
        )
        self.builder.call(store, [value, address, ir.Constant(word, self._align), mask])

    def stream(self, value: ir.Value, address: ir.Value) -> None:
        """Write a whole vector to an address of its own alignment, past the caches."""
        store = self.builder.store(value, address, align=self.width * self._align)
        one = ir.Constant(ir.IntType(32), 1)
        store.set_metadata("nontemporal", self.builder.module.add_metadata([one]))

    def prefetch(self, address: ir.Value) -> None:
        """Ask for the memory at an address, which will be read and written soon."""
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [POINTER, word, word, word])
        prefetch = self._intrinsic("llvm.prefetch.p0", kind)
        self.builder.call(prefetch, [address, word(1), word(3), word(1)])

    def integers(self, base: ir.Value, place: ir.Value, bits: int) -> ir.Value:
        """A vector of a table of unsigned integers of ``bits`` bits, as 32 bits each."""
        kind, word = ir.IntType(bits), ir.IntType(32)
        address = self.builder.gep(base, [place], source_etype=kind)
        vector = self.builder.load(address, typ=ir.VectorType(kind, self.width), align=bits // 8)
        return vector if bits == 32 else self.builder.zext(vector, ir.VectorType(word, self.width))

    def integer(self, base: ir.Value, place: ir.Value, bits: int) -> ir.Value:
        """A whole number of a table of unsigned integers of ``bits`` bits."""
        kind = ir.IntType(bits)
        address = self.builder.gep(base, [place], source_etype=kind)
        return self.builder.zext(self.builder.load(address, typ=kind), INDEX)

    def gather(self, base: ir.Value, places: ir.Value) -> ir.Value:
        """The numbers at ``places`` after an address."""
        addresses, mask = self._addresses(base, places)
        word = ir.IntType(32)
        gather = self._intrinsic(
            f"llvm.masked.gather.{self._kind}.v{self.width}p0",
            ir.FunctionType(self.maths.type, [addresses.type, word, mask.type, self.maths.type]),
        )
        align = ir.Constant(word, self._align)
        return self.builder.call(gather, [addresses, align, mask, self.maths.number(0.0)])

    def scatter(self, value: ir.Value, base: ir.Value, places: ir.Value) -> None:
        """Write numbers at ``places`` after an address; of equal places, the last one counts."""
        addresses, mask = self._addresses(base, places)
        word = ir.IntType(32)
        scatter = self._intrinsic(
            f"llvm.masked.scatter.{self._kind}.v{self.width}p0",
            ir.FunctionType(ir.VoidType(), [value.type, addresses.type, word, mask.type]),
        )
        self.builder.call(scatter, [value, addresses, ir.Constant(word, self._align), mask])

    def _addresses(self, base: ir.Value, places: ir.Value) -> tuple[ir.Value, ir.Constant]:
        """One address for each place of a vector, and a mask with all of them."""
        addresses = self.builder.gep(base, [places], source_etype=self.format.scalar)
        addresses.type = ir.VectorType(POINTER, self.width)  # llvmlite gives the type of the base
        return addresses, ir.Constant(ir.VectorType(ir.IntType(1), self.width), [1] * self.width)

    def turned(
        self, lines: Sequence[ir.Value], lines_left: ir.Value, left: ir.Value
    ) -> list[ir.Value]:
        """As many numbers from each line as a vector has places, turned around; see `transposed`.

        Args:
            lines: Where the lines begin, as many as a vector has places.
            lines_left: How many of them exist; zeros stand for the others.
            left: How many numbers of a line exist.
        """
        rows = []
        for lane, line in enumerate(lines):
            exists = self.builder.icmp_signed("<", self.number(lane), lines_left)
            mask = self.mask(self.builder.select(exists, left, self.number(0)))
            rows.append(self.load(line, mask))
        return self.transposed(rows)

    def transposed(self, rows: Sequence[ir.Value]) -> list[ir.Value]:
        """As many vectors as a vector has places: place j of vector i goes to place i of j."""
        rows, word = list(rows), ir.VectorType(ir.IntType(32), self.width)
        shift = 1
        while shift < self.width:
            places = range(self.width)
            upper = [j if not j & shift else self.width + j - shift for j in places]
            lower = [j + shift if not j & shift else self.width + j for j in places]
            for i in places:
                if not i & shift:
                    pair = rows[i], rows[i + shift]
                    rows[i], rows[i + shift] = (
                        self.builder.shuffle_vector(*pair, ir.Constant(word, order))
                        for order in (upper, lower)
                    )
            shift *= 2
        return rows

    def total(self, vector: ir.Value) -> ir.Value:
        """The sum of a vector's numbers, in an order of the machine's choice."""
        scalar = self.format.scalar
        add = self._intrinsic(
            f"llvm.vector.reduce.fadd.{self._kind}",
            ir.FunctionType(scalar, [scalar, self.maths.type]),
        )
        zero = ir.Constant(scalar, 0.0)
        return self.builder.call(add, [zero, vector], fastmath=("reassoc",))

    def largest(self, vector: ir.Value) -> ir.Value:
        """The largest of a vector's numbers; NaN where one is."""
        kind = ir.FunctionType(self.format.scalar, [self.maths.type])
        name = f"llvm.vector.reduce.fmaximum.{self._kind}"
        return self.builder.call(self._intrinsic(name, kind), [vector])

    def first(self, vector: ir.Value) -> ir.Value:
        """A vector's first number."""
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    @contextmanager
    def loop(
        self,
        start: ir.Value | int,
        stop: ir.Value | int,
        step: ir.Value | int = 1,
        carried: Sequence[ir.Value] = (),
    ) -> Iterator[Loop]:
        """Write a loop: its body is what is emitted inside the ``with``."""
        b = self.builder
        before = b.block
        blocks = [b.function.append_basic_block(name) for name in ("head", "body", "after")]
        head, body, after = blocks
        b.branch(head)
        b.position_at_end(head)
        phis = [b.phi(INDEX), *(b.phi(value.type) for value in carried)]
        for phi, value in zip(phis, [self._index(start), *carried], strict=True):
            phi.add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", phis[0], self._index(stop)), body, after)
        b.position_at_end(body)
        loop = Loop(phis[0], phis[1:])
        yield loop
        following = [self.sum(phis[0], self._index(step)), *loop.next]
        for phi, value in zip(phis, following, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)

    @property
    def _align(self) -> int:
        return self.format.bits // 8

    @property
    def _kind(self) -> str:
        return f"v{self.width}f{self.format.bits}"

    def _index(self, value: ir.Value | int) -> ir.Value:
        return self.number(value) if isinstance(value, int) else value

    def splat(self, scalar: ir.Value) -> ir.Value:
        """A vector with the number in every place."""
        kind = ir.VectorType(scalar.type, self.width)
        undefined = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(one, undefined, order)

    def _intrinsic(self, name: str, kind: ir.FunctionType) -> ir.Function:
        module = self.builder.module
        known = module.globals.get(name)
        return known if known is not None else ir.Function(module, kind, name)
