"""Groups of weights: rates, freezing and unfreezing by region, and every contradiction refused."""

import pytest
import torch

from engram.errors import ConfigError
from engram.models.many_to_many import ManyToMany, ModelSettings
from engram.training.groups import Tuning, make_groups, only_learning, tuning_of
from engram.training.settings import TrainingSettings


def _model(**changes):
    torch.manual_seed(0)
    return ManyToMany(7, ModelSettings(**({"hidden": 4} | changes)))


@pytest.mark.parametrize(
    ("settings", "parietal", "frontal", "temporal"),
    [
        ({}, (1.0, 0), (1.0, 0), (1.0, 0)),
        ({"freeze": ["parietal"]}, (0.0, None), (1.0, 0), (1.0, 0)),
        ({"rates": {"temporal": 0.1}}, (1.0, 0), (1.0, 0), (0.1, 0)),
        ({"rate_decay": 2.0}, (0.25, 0), (0.5, 0), (1.0, 0)),
        ({"rate_decay": 2.0, "rates": {"frontal": 3.0}}, (0.25, 0), (3.0, 0), (1.0, 0)),
        ({"unfreeze_every": 5}, (1.0, 10), (1.0, 5), (1.0, 0)),
        (
            {"unfreeze_every": 5, "rate_decay": 2.0, "freeze": ["temporal"]},
            (0.5, 5),
            (1.0, 0),
            (0.0, None),
        ),
    ],
)
def test_how_regions_learn(settings, parietal, frontal, temporal):
    assert tuning_of(_model(), TrainingSettings(**settings)) == {
        "parietal": Tuning(*parietal),
        "frontal": Tuning(*frontal),
        "temporal": Tuning(*temporal),
    }


def test_each_weight_is_in_one_group_of_its_own_kind():
    model = _model(tied=True)
    settings = TrainingSettings(
        freeze=["frontal"], rates={"temporal": 0.5}, unfreeze_every=3, l2=0.1, regularise=["bias"]
    )
    groups = make_groups(model, settings)
    assert [(g.factor, g.begins, g.regularised) for g in groups] == [
        (1.0, 3, False),
        (0.5, 0, True),
    ]
    assert groups[0].parameters == [model.embedding.weight]  # which is the head's as well
    assert groups[1].parameters == [model.head.bias]


FAULTS = [
    ({"freeze": ["temproal"]}, ["freeze names 'temproal', did you mean 'temporal'?"]),
    (
        {"rates": {"frontl": 0.5}, "freeze": ["frontal"]},
        ["rates names 'frontl', did you mean 'frontal'?"],
    ),
    ({"freeze": ["occipital"]}, ["freeze names 'occipital', but this model has no weights there"]),
    ({"rates": {"brainstem": 2.0}}, ["rates names 'brainstem', but this model has no weights"]),
    (
        {"freeze": ["parietal", "frontal", "temporal"]},
        ["freeze names every region (parietal, frontal, temporal), so nothing would learn"],
    ),
    (
        {"freeze": ["temporal"], "rates": {"temporal": 0.1}},
        ["rates sets a learning rate for temporal, but freeze freezes it; leave one"],
    ),
    ({"rates": {"temporal": 0.0}}, ["rates has temporal=0; a factor must be above 0; freeze"]),
    (
        {"freeze": ["parietal", "frontal"], "unfreeze_every": 3, "rate_decay": 2.0},
        ["unfreeze_every needs several regions", "rate_decay needs several regions that learn"],
    ),
    (
        {"unfreeze_every": 50},
        ["unfreeze_every=50 would unfreeze parietal after update 100, but training has only"],
    ),
    (
        {"regularise": ["recurent"], "l2": 0.1},
        ["regularise names 'recurent', did you mean 'recurrent'?"],
    ),
    (
        {"regularise": ["attention"], "l1": 0.1},
        ["regularise names attention, but this model has weights of the kinds input, recurrent"],
    ),
    ({"rate": 0.5, "weight_decay": 2.0}, ["weight_decay=2 times the highest learning rate is 1,"]),
    (
        {"freeze": ["occipital", "temproal"], "rates": {"frontal": -1.0}, "regularise": ["biass"]},
        ["'occipital'", "'temproal'", "frontal=-1", "'biass'"],
    ),
]


@pytest.mark.parametrize(("settings", "texts"), FAULTS, ids=str)
def test_contradictions_are_refused_together(settings, texts):
    with pytest.raises(ConfigError) as caught:
        tuning_of(_model(), TrainingSettings(**settings), updates=100)
    assert all(text in str(caught.value) for text in texts)


def test_unfreezing_that_just_fits():
    tuned = tuning_of(_model(), TrainingSettings(unfreeze_every=49), updates=99)
    assert tuned["parietal"].begins == 98


def test_only_what_has_begun_takes_a_gradient():
    model = _model()
    model.head.bias.requires_grad_(False)  # by the user's own hand: it stays so
    model.layers.weight_hh_l0.grad = torch.ones(16, 4)
    groups = make_groups(model, TrainingSettings(freeze=["temporal"], unfreeze_every=2))
    learning = []
    with only_learning(model, groups) as begin:
        assert model.layers.weight_hh_l0.grad is None
        for update in range(4):
            begin(update)
            learning.append(
                {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad}
            )
    assert learning == [{"layers"}, {"layers"}, {"layers", "embedding"}, {"layers", "embedding"}]
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["head.bias"]


def test_regions_learn_again_after_a_fault():
    model = _model()
    groups = make_groups(model, TrainingSettings(freeze=["temporal"]))

    def fail():
        with only_learning(model, groups) as begin:
            begin(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(p.requires_grad for p in model.parameters())
