"""MathML from the LaTeX of the documents, so that equations render offline.

It only knows the commands that the documents use; any other is an error.
"""

import re
from html import escape

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|[0-9]+(?:\.[0-9]+)?|.", re.DOTALL)
_SYMBOLS = {
    "odot": "⊙",
    "sim": "∼",
    "le": "≤",
    "leftarrow": "←",
    "partial": "∂",
    "top": "⊤",
    "dots": "…",
    "ge": "≥",
    "approx": "≈",
    "sum": "∑",
    "|": "‖",
    "{": "{",
    "}": "}",
    "%": "%",
}
_LETTERS = {
    "sigma": "σ",
    "lambda": "λ",
    "theta": "θ",
    "eta": "η",
    "epsilon": "ϵ",
    "beta": "β",
    "alpha": "α",
    "tau": "τ",
    "phi": "φ",
    "Omega": "Ω",
}
_FUNCTIONS = {"tanh", "log", "max", "min", "exp"}
_BELOW = {"sum", "max", "min"}  # limits go above and below these in display style
_ACCENTS = {"hat": "^", "tilde": "~", "bar": "¯"}
_SPACES = {",": "0.17em", " ": "0.33em", "quad": "1em"}


class LatexError(ValueError):
    """Unsupported LaTeX."""


def mathml(latex: str) -> str:
    """A display formula as a ``<math>`` element.

    Args:
        latex: The formula without dollar signs.

    Raises:
        LatexError: For an unknown command or unmatched braces.
    """
    reader = _Reader(_TOKEN.findall(latex.strip()))
    made = reader.row(until="")
    return f'<math display="block">{made}</math>'


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place = tokens, 0

    def peek(self) -> str:
        """The next token, not consumed; empty at the end."""
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """The next token, consumed."""
        token = self.peek()
        if not token or (expected and token != expected):
            raise LatexError(f"{''.join(self.tokens)}: {expected or 'more'} is missing")
        self.place += 1
        return token

    def row(self, until: str) -> str:
        """Everything up to a token, which is consumed."""
        parts = []
        while self.peek() != until:
            parts.append(self.scripted())
        if until:
            self.take()
        return f"<mrow>{''.join(parts)}</mrow>"

    def scripted(self) -> str:
        """One element with its superscript and subscript."""
        token = self.peek()
        made = self.with_scripts(token, self.one())
        parted = token[1:] in _FUNCTIONS and self.peek() not in ("(", "\\left")
        return f'{made}<mspace width="0.17em"/>' if parted else made

    def with_scripts(self, token: str, base: str) -> str:
        """An element with its scripts; ``token`` is the element."""
        below = above = ""
        while self.peek() in ("_", "^", "'"):
            sign = self.take()
            if sign == "'":
                above += "<mo>′</mo>"
            elif sign == "_":
                below = self.argument()
            else:
                above += self.argument()
        if not below and not above:
            return base
        tag = ("munder", "mover") if token.lstrip("\\") in _BELOW else ("msub", "msup")
        if below and above:
            both = "munderover" if tag[0] == "munder" else "msubsup"
            return f"<{both}>{base}{below}<mrow>{above}</mrow></{both}>"
        kind = tag[0] if below else tag[1]
        return f"<{kind}>{base}<mrow>{below or above}</mrow></{kind}>"

    def argument(self) -> str:
        """The argument of a command: a group, or one element."""
        while self.peek().isspace():
            self.take()
        if self.peek() != "{":
            return self.one()
        self.take()
        return self.row(until="}")

    def text(self) -> str:
        """The raw text of a group."""
        self.take("{")
        parts = []
        while self.peek() != "}":
            parts.append(self.take())
        self.take()
        return "".join(parts)

    def one(self) -> str:
        """One element without its scripts."""
        token = self.take()
        if token.isspace():
            return ""
        if token == "{":
            return self.row(until="}")
        if token.startswith("\\"):
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        if token == "}":
            raise LatexError(f"{''.join(self.tokens)}: a brace closes that was not opened")
        return f'<mo stretchy="false">{escape({"-": "−"}.get(token, token))}</mo>'

    def command(self, name: str) -> str:
        """The MathML of a command; its arguments are consumed."""
        if name in ("frac", "tfrac"):
            style = ' displaystyle="false"' if name == "tfrac" else ""
            return f"<mstyle{style}><mfrac>{self.argument()}{self.argument()}</mfrac></mstyle>"
        if name == "sqrt":
            return f"<msqrt>{self.argument()}</msqrt>"
        if name in _ACCENTS:
            sign = _ACCENTS[name]
            return f'<mover accent="true">{self.argument()}<mo>{sign}</mo></mover>'
        if name == "mathrm":
            return f'<mi mathvariant="normal">{escape(self.text())}</mi>'
        if name == "text":
            return f"<mtext>{escape(self.text()).replace(' ', '&#160;')}</mtext>"
        if name == "left":
            return self.fenced()
        if name == "begin":
            return self.aligned()
        if name in _SPACES:
            return f'<mspace width="{_SPACES[name]}"/>'
        if name in _FUNCTIONS:
            return f"<mi>{name}</mi>"
        if name in _LETTERS:
            return f"<mi>{_LETTERS[name]}</mi>"
        if name in _SYMBOLS:
            return f'<mo stretchy="false">{_SYMBOLS[name]}</mo>'
        raise LatexError(f"\\{name} is unknown to engram.pages.mathml; add it there")

    def fenced(self) -> str:
        """The content between ``\\left`` and ``\\right``, with its two delimiters."""
        left = self.sign()
        parts = []
        while self.peek() != "\\right":
            parts.append(self.scripted())
        self.take()
        return f"<mrow>{left}{''.join(parts)}{self.sign()}</mrow>"

    def sign(self) -> str:
        """A bracket that stretches with its content."""
        token = self.take()
        return f"<mo>{_SYMBOLS.get(token[1:], token) if token[0] == chr(92) else token}</mo>"

    def aligned(self) -> str:
        """Lines aligned at ``&``, up to ``\\end``."""
        name = self.text()
        if name != "aligned":
            raise LatexError(f"\\begin{{{name}}} is unknown to engram.pages.mathml")
        rows: list[list[str]] = [[""]]
        while self.peek() != "\\end":
            if self.peek() == "&":
                self.take()
                rows[-1].append("")
            elif self.peek() == "\\\\":
                self.take()
                rows.append([""])
            else:
                rows[-1][-1] += self.scripted()
        self.take()
        self.text()
        lines = ["".join(f"<mtd>{cell}</mtd>" for cell in row) for row in rows]
        body = "".join(f"<mtr>{line}</mtr>" for line in lines)
        return f'<mtable class="aligned" displaystyle="true">{body}</mtable>'
