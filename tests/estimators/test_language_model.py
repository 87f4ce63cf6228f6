"""LanguageModel: scikit-learn's manners, and the same results as the command line's task."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import engram
from engram.cli.main import main
from engram.errors import ConfigError, DataError
from engram.tasks import fitting
from engram.tasks import language_model as task
from engram.tasks.transfer import read_start
from engram.training.run_folder import RunFolder

TEXT = "the quick brown fox jumps over the lazy dog. " * 40
SMALL = {"hidden": 12, "lanes": 2, "steps": 10, "epochs": 2}


@pytest.fixture(scope="module")
def fitted():
    return engram.LanguageModel(**SMALL, random_state=4).fit(TEXT)


def test_the_same_seed_gives_the_same_model(fitted):
    again = clone(fitted).fit(TEXT)
    for a, b in zip(again.module_.parameters(), fitted.module_.parameters(), strict=True):
        assert torch.equal(a, b)
    assert again.sample("the ", length=30) == fitted.sample("the ", length=30)


def test_score_is_higher_for_text_like_the_training_text(fitted):
    assert fitted.score(TEXT) > fitted.score("zzz qqq " * 40)
    assert fitted.score([TEXT, TEXT]) == pytest.approx(fitted.score(TEXT), abs=0.05)


def test_nothing_is_written_without_run_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engram.LanguageModel(**SMALL).fit(TEXT)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_many_short_documents_teach_where_to_end():
    names = ["anna", "bert", "carl", "dora"] * 100
    model = engram.LanguageModel(
        hidden=24, lanes=4, steps=16, epochs=25, rate=0.01, valid=0.1, random_state=1
    ).fit(names)
    drawn = [model.sample(length=20, temperature=0.5, seed=s) for s in range(8)]
    assert set(drawn) <= {"anna", "bert", "carl", "dora"}


@pytest.mark.parametrize(
    ("X", "error", "text"),
    [
        (3, DataError, "X is int; it takes a list of texts"),
        (["a", 3], DataError, r"X\[1\] is int"),
        ([], DataError, "no text"),
        ([""], DataError, "no text"),
        ("short", DataError, "use --lanes|lanes of"),
        (np.array(["ab" * 40, "cd"]), None, ""),
    ],
)
def test_what_fit_takes(X, error, text):
    model = engram.LanguageModel(**SMALL)
    if error is None:
        model.fit(X)
    else:
        with pytest.raises(error, match=text):
            model.fit(X)


OTHER = "A lazy DOG sleeps; the fox does not! " * 40


@pytest.mark.slow
def test_finetune_learns_other_texts_and_keeps_what_is_frozen(fitted):
    tuned = engram.LanguageModel(**SMALL, random_state=4).fit(TEXT)
    before = {name: value.clone() for name, value in tuned.module_.layers.state_dict().items()}
    parameters = tuned.get_params()
    assert tuned.finetune(OTHER, freeze=["frontal"], rates={"temporal": 0.5}, epochs=8) is tuned
    for name, value in tuned.module_.layers.state_dict().items():
        assert torch.equal(value, before[name])
    assert tuned.tokenizer_.size == 2 + len(set(OTHER))
    assert tuned.score(OTHER) > fitted.score(OTHER)
    assert tuned.get_params() == parameters
    assert tuned.settings_.rate == fitted.settings_.rate / 2


def test_finetune_of_a_loaded_model_with_settings_that_have_no_parameter(tmp_path):
    settings = task.LanguageModelSettings(hidden=12, lanes=2, steps=10, epochs=1, embedding=5)
    trained, _ = fitting.fit(task.TASK, settings, task.make_data(settings, [TEXT]))
    fitting.save(tmp_path / "model", trained)
    model = engram.LanguageModel.load(tmp_path / "model").finetune(TEXT, unfreeze_every=3)
    assert model.module_.embedding.weight.shape[1] == 5
    model.save(tmp_path / "again")
    again = engram.LanguageModel.load(tmp_path / "again")
    assert again.score(TEXT) == model.score(TEXT)


@pytest.mark.slow
def test_finetune_with_a_run_dir_is_resumable(fitted, tmp_path):
    model = clone(fitted).fit(TEXT).finetune(OTHER, run_dir=tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    values = run.settings()
    assert run.task(values) == task.NAME
    settings = task.LanguageModelSettings.checked(values)
    assert read_start(settings.start).tokenizer.plain() == fitted.tokenizer_.plain()
    assert engram.LanguageModel.load(run.model).score(OTHER) == model.score(OTHER)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"freeze": ["temproal"]}, "did you mean 'temporal'"),
        ({"freeze": ["frontal"], "rates": {"frontal": 2.0}}, "leave one of them out"),
        ({"rate": -1.0, "epochs": 0}, "epochs is 0.*rate is -1.0"),
    ],
)
def test_finetune_faults(fitted, options, text, tmp_path):
    with pytest.raises(ConfigError, match=text):
        fitted.finetune(OTHER, **options, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_finetune_of_an_unfitted_model():
    with pytest.raises(NotFittedError):
        engram.LanguageModel().finetune(TEXT)


def test_all_faulty_parameters_are_named_at_once():
    with pytest.raises(ConfigError, match=r"cell is 'lstn'.*hidden is -1") as caught:
        engram.LanguageModel(hidden=-1, cell="lstn").fit(TEXT)
    assert "dropout" not in str(caught.value)


def test_a_run_of_an_estimator_is_finished(tmp_path, capsys):
    engram.LanguageModel(**SMALL, run_dir=tmp_path / "run").fit(TEXT)
    assert main(["info", str(tmp_path / "run")]) == 0
    assert main(["resume", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "not finished" not in out
    assert "is finished" in out
