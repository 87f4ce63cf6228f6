"""Sounds made here: tones, chirps, and vowels by their formants, under noise."""

import numpy as np

RATE = 8000
# The first three formants of each vowel in hertz, of men on average (Peterson, Barney 1952).
FORMANTS = {
    "ee": (270, 2290, 3010),
    "ah": (730, 1090, 2440),
    "oo": (300, 870, 2240),
    "er": (490, 1350, 1690),
}
CLASSES = ("tone", "two tones", "rising chirp", "falling chirp", *FORMANTS, "ah-ee", "ee-ah")


def sounds(count: int = 1000, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Draw sounds of 0.25 to 0.6 seconds at 8,000 Hz, as many of each class.

    Pitch, length, loudness, place and noise are drawn for each; the classes that begin or end
    alike differ in their order, which a bag of frames does not tell.

    Args:
        count: How many.
        seed: Of the draw.

    Returns:
        The signals, ``(N_i,)`` float32 within -1 to 1, and the class of each.
    """
    draw = np.random.default_rng(seed)
    labels = [CLASSES[place % len(CLASSES)] for place in range(count)]
    return [_sound(label, draw) for label in labels], labels


def _sound(label: str, draw: np.random.Generator) -> np.ndarray:
    steps = int(draw.uniform(0.25, 0.6) * RATE)
    made = _voiced(label, steps, draw) if label not in CLASSES[:4] else _tonal(label, steps, draw)
    made *= np.sin(np.pi * (np.arange(steps) + 0.5) / steps) ** 0.5  # fades in and out
    made *= draw.uniform(0.1, 0.5) / np.abs(made).max()
    before, after = (draw.uniform(0.0, 0.1, 2) * RATE).astype(int)
    made = np.concatenate([np.zeros(before), made, np.zeros(after)])
    made += draw.normal(0.0, draw.uniform(0.002, 0.02), len(made))
    return made.astype(np.float32)


def _tonal(label: str, steps: int, draw: np.random.Generator) -> np.ndarray:
    time = np.arange(steps) / RATE
    low, high = draw.uniform(300, 1000), draw.uniform(1500, 3000)
    if label == "tone":
        return np.sin(2 * np.pi * draw.uniform(300, 3000) * time)
    if label == "two tones":
        return np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
    start, stop = (low, high) if label == "rising chirp" else (high, low)
    return np.sin(2 * np.pi * (start * time + (stop - start) * time**2 / (2 * time[-1])))


def _voiced(label: str, steps: int, draw: np.random.Generator) -> np.ndarray:
    """Harmonics of a voice whose pitch falls a little, each as loud as the formants near it let it.

    A formant is a resonance of 80 Hz half-width; where a sound goes from one vowel to another, its
    formants glide. A speaker's are longer or shorter than the average by up to a tenth.
    """
    ends = [np.array(FORMANTS[name]) for name in label.split("-")]
    speaker = draw.uniform(0.9, 1.1)
    share = np.clip(np.linspace(-0.5, 1.5, steps), 0.0, 1.0)[:, None]
    centres = speaker * ((1 - share) * ends[0] + share * ends[-1])
    pitch = draw.uniform(90, 220) * np.linspace(1.05, 0.9, steps)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    made = np.zeros(steps)
    for harmonic in range(1, 40):
        own = harmonic * pitch
        loud = sum(
            weight / (1 + ((own - centre) / 80) ** 2)
            for weight, centre in zip((1.0, 0.5, 0.25), centres.T, strict=True)
        )
        made += np.where(own < RATE / 2, loud, 0.0) * np.sin(harmonic * phase)
    return made
