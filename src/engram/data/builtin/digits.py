"""Handwritten digits, read row by row: scikit-learn's set of 1,797 images of 8 × 8 pixels."""

import numpy as np

from engram.data.arrays.sequences import Sequences
from engram.data.labelled.examples import Examples


def digit_rows() -> Examples:
    """Each image as 8 steps, its rows from the top, of 8 values from 0 to 1, and its digit.

    From the UCI "Optical recognition of handwritten digits" (Alpaydin, Kaynak 1998), as
    ``sklearn.datasets.load_digits`` carries it.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.asarray(found.images, dtype=np.float32) / 16.0
    columns = [f"pixel {place + 1}" for place in range(images.shape[2])]
    labels = [str(label) for label in found.target]
    names = [f"digits image {place + 1}" for place in range(len(labels))]
    return Examples(Sequences.of(list(images), columns), labels, names)
