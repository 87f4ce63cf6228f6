import numpy as np
import pytest
import torch

from engram.data.panels.outlook import Outlook, OutlookSettings, learn_outlook
from engram.data.panels.windows import inputs_of, season_places, windows
from engram.errors import DataError
from helpers.making_panels import panel_of

NAN = np.nan


def outlook_of(panel, **values):
    return learn_outlook(panel, OutlookSettings(horizon=3, **values), {})


def windows_of(panel, outlook, series, starts, lengths):
    scales = outlook.scales_of(panel)
    return windows(panel, outlook, scales, np.array(series), np.array(starts), np.array(lengths))


@pytest.mark.parametrize("reference", ["zero", "last", "season"])
@pytest.mark.parametrize("transform", ["none", "log", "sqrt"])
def test_targets_are_undone_to_what_came(reference, transform):
    draw = np.random.default_rng(0)
    panel = panel_of(draw.uniform(1, 9, 40), draw.uniform(10, 99, 30))
    outlook = outlook_of(panel, reference=reference, transform=transform, season=4)
    batch = windows_of(panel, outlook, [0, 1], [5, 3], [8, 6])
    assert batch.inputs.shape == (8, 2, outlook.inputs)
    assert batch.known.shape == (8, 2, 3, outlook.known)
    scales = outlook.scales_of(panel)
    for row, (start, length) in enumerate([(5, 8), (3, 6)]):
        scaled = batch.targets[:, row].numpy() * outlook.spread + batch.reference[:, row].numpy()
        values = outlook.undo(scaled, scales[row])
        own = panel.target(row)
        for step in range(length):
            at = start + step + 1
            np.testing.assert_allclose(values[step], own[at : at + 3], rtol=1e-4)
        assert torch.isnan(batch.targets[length:, row]).all()
    assert batch.count == 14


def test_nothing_before_or_behind_a_series_is_seen():
    one = panel_of(np.arange(10.0))
    both = panel_of(np.full(20, 1e6), np.arange(10.0), np.full(20, -1e6))
    outlook = outlook_of(one, reference="season", season=4)
    scales = np.repeat(outlook.scales_of(one), 3, axis=0)
    place = np.array([0])
    alone = windows(one, outlook, scales, place, place, np.array([10]))
    among = windows(both, outlook, scales, place + 1, place, np.array([10]))
    for name in ("inputs", "known", "reference", "targets"):
        given, wanted = getattr(among, name), getattr(alone, name)
        torch.testing.assert_close(given, wanted, equal_nan=True, msg=name)
    np.testing.assert_array_equal(torch.isnan(alone.targets[:, 0]).sum(1), [0] * 7 + [1, 2, 3])


def test_the_last_season_is_repeated():
    assert season_places(5, 2).tolist() == [-1, 0, -1, 0, -1]
    assert season_places(3, 12).tolist() == [-11, -10, -9]
    assert season_places(3, 1).tolist() == [0, 0, 0]


def test_missing_values_are_carried_and_told():
    panel = panel_of([1, NAN, NAN, 4, 5, 6])
    outlook = outlook_of(panel, missing="mask")
    batch = windows_of(panel, outlook, [0], [0], [6])
    np.testing.assert_array_equal(batch.inputs[:, 0, 2], [0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(batch.inputs[:3, 0, 0], [batch.inputs[0, 0, 0]] * 3)
    np.testing.assert_array_equal(torch.isnan(batch.targets[0, 0]), [True, True, False])
    assert torch.isfinite(batch.inputs).all()


def test_what_is_read_in_pieces_is_what_is_read_at_once():
    draw = np.random.default_rng(1)
    values = draw.normal(size=(50, 3))
    values[draw.random(values.shape) < 0.2] = NAN
    panel = panel_of(values, past=1)
    outlook = outlook_of(panel, missing="mask", reference="season", season=7)
    scales, series = outlook.scales_of(panel), np.array([0])
    whole = windows(panel, outlook, scales, series, np.array([0]), np.array([50])).inputs
    pieces = [inputs_of(panel, outlook, scales, series, at, 10) for at in range(0, 50, 10)]
    torch.testing.assert_close(torch.cat(pieces), whole)


def test_what_was_learnt_is_kept():
    panel = panel_of(np.random.default_rng(0).normal(size=(30, 3)), past=1)
    outlook = outlook_of(panel, intervals=[0.5, 0.9])
    again = Outlook.from_plain(outlook.plain())
    assert again.plain() == outlook.plain()
    assert again.settings.quantiles == [0.05, 0.25, 0.5, 0.75, 0.95]
    for name in outlook.plain():
        damaged = {key: value for key, value in outlook.plain().items() if key != name}
        with pytest.raises(DataError, match="damaged"):
            Outlook.from_plain(damaged)


def test_a_series_that_was_not_learnt_is_scaled_by_what_was_seen():
    outlook = outlook_of(panel_of(np.arange(10.0)))
    other = panel_of([1, 3, 1e6], keys=["new"])
    np.testing.assert_allclose(outlook.scales_of(other, np.array([2])), [[2, 1]])


@pytest.mark.parametrize(
    ("transform", "value", "message"),
    [
        ("log", 0, "has the value 0, but --transform log needs values above 0"),
        ("sqrt", -1, "0 or more"),
    ],
)
def test_values_that_a_transform_does_not_take(transform, value, message):
    with pytest.raises(DataError, match=message):
        outlook_of(panel_of([1, value, 3]), transform=transform)


def test_a_series_that_never_changes():
    outlook = outlook_of(panel_of(np.full(20, 7.0)))
    assert outlook.scales == {"s0": (7.0, 1.0)}
    assert outlook.spread == 1.0
