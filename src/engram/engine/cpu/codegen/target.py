"""For which machine code is made."""

import ctypes
import os
import sys
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

from engram.errors import ConfigError

# Instruction sets that code for vectors of each width uses, and those that go with the widest ones.
_NEEDED = {256: ("avx2", "fma"), 512: ("avx512f", "avx512vl", "avx512dq")}
_OF_512_BITS = ("avx512", "avx10", "amx")


@dataclass(frozen=True)
class Target:
    """A machine.

    Attributes:
        triple: LLVM's name of architecture and system.
        cpu: LLVM's name of the processor.
        features: Switches of instruction sets, ``+avx2,-avx512f,…``.
        vector_bits: Width of the vectors that code is written with.
        registers: Vectors that it holds at once.
        matrix: Whether it has a matrix unit for bfloat16 that may be used; see `matrix`.

    Raises:
        ConfigError: For vectors, or a matrix unit, that the features do not have: LLVM ends the
            whole process when it is asked for such code.
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    matrix: bool = False

    def __post_init__(self) -> None:
        if not self.is_x86:
            return
        needed = [*_NEEDED.get(self.vector_bits, ()), *(("amx-bf16",) if self.matrix else ())]
        missing = sorted(set(needed) - self.enabled)
        if missing or (self.matrix and self.vector_bits < 512):
            raise ConfigError(
                f"a target with vectors of {self.vector_bits} bits"
                f"{' and a matrix unit' if self.matrix else ''} needs the features "
                f"{', '.join(needed)}, and {', '.join(missing) or '512-bit vectors'} is missing; "
                "describe it with narrower vectors, or with the features"
            )

    @property
    def enabled(self) -> set[str]:
        """The instruction sets that are switched on, by LLVM's names."""
        switches = {switch[1:]: switch[:1] == "+" for switch in self.features.split(",")}
        return {name for name, on in switches.items() if on}

    @property
    def is_x86(self) -> bool:
        """Whether it has the instructions that every x86 of 64 bits has."""
        return self.triple.startswith("x86_64")

    def machine(self) -> llvm.TargetMachine:
        """LLVM's object that makes code for it."""
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=3, jit=True
        )


@cache
def host() -> Target:
    """The machine that this process runs on; ``ENGRAM_VECTOR_BITS`` limits its vectors."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    bits, registers = 128, 16
    if triple.startswith(("aarch64", "arm64")):
        registers = 32
    if features.get("avx2") and features.get("fma"):
        bits = 256
    if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
        bits, registers = 512, 32
    matrix = bits == 512 and bool(features.get("amx-bf16")) and _may_use_tiles()
    found = Target(triple, llvm.get_host_cpu_name(), features.flatten(), bits, registers, matrix)
    limit = os.environ.get("ENGRAM_VECTOR_BITS")
    return found if limit is None else limited(found, limit)


def limited(target: Target, bits: str) -> Target:
    """A machine as it would be with narrower vectors; kernels that are made for it run on both.

    Args:
        target: The machine.
        bits: The width of the widest vectors that may be used: ``"128"``, ``"256"`` or ``"512"``.

    Raises:
        ConfigError: For another width.
    """
    if bits not in ("128", "256", "512"):
        raise ConfigError(f"ENGRAM_VECTOR_BITS is {bits!r}; set it to 128, 256 or 512")
    if int(bits) >= target.vector_bits:
        return target
    features = ",".join(
        f"-{switch[1:]}" if switch[1:].startswith(_OF_512_BITS) else switch
        for switch in target.features.split(",")
    )
    registers = 16 if target.is_x86 else target.registers
    return Target(target.triple, target.cpu, features, int(bits), registers)


def _may_use_tiles() -> bool:
    """Ask the system for the registers of the matrix unit, which it gives only to who asks."""
    if not sys.platform.startswith("linux"):
        return False
    call, ask, tiles = 158, 0x1023, 18  # arch_prctl(ARCH_REQ_XCOMP_PERM, XTILE_DATA)
    return ctypes.CDLL(None).syscall(call, ask, tiles) == 0
