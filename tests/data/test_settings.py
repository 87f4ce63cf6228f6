"""Settings of data say what the readers read, though they do not load them."""

import pytest

from engram.data.labelled import reading
from engram.data.panels import reading as panel_reading
from engram.data.settings import SOUNDS, PanelSettings, ReadingSettings
from engram.data.sound.sound_files import SUFFIXES
from engram.data.tables.reading import READERS


@pytest.mark.parametrize(
    ("settings", "made"),
    [(ReadingSettings, reading.MADE), (PanelSettings, panel_reading.MADE)],
)
def test_every_suffix_and_every_made_set_is_named(settings, made):
    said = settings.model_fields["data"].description
    assert all(name in said for name in (*READERS, *made))


def test_every_suffix_of_sounds_is_named():
    assert ", ".join(sorted(SUFFIXES)) == SOUNDS
    assert SOUNDS in ReadingSettings.model_fields["data"].description
