"""Vector code for a CPU, made from a cell's graph through llvmlite."""
