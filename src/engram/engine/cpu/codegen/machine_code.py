"""Machine code: a module in LLVM's language, compiled and loaded."""

import llvmlite.binding as llvm
from llvmlite import ir

from engram.engine.cpu.codegen.target import Target


class MachineCode:
    """Loaded functions; keeps their memory alive.

    Args:
        data: An object file, as `compile_module` gives it.
        target: For which it was made.
    """

    def __init__(self, data: bytes, target: Target) -> None:
        empty = llvm.parse_assembly("")
        self._engine = llvm.create_mcjit_compiler(empty, target.machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where a function begins."""
        return self._engine.get_function_address(name)


def compile_module(module: ir.Module, target: Target) -> bytes:
    """Optimise a module, and give its object file."""
    module.triple = target.triple
    parsed = llvm.parse_assembly(str(module))
    machine = target.machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # the code is in vectors already, and its loops are as long as they should be
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return machine.emit_object(parsed)
