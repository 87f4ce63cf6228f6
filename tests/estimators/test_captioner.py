import numpy as np
import pytest

import engram
from engram.errors import ConfigError, DataError

SMALL = {
    "height": 8,
    "width": 8,
    "filters": (6,),
    "features": 16,
    "hidden": 16,
    "embedding": 8,
    "epochs": 12,
    "batch": 16,
    "rate": 0.01,
}


def _images(count=200):
    """Grey images of 8 by 8 pixels, bright on one side, ``(N, Y, X)`` uint8."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 60, (count, 8, 8))
    captions = []
    for number, image in enumerate(images):
        left, weak = number % 2, number // 2 % 2
        image[:, slice(0, 4) if left else slice(4, 8)] += 90 if weak else 190
        captions.append(f"{'weak' if weak else 'bright'} on the {'left' if left else 'right'}")
    return images.astype(np.uint8), captions


@pytest.fixture(scope="module")
def fitted():
    return engram.Captioner(**SMALL).fit(*_images())


@pytest.mark.slow
def test_images(fitted):
    images, captions = _images()
    assert fitted.score(images, captions) >= 0.95
    assert fitted.bleu(images, captions) >= 90
    (row,) = fitted.look(images[:1])
    assert np.shape(row["attention"]) == (len(row["written"]), 4, 4)


def test_shares_of_one_and_colours_are_the_same_images(fitted):
    images, _ = _images(8)
    expected = fitted.predict(images).tolist()
    assert fitted.predict(images / 255.0).tolist() == expected
    assert fitted.predict(np.stack([images] * 3, axis=3)).tolist() == expected


def test_files(fitted, tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    images, _ = _images(4)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, image in zip(paths, images, strict=True):
        pillow.fromarray(image).save(path)
    assert fitted.predict(paths).tolist() == fitted.predict(images).tolist()
    assert fitted.predict([str(path) for path in paths]).tolist() == fitted.predict(images).tolist()


@pytest.mark.slow
def test_classes_and_numbers():
    animals = ["dog", "cat"] * 60
    model = engram.Captioner(hidden=16, features=8, epochs=30, batch=16)
    model.fit(animals, [f"a {name} speaks" for name in animals])
    assert model.predict(["cat", "dog"]).tolist() == ["a cat speaks", "a dog speaks"]
    points = np.random.default_rng(0).normal(size=(200, 3))
    sides = ["up" if point[1] > 0 else "down" for point in points]
    assert (
        engram.Captioner(hidden=16, features=16, epochs=20).fit(points, sides).score(points, sides)
        > 0.9
    )


def test_save_and_load(fitted, tmp_path):
    fitted.save(tmp_path)
    again = engram.Captioner.load(tmp_path)
    images, _ = _images(12)
    assert again.predict(images).tolist() == fitted.predict(images).tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 8, 8, 2), np.uint8), "X has shape (2, 8, 8, 2); images are (N, Y, X, C)"),
        (np.full((2, 8, 8), 2.0), "X contains float64 values out of range; pixels are integers"),
        (np.full((2, 8, 8), np.nan), "X contains float64 values out of range; pixels are integers"),
        (np.full((2, 8, 8), 256), "X contains int64 values out of range; pixels are integers"),
        ([[1.0, np.nan], [1.0, 2.0]], "X[0, 1] is nan; fill in missing values"),
        (np.zeros((3, 8, 8), np.uint8), "X has 3 examples and y 2 captions; give the same number"),
    ],
)
def test_what_cannot_be_read(given, message):
    with pytest.raises(DataError) as caught:
        engram.Captioner(**SMALL).fit(given, ["a", "b"])
    assert str(caught.value).startswith(message)


def test_all_faulty_parameters_are_named():
    with pytest.raises(ConfigError, match=r"beam is 0.*hidden is 0"):
        engram.Captioner(hidden=0, beam=0).fit(np.zeros((2, 8, 8), np.uint8), ["a", "b"])
