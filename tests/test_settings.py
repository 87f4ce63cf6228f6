"""Settings: typed, checked as a whole, every fault told at once."""

import json
import math

import pytest
from pydantic import Field, ValidationError

from engram.errors import ConfigError
from engram.settings import Settings
from engram.tasks.language_model import LanguageModelSettings


class Small(Settings):
    size: int = Field(1, ge=1, description="a size")
    rate: float = Field(0.5, gt=0.0, description="a rate")
    name: str | None = Field(None, description="a name")


class Needy(Settings):
    size: int = Field(description="a size")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"sise": 2}, "'sise' is not a setting, did you mean 'size'? accepted: name, rate, size"),
        ({"zzzz": 2}, "'zzzz' is not a setting, accepted: name, rate, size"),
        ({"size": 0}, "size is 0: input should be greater than or equal to 1"),
        ({"size": "many"}, "size is 'many': input should be a valid integer"),
        ({"size": 2.5}, "size is 2.5: input should be a valid integer"),
        ({"rate": 0.0}, "rate is 0.0: input should be greater than 0"),
        ({"rate": math.inf}, "rate is inf: input should be a finite number"),
        ({"rate": math.nan}, "rate is nan: input should be"),
        ({"name": 3}, "name is 3: input should be a valid string"),
        ({1: 2}, "1 is 1: keys should be strings"),
    ],
)
def test_faults(values, text):
    with pytest.raises(ConfigError) as caught:
        Small.checked(values, "there")
    assert str(caught.value).startswith("there: ")
    assert text in str(caught.value)


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as caught:
        Small.checked({"size": 0, "rate": "x", "nam": "n"})
    text = str(caught.value)
    assert "size is 0" in text
    assert "rate is 'x'" in text
    assert "'nam' is not a setting, did you mean 'name'?" in text


class Paired(Small):
    def contradictions(self):
        faults = super().contradictions()
        if self.size > 3 and self.rate < 0.1:
            faults.append(f"size={self.size} needs a rate of 0.1")
        if self.name == "x":
            faults.append("name='x' is taken")
        return faults


def test_all_contradictions_at_once():
    values = {"size": 4, "rate": 0.01, "name": "x"}
    with pytest.raises(ConfigError) as caught:
        Paired.checked(values, "there")
    assert str(caught.value) == "there: size=4 needs a rate of 0.1; name='x' is taken"
    with pytest.raises(ConfigError, match=r"^size=4 needs a rate of 0\.1; name='x' is taken$"):
        Paired(**values).require_consistent()
    assert Paired.checked(values | {"size": 3, "name": "y"}).size == 3


def test_missing_field():
    with pytest.raises(ConfigError, match="'size' is missing and has no default"):
        Needy.checked({})


def test_text_becomes_numbers():
    assert Small.checked({"size": "3", "rate": "1e-3"}) == Small(size=3, rate=1e-3)


def test_frozen():
    with pytest.raises(ValidationError):
        Small().size = 2


def test_plain_through_json():
    settings = LanguageModelSettings(rate=0.1 + 0.2, data=["ä.txt", "b"], clip_norm=None)
    assert LanguageModelSettings.checked(json.loads(json.dumps(settings.plain()))) == settings


@pytest.mark.parametrize("name", LanguageModelSettings.model_fields)
def test_every_field_is_described(name):
    description = LanguageModelSettings.model_fields[name].description
    assert description
    assert not description.endswith(".")
