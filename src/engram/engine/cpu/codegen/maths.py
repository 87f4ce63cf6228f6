"""exp, sigmoid, tanh and log(sigmoid) as vector code: polynomials, no calls, no tables.

eʸ is taken as 2ⁿ + 2ⁿ·p(r) after y = n·ln 2 + r with |r| ≤ ½ ln 2, where p(r) = r·q(r) stands for
eʳ - 1. So eʸ - 1 is right to the last bits near zero as well, and tanh and sigmoid follow with one
division each. log σ(x) is min(x, 0) - ln(1 + u) with u = e^-|x|, and ln(1 + u) = 2 artanh(s) with
s = u / (2 + u), a series in odd powers of s ≤ ⅓. The error is bounded in `ERRORS`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from llvmlite import ir

from engram.engine.cpu.codegen.target import Target

# Bounds on the error where the result is a normal number, in units in the last place; measured at
# most 1.2, 2.2, 3.0 and 3.6 in both formats.
ERRORS = {"exp": 1.5, "sigmoid": 2.5, "tanh": 3.5, "log_sigmoid": 4.0}


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    Attributes:
        name: LLVM's name of it.
        bits: In all.
        fraction: Bits of the fraction.
        polynomial: Coefficients of q, from that of the constant on.
        artanh: Coefficients of 2 artanh(s) / s in powers of s², from that of the constant on.
        lowest: Under this, exp is 0 (no subnormal results).
        highest: Above this, exp is infinite.
    """

    name: str
    bits: int
    fraction: int
    polynomial: tuple[float, ...]
    artanh: tuple[float, ...]
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


# q interpolates (eʳ - 1) / r at Chebyshev's points of |r| ≤ ½ ln 2 and is right at 0; p is off by
# at most 0.42 · 2⁻²⁴ and 0.01 · 2⁻⁵³ of itself. The series of artanh is one that interpolates at
# Chebyshev's points of s² ≤ 1/9 and is right at 0: off by at most 0.02 · 2⁻²⁴ and 0.07 · 2⁻⁵³.
FLOAT = Format(
    "float",
    32,
    23,
    (
        1.0,
        0.5,
        0.16666576666119928,
        0.04166655421298415,
        0.008363232883682618,
        0.0013926250831497611,
    ),
    (
        2.0,
        0.6666666865348816,
        0.3999970555305481,
        0.285923570394516,
        0.2170657515525818,
        0.23224329948425293,
    ),
    -87.0,
    88.37,
)
DOUBLE = Format(
    "double",
    64,
    52,
    (
        1.0,
        0.5,
        0.1666666666666667,
        0.04166666666666667,
        0.008333333333326084,
        0.0013888888888883711,
        0.0001984126987500228,
        2.480158732567746e-05,
        2.755725517000089e-06,
        2.755727347871858e-07,
        2.5105312729622103e-08,
        2.09147553258932e-09,
    ),
    (
        2.0,
        0.6666666666666666,
        0.40000000000014585,
        0.2857142856710876,
        0.22222222717427864,
        0.18181789436132859,
        0.15385570064958623,
        0.13314144209654935,
        0.12001072809590713,
        0.08800738486144674,
        0.1616404561194353,
    ),
    -708.0,
    709.43,
)

FORMATS = {torch.float32: FLOAT, torch.float64: DOUBLE}


class Maths:
    """Operations on vectors of numbers of one format; each method emits code and gives a value.

    Args:
        builder: Where code goes.
        format: Of the numbers.
        target: For which machine.
    """

    def __init__(self, builder: ir.IRBuilder, format: Format, target: Target) -> None:
        self.builder = builder
        self.format = format
        self.target = target
        self.width = width = target.vector_bits // format.bits
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

    def quotient(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """a / b for b of ordinary size, to about one unit in the last place more than exact.

        Where vectors are longest, the machine divides slowly: there, an estimate of 1/b with 14
        bits is doubled by a step of Newton's.
        """
        if self.target.vector_bits < 512 or self.format.bits != 32:
            return self.builder.fdiv(a, b)
        mask = ir.Constant(ir.IntType(self.width), -1)
        kind = ir.FunctionType(self.type, [self.type, self.type, mask.type])
        estimate = self._declared("llvm.x86.avx512.rcp14.ps.512", kind)
        guess = self.builder.call(estimate, [b, self.number(0.0), mask])
        rest = self.fma(self.builder.fneg(b), guess, self.number(1.0))
        return self.builder.fmul(a, self.fma(guess, rest, guess))

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

    def equal(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """1 where a = b, else 0."""
        same = self.builder.fcmp_ordered("==", a, b)
        return self.builder.select(same, self.number(1.0), self.number(0.0))

    def sqrt(self, a: ir.Value) -> ir.Value:
        """The square root; NaN under 0."""
        return self._intrinsic("llvm.sqrt", a)

    def exp(self, y: ir.Value) -> ir.Value:
        """e to the power of y; 0 under the format's lowest argument, infinite over its highest."""
        b, f = self.builder, self.format
        result = self._exp_of_product(y, 1.0)
        low = b.fcmp_ordered("<", y, self.number(f.lowest))
        high = b.fcmp_ordered(">", y, self.number(f.highest))
        result = b.select(low, self.number(0.0), result)
        return b.select(high, self.number(math.inf), result)

    def sigmoid(self, x: ir.Value) -> ir.Value:
        """1 / (1 + e^-x)."""
        one = self.number(1.0)
        return self.quotient(one, self.builder.fadd(one, self._exp_of_product(x, -1.0)))

    def tanh(self, x: ir.Value) -> ir.Value:
        """-m / (2 + m) with m = e^(-2|x|) - 1, and the sign of x."""
        b = self.builder
        part, power = self._exp_parts(self._intrinsic("llvm.fabs", x), -2.0)
        m = self.fma(part, power, b.fsub(power, self.number(1.0)))
        result = self.quotient(m, b.fsub(self.number(-2.0), m))
        return self._intrinsic("llvm.copysign", result, x)

    def log_sigmoid(self, x: ir.Value) -> ir.Value:
        """ln(1 / (1 + e^-x)): never 0 by rounding, nor infinite where x is not."""
        b = self.builder
        u = self.exp(b.fneg(self._intrinsic("llvm.fabs", x)))
        s = self.quotient(u, b.fadd(self.number(2.0), u))
        series = self._polynomial(b.fmul(s, s), self.format.artanh)
        return self.fma(b.fneg(s), series, self.minimum(x, self.number(0.0)))

    def identity(self, a: ir.Value) -> ir.Value:
        """a itself."""
        return a

    def _polynomial(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """c₀ + c₁·x + c₂·x² + …, by Horner's rule."""
        value: ir.Value = self.number(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, x, self.number(coefficient))
        return value

    def _exp_of_product(self, x: ir.Value, factor: float) -> ir.Value:
        """e^(factor·x), within the format's range."""
        part, power = self._exp_parts(x, factor)
        return self.fma(part, power, power)

    def _exp_parts(self, x: ir.Value, factor: float) -> tuple[ir.Value, ir.Value]:
        """p(r) and 2ⁿ with e^(factor·x) = 2ⁿ·p(r) + 2ⁿ; x is kept within the format's range.

        The factor is a power of two with a sign, so that factor·x is exact.
        """
        b, f = self.builder, self.format
        ends = sorted((f.lowest / factor, f.highest / factor))
        low, high = (self.number(end) for end in ends)
        # in this order, and so compared, each is one instruction that lets NaN through
        inside = b.select(b.fcmp_ordered(">", low, x), low, x)
        inside = b.select(b.fcmp_ordered("<", high, inside), high, inside)
        # so large a number leaves no room for a fraction: adding it rounds, and its last bits are n
        large = self.number(1.5 * 2.0**f.fraction + f.bias)
        rounded = self.fma(inside, self.number(factor / math.log(2.0)), large)
        n = b.fsub(rounded, large)
        power = b.shl(b.bitcast(rounded, self.whole), self._whole(f.fraction))
        much, little = _split_ln2(f.fraction)
        r = self.fma(n, self.number(-much / factor), inside)
        r = self.fma(n, self.number(-little / factor), r)
        # in powers of r / factor, which is what r holds here
        q = self._polynomial(r, [c * factor ** (k + 1) for k, c in enumerate(f.polynomial)])
        return b.fmul(r, q), b.bitcast(power, self.type)

    def _pick(self, order: str, a: ir.Value, b: ir.Value) -> ir.Value:
        """a where it is so ordered before b, or NaN; else b."""
        sign = {"ogt": ">", "olt": "<"}[order]
        chosen = self.builder.fcmp_ordered(sign, a, b)
        nan = self.builder.fcmp_unordered("uno", a, a)
        return self.builder.select(self.builder.or_(chosen, nan), a, b)

    def _intrinsic(self, name: str, *operands: ir.Value) -> ir.Value:
        kind = ir.FunctionType(self.type, [self.type] * len(operands))
        full_name = f"{name}.v{self.width}f{self.format.bits}"
        return self.builder.call(self._declared(full_name, kind), operands)

    def _declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        module = self.builder.module
        known = module.globals.get(name)
        return known if known is not None else ir.Function(module, kind, name)


@cache
def _split_ln2(fraction: int) -> tuple[float, float]:
    """ln 2 as a number with few bits, so that n times it is exact, and the rest."""
    kept = fraction - 11
    high = math.floor(math.log(2.0) * 2.0**kept) / 2.0**kept
    return high, (math.log(2.0) - high) + 2.3190468138462996e-17  # what a double of ln 2 lacks
