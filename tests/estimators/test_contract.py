"""The contract of scikit-learn and of ours, for all eight estimators, as one table."""

import copy
import doctest
import inspect
import itertools
import json
import os
import pickle
import shutil
import signal
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import engram
from engram.cli.main import main
from engram.errors import ConfigError, DataError, EngramError, EngramWarning, RunError
from engram.estimators.stored import Classes
from engram.records import Result
from engram.training.run_folder import RunFolder
from helpers.earlier import without_digests

DRAW = np.random.default_rng(0)
SERIES = DRAW.normal(size=(12, 6, 2))
WORDS = [["the", "dog", "barks"], ["a", "cat"], ["the", "cat", "sleeps"]] * 4
LINE = "the quick brown fox. " * 20


@dataclass(frozen=True)
class Case:
    """An estimator that is fitted within a moment.

    Attributes:
        made: The estimator.
        X, y: What it is fitted on; ``y`` is None where it takes none.
        other: Another X, with as many of it.
    """

    made: Any
    X: Any
    y: Any
    other: Any

    def fitted(self, made=None, X=None, **options):
        model = clone(self.made) if made is None else made
        given = [self.X if X is None else X] + ([] if self.y is None else [self.y])
        return model.fit(*given, **options)

    def answers(self, model, X=None):
        """What the fitted model says, as an array or a text."""
        given = self.X if X is None else X
        if isinstance(model, engram.LanguageModel):
            return model.sample("the", length=8), model.score(given)
        if isinstance(model, engram.Forecaster):
            model = copy.deepcopy(model)
            return model.update(given).predict()
        if hasattr(model, "predict_proba"):
            return model.predict_proba(given)
        found = model.predict(given)
        return np.concatenate(found) if isinstance(found, list) else found


SMALL = {"hidden": 4, "epochs": 1}
CASES = {
    "SequenceClassifier": Case(
        engram.SequenceClassifier(**SMALL, valid=0.4), SERIES, [3, 11] * 6, SERIES + 1
    ),
    "SequenceRegressor": Case(
        engram.SequenceRegressor(**SMALL), SERIES, np.arange(12.0), SERIES + 1
    ),
    "SequenceTagger": Case(
        engram.SequenceTagger(**SMALL, embedding=4, least=1),
        WORDS,
        [[len(word) for word in words] for words in WORDS],
        [[word[::-1] for word in words] for words in WORDS],
    ),
    "Forecaster": Case(
        engram.Forecaster(**SMALL, horizon=2, window=10), SERIES.reshape(2, 72), None, np.eye(2, 72)
    ),
    "LanguageModel": Case(engram.LanguageModel(**SMALL, lanes=2, steps=8), LINE, None, LINE[::-1]),
    "Translator": Case(
        engram.Translator(**SMALL, embedding=4, valid=0.2),
        ["ab", "ba", "cab", "d"] * 3,
        ["AB", "BA", "CAB", "D"] * 3,
        ["ba", "ab", "bca", "d"] * 3,
    ),
    "Captioner": Case(
        engram.Captioner(**SMALL, embedding=4, features=4, valid=0.2),
        SERIES[:, 0],
        ["a dog", "a cat", "the cat sleeps"] * 4,
        SERIES[:, 1],
    ),
    "EchoState": Case(
        engram.EchoState(units=8, warm_up=1, density=0.5), SERIES, SERIES[..., 0], SERIES + 1
    ),
}
every = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def models():
    """Each estimator, fitted."""
    return {name: case.fitted() for name, case in CASES.items()}


@pytest.fixture(scope="module")
def folders(models, tmp_path_factory):
    """The folder that each wrote."""
    made = {name: tmp_path_factory.mktemp(name) / "model" for name in models}
    for name, folder in made.items():
        models[name].save(folder)
    return made


def same(one, other):
    """Whether two answers are the same bit for bit."""
    if isinstance(one, tuple):
        return one == other
    return one.dtype == other.dtype and np.array_equal(one, other)


# parameters


@every
def test_parameters_are_kept_as_they_are_and_checked_by_fit_alone(name):
    kind = type(CASES[name].made)
    parameters = inspect.signature(kind).parameters
    assert {each.kind for each in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    values = {parameter: object() for parameter in parameters}
    made = kind(**values)
    assert all(getattr(made, parameter) is value for parameter, value in values.items())
    assert made.get_params() == values
    assert set(vars(made)) == set(parameters)


@every
def test_clone_set_params_repr_and_copies(name):
    made = CASES[name].made
    again = clone(made)
    assert again.get_params() == made.get_params()
    assert again is not made
    assert again.set_params(random_state=7) is again
    assert again.get_params() == made.get_params() | {"random_state": 7}
    assert repr(again).startswith(f"{name}(")
    assert "random_state=7" in repr(again)
    assert pickle.loads(pickle.dumps(again)).get_params() == again.get_params()
    assert made == made
    assert made != again
    assert len({made, again}) == 2


@every
def test_a_parameter_that_is_not_one_is_named_with_the_nearest(name):
    kind = type(CASES[name].made)
    message = f"{name} has no parameter 'randomstate': did you mean 'random_state'"
    with pytest.raises(ConfigError, match=message):
        kind(randomstate=1)
    with pytest.raises(ConfigError, match=message):
        kind().set_params(randomstate=1)
    with pytest.raises(ConfigError, match=rf"{name} got 3 by position; it takes only keyword"):
        kind(3)


# fitting


@every
def test_fit_gives_itself_and_fitted_names_end_in_an_underscore(name, models):
    model, case = models[name], CASES[name]
    assert case.fitted(clone(case.made), reporter=engram.Reporter()) is not model
    fresh = clone(case.made)
    assert case.fitted(fresh) is fresh
    assert fresh.get_params() == case.made.get_params()
    learnt = {each for each in vars(fresh) if not each.startswith("_")} - set(fresh.get_params())
    assert {each[-1] for each in learnt} == {"_"}
    assert {"module_", "n_iter_", "seed_"} <= learnt
    assert fresh.n_iter_ >= 1
    assert fresh.seed_ == 0


@every
def test_a_second_fit_remembers_nothing(name, models):
    case = CASES[name]
    used = case.fitted(copy.deepcopy(models[name]), case.other)
    fresh = case.fitted(X=case.other)
    assert same(case.answers(used, case.other), case.answers(fresh, case.other))
    assert set(vars(used)) == set(vars(fresh))


def test_features_of_a_fit_on_numbers_are_forgotten_by_one_on_texts():
    model = CASES["SequenceClassifier"].fitted()
    assert model.n_features_in_ == 2
    model.fit(["a b", "b a", "a a", "b b"] * 3, [0, 1] * 6)
    assert not hasattr(model, "n_features_in_")


@every
def test_what_is_not_fitted_says_so(name, tmp_path):
    case = CASES[name]
    calls = {
        "predict": (case.X,),
        "predict_proba": (case.X,),
        "look": (case.X,),
        "generate": (3,),
        "sample": (),
        "finetune": (LINE,),
        "update": (case.X,),
        "backtest": (case.X,),
        "score": (case.X, case.y),
        "bleu": (case.X, case.y),
        "span_f1": (case.X, case.y),
        "save": (tmp_path / "model",),
    }
    if name == "Forecaster":
        calls |= {"predict": (), "predict_interval": ()}
    for method, given in calls.items():
        if hasattr(case.made, method):
            with pytest.raises(NotFittedError):
                getattr(clone(case.made), method)(*given)
    assert not (tmp_path / "model").exists()


@every
def test_random_state(name, models):
    case = CASES[name]

    def weights(random_state):
        model = case.fitted(clone(case.made).set_params(random_state=random_state))
        return torch.cat([value.flatten() for value in model.module_.state_dict().values()])

    before = np.random.get_state()[1].copy()
    one = weights(np.int64(5))
    assert torch.equal(one, weights(5))
    state = np.random.RandomState(3)
    again = copy.deepcopy(state)
    model = clone(case.made).set_params(random_state=state)
    assert model.random_state is state
    assert clone(model).random_state is not state  # as in scikit-learn
    first, second = case.fitted(model).seed_, case.fitted(model).seed_
    assert first != second
    model.random_state = again
    assert [case.fitted(model).seed_, case.fitted(model).seed_] == [first, second]
    assert (np.random.get_state()[1] == before).all()
    model.random_state = None
    assert case.fitted(model).seed_ != case.fitted(model).seed_
    for wrong in (-1, 1.5, "0", np.random.default_rng(0), 1 << 63):
        with pytest.raises(ConfigError, match=f"{name}: random_state is .*it takes a whole number"):
            case.fitted(clone(case.made).set_params(random_state=wrong))


@every
def test_the_global_random_state_is_left_alone(name):
    before = torch.get_rng_state()
    CASES[name].fitted()
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_model_is_left_in_evaluation_mode(name, models):
    case, model = CASES[name], copy.deepcopy(models[name])

    def modes():
        return {module.training for module in model.module_.modules()}

    assert modes() == {False}
    expected = case.answers(model)
    for mode in (True, False):
        model.module_.train(mode)
        case_answers = case.answers(model)
        assert same(case_answers, expected)
    model.module_.train()
    if hasattr(model, "partial_fit"):
        model.partial_fit(case.X, case.y)
    elif name == "LanguageModel":
        model.sample(length=2)
    elif name == "Forecaster":
        model.predict()
    else:
        model.predict(case.X)
    assert modes() == {False}


@every
def test_a_reporter_is_told(name):
    class Told(engram.Reporter):
        def __init__(self):
            self.heard = []

        def prepared(self, prepared):
            self.heard.append("prepared")

        def begin(self, plan):
            self.heard.append("begin")

        def update(self, update, loss):
            self.heard.append(update)

        def end(self, outcome):
            self.heard.append(outcome.updates)

    told = Told()
    model = CASES[name].fitted(reporter=told)
    updates = [] if name == "EchoState" else range(1, model.n_iter_ + 1)
    assert told.heard == ["prepared", "begin", *updates, model.n_iter_]


# warnings


class Interrupting(engram.Reporter):
    def update(self, update, loss):
        if update == 1:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", [name for name in CASES if name != "EchoState"])
def test_a_fit_that_is_stopped_warns(name):
    case = CASES[name]
    made = clone(case.made).set_params(epochs=50)
    with pytest.warns(ConvergenceWarning, match=r"the fit was interrupted after 2 updates"):
        case.fitted(made, reporter=Interrupting())
    assert made.n_iter_ == 2
    assert not any(module.training for module in made.module_.modules())


@pytest.mark.parametrize(
    "name",
    ["SequenceClassifier", "SequenceRegressor", "SequenceTagger", "Translator", "Captioner"],
)
def test_a_share_that_leaves_nothing_to_validate_on_warns(name):
    case = CASES[name]
    with pytest.warns(
        EngramWarning, match=r"valid=0\.01 of these data leaves nothing to validate on"
    ):
        made = case.fitted(clone(case.made).set_params(valid=0.01))
    assert made.valid_loss_ is None


# folders


@every
def test_what_is_loaded_is_what_was_saved(name, models, folders):
    model, case = models[name], CASES[name]
    again = type(case.made).load(folders[name])
    assert same(case.answers(again), case.answers(model))
    inferred = {"about", "attention"} if name == "Captioner" else set()
    kept = clone(case.made).set_params(**{each: getattr(again, each) for each in inferred})
    assert again.get_params() == kept.get_params()
    for each in ("n_iter_", "valid_loss_", "seed_", "n_features_in_", "ridge_"):
        assert getattr(again, each, None) == getattr(model, each, None)
    assert not any(module.training for module in again.module_.modules())
    if name != "Forecaster":  # which is measured on longer series
        given = (case.X,) if case.y is None else (case.X, case.y)
        assert again.score(*given) == model.score(*given)
    again.save(folders[name].parent / "again")
    for file in folders[name].iterdir():
        assert (folders[name].parent / "again" / file.name).read_bytes() == file.read_bytes()


LABELS = {
    "int": [11, 3],
    "negative": [-1, 1],
    "str": ["b", "a longer one"],
    "bool": [True, False],
    "float": [0.5, 1.0],
    "int8": np.array([11, 3], np.int8),
    "uint64": np.array([1 << 63, 3], np.uint64),
    "float32": np.array([2.0, 1.0], np.float32),
    "object": np.array(["b", "a"], dtype=object),
    "wide": np.array(["b", "a"], dtype="<U40"),
}


@pytest.mark.parametrize("kind", [kind for kind in LABELS if kind != "float"])
@pytest.mark.parametrize("name", ["SequenceClassifier", "SequenceTagger", "EchoState"])
def test_labels_keep_their_type(name, kind, tmp_path):
    case, labels = CASES[name], np.asarray(LABELS[kind])
    y = labels[[0, 1] * 6]
    made = clone(case.made)
    if name == "EchoState":
        made.set_params(target="class")
    if name == "SequenceTagger":
        y = [labels[[0, 1, 0][: len(words)]] for words in WORDS]
    model = made.fit(case.X, y)
    model.save(tmp_path / "model")
    again = type(made).load(tmp_path / "model")
    for each in (model, again):
        assert each.classes_.dtype.kind == labels.dtype.kind
        assert each.classes_.tolist() == sorted(labels.tolist())
        assert [type(v) for v in each.classes_.tolist()] == [type(v) for v in labels.tolist()]
    assert again.classes_.dtype == model.classes_.dtype
    assert same(case.answers(again), case.answers(model))
    found, wanted = again.predict(case.X), model.predict(case.X)
    assert [np.asarray(each).tolist() for each in found] == [
        np.asarray(each).tolist() for each in wanted
    ]


@pytest.mark.parametrize("name", ["SequenceClassifier", "SequenceTagger"])
def test_a_model_folder_of_a_run_has_labels_as_text(name, models, folders, tmp_path):
    """As the command line writes it, which knows texts alone; there "11" is before "3"."""
    model, case = models[name], CASES[name]
    folder = shutil.copytree(folders[name], tmp_path / "model")
    without_digests(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["estimator"]
    (folder / "config.json").write_text(json.dumps(config))
    again = type(model).load(folder)
    assert again.classes_.tolist() == sorted(str(label) for label in model.classes_.tolist())
    for found, wanted in zip(again.predict(case.X), model.predict(case.X), strict=True):
        assert np.array_equal(np.asarray(found), np.asarray(wanted).astype(str))
    assert again.n_iter_ is None


@pytest.mark.parametrize(("name", "other"), list(itertools.permutations(CASES, 2)))
def test_a_folder_of_another_estimator_is_refused_by_name(name, other, folders):
    with pytest.raises(
        RunError, match=f"contains a model of {other}, not of {name}; .*{other}.load"
    ):
        type(CASES[name].made).load(folders[other])


@every
def test_damaged_folders_are_refused(name, folders, tmp_path):
    kind = type(CASES[name].made)
    with pytest.raises(RunError, match="contains no model"):
        kind.load(tmp_path)
    for file in ("config.json", "preprocess.json", "model.safetensors"):
        for damage in (None, b"", b"[]", b"{}", b'{"task": 3}', b"\xff\xfe"):
            folder = shutil.copytree(folders[name], tmp_path / "copy", dirs_exist_ok=True)
            (folder / file).unlink() if damage is None else (folder / file).write_bytes(damage)
            with pytest.raises(EngramError):
                kind.load(folder)


def _places(value, path=()):
    """The places of a JSON value, the outer ones first; some of those of long lists."""
    yield path
    inside = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        inside = list(enumerate(value))[:2]
    for key, each in inside:
        yield from _places(each, (*path, key))


def _changed(value, path, into):
    if not path:
        return into
    changed = copy.copy(value)
    changed[path[0]] = _changed(value[path[0]], path[1:], into)
    return changed


OTHERS = (None, -1, "x", [[1]], 1e300)


@every
def test_every_field_is_checked(name, folders, tmp_path):
    """What is read back is refused, or taken; nothing else comes of another value."""
    kind = type(CASES[name].made)
    folder = shutil.copytree(folders[name], tmp_path / "copy")
    without_digests(folder)
    for file in ("config.json", "preprocess.json"):
        whole = json.loads((folder / file).read_text())
        places = [path for path in _places(whole) if "settings" not in path or len(path) < 2]
        for number, path in enumerate(places):
            for into in (OTHERS[number % 5], OTHERS[(number + 2) % 5]):
                (folder / file).write_text(json.dumps(_changed(whole, path, into)))
                try:
                    kind.load(folder)
                except EngramError:
                    continue
        (folder / file).write_text(json.dumps(whole))
    kind.load(folder)


@every
def test_run_dir_gives_a_finished_run(name, models, tmp_path, capsys):
    case = CASES[name]
    made = clone(case.made).set_params(run_dir=tmp_path / "run")
    model = case.fitted(made)
    run = RunFolder.open(tmp_path / "run")
    result = run.read(Result)
    assert result.updates == model.n_iter_
    again = type(made).load(run.model)
    assert same(case.answers(again), case.answers(model))
    assert same(case.answers(model), case.answers(models[name]))
    assert again.n_iter_ == model.n_iter_
    with pytest.raises(RunError, match="exists and is not empty"):
        case.fitted(made)
    assert main(["info", str(run.path)]) == 0
    shown = capsys.readouterr().out.split("\n")
    assert any(line.split() == ["state", "finished"] for line in shown)


# inputs

WRONG = {
    "None": None,
    "a number": 3.5,
    "a dict": {"a": [1.0, 2.0], "b": [3.0, 4.0]},
    "a dict of series": dict(enumerate(SERIES)),
    "a set": {1.0, 2.0},
    "a set of texts": {"a", "b"},
    "a generator": "(row for row in rows)",
    "an iterator": "iter(rows)",
    "an array without axes": np.array(3.0),
    "objects": np.array([object(), object()], dtype=object),
    "an array of dicts": np.array([{"a": 1}, {"a": 2}], dtype=object),
    "a list of dicts": [{"a": 1.0}, {"a": 2.0}],
    "a masked array": np.ma.masked_array(SERIES, SERIES > 0),
    "a sparse matrix": csr_matrix(np.eye(12)),
    "a sparse array": csr_matrix(np.eye(12)).tocoo(),
    "complex numbers": SERIES + 1j,
    "bytes": b"text",
    "nothing": [],
    "a number past all": [[10**400, 1.0], [2.0, 3.0]],
    "a number past float32": np.full((2, 9), 1e300),
    "dates": np.array(["2024-01-01"] * 12, dtype="datetime64[D]"),
}
TABLES = {
    "pandas": lambda pandas: pandas.DataFrame({"a": ["x", "y"] * 6, "b": [1.0, 2.0] * 6}),
    "pyarrow": lambda arrow: arrow.table({"a": ["x", "y"] * 6, "b": [1.0, 2.0] * 6}),
}


def _made(kind):
    given = WRONG[kind]
    if kind == "a generator":
        return (row for row in SERIES)
    return iter(SERIES) if kind == "an iterator" else given


@pytest.mark.parametrize("kind", WRONG)
@every
def test_wrong_inputs_are_refused(name, kind, models):
    case = CASES[name]
    given = [] if case.y is None else [case.y]
    with pytest.raises(DataError, match=r"\bX\b|no text"):
        clone(case.made).fit(_made(kind), *given)
    if given:
        with pytest.raises(DataError, match=r"\by\b"):
            clone(case.made).fit(case.X, _made(kind))
    model = copy.deepcopy(models[name])
    use = getattr(model, {"LanguageModel": "score", "Forecaster": "update"}.get(name, "predict"))
    with pytest.raises(DataError, match=r"\bX\b|no text"):
        use(_made(kind))


@pytest.mark.parametrize("library", TABLES)
@pytest.mark.parametrize("name", [name for name in CASES if name != "Forecaster"])
def test_tables_are_never_read_by_the_names_of_their_columns(name, library):
    table = TABLES[library](pytest.importorskip(library))
    case = CASES[name]
    given = [] if case.y is None else [case.y]
    with pytest.raises(DataError, match=r"\bX\b"):
        clone(case.made).fit(table, *given)
    if given:
        with pytest.raises(DataError, match=r"\by\b"):
            clone(case.made).fit(case.X, table)


def test_a_table_of_numbers_and_its_columns_are_read_by_their_values():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(SERIES[:, :, 0], columns=list("abcdef"))
    labels = pandas.Series([3, 11] * 6, index=range(50, 62))
    case = CASES["SequenceClassifier"]
    one = clone(case.made).fit(table, labels).predict_proba(table)
    other = clone(case.made).fit(SERIES[:, :, 0], case.y).predict_proba(SERIES[:, :, 0])
    np.testing.assert_array_equal(one, other)
    frames = [pandas.DataFrame(each) for each in SERIES]
    one = clone(case.made).fit(frames, labels).predict_proba(frames)
    np.testing.assert_array_equal(one, clone(case.made).fit(SERIES, case.y).predict_proba(SERIES))
    case = CASES["Translator"]
    one = clone(case.made).fit(pandas.Series(case.X), pandas.Series(case.y))
    np.testing.assert_array_equal(one.predict(case.X), case.fitted().predict(case.X))


@pytest.mark.parametrize(
    ("name", "y", "said"),
    [
        ("SequenceClassifier", ["a", 1] * 6, "y contains str and int; give one type"),
        ("SequenceClassifier", [None, "a"] * 6, "y contains str and NoneType"),
        ("SequenceClassifier", [0.5, 1.0] * 6, "cannot be used as labels: Unknown label type"),
        ("SequenceClassifier", np.eye(12), "y should be a 1d array"),
        ("SequenceRegressor", ["1", "2"] * 6, "y contains texts; it takes numbers"),
        ("SequenceRegressor", [b"1", b"2"] * 6, "y contains texts; it takes numbers"),
        ("SequenceTagger", [["a"] * len(w) for w in WORDS[:-1]] + [[1] * 3], "tags of .* and"),
        ("SequenceTagger", ["abc"] * 12, r"y\[0\] is str; it takes a tag for each step"),
        ("EchoState", [["x"] * 6] * 12, r"contains texts; it takes numbers"),
        ("Translator", [1] * 12, r"y\[0\] is int; y takes a list of texts"),
        ("Captioner", "one text", r"y is str; it takes a list of texts"),
    ],
)
def test_wrong_answers_are_refused(name, y, said):
    with pytest.raises(DataError, match=said):
        clone(CASES[name].made).fit(CASES[name].X, y)


def test_labels_that_no_file_can_hold_are_refused_by_fit():
    case = CASES["SequenceClassifier"]
    for labels in (np.array(["2024-01-01", "2024-01-02"], "datetime64[D]"), np.array([b"a", b"b"])):
        with pytest.raises(DataError, match="y "):
            clone(case.made).fit(case.X, labels[[0, 1] * 6])
    with pytest.raises(DataError, match="it takes texts, whole numbers or bools"):
        Classes.of(np.array([(1, 2), None], dtype=object))


# documents


@every
def test_the_example_of_the_docstring_runs(name):
    kind = getattr(engram, name)
    (found,) = doctest.DocTestFinder(recurse=False).find(kind, name, globs={})
    assert found.examples
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(found)
    assert result.failed == 0
