"""For which machine code is made."""

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
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int

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
    bits = 128
    if features.get("avx2") and features.get("fma"):
        bits = 256
    if features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
        bits = 512
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), features.flatten(), bits)
