"""Augmentation: training data changed at random, so that a model learns what may change.

It is for training alone: nothing that validates or tests calls it. What it does follows from a
generator, and `seeding.generator_for` makes one from a seed and the number of an update, so that a
run which was resumed sees the same data as one that was not stopped.
"""
