"""Sequences side by side: batches, lanes and buckets."""
