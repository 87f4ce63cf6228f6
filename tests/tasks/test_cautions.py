"""Words of scripts without spaces: every task that cuts texts into words warns."""

import numpy as np
import pytest

from engram.data.images.captions import Captions
from engram.data.labelled.examples import Examples
from engram.data.labelled.pairs import Pairs
from engram.tasks import captions, classify, language_model, pairs, regress
from engram.tasks.registry import OUTLINES

CHINESE, ENGLISH = (
    ["我们今天去公园，然后回家。", "他们明天来。"] * 4,
    ["We go home.", "They come."] * 4,
)


def _examples(task, targets):
    def data(settings, texts):
        return task.make_data(settings, (Examples(texts, targets), None, None))

    return data


DATA = {
    "language-model": language_model.make_data,
    "classify": _examples(classify, ["a", "b"] * 4),
    "regress": _examples(regress, np.arange(8.0)),
    "translate": lambda settings, texts: pairs.make_data(
        settings, (Pairs(ENGLISH, texts), None, None)
    ),
    "caption": lambda settings, texts: captions.make_data(
        settings, (Captions(["a", "b"] * 4, [[text] for text in texts]), None, None)
    ),
}
OTHERS = {"caption": {"about": "classes", "attention": "none"}}


def test_all_tasks_with_tokens_are_here():
    assert DATA.keys() == {n for n, o in OUTLINES.items() if "tokens" in o.settings.model_fields}


@pytest.mark.parametrize("task", DATA)
@pytest.mark.parametrize(
    ("texts", "tokens", "told"),
    [(CHINESE, "words", 1), (CHINESE, "characters", 0), (ENGLISH, "words", 0)],
    ids=["Chinese words", "Chinese characters", "English words"],
)
def test_words_without_spaces(task, texts, tokens, told):
    values = {"data": ["x"], "tokens": tokens, **OTHERS.get(task, {})}
    data = DATA[task](OUTLINES[task].settings.checked(values), texts)
    assert len([text for text in data.warnings if "without spaces between words" in text]) == told


def test_translation_names_the_side():
    settings = OUTLINES["translate"].settings.checked({"data": ["x"], "tokens": "words"})
    told = pairs.make_data(settings, (Pairs(CHINESE, CHINESE), None, None)).warnings
    assert [text.split(" is ")[0] for text in told] == [
        "much of the source text",
        "much of the target text",
    ]
