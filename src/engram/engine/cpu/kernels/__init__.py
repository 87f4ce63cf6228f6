"""Kernels: what the code of each does, written with `codegen`."""
