import json

import numpy as np
import pytest

from engram.cli.main import main
from engram.errors import ConfigError, DataError, RunError
from engram.tasks import fitting, translate
from engram.tasks.pairs import TranslateSettings, read
from engram.tasks.translate import TASK
from helpers.earlier import without_digests
from helpers.resuming import assert_resumed_is_uninterrupted

SMALL = {"hidden": 24, "embedding": 12, "epochs": 3, "batch": 32, "rate": 0.01, "clip_norm": 1.0}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Strings and what they are backwards, as a TSV and as two files."""
    folder = tmp_path_factory.mktemp("pairs")
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abcdef"), draw.integers(2, 6))) for _ in range(1200)]
    turned = [text[::-1] for text in texts]
    lines = [f"{a}\t{b}" for a, b in zip(texts, turned, strict=True)]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "texts").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "turned").write_text("\n".join(turned) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(pairs):
    values = SMALL | {"data": [str(pairs / "pairs.tsv")], "forget_bias": 1.0, "epochs": 8}
    settings = TranslateSettings.checked(values)
    data = read(settings)
    return fitting.fit(TASK, settings, data)[0], data


def test_reading_splits_by_the_seed(pairs):
    def parted(**values):
        return read(TranslateSettings(data=[str(pairs / "pairs.tsv")], **values))

    data = parted()
    sizes = [len(part.pairs) for part in (data.train, data.valid, data.test)]
    assert sizes == [1080, 60, 60]
    assert parted().digest == data.digest
    assert parted(seed=1).test.pairs.sources != data.test.pairs.sources
    two = read(TranslateSettings(data=[str(pairs / "texts"), str(pairs / "turned")]))
    assert two.test.pairs == data.test.pairs
    none = parted(valid=0.0, test_data=[str(pairs / "pairs.tsv")])
    assert none.valid is None
    assert len(none.test.pairs) == len(none.train.pairs) == 1200


@pytest.mark.slow
def test_dates_are_made():
    data = read(TranslateSettings(data=["dates"], made=200))
    assert len(data.train.pairs) == 200
    assert set(data.train.pairs.targets).isdisjoint(data.test.pairs.targets)


def test_reversing_is_learnt_and_evaluated(trained):
    model, data = trained
    report = translate.evaluate(model, data.test)
    assert list(report.measures) == ["exact match", "BLEU", "loss", "examples"]
    assert report.measures["exact match"] >= 0.9
    assert report.measures["examples"] == 60


def test_answers_keep_their_order_and_do_not_depend_on_the_batch(trained):
    model, data = trained
    texts = data.test.pairs.sources[:20]
    together = [row["translation"] for row in translate.translate(model, texts)]
    alone = [next(translate.translate(model, [text]))["translation"] for text in texts]
    assert together == alone


def test_attention_is_on_the_tokens_of_the_text(trained):
    model, _ = trained
    asking = translate.TranslateAsking(attention=True, beam=3)
    short, long = translate.translate(model, ["ab", "abcdef"], asking)
    assert short["read"] == ["a", "b", ""]
    assert [len(row) for row in short["attention"]] == [3] * len(short["written"])
    assert len(long["attention"][0]) == 7
    for row in short["attention"]:
        assert sum(row) == pytest.approx(1.0, abs=1e-3)


def test_unknown_tokens_are_counted(trained):
    rows = translate.translate(trained[0], ["abc", "aXbY", ""])
    assert [row["unknown"] for row in rows] == [0, 2, 0]


def test_a_beam_is_at_least_as_likely(trained):
    model, data = trained
    wide = translate.TranslateAsking(beam=5, length_penalty=0.0)
    likely = [row["log_probability"] for row in translate.translate(model, data.test.pairs.sources)]
    more = [r["log_probability"] for r in translate.translate(model, data.test.pairs.sources, wide)]
    assert sum(more) >= sum(likely) - 1e-6


def test_drawing_follows_the_seed(trained):
    model, _ = trained

    def drawn(seed):
        asking = translate.TranslateAsking(temperature=2.0, seed=seed)
        return [r["translation"] for r in translate.translate(model, ["abcde"] * 20, asking)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_limits_grow_with_the_source(trained):
    vocabularies = trained[0].preprocess
    assert vocabularies.longest == (6, 6)
    assert [vocabularies.limit(length) for length in (1, 6, 12)] == [6, 6, 12]


def test_a_stored_model_answers_the_same(trained, tmp_path):
    model, data = trained
    fitting.save(tmp_path, model)
    again = fitting.load(TASK, tmp_path)
    rows = list(translate.translate(again, data.test.pairs.sources))
    assert rows == list(translate.translate(model, data.test.pairs.sources))


@pytest.mark.parametrize("longest", [None, [3], [0, 1], ["a", 1]])
def test_damaged_preprocessing_is_refused(trained, tmp_path, longest):
    fitting.save(tmp_path, trained[0])
    without_digests(tmp_path)
    path = tmp_path / "preprocess.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"longest": longest}))
    with pytest.raises(RunError, match="the stored maximum lengths are damaged"):
        fitting.load(TASK, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [3, 13])
def test_interrupted_and_resumed_is_uninterrupted(pairs, tmp_path, stop_at):
    values = {"data": [str(pairs / "pairs.tsv")], "hidden": 8, "epochs": 2, "batch": 128}
    chance = {"scheduled_sampling": 0.5, "dropout": 0.2, "zoneout": 0.1}
    settings = TranslateSettings.checked(values | chance | {"checkpoint_every": 1})
    data = read(settings)
    assert_resumed_is_uninterrupted(TASK, settings, data, tmp_path, stop_at)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"scheduled_sampling": 0.3},
        {"label_smoothing": 0.1},
        {"zoneout": 0.1, "recurrent_dropout": 0.1, "input_feeding": True},
        {"attention": "none", "learn_initial_state": True, "layers": 2, "residual": True},
    ],
)
def test_ways_of_teaching(pairs, options):
    values = SMALL | {"data": [str(pairs / "pairs.tsv")], "epochs": 2} | options
    settings = TranslateSettings.checked(values)
    _, outcome = fitting.fit(TASK, settings, read(settings))
    assert outcome.updates == 2 * -(-1080 // 32)
    assert outcome.best_loss < 1.95  # nats of seven tokens that are as likely


@pytest.mark.parametrize("tokens", ["bytes", "words", "bpe"])
def test_other_tokens(tmp_path, tokens):
    lines = [f"eins {n} zwei\tone {n} two\n" for n in range(40)]
    (tmp_path / "a.tsv").write_text("".join(lines), encoding="utf-8")
    values = SMALL | {"data": [str(tmp_path / "a.tsv")], "tokens": tokens, "vocabulary": 300}
    settings = TranslateSettings.checked(values)
    model, _ = fitting.fit(TASK, settings, read(settings))
    (row,) = translate.translate(model, ["eins 3 zwei"])
    assert "\ufffd" not in row["translation"] or tokens in ("bytes", "bpe")


def test_what_cannot_be_trained_on(tmp_path):
    with pytest.raises(ConfigError) as caught:
        TranslateSettings.checked({"data": ["x"], "valid": 0.5, "test": 0.5})
    assert "valid=0.5 and test=0.5 leave no data to train on" in str(caught.value)
    (tmp_path / "a").write_text("x\ny\n")
    (tmp_path / "b").write_text("x\n")
    with pytest.raises(DataError, match=r"line 2 of .*a .'y'. has no counterpart"):
        read(TranslateSettings(data=[str(tmp_path / "a"), str(tmp_path / "b")]))


def test_lines_with_an_empty_side_are_told(tmp_path):
    (tmp_path / "a.tsv").write_text("x\ty\nz\t\n" + "x\ty\n" * 50)
    data = read(TranslateSettings(data=[str(tmp_path / "a.tsv")]))
    assert data.warnings == ["1 lines have an empty side and were left out, the first is line 2"]


@pytest.mark.slow
def test_commands(pairs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--hidden", "16", "--epochs", "1", "--run-dir", "run"]
    assert main(["train", "translate", "--data", str(pairs / "pairs.tsv"), *flags]) == 0
    assert "exact match" in capsys.readouterr().out
    assert main(["eval", "run", "--data", str(pairs / "pairs.tsv"), "--json", "f.json"]) == 0
    assert json.loads((tmp_path / "f.json").read_text())["examples"] == 1200
    asked = ["predict", "run", "--data", str(pairs / "texts"), "--attention", "--out", "a.jsonl"]
    assert main(asked) == 0
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(rows) == 1200
    assert len(rows[0]["attention"]) == len(rows[0]["written"])
    capsys.readouterr()
    assert main(["predict", "run", "--text", "abc", "--beam", "2"]) == 0
    assert capsys.readouterr().out.startswith(
        "source,translation,log_probability,ended,unknown\nabc,"
    )
    assert main(["predict", "run"]) == 2
    assert "no input was given" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_of_dates_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--config", "dates", "--made", "64", "--hidden", "8", "--run-dir", "run"]
    assert main(["train", "translate", *flags, "--epochs", "1"]) == 0
    assert "data:\n- dates\n" in (tmp_path / "run" / "config.yaml").read_text()
    assert main(["resume", "run"]) == 0
