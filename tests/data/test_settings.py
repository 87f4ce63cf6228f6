"""Settings of data say what the readers read, though they do not load them."""

import pytest

from engram.data.images import pictures
from engram.data.labelled import reading
from engram.data.panels import reading as panel_reading
from engram.data.settings import IMAGES, SOUNDS, PanelSettings, ReadingSettings
from engram.data.sound import sound_files
from engram.data.tables.reading import READERS


@pytest.mark.parametrize(
    ("settings", "made"),
    [(ReadingSettings, reading.MADE), (PanelSettings, panel_reading.MADE)],
)
def test_every_suffix_and_every_made_set_is_named(settings, made):
    said = settings.model_fields["data"].description
    assert all(name in said for name in (*READERS, *made))


@pytest.mark.parametrize(
    ("said", "suffixes"), [(SOUNDS, sound_files.SUFFIXES), (IMAGES, pictures.SUFFIXES)]
)
def test_every_suffix_of_sounds_and_images_is_named(said, suffixes):
    assert ", ".join(sorted(suffixes)) == said
    assert said in ReadingSettings.model_fields["data"].description
