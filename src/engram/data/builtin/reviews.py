"""Reviews made from templates, each praise or complaint."""

import numpy as np

THINGS = ("the room", "the soup", "this phone", "the service", "the film", "the train", "her book")
GOOD = ("good", "lovely", "excellent", "quick", "charming", "worth every cent")
BAD = ("bad", "awful", "poor", "slow", "dull", "a waste of money")
OPENINGS = ("", "honestly, ", "to my surprise, ", "as always, ", "last week ")
# A clause that says the opposite of its word, and one that takes back what came before.
PLAIN = ("{thing} was {word}", "i found {thing} {word}", "{thing} is really {word}")
TURNED = (
    "{thing} was not {word}",
    "i never found {thing} {word}",
    "{thing} is anything but {word}",
)
LINKS = (", but ", "; in the end ", ", and yet ")


def reviews(count: int = 4000, seed: int = 0) -> tuple[list[str], list[str]]:
    """Draw reviews of one or two clauses; the last clause decides, and a negation turns it.

    Half of the words that praise stand in complaints, so that counting words tells little: what
    comes before a word, and after it, has to be remembered.

    Args:
        count: How many.
        seed: Of the draw.

    Returns:
        The reviews, and ``praise`` or ``complaint`` for each.
    """
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        good = bool(draw.integers(2))
        text = str(draw.choice(OPENINGS))
        if draw.random() < 0.5:
            text += _clause(bool(draw.integers(2)), draw) + str(draw.choice(LINKS))
        texts.append(text + _clause(good, draw))
        labels.append("praise" if good else "complaint")
    return texts, labels


def _clause(good: bool, draw: np.random.Generator) -> str:
    turned = bool(draw.integers(2))
    words = GOOD if good != turned else BAD
    pattern = str(draw.choice(TURNED if turned else PLAIN))
    return pattern.format(thing=draw.choice(THINGS), word=draw.choice(words))
