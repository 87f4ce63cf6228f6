"""Regions and kinds: every parameter in exactly one, by type, by place, or as a class says."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from engram import cells
from engram.errors import ConfigError
from engram.layers import (
    GRU,
    LSTM,
    AdditiveAttention,
    ConvLSTM,
    FrameConvolution,
    Pooling,
    Recurrent,
    TemporalConvolution,
)
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.models.region_names import KINDS, ROLES
from engram.models.regions import module_regions, places


class _Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout()
        self.project = nn.Linear(4, 4)
        self.eye = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2))
        self.tokens = nn.Embedding(9, 4)
        self.first = nn.LSTM(4, 6, proj_size=2)
        self.norm = nn.LayerNorm(2)
        self.second = GRU(2, 5)
        self.look = nn.MultiheadAttention(5, 1)
        self.memory = nn.Parameter(torch.zeros(3, 3))
        self.head = nn.Linear(5, 2)


def _of(model):
    return {place.name: (place.region, place.kind) for place in places(model)}


def test_every_type_has_its_region():
    assert module_regions(_Everything()) == {
        "drop": "parietal",  # the first of all: with what follows
        "project": "parietal",
        "eye.0": "occipital",
        "eye.1": "occipital",
        "eye.2": "occipital",
        "eye.3": "occipital",
        "tokens": "parietal",
        "first": "frontal",
        "norm": "frontal",
        "second": "frontal",
        "look": "temporal",
        "look.out_proj": "temporal",
        "head": "temporal",
    }


@pytest.mark.parametrize(
    ("name", "region", "kind"),
    [
        ("project.weight", "parietal", "input"),
        ("project.bias", "parietal", "bias"),
        ("eye.0.weight", "occipital", "convolution"),
        ("eye.1.weight", "occipital", "gain"),
        ("eye.1.bias", "occipital", "bias"),
        ("tokens.weight", "parietal", "embedding"),
        ("first.weight_ih_l0", "frontal", "input"),
        ("first.weight_hh_l0", "frontal", "recurrent"),
        ("first.weight_hr_l0", "frontal", "recurrent"),
        ("first.bias_hh_l0", "frontal", "bias"),
        ("norm.weight", "frontal", "gain"),
        ("second.weight_hh_l0", "frontal", "recurrent"),
        ("look.in_proj_weight", "temporal", "attention"),
        ("look.out_proj.weight", "temporal", "attention"),
        ("look.in_proj_bias", "temporal", "bias"),
        ("memory", "temporal", "head"),
        ("head.weight", "temporal", "head"),
    ],
)
def test_every_parameter_has_its_place(name, region, kind):
    assert _of(_Everything())[name] == (region, kind)


def test_per_unit_weights_of_a_cell_are_gains_and_shifts_are_biases():
    found = _of(Recurrent(cells.LSTM(peepholes=True, layer_norm=True), 3, 4))
    kinds = {name: kind for name, (_, kind) in found.items() if not name.startswith("weight_")}
    assert kinds["p_f_l0"] == kinds["gain_x_i_l0"] == kinds["gain_c_l0"] == "gain"
    assert kinds["shift_f_l0"] == kinds["shift_c_l0"] == "bias"
    assert set(kinds.values()) == {"gain", "bias"}


@pytest.mark.parametrize(
    "model",
    [
        _Everything(),
        nn.LSTM(3, 4, 2, bidirectional=True),
        nn.GRUCell(3, 4),
        nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)),
        nn.TransformerEncoderLayer(4, 2, 8),
        nn.Sequential(nn.Flatten(), nn.PReLU(), nn.Bilinear(2, 2, 2)),
        nn.ParameterDict({"a": torch.zeros(2, 2)}),
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)),
        ManyToMany(7, ModelSettings(hidden=5, tied=True)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_each_parameter_lies_in_exactly_one_place(model):
    found = places(model)
    assert [id(p.parameter) for p in found] == [id(p) for p in model.parameters()]
    assert {p.region for p in found} <= set(ROLES)
    assert {p.kind for p in found} <= set(KINDS)


def test_a_module_alone_is_all_of_its_region():
    assert module_regions(LSTM(3, 4)) == {"": "frontal"}
    assert {region for region, _ in _of(nn.LSTM(3, 4)).values()} == {"frontal"}


def test_linear_layers_without_recurrence_are_learnt_memory():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    assert set(module_regions(model).values()) == {"temporal"}


def test_tied_weights_lie_where_they_are_first():
    found = {
        place.name: place for place in places(ManyToMany(7, ModelSettings(hidden=5, tied=True)))
    }
    assert "head.weight" not in found
    assert found["embedding.weight"].shared == ("head.weight",)
    assert found["embedding.weight"].region == "parietal"
    assert found["head.bias"].region == "temporal"


class _Sees(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frames = FrameConvolution(1, (8, 8), 6)
        self.series = TemporalConvolution(6, 5, 3)
        self.maps = ConvLSTM(1, 2, peepholes=(3, 3))
        self.layers = LSTM(5, 4, learn_initial_state=True)
        self.look = AdditiveAttention(4, 4, 3)
        self.pool = Pooling("attention", 4)


def test_layers_of_our_own():
    regions = module_regions(_Sees())
    outermost = {n: r for n, r in regions.items() if "." not in n}
    assert outermost == {
        "frames": "occipital",
        "series": "occipital",
        "maps": "frontal",
        "layers": "frontal",
        "look": "temporal",
    }
    found = _of(_Sees())
    assert found["frames.head.weight"] == ("occipital", "convolution")
    assert found["series.convolution.weight"] == ("occipital", "convolution")
    assert found["maps.weight_ih"] == ("frontal", "input")
    assert found["maps.peephole_f"] == ("frontal", "gain")
    assert found["layers.initial_h"] == ("frontal", "gain")
    assert found["look.score.weight"] == ("temporal", "attention")
    assert {found[n] for n in found if n.startswith("pool.")} == {("temporal", "attention")}


class _Says(nn.Module):
    anatomy: ClassVar = {"encoder": "occipital", "memory": "frontal", "encoder.1": "parietal"}

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.LSTM(2, 2))
        self.memory = nn.Parameter(torch.zeros(2, 2))
        self.head = nn.Linear(2, 2)


class _Outer(nn.Module):
    anatomy: ClassVar = {"inner.encoder": "temporal"}

    def __init__(self) -> None:
        super().__init__()
        self.inner = _Says()


def test_a_class_says_otherwise():
    found = _of(_Says())
    assert found["encoder.0.weight"] == ("occipital", "convolution")
    assert found["encoder.1.weight"] == ("parietal", "input")
    assert found["encoder.2.weight_hh_l0"] == ("occipital", "recurrent")
    assert found["memory"] == ("frontal", "recurrent")
    assert found["head.bias"] == ("temporal", "bias")


def test_the_outermost_class_has_the_last_word():
    found = _of(_Outer())
    assert found["inner.encoder.0.weight"][0] == "temporal"
    assert found["inner.encoder.1.weight"][0] == "parietal"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"hed": "temporal"}, r"_Odd.anatomy names 'hed': did you mean 'head'\?"),
        ({"head": "temproal"}, r"_Odd.anatomy has region 'temproal': did you mean 'temporal'\?"),
    ],
)
def test_a_class_that_says_what_does_not_exist(said, text):
    class _Odd(_Says):
        anatomy = said

    with pytest.raises(ConfigError, match=text):
        places(_Odd())


def test_an_attribute_of_another_meaning_is_left_alone():
    class _Other(nn.Linear):
        anatomy = "unrelated"

    assert set(module_regions(_Other(2, 2)).values()) == {"temporal"}


def test_lazy_weights_are_refused():
    with pytest.raises(ConfigError, match="'weight' has no shape yet; run the model once"):
        places(nn.LazyLinear(3))
