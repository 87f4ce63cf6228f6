"""Forecasting from a table to figures."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engram.cli.main import main
from engram.data.arrays.sequences import Sequences
from engram.data.panels.calendars.even import Even
from engram.data.panels.panel import Panel
from engram.errors import ConfigError, DataError, EngramWarning
from engram.tasks import backtest, fitting, forecast
from engram.tasks.backtest import Backtest
from engram.tasks.forecast import ForecastSettings
from helpers.resuming import assert_resumed_is_uninterrupted

SMALL = {"data": ["memory"], "horizon": 4, "season": 6, "hidden": 12, "epochs": 3, "window": 20}


def settings_of(**values):
    return ForecastSettings.checked(SMALL | values)


def panel_of(*arrays, past=0):
    made = [np.asarray(each, dtype=np.float32).reshape(len(each), -1) for each in arrays]
    times = np.concatenate([np.arange(len(each)) for each in made]).astype(np.float64)
    keys = [f"s{place}" for place in range(len(made))]
    none = np.zeros(len(made), dtype=np.int64)
    return Panel(Sequences.of(made), times, keys, past, Even(), none)


def waves(count=3, steps=120, seed=0):
    """Two waves, of which one is the season, each series on a level of its own."""
    draw = np.random.default_rng(seed)
    t = np.arange(steps)
    return [
        50 * n + np.sin(np.pi * t / 3 + n) + np.sin(t / 1.5) + draw.normal(0, 0.02, steps)
        for n in range(1, count + 1)
    ]


@pytest.fixture(scope="module")
def trained():
    settings = settings_of(epochs=30, rate=1e-2)
    data = forecast.make_data(settings, panel_of(*waves()))
    return fitting.fit(forecast.TASK, settings, data)[0], data


@pytest.mark.slow
def test_is_learnt(trained):
    measures = forecast.evaluate(trained[0], trained[1].test).measures
    assert measures["MASE"] < 0.6 * measures["seasonal naive MASE"]
    assert measures["MASE"] < 0.6 * measures["naive MASE"]
    assert (measures["series"], measures["origins"], measures["steps"]) == (3, 5, 4)


def test_the_measures_by_hand(trained):
    model, data = trained
    part: Backtest = data.test
    seen = part.seen(4)
    assert seen[0].tolist() == [108, 110, 112, 114, 116]
    own = [series.astype(np.float32).astype(np.float64) for series in waves()]
    given = backtest.forecast(model, part.panel, seen)[..., 1]
    errors, usual, naive = [], [], []
    for index, series in enumerate(own):
        usual.append(np.abs(series[6:108] - series[:102]).mean())
        wanted = np.stack([series[n : n + 4] for n in seen[index]])
        errors.append(np.abs(given[index] - wanted))
        naive.append(np.abs(series[seen[index] - 1][:, None] - wanted))
    found = forecast.evaluate(model, part).measures
    assert found["MAE"] == pytest.approx(np.mean(errors))
    assert found["RMSE"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    each = np.mean(errors, axis=(1, 2)) / usual
    assert found["MASE"] == pytest.approx(each.mean())
    each = np.mean(naive, axis=(1, 2)) / usual
    assert found["naive MASE"] == pytest.approx(each.mean())


def test_intervals_hold_what_they_should_on_the_validation_part():
    settings = settings_of(intervals=[0.5, 0.9], valid_origins=8, epochs=1)
    data = forecast.make_data(settings, panel_of(*waves()))
    model, _ = fitting.fit(forecast.TASK, settings, data)  # hardly trained: far too narrow
    margins = model.model.margins
    assert (margins[[3, 4]] >= 0).all()
    assert margins[4] > 0
    torch.testing.assert_close(margins, -margins.flip(0))
    every = Backtest(data.valid.panel, 1 + 7 * 2, 1)
    measures = forecast.evaluate(model, every).measures
    assert measures["inside 90 %"] >= 0.9
    assert measures["inside 50 %"] >= 0.5
    alone = forecast.make_data(settings_of(valid_origins=0, epochs=1), panel_of(*waves()))
    assert not fitting.fit(forecast.TASK, settings, alone)[0].model.margins.any()


def test_no_forecast_sees_what_comes_after_it(trained):
    model, data = trained
    seen = np.full((3, 1), 60)
    now = backtest.forecast(model, data.test.panel, seen)
    changed = [np.concatenate([series[:60], series[60:] * -99]) for series in waves()]
    torch.testing.assert_close(backtest.forecast(model, panel_of(*changed), seen), now)


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_series_read_in_pieces_and_together_are_as_one_by_one(trained, chunk, monkeypatch):
    model, _ = trained
    lengths = (30, 90, 61)
    panel = panel_of(*[series[:n] for series, n in zip(waves(), lengths, strict=True)])
    seen = np.array([[5, 26], [40, 86], [57, 3]])
    together = backtest.forecast(model, panel, seen)
    monkeypatch.setattr(backtest, "_CHUNK", chunk)
    monkeypatch.setattr(backtest, "_ROWS", 2)
    for index in range(3):
        alone = backtest.forecast(model, panel.take([index]), seen[[index]])
        np.testing.assert_allclose(alone[0], together[index], rtol=1e-4)


def test_nothing_after_the_training_part_is_learnt_from():
    data = forecast.make_data(settings_of(), panel_of(*waves()))
    changed = [np.concatenate([series[:100], series[100:] + 1000]) for series in waves()]
    other = forecast.make_data(settings_of(), panel_of(*changed))
    assert data.train.lengths.tolist() == [102] * 3  # 4 + 4 · 2 to test, 4 + 1 · 2 to validate
    np.testing.assert_array_equal(
        data.train.sequences.values[:100], other.train.sequences.values[:100]
    )
    cut = forecast.make_data(settings_of(origins=0, valid_origins=0), data.train)
    assert cut.preprocess.plain()["scales"] == data.preprocess.plain()["scales"]


def test_resumed_is_uninterrupted(tmp_path):
    settings = settings_of(dropout=0.2, known=["value 2"])
    draw = np.random.default_rng(3)
    series = [np.stack([own, draw.normal(size=len(own))], axis=1) for own in waves()]
    data = forecast.make_data(settings, panel_of(*series))
    assert_resumed_is_uninterrupted(forecast.TASK, settings, data, tmp_path, 17)


def test_epochs_cover_all_steps():
    settings = settings_of(window=20, batch=4)
    data = forecast.make_data(settings, panel_of(*waves(1, 900)))
    source = forecast.TASK.source(settings, data)
    batches = list(source.batches(0))
    assert len(batches) == source.updates == 12
    assert sum(batch.count for batch in batches) > 0.9 * 900
    late = list(source.batches(0, 7))
    torch.testing.assert_close(late[0].inputs, batches[7].inputs)
    assert not torch.equal(next(iter(source.batches(1))).inputs, batches[0].inputs)


@pytest.mark.slow
def test_what_is_known_ahead_helps():
    draw = np.random.default_rng(0)
    told = draw.normal(size=(300, 1))
    noise = draw.normal(0, 0.1, (300, 1))
    panel = panel_of(np.concatenate([10 + 3 * told + noise, told], axis=1))
    settings = settings_of(known=["value 2"], epochs=30, rate=1e-2, season=1, reference="zero")
    data = forecast.make_data(settings, panel)
    trained = fitting.fit(forecast.TASK, settings, data)[0]
    assert forecast.evaluate(trained, data.test).measures["MASE"] < 0.2


def test_missing_values():
    series = waves(1)[0]
    series[50] = np.nan
    with pytest.raises(
        DataError, match="series 's0': the value is missing at 50, and 0 more values after"
    ):
        forecast.make_data(settings_of(), panel_of(series))
    for missing in ("impute", "mask"):
        settings = settings_of(missing=missing)
        data = forecast.make_data(settings, panel_of(series))
        trained = fitting.fit(forecast.TASK, settings, data)[0]
        assert np.isfinite(forecast.evaluate(trained, data.test).measures["MASE"])


def test_series_that_are_too_short():
    with pytest.raises(DataError, match="'s0' has 20 steps, and 23 are needed"):
        forecast.make_data(settings_of(), panel_of(np.arange(20.0)))
    data = forecast.make_data(settings_of(), panel_of(np.arange(20.0), *waves(2)))
    assert data.train.keys == ["s1", "s2"]
    assert "1 series are too short and are left out" in data.warnings[0]


def test_what_a_person_is_warned_of():
    still = np.full(100, 3.0)
    data = forecast.make_data(settings_of(), panel_of(still, *waves(1)))
    assert "1 series are constant in the training set, such as 's0'" in data.warnings[0]
    series = waves(1)[0]
    leak = panel_of(np.stack([series, 2 * series + 1], axis=1))
    data = forecast.make_data(settings_of(known=["value 2"]), leak)
    assert "the column 'value 2' is the target itself" in data.warnings[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"intervals": [1.2]}, "intervals contains 1.2"),
        ({"horizon": 0}, "horizon is 0"),
        ({"transform": "cube"}, "transform is 'cube'"),
    ],
)
def test_settings_that_cannot_be(values, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(**values)


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    days = np.arange(np.datetime64("2023-01-01"), np.datetime64("2023-05-01"))
    with open("x.csv", "w", encoding="utf-8") as file:
        file.write("day,a,b\n")
        rows = zip(days, *waves(2), strict=True)
        file.writelines(f"{day},{a:.4f},{b:.4f}\n" for day, a, b in rows)
    small = ["--horizon", "3", "--hidden", "8", "--epochs", "2", "--intervals", "0.5", "0.9"]
    assert main(["train", "forecast", "--data", "x.csv", "--run-dir", "r", *small]) == 0
    said = capsys.readouterr().out
    assert "2 series of 120 steps, one per day, from " in said
    assert "by origin" in said
    assert main(["eval", "r", "--data", "x.csv", "--origins", "6", "--json", "e.json"]) == 0
    assert json.loads((tmp_path / "e.json").read_text())["origins"] == 6
    assert main(["predict", "r", "--data", "x.csv", "--out", "next.csv"]) == 0
    with open("next.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["series"] for row in rows] == ["a"] * 3 + ["b"] * 3
    assert [row["time"] for row in rows[:3]] == ["2023-05-01", "2023-05-02", "2023-05-03"]
    for row in rows:
        ends = ["low 90 %", "low 50 %", "value", "high 50 %", "high 90 %"]
        assert sorted(float(row[name]) for name in ends) == [float(row[name]) for name in ends]
    assert main(["predict", "r", "--data", "x.csv", "--steps", "9"]) == 2
    assert "9 steps were requested, but the model forecasts 3" in capsys.readouterr().err
    with open("y.csv", "w", encoding="utf-8") as file:
        file.write("day,a,b\n" + "".join(f"2023-{month:02}-01,1,2\n" for month in range(1, 13)))
    assert main(["predict", "r", "--data", "y.csv"]) == 2
    assert (
        "has one step per month, but the model was trained on one per day"
        in capsys.readouterr().err
    )


def write(path, header, rows):
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def weekdays(first, last):
    days = np.arange(np.datetime64(first), np.datetime64(last))
    return days[np.is_busday(days)]


@pytest.mark.slow
def test_a_weekly_pattern_on_working_days(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    days = weekdays("2022-01-03", "2023-04-22")
    draw = np.random.default_rng(0)
    pattern = 10 * (1 + (days.astype(int) + 3) % 7) + draw.normal(0, 0.5, len(days))
    write("x.csv", "date,visits", zip(days, pattern.round(2), strict=True))
    small = ["--horizon", "6", "--hidden", "16", "--epochs", "12", "--rate", "1e-2"]
    assert main(["train", "forecast", "--data", "x.csv", "--run-dir", "r", *small]) == 0
    said = capsys.readouterr().out
    assert f"1 series of {len(days)} steps, one per working day, from " in said
    assert "a season is 5 steps" in said
    assert main(["predict", "r", "--data", "x.csv", "--out", "n.csv"]) == 0
    found = read_rows("n.csv")
    assert [row["time"] for row in found] == [
        "2023-04-24", "2023-04-25", "2023-04-26", "2023-04-27", "2023-04-28", "2023-05-01"
    ]  # fmt: skip
    values = [float(row["value"]) for row in found]
    np.testing.assert_allclose(values, [10, 20, 30, 40, 50, 10], atol=4)


def test_what_is_known_ahead_is_joined_by_date_at_prediction(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    days = weekdays("2022-01-03", "2022-06-25")
    promo = np.random.default_rng(1).integers(0, 2, len(days))
    rows = [(day, 20 + 50 * on, on) for day, on in zip(days, promo, strict=True)]
    past, ahead = rows[:-5], [(day, "", on) for day, _, on in rows[-5:]]
    columns = "date,visits,promo"
    write("past.csv", columns, past)
    small = ["--horizon", "4", "--hidden", "8", "--epochs", "1", "--known", "promo"]
    assert main(["train", "forecast", "--data", "past.csv", "--run-dir", "r", *small]) == 0

    def predicted(*data):
        assert main(["predict", "r", "--data", *data, "--out", "n.csv"]) == 0
        return read_rows("n.csv")

    write("whole.csv", columns, past + ahead)
    whole = predicted("whole.csv")
    assert [row["time"] for row in whole] == [str(day) for day, *_ in ahead[:4]]
    write("mixed.csv", columns, ahead[::-1] + past)
    with pytest.warns(EngramWarning, match="they were sorted"):
        assert predicted("mixed.csv") == whole
    write("ahead.csv", "promo,date", [(on, day) for day, _, on in ahead])
    assert predicted("past.csv", "ahead.csv") == whole
    with pytest.warns(EngramWarning, match="the history is read from the training data"):
        assert predicted("ahead.csv") == whole
    write("other.csv", columns, past + [(day, "", 1 - on) for day, _, on in ahead])
    assert predicted("other.csv") != whole
    capsys.readouterr()
    write("late.csv", columns, past + ahead[2:])
    assert main(["predict", "r", "--data", "late.csv"]) == 2
    missing = f"'promo' is missing for 2 of the 4 steps after it: {ahead[0][0]}, {ahead[1][0]};"
    assert missing in capsys.readouterr().err
    weekend = ahead[0][0] - 1
    write("odd.csv", columns, [*past, (weekend, "", 1), *ahead])
    assert main(["predict", "r", "--data", "odd.csv"]) == 2
    assert f"has rows to come for {weekend}" in capsys.readouterr().err


def test_prediction_reads_files_as_training_did(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = {n: 30 + 10 * (n % 3) for n in range(200) if n % 11}
    write("x.csv", "step,value", there.items())
    write("y.csv", "step,value", [(n, there.get(n, "")) for n in range(1, 200)])
    small = ["--horizon", "3", "--hidden", "8", "--epochs", "1", "--missing", "impute"]
    told = [*small, "--gaps", "fill"]
    assert main(["train", "forecast", "--data", "x.csv", "--run-dir", "r", *told]) == 0
    for name in "xy":
        assert main(["predict", "r", "--data", f"{name}.csv", "--out", f"{name}.next.csv"]) == 0
        assert main(["eval", "r", "--data", f"{name}.csv", "--json", f"{name}.json"]) == 0
    assert read_rows("x.next.csv") == read_rows("y.next.csv")
    assert Path("x.json").read_text() == Path("y.json").read_text()
    with pytest.warns(EngramWarning, match="steps do not follow one per unit"):
        assert main(["predict", "r", "--data", "x.csv", "--gaps", "keep", "--out", "z.csv"]) == 0
    assert read_rows("z.csv") != read_rows("x.next.csv")


def test_a_model_that_stored_a_frequency_predicts_the_same(trained):
    model, data = trained
    stored = model.preprocess.plain()
    stored["frequency"] = {**stored.pop("calendar"), "ends": False}
    older = replace(model, preprocess=forecast.TASK.preprocess_from(stored))
    panel = data.test.panel
    assert list(forecast.predict(older, panel)) == list(forecast.predict(model, panel))


def test_the_set_that_comes_with_a_library():
    settings = settings_of(data=["sunspots"], season=11)
    data = forecast.read(settings)
    assert data.train.keys == ["sunspots"]
    assert data.test.panel.lengths.tolist() == [309]
    assert data.test.panel.times[[0, -1]].tolist() == [1700, 2008]
