"""Which column of a table is the label, and what is read for it: by evidence, or asked."""

import pytest

from engram.data.labelled.reading import read_examples
from engram.data.settings import ReadingSettings
from engram.errors import DataError

WORDS = ["dull", "great", "poor", "lovely", "fine"]


def _read(tmp_path, content, **given):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(content) + "\n")
    settings = ReadingSettings(data=[str(path)], **given)
    return read_examples(settings.data, settings, numbers=False)


def _wave(n, size=6):
    return [f"{(n * 7 + k * 3) % 11 / 10}" for k in range(size)]


TEXTS = [(f"the film {n} was {WORDS[n % 5]}", "np"[n % 2]) for n in range(40)]
STEPS = [(trial, t) for trial in range(12) for t in range(5)]
# what the file is: its content, its label, what is read, and the first label
FORMS = {
    "label first": (["v1,v2,,", *(f"{y},{x},," for x, y in TEXTS)], "v1", "v2", "n"),
    "no names": ([f"{y},{x}" for x, y in TEXTS], "column 1", "column 2", "n"),
    "class of several texts": (
        [f'"{n % 3}","title {x}","story, {x}"' for n, (x, _) in enumerate(TEXTS)],
        "column 1",
        "column 3",
        "0",
    ),
    "true or false": (
        ["text,is_spam", *(f"{x},{y == 'n'}" for x, y in TEXTS)],
        "is_spam",
        "text",
        "True",
    ),
    "label of two words": (
        ["text,mood", *(f"{x},{'very good' if y == 'n' else 'not so good'}" for x, y in TEXTS)],
        "mood",
        "text",
        "very good",
    ),
    "few texts beside one word": (
        ["review,verdict", *(f"the {WORDS[n % 5]} film,{'np'[n % 2]}" for n in range(60))],
        "verdict",
        "review",
        "n",
    ),
    "rows that are series": (
        [f"{n % 2}," + ",".join(_wave(n)) for n in range(30)],
        "column 1",
        None,
        "0",
    ),
    "an index beside them": (
        [",a,b,c,d,label", *(f"{n},{','.join(_wave(n, 4))},{'xy'[n % 2]}" for n in range(30))],
        "label",
        None,
        "x",
    ),
    "steps of trials": (
        ["trial,t,v,kind", *(f"{i},{t},{t / 4},{'ab'[i % 2]}" for i, t in STEPS)],
        "kind",
        None,
        "a",
    ),
    "shuffled steps": (
        [
            "trial,t,v,kind",
            *(f"{i},{t},{t / 4},{'ab'[i % 2]}" for i, t in sorted(STEPS, key=str, reverse=True)),
        ],
        "kind",
        None,
        "b",
    ),
    "a measure called y": (
        ["trial,t,x,y,what", *(f"{i},{t},0.5,{i}.{t},{'ab'[i % 2]}" for i, t in STEPS)],
        "what",
        None,
        "a",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    content, label, text, first = FORMS[form]
    found = _read(tmp_path, content)
    assert (found.roles["target"], found.roles["text"]) == (label, text)
    assert found.examples.targets[0] == first
    assert "column 1" not in found.roles["values"] or label != "label"


def test_steps_are_those_of_their_trial(tmp_path):
    for form in ("steps of trials", "shuffled steps"):
        examples = _read(tmp_path, FORMS[form][0]).examples
        assert len(examples) == 12
        assert {tuple(own[:, 0].tolist()) for own in examples.inputs} == {(0, 0.25, 0.5, 0.75, 1)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            ["text,mood,place", *(f"{x},{y},{'ab'[n % 2]}" for n, (x, y) in enumerate(TEXTS))],
            "several columns that may be the labels: mood, place; name one with --target",
        ),
        (["date,v", *(f"2024-01-{n:02d},{n}.25" for n in range(1, 30))], "none of them is clearly"),
        (
            ["user,activity,time,x", *(f"1,{'ab'[n // 20]},{n},0.{n}" for n in range(40))],
            "give one target per series|name it with --series",
        ),
    ],
)
def test_what_is_not_clear_is_asked(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        _read(tmp_path, content)
