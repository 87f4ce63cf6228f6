"""For which machine code is made."""

import ctypes
import sys
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm


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
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    matrix: bool = False

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
    """The machine that this process runs on."""
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
    return Target(triple, llvm.get_host_cpu_name(), features.flatten(), bits, registers, matrix)


def _may_use_tiles() -> bool:
    """Ask the system for the registers of the matrix unit, which it gives only to who asks."""
    if not sys.platform.startswith("linux"):
        return False
    call, ask, tiles = 158, 0x1023, 18  # arch_prctl(ARCH_REQ_XCOMP_PERM, XTILE_DATA)
    return ctypes.CDLL(None).syscall(call, ask, tiles) == 0
