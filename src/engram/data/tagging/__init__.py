"""Sequences with an answer at each step."""
