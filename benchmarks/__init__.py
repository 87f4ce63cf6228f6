"""Measurements against peers; run with `python -m benchmarks.NAME`."""
