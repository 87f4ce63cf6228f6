"""exp, sigmoid and tanh as vector code: polynomials, no calls, no tables.

e^y - 1 is taken after y = n·ln 2 + r with |r| ≤ ½ ln 2, as 2ⁿ·p(r) + (2ⁿ - 1), where p(r) = r·q(r)
and q(r) = Σ rᵏ/(k+1)! as far as the format can tell. So it is right to the last bits near zero as
well, and tanh and sigmoid follow with one division each. The error is bounded in `ERRORS`.
"""

import math
from dataclasses import dataclass
from functools import cache

from llvmlite import ir

# Bounds on the error where the result is a normal number, in units in the last place; measured at
# most 1.2, 2.4 and 2.8 in both formats.
ERRORS = {"exp": 1.5, "sigmoid": 3.0, "tanh": 3.0}


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    Attributes:
        name: LLVM's name of it.
        bits: In all.
        fraction: Bits of the fraction.
        degree: Of the polynomial q.
        lowest: Under this, exp is 0 (no subnormal results).
        highest: Above this, exp is infinite.
    """

    name: str
    bits: int
    fraction: int
    degree: int
    lowest: float
    highest: float

    @property
    def scalar(self) -> ir.Type:
        """LLVM's type of one number."""
        return ir.FloatType() if self.bits == 32 else ir.DoubleType()

    @property
    def integer(self) -> ir.Type:
        """The integer of the same width."""
        return ir.IntType(self.bits)

    @property
    def bias(self) -> int:
        """What is added to an exponent when it is stored."""
        return (1 << (self.bits - self.fraction - 2)) - 1


FLOAT = Format("float", 32, 23, 6, -87.0, 88.37)
DOUBLE = Format("double", 64, 52, 13, -708.0, 709.43)


class Maths:
    """Operations on vectors of numbers of one format; each method emits code and gives a value.

    Args:
        builder: Where code goes.
        format: Of the numbers.
        width: How many numbers a vector holds.
    """

    def __init__(self, builder: ir.IRBuilder, format: Format, width: int) -> None:
        self.builder = builder
        self.format = format
        self.width = width
        self.type = ir.VectorType(format.scalar, width)
        self.whole = ir.VectorType(format.integer, width)

    def number(self, value: float) -> ir.Constant:
        """A vector that holds the same number in every place."""
        return ir.Constant(self.type, [ir.Constant(self.format.scalar, value)] * self.width)

    def _whole(self, value: int) -> ir.Constant:
        return ir.Constant(self.whole, [ir.Constant(self.format.integer, value)] * self.width)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a·b + c, rounded once."""
        return self._intrinsic("llvm.fma", a, b, c)

    def maximum(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The larger of a and b; NaN where one is."""
        return self._pick("ogt", a, b)

    def minimum(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The smaller of a and b; NaN where one is."""
        return self._pick("olt", a, b)

    def relu(self, a: ir.Value) -> ir.Value:
        """The larger of a and 0; NaN where a is."""
        below = self.builder.fcmp_ordered("<=", a, self.number(0.0))
        return self.builder.select(below, self.number(0.0), a)

    def positive(self, a: ir.Value) -> ir.Value:
        """1 where a > 0, else 0."""
        above = self.builder.fcmp_ordered(">", a, self.number(0.0))
        return self.builder.select(above, self.number(1.0), self.number(0.0))

    def at_least(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """1 where a > b, ½ where a = b, else 0."""
        above = self.builder.fcmp_ordered(">", a, b)
        equal = self.builder.fcmp_ordered("==", a, b)
        rest = self.builder.select(equal, self.number(0.5), self.number(0.0))
        return self.builder.select(above, self.number(1.0), rest)

    def exp(self, y: ir.Value) -> ir.Value:
        """e to the power of y; 0 under the format's lowest argument, infinite over its highest."""
        b, f = self.builder, self.format
        less_one, power = self._exp_less_one(y)
        result = b.fadd(less_one, power)
        low = b.fcmp_ordered("<", y, self.number(f.lowest))
        high = b.fcmp_ordered(">", y, self.number(f.highest))
        result = b.select(low, self.number(0.0), result)
        return b.select(high, self.number(math.inf), result)

    def sigmoid(self, x: ir.Value) -> ir.Value:
        """1 / (1 + e^-x)."""
        b, one = self.builder, self.number(1.0)
        less_one, power = self._exp_less_one(b.fneg(x))
        return b.fdiv(one, b.fadd(one, b.fadd(less_one, power)))

    def tanh(self, x: ir.Value) -> ir.Value:
        """-m / (2 + m) with m = e^(-2|x|) - 1, and the sign of x."""
        b = self.builder
        size = self._intrinsic("llvm.fabs", x)
        part, rest = self._exp_less_one(b.fmul(size, self.number(-2.0)))
        m = b.fadd(part, b.fsub(rest, self.number(1.0)))
        result = b.fdiv(b.fneg(m), b.fadd(self.number(2.0), m))
        return self._intrinsic("llvm.copysign", result, x)

    def _exp_less_one(self, y: ir.Value) -> tuple[ir.Value, ir.Value]:
        """2ⁿ·p(r) and 2ⁿ, whose sum is eʸ, for y within the format's range (clamped to it)."""
        b, f = self.builder, self.format
        clamped = self._pick(
            "olt", self._pick("ogt", y, self.number(f.lowest)), self.number(f.highest)
        )
        n = self._intrinsic("llvm.rint", b.fmul(clamped, self.number(1.0 / math.log(2.0))))
        high, low = _split_ln2(f.fraction)
        r = self.fma(n, self.number(-high), clamped)
        r = self.fma(n, self.number(-low), r)
        q = self.number(1.0 / math.factorial(f.degree + 1))
        for power in range(f.degree, 0, -1):
            q = self.fma(q, r, self.number(1.0 / math.factorial(power)))
        exponent = b.add(b.fptosi(n, self.whole), self._whole(f.bias))
        power = b.bitcast(b.shl(exponent, self._whole(f.fraction)), self.type)
        return b.fmul(b.fmul(r, q), power), power

    def _pick(self, order: str, a: ir.Value, b: ir.Value) -> ir.Value:
        """a where it is so ordered before b, or NaN; else b."""
        sign = {"ogt": ">", "olt": "<"}[order]
        chosen = self.builder.fcmp_ordered(sign, a, b)
        nan = self.builder.fcmp_unordered("uno", a, a)
        return self.builder.select(self.builder.or_(chosen, nan), a, b)

    def _intrinsic(self, name: str, *operands: ir.Value) -> ir.Value:
        module = self.builder.module
        kind = f"{name}.v{self.width}f{self.format.bits}"
        known = module.globals.get(kind)
        if known is None:
            signature = ir.FunctionType(self.type, [self.type] * len(operands))
            known = ir.Function(module, signature, kind)
        return self.builder.call(known, operands)


@cache
def _split_ln2(fraction: int) -> tuple[float, float]:
    """ln 2 as a number with few bits, so that n times it is exact, and the rest."""
    kept = fraction - 11
    high = math.floor(math.log(2.0) * 2.0**kept) / 2.0**kept
    return high, (math.log(2.0) - high) + 2.3190468138462996e-17  # what a double of ln 2 lacks


def operation(maths: Maths, op: str, *operands: ir.Value) -> ir.Value:
    """Emit an operation of a graph."""
    b = maths.builder
    if op == "add":
        return b.fadd(*operands)
    if op == "sub":
        return b.fsub(*operands)
    if op == "mul":
        return b.fmul(*operands)
    if op == "div":
        return b.fdiv(*operands)
    if op == "neg":
        return b.fneg(*operands)
    return getattr(maths, op)(*operands)
