import pytest
import torch
from torch.nn import functional

from engram.errors import ConfigError
from engram.models.decoding import beam_search, greedy
from engram.models.encoder_decoder import EncoderDecoder, EncoderDecoderSettings
from engram.models.regions import places

KINDS = {
    "luong": {},
    "luong, dot": {"attention": "dot", "bidirectional": False},
    "luong, scaled": {"attention": "scaled", "bidirectional": False},
    "additive after": {"attention": "additive"},
    "input feeding": {"input_feeding": True},
    "bahdanau": {"attention": "additive", "attend": "before"},
    "general before": {"attend": "before"},
    "none": {"attention": "none"},
    "gru, two layers": {"cell": "gru", "layers": 2},
    "gru, bahdanau, two layers": {
        "cell": "gru",
        "layers": 2,
        "attention": "additive",
        "attend": "before",
    },
    "slstm": {"cell": "slstm"},
}


def _model(**settings):
    torch.manual_seed(0)
    values = {"hidden": 6, "embedding": 5} | settings
    return EncoderDecoder(9, 7, EncoderDecoderSettings(**values)).eval()


def _batch():
    generator = torch.Generator().manual_seed(1)
    sources = torch.randint(1, 9, (6, 4), generator=generator)
    inputs = torch.randint(1, 7, (5, 4), generator=generator)
    inputs[0] = 0
    return sources, torch.tensor([6, 1, 4, 3]), inputs


@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_is_as_all_at_once(kind):
    model = _model(**KINDS[kind])
    sources, lengths, inputs = _batch()
    scores, weights = model(sources, lengths, inputs)
    carried = model.begin(sources, lengths)
    for place, tokens in enumerate(inputs):
        score, carried, weight = model.step(tokens, carried)
        torch.testing.assert_close(score, scores[place])
        if weights is None:
            assert weight is None
        else:
            torch.testing.assert_close(weight, weights[place])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_as_each_row_alone(kind):
    model = _model(**KINDS[kind])
    sources, lengths, inputs = _batch()
    sources[4:, 1] = 8  # whatever stands in padding
    scores, weights = model(sources, lengths, inputs)
    for row, length in enumerate(lengths.tolist()):
        alone, seen = model(
            sources[:length, row : row + 1], lengths[row : row + 1], inputs[:, row : row + 1]
        )
        torch.testing.assert_close(alone, scores[:, row : row + 1])
        if weights is not None:
            torch.testing.assert_close(seen, weights[:, row : row + 1, :length])
            assert (weights[:, row, length:] == 0).all()


@pytest.mark.parametrize("kind", ["luong", "bahdanau", "input feeding", "none"])
def test_decoding_in_a_batch_is_as_one_by_one(kind):
    model = _model(**KINDS[kind])
    sources, lengths, _ = _batch()
    together = beam_search(model.step, model.begin(sources, lengths), [8, 3, 8, 8], width=3)
    for row, length in enumerate(lengths.tolist()):
        begun = model.begin(sources[:length, row : row + 1], lengths[row : row + 1])
        (alone,) = beam_search(model.step, begun, [3 if row == 1 else 8], width=3)
        assert [h.tokens for h in alone] == [h.tokens for h in together[row]]
        for one, other in zip(alone, together[row], strict=True):
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


@pytest.mark.parametrize("kind", ["luong", "bahdanau", "input feeding", "none"])
def test_a_hypothesis_has_the_probability_that_teacher_forcing_gives(kind):
    model = _model(**KINDS[kind])
    sources, lengths, _ = _batch()
    found = beam_search(model.step, model.begin(sources, lengths), [8] * 4, width=3)
    for row, hypotheses in enumerate(found):
        for hypothesis in hypotheses:
            path = [0, *hypothesis.tokens, *([0] if hypothesis.ended else [])]
            inputs = torch.tensor(path[:-1]).unsqueeze(1)
            scores, weights = model(sources[:, row : row + 1], lengths[row : row + 1], inputs)
            logs = torch.log_softmax(scores[:, 0], dim=1)
            total = float(logs.detach().gather(1, torch.tensor(path[1:]).unsqueeze(1)).sum())
            assert hypothesis.log_probability == pytest.approx(total, abs=1e-4)
            if weights is not None:
                torch.testing.assert_close(hypothesis.attention, weights[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_against_finite_differences(kind):
    model = _model(**({"hidden": 3, "embedding": 2} | KINDS[kind])).double()
    sources, lengths, inputs = _batch()
    targets = inputs.roll(-1, 0)

    def loss():
        scores, _ = model(sources, lengths, inputs)
        return functional.cross_entropy(scores.flatten(0, 1), targets.flatten())

    loss().backward()
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            weight += 1e-5 * direction
            above = float(loss().detach())
            weight -= 2e-5 * direction
            below = float(loss().detach())
            weight += 1e-5 * direction
        expected = (above - below) / 2e-5
        assert float((weight.grad * direction).sum()) == pytest.approx(expected, abs=2e-8), name


def test_scheduled_sampling_of_everything_reads_what_the_model_says():
    """A model that is sure of itself reads its own outputs, and not the target's tokens."""
    model = _model()
    with torch.no_grad():
        model.decoder.head.weight.zero_()
        model.decoder.head.bias.copy_(torch.tensor([0.0, 0, 0, 90, 0, 0, 0]))
    sources, lengths, inputs = _batch()
    sure = torch.full_like(inputs, 3)
    sure[0] = 0
    seen = []
    model.decoder.embedding.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(sources, lengths, inputs, drawn=1.0)
    assert torch.equal(torch.stack(seen), sure)


def test_scheduled_sampling_keeps_its_share():
    model = _model()
    with torch.no_grad():
        model.decoder.head.weight.zero_()
        model.decoder.head.bias.copy_(torch.tensor([0.0, 0, 0, 90, 0, 0, 0]))
    sources = torch.ones(2, 300, dtype=torch.int64)
    inputs = torch.full((11, 300), 5)
    seen = []
    model.decoder.embedding.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model(sources, torch.full((300,), 2), inputs, drawn=0.25)
    read = torch.stack(seen)
    assert (read[0] == 5).all()
    assert float((read[1:] == 3).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_without_drawing_steps_are_those_of_teacher_forcing():
    model = _model()
    sources, lengths, inputs = _batch()
    scores, _ = model(sources, lengths, inputs)
    model.decoder.by_steps = True
    torch.testing.assert_close(model(sources, lengths, inputs)[0], scores)


def test_start_states():
    model = _model(layers=2)
    sources, lengths, _ = _batch()
    carried = model.begin(sources, lengths)
    assert [tuple(each.shape) for each in carried.state] == [(2, 4, 6)] * 2
    assert model.decoder.layers.learn_initial_state is False
    other = _model(layers=2, learn_initial_state=True)
    assert other.encoder.learn_initial_state is True
    assert other.decoder.layers.learn_initial_state is False
    with torch.no_grad():
        for linear in model.decoder.start.values():
            linear.weight.mul_(100.0)
    emitted, kept = model.begin(sources, lengths).state
    assert emitted.abs().max() <= 1.0 < kept.abs().max()
    stabilised = _model(cell="slstm").begin(sources, lengths).state
    assert (stabilised[0] != 0).any()
    assert all((each == 0).all() for each in stabilised[1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"attention": "none", "input_feeding": True},
            "attend=before and input_feeding need attention, which is none; "
            "leave them out, or choose an attention",
        ),
        (
            {"attend": "before", "input_feeding": True},
            "attend=before already feeds the context into the step; leave out --input-feeding",
        ),
        (
            {"attention": "dot"},
            "attention=dot multiplies states of encoder (12 wide in both directions) and decoder "
            "(6); use --attention general, or --no-bidirectional",
        ),
    ],
)
def test_contradictions(settings, message):
    with pytest.raises(ConfigError) as caught:
        _model(**settings)
    assert str(caught.value) == message


def test_every_weight_has_a_region():
    regions = {place.name: place.region for place in places(_model())}
    assert regions["embedding.weight"] == regions["decoder.embedding.weight"] == "parietal"
    assert regions["encoder.weight_hh_l0"] == regions["decoder.layers.weight_hh_l0"] == "frontal"
    assert regions["decoder.attention.key.weight"] == regions["decoder.head.weight"] == "temporal"


def _learn_to_reverse(updates, **settings):
    """Share of strings of 2 to 4 letters that come out reversed."""
    torch.manual_seed(0)
    model = EncoderDecoder(7, 7, EncoderDecoderSettings(hidden=24, embedding=12, **settings))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)

    def batch(count):
        lengths = torch.randint(2, 5, (count,), generator=generator)
        sources = torch.zeros(5, count, dtype=torch.int64)
        targets = torch.zeros(5, count, dtype=torch.int64)
        for row, length in enumerate(lengths.tolist()):
            text = torch.randint(1, 7, (length,), generator=generator)
            sources[:length, row], targets[:length, row] = text, text.flip(0)
        return sources, lengths + 1, targets

    for update in range(updates):
        sources, lengths, targets = batch(32)
        inputs = torch.cat([torch.zeros_like(targets[:1]), targets[:-1]])
        drawn = 0.25 if settings.get("input_feeding") and update % 4 == 0 else 0.0
        scores, _ = model(sources, lengths, inputs, drawn=drawn)
        optimizer.zero_grad()
        functional.cross_entropy(scores.flatten(0, 1), targets.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    sources, lengths, targets = batch(200)
    with torch.inference_mode():
        found = greedy(model.step, model.begin(sources, lengths), [6] * 200)
    expected = [
        row[: length - 1] for row, length in zip(targets.T.tolist(), lengths.tolist(), strict=True)
    ]
    right = [h.tokens == row for h, row in zip(found, expected, strict=True)]
    return sum(right) / len(right)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention": "additive", "attend": "before", "cell": "gru"},
        {"input_feeding": True},
    ],
    ids=["luong", "bahdanau", "input feeding, scheduled sampling"],
)
def test_reversing_short_strings_is_learnt(settings):
    assert _learn_to_reverse(130, **settings) >= 0.95
