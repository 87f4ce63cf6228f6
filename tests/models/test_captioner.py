import pytest
import torch
from torch.nn import functional

from engram.errors import ConfigError
from engram.models.captioner import Captioner, CaptionerSettings
from engram.models.decoding import greedy
from engram.models.regions import places

SETTINGS = {"hidden": 5, "embedding": 4, "filters": [3, 4], "features": 6}


def _model(given, width=None, **settings):
    torch.manual_seed(0)
    made = CaptionerSettings(**SETTINGS | settings)
    return Captioner(given, 7, made, width=width).eval()


def _kinds():
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(3, 2, 8, 12, generator=generator)
    yield "images", lambda: _model((2, 8, 12)), images
    yield "images, bahdanau", lambda: _model((2, 8, 12), attend="before"), images
    yield "images, no attention", lambda: _model((2, 8, 12), attention="none"), images
    yield "classes", lambda: _model(4, attention="none"), torch.tensor([3, 0, 3])
    yield "numbers", lambda: _model(None, 2, attention="none"), torch.randn(3, 2)


KINDS = {name: (make, given) for name, make, given in _kinds()}
INPUTS = torch.tensor([[0, 0, 0], [3, 1, 6], [2, 2, 5]])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_as_each_alone_and_steps_are_as_all_at_once(kind):
    make, given = KINDS[kind]
    model = make()
    scores, weights = model(given, INPUTS)
    for row in range(3):
        alone, _ = model(given[row : row + 1], INPUTS[:, row : row + 1])
        torch.testing.assert_close(alone, scores[:, row : row + 1])
    carried = model.begin(given)
    for place, tokens in enumerate(INPUTS):
        score, carried, weight = model.step(tokens, carried)
        torch.testing.assert_close(score, scores[place])
        if weights is not None:
            torch.testing.assert_close(weight, weights[place])
            assert weight.shape == (3, 2 * 3)  # places of 8 by 12 pixels after two halvings
    assert (weights is None) == ("images" not in kind or "no" in kind)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_against_finite_differences(kind):
    make, given = KINDS[kind]
    model = make().double()
    given = given.double() if given.is_floating_point() else given

    def loss():
        scores, _ = model(given, INPUTS)
        return functional.cross_entropy(scores.flatten(0, 1), INPUTS.roll(-1, 0).flatten())

    loss().backward()
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            weight += 1e-6 * direction
            above = float(loss())
            weight -= 2e-6 * direction
            below = float(loss())
            weight += 1e-6 * direction
        expected = (above - below) / 2e-6
        assert float((weight.grad * direction).sum()) == pytest.approx(expected, abs=1e-7), name


def test_places_are_told_apart():
    """Two places with the same pixels have other vectors once the places have been learnt."""
    model = _model((2, 8, 12))
    torch.nn.init.normal_(model.image.places.vectors)
    _, memory = model.image(torch.zeros(1, 2, 8, 12))
    assert not torch.allclose(memory[0], memory[1])


def test_attention_needs_places():
    with pytest.raises(ConfigError) as caught:
        _model(4)
    assert str(caught.value) == (
        "attention=general reads positions of an image, and classes and vectors have none; set "
        "attention=none"
    )


def test_small_images_are_refused():
    with pytest.raises(ConfigError, match="2 stages with pool=2 need at least 4 by 4"):
        _model((3, 3, 8))


def test_regions():
    regions = {place.name: place.region for place in places(_model((2, 8, 12)))}
    assert (
        regions["image.places.vectors"]
        == regions["image.convolution.stages.0.weight"]
        == "occipital"
    )
    assert regions["decoder.layers.weight_ih_l0"] == "frontal"


def test_a_sequence_for_each_class_is_learnt():
    torch.manual_seed(0)
    words = torch.tensor([[1, 2, 3, 0], [3, 3, 0, 0], [2, 0, 0, 0]])
    model = Captioner(3, 4, CaptionerSettings(hidden=16, features=8, attention="none"))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    targets = words.T
    inputs = torch.cat([torch.zeros(1, 3, dtype=torch.int64), targets[:-1]])
    for _ in range(60):
        scores, _ = model(torch.arange(3), inputs)
        optimizer.zero_grad()
        functional.cross_entropy(scores.flatten(0, 1), targets.flatten()).backward()
        optimizer.step()
    found = greedy(model.step, model.begin(torch.arange(3)), [5, 5, 5])
    assert [h.tokens for h in found] == [[1, 2, 3], [3, 3], [2]]
