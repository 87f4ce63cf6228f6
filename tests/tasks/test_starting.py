"""Starting from a trained model: a new head, the same answers, and where it cannot be."""

import json

import numpy as np
import pytest
import torch

from engram.cli.main import main
from engram.data.labelled.examples import Examples
from engram.errors import ConfigError, RunError
from engram.models.storage import read_weights
from engram.tasks import classify, fitting, regress
from engram.tasks.transfer import model_folder, read_start, starting_values

TEXTS = [f"the {thing} is {word}" for thing in ("film", "soup") for word in ("good", "bad")] * 10
LABELS = [["good", "bad"][text.endswith("bad")] for text in TEXTS]
SMALL = {"data": ["memory"], "hidden": 6, "epochs": 1, "valid": 0.0, "tokens": "words"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = classify.ClassifySettings.checked(SMALL)
    data = classify.make_data(settings, (Examples(TEXTS, LABELS), None, None))
    model, _ = fitting.fit(classify.TASK, settings, data)
    folder = tmp_path_factory.mktemp("start") / "model"
    fitting.save(folder, model)
    return model, folder


def test_the_same_task_goes_on_from_all_weights(trained):
    model, folder = trained
    settings = classify.ClassifySettings.checked(SMALL | {"start": str(folder)})
    data = classify.make_data(settings, (Examples(TEXTS, LABELS), None, None))
    begun, _ = fitting.prepare(classify.TASK, settings, data)
    for name, weight in model.model.state_dict().items():
        assert torch.equal(weight, begun.state_dict()[name])


@pytest.mark.parametrize("task", ["other labels", "regress"])
def test_a_new_head_on_the_same_layers(trained, task):
    model, folder = trained
    values = SMALL | {"start": str(folder)}
    if task == "regress":
        settings = regress.RegressSettings.checked(values)
        numbers = np.arange(len(TEXTS), dtype=np.float64)
        data = regress.make_data(settings, (Examples(TEXTS, numbers), None, None))
        begun, _ = fitting.prepare(regress.TASK, settings, data)
    else:
        settings = classify.ClassifySettings.checked(values)
        labels = [text.split()[1] for text in TEXTS]
        data = classify.make_data(settings, (Examples(TEXTS, labels), None, None))
        begun, _ = fitting.prepare(classify.TASK, settings, data)
    assert data.preprocess.encoding.plain() == model.preprocess.encoding.plain()
    for name, weight in begun.state_dict().items():
        same = model.model.state_dict()[name]
        alike = weight.shape == same.shape and torch.equal(weight, same)
        assert alike != name.startswith("head.")


def test_what_does_not_fit_is_refused(trained, tmp_path):
    _, folder = trained
    settings = classify.ClassifySettings.checked(SMALL | {"start": str(folder), "hidden": 7})
    data = classify.make_data(settings, (Examples(TEXTS, LABELS), None, None))
    with pytest.raises(ConfigError, match=r"layers are cell lstm, hidden 6.*use the same"):
        fitting.prepare(classify.TASK, settings, data)
    with pytest.raises(RunError, match="does not exist"):
        read_start(str(tmp_path / "nothing"))


def test_defaults_come_from_the_model(trained):
    start = read_start(str(trained[1]))
    same = starting_values("classify", classify.ClassifySettings, start)
    assert same["rate"] == start.settings["rate"] / 2
    assert (same["hidden"], same["epochs"]) == (6, 1)
    assert not {"data", "freeze"} & set(same)
    other = starting_values("regress", regress.RegressSettings, start)
    assert other["hidden"] == 6
    assert "epochs" not in other


def test_a_language_model_becomes_a_classifier(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("\n".join(TEXTS * 3))
    table = "".join(f"{t},{label}\n" for t, label in zip(TEXTS, LABELS, strict=True))
    (tmp_path / "reviews.csv").write_text("text,label\n" + table)
    sizes = "--hidden 6 --lanes 2 --steps 20 --epochs 1 --tokens words"
    command = f"train language-model --data notes.txt --run-dir notes {sizes}"
    assert main(command.split()) == 0
    command = "finetune notes --task classify --data reviews.csv --freeze parietal --run-dir a"
    assert main([*command.split(), "--epochs", "2", "--batch", "8"]) == 0
    config = json.loads((tmp_path / "a/model/config.json").read_text())["settings"]
    assert (config["hidden"], config["bidirectional"]) == (6, False)
    one, other = (read_weights(model_folder(name))["embedding.weight"] for name in ("notes", "a"))
    assert torch.equal(one, other)  # which was frozen
    command = "finetune a --data reviews.csv --run-dir b --epochs 1"
    assert main(command.split()) == 0
    assert main(["resume", "b"]) == 0
    assert (tmp_path / "b/start/model.safetensors").exists()
    capsys.readouterr()
    assert main(["finetune", "a", "--task", "translate", "--data", "reviews.csv"]) == 2
    assert "cannot start from a trained model" in capsys.readouterr().err
    assert main(["finetune", "notes", "--task", "clasify", "--data", "reviews.csv"]) == 2
    assert "did you mean 'classify'" in capsys.readouterr().err
