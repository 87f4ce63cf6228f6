"""The model folder: what is written is read again, and damage is told."""

import pytest
import safetensors.torch
import torch

from engram.errors import RunError
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.models.storage import (
    CONFIG,
    PREPROCESS,
    WEIGHTS,
    load_description,
    load_weights,
    save_description,
    save_weights,
)


def _model(seed, **changes):
    torch.manual_seed(seed)
    return ManyToMany(7, ModelSettings(**({"hidden": 5} | changes)))


def _fault(folder, model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RunError) as caught:
        load_weights(folder, model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    text = str(caught.value)
    assert text.startswith(str(folder))
    assert "\n" not in text
    return text


@pytest.mark.parametrize("changes", [{}, {"tied": True}, {"cell": "gru", "layers": 2}])
def test_weights_there_and_back(tmp_path, changes):
    saved, loaded = _model(1, **changes), _model(2, **changes)
    save_weights(tmp_path, saved.state_dict())
    load_weights(tmp_path, loaded)
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert (loaded.head.weight is loaded.embedding.weight) == ("tied" in changes)


def test_tied_weights_are_stored_once(tmp_path):
    save_weights(tmp_path, _model(1, tied=True).state_dict())
    names = safetensors.torch.load_file(tmp_path / WEIGHTS)
    assert "embedding.weight" in names
    assert "head.weight" not in names


def test_loading_does_not_change_the_file(tmp_path):
    save_weights(tmp_path, _model(1).state_dict())
    before = (tmp_path / WEIGHTS).read_bytes()
    model = _model(2)
    load_weights(tmp_path, model)
    with torch.no_grad():
        model.head.bias.fill_(9.0)
    assert (tmp_path / WEIGHTS).read_bytes() == before


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_truncated_weights(tmp_path, keep):
    path = tmp_path / WEIGHTS
    save_weights(tmp_path, _model(1).state_dict())
    path.write_bytes(path.read_bytes()[:keep])
    assert _fault(tmp_path, _model(2)).startswith(f"{path} is damaged (")


def test_weights_that_are_no_safetensors(tmp_path):
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x02}q\x00." * 50)
    assert "is damaged (" in _fault(tmp_path, _model(2))


def test_missing_weights(tmp_path):
    assert _fault(tmp_path, _model(1)) == (
        f"{tmp_path} contains no weights yet (model.safetensors is missing); "
        "continue the run with 'engram resume' until its first evaluation"
    )


@pytest.mark.parametrize(
    ("stored", "built", "texts"),
    [
        (
            {"hidden": 6},
            {},
            ["missing: embedding.weight (7, 5)", "unexpected: embedding.weight (7, 6)"],
        ),
        ({}, {"layers": 2}, ["missing: layers.bias_hh_l1 (20,)", "unexpected: none"]),
        ({"layers": 2}, {}, ["missing: none", "unexpected: layers.bias_hh_l1 (20,)"]),
        (
            {"cell": "gru"},
            {},
            ["missing: layers.bias_hh_l0 (20,)", "unexpected: layers.bias_hh_l0 (15,)"],
        ),
        ({"tied": True}, {}, ["missing: head.weight (7, 5)", "unexpected: none"]),
        ({}, {"tied": True}, ["missing: none", "unexpected: head.weight (7, 5)"]),
    ],
)
def test_weights_of_another_model(tmp_path, stored, built, texts):
    save_weights(tmp_path, _model(1, **stored).state_dict())
    fault = _fault(tmp_path, _model(2, **built))
    assert "belongs to another model: " in fault
    assert all(text in fault for text in texts)


def test_description_there_and_back(tmp_path):
    save_description(tmp_path, {"task": "t", "settings": {"a": None}}, {"characters": "aä\n"})
    assert load_description(tmp_path) == (
        {"task": "t", "settings": {"a": None}},
        {"characters": "aä\n"},
    )


def test_no_model(tmp_path):
    with pytest.raises(RunError) as caught:
        load_description(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} contains no model (config.json is missing); name a trained run"
    )


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (CONFIG, "{", "config.json is damaged"),
        (CONFIG, "[]", "config.json is damaged: it is not an object of names and values"),
        (PREPROCESS, "3", "preprocess.json is damaged: it is not an object of names and values"),
        (PREPROCESS, None, "preprocess.json: No such file or directory"),
    ],
)
def test_damaged_description(tmp_path, name, content, text):
    save_description(tmp_path, {}, {})
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(RunError) as caught:
        load_description(tmp_path)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", [CONFIG, PREPROCESS])
def test_a_description_that_was_changed_is_told(tmp_path, name):
    """A mean that was edited would change predictions and nothing else."""
    save_description(tmp_path, {"settings": {"hidden": 5}}, {"mean": 1.25})
    save_weights(tmp_path, _model(1).state_dict())
    load_description(tmp_path)
    path = tmp_path / name
    path.write_text(path.read_text().replace("5", "6"))
    with pytest.raises(RunError, match="was changed after the weights were saved"):
        load_description(tmp_path)


def test_every_bit_of_the_weights_counts(tmp_path):
    save_weights(tmp_path, _model(1).state_dict())
    path = tmp_path / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert "its digest does not match" in _fault(tmp_path, _model(2))


def test_weights_of_earlier_versions_have_no_digests(tmp_path):
    saved, loaded = _model(1), _model(2)
    save_description(tmp_path, {"a": 1}, {})
    safetensors.torch.save_file(saved.state_dict(), tmp_path / WEIGHTS)
    assert load_description(tmp_path) == ({"a": 1}, {})
    load_weights(tmp_path, loaded)
    assert torch.equal(loaded.head.bias, saved.head.bias)


def test_equal_weights_are_equal_files(tmp_path):
    files = []
    for number in range(6):  # with two entries of metadata, their order would differ in some
        save_weights(tmp_path / str(number), _model(1).state_dict())
        files.append((tmp_path / str(number) / WEIGHTS).read_bytes())
    assert len(set(files)) == 1
