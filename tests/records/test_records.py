"""Records: written is read, old versions are understood, and damaged ones are told of."""

import math

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engram.errors import RunError
from engram.files import read_json, write_json
from engram.records import (
    KINDS,
    Anatomy,
    ContextUse,
    Decay,
    GradientReach,
    Region,
    Report,
    ReportTable,
    Result,
)
from engram.training.run_folder import RunFolder

TABLE = ReportTable(["", "a"], [["a", 1], ["b", 0.5], ["c", math.nan], ["NaN", True]])
REGION = Region("frontal", "memory", {"x": "LSTM"}, 9, 9, {"input": 9}, 0.5, None, None, [0.1])
EXAMPLES = [
    Result(7, 100, 1.5, 3, {"test": Report({"accuracy": 0.5, "examples": 60}, {"t": TABLE})}),
    Result(7, 100, None, 0),
    GradientReach({"layer0.h": Decay([1.0, 0.5], 1.0, 1, True)}, 4, 0.01, None),
    ContextUse([1, 2], [3.0, 2.5], 2, 0.01, 9),
    Anatomy({"frontal": REGION}, 9, None, {"a": ["b"]}),
]


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.name)
def test_written_is_read(record, tmp_path):
    run = RunFolder(tmp_path)
    run.write(record)
    again = run.read(type(record))
    assert again == record
    assert type(again) is type(record)
    assert run.records() == [record]


def test_a_record_that_was_not_taken_is_none(tmp_path):
    assert RunFolder(tmp_path).read(Result) is None
    assert RunFolder(tmp_path).records() == []


def test_an_undefined_measure_is_read_as_one(tmp_path):
    run = RunFolder(tmp_path)
    run.write(Result(1, 1, None, 0, {"test": Report({"MASE": math.nan, "MAE": math.inf})}))
    measures = run.read(Result).reports["test"].measures
    assert math.isnan(measures["MASE"])
    assert measures["MAE"] == math.inf
    assert read_json(tmp_path / "records" / "result.json")["reports"]["test"]["measures"] == {
        "MASE": "NaN",
        "MAE": "Infinity",
    }
    assert TABLE.rows[2][1] is None


@pytest.mark.parametrize(
    ("old", "measures"),
    [
        ({"seconds": 1.5, "valid": {"accuracy": 0.5}}, {"valid": {"accuracy": 0.5}}),
        (
            {"test_loss": 2.0, "test_bits_per_character": 3.0},
            {"test": {"loss": 2.0, "bits per character": 3.0}},
        ),
    ],
)
def test_results_from_before_there_were_versions(old, measures, tmp_path):
    path = tmp_path / "records" / "result.json"
    write_json(path, {"updates": 3, "parameters": 9, "valid_loss": 0.1, "best_update": 3} | old)
    result = RunFolder(tmp_path).read(Result)
    assert (result.updates, result.parameters, result.valid_loss) == (3, 9, 0.1)
    assert {name: report.measures for name, report in result.reports.items()} == measures


FAULTS = [
    ([], "it is not a record"),
    ({"record": "anatomy"}, "is a record 'anatomy', but 'result' was expected"),
    (
        {"record": "result", "version": 99},
        "has version 99, but this version of Engram reads up to 1",
    ),
    ({"record": "result", "version": "1"}, "has version '1'"),
    ({"updates": 1}, "is damaged"),
    ({"version": 1, "updates": "many", "parameters": 1, "best_update": 1}, "is damaged"),
]


@pytest.mark.parametrize(("value", "text"), FAULTS, ids=str)
def test_faults(value, text, tmp_path):
    path = tmp_path / "records" / "result.json"
    write_json(path, value)
    with pytest.raises(RunError, match=r"result\.json") as caught:
        RunFolder(tmp_path).read(Result)
    assert text in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def test_a_value_that_was_changed_is_told(tmp_path):
    run = RunFolder(tmp_path)
    run.write(EXAMPLES[0])
    path = tmp_path / "records" / "result.json"
    path.write_text(path.read_text().replace('"accuracy": 0.5', '"accuracy": 0.9'))
    with pytest.raises(RunError, match=r"result\.json was changed after it was written"):
        run.read(Result)


@hypothesis_settings(deadline=None, derandomize=True, max_examples=150)
@given(data=st.data())
def test_any_field_may_be_damaged(data):
    """A record or a RunError, whatever stands in one of its fields."""
    record = data.draw(st.sampled_from(EXAMPLES))
    plain = record.plain()
    name = data.draw(st.sampled_from(sorted(plain)))
    plain[name] = data.draw(_JSON)
    try:
        made = KINDS[record.name].from_plain(plain, "file")
    except RunError:
        return
    assert isinstance(made, type(record))
