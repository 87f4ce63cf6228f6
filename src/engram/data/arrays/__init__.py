"""Flat arrays in memory or on disk, and the sequences that stand in them."""
