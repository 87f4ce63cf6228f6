"""Formulas as MathML: well formed, and every one of the documents is understood."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engram.pages.mathml import LatexError, mathml

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("x", "<mi>x</mi>"),
        ("12.5", "<mn>12.5</mn>"),
        ("h_{t-1}", "<msub><mi>h</mi><mrow><mrow><mi>t</mi>−<mn>1</mn></mrow></mrow></msub>"),
        ("b'_a", "<msubsup><mi>b</mi><mi>a</mi><mrow><mo>′</mo></mrow></msubsup>"),
        (r"\hat c", '<mover accent="true"><mi>c</mi><mo>^</mo></mover>'),
        (r"\sum_t", "<munder>∑<mrow><mi>t</mi></mrow></munder>"),
        (r"\frac{1}{n}", "<mstyle><mfrac><mrow><mn>1</mn></mrow><mrow><mi>n</mi>"),
        (r"\text{if } a", "<mtext>if&#160;</mtext><mi>a</mi>"),
        (r"\left\| a \right\|", "<mrow><mo>‖</mo><mi>a</mi><mo>‖</mo></mrow>"),
    ],
)
def test_what_is_made(latex, expected):
    made = mathml(latex)
    ElementTree.fromstring(made)
    plain = re.sub(r'<mo stretchy="false">(.*?)</mo>', r"\1", made)
    assert expected in plain


def test_lines_meet_at_their_signs():
    made = ElementTree.fromstring(mathml(r"\begin{aligned} a &= 1 \\ b &= 2 \end{aligned}"))
    assert [[len(row) for row in table] for table in made.iter("mtable")] == [[2, 2]]
    assert "".join(made.itertext()) == "a=1b=2"


@pytest.mark.parametrize("latex", [r"\nosuch", "{a", "a}", r"\left( a", r"\frac{a}", r"\begin{x}"])
def test_what_is_not_known_is_refused(latex):
    with pytest.raises(LatexError):
        mathml(latex)


@pytest.mark.parametrize("name", ["equations.md", "remedies.md"])
def test_every_formula_of_the_documents(name):
    formulas = re.findall(r"\$\$(.*?)\$\$", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)
    assert len(formulas) > 20
    for formula in formulas:
        ElementTree.fromstring(mathml(formula))
