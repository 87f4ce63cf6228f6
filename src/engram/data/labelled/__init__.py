"""Sequences with one answer each."""
