import json

import numpy as np
import pytest
import torch

from engram.cli.main import main
from engram.data.images.captions import Captions
from engram.errors import ConfigError, DataError, RunError
from engram.tasks import caption, fitting
from engram.tasks.caption import TASK
from engram.tasks.captions import CaptionSettings, make_data, read
from helpers.earlier import without_digests

Image = pytest.importorskip("PIL.Image")

SMALL = {"hidden": 16, "embedding": 8, "filters": [6], "features": 16, "rate": 0.01, "batch": 16}
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of 8 by 8 pixels in one colour, brighter at the top or at the bottom."""
    folder = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    lines = ["image,caption"]
    for number in range(240):
        name, colour = list(COLOURS.items())[number % 3]
        top = bool(number % 2)
        pixels = np.tile(np.array(colour) * 0.3, (8, 8, 1))
        pixels[slice(0, 4) if top else slice(4, 8)] = colour
        pixels = np.clip(pixels + draw.normal(0, 5, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'top' if top else 'bottom'} is {name}")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder


def _settings(folder, **values):
    return CaptionSettings.checked(
        SMALL | {"data": [str(folder)], "height": 8, "width": 8, "epochs": 12} | values
    )


@pytest.fixture(scope="module")
def trained(folder):
    settings = _settings(folder, test=0.2)
    data = read(settings)
    return fitting.fit(TASK, settings, data)[0], data


@pytest.mark.slow
def test_captions_are_learnt(trained):
    model, data = trained
    report = caption.evaluate(model, data.test)
    assert list(report.measures) == ["exact match", "BLEU", "loss", "examples"]
    assert report.measures["examples"] == 48
    assert report.measures["exact match"] >= 0.95


def test_attention_is_a_grid(trained):
    model, data = trained
    asking = caption.CaptionAsking(attention=True)
    rows = list(caption.caption(model, ["x"], data.test.captions.given[:1], asking))
    assert rows[0]["written"][-1] == ""
    grids = np.array(rows[0]["attention"])
    assert grids.shape == (len(rows[0]["written"]), 4, 4)
    assert grids.sum((1, 2)) == pytest.approx(np.ones(len(grids)), abs=2e-3)


def test_a_stored_model_answers_the_same(trained, tmp_path):
    model, data = trained
    fitting.save(tmp_path, model)
    again = fitting.load(TASK, tmp_path)
    given = data.test.captions.given
    names = [str(n) for n in range(len(given))]
    assert list(caption.caption(again, names, given)) == list(caption.caption(model, names, given))


def test_several_captions_of_an_image(folder):
    images = np.zeros((3, 3, 8, 8), np.uint8)
    captions = Captions(images, [["a b", "b"], ["c"], ["a", "a"]])
    settings = _settings(folder)
    data = make_data(settings, [captions, None, None])
    assert data.train.owners.tolist() == [0, 0, 1, 2, 2]
    batch = caption._batch(data.train, np.array([1, 2]))
    assert batch.given.shape == (2, 3, 8, 8)
    assert batch.count == 4


@pytest.mark.slow
def test_classes(tmp_path):
    path = tmp_path / "sounds.csv"
    path.write_text("caption,animal\n" + "the dog says woof,dog\nthe cat says meow,cat\n" * 60)
    values = {"about": "classes", "attention": "none", "valid": 0.0, "test": 0.0}
    settings = _settings(path, **values, epochs=40)
    data = read(settings)
    model, _ = fitting.fit(TASK, settings, data)
    rows = list(TASK.predict(model, caption.CaptionAsking(given=["cat", "dog"])))
    assert [row["caption"] for row in rows] == ["the cat says meow", "the dog says woof"]
    with pytest.raises(DataError) as caught:
        list(TASK.predict(model, caption.CaptionAsking(given=["cow"])))
    assert str(caught.value) == "class 'cow' did not occur in the training set, which has cat, dog"
    with pytest.raises(ConfigError, match="describes classes, not files"):
        TASK.predict(model, caption.CaptionAsking(data=["a.png"]))


@pytest.mark.slow
def test_numbers(tmp_path):
    path = tmp_path / "points.csv"
    draw = np.random.default_rng(0)
    points = draw.normal(100.0, 50.0, (300, 2))
    lines = [f"{x},{y},{'right' if x > 100 else 'left'}" for x, y in points]
    path.write_text("x,y,caption\n" + "\n".join(lines) + "\n")
    settings = _settings(path, about="numbers", attention="none", test=0.2, epochs=15)
    data = read(settings)
    assert data.about[0] == "x and y in, caption out"
    model, _ = fitting.fit(TASK, settings, data)
    assert caption.evaluate(model, data.test).measures["exact match"] > 0.9
    rows = list(TASK.predict(model, caption.CaptionAsking(given=["300,0", "-100,0"])))
    assert [row["caption"] for row in rows] == ["right", "left"]
    for given, message in (
        (
            ["1"],
            "the input has shape (1, 1); it must be (N, …) with examples of shape (2,)",
        ),
        (["1,x"], "numbers are given as '1,x'; give the same number"),
    ):
        with pytest.raises((ConfigError, DataError)) as caught:
            list(TASK.predict(model, caption.CaptionAsking(given=given)))
        assert str(caught.value).startswith(message)


def test_scenes_are_made():
    values = {key: value for key, value in SMALL.items() if key != "filters"}
    settings = CaptionSettings.checked(values | {"data": ["scenes"], "made": 20})
    data = read(settings)
    assert data.train.given.shape == (20, 3, 32, 32)
    assert (data.train.given[0] != data.test.given[0]).any()
    with pytest.raises(ConfigError, match="scenes are images of 32 by 32 pixels in colour"):
        read(settings.model_copy(update={"height": 16}))


def test_broken_images_are_told(folder, tmp_path):
    (tmp_path / "a.png").write_bytes((folder / "0.png").read_bytes())
    (tmp_path / "b.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (tmp_path / "c.csv").write_text("image,caption\na.png,red\nb.png,red\n")
    with pytest.raises(DataError, match=r"line 3: .*b.png is a damaged image"):
        read(_settings(tmp_path))
    data = read(_settings(tmp_path, broken="skip"))
    assert len(data.train.captions) == 1
    assert data.warnings[0].startswith("1 images could not be read and were left out, the first is")
    assert "b.png" in data.warnings[0]


def test_classes_without_attention_only():
    with pytest.raises(ConfigError) as caught:
        CaptionSettings.checked({"data": ["x.csv"], "about": "classes"})
    assert "about=classes has no image regions" in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"shape": None}, {"about": "sounds"}, {"longest": "x"}, {"shape": [3, 8]}]
)
def test_damaged_preprocessing_is_refused(trained, tmp_path, change):
    fitting.save(tmp_path, trained[0])
    without_digests(tmp_path)
    path = tmp_path / "preprocess.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match="the stored description of caption inputs is damaged"):
        fitting.load(TASK, tmp_path)


def test_commands(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    size = ["--height", "8", "--width", "8", "--filters", "4"]
    flags = [*size, "--hidden", "8", "--epochs", "1", "--run-dir", "run"]
    assert main(["train", "caption", "--data", str(folder), *flags]) == 0
    assert "exact match" in capsys.readouterr().out
    assert main(["eval", "run", "--data", str(folder / "captions.csv")]) == 0
    assert "examples 240" in capsys.readouterr().out
    assert main(["predict", "run", "--data", str(folder), "--out", "a.csv"]) == 0
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 241
    assert main(["predict", "run", "--data", str(folder / "1.png")]) == 0
    assert main(["predict", "run", "--data", str(tmp_path / "run")]) == 2
    assert "contains no images" in capsys.readouterr().err


def test_images_are_augmented_in_training_alone(folder):
    plain, changed = _settings(folder), _settings(folder, flip=True, rotate=10.0, zoom=1.2)
    data = read(changed)
    batches = [
        [batch.given for batch in TASK.source(settings, data).batches(epoch)]
        for settings, epoch in ((plain, 1), (changed, 1), (changed, 1), (changed, 2))
    ]
    same = [[torch.equal(a, b) for a, b in zip(batches[1], each)] for each in batches]  # noqa: B905
    assert [all(each) for each in same] == [False, True, True, False]
    assert not any(same[0])
    model = fitting.build(TASK, plain, data.preprocess)
    assert TASK.loss(model, plain, data) == TASK.loss(model, changed, data)


@pytest.mark.parametrize("values", [{"flip": True}, {"zoom": 1.5}])
def test_augmentation_is_for_images(values):
    given = {"data": ["x"], "about": "numbers", "attention": "none"} | values
    with pytest.raises(ConfigError, match=f"{next(iter(values))} augments images, but about=num"):
        CaptionSettings.checked(given)
