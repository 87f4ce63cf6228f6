"""YAML: plain values are read, and surprises are rejected."""

import pytest

from engram.yaml_files import read_yaml


def _yaml(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    return read_yaml(path)


def test_yaml_of_plain_values(tmp_path):
    text = "day: 2024-01-02\nhidden: 32\nnames: [a, b]\nrate: 1.5\nnone: null\nflag: true\n"
    assert _yaml(tmp_path, text) == {
        "day": "2024-01-02",
        "hidden": 32,
        "names": ["a", "b"],
        "rate": 1.5,
        "none": None,
        "flag": True,
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: &x [1]\nb: *x\n", r"references .* line 2, column 4"),
        ("a: &x {c: 1}\nb:\n  <<: *x\n", "references"),
        ("rate: 1\nhidden: 3\nrate: 2\n", "'rate' occurs twice.* line 3"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: [1\n", "line 2"),
    ],
    ids=["reference", "merge", "twice", "object", "deep", "open"],
)
def test_yaml_that_is_rejected(tmp_path, text, fault):
    with pytest.raises(ValueError, match=fault):
        _yaml(tmp_path, text)
