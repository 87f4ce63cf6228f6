"""Handwritten digits: scikit-learn's set of 1,797 images of 8 × 8 pixels."""

import numpy as np


def digits() -> tuple[np.ndarray, list[str]]:
    """The images ``(1797, 8, 8)`` float32 from 0 to 1, and the digit of each.

    From the UCI "Optical recognition of handwritten digits" (Alpaydin, Kaynak 1998), as
    ``sklearn.datasets.load_digits`` carries it.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.asarray(found.images, dtype=np.float32) / 16.0, [str(label) for label in found.target]
