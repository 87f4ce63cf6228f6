"""Measurements of a model, as records: data that views draw."""
