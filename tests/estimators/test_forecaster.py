import numpy as np
import pytest

from engram import ConfigError, DataError, Forecaster

SMALL = {"horizon": 4, "season": 6, "hidden": 12, "epochs": 4, "window": 20}


def waves(count, steps=80):
    t = np.arange(steps)
    return np.stack([10 * n + np.sin(2 * np.pi * t / 6.3 + n) for n in range(1, count + 1)])


@pytest.fixture(scope="module")
def fitted():
    return Forecaster(**SMALL).fit(waves(2))


def test_shapes(fitted):
    assert fitted.predict().shape == (2, 4)
    assert fitted.predict(2).shape == (2, 2)
    interval = fitted.predict_interval(0.8, 3)
    assert interval.shape == (2, 3, 2)
    assert (interval[..., 0] <= fitted.predict(3)).all()
    assert (fitted.predict(3) <= interval[..., 1]).all()
    assert fitted.keys_ == ["series 0", "series 1"]
    one = Forecaster(**SMALL).fit(waves(1)[0])
    assert one.predict().shape == (4,)
    assert one.predict_interval().shape == (4, 2)


@pytest.mark.parametrize("missing", ["refuse", "mask"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_what_comes_later_moves_the_state_on(cell, missing, tmp_path):
    whole = waves(2)
    if missing == "mask":
        whole[0, [55, 70]] = np.nan
    made = Forecaster(**SMALL, cell=cell, missing=missing).fit(whole[:, :50])
    before = made.predict()
    for start, stop in ((50, 51), (51, 60), (60, 80)):
        made.update(whole[:, start:stop])
    assert not np.allclose(made.predict(), before)
    made.save(tmp_path / "model")
    fresh = Forecaster.load(tmp_path / "model").update(whole)
    np.testing.assert_allclose(made.predict(), fresh.predict(), rtol=1e-5)
    weights = [w.clone() for w in made.module_.state_dict().values()]
    made.update(whole[:, :3])
    assert all(
        (a == b).all() for a, b in zip(weights, made.module_.state_dict().values(), strict=True)
    )


def test_measuring_one_series_changes_nothing_of_many(fitted):
    before = fitted.predict()
    fitted.backtest(waves(1)[0])
    fitted.score(waves(1))
    np.testing.assert_array_equal(fitted.predict(), before)


def test_series_of_any_lengths():
    made = Forecaster(**SMALL).fit([waves(1)[0], waves(1, 50)[0]])
    assert made.predict().shape == (2, 4)
    made.update([[1.0, 2.0], [3.0]])
    assert made._panel.lengths.tolist() == [82, 51]


@pytest.mark.slow
def test_it_learns():
    made = Forecaster(**SMALL | {"epochs": 30, "rate": 1e-2}).fit(waves(2, 76))
    measured = made.backtest(waves(2, 80))
    assert measured["MASE"] == -made.score(waves(2, 80))
    errors = np.abs(made.predict() - waves(2)[:, 76:])
    assert errors.max() < 0.3


@pytest.mark.parametrize("library", ["pandas", "arrow"])
def test_tables(library):
    pandas = pytest.importorskip("pandas")
    t = np.arange(70)
    days = pandas.date_range("2024-01-01", periods=70)
    price = np.where(t % 5 == 0, 2.0, 1.0)
    table = pandas.DataFrame({"day": days, "sold": 10 + np.sin(t) - price, "price": price})
    table.loc[66:, "sold"] = np.nan  # yet to come
    if library == "arrow":
        import pyarrow

        table = pyarrow.Table.from_pandas(table)
    made = Forecaster(**SMALL, target=["sold"], known=["price"]).fit(table)
    assert made.predict().shape == (1, 4)
    assert made.keys_ == ["sold"]
    later = pandas.DataFrame({"day": days[66:68], "sold": [9.0, 8.0], "price": [1.0, 1.0]})
    made.update(later)
    with pytest.raises(
        DataError, match="'price' is missing for 4 of the 4 steps after it: 2024-03-09,"
    ):
        made.predict()
    with pytest.raises(
        DataError, match="continues at 2024-03-07, but was already read up to 2024-03-08"
    ):
        made.update(later)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("text", r"X is str; it takes \(T,\)"),
        ([], "X"),
        (np.full((2, 50), np.inf), r"X\[0, 0\] is inf \(inf\); give finite values, at most"),
        (np.full((2, 50), np.nan), "contains no finite value"),
        (np.zeros((2, 3, 4)), r"X takes \(T,\)"),
        (np.arange(5.0), "no series is long enough"),
    ],
)
def test_what_cannot_be_learnt_from(X, message):
    with pytest.raises(DataError, match=message):
        Forecaster(**SMALL).fit(X)


def test_what_cannot_be_asked(fitted):
    with pytest.raises(DataError, match="exceeds the model's horizon of 4; give 1 to 4"):
        fitted.predict(5)
    with pytest.raises(ConfigError, match=r"an interval of 0.5 was not trained, only \[0.8\]"):
        fitted.predict_interval(0.5)
    with pytest.raises(DataError, match="too few for 50 origins"):
        fitted.backtest(waves(2), origins=50)


def test_what_was_loaded_wants_series(fitted, tmp_path):
    fitted.save(tmp_path / "m")
    with pytest.raises(DataError, match="no series has been read yet"):
        Forecaster.load(tmp_path / "m").predict()
