"""Measurements of a model, as records that views draw."""
