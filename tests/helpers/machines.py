"""Machines that code is compiled for, whatever machine the tests run on: all of it is written out.

Their code is never run here; LLVM makes it for every x86 from any other.
"""

from llvmlite import binding as llvm

from engram.engine.cpu.codegen.target import Target

_BEFORE = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2"
_AVX2 = f"{_BEFORE},+avx,+avx2,+fma,+f16c,+bmi,+bmi2"
_AVX512 = f"{_AVX2},+avx512f,+avx512vl,+avx512dq,+avx512bw,+avx512cd"
_NONE = "-avx,-avx2,-fma,-avx512f"

_X86 = "x86_64-unknown-linux-gnu"

MACHINES = {
    128: Target(_X86, "x86-64-v2", f"{_BEFORE},{_NONE}", 128, 16),
    256: Target(_X86, "haswell", f"{_AVX2},-avx512f", 256, 16),
    512: Target(_X86, "skylake-avx512", _AVX512, 512, 32),
}


def can_compile_for_x86() -> bool:
    """Whether LLVM has its x86 part ready, which it has on every x86."""
    return llvm.get_process_triple().startswith("x86_64")
